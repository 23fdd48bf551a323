"""An experiment, its outcome, and the command line that every experiment has."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lob_sim.analysis.claims import Row
from lob_sim.errors import InputError, LobSimError, printable
from lob_sim.experiment.running import in_processes
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c
from lob_sim.notebook import heading, table
from lob_sim.sweep.executors import available_cores


class ResultTable(msgspec.Struct, frozen=True):
    """Measured quantities about which nothing is claimed, for people and for ``--json``.

    Attributes:
        title: What is shown.
        columns: Headings.
        rows: Cells: text, numbers, or estimates with their interval.
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]


class Outcome(msgspec.Struct, frozen=True):
    """What a run of an experiment gave.

    Attributes:
        rows: The claims.
        draw: Draws the figure and saves it to the path that it is given.
        tables: What else was measured.
    """

    rows: list[Row]
    draw: Callable[[Path], None] | None = None
    tables: list[ResultTable] = []

    def _repr_html_(self) -> str:
        claims = [
            (
                row.claim,
                row.measured,
                f"{row.relation} {row.reference:.4g}",
                row.standard_error,
                row.verdict,
                row.source,
            )
            for row in self.rows
        ]
        columns = ("claim", "measured", "should be", "standard error", "verdict", "by")
        parts = [heading("every claim holds" if self.holds else "not every claim holds"), table(columns, claims)]
        for each in self.tables:
            parts += [heading(each.title), table(each.columns, each.rows)]
        return "".join(parts)

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return bool(self.rows) and all(row.holds for row in self.rows)


class Experiment:
    """A question with parameters.

    Args:
        name: Short name, that of its module.
        run: Answers it. Its parameters, which all have defaults, become options; the help is its
            module's docstring.
        quick: Parameters of a version that takes seconds.
        cases: Parameters of the cases that a full validation runs; by default one, with the defaults.
    """

    def __init__(
        self,
        name: str,
        run: Callable[..., Outcome],
        quick: Mapping[str, Any] | None = None,
        cases: Sequence[Mapping[str, Any]] = ({},),
    ) -> None:
        self.name = name
        self.run = run
        self.quick = dict(quick or {})
        self.cases = [dict(case) for case in cases]
        self.doc = inspect.getdoc(inspect.getmodule(run)) or ""

    @property
    def title(self) -> str:
        """First line of the module's docstring."""
        return self.doc.strip().partition("\n")[0]

    def parameters(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter of a case: as it says, or by default."""
        defaults = {name: parameter.default for name, parameter in inspect.signature(self.run).parameters.items()}
        return defaults | dict(case)

    @staticmethod
    def options(case: Mapping[str, Any]) -> str:
        """A case as options of the command line."""
        words: list[str] = []
        for key, value in case.items():
            name = key.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{name}" if value else f"--no-{name}")
            else:
                words.append(f"--{name} {value}")
        return " ".join(words)

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line: exit code 0 if every claim holds, 1 if one fails, 2 for bad input."""
        end_by_sigterm_as_by_ctrl_c()
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(help=self.doc)(self._command())
        try:
            app(list(arguments) if arguments is not None else sys.argv[1:], prog_name=self.name)
        except InputError as error:
            typer.echo(printable(f"error: {error}"), err=True)
            sys.exit(2)
        except LobSimError as error:
            typer.echo(printable(f"error: {error}"), err=True)
            sys.exit(1)

    def _command(self) -> Callable[..., None]:
        """``run`` with the options that every experiment has: typer reads them off the signature."""
        hints = typing.get_type_hints(self.run, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(self.run).parameters.items()
        ]
        common = list(inspect.signature(_common_options, eval_str=True).parameters.values())

        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

        def command(ctx: typer.Context, **options: Any) -> None:
            as_json, quick, figure, workers = (options.pop(p.name) for p in common)
            if quick:
                # What was typed counts, also where it is the default.
                options |= {k: v for k, v in self.quick.items() if not _is_typed(ctx, k)}
            with in_processes(workers or available_cores()):
                outcome = self.run(**options)
            if as_json:
                typer.echo(self.to_json(options, outcome))
            else:
                show(self.title, outcome)
            if figure is not None:
                if outcome.draw is None:
                    raise InputError("this experiment has no figure", "--figure")
                outcome.draw(figure)
            raise typer.Exit(0 if outcome.holds else 1)

        vars(command)["__signature__"] = inspect.Signature([context, *own, *common])
        command.__annotations__ = {p.name: p.annotation for p in (context, *own, *common)}
        return command

    def to_json(self, options: Mapping[str, Any], outcome: Outcome) -> str:
        """Parameters, rows and the verdict on the whole as one JSON object."""
        document = {
            "experiment": self.name,
            "title": self.title,
            "parameters": {name: str(v) if isinstance(v, Path) else v for name, v in options.items()},
            "rows": outcome.rows,
            "tables": outcome.tables,
            "holds": outcome.holds,
        }
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _common_options(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A version that takes seconds.")] = False,
    figure: Annotated[Path | None, typer.Option("--figure", help="Save a figure to this file (PNG, SVG, PDF).")] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """The signature of what is common."""


def show(title: str, outcome: Outcome) -> None:
    """Print the tables, then the rows as one."""
    # A table in a pipe or a file is not cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 200)
    for measured in outcome.tables:
        console.print(_render(measured))
    table = Table(title=title, title_justify="left")
    for column in ("claim", "measured", "", "reference", "s.e. or interval", "verdict", "source"):
        table.add_column(column, justify="right" if column in ("measured", "reference", "s.e. or interval") else "left")
    for row in outcome.rows:
        reference = f"{row.reference:.6g}" + (f" ± {row.slack:.2g}" if row.slack else "")
        error = f"{row.standard_error:.2g}" if row.standard_error else "exact"
        if row.low is not None and row.high is not None:
            error = f"\\[{row.low:.3g}, {row.high:.3g}]"
        colour = "green" if row.holds else "red"
        verdict = f"[{colour}]{row.verdict}[/]"
        table.add_row(
            escape(row.claim), f"{row.measured:.6g}", row.relation, reference, error, verdict, escape(row.source)
        )
    console.print(table)


def _render(measured: ResultTable) -> Table:
    table = Table(title=escape(measured.title), title_justify="left")
    for k, column in enumerate(measured.columns):
        table.add_column(escape(column), justify="right" if k else "left")
    for row in measured.rows:
        cells = (f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row)
        table.add_row(*(escape(cell) for cell in cells))
    return table
