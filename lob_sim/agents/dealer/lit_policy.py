"""What a dealer shows in the lit book."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil, floor
from typing import ClassVar

from lob_sim.agents.context import Context
from lob_sim.agents.dealer.policy import Policy
from lob_sim.agents.dealer.quotes import Quotes, Situation, quotes_outwards
from lob_sim.units import NEVER_NS, Ns


class LitPolicy(Policy, ABC):
    """The seam. A policy prices; whether the dealer quotes at all is its choice too.

    The dealer cuts what a policy wants to what its inventory policy allows, moves it behind what others display, and
    sends the orders.

    Attributes:
        is_lit: Whether it ever quotes; a dealer that does not has no need to look at the market.
    """

    is_lit: ClassVar[bool] = True

    @abstractmethod
    def prices(self, ctx: Context, situation: Situation) -> Quotes:
        """Bid and ask of ``situation.qty_lots`` for the present time and inventory, before any look at the competition.

        Changes nothing: a dealer may ask for prices that it does not show.
        """

    def quotes(self, ctx: Context, situation: Situation) -> Quotes | None:
        """What to show now; ``None`` to be away from the book. The place to decide and to log why."""
        return self.prices(ctx, situation)

    def stands_until_ns(self, ctx: Context, instrument_id: int) -> Ns:
        """When time alone may change what :meth:`quotes` decided last, all else being equal; by default never.

        A dealer with a ``requote_tolerance`` asks again then, whether or not anything else has changed.
        """
        return NEVER_NS


class FormulaQuotes(LitPolicy):
    """A policy whose prices are real numbers that a formula gives; they are rounded outwards."""

    @abstractmethod
    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """Bid and ask in ticks, before rounding."""

    def prices(self, ctx: Context, situation: Situation) -> Quotes:
        """What the formula says, no better than that."""
        return quotes_outwards(*self.formula(ctx, situation), situation.qty_lots)


class NoLitQuotes(LitPolicy):
    """Never quotes in the lit book; asked for prices, it gives those next to what it believes.

    Source: a choice of this program.
    """

    is_lit = False

    def prices(self, ctx: Context, situation: Situation) -> Quotes:
        """A tick apart, or two."""
        mean = situation.belief.mean_ticks
        return Quotes(ceil(mean) - 1, situation.qty_lots, floor(mean) + 1, situation.qty_lots)

    def quotes(self, ctx: Context, situation: Situation) -> Quotes | None:
        """Nothing."""
        return None
