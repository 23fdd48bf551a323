"""The simplest dealer: a constant spread around its own idea of the mid price."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import BeliefPart, Dealer, FormulaQuotes, LitPolicyPart, Situation, part
from lob_sim.information.belief import PointBelief
from lob_sim.units import Ns


class TapeAverage(PointBelief):
    """Moves a fixed part of the way towards every lit trade and every piece of news, and knows nothing of its error.

    Source: exponential smoothing; a choice of this program.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the belief.

        Attributes:
            trade_weight: Part of the way that the mid estimate moves towards a lit trade's price.
            news_weight: Part of the way that it moves towards a public signal.
        """

        trade_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
        news_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3

    params: Params

    def on_lit_print(self, ts_ns: Ns, price_ticks: float) -> None:
        """Move towards a trade."""
        self._mid += self.params.trade_weight * (price_ticks - self._mid)

    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:
        """Move towards news."""
        self._mid += self.params.news_weight * (signal_ticks - self._mid)

    def on_jump(self, change_ticks: float, noise_sd_ticks: float) -> None:
        """Move as far as value is said to have moved."""
        self._mid += change_ticks


class FixedSpread(FormulaQuotes):
    """Quotes a constant spread around the believed value, leaning against its inventory.

    Source: Demsetz (1968), "The Cost of Transacting" (the spread as the price of immediacy); the lean is the
    linear special case of Amihud and Mendelson (1980), "Dealership Market".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            half_spread_ticks: Distance of each quote from the leaning mid estimate.
            skew_ticks_per_lot: How far both quotes move down for each lot held long.
        """

        half_spread_ticks: Annotated[int, msgspec.Meta(ge=1)] = 2
        skew_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 0.02

    params: Params

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """The same distance on either side."""
        p = self.params
        inventory = situation.held_lots(ctx)
        centre = situation.belief.mean_ticks - p.skew_ticks_per_lot * inventory
        return centre - p.half_spread_ticks, centre + p.half_spread_ticks


class FixedSpreadDealer(Dealer):
    """Quotes a constant spread around its mid estimate, leaning against its inventory.

    The mid estimate moves a fixed part of the way towards every lit trade and every piece of news.

    Source: Demsetz (1968), "The Cost of Transacting" (the spread as the price of immediacy); the lean is the
    linear special case of Amihud and Mendelson (1980), "Dealership Market".
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        belief: BeliefPart = part(TapeAverage)
        lit_policy: LitPolicyPart = part(FixedSpread)

    params: Params
