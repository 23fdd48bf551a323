"""Do spread and volatility of zero-intelligence markets, free of units, depend on one number alone?

Limit orders fall uniformly at rate α (shares per price and time on each side), market orders come at rate μ
(shares per time, both sides together), resting shares are cancelled at rate δ, all in orders of σ shares.
Dimensional analysis leaves the price unit p_c = μ/2α, the time unit 1/δ and the granularity ε = 2δσ/μ. So
markets with other rates and sizes but the same ε must have the same spread/p_c, and the same variance of
the mid's change over a fixed multiple of 1/δ in units of p_c²; markets with another ε must not.

Source: Daniels, Farmer, Gillemot, Iori and Smith (2003), Physical Review Letters 90, 108102; Smith, Farmer,
Gillemot and Krishnamurthy (2003), Quantitative Finance 3; Farmer, Patelli and Zovko (2005), PNAS 102."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.common import group, market, new_figure, save, seconds
from lob_sim.experiment import Experiment, Mean, Outcome, Row, agrees, exceeds, mean_of, run_cells
from lob_sim.log import NullRecorder
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import Ns

SOURCE = "Daniels et al. 2003; Smith et al. 2003"
FIT_SOURCE = "Farmer, Patelli & Zovko 2005, eq. 2 and 3"
FIT_HOLDS_TO = 0.2
"""The published fit of the spread, p_c·(0.28 + 1.86 ε^(3/4)), is for small granularities like real ones."""
RANGE_IN_PC = 8
"""Limit orders fall on this many p_c from the opposite best price: far beyond where anything trades."""
SAMPLES_PER_LIFETIME, BURN_IN_LIFETIMES = 4, 8


class Units(msgspec.Struct, frozen=True):
    """A market of given ε in units of its own.

    Attributes:
        name: Names it, and its random numbers.
        pc_ticks: p_c in ticks.
        cancel_per_s: δ.
        size_lots: σ.
    """

    name: str
    pc_ticks: int
    cancel_per_s: float
    size_lots: int


SYSTEMS = (Units("base", 20, 0.1, 1), Units("fast and large", 20, 2.0, 7), Units("fine", 40, 0.5, 3))


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One market in one system of units: mean spread and squared change of the mid, without dimension."""
    units = SYSTEMS[int(spec.overrides["system"])]
    epsilon, lifetimes = float(spec.overrides["epsilon"]), int(spec.overrides["lifetimes"])
    market_shares = 2 * units.cancel_per_s * units.size_lots / epsilon
    limit_shares = market_shares / (2 * units.pc_ticks)
    reach = RANGE_IN_PC * units.pc_ticks
    scenario = market(
        seconds(lifetimes / units.cancel_per_s),
        [
            group(
                f"zero {units.name}",
                "strategies.zero_intelligence:ZeroIntelligenceTrader",
                limit_orders_per_s=2 * limit_shares * reach / units.size_lots,
                market_orders_per_s=market_shares / units.size_lots,
                cancels_per_order_s=units.cancel_per_s,
                price_range_ticks=reach,
                size_lots=units.size_lots,
            )
        ],
        tick="0.01",
        initial="1000",
    )
    tops: list[tuple[int, int]] = []

    def look(world: World, ts_ns: Ns) -> None:
        top = world.market.tops[0].at(ts_ns)
        tops.append((top.bid_ticks, top.ask_ticks))

    simulate(scenario, spec.seed, NullRecorder(), look)
    step = len(tops) // (lifetimes * SAMPLES_PER_LIFETIME)
    bids, asks = np.array(tops[step - 1 :: step], dtype=np.float64)[
        BURN_IN_LIFETIMES * SAMPLES_PER_LIFETIME :
    ].T
    both = (bids > 0) & (asks > 0)
    mids = np.where(both, (bids + asks) / 2, np.nan)
    return {
        "spread": float(np.mean((asks - bids)[both])) / units.pc_ticks,
        "variance": float(np.nanmean(np.diff(mids) ** 2)) / units.pc_ticks**2,
    }


def run(
    epsilon_low: Annotated[float, typer.Option(help="The smaller granularity.", min=0.02, max=5)] = 0.1,
    epsilon_high: Annotated[float, typer.Option(help="The larger granularity.", min=0.02, max=5)] = 0.5,
    runs: Annotated[int, typer.Option(help="Markets of each kind.", min=4)] = 16,
    other_high: Annotated[
        float, typer.Option(help="Granularity of the other systems of the larger one; 0: the same.")
    ] = 0.0,
) -> Outcome:
    """Compare three systems of units at each of two granularities."""
    lifetimes = 50
    epsilons = (epsilon_low, epsilon_high)
    points = [
        {
            "epsilon": other_high if other_high and e == epsilon_high and s else e,
            "system": s,
            "lifetimes": lifetimes,
            "group": i,
        }
        for i, e in enumerate(epsilons)
        for s in range(len(SYSTEMS))
    ]
    frame = run_cells(one_market, points, runs)
    measured = {
        (epsilon, s, what): mean_of(frame.loc[(frame["group"] == i) & (frame["system"] == s), what])
        for i, epsilon in enumerate(epsilons)
        for s in range(len(SYSTEMS))
        for what in ("spread", "variance")
    }
    return Outcome(judge(measured, epsilons), lambda path: _draw(measured, epsilons, path))


Measured = dict[tuple[float, int, str], Mean]


def judge(measured: Measured, epsilons: tuple[float, float]) -> list[Row]:
    """Hold equal granularities equal, and different ones different."""
    names = {"spread": "spread / p_c", "variance": "variance of the mid over 1/(4δ), / p_c²"}
    rows: list[Row] = []
    for epsilon in epsilons:
        for what, name in names.items():
            base = measured[epsilon, 0, what]
            for system in (1, 2):
                other = measured[epsilon, system, what]
                same_tick = SYSTEMS[system].pc_ticks == SYSTEMS[0].pc_ticks
                if what == "variance" and not same_tick:
                    continue
                # On a grid the spread is at most a tick larger; of two grids, by their ticks' difference.
                slack = 0.0 if same_tick else 1 / SYSTEMS[0].pc_ticks - 1 / SYSTEMS[system].pc_ticks
                rows.append(
                    agrees(
                        f"{name}, ε={epsilon:g}: {SYSTEMS[system].name} units against {SYSTEMS[0].name}",
                        other.value, base.value, float(np.hypot(base.se, other.se)), SOURCE, slack,
                    )
                )  # fmt: skip
    if epsilons[0] <= FIT_HOLDS_TO:
        fine = measured[epsilons[0], 2, "spread"]
        # The fit is for prices without a grid, on which the spread is at most a tick smaller.
        rows.append(
            agrees(
                f"spread / p_c, ε={epsilons[0]:g}: fine units against the published fit",
                fine.value, 0.28 + 1.86 * epsilons[0] ** 0.75, fine.se, FIT_SOURCE, 1 / SYSTEMS[2].pc_ticks,
            )
        )  # fmt: skip
    low, high = (measured[e, 0, "spread"] for e in epsilons)
    rows.append(
        exceeds(
            f"spread / p_c at ε={epsilons[1]:g} above that at ε={epsilons[0]:g}",
            high.value,
            low.value,
            float(np.hypot(low.se, high.se)),
            SOURCE,
        )
    )
    return rows


def _draw(measured: Measured, epsilons: tuple[float, float], path: Path) -> None:
    figure, panels = new_figure(2)
    for panel, what, label in zip(
        panels, ("spread", "variance"), ("spread / p_c", "variance over 1/(4δ), / p_c²"), strict=True
    ):
        for s, units in enumerate(SYSTEMS):
            means = [measured[e, s, what] for e in epsilons]
            panel.errorbar(
                [e * (1 + 0.04 * (s - 1)) for e in epsilons],
                [m.value for m in means],
                yerr=[3 * m.se for m in means],
                fmt="o",
                capsize=3,
                label=units.name,
            )
        panel.set(
            xlabel="granularity ε", ylabel=label, xscale="log", title="Three systems of units (± 3 s.e.)"
        )
        panel.legend()
    save(figure, path)


EXPERIMENT = Experiment("zero_intelligence", run, quick={"runs": 4, "epsilon_low": 0.2, "epsilon_high": 1.5})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
