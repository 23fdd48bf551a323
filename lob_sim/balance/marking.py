"""What an agent believes that its positions are worth, from the best evidence that it can see.

The hierarchy: a fresh two-sided lit mid; a fresh lit trade; a fresh RFQ print that the transparency regime
lets it see; its own belief. A mark that no lit market supports carries the prudent valuation adjustment of
CRR Article 105 and Delegated Regulation (EU) 2016/101: the price that the holder is 90% sure to get. So a
dark market costs capital.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from statistics import NormalDist
from typing import Annotated

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.messages import MarkSource
from lob_sim.units import NS_PER_S, Duration, Ns, Ticks


class MarketView(msgspec.Struct, gc=False):
    """What one agent can see of one instrument now. Prices in ticks, 0 where there is none; ages from now.

    Attributes:
        mid_ticks: Middle of the last two-sided lit quote that it saw, may be half a tick; 0 if never.
        mid_age_ns: Since that quote stood; 0 while it stands.
        trade_ticks: Last lit trade.
        trade_age_ns: Since that trade.
        print_ticks: Last RFQ trade that it can see, its own or printed.
        print_age_ns: Since that trade was dealt.
        belief_ticks: Mean of its belief about fair value.
        belief_sd_ticks: Standard deviation of that belief.
        quote_sd_ticks: Standard deviation of recent RFQ quotes that it has seen; 0 with fewer than two.
        spread_ticks: Width of the quote behind ``mid_ticks``.
    """

    mid_ticks: float
    mid_age_ns: Ns
    trade_ticks: Ticks
    trade_age_ns: Ns
    print_ticks: Ticks
    print_age_ns: Ns
    belief_ticks: float
    belief_sd_ticks: float
    quote_sd_ticks: float = 0.0
    spread_ticks: Ticks = 0


class Mark(msgspec.Struct, frozen=True, gc=False):
    """A mark in whole ticks, its source, and the prudent adjustment per lot held (0 when lit)."""

    price_ticks: Ticks
    source: MarkSource
    adjustment_ticks: Ticks


class MarkingPolicy(ABC):
    """The seam: a pure function from what an agent sees to its mark. A user's own overrides :meth:`mark`.

    Args:
        params: An instance of the class's own ``Params``.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy; a subclass declares its own."""

    def __init__(self, params: msgspec.Struct) -> None:
        self.params = checked(params, "marking")

    @abstractmethod
    def mark(self, view: MarketView) -> Mark:
        """The mark of one lot."""

    def lit_mark(self, mid_ticks: float, spread_ticks: Ticks) -> Mark | None:
        """The mark where the two-sided lit quote that stands now decides it, whatever else is known.

        Dealers mark every second, and in a lit market nothing else need be looked up. It must be what :meth:`mark`
        says of any view with this quote at age 0.

        Args:
            mid_ticks: Middle of the quote, positive.
            spread_ticks: Its width.

        Returns:
            None where :meth:`mark` must be asked; always, unless overridden.
        """
        return None


class HierarchyMarking(MarkingPolicy):
    """Lit mid, lit trade, RFQ print, belief; the last two at a prudent discount.

    The uncertainty behind the discount is the larger of the agent's own and the dispersion of the quotes that
    it has been shown: two estimates of one thing, not two risks to be added.

    Source: Regulation (EU) No 575/2013 (CRR), Articles 34 and 105, and Delegated Regulation (EU) 2016/101; the order
    of the evidence is that of IFRS 13.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            lit_fresh: How long a lit quote or trade counts as fresh.
            max_spread (fraction): Widest lit quote, as a fraction of its mid, whose mid is evidence: between distant
                quotes a mid says little.
            print_fresh: How long an RFQ print does.
            confidence (probability): How sure to be of getting the prudent price, one-sided, from 0.5 to below 1.
            prudent: Whether the adjustment is made at all.
        """

        lit_fresh: Duration = NS_PER_S
        max_spread: Annotated[float, msgspec.Meta(gt=0)] = 1.0
        print_fresh: Duration = 60 * NS_PER_S
        confidence: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.9
        prudent: bool = True

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._lit_fresh_ns = params.lit_fresh
        self._max_spread = params.max_spread
        self._print_fresh_ns = params.print_fresh
        self._z = NormalDist().inv_cdf(params.confidence) if params.prudent else 0.0

    def lit_mark(self, mid_ticks: float, spread_ticks: Ticks) -> Mark | None:
        """The mid of a quote that is close enough."""
        if spread_ticks > self._max_spread * mid_ticks:
            return None
        return Mark(round(mid_ticks) or 1, MarkSource.LIT_MID, 0)

    def mark(self, view: MarketView) -> Mark:
        """The best evidence there is; half ticks round to the even tick, and a mark is at least one tick."""
        if view.mid_ticks > 0 and view.mid_age_ns <= self._lit_fresh_ns:
            lit = self.lit_mark(view.mid_ticks, view.spread_ticks)
            if lit is not None:
                return lit
        if view.trade_ticks > 0 and view.trade_age_ns <= self._lit_fresh_ns:
            return Mark(view.trade_ticks, MarkSource.LIT_TRADE, 0)
        if view.print_ticks > 0 and view.print_age_ns <= self._print_fresh_ns:
            price, source = view.print_ticks, MarkSource.RFQ_PRINT
        else:
            price, source = max(1, round(view.belief_ticks)), MarkSource.BELIEF
        discount = round(self._z * max(view.belief_sd_ticks, view.quote_sd_ticks))
        # A holder cannot lose more than the price.
        return Mark(price, source, min(discount, price))
