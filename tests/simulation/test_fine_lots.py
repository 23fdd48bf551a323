"""A coin dealt in units of 10^-8: orders of 9e9 lots through venues, settlement, log, replay and summary."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from sim_helpers import MS, group, instrument, scenario
from sim_helpers import run as run_in_memory

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.analysis.summary import summarise
from lob_sim.log import open_run
from lob_sim.messages import OrderFilled, OrderRejected, RfqOpened, RfqQuoted, RfqRejected, RfqTraded, Side
from lob_sim.replay import verify
from lob_sim.running import run

COIN = 10**8
PRICE_TICKS = 6_000_000


class Seller(Strategy):
    """Offers ninety coins in the book, ten on display, and as many on request."""

    answers_rfqs = True

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.SELL, 90 * COIN, PRICE_TICKS, display_qty_lots=10 * COIN)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 0, PRICE_TICKS + 1, MS)


class Taker(Strategy):
    """Buys eighty coins and a fraction in the book and ninety on request."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 80 * COIN + 1, PRICE_TICKS)
        ctx.request_quote(0, Side.BUY, 90 * COIN, ctx.dealers, 10 * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        ctx.accept(quote, Side.BUY)


COINS = scenario(
    [group("seller", Seller), group("taker", Taker)],
    [instrument("coin", 60_000.0, tick_size="0.01", lot_size="0.00000001")],
    horizon="100ms",
)


def test_ninety_coins_are_dealt_settled_logged_and_replayed(tmp_path: Path) -> None:
    log, world = run_in_memory(COINS)
    assert log.of(OrderRejected) == []
    assert log.of(RfqRejected) == []
    # Slice by slice: eight of ten coins, and a hundred-millionth of the ninth.
    bought = [fill.qty_lots for fill in log.of(OrderFilled) if fill.side is Side.BUY]
    assert bought == [10 * COIN] * 8 + [1]
    (dealt,) = log.of(RfqTraded)
    paid = (80 * COIN + 1) * PRICE_TICKS + 90 * COIN * (PRICE_TICKS + 1)
    assert dealt.qty_lots == 90 * COIN
    assert world.cash_unit.size == Decimal("0.0000000001")
    assert world.ledger.cash[:2] == [paid, -paid]
    assert world.ledger.positions[1] == [170 * COIN + 1]
    logged = run(COINS, 1, tmp_path / "run")
    assert verify(open_run(tmp_path / "run")).ok
    assert int(summarise(logged)["volume_lots"].iloc[0]) == 170 * COIN + 1
