"""What agents believe and quote, and why they stay away."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import Event
from lob_sim.units import Cash, Ns, Ticks


class WithdrawalCause(IntEnum):
    """Why a dealer does not quote both sides of the lit book."""

    ADVERSE_SELECTION = 1
    """Too few uninformed traders would pay the spread that informed flow makes necessary, or none."""
    RISK_APPETITE = 2
    """The expected loss to informed traders is past what it accepts."""
    CAPITAL = 3
    """No headroom left under its limits."""
    FORCED_SALE = 4
    """It is selling under a constraint and posts no bids: a withdrawal, but not for fear of informed flow."""
    DEFAULT = 5


class BeliefRecord(Event, frozen=True, gc=False):
    """What an agent believes about one instrument, and how toxic it thinks the lit flow is.

    Thinned: logged when the mean has moved, or the standard deviation changed, by the fractions stated in
    :class:`lob_sim.information.belief.BeliefThinning`, and at least once in its interval.

    Attributes:
        mean_ticks: Believed fair value.
        sd_ticks: Standard deviation of the belief.
        alpha: Perceived share of informed flow on the lit book.
        volatility_ticks_per_sqrt_s: Perceived volatility of fair value.
    """

    dataset: ClassVar[str] = "belief"
    agent_id: int
    instrument_id: int
    mean_ticks: float
    sd_ticks: float
    alpha: float
    volatility_ticks_per_sqrt_s: float


class QuoteRecord(Event, frozen=True, gc=False):
    """A dealer's quote with the parts of each side's half-spread, in micro-ticks (millionths of a tick).

    On each side that is quoted, adverse + inventory + processing + rounding is the distance of the price from
    ``mean_uticks``, exactly. Rounding is what the tick grid adds, and, in the lit book, how far the price is held back
    so as not to trade with another's quote. A side that is not quoted has price and parts 0.

    Attributes:
        rfq_id: The request answered, or 0 for a quote on the lit book.
        mean_uticks: Believed fair value.
    """

    dataset: ClassVar[str] = "quote"
    agent_id: int
    instrument_id: int
    rfq_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    mean_uticks: int
    bid_adverse_uticks: int
    bid_inventory_uticks: int
    bid_processing_uticks: int
    bid_rounding_uticks: int
    ask_adverse_uticks: int
    ask_inventory_uticks: int
    ask_processing_uticks: int
    ask_rounding_uticks: int


class RetreatRecord(Event, frozen=True, gc=False):
    """A dealer left the lit book, or stays away for another cause than before.

    Attributes:
        cause: Why.
        half_spread_ticks: Half-spread it would need against elastic flow; 0 where no half-spread would do.
        share_paying: Share of uninformed traders who would pay that; 0 where the market is closed.
        expected_loss_tick_lots: Expected loss to informed traders on its quoted size.
        headroom_cash: What its free headroom under its limits lets it buy of the instrument, in cash units.
    """

    dataset: ClassVar[str] = "retreat"
    agent_id: int
    instrument_id: int
    cause: WithdrawalCause
    half_spread_ticks: float
    share_paying: float
    expected_loss_tick_lots: float
    headroom_cash: Cash


class ReturnRecord(Event, frozen=True, gc=False):
    """A dealer is back in the lit book after ``away_ns``; ``cause`` is what had kept it away last."""

    dataset: ClassVar[str] = "return"
    agent_id: int
    instrument_id: int
    cause: WithdrawalCause
    away_ns: Ns
