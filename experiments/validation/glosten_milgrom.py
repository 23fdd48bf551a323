"""Does a Bayesian dealer facing informed traders quote, and learn, as Glosten and Milgrom say?

The value is 1 with probability ``delta`` and else 0. Traders come one at a time; a share ``mu`` of them knows
the value, the others buy or sell with equal chance. The dealer sees sides alone, updates by Bayes' rule and
quotes the expectation of the value given that the next trader buys, or sells.

Source: Glosten and Milgrom (1985), J. Financial Economics 14, sections 2 and 3. With a binary value the ask
is delta(1+mu) / (1+mu(2 delta-1)), the bid delta(1-mu) / (1-mu(2 delta-1)); a trade moves the log-odds by
ln((1+mu)/(1-mu)); prices are a martingale; the whole spread is adverse selection.

All prices are shifted up by one, because a price must be positive.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.common import group, market, new_figure, save, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.quoting import update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.experiment import Experiment, Outcome, Row, agrees, identical, mean_of, ratio_of, run_cells
from lob_sim.messages import NewOrder, OrderFilled, OrderType, Side, Trade
from lob_sim.rng import Stream
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.glosten_milgrom"
SOURCE = "Glosten & Milgrom 1985"
TICKS_PER_UNIT = 10**8
_MIN_VARIANCE = 0.01
"""Log-odds are compared where p(1-p) is at least this: nearer to 0 and 1 rounding is all there is."""


class BinaryDealer(Strategy):
    """Quotes one lot at the expectation of a binary value given the side of the next trade.

    Source: Glosten and Milgrom (1985), section 2.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            prior: Probability of the high value.
            informed_share: Share of informed traders that it reckons with.
            low_ticks: The low value.
            high_ticks: The high value.
        """

        prior: float
        informed_share: float
        low_ticks: int
        high_ticks: int

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.belief = self.params.prior

    def posterior(self, side: Side) -> float:
        """Probability of the high value after a trade on ``side``, by Bayes' rule."""
        mu = self.params.informed_share
        with_value, against_value = mu + (1 - mu) / 2, (1 - mu) / 2
        if_high, if_low = (with_value, against_value) if side is Side.BUY else (against_value, with_value)
        return self.belief * if_high / (self.belief * if_high + (1 - self.belief) * if_low)

    def on_start(self, ctx: Context) -> None:
        self._quote(ctx)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.belief = self.posterior(fill.side.opposite)
        self._quote(ctx)

    def _quote(self, ctx: Context) -> None:
        bid, ask = (self._price(self.posterior(side)) for side in (Side.SELL, Side.BUY))
        # Once it is next to certain, less than a tick is left between the two.
        update_quotes(ctx, 0, bid, 1, max(ask, bid + 1), 1)

    def _price(self, belief: float) -> int:
        p = self.params
        return round(p.low_ticks + belief * (p.high_ticks - p.low_ticks))


class Passers(Strategy):
    """Traders who come one at a time, each with a market order for one lot: informed, or tossing a coin."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            informed_share: Probability that a trader knows the value.
            traders: How many come, one a second.
        """

        informed_share: float
        traders: int

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.came = 0

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if ctx.random.uniform() < self.params.informed_share:
            is_buyer = ctx.fair_value(0) > ctx.initial_ticks(0)
        else:
            is_buyer = ctx.random.uniform() < 0.5
        ctx.place(0, Side.BUY if is_buyer else Side.SELL, 1, order_type=OrderType.MARKET)
        self.came += 1
        if self.came < self.params.traders:
            ctx.wake_in(NS_PER_S)


def one_market(spec: TaskSpec) -> dict[str, float]:
    """One value, one sequence of traders: what the prices did."""
    mu, assumed, delta, traders = (float(spec.overrides[k]) for k in ("mu", "assumed_mu", "delta", "traders"))
    value = 1.0 if Stream(spec.seed, "value").uniform() < delta else 0.0
    initial = 1 + delta
    scenario = market(
        seconds(traders + 1),
        [
            group(
                "dealer",
                f"{HERE}:BinaryDealer",
                prior=delta,
                informed_share=assumed,
                low_ticks=TICKS_PER_UNIT,
                high_ticks=2 * TICKS_PER_UNIT,
            ),
            group("passers", f"{HERE}:Passers", informed=True, informed_share=mu, traders=int(traders)),
        ],
        tick=f"{1 / TICKS_PER_UNIT:.8f}",
        initial=f"{initial:.8f}",
        jumps=[(1, (1 + value) / initial - 1)],
    )
    _, tape = taped(scenario, spec.seed, Trade, NewOrder)
    quotes = tape.of(NewOrder)[:2]
    first = {order.side: order.price_ticks / TICKS_PER_UNIT - 1 for order in quotes}
    trades = tape.of(Trade)
    prices = np.array([trade.price_ticks for trade in trades]) / TICKS_PER_UNIT - 1
    sides = np.array([int(trade.aggressor_side) for trade in trades], dtype=np.float64)
    return {"bid": first[Side.BUY], "ask": first[Side.SELL], **_price_metrics(prices, sides, delta, value)}


def _price_metrics(prices: np.ndarray, sides: np.ndarray, delta: float, value: float) -> dict[str, float]:
    before = np.concatenate([[delta], prices[:-1]])
    changes = prices - before
    inner = (prices * (1 - prices) > _MIN_VARIANCE) & (before * (1 - before) > _MIN_VARIANCE)
    steps = sides[inner] * (_log_odds(prices[inner]) - _log_odds(before[inner]))
    metrics = {
        "n": float(len(prices)),
        "least_step": float(steps.min()) if len(steps) else float("nan"),
        "largest_step": float(steps.max()) if len(steps) else float("nan"),
        "drift": float(changes.sum()),
        "predicted": float(sides[:-1] @ changes[1:]),
        # A trade's price is the dealer's expectation after it, so the one before is its expectation before.
        "effective": float(sides @ changes),
        "realised": float(sides @ (prices - value)),
    }
    for net in np.unique(np.cumsum(sides)):
        at = prices[np.cumsum(sides) == net]
        metrics |= {f"low[{int(net)}]": float(at.min()), f"high[{int(net)}]": float(at.max())}
    return metrics


def _log_odds(p: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(p / (1 - p))
    return odds


def run(
    mu: Annotated[float, typer.Option(help="Share of informed traders.", min=0.001, max=0.95)] = 0.3,
    delta: Annotated[float, typer.Option(help="Probability of the high value.", min=0.01, max=0.99)] = 0.5,
    traders: Annotated[int, typer.Option(help="Traders in a market.", min=2)] = 30,
    runs: Annotated[int, typer.Option(help="Markets.", min=10)] = 4000,
    assumed_mu: Annotated[
        float, typer.Option(help="Share that the dealer reckons with; 0: the true one.", min=0, max=0.95)
    ] = 0.0,
) -> Outcome:
    """Run many markets and hold their prices against the theory."""
    point = {"mu": mu, "assumed_mu": assumed_mu or mu, "delta": delta, "traders": traders}
    frame = run_cells(one_market, [point], runs)
    tick = 1 / TICKS_PER_UNIT
    ask = delta * (1 + mu) / (1 + mu * (2 * delta - 1))
    bid = delta * (1 - mu) / (1 - mu * (2 * delta - 1))
    step = log((1 + mu) / (1 - mu))
    lows, highs = (frame.filter(regex=rf"^{edge}\[") for edge in ("low", "high"))
    nets = [int(str(column)[4:-1]) for column in lows]
    by_net = {n: (float(lows[f"low[{n}]"].min()), float(highs[f"high[{n}]"].max())) for n in nets}
    steps = frame[["least_step", "largest_step"]].to_numpy()
    steps = steps[~np.isnan(steps)]
    realised = mean_of(frame["realised"] / frame["n"])
    share = ratio_of(frame["effective"] - frame["realised"], frame["effective"])
    drift, predicted = mean_of(frame["drift"]), mean_of(frame["predicted"])
    rows: list[Row] = [
        identical("first ask", frame["ask"].iloc[0], ask, SOURCE, 0.51 * tick),
        identical("first bid", frame["bid"].iloc[0], bid, SOURCE, 0.51 * tick),
        identical(
            "range of prices after the same number of net buys",
            max(high - low for low, high in by_net.values()),
            0.0,
            SOURCE,
            1.01 * tick,
        ),
        agrees("martingale: mean change of price over a market", drift.value, 0.0, drift.se, SOURCE),
        agrees("martingale: next change signed by last trade", predicted.value, 0.0, predicted.se, SOURCE),
        agrees("adverse-selection share of the spread", share.value, 1.0, share.se, SOURCE),
        agrees("realised half-spread", realised.value, 0.0, realised.se, SOURCE),
    ]
    if steps.size:  # a single trade may settle a belief that is next to certain
        farthest = steps[np.argmax(np.abs(steps - step))]
        claim = "log-odds step of a trade (the farthest off)"
        rows.insert(2, identical(claim, farthest, step, SOURCE, 1.02 * tick / _MIN_VARIANCE))

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        nets.sort()
        theory = np.linspace(nets[0], nets[-1], 200)
        odds = log(delta / (1 - delta)) + theory * step
        panel.plot(theory, 1 / (1 + np.exp(-odds)), label="theory")
        panel.plot(nets, [by_net[n][0] for n in nets], "o", ms=4, label="trades in the book")
        panel.set(
            xlabel="net buys so far",
            ylabel="price (value is 0 or 1)",
            title=f"Prices after n net buys (mu={mu:g}, delta={delta:g})",
        )
        panel.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment(
    "glosten_milgrom",
    run,
    quick={"runs": 300, "traders": 15},
    cases=[{}, {"mu": 0.1, "delta": 0.5}, {"mu": 0.5, "delta": 0.3}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
