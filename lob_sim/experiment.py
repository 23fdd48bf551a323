"""Experiments: a question put to the simulator, its answer in numbers, and the verdict that follows.

An experiment is a module with an :class:`Experiment` in ``EXPERIMENT``. Its ``run`` takes parameters, runs
the market and returns one :class:`Row` a claim: what was measured, what it should be and by whose word, the
standard error, and whether the claim holds. The options of the command line are the parameters of ``run``::

    def run(mu: float = 0.3, runs: int = 1000) -> Outcome: ...

    EXPERIMENT = Experiment("glosten_milgrom", run, quick={"runs": 100})
    main = EXPERIMENT.main

A verdict is never a matter of taste: a difference of at most three standard errors, or an identity that holds
but for a rounding whose size is known.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
import typer
from numpy.typing import ArrayLike
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lob_sim import errors
from lob_sim.errors import InputError, LobSimError, printable
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c
from lob_sim.messages import Command, Event
from lob_sim.notebook import heading, table
from lob_sim.sweep.executors import Processes, Serial, available_cores
from lob_sim.sweep.progress import progress_bar
from lob_sim.sweep.runner import run_many
from lob_sim.sweep.task import Task, Value
from lob_sim.units import Ns

if TYPE_CHECKING:
    import pandas as pd

Relation: TypeAlias = Literal["=", ">", "<", "≥"]
"""Of a measured value to its reference: equal, or beyond it by more than sampling error; ``≥``: not below, as it is."""

STANDARD_ERRORS = 3.0
"""How many standard errors a measured value may be off."""
_workers: ContextVar[int] = ContextVar("workers", default=1)


# --- rows -----------------------------------------------------------------------------------------------


class Row(msgspec.Struct, frozen=True):
    """One claim and what became of it.

    Attributes:
        claim: What is claimed, with its unit.
        measured: What the run gave.
        reference: What it should be, or the bound that it should respect.
        standard_error: Of ``measured`` (and of ``reference``, where that too is a sample's); 0: exact.
        relation: How ``measured`` should stand to ``reference``.
        slack: Difference that rounding, or a stated approximation, accounts for.
        verdict: ``holds`` or ``fails``.
        source: Where the reference comes from.
        low: Lower end of an interval around ``measured``, where the verdict rests on one.
        high: Its upper end.
    """

    claim: str
    measured: float
    reference: float
    standard_error: float
    relation: Relation
    slack: float
    verdict: Literal["holds", "fails"]
    source: str
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the claim holds."""
        return self.verdict == "holds"


def agrees(
    claim: str, measured: float, reference: float, standard_error: float, source: str, slack: float = 0.0
) -> Row:
    """The measured value is the reference, but for sampling error and ``slack``."""
    off = abs(measured - reference)
    # Written so that a NaN, or a standard error of 0 where there was nothing to measure, does not pass.
    holds = standard_error > 0 and off <= STANDARD_ERRORS * standard_error + slack
    return _row(claim, measured, reference, standard_error, "=", slack, holds, source)


def identical(claim: str, measured: float, reference: float, source: str, slack: float = 0.0) -> Row:
    """The measured value is the reference exactly, but for a rounding of at most ``slack``."""
    return _row(claim, measured, reference, 0.0, "=", slack, abs(measured - reference) <= slack, source)


def exceeds(claim: str, measured: float, bound: float, standard_error: float, source: str) -> Row:
    """The measured value lies above the bound by more than sampling error."""
    holds = standard_error >= 0 and measured - STANDARD_ERRORS * standard_error > bound
    return _row(claim, measured, bound, standard_error, ">", 0.0, holds, source)


def stays_below(claim: str, measured: float, bound: float, standard_error: float, source: str) -> Row:
    """The measured value lies below the bound by more than sampling error."""
    holds = standard_error >= 0 and measured + STANDARD_ERRORS * standard_error < bound
    return _row(claim, measured, bound, standard_error, "<", 0.0, holds, source)


def _row(
    claim: str,
    measured: float,
    reference: float,
    standard_error: float,
    relation: Relation,
    slack: float,
    holds: bool,
    source: str,
) -> Row:
    verdict: Literal["holds", "fails"] = "holds" if holds else "fails"
    numbers = (float(measured), float(reference), float(standard_error))
    return Row(claim, *numbers, relation, float(slack), verdict, source)


class Mean(msgspec.Struct, frozen=True):
    """A mean with its standard error."""

    value: float
    se: float


def mean_of(values: ArrayLike) -> Mean:
    """Mean and standard error of independent observations, at least two."""
    sample = np.asarray(values, dtype=np.float64)
    return Mean(float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(sample.size)))


def sd_of(values: ArrayLike) -> Mean:
    """Standard deviation of independent observations and its standard error, whatever their distribution.

    The standard error is that of the jackknife, which needs no fourth moment of a normal distribution.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = sample.size
    deviations = sample - sample.mean()
    total = float(deviations @ deviations)
    without = np.sqrt(np.maximum(0.0, total - deviations**2 * n / (n - 1)) / (n - 2))
    return Mean(float(np.sqrt(total / (n - 1))), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))))


def ratio_of(above: ArrayLike, below: ArrayLike) -> Mean:
    """Ratio of two means over the same observations, with its standard error by the delta method."""
    x, y = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio = float(x.mean() / y.mean())
    rest = x - ratio * y
    return Mean(ratio, float(rest.std(ddof=1) / np.sqrt(x.size) / abs(y.mean())))


# --- runs -----------------------------------------------------------------------------------------------


class EventCollector:
    """A recorder that keeps messages of the types named, in the order in which they came.

    Args:
        *types: Classes of events (or commands, which come with their time of arrival in ``times_ns``).
    """

    def __init__(self, *types: type[Event] | type[Command]) -> None:
        self._types = frozenset(types)
        self.messages: list[Any] = []
        self.times_ns: list[Ns] = []

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Take a command and what came of it."""
        for message in (command, *events):
            if type(message) in self._types:
                self.messages.append(message)
                self.times_ns.append(ts_ns)

    def record(self, event: Event) -> None:
        """Take an event outside the venues."""
        if type(event) in self._types:
            self.messages.append(event)
            self.times_ns.append(event.ts_event_ns)

    def of(self, kind: type[Any]) -> list[Any]:
        """The messages of one type."""
        return [message for message in self.messages if type(message) is kind]


def run_cells(
    task: Task, points: Sequence[Mapping[str, Value]], seeds: int, title: str | None = None, first_seed: int = 1
) -> pd.DataFrame:
    """Do a task at every point with n seeds in a row (the same for all points) and return the table of results.

    Args:
        task: The task.
        points: Overrides, one mapping per point.
        seeds: Number of seeds.
        title: What is shown beside a bar on the terminal while it runs; without it nothing is.
        first_seed: The first of the seeds.

    Raises:
        InputError: A scenario that the points make is not one.
        LobSimError: A run failed; shows the first.
    """
    bar = nullcontext(None) if title is None else progress_bar(title)
    with bar as progress, processes() as executor:
        return require_ok(run_many(task, points, range(first_seed, first_seed + seeds), executor, progress))


def require_ok(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of results, of which every run has ended well.

    Raises:
        InputError: A scenario that the points make is not one.
        LobSimError: A run failed; shows the first.
    """
    failed = frame[frame["status"] != "ok"]
    if len(failed):
        first = failed.iloc[0]
        kind, _, message = first["error"].partition(": ")
        if issubclass(getattr(errors, kind, Exception), InputError):
            raise InputError(message)
        told = f"{len(failed)} of {len(frame)} runs failed; the first: {first['error']}"
        raise LobSimError(f"{told}\n{first['trace']}")
    return frame


def processes() -> Serial | Processes:
    """Where runs are to be done: in as many processes as :func:`in_processes` says."""
    workers = _workers.get()
    return Serial() if workers == 1 else Processes(workers)


@contextmanager
def in_processes(workers: int) -> typing.Iterator[None]:
    """Let :func:`run_cells` use so many processes; 1 means this one."""
    token = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(token)


# --- experiments ----------------------------------------------------------------------------------------


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
