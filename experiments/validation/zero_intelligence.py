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
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Mean, Outcome, Row, agrees, exceeds, mean_of, run_cells
from lob_sim.log import NullRecorder
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import Ns

SOURCE = "Daniels et al. 2003; Smith et al. 2003"
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
        top = world.data.tops[0].at(ts_ns)
        tops.append((top.bid_ticks, top.ask_ticks))

    simulate(scenario, spec.seed, NullRecorder(), look)
    step = len(tops) // (lifetimes * SAMPLES_PER_LIFETIME)
    return _dimensionless(tops[step - 1 :: step], units)


def _dimensionless(tops: list[tuple[int, int]], units: Units) -> dict[str, float]:
    """Mean spread and mean squared change of the mid, from bid and ask at every quarter of a lifetime."""
    bids, asks = np.array(tops[BURN_IN_LIFETIMES * SAMPLES_PER_LIFETIME :], dtype=np.float64).T
    both = (bids > 0) & (asks > 0)
    mids = np.where(both, (bids + asks) / 2, np.nan)
    return {
        "spread": float(np.mean((asks - bids)[both])) / units.pc_ticks,
        "variance": float(np.nanmean(np.diff(mids) ** 2)) / units.pc_ticks**2,
    }


def without_engine(units: Units, epsilon: float, lifetimes: int, seed: int) -> dict[str, float]:
    """The same model in a few lines and without our engine, time in lifetimes, sizes in orders."""
    rng = np.random.default_rng([seed, 11])
    reach, market_rate = RANGE_IN_PC * units.pc_ticks, 2 / epsilon
    limit_rate = 2 * (market_rate / (2 * units.pc_ticks)) * reach
    bids: list[int] = []
    asks: list[int] = []
    tops: list[tuple[int, int]] = []
    last, now = 100_000, 0.0
    while now < lifetimes:
        resting = len(bids) + len(asks)
        wait = rng.exponential(1 / (limit_rate + market_rate + resting))
        while (len(tops) + 1) / SAMPLES_PER_LIFETIME <= min(now + wait, lifetimes):
            tops.append((max(bids, default=0), min(asks, default=0)))
        now += wait
        draw, is_buy = rng.random() * (limit_rate + market_rate + resting), rng.random() < 0.5
        if draw < limit_rate:
            offset = 1 + int(rng.integers(reach))
            if is_buy:
                bids.append(min(asks, default=last + 1) - offset)
            else:
                asks.append(max(bids, default=last - 1) + offset)
        elif draw < limit_rate + market_rate:
            taken = asks if is_buy else bids
            if taken:
                last = min(taken) if is_buy else max(taken)
                taken.remove(last)
        else:
            index = int(draw - limit_rate - market_rate)
            side, index = (bids, index) if index < len(bids) else (asks, index - len(bids))
            side[index] = side[-1]
            side.pop()
    return _dimensionless(tops, units)


def run(
    epsilon_low: Annotated[float, typer.Option(help="The smaller granularity.", min=0.02, max=5)] = 0.1,
    epsilon_high: Annotated[float, typer.Option(help="The larger granularity.", min=0.02, max=5)] = 0.5,
    runs: Annotated[int, typer.Option(help="Markets of each kind.", min=4)] = 16,
    other_high: Annotated[
        float, typer.Option(help="Granularity of the other systems of the larger one; 0: the same.")
    ] = 0.0,
) -> Outcome:
    """Compare three systems of units at each of two granularities."""
    if not epsilon_low < epsilon_high:
        raise InputError(
            f"expected more than the {epsilon_low:g} of --epsilon-low, got {epsilon_high:g}", "--epsilon-high"
        )
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
    alone = {e: [without_engine(SYSTEMS[0], e, lifetimes, seed) for seed in range(runs)] for e in epsilons}
    independent = {
        (e, what): mean_of([market[what] for market in markets])
        for e, markets in alone.items()
        for what in ("spread", "variance")
    }
    return Outcome(judge(measured, independent, epsilons), lambda path: _draw(measured, independent, epsilons, path))


Measured = dict[tuple[float, int, str], Mean]


def judge(measured: Measured, independent: dict[tuple[float, str], Mean], epsilons: tuple[float, float]) -> list[Row]:
    """Hold equal granularities equal, different ones different, and our book against none."""
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
    for (epsilon, what), own in independent.items():
        base = measured[epsilon, 0, what]
        rows.append(
            agrees(
                f"{names[what]}, ε={epsilon:g}: in our book against a simulation without it",
                base.value,
                own.value,
                float(np.hypot(base.se, own.se)),
                "independent simulation",
            )
        )
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


def _draw(
    measured: Measured, independent: dict[tuple[float, str], Mean], epsilons: tuple[float, float], path: Path
) -> None:
    figure, panels = new_figure(2)
    for panel, what, label in zip(
        panels, ("spread", "variance"), ("spread / p_c", "variance over 1/(4δ), / p_c²"), strict=True
    ):
        shown = {units.name: [measured[e, s, what] for e in epsilons] for s, units in enumerate(SYSTEMS)}
        shown["without our book"] = [independent[e, what] for e in epsilons]
        for i, (name, means) in enumerate(shown.items()):
            panel.errorbar(
                [e * (1 + 0.04 * (i - 1.5)) for e in epsilons],
                [m.value for m in means],
                yerr=[3 * m.se for m in means],
                fmt="o",
                capsize=3,
                label=name,
            )
        panel.set(xlabel="granularity ε", ylabel=label, title="Three systems of units (± 3 s.e.)")
        panel.legend()
    save(figure, path)


EXPERIMENT = Experiment("zero_intelligence", run, quick={"runs": 4, "epsilon_low": 0.2, "epsilon_high": 1.5})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
