"""Several forced sellers and one call auction: none of them sees what the others are about to sell."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from market_helpers import Auditor, bond, dealer, market, run, shock

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import AuctionUncrossed, NewOrder, OrderFilled, Side
from lob_sim.units import NS_PER_S

M = 1_000_000
TREASURY, CORPORATE = 1, 0
BID, BID_LOTS = 9_999, 46
SELLERS = 5


class Quotes(Strategy):
    """Bids for 46 lots of the treasury, whatever it is worth, and makes a deep market in the corporate at value."""

    def on_start(self, ctx: Context) -> None:
        names = [instrument.name for instrument in ctx.instruments]
        assert (names[TREASURY], names[CORPORATE]) == ("treasury", "corporate")
        self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        update_quotes(ctx, TREASURY, BID, BID_LOTS, BID + 2, BID_LOTS)
        value = round(ctx.fair_value(CORPORATE))
        update_quotes(ctx, CORPORATE, value - 1, 1_000, value + 1, 1_000)
        ctx.wake_in(NS_PER_S // 10)


def five_sellers(liquidation_params: dict[str, Any] | None = None, **lit: Any) -> Auditor:
    """Five dealers, each of which a shock at half a minute makes sell fourteen lots of the treasury at least."""
    sheet: dict[str, Any] = {
        "liquidation": "immediate",
        "other_assets": 100 * M,
        "short_term_funding": 948 * M,
        "liquidation_params": {"max_rfq_lots": 1, **(liquidation_params or {})},
    }
    assets: dict[str, Any] = {"cash": 100 * M, "holdings": {"treasury": 400 * M, "corporate": 400 * M}}
    scenario = market(
        {"name": "quotes", "strategy": "test_forced_sellers_in_auctions:Quotes", "sees_fair_value": True},
        dealer("prime", sheet, count=SELLERS, **assets),
        instruments=[bond("treasury", 1, lit=lit), bond("corporate", 2)],
        shocks=[shock("30s", -0.0072)],
        horizon="3min",
    )
    _, log = run(scenario)
    return log


def offered_by_call(log: Auditor) -> list[int]:
    """Lots that forced sellers have sent into each call of the treasury that they have sent any into."""
    sent = [(c.ts_sent_ns, c) for c in log.commands if isinstance(c, NewOrder) and c.parent_order_id]
    lots: dict[int, int] = defaultdict(int)
    for ts_ns, order in sent:
        assert order.side is Side.SELL
        if order.instrument_id == TREASURY:
            lots[(ts_ns + NS_PER_S // 1_000) // NS_PER_S] += order.qty_lots  # on its way for a millisecond
    return [lots[call] for call in sorted(lots)]


def sold_at(log: Auditor) -> list[int]:
    return [
        e.price_ticks
        for e in log.of(OrderFilled)
        if e.instrument_id == TREASURY and e.side is Side.SELL and not e.is_maker
    ]


def test_five_sellers_of_fourteen_lots_each_send_no_more_than_the_46_that_are_bid_into_one_call() -> None:
    log = five_sellers(batch_interval="1s")
    offered = offered_by_call(log)
    # Each a fifth of 46; they go on in the next calls until all that the limits want is sold.
    assert max(offered) == SELLERS * (BID_LOTS // SELLERS)
    assert len(offered) > 1
    assert sum(offered) >= SELLERS * 14
    assert min(sold_at(log)) >= BID
    assert min(a.imbalance_lots for a in log.of(AuctionUncrossed) if a.instrument_id == TREASURY) >= 0


def test_control_sellers_who_believe_that_they_are_alone_send_69_lots_and_more_into_bids_for_46() -> None:
    log = five_sellers({"auction_share": 1.0}, batch_interval="1s")
    assert offered_by_call(log)[0] >= 69
    # All that they still have in common is the limit: at least the price that is bid.
    assert min(sold_at(log)) >= BID
    assert min(a.imbalance_lots for a in log.of(AuctionUncrossed) if a.instrument_id == TREASURY) <= 46 - 69


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_in_continuous_trading_the_share_does_not_matter(share: float) -> None:
    assert five_sellers({"auction_share": share}).events == five_sellers().events
