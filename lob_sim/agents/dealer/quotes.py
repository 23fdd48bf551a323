"""What a policy is shown, and what it answers: the situation, and two-sided quotes with or without their parts."""

from __future__ import annotations

from math import ceil, floor

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer.inventory_policy import InventoryPolicy
from lob_sim.information.belief import Belief
from lob_sim.information.spread import SpreadDecomposition, decompose_quote, moved_to
from lob_sim.messages import QuoteRecord, Side
from lob_sim.units import Lots, Ns, Ticks

_ROUNDING = 1e-9
"""Slack that keeps a price which is a whole number of ticks, but for floating point, on its tick."""


class Situation(msgspec.Struct, frozen=True, gc=False):
    """What a dealer knows of one instrument as it is about to quote.

    Attributes:
        size_lots: Size of its quotes in the lit book.
        qty_lots: Size to price: the same, or that of a request.
        belief: What it believes the instrument to be worth.
        alpha: Share of informed flow that it fears, of the lit book or of the client's class.
        inventory: What it may hold, and charges for it.
    """

    instrument_id: int
    size_lots: Lots
    qty_lots: Lots
    belief: Belief
    alpha: float
    inventory: InventoryPolicy

    def held_lots(self, ctx: Context) -> Lots:
        """Position taken on by dealing."""
        return self.inventory.inventory_lots(ctx, self.instrument_id)


class Quotes(msgspec.Struct, frozen=True, gc=False):
    """A bid and an ask; a side with no lots is not quoted, though its price may still push the other away.

    Attributes:
        bid_parts: What the bid's distance from the believed value is for; ``None`` where nobody says, and then the
            quote is not on the log.
        ask_parts: The same of the ask.
    """

    bid_ticks: Ticks
    bid_lots: Lots
    ask_ticks: Ticks
    ask_lots: Lots
    bid_parts: SpreadDecomposition | None = None
    ask_parts: SpreadDecomposition | None = None

    def on_sides(self, bid: bool, ask: bool) -> Quotes:
        """The same on these sides alone."""
        if bid and ask:
            return self
        return msgspec.structs.replace(self, bid_lots=self.bid_lots if bid else 0, ask_lots=self.ask_lots if ask else 0)

    def quoted_parts(self) -> tuple[SpreadDecomposition | None, SpreadDecomposition | None]:
        """The parts of each side that is quoted."""
        return self.bid_parts if self.bid_lots else None, self.ask_parts if self.ask_lots else None


def quotes_outwards(bid_ticks: float, ask_ticks: float, qty_lots: Lots) -> Quotes:
    """Real-valued prices rounded outwards, so that no quote is better than its formula says."""
    return Quotes(floor(bid_ticks + _ROUNDING), qty_lots, max(1, ceil(ask_ticks - _ROUNDING)), qty_lots)


def quotes_with_parts(ctx: Context, situation: Situation, adverse_ticks: float, processing_ticks: float) -> Quotes:
    """Quotes around the belief from their parts: adverse selection, processing, and what inventory risk costs."""
    belief, inventory, qty = situation.belief, situation.inventory, situation.qty_lots
    held, rate = inventory.inventory_lots(ctx, situation.instrument_id), belief.variance_rate
    bid, ask = decompose_quote(
        belief.mean_ticks,
        adverse_ticks,
        inventory.risk_ticks(Side.BUY, qty, held, rate),
        inventory.risk_ticks(Side.SELL, qty, held, rate),
        processing_ticks,
    )
    return Quotes(bid.price_ticks, qty, ask.price_ticks, qty, bid, ask)


def quotes_at(quotes: Quotes, bid_ticks: Ticks, bid_lots: Lots, ask_ticks: Ticks, ask_lots: Lots) -> Quotes:
    """The same quotes at other prices and sizes; parts account for the move as rounding."""
    bid, ask = quotes.bid_parts, quotes.ask_parts
    if bid is None and ask is None:
        return Quotes(bid_ticks, bid_lots, ask_ticks, ask_lots)
    return Quotes(
        bid_ticks,
        bid_lots,
        ask_ticks,
        ask_lots,
        moved_to(bid, bid_ticks) if bid else None,
        moved_to(ask, ask_ticks) if ask else None,
    )


def quote_record(
    ts_ns: Ns,
    agent_id: int,
    instrument_id: int,
    bid: SpreadDecomposition | None,
    ask: SpreadDecomposition | None,
    rfq_id: int = 0,
) -> QuoteRecord:
    """The log record of a quote; ``None`` for a side that is not quoted."""
    quoted = bid or ask
    return QuoteRecord(
        ts_ns,
        agent_id,
        instrument_id,
        rfq_id,
        bid.price_ticks if bid else 0,
        ask.price_ticks if ask else 0,
        quoted.mean_uticks if quoted else 0,
        bid.adverse_uticks if bid else 0,
        bid.inventory_uticks if bid else 0,
        bid.processing_uticks if bid else 0,
        bid.rounding_uticks if bid else 0,
        ask.adverse_uticks if ask else 0,
        ask.inventory_uticks if ask else 0,
        ask.processing_uticks if ask else 0,
        ask.rounding_uticks if ask else 0,
    )
