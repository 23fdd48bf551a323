"""What a scenario may say of what is traded: instruments, their fair values, and the venues in which they are dealt."""
# msgspec copies defaults that are empty, which the linter cannot know of a base in another file.
# ruff: noqa: RUF012

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal

import msgspec

from lob_sim.scenario.base import Name, Spec, require, require_name
from lob_sim.units import Duration


class LitSpec(Spec, frozen=True, kw_only=True):
    """Rules of an instrument's lit order book.

    Source: auctions as on most exchanges (Harris 2003, *Trading and Exchanges*); batches, Budish, Cramton and
    Shim (2015), "The High-Frequency Trading Arms Race"; bands, the limit-up/limit-down plan of the exchanges of
    the United States (2012).

    Attributes:
        opening_auction: Length of a call auction before continuous trading, every day; 0 for none.
        closing_auction: Length of a call auction at the end of every day, or of the horizon where there are no days;
            0 for none.
        batch_interval: Time between uncrossings where frequent batch auctions replace continuous trading;
            0: continuous.
        price_band: Half-width of the volatility band around the reference price, as a fraction; 0 for none.
        halt: How long a halt lasts before the re-opening auction uncrosses; no opening or batch ends it earlier.
    """

    opening_auction: Duration = 0
    closing_auction: Duration = 0
    batch_interval: Duration = 0
    price_band: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    halt: Duration = 0


class RfqSpec(Spec, frozen=True, kw_only=True):
    """Rules of an instrument's RFQ venue.

    Source: the delayed publication of bond trades by FINRA's TRACE.

    Attributes:
        transparency: Who learns of RFQ trades: nobody, everybody after a delay (as with TRACE), or at once.
        delay: The delay of delayed transparency.
    """

    transparency: Literal["none", "delayed", "immediate"] = "none"
    delay: Duration = 0


class FairValueSpec(Spec, frozen=True, kw_only=True):
    """The law of an instrument's fair value, and the public news of it.

    Source: Merton (1976), "Option Pricing When Underlying Stock Returns Are Discontinuous".

    Attributes:
        daily_volatility (log return): Standard deviation of the log return over a day: that of the calendar, night
            included, or eight hours where there is none.
        common_loading (correlation): Correlation with the factor that all instruments share; the correlation of two
            instruments is the product.
        jumps_per_day: Mean number of unscheduled jumps in a day, at most one in a millisecond.
        jump_sd (log return): Standard deviation of the log size of an unscheduled jump.
        news_interval: Mean time between public signals; 0 for no news.
        news_noise_sd (fraction): Standard deviation of a signal's error, as a fraction of the initial value.
    """

    daily_volatility: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    common_loading: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0
    jumps_per_day: Annotated[float, msgspec.Meta(ge=0, le=28_800_000)] = 0.0
    jump_sd: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    news_interval: Duration = 0
    news_noise_sd: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0

    def __post_init__(self) -> None:
        for field in ("daily_volatility", "jumps_per_day", "jump_sd", "news_noise_sd"):
            require(isfinite(getattr(self, field)), field, "a finite number", getattr(self, field))


class InstrumentSpec(Spec, frozen=True, kw_only=True):
    """One traded instrument.

    Source: a choice of this program, after the conventions of bond and share markets.

    Attributes:
        name: Stable name.
        tick_size (price points): Price of one tick, positive.
        lot_size (shares, or currency units of face value): Amount of one lot, positive.
        price_per (shares, or currency units of face value): Amount to which the price refers,
            positive: 1 for shares, 100 for bonds in percent of par.
        initial_price (price points): Fair value at the start, known to all; positive and on the tick grid.
        liquidity_rank (rank): 1 is the most liquid.
        fair_value: How the fair value moves, and what the public learns of it.
        lit: Rules of the order book.
        rfq: Rules of the RFQ venue.
    """

    name: Name
    tick_size: Decimal
    lot_size: Decimal
    price_per: Decimal = Decimal(1)
    initial_price: Decimal
    liquidity_rank: Annotated[int, msgspec.Meta(ge=1)] = 1
    fair_value: FairValueSpec = FairValueSpec()
    lit: LitSpec = LitSpec()
    rfq: RfqSpec = RfqSpec()

    def __post_init__(self) -> None:
        require_name(self.name)
        for field in ("tick_size", "lot_size", "price_per", "initial_price"):
            value = getattr(self, field)
            require(value.is_finite() and value > 0, field, "a positive number", value)


class VenueSpec(Spec, frozen=True, kw_only=True):
    """A further venue of some or all instruments, beside their lit books and requests for quote.

    Source: that of the venue.

    Attributes:
        kind: ``midpoint_cross``, or a user's own as ``"module:Class"``.
        instruments: Names of the instruments that are dealt there; none means all.
        params: Its parameters.
    """

    kind: str
    instruments: tuple[str, ...] = ()
    params: dict[str, Any] = {}
