"""Is a budget all that a double auction needs to be efficient?

Buyers with redemption values and sellers with costs shout random prices in our book. With a budget (no
price at a loss) they come close to realising all gains from trade; without one every unit is traded,
whatever it is worth, so that efficiency is the sum of all values less all costs over the largest possible
surplus, exactly. Efficiency with a budget is compared with an independent simulation of the double auction,
in a few lines and without our engine.

Source: Gode and Sunder (1993), J. Political Economy 101, section II and table 1: with a budget on average
97 to 99.9 per cent in their five markets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from experiments.validation.common import group, market, new_figure, save, seconds, taped
from lob_sim.experiment import Experiment, Outcome, Row, agrees, exceeds, identical, mean_of, run_cells
from lob_sim.messages import OrderFilled
from lob_sim.sweep.task import TaskSpec

SOURCE = "Gode & Sunder 1993"
VALUES = ((150, 120, 95), (140, 115, 90), (130, 110, 85), (125, 105, 80))
COSTS = ((50, 80, 105), (60, 85, 110), (70, 90, 115), (75, 95, 120))
MAX_PRICE, HORIZON_S = 200, 400.0


class Traders(StrEnum):
    """With or without a budget."""

    CONSTRAINED = "constrained"
    UNCONSTRAINED = "unconstrained"


def largest_surplus() -> int:
    """All gains from trade: the dearest values against the cheapest costs while they exceed them."""
    values = sorted((v for units in VALUES for v in units), reverse=True)
    costs = sorted(c for units in COSTS for c in units)
    return sum(max(0, v - c) for v, c in zip(values, costs, strict=True))


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One trading period: efficiency, and the worst result of any trader in any trade."""
    roles = [("buyer", units) for units in VALUES] + [("seller", units) for units in COSTS]
    scenario = market(
        seconds(HORIZON_S),
        [
            group(
                f"trader {i}",
                "strategies.gode_sunder:GodeSunderTrader",
                role=role,
                values_ticks=list(units),
                constrained=bool(spec.overrides["constrained"]),
                max_price_ticks=MAX_PRICE,
                mean_interval="1s",
            )
            for i, (role, units) in enumerate(roles)
        ],
        tick="1",
        initial="100",
    )
    _, tape = taped(scenario, spec.seed, OrderFilled)
    done = [0] * len(roles)
    profits = []
    for fill in tape.messages:  # agents are numbered in order of name, as the roles are
        role, units = roles[fill.agent_id]
        unit = units[done[fill.agent_id]]
        done[fill.agent_id] += 1
        profits.append(unit - fill.price_ticks if role == "buyer" else fill.price_ticks - unit)
    return {
        "efficiency": sum(profits) / largest_surplus(),
        "worst": float(min(profits)),
        "units": len(profits) / 2,
    }


def independent(runs: int) -> np.ndarray:
    """Efficiency of constrained traders in a double auction written without the engine."""
    rng = np.random.default_rng(20240)
    units = [*VALUES, *COSTS]
    n_buyers = len(VALUES)
    result = np.zeros(runs)
    for run_ in range(runs):
        done = [0] * len(units)
        standing: dict[int, tuple[int, int]] = {}  # trader: price, time of arrival
        surplus = 0
        for shout in range(rng.poisson(HORIZON_S * len(units))):
            who = int(rng.integers(len(units)))
            if done[who] == len(units[who]):
                continue
            unit, buys = units[who][done[who]], who < n_buyers
            price = int(rng.integers(1, unit + 1) if buys else rng.integers(unit, MAX_PRICE + 1))
            standing.pop(who, None)
            rivals = [t for t in standing if (t < n_buyers) is not buys]
            sign = 1 if buys else -1
            best = min(rivals, key=lambda t: (sign * standing[t][0], standing[t][1]), default=None)
            if best is None or sign * standing[best][0] > sign * price:
                standing[who] = (price, shout)
                continue
            surplus += sign * (unit - units[best][done[best]])
            del standing[best]
            done[who] += 1
            done[best] += 1
        result[run_] = surplus / largest_surplus()
    return result


def run(
    runs: Annotated[int, typer.Option(help="Trading periods of each kind.", min=4)] = 150,
    believed: Annotated[Traders, typer.Option(help="Who plays the part of the constrained.")] = Traders.CONSTRAINED,
) -> Outcome:
    """Compare efficiency with and without a budget."""
    budget = Traders(believed) is Traders.CONSTRAINED
    with_budget = run_cells(one_market, [{"constrained": budget}], runs)
    without = run_cells(one_market, [{"constrained": False}], runs)
    own = independent(runs)
    efficiency, free, alone = mean_of(with_budget["efficiency"]), mean_of(without["efficiency"]), mean_of(own)
    all_units = sum(map(sum, VALUES)) - sum(map(sum, COSTS))
    rows: list[Row] = [
        identical(
            "worst result of any trader with a budget is a loss of (ticks)",
            max(0.0, -float(with_budget["worst"].min())),
            0.0,
            SOURCE,
        ),
        agrees(
            "efficiency with a budget, against a double auction without our engine",
            efficiency.value,
            alone.value,
            float(np.hypot(efficiency.se, alone.se)),
            "independent simulation",
        ),
        exceeds(
            "efficiency with a budget is close to full",
            efficiency.value,
            0.95,
            efficiency.se,
            f"{SOURCE}, table 1",
        ),
        identical("units traded without a budget", float(without["units"].mean()), sum(map(len, VALUES)), SOURCE),
        identical("efficiency without a budget", free.value, all_units / largest_surplus(), "all units trade", 1e-12),
        exceeds(
            "efficiency gained by a budget",
            efficiency.value - free.value,
            0.0,
            float(np.hypot(efficiency.se, free.se)),
            SOURCE,
        ),
    ]

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        panel.hist(
            [with_budget["efficiency"].to_numpy(), own],
            bins=20,
            label=["in our book", "independent simulation"],
        )
        panel.axvline(free.value, color="black", ls="--", label="without a budget")
        panel.set(xlabel="share of the possible surplus", ylabel="trading periods", title="Efficiency with a budget")
        panel.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment("gode_sunder", run, quick={"runs": 20})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
