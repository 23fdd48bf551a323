"""How fast does a run of repo lenders force a dealer to sell, and does the speed matter for the price?

A dealer leveraged 25 times loses 2 %, is leveraged 48 times, and its lenders, who roll nobody above 30 times,
roll none of its loans as they mature, until it is small enough again.

Expected (Copeland, Martin and Walker 2014, "Repo Runs"; Duffie 2010, "The Failure Mechanics of Dealer
Banks"): what must go is what takes leverage back to 30, A - 30·E, whatever the terms. The terms are the
clock: with loans L that mature in equal parts over a term T, half of it has gone by 300 s + T·k/12, k the
number of twelfths of L that exceed half of what must go and the cash that pays first. Stated before the first
run: the shorter the terms, the deeper the price falls below fair value, because slow buyers have had less
time; with a standing repo facility nobody sells, and with the switch ``funding`` off nobody sells.

Learnt: that is so. Very short terms make the dealer sell more than it must, too: loans mature while its
lenders still go by the leverage that it disclosed before its last sale. A run overshoots by what travels
between two disclosures.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, agrees, exceeds, identical, mean_of, run_cells
from lob_sim.messages import FairValue, OrderFilled, RfqTraded, Trade
from lob_sim.scenario import Scenario, load_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult, Value
from lob_sim.units import NS_PER_S

if TYPE_CHECKING:
    import pandas as pd

SCENARIO = Path(__file__).with_suffix(".toml")
_SHOCK_S = 300
_RUNGS = 12
_BONDS, _CASH, _REPO, _DEPOSITS = 980.0, 20.0, 600.0, 360.0  # million
_CLOCK = "loans that mature in equal parts over the term"
_STATED = "stated before the first run"


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: lots sold, when half of them were (s after the shock), the deepest price below fair value (ticks)."""
    tape = EventCollector(OrderFilled, RfqTraded, Trade, FairValue)
    world = simulate(scenario, seed, tape)
    dealer = next(k for k, member in enumerate(world.members) if member.group.name == "dealer")
    deals = [
        (m.ts_event_ns / NS_PER_S, m.qty_lots)
        for m in tape.messages
        if isinstance(m, OrderFilled | RfqTraded) and m.agent_id == dealer
    ]
    lots = np.cumsum([0, *(qty for _, qty in deals)])
    times = np.array([0.0, *(at for at, _ in deals)])
    fair, deepest = 0.0, 0.0
    for message in tape.messages:
        if isinstance(message, FairValue):
            fair = message.value_ticks
        # The makers need a second to follow the shock itself.
        elif isinstance(message, Trade) and message.ts_event_ns > (_SHOCK_S + 5) * NS_PER_S:
            deepest = max(deepest, fair - message.price_ticks)
    half = times[np.searchsorted(lots, lots[-1] / 2)] - _SHOCK_S if lots[-1] else 0.0
    grid = np.arange(0, 2400, 10)
    sold = lots[np.searchsorted(times, grid, side="right") - 1]
    metrics = {"sold": float(lots[-1]), "half_s": float(half), "deepest_ticks": deepest}
    return TaskResult(metrics | {f"sold_{t:04d}": float(q) for t, q in zip(grid, sold, strict=True)}, "")


def must_go(shock: float, refuse_above: float) -> float:
    """Millions to be shed until leverage is back at what lenders roll: A - limit·E."""
    assets = _BONDS * (1 - shock) + _CASH
    return max(0.0, assets - refuse_above * (assets - _REPO - _DEPOSITS))


def half_time_s(shock: float, refuse_above: float, term_min: float) -> float:
    """When half of the sale is made: as many twelfths of the loans as it takes, after the cash that pays first."""
    half_sale = (must_go(shock, refuse_above) - _CASH) / 2
    twelfths = np.ceil((half_sale + _CASH) / (_REPO / _RUNGS))
    return float(twelfths * term_min * 60 / _RUNGS)


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of every case.")] = 20,
    term: Annotated[list[float] | None, typer.Option(help="Terms of the loans, minutes; repeat.")] = None,
    shock: Annotated[float, typer.Option(help="Fall of the bond, as a fraction.")] = 0.02,
    refuse_above: Annotated[float, typer.Option(help="Leverage above which lenders do not roll.")] = 30.0,
) -> Outcome:
    """Run the market with each term, with a standing facility, and with the switch off."""
    terms = sorted(term or [1.0, 5.0, 10.0])
    base: dict[str, Value] = {"shocks.0.size": -shock, "agents.lender.params.refuse_above_leverage": refuse_above}
    path = "agents.lender.params.term"
    points = [base | {path: f"{t}min"} for t in terms]
    points += [points[0] | {"agents.facility.params.start": "0s"}, points[0] | {"switches.funding": False}]
    task = ScenarioTask(scenario_to_dict(load_scenario(SCENARIO)), measure)
    frame = run_cells(task, points, seeds)
    by_term = {t: frame[frame["point"] == k] for k, t in enumerate(terms)}
    rows = [row for t, cell in by_term.items() for row in _clock_rows(cell, t, shock, refuse_above)]
    shortest, longest = by_term[terms[0]], by_term[terms[-1]]
    if len(terms) > 1 and must_go(shock, refuse_above) > _CASH:
        deeper = mean_of(shortest["deepest_ticks"].to_numpy() - longest["deepest_ticks"].to_numpy())
        claim = f"deeper with {terms[0]:g} min than with {terms[-1]:g} min (ticks below fair value)"
        rows.append(exceeds(claim, deeper.value, 0.0, deeper.se, _STATED))
    for k, name in ((len(terms), "standing repo facility"), (len(terms) + 1, "switch off")):
        most = frame[frame["point"] == k]["sold"].max()
        rows.append(identical(f"{name}: most sold in any seed (million)", most, 0.0, _STATED))
    return Outcome(rows, lambda out: _draw(out, by_term))


def _clock_rows(cell: pd.DataFrame, term: float, shock: float, refuse_above: float) -> list[Row]:
    """The sale and its clock. A maturity's worth of bonds is slack, and so is the time that its sale takes."""
    one_rung = _REPO / _RUNGS
    sold, half = mean_of(cell["sold"]), mean_of(cell["half_s"])
    expected = max(0.0, must_go(shock, refuse_above) - _CASH)
    # Between two disclosures, ten seconds, loans go on maturing; one more matures before the lenders roll again.
    late = one_rung * (1 + 10 / (term * 60 / _RUNGS))
    rows = [agrees(f"sold, terms of {term:g} min (million)", sold.value, expected, max(sold.se, 1e-9), _CLOCK, late)]
    if expected:
        reference = half_time_s(shock, refuse_above, term)
        slack = term * 60 / _RUNGS + 15
        claim = f"half of the sale made, terms of {term:g} min (s after the shock)"
        rows.append(agrees(claim, half.value, reference, max(half.se, 1e-9), _CLOCK, slack))
    return rows


def _draw(path: Path, by_term: dict[float, Any]) -> None:
    figure, (left, right) = new_figure(1, 2)
    grid = np.arange(0, 2400, 10)
    for k, (term, cell) in enumerate(by_term.items()):
        sold = cell[[f"sold_{t:04d}" for t in grid]].mean()
        left.step(grid / 60, sold, color=COLOURS[k % 7], where="post", label=f"{term:g} min")
    left.axvline(_SHOCK_S / 60, color="grey", linestyle=":", linewidth=1)
    left.set(xlabel="time (min); the shock is at the dotted line", ylabel="sold (million of face value)")
    left.legend(title="term of the loans")
    deepest = [cell["deepest_ticks"] for cell in by_term.values()]
    right.errorbar(
        list(by_term),
        [d.mean() for d in deepest],
        yerr=[2 * d.std(ddof=1) / np.sqrt(len(d)) for d in deepest],
        color=COLOURS[1],
        marker="o",
        capsize=3,
    )
    right.set(xlabel="term of the loans (min)", ylabel="deepest price below fair value (ticks)")
    save(figure, path)


EXPERIMENT = Experiment("funding_run", run, quick={"seeds": 3})

if __name__ == "__main__":
    EXPERIMENT.main()
