"""Are PIN and VPIN, estimated from our tape, what the order flow was made of?

Each day has an information event with probability ``event``, bad or good with equal chance. Uninformed
traders buy and sell at Poisson rates; on event days informed traders, who see the fair value jump, trade
its way at another. From the counts of buys and sells PIN is estimated by maximum likelihood. VPIN is
measured on a market without informed traders, where it must show its null bias and not 0, and on one with
them, where it must show more.

Source: Easley, Kiefer, O'Hara and Paperman (1996), J. Finance 51: PIN = a·mu / (a·mu + 2·eps). Easley,
Lopez de Prado and O'Hara (2012), Review of Financial Studies 25: VPIN; the mean of |buys - sells|/N over N
fair coin tosses is C(N, N/2) / 2^N."""

from __future__ import annotations

from math import comb
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.common import group, market, new_figure, save, taped
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.analysis.flow import pin, vpin
from lob_sim.experiment import Experiment, Outcome, agrees, exceeds, mean_of, run_cells
from lob_sim.messages import OrderType, Side, Trade
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S, Ns

HERE = "experiments.validation.pin_vpin"
DAY_NS: Ns = 1000 * NS_PER_S
PRICE_TICKS = 1000


class Wall(Strategy):
    """Buys and sells any amount, a tick to either side of the opening value."""

    def on_start(self, ctx: Context) -> None:
        price = ctx.initial_ticks(0)
        ctx.place(0, Side.BUY, 10**8, price - 1)
        ctx.place(0, Side.SELL, 10**8, price + 1)


class Uninformed(Strategy):
    """Market orders for one lot at a Poisson rate, buying or selling with equal chance."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            per_day: Orders of each side a day, on average.
        """

        per_day: float

    params: Params

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(self._pause_ns(ctx))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(self._pause_ns(ctx))
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        ctx.place(0, side, 1, order_type=OrderType.MARKET)

    def _pause_ns(self, ctx: Context) -> Ns:
        return ctx.random.delay_ns(DAY_NS / (2 * self.params.per_day))


class Informed(Strategy):
    """On a day on which the fair value has jumped, market orders its way at a Poisson rate."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            per_day: Orders on such a day, on average.
        """

        per_day: float

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.value = 0.0
        self.news = 0.0
        self.day = 0

    def on_start(self, ctx: Context) -> None:
        self.value = ctx.fair_value(0)
        ctx.wake_in(2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        # Tag 0 is the morning; an order planned yesterday for after its end is not sent.
        if tag == 0:
            self.day += 1
            ctx.wake_in(DAY_NS)
            value = ctx.fair_value(0)
            self.news, self.value = value - self.value, value
        elif tag == self.day:
            ctx.place(0, Side.BUY if self.news > 0 else Side.SELL, 1, order_type=OrderType.MARKET)
        if self.news and tag in (0, self.day):
            ctx.wake_in(ctx.random.delay_ns(DAY_NS / self.params.per_day), self.day)


def one_market(spec: TaskSpec) -> dict[str, float]:
    """Some days: the fitted model, and VPIN."""
    event, informed, uninformed = (float(spec.overrides[k]) for k in ("event", "informed", "uninformed"))
    days, bucket = int(spec.overrides["days"]), int(spec.overrides["bucket"])
    rng = np.random.default_rng([spec.seed, 7])
    news = np.where(rng.random(days) < event, np.where(rng.random(days) < 0.5, 0.01, -0.01), 0.0)
    scenario = market(
        days * DAY_NS,
        [
            group("informed", f"{HERE}:Informed", informed=True, per_day=informed),
            group("uninformed", f"{HERE}:Uninformed", per_day=uninformed),
            group("wall", f"{HERE}:Wall"),
        ],
        tick="0.1",
        initial=str(PRICE_TICKS / 10),
        jumps=[(day * DAY_NS + 1, float(size)) for day, size in enumerate(news) if size],
    )
    _, tape = taped(scenario, spec.seed, Trade)
    day = np.array([trade.ts_event_ns // DAY_NS for trade in tape.messages])
    side = np.array([int(trade.aggressor_side) for trade in tape.messages])
    buys, sells = (np.bincount(day[side == s], minlength=days).astype(np.float64) for s in (1, -1))
    metrics = {"vpin": float(vpin(np.ones(len(side), dtype=np.int64), side, bucket).mean())}
    if event > 0:
        fit = pin(buys, sells)
        metrics |= {
            "pin": fit.pin,
            "event_fit": fit.event,
            "informed_fit": fit.informed,
            "uninformed_fit": (fit.buys + fit.sells) / 2,
        }
    return metrics


def run(
    event: Annotated[float, typer.Option(help="Chance of an information event a day.", min=0.05, max=0.95)] = 0.4,
    informed: Annotated[float, typer.Option(help="Informed orders on an event day.", min=1)] = 60.0,
    uninformed: Annotated[float, typer.Option(help="Uninformed orders of each side a day.", min=1)] = 40.0,
    days: Annotated[int, typer.Option(help="Days of a market.", min=20)] = 120,
    bucket: Annotated[int, typer.Option(help="Trades in a bucket of VPIN.", min=2, max=500)] = 50,
    runs: Annotated[int, typer.Option(help="Markets.", min=4)] = 30,
) -> Outcome:
    """Hold the estimates against what the flow was made of."""
    common = {"informed": informed, "uninformed": uninformed, "days": days, "bucket": bucket}
    frame = run_cells(one_market, [{"event": event} | common, {"event": 0.0} | common], runs)
    toxic, noise = frame[frame["point"] == 0], frame[frame["point"] == 1]
    share = event * informed / (event * informed + 2 * uninformed)
    half = bucket // 2 * 2
    null = comb(half, half // 2) / 2**half
    source = "Easley et al. 1996"
    estimate, noisy, shown = mean_of(toxic["pin"]), mean_of(noise["vpin"]), mean_of(toxic["vpin"])
    rows = [agrees("PIN by maximum likelihood", estimate.value, share, estimate.se, source)]
    for name, value in (("event", event), ("informed", informed), ("uninformed", uninformed)):
        fitted = mean_of(toxic[f"{name}_fit"])
        rows.append(agrees(f"fitted parameter: {name}", fitted.value, value, fitted.se, source))
    rows += [
        agrees(
            f"VPIN of uninformed flow, {bucket} trades a bucket",
            noisy.value,
            null,
            noisy.se,
            "C(N,N/2)/2^N; Easley, Lopez de Prado & O'Hara 2012",
        ),
        exceeds(
            "VPIN with informed flow above its null",
            shown.value,
            null,
            shown.se,
            "Easley, Lopez de Prado & O'Hara 2012",
        ),
    ]

    def draw(path: Path) -> None:
        figure, (left, right) = new_figure(2)
        left.hist(toxic["pin"], bins=15)
        left.axvline(share, color="black", label=f"a·mu / (a·mu + 2·eps) = {share:.3f}")
        left.set(xlabel="PIN by maximum likelihood", ylabel="markets", title="PIN")
        left.margins(y=0.25)
        left.legend()
        right.hist([noise["vpin"], toxic["vpin"]], bins=15, label=["uninformed flow", "with informed flow"])
        right.axvline(null, color="black", label=f"null, C(N,N/2)/2^N = {null:.3f}")
        right.set(xlabel=f"mean VPIN, {bucket} trades a bucket", ylabel="markets", title="VPIN")
        right.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment("pin_vpin", run, quick={"runs": 10, "days": 60})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
