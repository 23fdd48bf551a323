"""What a scenario may say of swaps and futures, of who clears them, and of who stands behind a leveraged fund."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from lob_sim.scenario.base import Spec, require
from lob_sim.units import Duration


class DerivativeSpec(Spec, frozen=True, kw_only=True):
    """A swap or a future on an instrument, with a clearing house outside the market.

    It settles at fair value, whatever is paid for the instrument itself in a hurry. Gains and losses are in Tier 1 at
    once, and in cash at the next settlement.

    Source: Murphy, Vasios and Vause (2014), "An investigation into the procyclicality of risk-based initial margin
    models", Bank of England Financial Stability Paper 29.

    Attributes:
        instrument: What its price follows; at most one derivative on each.
        amount (shares, or currency units of face value): Exposure, signed: above 0 it gains when the price rises (a
            swap that receives fixed, a future bought), below 0 when it falls.
        initial_margin (fraction): Initial margin in calm, as a share of its value, paid out of the group's cash.
        per_volatility (1/return): Rate of initial margin added per unit of the holder's measured volatility above the
            reference.
        reference_volatility (return): Volatility in calm, per interval of the holder's estimator.
        maximum_margin (fraction): Largest rate.
        hedge_ratio (lots per lot): Lots that it changes by with each lot of the instrument that is bought, the opposite
            with each that is sold: -1 of a future sold against a bond; 0 where it stays what it is.
    """

    instrument: str
    amount: Decimal
    initial_margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    per_volatility: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    reference_volatility: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    maximum_margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    hedge_ratio: Annotated[float, msgspec.Meta(ge=-10, le=10)] = 0.0

    def __post_init__(self) -> None:
        require(self.amount.is_finite(), "amount", "a finite number", self.amount)
        require(
            self.initial_margin <= self.maximum_margin, "initial_margin", "at most maximum_margin", self.initial_margin
        )


class SponsorSpec(Spec, frozen=True, kw_only=True):
    """Who pays capital into a leveraged fund when its leverage is high: the pension scheme behind an LDI fund.

    Source: Bank of England (2022), *Financial Stability Report*, December, section 5: pooled funds could not call
    capital from their schemes as fast as they lost it; Pinter, Siriwardane and Walker (2024), "Fire sales of safe
    assets", Bank of England Staff Working Paper 1089.

    Attributes:
        leverage (exposure over Tier 1): Exposure, by bonds and derivatives, over net assets above which capital is
            called.
        target_leverage (exposure over Tier 1): What the capital is to restore; at most that.
        lag: How long it takes to come; where there is a calendar and it is a day or more, at an open.
        most (currency units): The most that comes in all.
    """

    leverage: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    target_leverage: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    lag: Annotated[Duration, msgspec.Meta(gt=0)] = 3_600_000_000_000
    most: Annotated[float, msgspec.Meta(ge=0, le=1e15)] = 1e15

    def __post_init__(self) -> None:
        require(self.target_leverage <= self.leverage, "target_leverage", "at most leverage", self.target_leverage)


class SwapSpec(Spec, frozen=True, kw_only=True):
    """A swap between two agents with balance sheets, marked, settled and margined as their other derivatives are.

    Source: a choice of this program, after interest-rate swaps under margin requirements for non-centrally cleared
    derivatives (BCBS-IOSCO 2015).

    Attributes:
        instrument: What its price follows.
        long: Name of the agent that gains when the price rises, as ``"dealer_a-1"``.
        short: Name of the agent that gains when it falls.
        amount (shares, or currency units of face value): How much, positive.
        initial_margin (fraction): Initial margin in calm, as a share of its value, that each posts with the other or
            with the central counterparty; the same for all swaps on an instrument, as the following are.
        per_volatility (1/return): Rate of initial margin added per unit of the holder's measured volatility above the
            reference.
        reference_volatility (return): Volatility in calm, per interval of the holder's estimator.
        maximum_margin (fraction): Largest rate.
    """

    instrument: str
    long: str
    short: str
    amount: Decimal
    initial_margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    per_volatility: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    reference_volatility: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    maximum_margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0

    def __post_init__(self) -> None:
        require(self.amount.is_finite() and self.amount > 0, "amount", "a positive number", self.amount)
        require(self.long != self.short, "short", "another agent than the long one", self.short)
        require(
            self.initial_margin <= self.maximum_margin, "initial_margin", "at most maximum_margin", self.initial_margin
        )

    @property
    def margin(self) -> tuple[float, float, float, float]:
        """Its margin's parameters."""
        return self.initial_margin, self.per_volatility, self.reference_volatility, self.maximum_margin


class ClearingSpec(Spec, frozen=True, kw_only=True):
    """A central counterparty that steps into every swap between agents.

    Each member has one net position for each instrument, and margin on that alone. A failed member's loss beyond its
    margin is borne by its contribution to the default fund, the central counterparty's capital, the survivors'
    contributions, and what they may be asked for beyond; by survivors in proportion.

    Source: Duffie and Zhu (2011), "Does a central clearing counterparty reduce counterparty risk?"; CPMI-IOSCO (2014),
    *Recovery of financial market infrastructures*.

    Attributes:
        default_fund (fraction): Contribution of each member, as a share of its initial margin at the opening.
        own_capital (currency units): The central counterparty's capital in the waterfall.
        assessment (factor): The most that a survivor may be asked for beyond its contribution, as a multiple of that.
    """

    default_fund: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1
    own_capital: Annotated[float, msgspec.Meta(ge=0, le=1e15)] = 0.0
    assessment: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0
