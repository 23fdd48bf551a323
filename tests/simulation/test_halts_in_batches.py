"""A halt in a market of batch auctions: nobody ends it early, and it ends into an auction."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sim_helpers import MS, MemoryLog, group, instrument, run, scenario

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderType, Phase, PhaseChanged, Side, Trade

AUCTION, CONTINUOUS, HALTED, CLOSED = Phase.AUCTION, Phase.CONTINUOUS, Phase.HALTED, Phase.CLOSED


class Asks(Strategy):
    """Offers at 103, 120 and 150."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.SELL, 1, 103)
        ctx.place(0, Side.SELL, 1, 120)
        ctx.place(0, Side.SELL, 1, 150)


class StopBuyer(Strategy):
    """Buys, at any price, once somebody has traded at 103."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, order_type=OrderType.STOP, stop_price_ticks=103)


class Buyer(Strategy):
    """Trades at 103, which sets off the stop."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 103)


class SecondStop(Strategy):
    """Buys, at any price, once somebody has traded at 120."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, order_type=OrderType.STOP, stop_price_ticks=120)


AGENTS = (group("asks", Asks), group("buyer", Buyer), group("stop", StopBuyer))


def market(agents: tuple[dict[str, Any], ...] = AGENTS, **lit: Any) -> MemoryLog:
    rules = {"batch_interval": "10ms", "price_band": 0.05, "halt": "100ms", **lit}
    log, _ = run(scenario(list(agents), [instrument(lit=rules)], horizon="200ms"))
    return log


def timed(log: MemoryLog) -> list[tuple[float, Phase]]:
    return [(event.ts_event_ns / MS, event.phase) for event in log.of(PhaseChanged)]


def trades(log: MemoryLog) -> list[tuple[float, int]]:
    return [(trade.ts_event_ns / MS, trade.price_ticks) for trade in log.of(Trade)]


def test_a_batch_does_not_reopen_a_book_that_a_stop_has_halted() -> None:
    log = market()
    # The batch at 10 ms trades at 103; the stop then wants 120, outside the band. Ten batches pass over the halt.
    assert trades(log) == [(10, 103), (110, 120)]
    assert timed(log)[:5] == [(10, CONTINUOUS), (10, HALTED), (110, CONTINUOUS), (110, AUCTION), (120, CONTINUOUS)]


def test_control_without_a_band_the_stop_trades_at_once() -> None:
    log = market(price_band=0, halt="0s")
    assert trades(log) == [(10, 103), (10, 120)]
    assert HALTED not in [phase for _, phase in timed(log)]


@pytest.mark.parametrize(("halt", "reopens"), [("100ms", 110), ("95ms", 105), ("3ms", 13)])
def test_after_a_halt_the_batches_come_when_they_would_have_in_any_case(halt: str, reopens: int) -> None:
    log = market(halt=halt)
    assert trades(log) == [(10, 103), (reopens, 120)]
    later = [ts for ts, phase in timed(log) if phase is CONTINUOUS and ts > reopens]
    assert later == list(range(reopens // 10 * 10 + 10, 200, 10))
    # It never stays continuous: whenever it is, a call begins at that instant.
    for (ts, phase), (next_ts, following) in pairwise(timed(log)):
        assert phase is not CONTINUOUS or (next_ts == ts and following in (AUCTION, HALTED))


def test_the_opening_of_a_market_in_batches_does_not_reopen_a_book_that_a_stop_has_halted() -> None:
    log = market(opening_auction="20ms")
    assert trades(log) == [(20, 103), (120, 120)]
    assert timed(log)[:4] == [(20, CONTINUOUS), (20, HALTED), (120, CONTINUOUS), (120, AUCTION)]


def test_a_halt_that_a_re_opening_brings_about_lasts_its_own_time() -> None:
    # The auction that ends the first halt, at 120, sets off a second stop, which wants 150.
    log = market((*AGENTS, group("zz", SecondStop)), halt="50ms")
    assert trades(log) == [(10, 103), (60, 120), (110, 150)]
    halts = [ts for ts, phase in timed(log) if phase is HALTED]
    assert halts == [10, 60]


def test_a_closing_auction_takes_over_what_a_halt_has_collected() -> None:
    log = market(halt="150ms", closing_auction="80ms")
    assert timed(log) == [(10, CONTINUOUS), (10, HALTED), (120, AUCTION), (200, CLOSED)]
    assert trades(log) == [(10, 103), (200, 120)]
