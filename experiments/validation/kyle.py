"""Does an insider in call auctions reveal what Kyle says, at the price impact that Kyle says?

The insider knows the value and trades in N call auctions among noise traders. A market maker puts a supply
schedule into each auction, one price step for every 1/λ lots, so that the book's uncrossing sets the price
p + λ·(net flow). Measured are the slope of the price on the flow, the slope of the *value* on the flow,
which equals it only if the market maker breaks even, what the market still does not know after each
auction, and the insider's profit.

Source: Kyle (1985), Econometrica 53, theorem 1 (λ = σ_v/2σ_u, half of the variance revealed, profit
σ_v·σ_u/2) and theorem 2 (sequential auctions). The sequential equilibrium is solved here from its
definition: the λ that a regression of value on flow gives against an insider who does best against this λ.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from scipy.optimize import root

from experiments.validation.common import group, market, new_figure, save, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.experiment import Experiment, Mean, Outcome, Row, agrees, mean_of, run_cells
from lob_sim.messages import AuctionUncrossed, NewOrder, OrderType, Side
from lob_sim.rng import Stream
from lob_sim.scenario import LitSpec
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.kyle"
SOURCE = "Kyle 1985"
PRICE_TICKS, VALUE_SD, NOISE_SD = 100_000, 60.0, 6000.0
INTERVAL_S = 60
_REACH = 5.0
"""Standard deviations of an auction's price change that the schedule covers."""


class ScheduleMaker(Strategy):
    """Answers any net flow y of an auction with the price p + λ·y, by limit orders that add up to it.

    Up to price step k it offers (k + 1/2)/λ lots in all, so that the uncrossing rounds λ·y to the nearest
    tick."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            slopes_ticks_per_lot: λ of each auction.
            reach_ticks: Number of price steps of each auction's schedule, on either side.
        """

        slopes_ticks_per_lot: tuple[float, ...]
        reach_ticks: tuple[int, ...]

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.auction = 0

    def on_start(self, ctx: Context) -> None:
        self._offer(ctx)
        ctx.wake_in(INTERVAL_S * NS_PER_S + 1)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.cancel_all(0)
        self.auction += 1
        if self.auction < len(self.params.slopes_ticks_per_lot):
            self._offer(ctx)
            ctx.wake_in(INTERVAL_S * NS_PER_S)

    def _offer(self, ctx: Context) -> None:
        slope = self.params.slopes_ticks_per_lot[self.auction]
        price = ctx.last_trade_ticks(0) or ctx.initial_ticks(0)
        offered = 0
        for step in range(1, self.params.reach_ticks[self.auction] + 1):
            qty = round((step + 0.5) / slope) - offered
            offered += qty
            ctx.place(0, Side.SELL, qty, price + step)
            ctx.place(0, Side.BUY, qty, price - step)


class NoiseTrader(Strategy):
    """Sends a market order of normal size into each auction."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            sd_lots: Standard deviation of one order.
        """

        sd_lots: float

    params: Params

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(INTERVAL_S * NS_PER_S // 3)

    def on_wake(self, ctx: Context, tag: int) -> None:
        lots = round(self.params.sd_lots * ctx.random.normal())
        if lots:
            ctx.place(0, Side.BUY if lots > 0 else Side.SELL, abs(lots), order_type=OrderType.MARKET)
        ctx.wake_in(INTERVAL_S * NS_PER_S)


class Equilibrium(msgspec.Struct, frozen=True):
    """A linear equilibrium: λ, trading intensity (lots per tick), variance left, by auction; total profit."""

    slopes: np.ndarray
    intensities: np.ndarray
    variances: np.ndarray
    profit: float


@cache
def equilibrium(auctions: int) -> Equilibrium:
    """Solve for the fixed point of best responses."""
    noise_variance = NOISE_SD**2 / auctions

    def insider(slopes: np.ndarray) -> tuple[np.ndarray, float]:
        # What is left to do is worth alpha(v-p)² + delta before each auction, from the last one backwards.
        alpha = delta = 0.0
        intensities = np.zeros(auctions)
        for n in reversed(range(auctions)):
            lam = slopes[n]
            intensities[n] = (1 - 2 * alpha * lam) / (2 * lam * (1 - alpha * lam))
            delta += alpha * lam**2 * noise_variance
            alpha = 1 / (4 * lam * (1 - alpha * lam))
        return intensities, alpha * VALUE_SD**2 + delta

    def market_maker(intensities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        variance, slopes, variances = VALUE_SD**2, np.zeros(auctions), np.zeros(auctions)
        for n, b in enumerate(intensities):
            slopes[n] = b * variance / (b**2 * variance + noise_variance)
            variance *= 1 - b * slopes[n]
            variances[n] = variance
        return slopes, variances

    scale = VALUE_SD / (2 * NOISE_SD)
    # Starts from the solution for one auction less: from afar the search may end at slopes against which the
    # insider has no best response.
    guess = np.array([scale])
    if auctions > 1:
        fewer = equilibrium(auctions - 1).slopes
        guess = np.interp(np.linspace(0, 1, auctions), np.linspace(0, 1, auctions - 1), fewer)

    def surprise(logs: np.ndarray) -> np.ndarray:
        answered = market_maker(insider(scale * np.exp(logs))[0])[0]
        return np.asarray(np.log(answered / scale) - logs)

    solution = root(surprise, np.log(guess / scale) + 0.1, tol=1e-12)
    slopes = scale * np.exp(solution.x)
    intensities, profit = insider(slopes)
    return Equilibrium(slopes, intensities, market_maker(intensities)[1], profit)


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One value and its auctions: flows, prices, the insider's profit."""
    auctions, slope_factor = int(spec.overrides["auctions"]), float(spec.overrides["slope_factor"])
    theory = equilibrium(auctions)
    slopes = theory.slopes * slope_factor
    flow_sd = np.sqrt(theory.intensities**2 * np.append(VALUE_SD**2, theory.variances[:-1]) + NOISE_SD**2 / auctions)
    value = PRICE_TICKS + VALUE_SD * Stream(spec.seed, "value").normal()
    scenario = market(
        seconds(auctions * INTERVAL_S + 10),
        [
            group(
                "insider",
                "strategies.kyle_insider:KyleInsider",
                informed=True,
                auctions=auctions,
                start=f"{INTERVAL_S // 2}s",
                interval=f"{INTERVAL_S}s",
                value_sd_ticks=VALUE_SD,
                noise_sd_lots=NOISE_SD,
            ),
            group(
                "maker",
                f"{HERE}:ScheduleMaker",
                slopes_ticks_per_lot=slopes.tolist(),
                reach_ticks=np.ceil(_REACH * slopes * flow_sd).astype(int).tolist(),
            ),
            group("noise", f"{HERE}:NoiseTrader", sd_lots=NOISE_SD / sqrt(auctions)),
        ],
        tick="0.001",
        initial=str(PRICE_TICKS / 1000),
        lit=LitSpec(batch_interval=seconds(INTERVAL_S)),
        jumps=[(1, value / PRICE_TICKS - 1)],
    )
    world, tape = taped(scenario, spec.seed, NewOrder, AuctionUncrossed)
    flows, by_insider = np.zeros(auctions), np.zeros(auctions)
    for order, ts_ns in zip(tape.messages, tape.times_ns, strict=True):
        if isinstance(order, NewOrder) and order.order_type is OrderType.MARKET:
            n = ts_ns // (INTERVAL_S * NS_PER_S)
            if n < auctions:
                flows[n] += order.side * order.qty_lots
                if world.members[order.agent_id].group.name == "insider":
                    by_insider[n] += order.side * order.qty_lots
    prices = np.full(auctions, np.nan)
    for event in tape.of(AuctionUncrossed):
        prices[round(event.ts_event_ns / (INTERVAL_S * NS_PER_S)) - 1] = event.price_ticks
    before = np.append(PRICE_TICKS, prices[:-1])
    metrics = {"profit": float(by_insider @ (value - prices))}
    for n in range(auctions):
        metrics |= {
            f"flow[{n}]": flows[n],
            f"change[{n}]": prices[n] - before[n],
            f"surprise[{n}]": value - before[n],
            f"error[{n}]": value - prices[n],
        }
    return metrics


def slope_of(x: np.ndarray, y: np.ndarray) -> Mean:
    """Least-squares slope through the mean, with a standard error robust to unequal variances."""
    dx = x - x.mean()
    slope = float(dx @ y / (dx @ dx))
    rest = y - y.mean() - slope * dx
    return Mean(slope, float(np.sqrt(np.sum((dx * rest) ** 2)) / (dx @ dx)))


def run(
    auctions: Annotated[int, typer.Option(help="Number of auctions.", min=1, max=12)] = 1,
    runs: Annotated[int, typer.Option(help="Values drawn.", min=10)] = 1000,
    slope_factor: Annotated[
        float, typer.Option(help="Multiplies the market maker's λ; 1 is the equilibrium.", min=0.05, max=20)
    ] = 1.0,
) -> Outcome:
    """Hold slopes, variances and profit against the equilibrium."""
    frame = run_cells(one_market, [{"auctions": auctions, "slope_factor": slope_factor}], runs)
    theory = equilibrium(auctions)
    source = f"{SOURCE}, theorem {1 if auctions == 1 else 2}"
    rows: list[Row] = []
    revealed: list[Mean] = []
    for n in range(auctions):
        flow, change, surprise = (frame[f"{name}[{n}]"].to_numpy() for name in ("flow", "change", "surprise"))
        auction = f"auction {n + 1} of {auctions}"
        lam, fair = slope_of(flow, change), slope_of(flow, surprise)
        left = mean_of((frame[f"error[{n}]"] / VALUE_SD) ** 2)
        revealed.append(Mean(1 - left.value, left.se))
        unit = theory.slopes[n]
        # Prices are whole ticks: half a tick over the flow's standard deviation bounds the slope's error.
        slack = 0.5 / float(flow.std())
        rows += [
            agrees(f"λ of price on flow (ticks/lot), {auction}", lam.value, unit, lam.se, source, slack),
            agrees(f"λ of value on flow (ticks/lot), {auction}", fair.value, unit, fair.se, source),
            agrees(
                f"share of information revealed, {auction}",
                revealed[-1].value,
                1 - theory.variances[n] / VALUE_SD**2,
                left.se,
                source,
            ),
        ]
    profit = mean_of(frame["profit"] / (VALUE_SD * NOISE_SD))
    rows.append(
        agrees(
            "insider's profit / (σ_v σ_u)",
            profit.value,
            theory.profit / (VALUE_SD * NOISE_SD),
            profit.se,
            source,
        )
    )

    def draw(path: Path) -> None:
        figure, (left, right) = new_figure(2)
        flow, change = frame["flow[0]"], frame["change[0]"]
        left.plot(flow, change, ".", ms=3, label="auctions in the book")
        left.plot(flow, theory.slopes[0] * flow, "k-", lw=1, label="λ · flow")
        left.set(xlabel="net flow (lots)", ylabel="price change (ticks)", title="First auction")
        left.legend()
        after = np.arange(1, auctions + 1)
        shares = [m.value for m in revealed]
        right.errorbar(after, shares, yerr=[3 * m.se for m in revealed], fmt="o", capsize=3, label="measured ± 3 s.e.")
        right.plot(after, 1 - theory.variances / VALUE_SD**2, "k_", ms=14, label="theory")
        right.set_xticks(after)
        right.set(xlabel="auction", ylabel="share of variance revealed", title="Information in prices", ylim=(0, 1))
        right.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment("kyle", run, quick={"runs": 150}, cases=[{"auctions": 1}, {"auctions": 2}, {"auctions": 4}])
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
