"""Are Guéant, Lehalle and Fernandez-Tapia's closed-form quotes nearly exact, and is inventory as implied?

The market maker quotes the closed form into our book, where customers hit it at the rate A·exp(-kδ). Its
quotes, read off the log by inventory, are compared with the exact optimal quotes far from the horizon, and
the time that it spends at each inventory with the stationary law of the birth-death chain that these quotes
imply.

Source: Guéant, Lehalle and Fernandez-Tapia (2013), Mathematics and Financial Economics 7: the exact quotes
by theorem 1 and its limit (theorem 2: the eigenvector of the smallest eigenvalue of the matrix M), the
closed form by section 4; parameters of their figures: sigma=.3, A=.9, k=.3, gamma=.01, inventory up to 30.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from experiments.validation.common import daily_volatility, group, market, new_figure, save, seconds, taped
from experiments.validation.hits import HIT_FLOW, inventory_path
from lob_sim.experiment import Experiment, Outcome, agrees, mean_of, run_cells, stays_below
from lob_sim.messages import FairValue, NewOrder, OrderFilled, ReplaceOrder, Side
from lob_sim.scenario import FairValueSpec
from lob_sim.sweep.task import TaskSpec

SOURCE = "Guéant, Lehalle & Fernandez-Tapia 2013"
PRICE, SIGMA, RATE, DECAY = 100_000.0, 0.3, 0.9, 0.3
TICK = 1e-3
STEP_S = 5.0
BURN_IN_S = 300.0
MOST_LOTS = 30
LEAST_AVERSION = 2e-3
"""With less of it inventories reach the limit, of which the closed form knows nothing."""


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One market maker for a while: its quotes and the time spent, by inventory."""
    gamma, horizon_s = float(spec.overrides["gamma"]), float(spec.overrides["horizon_s"])
    scenario = market(
        seconds(horizon_s),
        [
            group(
                "maker",
                "strategies.gueant_lehalle:GueantLehalleDealer",
                informed=True,
                size_lots=1,
                max_inventory_lots=MOST_LOTS,
                requote_interval=f"{STEP_S}s",
                risk_aversion_per_tick=gamma * TICK,
                volatility_ticks_per_sqrt_s=SIGMA / TICK,
                hit_rate_per_s=RATE,
                hit_decay_per_tick=DECAY * TICK,
                mid="fair_value",
            ),
            group(
                "takers",
                HIT_FLOW,
                informed=True,
                clock="poisson",
                hit_rate_per_s=RATE,
                hit_decay_per_tick=DECAY * TICK,
                step=f"{STEP_S}s",
            ),
        ],
        tick="0.001",
        initial=str(PRICE),
        fair_value=FairValueSpec(daily_volatility=daily_volatility(SIGMA / PRICE)),
        step_ns=seconds(STEP_S),
    )
    _, tape = taped(scenario, spec.seed, OrderFilled, FairValue, NewOrder, ReplaceOrder)
    metrics = _quoted(tape.messages)
    times, after = inventory_path(tape.of(OrderFilled))
    edges = np.clip(np.concatenate([[0], times, [seconds(horizon_s)]]), seconds(BURN_IN_S), None)
    held = np.concatenate([[0], after])
    weights = np.diff(edges) / (edges[-1] - edges[0])
    occupied = np.bincount(held + MOST_LOTS, weights, minlength=2 * MOST_LOTS + 1)
    metrics |= {f"share[{q - MOST_LOTS}]": float(share) for q, share in enumerate(occupied)}
    return metrics | {"square": float(weights @ held**2)}


def _quoted(messages: list[object]) -> dict[str, float]:
    """Distance of each quote from the fair value, in the paper's ticks, by inventory and side: the mean."""
    sums: dict[tuple[str, int], list[float]] = {}
    sides: dict[int, Side] = {}
    fair, inventory = PRICE / TICK, 0
    for message in messages:
        if isinstance(message, FairValue):
            fair = message.value_ticks
        elif isinstance(message, OrderFilled):
            inventory += int(message.side) if message.is_maker else 0
        elif isinstance(message, NewOrder | ReplaceOrder) and message.price_ticks:
            if isinstance(message, NewOrder):
                sides[message.client_order_id] = message.side
            side = sides[message.client_order_id]
            off = -int(side) * (message.price_ticks - fair) * TICK
            sums.setdefault(("bid" if side is Side.BUY else "ask", inventory), []).append(off)
    return {f"{name}[{q}]": float(np.mean(values)) for (name, q), values in sums.items()}


def exact_distances(gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Optimal bid and ask distances far from the horizon, for inventories -Q .. Q (NaN: no quote)."""
    q = np.arange(-MOST_LOTS, MOST_LOTS + 1)
    eta = RATE * (1 + gamma / DECAY) ** -(1 + DECAY / gamma)
    matrix = np.diag(DECAY * gamma * SIGMA**2 / 2 * q**2.0)
    matrix -= eta * (np.eye(len(q), k=1) + np.eye(len(q), k=-1))
    vector = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    markup = log(1 + gamma / DECAY) / gamma
    steps = np.log(vector[:-1] / vector[1:]) / DECAY
    bid = np.append(markup + steps, np.nan)
    return bid, np.insert(markup - steps, 0, np.nan)


def closed_distances(gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """The closed form's bid and ask distances for inventories -Q .. Q."""
    q = np.arange(-MOST_LOTS, MOST_LOTS + 1)
    markup = log(1 + gamma / DECAY) / gamma
    growth = (1 + gamma / DECAY) ** (1 + DECAY / gamma)
    lean = (SIGMA**2 * gamma / (2 * DECAY * RATE) * growth) ** 0.5
    return markup + (q + 0.5) * lean, markup - (q - 0.5) * lean


def stationary_shares(gamma: float) -> np.ndarray:
    """Share of time that the birth-death chain of the closed form's hit rates spends at each inventory."""
    bid, ask = closed_distances(gamma)
    up, down = RATE * np.exp(-DECAY * bid[:-1]), RATE * np.exp(-DECAY * ask[1:])
    weights = np.concatenate([[0.0], np.cumsum(np.log(up / down))])
    shares = np.exp(weights - weights.max())
    return np.asarray(shares / shares.sum())


def run(
    gamma: Annotated[float, typer.Option(help="Risk aversion, per tick.", min=LEAST_AVERSION, max=0.1)] = 0.01,
    runs: Annotated[int, typer.Option(help="Markets.", min=5)] = 40,
    horizon_s: Annotated[float, typer.Option(help="Simulated seconds of each.", min=600)] = 3000.0,
) -> Outcome:
    """Compare quotes and inventories."""
    frame = run_cells(one_market, [{"gamma": gamma, "horizon_s": horizon_s}], runs)
    q = np.arange(-MOST_LOTS, MOST_LOTS + 1)
    exact, shares = exact_distances(gamma), stationary_shares(gamma)
    quoted = [
        np.array([frame[f"{name}[{i}]"].mean() if f"{name}[{i}]" in frame else np.nan for i in q])
        for name in ("bid", "ask")
    ]
    visited = shares > 1e-3
    markup = log(1 + gamma / DECAY) / gamma
    off = np.array([(quoted[i] - exact[i])[visited] / markup for i in range(2)])
    square = mean_of(frame["square"])
    variance = float(shares @ q**2)
    rows = [
        stays_below(
            "largest error of a quoted distance, as a share of the markup (1/γ)ln(1+γ/k)",
            float(np.nanmax(np.abs(off))),
            0.01,
            0.0,
            f"{SOURCE}, section 4",
        ),
        agrees("mean squared inventory", square.value, variance, square.se, "birth-death chain of these quotes"),
    ]
    for i in (0, 2, 5):
        share = mean_of((frame[f"share[{i}]"] + frame[f"share[{-i}]"]) / 2)
        expected = float(shares[MOST_LOTS + i])
        rows.append(
            agrees(
                f"share of time at inventory {'±' if i else ''}{i}",
                share.value,
                expected,
                share.se,
                "birth-death chain of these quotes",
            )
        )

    def draw(path: Path) -> None:
        figure, (left, right) = new_figure(2)
        left.plot(q, exact[0], label="exact bid")
        left.plot(q, exact[1], label="exact ask")
        left.plot(q[visited], quoted[0][visited], "o", ms=4, label="quoted bid")
        left.plot(q[visited], quoted[1][visited], "s", ms=4, label="quoted ask")
        left.set(xlabel="inventory (lots)", ylabel="distance from fair value (ticks)", title="Quotes in the book")
        left.legend()
        right.bar(q, [frame[f"share[{i}]"].mean() for i in q], label="simulated")
        right.plot(q, shares, "k.-", label="stationary law")
        right.set(xlabel="inventory (lots)", ylabel="share of time", title="Inventory", xlim=(-15, 15))
        right.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment("gueant_lehalle", run, quick={"runs": 6, "horizon_s": 1500.0})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
