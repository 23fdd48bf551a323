"""Whether what a strategy sends is what an agent may send."""

from __future__ import annotations

from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    DeclineQuote,
    NewOrder,
    OrderType,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqOpened,
    RfqQuoted,
    Side,
    SubmitQuote,
    WalkAway,
)
from lob_sim.testing.recording import RecordingContext


class CommandChecker:
    """Asserts of each command that a venue could take it: own number, whole positive amounts, known requests.

    Args:
        ctx: The context of the agent whose commands are checked.
    """

    def __init__(self, ctx: RecordingContext) -> None:
        self._ctx = ctx
        self._orders: set[int] = set()
        self.requests: dict[int, RfqOpened] = {}
        self._quotes: dict[int, RfqQuoted] = {}

    def expect_answer(self, request: RfqOpened) -> None:
        """The agent is about to be asked."""
        self.requests[request.rfq_id] = request

    def expect_decision(self, quote: RfqQuoted) -> None:
        """The agent is about to be quoted."""
        self._quotes[quote.quote_id] = quote

    def check(self, command: Command) -> None:
        """Assert that the command is a valid one.

        Raises:
            AssertionError: Names the command and what is wrong with it.
        """
        problem = self._problem(command)
        assert not problem, f"the strategy sent what no venue takes, {problem}: {command}"

    def _problem(self, command: Command) -> str:
        ctx = self._ctx
        if getattr(command, "agent_id", None) != ctx.agent_id:
            return "sent in another agent's name"
        if getattr(command, "instrument_id", -1) not in range(len(ctx.instruments)):
            return "unknown instrument"
        if isinstance(command, NewOrder):
            self._orders.add(command.client_order_id)
            return _problem_with_order(command)
        if isinstance(command, CancelOrder | ReduceOrder | ReplaceOrder):
            return self._problem_with_change(command)
        if isinstance(command, RequestQuote):
            return self._problem_with_request(command)
        if isinstance(command, SubmitQuote):
            return self._problem_with_quote(command)
        if isinstance(command, DeclineQuote):
            return "" if command.rfq_id in self.requests else "declines what it was not asked"
        if isinstance(command, AcceptQuote):
            return self._problem_with_deal(command)
        return "" if isinstance(command, WalkAway) else "not a command that an agent may send"

    def _problem_with_change(self, command: CancelOrder | ReduceOrder | ReplaceOrder) -> str:
        if command.client_order_id not in self._orders:
            return "changes an order that it never sent"
        if not isinstance(command, CancelOrder) and not _is_positive(command.qty_lots):
            return "quantity is not a positive integer"
        if isinstance(command, ReplaceOrder) and not _is_positive(command.price_ticks):
            return "price is not a positive integer"
        return ""

    def _problem_with_request(self, request: RequestQuote) -> str:
        if not _is_positive(request.qty_lots) or not _is_positive(request.ttl_ns):
            return "quantity or time to live is not a positive integer"
        if not request.dealer_ids or len(set(request.dealer_ids)) != len(request.dealer_ids):
            return "no dealer is asked, or one twice"
        return "" if set(request.dealer_ids) <= set(self._ctx.dealers) else "asks somebody who is no dealer"

    def _problem_with_quote(self, answer: SubmitQuote) -> str:
        request = self.requests.get(answer.rfq_id)
        if request is None:
            return "quotes what it was not asked"
        bid, ask = answer.bid_ticks, answer.ask_ticks
        if not all(type(price) is int and price >= 0 for price in (bid, ask)) or not _is_positive(answer.ttl_ns):
            return "prices or time to live are not integers, or negative"
        if not (bid or ask) or (bid and ask and bid >= ask):
            return "no price, or a bid that is not below the ask"
        missing = (request.side == Side.BUY and not ask) or (request.side == Side.SELL and not bid)
        return "does not quote the side asked for" if missing else ""

    def _problem_with_deal(self, deal: AcceptQuote) -> str:
        quote = self._quotes.get(deal.quote_id)
        if quote is None:
            return "accepts a quote that it never had"
        price = quote.ask_ticks if deal.side is Side.BUY else quote.bid_ticks
        return "" if price else "accepts a side that was not quoted"


def _problem_with_order(order: NewOrder) -> str:
    if not isinstance(order.side, Side):
        return "unknown side"
    if not _is_positive(order.qty_lots):
        return "quantity is not a positive integer"
    needs_price = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    if needs_price and not _is_positive(order.price_ticks):
        return "limit price is not a positive integer"
    if not needs_price and order.price_ticks != 0:
        return "an order without a limit carries a price"
    return ""


def _is_positive(value: object) -> bool:
    return type(value) is int and value > 0
