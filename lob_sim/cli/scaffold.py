"""``lob-sim new``: a small working file of one's own, with its test."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from lob_sim.cli.terminal import echo_lines
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, shown
from lob_sim.files import make_folder, write_file

_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
_TAKEN = (
    "lob_sim",
    "strategies",
    "experiments",
    "measure",
    "msgspec",
    "numpy",
    "pandas",
    "pytest",
    "task",
    "test",
    "typer",
)
"""Names that the files themselves import or define."""


class _Kind(NamedTuple):
    """What can be written: the file's ending, and the commands that use it."""

    suffix: str
    then: tuple[str, ...]


KINDS = {
    "strategy": _Kind(
        ".py",
        (
            "lob-sim list strategies NAME.py:CLASS",
            # The parameters there are those of another strategy.
            "lob-sim run dealer_market --set agents.dealer.strategy=NAME:CLASS --set agents.dealer.params={} "
            "--out out/NAME",
            "lob-sim pnl out/NAME",
        ),
    ),
    "scenario": _Kind(
        ".toml", ("lob-sim check NAME.toml", "lob-sim run NAME.toml --out out/NAME", "lob-sim report out/NAME")
    ),
    "metric": _Kind(
        ".py",
        ("python -m lob_sim.cli sweep dealer_market --over agents.dealer.count=2,6 --seeds 4 --measure NAME:measure",),
    ),
    "experiment": _Kind(".py", ("python NAME.py --quick", "python NAME.py --help")),
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("new")(new_command)


def new_command(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Of the file, without its ending: lower-case letters, digits, _.")],
    folder: Annotated[Path, typer.Option(help="Where it goes; the present folder if not given.")] = Path(),
) -> None:
    """Write a small working strategy, scenario, metric or experiment with its test, to be changed from there."""
    files = write_new(kind, name, folder)
    echo_lines(map(str, files))
    echo_lines([f"then: python -m pytest -q {files[1]}"])
    echo_lines(f"      {_filled(line, name)}" for line in KINDS[kind].then)


def write_new(kind: str, name: str, folder: Path) -> list[Path]:
    """Write both files.

    Raises:
        InputError: No such kind, no name for a module, or a file of that name is there; nothing is written then.
        OutputError: They cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"expected one of {', '.join(KINDS)}, got {shown(kind)}{did_you_mean(kind, KINDS)}", "new")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise InputError(
            "expected lower-case letters, digits and _, beginning with a letter", f"new {kind} {shown(name)}"
        )
    if name in _TAKEN or name in sys.stdlib_module_names or name.startswith("test_"):
        raise InputError("is the name of another module: expected one of your own", f"new {kind} {name}")
    files = [folder / f"{name}{KINDS[kind].suffix}", folder / f"test_{name}.py"]
    for file in files:
        if file.exists() or file.is_symlink():
            raise InputError("is there already: expected another name", str(file))
    templates = resources.files("lob_sim.cli") / "templates"
    texts = [(templates / f"{kind}{end}.txt").read_text("utf-8") for end in (KINDS[kind].suffix, "_test.py")]
    make_folder(folder)
    for file, text in zip(files, texts, strict=True):
        write_file(file, _filled(text, name).encode())
    return files


def _filled(text: str, name: str) -> str:
    cls = "".join(part.capitalize() for part in name.split("_"))
    return re.sub(r"(?<![A-Z])CLASS\b", cls, re.sub(r"(?<![A-Z])NAME\b", name, text.replace("TestCLASS", f"Test{cls}")))
