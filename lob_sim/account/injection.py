"""Commands that come from outside the simulation, said by an agent of it."""

from __future__ import annotations

import msgspec

from lob_sim.account.context import AgentContext
from lob_sim.messages import (
    AcceptQuote,
    AgentCommand,
    CancelOrder,
    NewOrder,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqQuoted,
    Side,
    WalkAway,
)


def say(ctx: AgentContext, command: AgentCommand) -> int:
    """Let an agent say a command as if its strategy had: through its account, with what the account itself decides.

    Args:
        ctx: The agent's.
        command: What it is to say. Its own number of the order or request and its time of sending are the account's
            business: what the command holds there is left alone.

    Returns:
        The client order id or client request id of a new order or request, 0 if pre-trade limits refused it;
        of anything else, the number that it concerns.

    Raises:
        TypeError: It is no command that an agent outside may give.
        ValueError: A field holds what no order may.
        IndexError: There is no such instrument.
    """
    if isinstance(command, NewOrder):
        given = msgspec.structs.asdict(command)
        for own in ("agent_id", "client_order_id", "ts_sent_ns"):
            del given[own]
        return ctx.place(**given)
    if isinstance(command, CancelOrder):
        ctx.cancel(command.instrument_id, command.client_order_id)
        return command.client_order_id
    if isinstance(command, ReduceOrder):
        ctx.reduce(command.instrument_id, command.client_order_id, command.qty_lots)
        return command.client_order_id
    if isinstance(command, ReplaceOrder):
        ctx.replace(command.instrument_id, command.client_order_id, command.qty_lots, command.price_ticks)
        return command.client_order_id
    if isinstance(command, RequestQuote):
        side = Side(command.side) if command.side else None
        return ctx.request_quote(
            command.instrument_id, side, command.qty_lots, command.dealer_ids, command.ttl_ns, command.parent_order_id
        )
    if isinstance(command, AcceptQuote):
        quote = RfqQuoted(ctx.now_ns, command.instrument_id, command.rfq_id, command.quote_id, ctx.agent_id, 0, 0, 0, 0)
        ctx.accept(quote, command.side)
        return command.rfq_id
    if isinstance(command, WalkAway):
        ctx.walk_away(command.instrument_id, command.rfq_id)
        return command.rfq_id
    return int(ctx.send(command))
