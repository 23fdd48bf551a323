"""What must a dealer sell when its lenders raise their haircut?

A position of 200 billion financed in repo at a haircut of 2 %: own funds of 4. The haircut rises to 5 %.

Expected (Brunnermeier and Pedersen 2009, "Market Liquidity and Funding Liquidity": m·|x| ≤ W): with the same
own funds the position falls to 2/5, a sale of 60 %, or else 6 billion are called. In the running market two
lenders measure volatility from the prices that they see; a price swings, their haircut goes from 2 % to 5 %,
and the dealer, whose loans mature one after the other over ``--term``, sells as they do. Stated before the
first run: in the end 1 - 0.02/0.05 = 60 % of its position, the faster the shorter the terms; nothing when
haircuts do not move (the switch ``funding``), and nothing without the swings.

Learnt: the market sells somewhat more than 60 %, by what the sales themselves cost: own funds pay the
half-spread on everything that is sold, and each unit of them carries 20 of position at 5 %. A longer term
does not make the sale smaller, it makes it later: the run is not prevented, it has a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.balance.constraints import FundingConstraint
from lob_sim.balance.funding import amounts_called
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetContext
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, exceeds, identical, run_cells
from lob_sim.messages import OrderFilled, RfqTraded
from lob_sim.scenario import Scenario, load_scenario, open_market, parse_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult, Value
from lob_sim.units import NS_PER_S

SCENARIO = Path(__file__).with_suffix(".toml")
_LOTS = 2_000
_FIRST_SWING_S = 60
_PER_VOLATILITY = 30.0  # takes a haircut up by 0.07 within the swings; a larger rise needs as much more
_SOURCE = "Brunnermeier and Pedersen (2009): m·|x| = W"


def swinging(scenario: Scenario, swing: float) -> Scenario:
    """The scenario with a price that goes up by a fraction and back every ten seconds, from the first minute on."""
    raw = scenario_to_dict(scenario)
    raw["shocks"] = [
        {"instrument": "bond", "at": f"{_FIRST_SWING_S + 10 * k}s", "size": 1 / (1 + swing) - 1 if k % 2 else swing}
        for k in range(114)
    ]
    return parse_scenario(raw)


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: lots sold by the end, cost of selling in lots' worth of own funds, time of half of the sale (s)."""
    tape = EventCollector(OrderFilled, RfqTraded)
    world = simulate(scenario, seed, tape)
    dealer = next(k for k, member in enumerate(world.members) if member.group.name == "dealer")
    deals = [d for d in tape.messages if d.agent_id == dealer]
    lots = np.cumsum([0, *(d.qty_lots for d in deals)])
    times = [0.0, *(d.ts_event_ns / NS_PER_S for d in deals)]
    sheet = world.desks[dealer].sheet
    value = sheet.value(0)
    metrics = {
        "sold": float(lots[-1]),
        "half_s": float(np.interp(lots[-1] / 2, lots, times)) if lots[-1] else 0.0,
        "haircut": sheet.haircuts[0],
        "own_funds": float(value - sheet.repo_cash[0] + sheet.cash - sheet.due_cash),
        "value": float(value),
        "lot_value": float(sheet.marks_ticks[0]),
    }
    grid = np.arange(0, 1200, 5)
    held = _LOTS - lots[np.searchsorted(times, grid, side="right") - 1]
    return TaskResult(metrics | {f"held_{t:04d}": float(q) for t, q in zip(grid, held, strict=True)}, "")


def _exact_rows(position: float, haircut: float, new: float) -> list[Row]:
    """The worked example on a balance sheet of the program, for any numbers (billions)."""
    instruments, unit, _ = open_market(load_scenario(SCENARIO))
    lots = 10**10  # so many that a share of them is a real number to nine places
    value = lots * 10_000
    loan = round((1 - haircut) * value)
    sheet = BalanceSheet(instruments, cash=0, lots=[lots], marks_ticks=[10_000], repo_cash=[loan], haircuts=[haircut])
    sheet.haircuts = [new]
    constraint = FundingConstraint(FundingConstraint.Params(), SheetContext(instruments, unit))
    call = amounts_called(sheet).get(0, 0) / value * position
    cut = constraint.sale_lots(sheet.view([[0.0]]), 0) / lots
    return [
        identical("sale with the same own funds (share)", cut, max(0.0, 1 - haircut / new), _SOURCE, slack=1e-9),
        identical("margin call instead (bn)", call, max(0.0, new - haircut) * position, _SOURCE, slack=1e-9 * position),
    ]


def run(
    position: Annotated[float, typer.Option(help="Position in the worked example, bn.")] = 200.0,
    haircut: Annotated[float, typer.Option(min=0.001, max=0.9, help="Haircut before.")] = 0.02,
    new_haircut: Annotated[float, typer.Option(min=0.001, max=0.9, help="Haircut after.")] = 0.05,
    swing: Annotated[float, typer.Option(help="Size of the swings in the market, as a fraction.")] = 0.004,
    term: Annotated[float, typer.Option(min=0.1, help="Term of the loans, minutes.")] = 2.0,
    long_term: Annotated[float, typer.Option(min=0.1, help="Term in the second case, minutes.")] = 8.0,
) -> Outcome:
    """Compare with the formula, and with a market in which lenders raise the haircut themselves."""
    rows = _exact_rows(position, haircut, new_haircut)
    calm = load_scenario(SCENARIO)
    loan = round(_LOTS * 10_000 * (1 - haircut)) * 100
    schedule = "agents.lender.params.schedules.bond"
    base: dict[str, Value] = {
        "agents.dealer.balance_sheet.repo.bond": loan,
        "agents.dealer.balance_sheet.haircuts.bond": haircut,
        f"{schedule}.base": haircut,
        f"{schedule}.maximum": max(haircut, new_haircut),
        f"{schedule}.per_volatility": _PER_VOLATILITY * max(1.0, (new_haircut - haircut) / 0.07),
        "agents.lender.params.term": f"{term}min",
    }
    slow: dict[str, Value] = {"agents.lender.params.term": f"{long_term}min"}
    task = ScenarioTask(scenario_to_dict(swinging(calm, swing)), measure)
    frame = run_cells(task, [base, base | slow, base | {"switches.funding": False}], 2)
    quiet = run_cells(ScenarioTask(scenario_to_dict(calm), measure), [base], 2)
    fast, later, off = (frame[frame["point"] == k].iloc[0] for k in range(3))
    # Own funds in the end are less than at the start by what the sales have cost.
    held = fast["own_funds"] / (fast["haircut"] * fast["lot_value"])
    least = 1 - haircut / max(haircut, new_haircut) - 1e-9
    rows += [
        identical(
            "market: haircut in the end", fast["haircut"], max(haircut, new_haircut), "the schedule's maximum", 1e-9
        ),
        identical(
            "market: held in the end, given own funds left (lots)",
            _LOTS - fast["sold"],
            min(_LOTS, held),
            _SOURCE,
            # Own funds swing with the price; the sale is made at its low end.
            slack=1 + held * swing / fast["haircut"],
        ),
        exceeds("market: sold (share)", fast["sold"] / _LOTS, least, 0.0, _SOURCE),
        identical("market with the switch off: sold (lots)", off["sold"], 0.0, "control"),
        identical("market without swings: sold (lots)", quiet["sold"].max(), 0.0, "control"),
    ]
    if new_haircut > haircut:
        claim = "market: later with the longer term, half of the sale (s)"
        rows.append(exceeds(claim, later["half_s"], fast["half_s"], 0.0, "stated before the first run"))
    held_in_time = {f"term of {term:g} min": fast, f"term of {long_term:g} min": later, "switch off": off}
    return Outcome(rows, lambda path: _draw(path, held_in_time, _LOTS * haircut / max(haircut, new_haircut)))


def _draw(path: Path, cases: Mapping[str, pd.Series[float]], carried_lots: float) -> None:
    figure, axis = new_figure()
    grid = np.arange(0, 1200, 5)
    for k, (name, case) in enumerate(cases.items()):
        held = [case[f"held_{t:04d}"] for t in grid]
        axis.step(grid / 60, held, color=COLOURS[k], where="post", label=name)
    axis.axhline(
        carried_lots, color="grey", linestyle=":", linewidth=1, label="what own funds carry at the new haircut"
    )
    axis.set(
        xlabel="time (min); the price swings from the first minute on",
        ylabel="held (million of face value)",
        ylim=(0, None),
    )
    axis.legend()
    save(figure, path)


EXPERIMENT = Experiment("haircut_shock", run)

if __name__ == "__main__":
    EXPERIMENT.main()
