"""Do the estimators of spread and price discovery find what was put into the market?

Three markets whose truth is known. *Roll*: a dealer quotes a constant half-spread around a random walk,
trades come on random sides. *Huang and Stoll*: a dealer moves its quotes after each trade for adverse
selection and inventory by known shares of the spread, and trade signs reverse with a known probability.
*Hasbrouck*: two venues' dealers each have news of their own and follow the other's quotes at known speeds,
so that the share of the efficient price's variance which each discovers is known.

Sources: Roll (1984), J. Finance 39: the spread is 2·sqrt(-cov). Huang and Stoll (1997), Review of Financial
Studies 10, equations 19 and 20. Hasbrouck (1995), J. Finance 50: with price changes e₁ - a₁·gap and e₂ +
a₂·gap the first venue's information share is a₂²σ₁² / (a₂²σ₁² + a₁²σ₂²)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.common import daily_volatility, group, market, new_figure, save, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.quoting import update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.analysis.price_discovery import information_share
from lob_sim.analysis.spread_models import huang_stoll, roll_spread
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Outcome, agrees, mean_of, run_cells
from lob_sim.messages import NewOrder, OrderAccepted, OrderFilled, OrderReplaced, OrderType, Side, Trade
from lob_sim.scenario import FairValueSpec
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.spread_measures"
PRICE_TICKS = 10_000_000
HALF_SPREAD_TICKS = 1000
TRUTH_SD_TICKS = 800.0
NEWS_SD_TICKS = (600.0, 900.0)


class ComponentDealer(Strategy):
    """Keeps a constant spread; its mid follows public news, and its own trades by known shares of it.

    Trade t with sign Q moves the mid by (α + β)·S/2·Q_t - α(1 - 2π)·S/2·Q_{t-1}: for what the sign, as far
    as it could not be foreseen, says of the value, and to shed inventory. Without the two shares it is
    Roll's dealer.

    Source: Huang and Stoll (1997), equation 19.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            half_spread_ticks: S/2.
            adverse: Share α.
            inventory: Share β.
            reversal: Probability π that a trade's sign differs from the one before.
        """

        half_spread_ticks: int
        adverse: float = 0.0
        inventory: float = 0.0
        reversal: float = 0.5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.own_moves = 0.0
        self.last_sign = 0

    def on_start(self, ctx: Context) -> None:
        self._quote(ctx)
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self._quote(ctx)
        ctx.wake_in(NS_PER_S)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        p, sign = self.params, int(fill.side.opposite)
        surprise = sign - (1 - 2 * p.reversal) * self.last_sign
        self.own_moves += p.half_spread_ticks * (p.adverse * surprise + p.inventory * sign)
        self.last_sign = sign
        # The new quotes wait for the news of the next second, so that each trade has one mid before it.

    def _quote(self, ctx: Context) -> None:
        mid, half = ctx.fair_value(0) + self.own_moves, self.params.half_spread_ticks
        update_quotes(ctx, 0, round(mid - half), 1, round(mid + half), 1)


class SignedTraders(Strategy):
    """A market order for one lot every second, on the other side from the last with a known probability."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            reversal: That probability.
        """

        reversal: float = 0.5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.side = Side.BUY

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(NS_PER_S)
        if ctx.random.uniform() < self.params.reversal:
            self.side = self.side.opposite
        ctx.place(0, self.side, 1, order_type=OrderType.MARKET)


class FollowingDealer(Strategy):
    """Quotes one venue: moves by news of its own, and part of the way to the other venue's mid, every second.

    Source: an error-correction model as in Hasbrouck (1995).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            venue: Number of its instrument; the other one's is what is left of 1.
            news_sd_ticks: Standard deviation of its news of a second.
            follow: Share of the way to the other mid that it goes in a second.
        """

        venue: int
        news_sd_ticks: float
        follow: float

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.mid = 0.0
        self.gap = 0.0

    def on_start(self, ctx: Context) -> None:
        self.mid = float(ctx.initial_ticks(self.params.venue))
        self._quote(ctx)
        ctx.wake_in(NS_PER_S // 2, _LOOK)

    def on_wake(self, ctx: Context, tag: int) -> None:
        p = self.params
        ctx.wake_in(NS_PER_S // 2, _ACT if tag == _LOOK else _LOOK)
        if tag == _LOOK:
            self.gap = ctx.top(1 - p.venue).mid_ticks - self.mid
            return
        self.mid += p.news_sd_ticks * ctx.random.normal() + p.follow * self.gap
        self._quote(ctx)

    def _quote(self, ctx: Context) -> None:
        update_quotes(ctx, self.params.venue, round(self.mid) - 10, 1, round(self.mid) + 10, 1)


_LOOK, _ACT = 1, 2


def _moving_value() -> FairValueSpec:
    return FairValueSpec(daily_volatility=daily_volatility(TRUTH_SD_TICKS / PRICE_TICKS))


def one_spread_market(spec: TaskSpec) -> dict[str, float]:
    """One market of Roll's or of Huang and Stoll's, and what the estimators make of it."""
    adverse, inventory, reversal = (float(spec.overrides[k]) for k in ("adverse", "inventory", "reversal"))
    trades = int(spec.overrides["trades"])
    scenario = market(
        seconds(trades),
        [
            group(
                "dealer",
                f"{HERE}:ComponentDealer",
                informed=True,
                half_spread_ticks=HALF_SPREAD_TICKS,
                adverse=adverse,
                inventory=inventory,
                reversal=reversal,
            ),
            group("traders", f"{HERE}:SignedTraders", reversal=reversal),
        ],
        tick="0.00001",
        initial=str(PRICE_TICKS / 100_000),
        fair_value=_moving_value(),
        step_ns=NS_PER_S,
    )
    _, tape = taped(scenario, spec.seed, NewOrder, OrderAccepted, OrderReplaced, Trade)
    bids, asks, prices, signs = _before_trades(tape.messages)
    if adverse == inventory == 0:
        return {"roll": roll_spread(prices)}
    fit = huang_stoll((bids + asks) / 2, signs, asks - bids)
    return {
        "adverse_fit": fit.adverse, "inventory_fit": fit.inventory, "processing_fit": fit.processing,
        "reversal_fit": fit.reversal,
    }  # fmt: skip


def _before_trades(messages: list[object]) -> tuple[np.ndarray, ...]:
    """Bid and ask just before each trade, its price and its sign."""
    quote = {Side.BUY: 0, Side.SELL: 0}
    rows = []
    for message in messages:
        if isinstance(message, OrderAccepted | OrderReplaced) and message.price_ticks:
            quote[message.side] = message.price_ticks
        elif isinstance(message, Trade):
            rows.append((quote[Side.BUY], quote[Side.SELL], message.price_ticks, int(message.aggressor_side)))
    return tuple(np.array(rows, dtype=np.float64).T)


def one_pair_of_venues(spec: TaskSpec) -> dict[str, float]:
    """Two venues for some time, and the information share of the first."""
    steps = int(spec.overrides["trades"])
    follow = (float(spec.overrides["follow_a"]), float(spec.overrides["follow_b"]))
    scenario = market(
        seconds(steps),
        [
            group(
                f"dealer {name}",
                f"{HERE}:FollowingDealer",
                venue=i,
                news_sd_ticks=NEWS_SD_TICKS[i],
                follow=follow[i],
            )
            for i, name in enumerate(("a", "b"))
        ],
        tick="0.00001",
        initial=str(PRICE_TICKS / 100_000),
        symbols=("A", "B"),
    )
    _, tape = taped(scenario, spec.seed, OrderAccepted, OrderReplaced)
    # The last price of each side at the end of each second; a quote that need not move leaves no event.
    sides = np.full((steps, 2, 2), np.nan)
    for event in tape.messages:
        sides[event.ts_event_ns // NS_PER_S, event.instrument_id, int(event.side is Side.BUY)] = event.price_ticks
    last = np.maximum.accumulate(np.where(np.isnan(sides), 0, np.arange(steps)[:, None, None]), axis=0)
    mids = np.take_along_axis(sides, last, axis=0).mean(axis=2)
    share = information_share(mids[:, 0].copy(), mids[:, 1].copy(), lags=1)
    return {"lower": share.lower, "upper": share.upper, "share": share.middle}


def run(
    adverse: Annotated[float, typer.Option(help="Adverse-selection share of the spread.", min=0.01, max=0.9)] = 0.3,
    inventory: Annotated[float, typer.Option(help="Inventory share of the spread.", min=0.0, max=0.9)] = 0.2,
    reversal: Annotated[
        float, typer.Option(help="Chance that the next trade is on the other side.", min=0.6, max=0.95)
    ] = 0.8,
    follow_a: Annotated[float, typer.Option(help="Speed at which venue A follows B.", min=0.01, max=0.9)] = 0.1,
    follow_b: Annotated[float, typer.Option(help="Speed at which venue B follows A.", min=0.01, max=0.9)] = 0.3,
    trades: Annotated[int, typer.Option(help="Trades (seconds) in a market.", min=200)] = 3000,
    runs: Annotated[int, typer.Option(help="Markets of each kind.", min=4)] = 24,
) -> Outcome:
    """Hold the estimates against what was put in."""
    if adverse + inventory > 1:
        raise InputError(f"expected at most the {1 - adverse:g} that --adverse leaves, got {inventory}", "--inventory")
    plain = {"adverse": 0.0, "inventory": 0.0, "reversal": 0.5, "trades": trades}
    parts = plain | {"adverse": adverse, "inventory": inventory, "reversal": reversal}
    frame = run_cells(one_spread_market, [plain, parts], runs)
    pairs = run_cells(one_pair_of_venues, [{"follow_a": follow_a, "follow_b": follow_b, "trades": trades}], runs)
    by_a, by_b = (follow_b * NEWS_SD_TICKS[0]) ** 2, (follow_a * NEWS_SD_TICKS[1]) ** 2
    roll = mean_of(frame.loc[frame["point"] == 0, "roll"])
    share = mean_of(pairs["share"])
    rows = [agrees("Roll's spread (ticks)", roll.value, 2.0 * HALF_SPREAD_TICKS, roll.se, "Roll 1984")]
    fitted = frame[frame["point"] == 1]
    truths = {
        "adverse_fit": adverse,
        "inventory_fit": inventory,
        "processing_fit": 1 - adverse - inventory,
        "reversal_fit": reversal,
    }
    for name, truth in truths.items():
        estimate = mean_of(fitted[name])
        what = name.removesuffix("_fit")
        label = "reversal probability" if what == "reversal" else f"{what} share of the spread"
        rows.append(agrees(f"Huang-Stoll: {label}", estimate.value, truth, estimate.se, "Huang & Stoll 1997"))
    expected = by_a / (by_a + by_b)
    rows.append(agrees("Hasbrouck's information share of venue A", share.value, expected, share.se, "Hasbrouck 1995"))

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        figure.set_size_inches(8, 4)
        # Not the ratio of the two: what was put in may be nothing.
        off = [(row.measured - row.reference) / row.standard_error for row in rows]
        panel.errorbar(off, range(len(rows)), xerr=3, fmt="o", capsize=3)
        panel.axvline(0, color="black", lw=1)
        panel.set_yticks(range(len(rows)), [row.claim for row in rows])
        panel.set(xlabel="estimate less truth (s.e.; bars: ± 3)", title="Found, less what was put in")
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment("spread_measures", run, quick={"runs": 6, "trades": 800})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
