"""Do balance-sheet limits and fear of informed flow together amplify what neither does alone?

Dealers with balance sheets make markets in Treasuries and corporate bonds, on a lit book and by request for quote.
Corporates lose part of their value. Two kinds of mechanism can be switched without touching a random stream: the
information feedback (dealers learn from flow how much of it is informed, leave the lit book, and mark prudently what
has no lit price) and the balance-sheet constraints (leverage, value at risk, funding).

Expected, before the first run (the thesis that the program exists to show; Brunnermeier and Pedersen 2009 for the
constraints, Glosten and Milgrom 1985 for the closing of the market, Duffie et al. 2023 for dealers' capacity): calm
is calm, a small shock is absorbed, and so is a large one while nothing is constrained; with everything on the price
falls further below value, spreads are wider, quotes are gone for longer, marks disagree more, and the interaction of
the two kinds is positive. Overshoot has a threshold in the size of the shock. Each effect is gone without its cause.

Learnt, with 200 seeds: all of it but two things. Worst prices are 0.31 % (neither), 0.31 (information), 0.42
(constraints) and 1.21 % (both) below value; the interaction is 0.79 [0.62, 0.97] there, 0.028 [0.014, 0.043] on the
spread (%) and 0.034 [0.014, 0.055] on the absence of quotes. But nobody fails: the headroom that keeps calm calm leaves
the thinnest dealers with positive Tier 1. And marks disagree more than in the functioning market, but most with
information alone, so that their interaction is negative. Outcomes have two modes: where the spiral starts, prices fall
by some per cent below value, elsewhere by a few tenths; a small change of the program moves single seeds from one to
the other, so that one seed shows nothing. The worst prices are in Treasuries, which dealers sell to mend what
corporates have cost: in the lit book, bid for by slow capital alone, while they still deal by RFQ near value. The
threshold of overshoot is at a shock of 3 % with the headroom that the scenario gives, 4.5 % with half as much again and
5.5 % with twice as much. Of an overshoot of 0.62 % that the mechanisms add, exact Shapley values (12 seeds) give 0.31
to the leverage limit, 0.30 to information and 0.11 to VaR; that of funding is not told from 0. All 57 changes of a free
parameter by ±25 % leave the sign of the interaction on the overshoot (5 seeds; 10 of the intervals reach both sides of
0); five of the six changes of what lenders ask and refuse change nothing at all.

Positions were at first marked by the clock alone, and not after own trades. With that the worst price was 1.29 % below
value and the interaction 0.88 [0.70, 1.09]: fresher marks change little.

What was measured has changed once results had been seen. Kyle's λ over all instruments was expected to be higher when
stressed and was not (0.49 and 0.51 bp a lot): where value falls it is that of flow which carries price to its new
value. A look at 24 seeds, which are among the 200, decided to take it where no shock hits (there it is 0.15 and 0.18),
and the impact of a small sale on the bids that stand. "Absorbed" first asked for half of the worst shortfall to be
gone, which calm passed too; now it asks for a mid within a tenth of the shock from value.

Parts: ``table`` (functioning against stressed, every cell measured), ``factorial`` (that, and the 2×2 with its
interaction), ``shapley`` (exact over SLR, VaR, funding and information; then every switch by sampled orders),
``tipping`` (shock size × headroom), ``controls`` (negative controls), ``calm`` (no shock, small shock), ``robustness``
(±25 % on each free parameter), ``all`` (everything but robustness, which takes as long as the rest together). A
sixth of the seeds is spent on each control, a sixteenth on each coalition and on the small shock, a twenty-fifth on
each point of the tipping grid, a fortieth on each change of a parameter, a fiftieth on each coalition of the finer
split. Intervals are t-intervals over seeds, 95 %, and all comparisons are paired by seed.

``python -m experiments.information_spiral demo --out out/demo`` runs the four cells with a few seeds and leaves a
figure, a table and two logs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from experiments.spiral import attribution, cells, controls, factorial, figures, robustness, tipping
from experiments.spiral.cells import BOTH, NEITHER
from experiments.spiral.demo import demo
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c
from lob_sim.running import run as run_once

Draw = Callable[[Path], None]
_COALITION_SHARE = 16
_CONTROL_SHARE = 6
_GRID_SHARE = 25
_FINE_SHARE = 50
_CHANGE_SHARE = 40
_ORDER_PAIRS = 3


class Part(StrEnum):
    """Parts of the experiment."""

    table = "table"
    factorial = "factorial"
    shapley = "shapley"
    tipping = "tipping"
    controls = "controls"
    calm = "calm"
    robustness = "robustness"
    all = "all"


def run(
    part: Annotated[Part, typer.Option(help="What to run.")] = Part.all,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell of table, factorial and calm.")] = 200,
) -> Outcome:
    """Run parts of the experiment."""
    rows: list[Row] = []
    tables: list[ResultTable] = []
    drawn: dict[str, Draw] = {}
    wanted: list[Part] = [p for p in Part if p not in (Part.all, Part.robustness)] if part is Part.all else [part]
    if Part.table in wanted or Part.factorial in wanted:
        _factorial_parts(wanted, seeds, rows, tables, drawn)
    if Part.shapley in wanted:
        shares, table, more = attribution.exact(_part_of(seeds, _COALITION_SHARE))
        finer, finer_table = attribution.fine(_part_of(seeds, _FINE_SHARE), _ORDER_PAIRS)
        rows += more
        tables += [table, finer_table]
        drawn["shapley"] = lambda path: figures.bars(path, shares, "Shapley value")
        drawn["shapley_fine"] = lambda path: figures.bars(path, finer, "Shapley value")
    if Part.tipping in wanted:
        grid = tipping.run_tipping(_part_of(seeds, _GRID_SHARE))
        table, more = tipping.tipping_rows(grid)
        rows += more
        tables.append(table)
        drawn["tipping"] = lambda path: figures.heat_map(path, grid.sizes, grid.factors, grid.mean)
    if Part.controls in wanted:
        rows += controls.control_rows(_part_of(seeds, _CONTROL_SHARE))
    if Part.calm in wanted:
        table, more = factorial.calm_rows(seeds, _part_of(seeds, _COALITION_SHARE))
        rows += more
        tables.append(table)
    if Part.robustness in wanted:
        table, more = robustness.robustness_rows(_part_of(seeds, _CHANGE_SHARE))
        rows += more
        tables.append(table)
    return Outcome(rows, (lambda path: _draw_all(path, drawn)) if drawn else None, tables)


def _factorial_parts(
    wanted: list[Part], seeds: int, rows: list[Row], tables: list[ResultTable], drawn: dict[str, Draw]
) -> None:
    scenarios = cells.factorial(cells.flagship())
    by_cell = cells.run_scenarios(scenarios, seeds, "factorial")
    table, more = factorial.thesis_table(by_cell)
    rows += more
    tables.append(table)
    drawn["crisis"] = _draw_crisis
    if Part.factorial in wanted:
        rows += factorial.factorial_rows(by_cell)
        tables.append(factorial.factorial_table(by_cell))
        effects = factorial.factorial_effects(by_cell)
        drawn["factorial"] = lambda path: figures.bars(path, effects, "change against neither")


def _part_of(seeds: int, share: int) -> int:
    return max(2, seeds // share)


def _draw_crisis(path: Path) -> None:
    """One seed of the crisis: the two extreme cells side by side, and everything about the second."""
    scenarios = cells.factorial(cells.flagship())
    runs = {cell: run_once(scenarios[cell], 1) for cell in (NEITHER, BOTH)}
    figures.side_by_side(path, runs)
    figures.one_run(path.with_stem(f"{path.stem}_in_full"), runs[BOTH])


def _draw_all(path: Path, drawn: dict[str, Draw]) -> None:
    """The first figure goes to the path itself, the others beside it with their names."""
    for k, (name, draw) in enumerate(drawn.items()):
        draw(path if k == 0 else path.with_stem(f"{path.stem}_{name}"))


EXPERIMENT = Experiment(
    "information_spiral",
    run,
    quick={"part": Part.factorial, "seeds": 2},
    cases=[
        {"part": part}
        for part in (Part.factorial, Part.robustness, Part.shapley, Part.tipping, Part.calm, Part.controls)
    ],
)


def _demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure, the table and the logs.")] = Path("out/demo"),
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell.")] = 4,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """The four cells with a few seeds, a figure and a table."""
    demo(out, seeds, workers)


def main(arguments: list[str]) -> None:
    """The command line."""
    if arguments[:1] != ["demo"]:
        EXPERIMENT.main(arguments)
        return
    end_by_sigterm_as_by_ctrl_c()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_demo)
    app(arguments[1:], prog_name="information_spiral demo")


if __name__ == "__main__":
    main(sys.argv[1:])
