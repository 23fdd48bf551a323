"""The limit order book: orders, price levels, two sides, waiting stops. It knows queues, not trading
rules."""

from __future__ import annotations

from lob_sim.book.book import OrderBook
from lob_sim.book.level import PriceLevel
from lob_sim.book.order import (
    MARKET_BUY_TICKS,
    MARKET_SELL_TICKS,
    MAX_PRICE_TICKS,
    MAX_QTY_LOTS,
    MAX_SLICES,
    Order,
    OrderInstructions,
)
from lob_sim.book.side import BookSide
from lob_sim.book.stops import StopBook

__all__ = [
    "MARKET_BUY_TICKS",
    "MARKET_SELL_TICKS",
    "MAX_PRICE_TICKS",
    "MAX_QTY_LOTS",
    "MAX_SLICES",
    "BookSide",
    "Order",
    "OrderBook",
    "OrderInstructions",
    "PriceLevel",
    "StopBook",
]
