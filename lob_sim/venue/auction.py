"""The price at which a call auction clears."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

import msgspec

from lob_sim.book import MARKET_BUY_TICKS, MARKET_SELL_TICKS, MAX_PRICE_TICKS, BookSide
from lob_sim.messages import Side
from lob_sim.units import Lots, Ticks


class Clearing(msgspec.Struct, frozen=True, gc=False):
    """One price for all, the quantity that trades there, and buy minus sell quantity that wanted to."""

    price_ticks: Ticks
    qty_lots: Lots
    imbalance_lots: Lots


def clearing(bids: BookSide, asks: BookSide, reference_ticks: Ticks, step_ticks: Ticks) -> Clearing | None:
    """Find the price of most volume, then least imbalance, then closest to the reference, then the lower.

    Hidden orders and iceberg reserves count in full. The middle of the best limit prices stands in for a
    missing reference. O(crossing levels × log).

    Args:
        bids: Buy orders; orders at any price stand above every limit price.
        asks: Sell orders; orders at any price stand below every limit price.
        reference_ticks: The reference price, 0 if there is none.
        step_ticks: The grid on which the price must lie.

    Returns:
        None where nothing can trade.
    """
    best_bid, best_ask = bids.best, asks.best
    if best_bid is None or best_ask is None or best_bid.price_ticks < best_ask.price_ticks:
        return None
    reference_ticks = reference_ticks or _middle(bids, asks)
    if not reference_ticks:
        return None
    lowest = max(best_ask.price_ticks, step_ticks)
    highest = min(best_bid.price_ticks, MAX_PRICE_TICKS // step_ticks * step_ticks)
    bought, sold = _volume_at(bids, lowest), _volume_at(asks, highest)

    def rank(price_ticks: Ticks) -> tuple[int, int, int, int]:
        buy_lots, sell_lots = bought(price_ticks), sold(price_ticks)
        distance_ticks = abs(price_ticks - reference_ticks)
        return -min(buy_lots, sell_lots), abs(buy_lots - sell_lots), distance_ticks, price_ticks

    price_ticks = min(_candidates(bids, asks, reference_ticks, step_ticks, lowest, highest), key=rank)
    buy_lots, sell_lots = bought(price_ticks), sold(price_ticks)
    return Clearing(price_ticks, min(buy_lots, sell_lots), buy_lots - sell_lots)


def _candidates(
    bids: BookSide, asks: BookSide, reference_ticks: Ticks, step_ticks: Ticks, lowest: Ticks, highest: Ticks
) -> set[Ticks]:
    # Between two neighbouring limit prices volume and imbalance are constant. So the best price is a limit
    # price, or next to one, or next to the reference.
    below_ticks = reference_ticks // step_ticks * step_ticks
    prices = {below_ticks, below_ticks + step_ticks}
    for price_ticks in (*_limits(bids, lowest), *_limits(asks, highest)):
        prices |= {price_ticks - step_ticks, price_ticks, price_ticks + step_ticks}
    return {min(max(price_ticks, lowest), highest) for price_ticks in prices}


def _limits(side: BookSide, worst_ticks: Ticks | None) -> list[Ticks]:
    """Limit prices of a side, best first, to the worst one asked for."""
    prices = (level.price_ticks for level in side.in_order(worst_ticks))
    return [p for p in prices if p != MARKET_BUY_TICKS and p != MARKET_SELL_TICKS]


def _middle(bids: BookSide, asks: BookSide) -> Ticks:
    """Middle of the best limit prices, or the only one that there is, or 0."""
    best = [_limits(side, None)[:1] for side in (bids, asks)]
    limits = [price_ticks for prices in best for price_ticks in prices]
    return sum(limits) // len(limits) if limits else 0


def _volume_at(side: BookSide, worst_ticks: Ticks) -> Callable[[Ticks], Lots]:
    """Quantity of a side that is willing to trade at a price, for prices up to its worst one."""
    sign = -1 if side.side is Side.BUY else 1
    levels = list(side.in_order(worst_ticks))
    keys = [sign * level.price_ticks for level in levels]
    totals = list(accumulate((level.total_lots for level in levels), initial=0))
    return lambda price_ticks: totals[bisect_right(keys, sign * price_ticks)]
