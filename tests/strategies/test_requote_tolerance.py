"""A dealer with a tolerance leaves its quotes alone until something that they go by has changed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from lob_sim.agents.context import Context, Headroom, TopOfBook
from lob_sim.agents.dealer import Dealer, Quotes, Situation
from lob_sim.messages import News, Side
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.spiral_dealer import ElasticQuotes, SpiralDealer

ROOMY = Headroom((1000,), 0.06, False, ())
PARAMS = {
    "prior_sd_ticks": 10.0,
    "volatility": {"prior_ticks_per_sqrt_s": 0.01},
    "prior_alpha": 0.1,
    "learning_weight": 0.0,
    "processing_ticks": 1.0,
    "reservation_ticks": 14.0,
    "size_lots": 4,
}


class Counted(ElasticQuotes):
    """Counts how often the quotes are worked out."""

    asked = 0

    def quotes(self, ctx: Context, situation: Situation) -> Quotes | None:
        self.asked += 1
        return super().quotes(ctx, situation)


def dealer(ctx: RecordingContext, tolerance: float = 0.1) -> tuple[SpiralDealer, Counted]:
    strategy = SpiralDealer(build_params(SpiralDealer, {**PARAMS, "requote_tolerance": tolerance}, "test"))
    counted = Counted(strategy.lit_policy.params)
    strategy.lit_policy = counted
    strategy.on_start(ctx)
    return strategy, counted


def context() -> RecordingContext:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.headroom = ROOMY
    ctx.positions = [1000]
    return ctx


def look(strategy: SpiralDealer, ctx: RecordingContext, seconds: float = 1) -> None:
    ctx.now_ns += int(seconds * NS_PER_S)
    strategy.on_wake(ctx, 0)


def hear_news(ctx: RecordingContext, strategy: SpiralDealer, moved_ticks: float) -> None:
    """News that moves the mean of a belief of deviation 10 by about so much, and leaves it as unsure as it was."""
    noise = 1000.0
    signal = strategy.views[0].belief.mean_ticks + moved_ticks * (1 + noise**2 / 100)
    strategy.on_news(ctx, News(ctx.now_ns, 0, signal, noise))


def test_it_works_its_quotes_out_once_while_nothing_changes_and_at_every_look_without_a_tolerance() -> None:
    for tolerance, expected in ((0.1, 1), (0.0, 6)):
        ctx = context()
        strategy, counted = dealer(ctx, tolerance)
        for _ in range(5):
            look(strategy, ctx)
        assert counted.asked == expected


def test_a_belief_that_has_moved_by_more_than_the_tolerance_makes_it_look_anew() -> None:
    ctx = context()
    strategy, counted = dealer(ctx)
    hear_news(ctx, strategy, 0.8)
    look(strategy, ctx)
    assert counted.asked == 1
    hear_news(ctx, strategy, 0.4)  # with what it has let pass before, more than a tenth of a deviation
    look(strategy, ctx)
    assert counted.asked == 2
    assert max(o.price_ticks for o in ctx.orders(0).values()) > 1000


def test_a_belief_that_widens_by_itself_makes_it_look_anew_in_time() -> None:
    ctx = context()
    strategy, counted = dealer(ctx)
    sd_ticks = strategy.views[0].belief.sd_ticks
    while counted.asked == 1:
        look(strategy, ctx, 3600)
    assert strategy.views[0].belief.sd_ticks > 1.1 * sd_ticks
    assert strategy.views[0].belief.sd_ticks < 1.2 * sd_ticks


def _nothing(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    pass


def _a_limit_binds(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    ctx.headroom = msgspec.structs.replace(ROOMY, binding=("slr",))


def _room_shrinks(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    ctx.headroom = Headroom((880,), 0.06, False, ())


def _room_shrinks_little(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    ctx.headroom = Headroom((950,), 0.06, False, ())


def _a_quote_is_gone(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    ctx.end_order(0, next(iter(ctx.orders(0))))


def _part_of_a_quote_is_gone(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    ctx.reduce(0, next(iter(ctx.orders(0))), 1)
    ctx.take_actions()


def _it_fears_more(ctx: RecordingContext, strategy: SpiralDealer) -> None:
    strategy.views[0].lit.alpha = lambda ts_ns: 0.25  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("change", "is_reason"),
    [
        (_nothing, False),
        (_a_limit_binds, True),
        (_room_shrinks, True),
        (_room_shrinks_little, False),
        (_a_quote_is_gone, True),
        (_part_of_a_quote_is_gone, True),
        (_it_fears_more, True),
    ],
)
def test_what_else_makes_it_look_anew(
    change: Callable[[RecordingContext, SpiralDealer], None], is_reason: bool
) -> None:
    ctx = context()
    strategy, counted = dealer(ctx)
    change(ctx, strategy)
    look(strategy, ctx)
    assert counted.asked == 1 + is_reason
    look(strategy, ctx)
    assert counted.asked == 1 + is_reason, "it has seen to that"


def test_where_others_hold_a_quote_back_it_follows_them() -> None:
    ctx = context()
    ctx.tops = [TopOfBook(0, 900, 10, 998, 10)]  # somebody offers below where it would bid
    strategy, counted = dealer(ctx)
    bids = [o.price_ticks for o in ctx.orders(0).values() if o.side is Side.BUY]
    assert bids == [997]
    look(strategy, ctx)
    assert counted.asked == 1
    ctx.tops = [TopOfBook(0, 900, 10, 1010, 10)]
    look(strategy, ctx)
    assert [o.price_ticks for o in ctx.orders(0).values() if o.side is Side.BUY] > bids
    # Control: what others show matters no more, now that it is not in the way.
    ctx.tops = [TopOfBook(0, 901, 10, 1011, 10)]
    look(strategy, ctx)
    assert counted.asked == 2


def test_away_from_the_book_it_looks_again_when_its_shortest_time_away_is_over() -> None:
    ctx = context()
    strategy, counted = dealer(ctx)
    strategy.views[0].belief._var = 400.0**2  # type: ignore[attr-defined]
    look(strategy, ctx)
    assert not ctx.orders(0)
    asked = counted.asked
    for _ in range(9):
        look(strategy, ctx)
    assert counted.asked == asked
    look(strategy, ctx)
    assert counted.asked == asked + 1
    look(strategy, ctx, 60)
    assert counted.asked == asked + 1


def test_a_dealer_without_a_tolerance_keeps_nothing_to_compare_with() -> None:
    ctx = context()
    strategy, _ = dealer(ctx, 0.0)
    assert isinstance(strategy, Dealer)
    assert strategy.views[0].basis is None
