"""A dealer on terms that somebody outside sets, a learning agent for one."""

from __future__ import annotations

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import (
    BeliefPart,
    Dealer,
    FormulaQuotes,
    LikeLit,
    LitPolicy,
    LitPolicyPart,
    Quotes,
    RfqPolicyPart,
    Situation,
    part,
)
from lob_sim.messages import DeclineReason, RfqOpened
from lob_sim.units import Lots

from .fixed_spread import TapeAverage


class Terms(msgspec.Struct, frozen=True):
    """On what terms a driven dealer deals in one instrument.

    Attributes:
        half_spread_ticks: Distance of each quote from the leaning mid estimate.
        skew_ticks_per_lot: How far both quotes move down for each lot held long.
        size_lots: Size of each quote in the lit book.
        stays: Whether it quotes at all; else it leaves the book and declines requests.
    """

    half_spread_ticks: float
    skew_ticks_per_lot: float
    size_lots: Lots
    stays: bool = True


_AWAY = Terms(1.0, 0.0, 0, stays=False)


class DrivenQuotes(FormulaQuotes):
    """A constant spread around the believed value, leaning against inventory, on terms that come from outside.

    Source: that of :class:`strategies.fixed_spread.FixedSpread`, whose quotes these are on constant terms.
    """

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.terms: dict[int, Terms] = {}

    def terms_of(self, instrument_id: int) -> Terms:
        """The terms that hold now; away before any are set."""
        return self.terms.get(instrument_id, _AWAY)

    def set_terms(
        self, instrument_id: int, half_spread_ticks: float, skew_ticks_per_lot: float, size_lots: Lots, stays: bool
    ) -> None:
        """Deal on these :class:`Terms` from the dealer's next look at the market on."""
        self.terms[instrument_id] = Terms(half_spread_ticks, skew_ticks_per_lot, size_lots, stays)

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """The same distance on either side."""
        terms = self.terms_of(situation.instrument_id)
        centre = situation.belief.mean_ticks - terms.skew_ticks_per_lot * situation.held_lots(ctx)
        return centre - terms.half_spread_ticks, centre + terms.half_spread_ticks

    def quotes(self, ctx: Context, situation: Situation) -> Quotes | None:
        """Of the size that the terms say; nothing while away."""
        terms = self.terms_of(situation.instrument_id)
        if not terms.stays:
            return None
        return self.prices(ctx, msgspec.structs.replace(situation, qty_lots=terms.size_lots))


class DrivenAnswers(LikeLit):
    """Answers with the prices of the lit policy, and declines while away.

    Source: that of :class:`lob_sim.agents.dealer.rfq_policy.LikeLit`.
    """

    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        """The sides that were asked for and that capacity allows."""
        if isinstance(lit, DrivenQuotes) and not lit.terms_of(request.instrument_id).stays:
            return DeclineReason.NO_INTEREST
        return super().answer(ctx, request, situation, lit)


class DrivenDealer(Dealer):
    """A dealer on terms that come from outside: spread, lean, size, and whether it stays. Without any it stays away.

    Source: Demsetz (1968), "The Cost of Transacting", as the fixed-spread dealer; the terms are somebody else's.
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        belief: BeliefPart = part(TapeAverage)
        lit_policy: LitPolicyPart = part(DrivenQuotes)
        rfq_policy: RfqPolicyPart = part(DrivenAnswers)

    params: Params
    is_outside = True
