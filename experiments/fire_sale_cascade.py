"""How far does a fall of corporate bonds travel through balance sheets that hold none?

A holds corporates and Treasuries and is thin. B, C and D hold Treasuries alone, with headroom for a fall of
40, 85 and 105 ticks. E is as thin as B and holds what nobody else does. Makers lean against what they have
bought, so a sale lowers the price by ``--impact`` ticks a lot; nothing else does.

Expected, before the first run (Greenwood, Landier and Thesmar 2015, "Vulnerable banks"; Cont and Schaanning
2017, "Fire sales, indirect contagion and systemic stress testing"): corporates fall, A's leverage limit
binds, A sells what is most liquid, Treasuries, whose price takes B over its limit; B's sales take C, and C's
take D. First forced sales in the order A, B, C, D in at least 95 % of seeds, in the order book and in the
stress test by formula. Negative controls: with a deep D, D never sells; with makers who do not lean (infinite
depth) only A does; where A holds no Treasuries only A does; E never does; without the shock nobody does.

Calibration, by two targets. The impact of 0.1 ticks a lot makes the price fall by 73 ticks when A has done
what the shock alone demands, so that B is within reach of A, and C and D are not. Headrooms are nine or more
standard deviations of the calm price (4 ticks over 15 minutes), so that calm cannot set anything off.

Learnt: with these holdings each tick of fall makes A to D sell 19·Λ/10,000 lots, Λ the lots that they hold,
which is about one tick more: the cascade is near its critical point and the price falls five times as far as
by A's first sale. The order book reproduces the formula to some percent: makers' charge for immediacy (a tick
or two a lot) is all that it adds while somebody bids at every price. Time is what it adds: the four groups
sell within 20 s.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, identical, run_cells
from lob_sim.experiment.over_seeds import share
from lob_sim.messages import DealerDefaulted, OrderFilled, ParentOrderOpened, RfqTraded, Side, Trade
from lob_sim.scenario import Scenario, load_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.stress_test.scenario import stress_test
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult, Value
from lob_sim.units import NS_PER_S

if TYPE_CHECKING:
    import pandas as pd

Flags = NDArray[np.bool_]
SCENARIO = Path(__file__).with_suffix(".toml")
GROUPS = ("a", "b", "c", "d", "e")
NEVER = 1e9
"""In place of the time of a first sale, in seconds, for a group that never sold."""
_MAKERS = 4
_LOT = 1_000_000
_TICK_LOT = 100  # currency units: one tick (0.01 of par 100) on one lot
_CASH = 50_000_000
_LOTS = 1_000  # what each of B to E holds
_LOTS_A = 600  # what A holds of corporates, and of Treasuries
_HEADROOM_A_TICKS = 80.0
_SOURCE = "Cont and Schaanning (2017)"


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: times of first forced sales in seconds, lots sold, lowest price of Treasuries, defaults."""
    tape = EventCollector(ParentOrderOpened, OrderFilled, RfqTraded, Trade, DealerDefaulted)
    world = simulate(scenario, seed, tape)
    group = [member.group.name for member in world.members]
    first = dict.fromkeys(GROUPS, NEVER)
    for opened in tape.of(ParentOrderOpened):
        name = group[opened.agent_id]
        first[name] = min(first[name], opened.ts_event_ns / NS_PER_S)
    sold = dict.fromkeys(GROUPS, 0)
    for fill in tape.of(OrderFilled):
        if group[fill.agent_id] in sold and fill.side is Side.SELL:
            sold[group[fill.agent_id]] += fill.qty_lots
    for deal in tape.of(RfqTraded):
        if group[deal.agent_id] in sold and deal.side is Side.SELL:
            sold[group[deal.agent_id]] += deal.qty_lots
    treasury = next(i.instrument_id for i in world.instruments if i.name == "treasury")
    prices = [t.price_ticks for t in tape.of(Trade) if t.instrument_id == treasury]
    metrics = {f"first_{name}": at for name, at in first.items()}
    metrics |= {f"sold_{name}": float(lots) for name, lots in sold.items()}
    metrics["lowest_ticks"] = float(min(prices))
    metrics["defaults"] = float(len(tape.of(DealerDefaulted)))
    return TaskResult(metrics, "")


def short_term_funding(headroom_ticks: float, minimum: float, lots: int, others: int = 0) -> int:
    """Funding that leaves headroom for a fall of one holding, in currency units.

    A loss L takes Tier 1 over assets to the minimum when E - L = λ(A - L).

    Args:
        headroom_ticks: The fall.
        minimum: λ.
        lots: The holding.
        others: Lots of other instruments.
    """
    assets = (lots + others) * _LOT + _CASH
    loss = headroom_ticks * lots * _TICK_LOT
    tier1 = minimum * assets + (1 - minimum) * loss
    return round((assets - tier1) / _TICK_LOT) * _TICK_LOT


def points(
    shock: float, minimum: float, impact: float, headrooms: tuple[float, float, float]
) -> dict[str, dict[str, Value]]:
    """The cases, by name, as overrides of the scenario."""
    risk = "agents.maker.params.risk_price_ticks_per_lot"
    base: dict[str, Value] = {"shocks.0.size": -shock, risk: 2 * _MAKERS * impact}
    for name in GROUPS:
        base[f"agents.{name}.balance_sheet.constraints.0.params.minimum"] = minimum
    funding = "agents.{}.balance_sheet.short_term_funding".format
    base[funding("a")] = short_term_funding(_HEADROOM_A_TICKS, minimum, _LOTS_A, _LOTS_A)
    for name, ticks in zip("bcde", (*headrooms, headrooms[0]), strict=True):
        base[funding(name)] = short_term_funding(ticks, minimum, _LOTS)
    return {
        "cascade": base,
        "calm": base | {"shocks.0.size": 0.0},
        "thick D": base | {funding("d"): short_term_funding(10 * headrooms[2], minimum, _LOTS)},
        "infinite depth": base | {risk: 0.0, "agents.maker.params.size_lots": 100_000},
        "no common holding": base
        | {
            "agents.a.holdings.treasury": 0,
            funding("a"): short_term_funding(_HEADROOM_A_TICKS, minimum, _LOTS_A),
        },
    }


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of every case.")] = 200,
    shock: Annotated[float, typer.Option(help="Fall of corporates, as a fraction.")] = 0.04,
    minimum: Annotated[float, typer.Option(help="Minimum of Tier 1 over assets.")] = 0.05,
    impact: Annotated[float, typer.Option(help="Fall of a price for each lot sold, in ticks.")] = 0.1,
    headroom_b: Annotated[float, typer.Option(help="Fall of Treasuries that B bears, in ticks.")] = 40.0,
    headroom_c: Annotated[float, typer.Option(help="Fall of Treasuries that C bears, in ticks.")] = 85.0,
    headroom_d: Annotated[float, typer.Option(help="Fall of Treasuries that D bears, in ticks.")] = 105.0,
) -> Outcome:
    """Run every case in the order book with all seeds, and the first in the stress test by formula."""
    cases = points(shock, minimum, impact, (headroom_b, headroom_c, headroom_d))
    task = ScenarioTask(scenario_to_dict(load_scenario(SCENARIO)), measure)
    frame = run_cells(task, list(cases.values()), seeds)
    by_case = {name: frame[frame["point"] == k] for k, name in enumerate(cases)}
    rows = _order_rows(by_case["cascade"])
    rows += [
        _share("calm: share of seeds in which nobody sells", _nobody(by_case["calm"], GROUPS)),
        _share("thick D: share of seeds in which D does not sell", _nobody(by_case["thick D"], ("d",))),
        _share("infinite depth: share of seeds in which A alone sells", _only_a(by_case["infinite depth"])),
        _share("no common holding: share in which A alone sells", _only_a(by_case["no common holding"])),
        _share("cascade: share of seeds in which E does not sell", _nobody(by_case["cascade"], ("e",))),
    ]
    formula, formula_rows = _by_formula(task, cases["cascade"], impact)
    rows += formula_rows
    return Outcome(rows, lambda path: _draw(path, by_case["cascade"], formula))


def _order_rows(frame: pd.DataFrame) -> list[Row]:
    first = [frame[f"first_{name}"].to_numpy() for name in "abcd"]
    ordered = np.logical_and.reduce([x < y for x, y in pairwise(first)])
    sells = first[-1] < NEVER
    return [_share("order book: share of seeds with first forced sales A < B < C < D", ordered & sells)]


def _share(claim: str, holds: Flags) -> Row:
    return share(claim, holds, 0.95, _SOURCE)


def _nobody(frame: pd.DataFrame, groups: tuple[str, ...]) -> Flags:
    quiet: Flags = np.logical_and.reduce([frame[f"first_{name}"].to_numpy() == NEVER for name in groups])
    return quiet


def _only_a(frame: pd.DataFrame) -> Flags:
    return (frame["first_a"].to_numpy() < NEVER) & _nobody(frame, GROUPS[1:])


def _by_formula(task: ScenarioTask, case: dict[str, Value], impact: float) -> tuple[dict[str, float], list[Row]]:
    result = stress_test(task.at(case), dict.fromkeys(("treasury", "corporate", "other"), impact))
    first = [result.first_sale_round(f"{name}-1") or 10**6 for name in GROUPS]
    ordered = first[0] < first[1] < first[2] < first[3] < 10**6
    sold = {name: 2.0 * sum(result.total_sold(f"{name}-1")) for name in GROUPS}
    return sold, [
        identical(
            "formula: first sales in rounds A < B < C < D, and E never (1 is yes)",
            float(ordered and first[4] == 10**6),
            1.0,
            _SOURCE,
        )
    ]


def _draw(path: Path, frame: pd.DataFrame, formula: dict[str, float]) -> None:
    figure, (left, right) = new_figure(1, 2)
    for k, name in enumerate("abcd"):
        at = np.sort(frame[f"first_{name}"].to_numpy())
        at = at[at < NEVER]
        left.step(at - 120, np.arange(1, at.size + 1) / len(frame), COLOURS[k], where="post", label=name.upper())
    left.set(xlabel="time of first forced sale after the shock (s)", ylabel="share of seeds", ylim=(0, 1.02))
    left.legend(title="group", loc="lower right")
    places = np.arange(4)
    for k, name in enumerate("abcd"):
        sold = frame[f"sold_{name}"].to_numpy()
        right.bar(places[k] - 0.2, sold.mean(), 0.4, color=COLOURS[k], yerr=sold.std(), capsize=3)
        right.bar(places[k] + 0.2, formula[name], 0.4, color=COLOURS[k], alpha=0.4, hatch="//")
    right.set_xticks(places, ["A", "B", "C", "D"])
    right.set(xlabel="group", ylabel="sold in all (million of face value)")
    right.set_title("full: order book (mean, s.d. over seeds); hatched: formula", fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("fire_sale_cascade", run, quick={"seeds": 3}, cases=[{"seeds": 80}])

if __name__ == "__main__":
    EXPERIMENT.main()
