"""Files of this program: names that are safe on any disk, whole files or none, and no link followed.

A folder that somebody else has made may hold anything: links to files elsewhere, pipes that nobody writes to, names
that climb out of it. Whatever is written goes to a new file first, which is made for it and for nothing else, and then
takes its name at once. Whatever is read of a folder of ours must be an ordinary file inside it.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import BinaryIO

from lob_sim.errors import DataError, OutputError

_MOST_BYTES = 100
"""Of a name in UTF-8; a file name has room for 255, of which others add to it."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows, whatever follows the dot."""


def safe_names(texts: Sequence[str]) -> list[str]:
    """Names for files: no folder, nothing hidden, nothing that any disk refuses, no two alike.

    Args:
        texts: What the files are named after; a text that may be the name of a file stays as it is.
    """
    names: list[str] = []
    taken: set[str] = set()
    for text in texts:
        name = base = _safe(text)
        n = 1
        # Many disks take upper and lower case for the same.
        while name.lower() in taken:
            n += 1
            name = f"{base}-{n}"
        taken.add(name.lower())
        names.append(name)
    return names


def safe_name(text: str) -> str:
    """:func:`safe_names` of one text."""
    return _safe(text)


def _safe(text: str) -> str:
    name = re.sub(r"[^\w.-]+", "_", text)
    name = name.encode("utf-8", "replace")[:_MOST_BYTES].decode("utf-8", "ignore").strip(".").lstrip("-")
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name


def within(folder: PurePath, file: PurePath) -> str:
    """Where a file is in a folder, written alike on every system."""
    return file.relative_to(folder).as_posix()


def own_folder(parent: Path, name: str) -> Path:
    """A folder of that name in another one: an ordinary one, or none yet.

    Raises:
        OutputError: There is a link of that name, which may lead anywhere.
    """
    folder = parent / name
    if folder.is_symlink():
        raise OutputError(f"{folder}: is a link: expected an ordinary folder, or none")
    return folder


def require_inside(folder: Path, path: Path) -> Path:
    """A place in a folder, when no link on the way leads out of it.

    Raises:
        DataError: A folder on the way is a link.
    """
    for above in path.parents:
        if above == folder:
            return path
        if above.is_symlink():
            raise DataError("is a link: expected an ordinary folder", str(above))
    raise DataError(f"is not in {folder}", str(path))


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, if they are not there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
    return folder


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole and force it to disk, or leave what was there.

    Raises:
        OutputError: It cannot be written; nothing appears under the name, and the temporary file is removed.
    """
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name once it is whole and on disk; a link of that name is replaced, never followed.

    Raises:
        OutputError: It cannot be written; nothing appears under the name, and the temporary file is removed.
    """
    # Made for this and for nothing else: a file or a link that has the name already is an error.
    temporary = path.with_name(f".{path.name[:_MOST_BYTES]}.{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_dir() and not path.is_symlink():
            raise OutputError(f"{path}: is a folder: expected the name of a file")
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file for reading: not a link, a pipe, a device or a folder.

    Raises:
        FileNotFoundError: There is nothing of that name.
        DataError: It is something else, or cannot be read.
    """
    # A pipe would otherwise wait for its other end.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
            raise DataError(f"is {kind}: expected an ordinary file", str(path))
        return os.fdopen(os.open(path, flags), "rb")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", str(path)) from None


def read_ordinary(path: Path) -> bytes:
    """The content of an ordinary file.

    Raises:
        FileNotFoundError: There is nothing of that name.
        DataError: It is something else, or cannot be read.
    """
    with open_ordinary(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", str(path)) from None
