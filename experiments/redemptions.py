"""Investors leave funds that have lost: what do the funds sell, and does the selling make more of them leave?

Two funds hold a bond that falls by 2 %. Investors redeem β·max(0, -return) of net asset value (β = 5 here) at
its next calculation. A cash buffer pays first; the rest is sold, the price falls by ``--impact`` ticks a lot,
and that is the next return.

Expected (Coval and Stafford 2007, "Asset Fire Sales (and Purchases) in Equity Markets"; Goldstein, Jiang and
Ng 2017 for bond funds): the first redemption is β·|return|·NAV exactly; then a geometric spiral with the
ratio g = β·impact·Q/p (Q lots in all funds, price p), so that without a buffer the sales add up to 1/(1 - g)
of the first round's. Each round follows from the last by arithmetic, which is the reference for all of them.
Stated before the first run: a buffer larger than the first redemption stops everything; swing pricing by f
pays 1 - f of it and so damps the spiral; β = 0 and the switch ``redemptions`` off leave the funds alone.

Learnt: the spiral of the order book is that of the arithmetic within a per cent or two, which is the makers'
half-spread: funds sell at the bid, and what they lose there is a negative return too. The buffer does more
than its size: it delays the first sale, and investors who are paid in cash leave behind a fund with more of
the bond.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, exceeds, identical, run_cells
from lob_sim.messages import OrderFilled, Redemption, RfqTraded
from lob_sim.scenario import Scenario, load_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult, Value
from lob_sim.units import NS_PER_S

SCENARIO = Path(__file__).with_suffix(".toml")
_FUNDS = 2
_LOTS = 1_000
_PRICE = 10_000.0
_UNIT = 100  # currency units in a cash unit: one tick on one lot
_ROUNDS = 19
_RULE = "β·max(0, -return)·NAV"
_STATED = "stated before the first run"


class Case(msgspec.Struct, frozen=True):
    """What is asked: cash in tick-lots (cash units), impact in ticks a lot of the whole market."""

    beta: float
    shock: float
    impact: float
    buffer: float
    swing: float


def expected_rounds(case: Case, half_spread: float) -> list[float]:
    """Lots that both funds sell after each calculation of net asset value, by arithmetic; real numbers.

    Both funds are alike and sell at once, along the line that their sales push the price down.
    """
    lots, cash, price = float(_LOTS), case.buffer, _PRICE * (1 - case.shock)
    last, rounds = case.buffer + _LOTS * _PRICE, []
    for _ in range(_ROUNDS):
        nav = cash + lots * price
        redeemed = min(nav, case.beta * max(0.0, 1 - nav / last) * nav)
        owed = redeemed * (1 - case.swing)
        paid = min(cash, owed)
        cash -= paid
        to_raise = owed - paid
        # n·(p - half-spread - impact·2n/2) = to_raise
        net = price - half_spread
        root = net * net - 4 * case.impact * to_raise
        sold = min(lots, (net - root**0.5) / (2 * case.impact) if case.impact else to_raise / net)
        last = nav - owed
        lots -= sold
        price -= case.impact * _FUNDS * sold
        rounds.append(_FUNDS * sold)
    return rounds


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: lots sold after each calculation, the first redemption over what the rule says, the lowest price."""
    tape = EventCollector(OrderFilled, RfqTraded, Redemption)
    world = simulate(scenario, seed, tape)
    funds = [k for k, member in enumerate(world.members) if member.group.name == "fund"]
    sold = np.zeros(_ROUNDS + 2)
    received = 0
    for deal in tape.messages:
        if isinstance(deal, OrderFilled | RfqTraded) and deal.agent_id in funds:
            sold[deal.ts_event_ns // (60 * NS_PER_S)] += deal.qty_lots
            received += deal.qty_lots * deal.price_ticks
    metrics = {f"round_{k:02d}": float(sold[k + 2]) for k in range(_ROUNDS)}
    first = next((r for r in tape.of(Redemption) if r.agent_id == funds[0]), None)
    metrics["redeemed"] = float(first.redeemed_cash) if first else 0.0
    metrics["nav"] = float(first.nav_cash) if first else 0.0
    metrics["from_buffer"] = float(first.from_buffer_cash) if first else 0.0
    return TaskResult(metrics | {"sold": float(sold.sum()), "received": float(received)}, "")


def _point(case: Case) -> dict[str, Value]:
    redemptions = "agents.fund.balance_sheet.redemptions"
    return {
        "shocks.0.size": -case.shock,
        "agents.fund.cash": round(case.buffer) * _UNIT,
        f"{redemptions}.beta": case.beta,
        f"{redemptions}.swing_factor": case.swing,
        "agents.maker.params.risk_price_ticks_per_lot": 8 * case.impact,
    }


def run(
    beta: Annotated[float, typer.Option(min=0, help="Share redeemed per unit of loss.")] = 5.0,
    shock: Annotated[float, typer.Option(help="Fall of the bond, as a fraction.")] = 0.02,
    impact: Annotated[float, typer.Option(min=0, help="Fall of the price for each lot sold, ticks.")] = 0.2,
    buffer: Annotated[float, typer.Option(min=0, help="Cash of each fund, million.")] = 10.0,
    swing: Annotated[float, typer.Option(min=0, max=1, help="Swing factor of the case with swing pricing.")] = 0.1,
) -> Outcome:
    """Compare the redemptions of the market with the arithmetic of the rule."""
    case = Case(beta, shock, impact, buffer * 1e6 / _UNIT, 0.0)
    deep = 1.1 * beta * shock * (_LOTS * _PRICE + case.buffer)
    cases = {
        "buffer": case,
        "no buffer": msgspec.structs.replace(case, buffer=0.0),
        "large buffer": msgspec.structs.replace(case, buffer=deep),
        "swing pricing": msgspec.structs.replace(case, buffer=0.0, swing=swing),
        "β = 0": msgspec.structs.replace(case, beta=0.0),
    }
    points = [_point(c) for c in cases.values()] + [_point(case) | {"switches.redemptions": False}]
    frame = run_cells(ScenarioTask(scenario_to_dict(load_scenario(SCENARIO)), measure), points, 2)
    found = {name: frame[frame["point"] == k].iloc[0] for k, name in enumerate([*cases, "switch off"])}
    rows = _first_rows(cases, found)
    for name in ("buffer", "no buffer", "swing pricing"):
        rows.append(_spiral_row(name, cases[name], found[name]))
    plain = found["no buffer"]
    if plain["sold"]:
        g = beta * impact * _FUNDS * _LOTS / (_PRICE * (1 - shock))
        ratio = plain["round_01"] / plain["round_00"]
        rows += [
            # Redemptions are of what is left, and sales at less than the mark: second-order terms.
            identical(
                "ratio of the second round to the first", ratio, g, "g = β·impact·Q/p", slack=g * 3 * beta * shock
            ),
            exceeds(
                "swing pricing: fewer lots sold than without",
                plain["sold"],
                found["swing pricing"]["sold"],
                0.0,
                _STATED,
            ),
        ]
    rows += [
        identical(f"{name}: sold (lots)", found[name]["sold"], 0.0, _STATED)
        for name in ("large buffer", "β = 0", "switch off")
    ]
    return Outcome(rows, lambda path: _draw(path, cases, found))


def _first_rows(cases: dict[str, Case], found: dict[str, Any]) -> list[Row]:
    rows = []
    for name in ("buffer", "no buffer", "swing pricing"):
        case, cell = cases[name], found[name]
        opening = case.buffer + _LOTS * _PRICE
        owed = case.beta * max(0.0, 1 - cell["nav"] / opening) * cell["nav"] * (1 - case.swing) if cell["nav"] else 0.0
        unit = _UNIT / 1e6
        rows.append(
            identical(f"{name}: first redemption (million)", cell["redeemed"] * unit, owed * unit, _RULE, slack=unit)
        )
        first = min(case.buffer, cell["redeemed"]) * unit
        rows.append(
            identical(
                f"{name}: of it paid from the buffer (million)",
                cell["from_buffer"] * unit,
                first,
                "buffer first",
                slack=unit,
            )
        )
    return rows


def _spiral_row(name: str, case: Case, cell: Any) -> Row:
    lots, rounds = cell["sold"], [cell[f"round_{k:02d}"] for k in range(_ROUNDS)]
    expected = sum(expected_rounds(case, _paid_away(case, lots, cell["received"])))
    # Each round of each fund sells whole lots, and one that is not quite needed at most.
    slack = _FUNDS * sum(1 for r in rounds if r) + 0.02 * expected
    return identical(f"{name}: sold in all rounds (lots)", lots, expected, "arithmetic of the rounds", slack=slack)


def _paid_away(case: Case, lots: float, received: float) -> float:
    """Ticks a lot that the funds received less than along the line of the impact."""
    if lots == 0:
        return 0.0
    return float(_PRICE * (1 - case.shock) - case.impact * lots / 2 - received / lots)


def _draw(path: Path, cases: dict[str, Case], found: dict[str, Any]) -> None:
    figure, axis = new_figure()
    rounds = np.arange(8)
    for k, name in enumerate(("no buffer", "swing pricing", "buffer")):
        cell = found[name]
        expected = expected_rounds(cases[name], _paid_away(cases[name], cell["sold"], cell["received"]))
        axis.plot(rounds + 1, expected[:8], color=COLOURS[k], label=f"{name} (arithmetic)")
        sold = [cell[f"round_{r:02d}"] for r in rounds]
        axis.plot(rounds + 1, sold, "o", color=COLOURS[k], label=f"{name} (order book)")
    axis.set(
        xlabel="calculation of net asset value since the shock", ylabel="sold by both funds (million of face value)"
    )
    axis.legend(fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("redemptions", run)

if __name__ == "__main__":
    EXPERIMENT.main()
