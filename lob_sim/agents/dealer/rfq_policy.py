"""What a dealer answers when it is asked for a quote."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lob_sim.agents.context import Context
from lob_sim.agents.dealer.lit_policy import LitPolicy
from lob_sim.agents.dealer.policy import Policy
from lob_sim.agents.dealer.quotes import Quotes, Situation
from lob_sim.messages import DeclineReason, RfqDeclined, RfqOpened, Side


class RfqPolicy(Policy, ABC):
    """The seam: a price for this client, or a refusal."""

    @abstractmethod
    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        """Answer one request in an instrument that the dealer deals in.

        Args:
            ctx: The dealer's context.
            request: Who asks, for what; its side is the asker's.
            situation: The size asked for, and the toxicity of the asker's class.
            lit: The dealer's lit policy, for those who answer with its prices.

        Returns:
            Firm quotes, without lots on a side that is not quoted; or why there are none.
        """

    # --- hooks: all optional ------------------------------------------------------------------------------------
    def on_request(self, ctx: Context, request: RfqOpened) -> None:
        """Somebody asks, in whatever instrument: evidence of what he is about."""

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """Another dealer declined a request of this one."""


class LikeLit(RfqPolicy):
    """Answers with the prices of the lit policy, for the size asked for and the toxicity of the asker's class.

    Source: pricing by what is known of the counterparty, Glosten and Milgrom (1985) with the class's own share of
    informed flow.
    """

    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        """The sides that were asked for and that capacity allows."""
        may_buy, may_sell = situation.inventory.capacity(ctx, request.instrument_id)
        bid = request.side != Side.BUY and request.qty_lots <= may_buy
        ask = request.side != Side.SELL and request.qty_lots <= may_sell
        if not (bid or ask):
            return DeclineReason.CAPACITY
        quotes = lit.prices(ctx, situation)
        if not ask and quotes.bid_ticks <= 0:  # a price at which nobody can deal
            return DeclineReason.CAPACITY
        return quotes.on_sides(bid and quotes.bid_ticks > 0, ask)
