"""``lob-sim list``: what there is to choose from."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lob_sim.agents.strategy import Strategy
from lob_sim.cli.reference import parameter_reference
from lob_sim.cli.terminal import echo_lines
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, PluginError, printable
from lob_sim.files import write_file
from lob_sim.plugin_params import PluginInfo, describe
from lob_sim.plugins import SHIPPED, find_plugins, load_class, registered_plugins
from lob_sim.scenario import packaged_overlays, packaged_scenarios


def _strategies() -> Iterable[tuple[str, str]]:
    for spec in find_plugins(SHIPPED, Strategy):
        yield spec, describe(load_class(spec, Strategy)).summary
    for name in registered_plugins():
        try:
            yield name, describe(load_class(name, Strategy)).summary
        except PluginError as error:  # What somebody else's package breaks, it alone loses.
            yield name, str(error)


def _scenarios() -> Iterable[tuple[str, str]]:
    yield from _descriptions(packaged_scenarios())


def _overlays() -> Iterable[tuple[str, str]]:
    yield from _descriptions(packaged_overlays())


def _descriptions(files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    for name, path in files.items():
        yield name, str(tomllib.loads(path.read_text(encoding="utf-8")).get("description", "")).strip()


PARAMETERS = "parameters"
CATALOGUE: dict[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "strategies": _strategies,
    "scenarios": _scenarios,
    "overlays": _overlays,
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""

    @app.command("list")
    def list_command(
        what: Annotated[str, typer.Argument(help=f"One of: {', '.join((*CATALOGUE, PARAMETERS))}.")],
        name: Annotated[str | None, typer.Argument(help="Show this one with its parameters.")] = None,
    ) -> None:
        """List strategies, scenarios or overlays, with one line on each; or all parameters, as a page of Markdown."""
        known = (*CATALOGUE, PARAMETERS)
        if what not in known:
            expected = f"expected one of {', '.join(known)}{did_you_mean(what, known)}"
            raise InputError(expected, f"list {what}")
        if name is not None:
            if what != "strategies":
                raise InputError("expected no name: strategies alone are shown one by one", f"list {what} {name}")
            _show_plugin(name)
            return
        if what == PARAMETERS:
            typer.echo(parameter_reference(), nl=False)
            return
        _print_rows(list(CATALOGUE[what]()))

    app.command("show")(show_command)
    app.command("copy")(copy_command)


Packaged = Annotated[str, typer.Argument(metavar="NAME", help="A packaged scenario or overlay.")]


def show_command(name: Packaged) -> None:
    """Print a packaged scenario or overlay as it is written."""
    echo_lines(_packaged(name).read_text(encoding="utf-8").splitlines())


def copy_command(
    name: Packaged, out: Annotated[Path | None, typer.Option(help="The file; NAME.toml here if not given.")] = None
) -> None:
    """Write a packaged scenario or overlay into a new file of your own, to be edited."""
    source = _packaged(name)
    target = out if out is not None else Path(source.name)
    if target.exists() or target.is_symlink():
        raise InputError("is there already: expected the name of a new file", f"--out {target}")
    write_file(target, source.read_bytes())
    echo_lines([str(target)])


def _packaged(name: str) -> Path:
    known = {**packaged_scenarios(), **packaged_overlays()}
    if name not in known:
        told = f"no packaged scenario or overlay{did_you_mean(name, known)}; there are: {', '.join(known)}"
        raise InputError(told, name)
    return known[name]


def _print_rows(rows: list[tuple[str, str]]) -> None:
    console = Console()
    if not console.is_terminal:
        for spec, summary in rows:
            typer.echo(f"{printable(spec)}\t{printable(summary)}")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for spec, summary in rows:
        # Texts of other people's files: never markup.
        table.add_row(Text(printable(spec), "bold"), Text(printable(summary)))
    console.print(table)


def _show_plugin(name: str) -> None:
    info = describe(load_class(name, object))
    echo_lines([name, f"  {info.summary}", *_parameter_lines(info, "  ")])


def _parameter_lines(info: PluginInfo, indent: str) -> Iterator[str]:
    """A plug-in's parameters, and below a part those of the part that is there by default."""
    for parameter in info.params:
        yield f"{indent}{parameter}"
        if parameter.doc:
            yield f"{indent}    {parameter.doc}"
        if parameter.name in info.parts:
            yield from _parameter_lines(info.parts[parameter.name], f"{indent}    ")
