"""Does a value-at-risk limit make a dealer sell when a price merely moves more?

Book VaR is 10 million with a limit of 15. Volatility doubles: VaR is 20, a third over the limit.

Expected (Adrian and Shin 2010, "Liquidity and leverage"): the cut is 1 - 15/20 = 25 %, or 21.875 % when prices
have fallen by 4 % as well. In the running market a price swings up and down by twice its calm volatility and
is always back where it was: nobody loses anything and the dealer sells all the same, along n_t = limit /
(z·σ_t·p_t), σ_t² = d^t·σ_0² + (1 - d^t)·(2σ_0)², because volatility is measured with memory d. Stated before
the first run: the position follows that path to one lot (limit to limit, without overshoot), so that each sale
is made at the upper end of a swing; without swings, and with the switch ``var`` off, nothing is sold.

Learnt: the path is that of the formula to the lot, at the opening bid of makers who take any amount. The
dealer sells for ten minutes after a change that took ten seconds: the memory of its estimator is a second clock
beside the price, and at d = 0.94 half of the sale comes more than a minute after the limit first binds.
"""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist
from typing import Annotated

import numpy as np
import typer

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.balance.constraints import VarConstraint
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetContext
from lob_sim.errors import InputError
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, identical, run_cells
from lob_sim.messages import OrderFilled, RfqTraded
from lob_sim.scenario import Scenario, load_scenario, open_market, parse_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult, Value
from lob_sim.units import NS_PER_S, Lots

SCENARIO = Path(__file__).with_suffix(".toml")
M = 1_000_000
_LOTS = 1_000
_PRICE = 10_000
_INTERVAL_S = 10
_DECAY = 0.94
_SOURCE = "Adrian and Shin (2010)"
_SAMPLES = 70


def swinging(scenario: Scenario, swing_ticks: int) -> Scenario:
    """The scenario with a price that goes up by ``swing_ticks`` and back, in the middle of every interval."""
    raw = scenario_to_dict(scenario)
    ratio = (_PRICE + swing_ticks) / _PRICE
    raw["shocks"] = [
        {"instrument": "bond", "at": f"{_INTERVAL_S * k + 5}s", "size": ratio - 1 if k % 2 else 1 / ratio - 1}
        for k in range(1, _SAMPLES)
    ]
    return parse_scenario(raw)


def expected_path(swing_ticks: int, volatility: float, limit: float, z: float) -> list[Lots]:
    """Lots held after each interval: what the limit admits at the volatility so far, never more than before."""
    variance, held, path = volatility**2, _LOTS, []
    for k in range(_SAMPLES):
        # The first price of an interval is what the last swing left; its second half is the other end.
        price, before = (_PRICE + swing_ticks * (i > 1 and i % 2 == 0) for i in (k, k - 1))
        if k > 0:
            variance = _DECAY * variance + (1 - _DECAY) * (price / before - 1) ** 2
        highest = _PRICE + swing_ticks * (k > 0)
        held = min(held, math.floor(limit / (z * math.sqrt(variance) * highest * 100) + 1e-9))
        path.append(held)
    return path


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: lots held at the end of each interval."""
    tape = EventCollector(OrderFilled, RfqTraded)
    world = simulate(scenario, seed, tape)
    dealer = next(k for k, member in enumerate(world.members) if member.group.name == "dealer")
    sold = [0] * (_SAMPLES + 10)
    for deal in tape.messages:
        if deal.agent_id == dealer:
            sold[deal.ts_event_ns // (_INTERVAL_S * NS_PER_S)] += deal.qty_lots
    held = _LOTS - np.cumsum(sold[:_SAMPLES])
    metrics = {f"lots_{k:03d}": float(lots) for k, lots in enumerate(held)}
    return TaskResult(metrics | {"lots_last": float(held[-1])}, "")


def _exact_rows(var: float, limit: float, factor: float, fall: float) -> list[Row]:
    """The worked example on a balance sheet of the program, for any numbers."""
    instruments, unit, _ = open_market(load_scenario(SCENARIO))
    context = SheetContext(instruments, unit)
    constraint = VarConstraint(VarConstraint.Params(limit=limit * M), context)
    z = NormalDist().inv_cdf(0.99)
    volatility = var * M / (z * _LOTS * M)
    rows = []
    for price_fall, name in ((0.0, "volatility alone"), (fall, f"a fall of {100 * fall:g} % too")):
        # So many lots and ticks that the cut and the fall are real numbers to nine places.
        lots, par = 10**10, 10**12
        sheet = BalanceSheet(instruments, cash=0, lots=[lots], marks_ticks=[par], short_term_cash=0)
        sheet.mark(0, round(par * (1 - price_fall)))
        scale = _LOTS * _PRICE / (lots * par)
        view = sheet.view([[(factor * volatility * scale) ** 2]])
        after = var * factor * (1 - price_fall)
        rows += [
            _same(f"VaR after, {name} (million)", constraint.value_at_risk(view) * float(unit.size) / M, after),
            _same(
                f"cut, {name} (share of the book)",
                constraint.sale_lots(view, 0) / lots,
                max(0.0, 1 - limit / after) if after else 0.0,
            ),
        ]
    return rows


def _same(claim: str, measured: float, expected: float, slack: float = 0.0) -> Row:
    return identical(claim, measured, expected, "1 - limit / VaR", slack=slack + 1e-9 * max(1.0, abs(expected)))


def run(
    var: Annotated[float, typer.Option(help="VaR of the book before, million.")] = 10.0,
    limit: Annotated[float, typer.Option(help="Limit, million.")] = 15.0,
    factor: Annotated[float, typer.Option(help="By how much volatility is multiplied.")] = 2.0,
    fall: Annotated[float, typer.Option(help="Fall of prices, as a fraction.")] = 0.04,
) -> Outcome:
    """Compare the cut with the formula, and the position in a swinging market with its path."""
    for name, value in (("var", var), ("limit", limit), ("factor", factor)):
        if not (0 <= value < math.inf and (value or name != "var")):
            least = "above 0" if name == "var" else "of 0 or more"
            raise InputError(f"expected a finite number {least}, got {value:g}", f"--{name}")
    if not -1 <= fall <= 1 - 1e-6:
        raise InputError(f"expected a fraction from -1 to below 1, got {fall:g}", "--fall")
    rows = _exact_rows(var, limit, factor, fall)
    z = NormalDist().inv_cdf(0.99)
    volatility = var * M / (z * _LOTS * M)
    swing = round(factor * volatility * _PRICE)
    base: dict[str, Value] = {
        "agents.dealer.balance_sheet.constraints.0.params.limit": limit * M,
        "agents.dealer.balance_sheet.opening_volatility.bond": volatility,
    }
    calm = load_scenario(SCENARIO)
    task = ScenarioTask(scenario_to_dict(swinging(calm, swing)), measure)
    frame = run_cells(task, [base, base | {"switches.var": False}], 2)
    quiet = run_cells(ScenarioTask(scenario_to_dict(calm), measure), [base], 2)
    expected = expected_path(swing, volatility, limit * M, z)
    swung, off = (frame[frame["point"] == k].iloc[0] for k in (0, 1))
    held = [swung[f"lots_{k:03d}"] for k in range(_SAMPLES)]
    worst = max(abs(a - b) for a, b in zip(held, expected, strict=True))
    asymptotic = min(_LOTS, limit / (var * factor) * _LOTS) if factor else _LOTS
    # What the limit does not admit at the opening is sold in calm too, at marks that are a tick off for a moment.
    at_once = float(_LOTS - min(_LOTS, math.floor(limit / var * _LOTS + 1e-9))) if var else 0.0
    tick = math.ceil(_LOTS / _PRICE) if at_once else 0.0
    # Sold at the top of a swing, when the position is worth most; and what is left of the old volatility.
    slack = asymptotic * swing / _PRICE + 0.05 * (_LOTS - asymptotic) + 1
    rows += [
        identical("market: largest distance from the formula's path (lots)", worst, 0.0, _SOURCE, slack=1.0),
        identical("market: held at the end (lots)", swung["lots_last"], asymptotic, "limit / VaR", slack=slack),
        identical(
            "market without swings: sold (lots)", _LOTS - quiet["lots_last"].min(), at_once, "control", slack=tick
        ),
        identical("market with the switch off: sold (lots)", _LOTS - off["lots_last"], 0.0, "control"),
    ]
    return Outcome(rows, lambda path: _draw(path, held, expected))


def _draw(path: Path, held: list[float], expected: list[Lots]) -> None:
    figure, axis = new_figure()
    minutes = [k * _INTERVAL_S / 60 for k in range(_SAMPLES)]
    axis.step(minutes, expected, color=COLOURS[6], where="post", label="formula", linewidth=3, alpha=0.3)
    axis.step(minutes, held, color=COLOURS[0], where="post", label="order book")
    axis.set(xlabel="time since the price began to swing (min)", ylabel="held (million of face value)")
    axis.legend()
    save(figure, path)


EXPERIMENT = Experiment("var_procyclicality", run)

if __name__ == "__main__":
    EXPERIMENT.main()
