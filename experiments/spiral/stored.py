"""What experiments keep beside the documents, read back as what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from lob_sim.errors import DataError, InputError

T = TypeVar("T")


def read_stored(path: Path, kind: type[T], maker: str) -> T:
    """The contents of a JSON file that a command has written.

    Args:
        path: The file.
        kind: What is in it.
        maker: The command that writes such a file, for errors.

    Raises:
        InputError: There is no such file.
        DataError: It is something else.
    """
    if not path.is_file():
        raise InputError(f"is not there: {maker} makes it", str(path))
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise DataError(f"is not what {maker} makes: {error}", str(path)) from None
