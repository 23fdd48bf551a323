"""Which calibrations of the whole system have a calm in order? A Sobol design over all that no source fixes.

History matching (Craig, Goldstein, Seheult and Smith 1997; in economics Grazzini and Richiardi 2015): a point of the
design is *ruled out* when its calm, run on a short horizon with a few seeds, is shown to break a fact of
:mod:`experiments.calm_facts`, the whole interval being outside the bounds; what is not ruled out is kept. Few seeds
rule out little, so that the kept set is asked again with more of them before anything is claimed of it. How many
survive is a result, and so is which fact rules out most.

Every axis is a parameter of a strategy, in all groups of that strategy at once, or one of two amounts of capital:
dealers' headroom over their leverage limit, and the size of the leveraged funds' balance sheets. The ranges are stated
in ``FREE``, and are wide on purpose.

``python -m experiments.history_matching out/history --points 256`` runs, or with ``--resume`` goes on; it leaves the
sweep and ``kept.json`` in the folder.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pandas as pd
import typer

from experiments.calm_facts import Fact, instrument_facts, jackknife, market_facts, measure_calm
from experiments.spiral import cells
from lob_sim.errors import InputError, LobSimError
from lob_sim.running import dry_run
from lob_sim.scenario import InstrumentSpec, Scenario, load_scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import Axis, Design, Processes, SweepPlan, progress_bar, run_sweep
from lob_sim.sweep.design import Point
from lob_sim.sweep.task import TaskResult, TaskSpec, Value
from lob_sim.units import parse_duration_ns

SCENARIO = Path(__file__).parent / "whole_system.toml"
Change = Callable[[Scenario, Any], Scenario]


class Free(msgspec.Struct, frozen=True):
    """A parameter that no source fixes.

    Attributes:
        low: Least value that is tried.
        high: Most.
        change: Makes the scenario with a value.
        whole: Whether it is a whole number.
    """

    low: float
    high: float
    change: Change
    whole: bool = False


def _param(strategy: str, name: str) -> Change:
    return lambda scenario, value: cells.with_params(scenario, strategy, **{name: value})


def _seconds(strategy: str, name: str) -> Change:
    return lambda scenario, value: cells.with_params(scenario, strategy, **{name: f"{round(value * 1000)}ms"})


def with_fund_capital(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with every amount on the leveraged funds' sheets multiplied."""
    agents = [
        msgspec.structs.replace(
            group, balance_sheet=msgspec.structs.replace(group.balance_sheet, scale=Decimal(repr(round(factor, 3))))
        )
        if cells.class_of(group) == "LeveragedFund" and group.balance_sheet is not None
        else group
        for group in scenario.agents
    ]
    return msgspec.structs.replace(scenario, agents=agents)


DEALER, FUND, CLIENTS, SLOW = "SpiralDealer", "LeveragedFund", "LiquidityTraders", "SlowCapital"
FREE: Mapping[str, Free] = {
    "dealers: prior alpha": Free(0.1, 0.7, _param(DEALER, "toxicity.prior_alpha")),
    "dealers: learning weight": Free(0.2, 0.8, _param(DEALER, "toxicity.learning_weight")),
    "dealers: processing cost (ticks)": Free(0.5, 2.5, _param(DEALER, "lit_policy.processing_ticks")),
    "dealers: reservation values of clients (ticks)": Free(8.0, 24.0, _param(DEALER, "lit_policy.reservation_ticks")),
    "dealers: reserve of headroom": Free(0.1, 0.5, _param(DEALER, "inventory_policy.headroom_reserve")),
    "dealers: consensus half-life (s)": Free(5.0, 60.0, _seconds(DEALER, "belief.consensus_half_life")),
    "dealers: headroom (factor)": Free(0.5, 3.0, cells.with_headroom),
    "funds: capital (factor)": Free(0.5, 2.0, with_fund_capital),
    "funds: tolerance (lots a tick)": Free(5.0, 40.0, _param(FUND, "tolerance_lots_per_tick")),
    "funds: noise (ticks)": Free(0.0, 3.0, _param(FUND, "noise_sd_ticks")),
    "funds: time between looks (s)": Free(1.5, 12.0, _seconds(FUND, "mean_interval")),
    "clients: time between orders (s)": Free(75.0, 300.0, _seconds(CLIENTS, "mean_interval")),
    "clients: largest order (lots)": Free(3, 15, _param(CLIENTS, "max_size_lots"), whole=True),
    "clients: time between pieces (s)": Free(3.0, 30.0, _seconds(CLIENTS, "child_interval")),
    "clients: share by RFQ": Free(0.2, 0.7, _param(CLIENTS, "rfq_share")),
    "slow capital: margin (ticks)": Free(50.0, 200.0, _param(SLOW, "margin_ticks")),
}
"""The free parameters with their ranges. The scenario's own values are well inside."""


def at(scenario: Scenario, point: Mapping[str, Value]) -> Scenario:
    """The scenario at a point of the design, checked as a file would be."""
    for label, value in point.items():
        free = FREE[label]
        scenario = free.change(scenario, round(float(value)) if free.whole else value)
    return parse_scenario(msgspec.to_builtins(scenario_to_dict(scenario)), "history matching: ")


class CalmTask(msgspec.Struct, frozen=True):
    """The calm of one scenario at a point; the scenario travels as plain data."""

    scenario: dict[str, Any]

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run."""
        base = parse_scenario(msgspec.to_builtins(self.scenario), "history matching: ")
        return measure_calm(at(base, spec.overrides), spec.seed, spec.out)


def plan(scenario: Scenario, points: int, seeds: int, horizon: str) -> SweepPlan:
    """The sweep: a Sobol design over every free parameter, the scenario without its shocks."""
    quiet = msgspec.structs.replace(cells.calm(scenario), horizon=parse_duration_ns(horizon))
    axes = tuple(Axis(label, (), free.low, free.high) for label, free in FREE.items())
    plain = scenario_to_dict(quiet)
    described = {key: value for key, value in plain.items() if key != "folder"}
    return SweepPlan(task=CalmTask(plain), design=Design(axes, "sobol", points), seeds=seeds, scenario=described)


# --- what is kept ------------------------------------------------------------------------------------------------


def broken(frame: pd.DataFrame, instruments: list[InstrumentSpec]) -> list[str]:
    """The facts that the runs of one point (a row a seed) are shown to break: the whole interval is out of bounds."""
    facts = [fact for spec in instruments for fact in instrument_facts(spec.name, None)]
    found = [fact.text for fact in [*facts, *market_facts(frame, instruments)] if _is_broken(frame, fact)]
    # With 95 % of seeds free of forced sales, more than one seed in three with one is a chance of some per mille.
    return [*found, "forced sales"] if (frame["forced_orders"] > 0).mean() > 1 / 3 else found


def _is_broken(frame: pd.DataFrame, fact: Fact) -> bool:
    told = jackknife(frame, fact.statistic)
    # Written so that a NaN breaks it: nothing is known to be in order where nothing was measured.
    return not (told.high >= fact.low and told.low <= fact.high)


class Kept(msgspec.Struct, frozen=True):
    """What has survived.

    Attributes:
        points: The points, by number in the design.
        asked: How many points have enough runs to be judged.
        breaks: For each fact, how many of these break it.
    """

    points: dict[int, Point]
    asked: int
    breaks: dict[str, int]


def keep(frame: pd.DataFrame, points: list[Point], instruments: list[InstrumentSpec]) -> Kept:
    """Judge every point of which at least three runs have ended well; a point whose run failed is not kept."""
    kept: dict[int, Point] = {}
    breaks: dict[str, int] = {}
    asked = 0
    for number, rows in frame.groupby("point", sort=True):
        runs = rows[rows["status"] == "ok"].reset_index(drop=True)
        if len(rows) < _FEWEST:
            continue
        asked += 1
        found = broken(runs, instruments) if len(runs) == len(rows) else ["a run failed"]
        for text in found:
            breaks[text] = breaks.get(text, 0) + 1
        if not found:
            kept[int(str(number))] = points[int(str(number))]
    return Kept(kept, asked, dict(sorted(breaks.items(), key=lambda item: -item[1])))


_FEWEST = 3


def history_matching(
    out: Annotated[Path, typer.Argument(help="Folder of the sweep.")],
    scenario: Annotated[Path, typer.Option(help="Scenario file.")] = SCENARIO,
    points: Annotated[int, typer.Option(min=1, help="Points of the design; a power of two keeps it balanced.")] = 256,
    seeds: Annotated[int, typer.Option(min=_FEWEST, help="Seeds of each point.")] = 4,
    horizon: Annotated[str, typer.Option(help="Simulated time of a run.")] = "20min",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on with the sweep in the folder.")] = False,
) -> None:
    """Run the design, and say what is not ruled out."""
    base = load_scenario(scenario)
    made = plan(base, points, seeds, horizon)
    with progress_bar("history matching") as progress, Processes(workers or None) as executor:
        sweep = run_sweep(
            made,
            out,
            executor=executor,
            resume=resume,
            validate=lambda point: void(dry_run(at(base, point))),
            progress=progress,
        )
    found = keep(sweep.frame(), sweep.points, base.instruments)
    (out / "kept.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))
    typer.echo(f"{len(found.points)} of {found.asked} calibrations are not ruled out; kept.json has them")
    for text, count in found.breaks.items():
        typer.echo(f"  {count / found.asked:6.1%} break: {text}")


def void(_: object) -> None:
    """Take something and give nothing: what is called to see whether it raises."""


def main(arguments: list[str]) -> None:
    """The command line: exit code 2 for bad input, 1 where a run cannot be done."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=__doc__)(history_matching)
    try:
        app(arguments, prog_name="history_matching")
    except LobSimError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
