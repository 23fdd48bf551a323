"""Do Avellaneda and Stoikov's strategies earn what their paper says, and what in continuous time?

The strategies quote into our book; customers hit a quote at distance δ from the mid at the rate A·exp(-kδ);
the mid is a random walk with steps dt. Profit and final inventory are compared with the published tables,
and with values derived for the very same process.

Source: Avellaneda and Stoikov (2008), Quantitative Finance 8, section 3.3, tables 1 and 2: s=100, T=1,
sigma=2, k=1.5, A=140, dt=.005, 1,000 paths.

The clock matters. The paper's simulation tosses a coin for each side in each step (Bernoulli), so that a
side is hit at most once in dt and the number of hits has variance N·p(1-p). An event-driven market has no
steps: hits are a Poisson process with variance N·p. With p = A·exp(-kδ)·dt ≈ .23, symmetric quotes end with
an inventory of standard deviation sqrt(2·200·.23·.77) = 8.4 on the paper's clock, and of sqrt(2·200·.23) =
9.6 on ours. In general, let m(q,t), w(q,t) and u(q,t) be the expected gain, squared gain and squared final
inventory from time t on with inventory q, quotes at distances b and a, and hit rates B and A of bid and
ask. Then

    -dm/dt = B[b + m(q+1) - m] + A[a + m(q-1) - m]
    -dw/dt = σ²q² + B[b² + 2b·m(q+1) + w(q+1) - w] + A[a² + 2a·m(q-1) + w(q-1) - w]
    -du/dt = B[u(q+1) - u] + A[u(q-1) - u]

with m = w = 0 and u = q² at the end; on the Bernoulli clock the same sums over the four outcomes of a step.
"""

from __future__ import annotations

from enum import StrEnum
from math import log, sqrt
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.integrate import solve_ivp

from experiments.validation.common import daily_volatility, group, market, new_figure, save, seconds, taped
from experiments.validation.hits import HIT_FLOW, maker_result
from lob_sim.experiment import Experiment, Outcome, Row, agrees, exceeds, mean_of, run_cells, sd_of
from lob_sim.messages import FairValue, OrderFilled
from lob_sim.scenario import FairValueSpec
from lob_sim.sweep.task import TaskSpec

SOURCE = "Avellaneda & Stoikov 2008, tables 1-2"
PRICE, SIGMA, DECAY, RATE, HORIZON, STEP = 100.0, 2.0, 1.5, 140.0, 1.0, 0.005
TICK = 1e-4
_MOST_RATE = 1e6
"""Hit rates are cut here in the derivation: the inventories with quotes so far inside are never met."""


class Kind(StrEnum):
    """Which of the paper's strategies."""

    INVENTORY = "inventory"
    SYMMETRIC = "symmetric"


class Clock(StrEnum):
    """When hits can come."""

    BERNOULLI = "bernoulli"
    POISSON = "poisson"


Moments = tuple[float, float, float]
"""Mean of the profit, its standard deviation, and the standard deviation of the final inventory."""

PUBLISHED: dict[tuple[float, Kind], Moments] = {
    (0.1, Kind.INVENTORY): (65.0, 6.6, 2.9),
    (0.1, Kind.SYMMETRIC): (68.4, 12.7, 8.4),
    (0.01, Kind.INVENTORY): (68.6, 8.7, 5.1),
}
PUBLISHED_PATHS = 1000


def one_path(spec: TaskSpec) -> dict[str, float]:
    """One path of the mid, one market maker: its profit and final inventory."""
    gamma, kind, clock = (spec.overrides[k] for k in ("gamma", "strategy", "clock"))
    scenario = market(
        seconds(HORIZON) + 1,  # what is due at the horizon itself still happens
        [
            group(
                "maker",
                "strategies.avellaneda_stoikov:AvellanedaStoikovDealer",
                informed=True,
                size_lots=1,
                max_inventory_lots=1000,
                requote_interval=f"{STEP}s",
                risk_aversion_per_tick=float(gamma) * TICK,
                volatility_ticks_per_sqrt_s=SIGMA / TICK,
                hit_decay_per_tick=DECAY * TICK,
                horizon=f"{HORIZON}s",
                centre="reservation" if kind == Kind.INVENTORY else "mid",
                mid="fair_value",
            ),
            group(
                "takers",
                HIT_FLOW,
                informed=True,
                clock=str(clock),
                hit_rate_per_s=RATE,
                hit_decay_per_tick=DECAY * TICK,
                step=f"{STEP}s",
            ),
        ],
        tick="0.0001",
        initial="100",
        fair_value=FairValueSpec(daily_volatility=daily_volatility(SIGMA / PRICE)),
        step_ns=seconds(STEP),
    )
    _, tape = taped(scenario, spec.seed, OrderFilled, FairValue)
    profit, inventory = maker_result(tape.of(OrderFilled), tape.of(FairValue))
    return {"profit": profit * TICK, "inventory": float(inventory)}


def distances(gamma: float, kind: Kind, t: float, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of bid and ask from the mid, from the paper's equations (3.17) and (3.18)."""
    risk = gamma * SIGMA**2 * (HORIZON - t)
    half = risk / 2 + log(1 + gamma / DECAY) / gamma
    skew = risk * q if kind is Kind.INVENTORY else 0 * q
    return half + skew, half - skew


def derived(gamma: float, kind: Kind, clock: Clock) -> Moments:
    """The moments of profit and final inventory by the module's equations."""
    most = 60 if kind is Kind.SYMMETRIC else min(60, max(15, round(4 / (gamma * SIGMA**2))))
    q = np.arange(-most, most + 1, dtype=np.float64)
    solve = _derive_bernoulli if clock is Clock.BERNOULLI else _derive_poisson
    m, w, u = solve(gamma, kind, q)
    start = most
    return float(m[start]), sqrt(w[start] - m[start] ** 2), sqrt(u[start])


def _rates(gamma: float, kind: Kind, t: float, q: np.ndarray) -> tuple[np.ndarray, ...]:
    b, a = distances(gamma, kind, t, q)
    bid_rate, ask_rate = (np.minimum(RATE * np.exp(-DECAY * d), _MOST_RATE) for d in (b, a))
    bid_rate[-1] = ask_rate[0] = 0.0
    return b, a, bid_rate, ask_rate


def _derive_poisson(gamma: float, kind: Kind, q: np.ndarray) -> np.ndarray:
    n = len(q)

    def backwards(remaining: float, y: np.ndarray) -> np.ndarray:
        b, a, bid_rate, ask_rate = _rates(gamma, kind, HORIZON - remaining, q)
        m, w, u = y.reshape(3, n)
        up, down = ([np.roll(f, shift) for f in (m, w, u)] for shift in (-1, 1))
        dm = bid_rate * (b + up[0] - m) + ask_rate * (a + down[0] - m)
        dw = (SIGMA * q) ** 2
        dw += bid_rate * (b**2 + 2 * b * up[0] + up[1] - w) + ask_rate * (a**2 + 2 * a * down[0] + down[1] - w)
        du = bid_rate * (up[2] - u) + ask_rate * (down[2] - u)
        return np.concatenate([dm, dw, du])

    end = np.concatenate([0 * q, 0 * q, q**2])
    solution = solve_ivp(backwards, (0, HORIZON), end, method="LSODA", rtol=1e-8, atol=1e-8)
    moments: np.ndarray = solution.y[:, -1].reshape(3, n)
    return moments


def _derive_bernoulli(gamma: float, kind: Kind, q: np.ndarray) -> np.ndarray:
    m, w, u = 0 * q, 0 * q, q**2
    for k in reversed(range(round(HORIZON / STEP))):
        b, a, bid_rate, ask_rate = _rates(gamma, kind, k * STEP, q)
        bid_hit, ask_hit = (np.minimum(1.0, rate * STEP) for rate in (bid_rate, ask_rate))
        # After the hits of the step the mid moves, and with it the value of the new inventory.
        after = w + (SIGMA * q) ** 2 * STEP
        sums = [0 * q, 0 * q, 0 * q]
        for bid, ask in ((0, 0), (0, 1), (1, 0), (1, 1)):
            chance = (bid_hit if bid else 1 - bid_hit) * (ask_hit if ask else 1 - ask_hit)
            gain = b * bid + a * ask
            next_m, next_w, next_u = (np.roll(f, ask - bid) for f in (m, after, u))
            sums[0] = sums[0] + chance * (gain + next_m)
            sums[1] = sums[1] + chance * (gain**2 + 2 * gain * next_m + next_w)
            sums[2] = sums[2] + chance * next_u
        m, w, u = sums
    return np.array([m, w, u])


def judge(profits: np.ndarray, inventories: np.ndarray, gamma: float, kind: Kind, clock: Clock) -> list[Row]:
    """Hold a sample against the derived values for a clock and, on the paper's clock, against the paper."""
    names = ("mean profit", "s.d. of profit", "s.d. of final inventory (lots)")
    measured = (mean_of(profits), sd_of(profits), sd_of(inventories))
    label = f"{kind}, gamma={gamma:g}, {clock} clock"
    rows = [
        agrees(f"{name}: {label}", m.value, value, m.se, "derived (module docstring)")
        for name, m, value in zip(names, measured, derived(gamma, kind, clock), strict=True)
    ]
    published = PUBLISHED.get((gamma, kind))
    if published is None:
        return rows
    mean, sd, inventory_sd = published
    errors = (
        sd / sqrt(PUBLISHED_PATHS),
        sd / sqrt(2 * PUBLISHED_PATHS),
        inventory_sd / sqrt(2 * PUBLISHED_PATHS),
    )
    if clock is Clock.BERNOULLI:
        # The published figures are sample values of 1,000 paths, printed to one decimal.
        rows += [
            agrees(f"{name}, published: {label}", m.value, value, sqrt(m.se**2 + error**2), SOURCE, 0.05)
            for name, m, value, error in zip(names, measured, (mean, sd, inventory_sd), errors, strict=True)
        ]
    elif kind is Kind.SYMMETRIC:
        error = sqrt(measured[2].se ** 2 + errors[2] ** 2)
        rows.append(exceeds(f"{names[2]} above the paper's: {label}", measured[2].value, inventory_sd, error, SOURCE))
    return rows


def run(
    gamma: Annotated[float, typer.Option(help="Risk aversion.", min=0.001, max=1.0)] = 0.1,
    strategy: Annotated[Kind, typer.Option(help="Quotes around the reservation price, or the mid.")] = Kind.INVENTORY,
    clock: Annotated[Clock, typer.Option(help="When hits can come.")] = Clock.BERNOULLI,
    runs: Annotated[int, typer.Option(help="Paths.", min=10)] = 1000,
) -> Outcome:
    """Run many paths and hold profit and inventory against the tables and the derivation."""
    kind, clock = Kind(strategy), Clock(clock)
    frame = run_cells(one_path, [{"gamma": gamma, "strategy": str(kind), "clock": str(clock)}], runs)
    profits, inventories = frame["profit"].to_numpy(), frame["inventory"].to_numpy()

    def draw(path: Path) -> None:
        figure, (left, right) = new_figure(2)
        left.hist(profits, bins=40)
        left.axvline(derived(gamma, kind, clock)[0], color="black", label="derived mean")
        left.set(xlabel="profit (price units)", ylabel="paths", title=f"Profit: {kind}, gamma={gamma:g}, {clock} clock")
        left.legend()
        edges = np.arange(inventories.min() - 0.5, inventories.max() + 1).tolist()
        right.hist(inventories, bins=edges, density=True)
        for name, style in ((Clock.BERNOULLI, "--"), (Clock.POISSON, "-")):
            sd = derived(gamma, kind, name)[2]
            x = np.linspace(edges[0], edges[-1], 200)
            density = np.exp(-(x**2) / (2 * sd**2)) / (sd * sqrt(2 * np.pi))
            right.plot(x, density, style, color="black", label=f"normal, s.d. {sd:.2f} ({name})")
        right.margins(y=0.3)  # room for the legend
        right.set(xlabel="final inventory (lots)", ylabel="density", title="Final inventory")
        right.legend()
        save(figure, path)

    return Outcome(judge(profits, inventories, gamma, kind, clock), draw)


EXPERIMENT = Experiment(
    "avellaneda_stoikov",
    run,
    quick={"runs": 100},
    cases=[
        {"gamma": gamma, "strategy": kind, "clock": clock}
        for gamma, kind in PUBLISHED
        for clock in (Clock.BERNOULLI, Clock.POISSON)
    ],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
