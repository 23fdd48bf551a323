"""How a forced seller works its parent order: pure schedulers of child orders.

A strategy says how many lots are due now; routing is common to all: take what the lit book bids at tolerable
prices, and ask dealers for quotes when the book is dark or too thin. The worse the breach, the more urgent
the sale: sooner, and at worse prices.

In continuous trading bids that somebody else has taken are gone from view. In a call auction, or a halt, they are
not: until the uncrossing all sellers see, and would take, the same bids. So there a seller assumes that it is not
alone. It counts on a share of the displayed bids, less what it has in the call already, and asks no less than they
bid.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.units import NS_PER_S, Duration, Lots, Ns, Ticks

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class ChildVenue(IntEnum):
    """Where a child order goes."""

    LIT = 0
    RFQ = 1


class ParentState(msgspec.Struct, gc=False):
    """A parent order to sell, as its owner knows it.

    Attributes:
        instrument_id: What is sold.
        remaining_lots: Still to sell, including what is at work.
        working_lots: In child orders that are out, lit or RFQ.
        sold_lots: Sold so far.
        started_ns: When it began.
        urgency: From 0 (patient) to 1 (at any price, now).
    """

    instrument_id: int
    remaining_lots: Lots
    working_lots: Lots
    sold_lots: Lots
    started_ns: Ns
    urgency: float


class BookView(msgspec.Struct, gc=False):
    """The lit book as the seller sees it.

    Attributes:
        bids: Displayed (price_ticks, lots), best first; empty when nobody bids.
        ask_ticks: Best ask, 0 when there is none.
        mark_ticks: The seller's own mark, against which prices are judged.
        traded_lots: Volume printed since the last decision.
        in_call: Whether orders are collected for an uncrossing, so that nobody's sales show in the bids.
        own_call_lots: The seller's own orders, of any parent, that are out in this book.
    """

    bids: Sequence[tuple[Ticks, Lots]]
    ask_ticks: Ticks
    mark_ticks: Ticks
    traded_lots: Lots = 0
    in_call: bool = False
    own_call_lots: Lots = 0


class ChildIntent(msgspec.Struct, frozen=True, gc=False):
    """A child order to send: a sale of ``qty_lots`` at ``price_ticks`` or better (IOC in the lit book)."""

    venue: ChildVenue
    qty_lots: Lots
    price_ticks: Ticks


def breach_urgency(required_cash: float, inventory_cash: float, full_at: float = 0.25) -> float:
    """Urgency from the size of the breach: 1 when ``full_at`` of the inventory must go, in proportion below.

    Args:
        required_cash: Value to shed.
        inventory_cash: Value held.
        full_at: Share of the inventory at which nothing but speed counts.
    """
    if required_cash <= 0:
        return 0.0
    return min(1.0, required_cash / (full_at * inventory_cash)) if inventory_cash > 0 else 1.0


class LiquidationStrategy(ABC):
    """The seam: a subclass says what is due; :meth:`decide` routes it.

    Source: equal slices, Bertsimas and Lo (1998), "Optimal Control of Execution Costs"; participation, Almgren,
    Thum, Hauptmann and Li (2005), "Direct Estimation of Equity Market Impact"; that haste is paid for in price,
    Almgren and Chriss (2000), "Optimal Execution of Portfolio Transactions".

    Args:
        params: An instance of the class's own ``Params``.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters that all strategies share.

        Attributes:
            patient_discount: Furthest below the mark to sell at urgency 0, as a fraction of the mark.
            urgent_discount: The same at urgency 1.
            max_rfq_lots: Most lots to ask for in one request; 0 for no bound.
            auction_share: Share of the displayed bids within the limit to sell into one call auction or
                re-opening, where others may be selling to the same bids unseen; at least one lot.
        """

        patient_discount: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.01
        urgent_discount: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
        max_rfq_lots: Annotated[int, msgspec.Meta(ge=0)] = 0
        auction_share: Share = 0.2

    name: ClassVar[str] = "liquidation"

    def __init__(self, params: Params) -> None:
        self._routing = checked(params, self.name)

    @abstractmethod
    def due_lots(self, parent: ParentState, book: BookView, now_ns: Ns) -> Lots:
        """Lots to send now, on top of what is at work; anything beyond what is free is cut."""

    def decide(self, parent: ParentState, book: BookView, now_ns: Ns) -> list[ChildIntent]:
        """Child orders to send now; never more in total than remains and is not yet at work."""
        free = parent.remaining_lots - parent.working_lots
        return self.route(min(free, self.due_lots(parent, book, now_ns)), book, parent.urgency)

    def route(self, due: Lots, book: BookView, urgency: float) -> list[ChildIntent]:
        """Where to send ``due`` lots: the lit book as far as it can be counted on, then dealers."""
        if due <= 0:
            return []
        floor = self.limit_ticks(book.mark_ticks, urgency)
        lit = min(due, self.lit_lots(book, urgency))
        intents = [ChildIntent(ChildVenue.LIT, lit, self._lit_limit_ticks(book, floor))] if lit > 0 else []
        rest = due - lit
        if self._routing.max_rfq_lots:
            rest = min(rest, self._routing.max_rfq_lots)
        if rest > 0:
            intents.append(ChildIntent(ChildVenue.RFQ, rest, floor))
        return intents

    def lit_lots(self, book: BookView, urgency: float) -> Lots:
        """Lots that the lit book can be counted on to take at tolerable prices: in a call only a share of them."""
        floor = self.limit_ticks(book.mark_ticks, urgency)
        displayed = sum(lots for price, lots in book.bids if price >= floor)
        if not book.in_call or not displayed:
            return displayed
        share = max(1, math.floor(self._routing.auction_share * displayed))
        return max(0, share - book.own_call_lots)

    def _lit_limit_ticks(self, book: BookView, floor: Ticks) -> Ticks:
        """Worst price to ask in the lit book: in a call no less than is bid, or than is asked where the two cross."""
        if not book.in_call:
            return floor
        bid = min(price for price, _ in book.bids if price >= floor)
        return max(floor, min(bid, book.ask_ticks) if book.ask_ticks else bid)

    def limit_ticks(self, mark_ticks: Ticks, urgency: float) -> Ticks:
        """Worst price to accept, at least one tick."""
        patient, urgent = self._routing.patient_discount, self._routing.urgent_discount
        discount = patient + max(0.0, urgent - patient) * urgency
        return max(1, math.floor(mark_ticks * (1 - discount)))


class Immediate(LiquidationStrategy):
    """Everything now."""

    name: ClassVar[str] = "immediate"

    def due_lots(self, parent: ParentState, book: BookView, now_ns: Ns) -> Lots:
        """All of it."""
        return parent.remaining_lots


class Twap(LiquidationStrategy):
    """Equal parts over a horizon that urgency shortens, down to nothing at urgency 1."""

    class Params(LiquidationStrategy.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            horizon: Time over which a parent is sold at urgency 0.
        """

        horizon: Annotated[Duration, msgspec.Meta(gt=0)] = 600 * NS_PER_S

    name: ClassVar[str] = "twap"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._horizon_ns = params.horizon

    def due_lots(self, parent: ParentState, book: BookView, now_ns: Ns) -> Lots:
        """What the straight line says should be sold by now, less what is sold or at work."""
        horizon = self._horizon_ns * (1 - parent.urgency)
        elapsed = now_ns - parent.started_ns
        total = parent.sold_lots + parent.remaining_lots
        target = total if elapsed >= horizon else math.ceil(total * elapsed / horizon)
        return target - parent.sold_lots - parent.working_lots


class Participation(LiquidationStrategy):
    """A share of the volume that others trade, which urgency raises to a maximum."""

    class Params(LiquidationStrategy.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            rate: Share of printed volume at urgency 0.
            urgent_rate (fraction): Share at urgency 1; may be above 1, when the seller becomes the volume.
            minimum_lots: Least to send, so that a market without volume does not stop the sale.
        """

        rate: Share = 0.1
        urgent_rate: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        minimum_lots: Annotated[int, msgspec.Meta(ge=0)] = 1

    name: ClassVar[str] = "participation"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._params = params

    def due_lots(self, parent: ParentState, book: BookView, now_ns: Ns) -> Lots:
        """The share of the volume since the last decision."""
        params = self._params
        rate = params.rate + max(0.0, params.urgent_rate - params.rate) * parent.urgency
        return max(params.minimum_lots, math.ceil(rate * book.traded_lots))


class BookWatching(LiquidationStrategy):
    """Takes a share of the bids that are near the mark, and waits when there are none, unless it is urgent.

    Patient, it never walks the book beyond a share of what is displayed at tolerable prices. From
    ``rfq_urgency`` on it no longer waits for the lit book and sends the rest to dealers.
    """

    class Params(LiquidationStrategy.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            depth_share: Share of the displayed bids within the price limit to take at urgency 0; all at 1.
            rfq_urgency: Urgency from which on it asks dealers instead of waiting for bids.
        """

        depth_share: Share = 0.3
        rfq_urgency: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3

    name: ClassVar[str] = "book_watching"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._params = params

    def due_lots(self, parent: ParentState, book: BookView, now_ns: Ns) -> Lots:
        """A share of tolerable depth; everything that urgency demands when the book does not offer it."""
        depth = self.lit_lots(book, parent.urgency)
        share = self._params.depth_share + (1 - self._params.depth_share) * parent.urgency
        lit = math.ceil(share * depth)
        if parent.urgency < self._params.rfq_urgency:
            return lit
        return max(lit, math.ceil(parent.urgency * (parent.remaining_lots - parent.working_lots)))
