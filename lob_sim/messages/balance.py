"""Balance sheets: what changes them, what breaches their limits, and what is done about it."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import Event
from lob_sim.units import Cash, Lots, Ticks


class SheetCause(IntEnum):
    """Why a balance sheet changed."""

    OPENING = 1
    BUY = 2
    SELL = 3
    MARK = 4
    """A new mark or a new prudent valuation adjustment."""
    BORROWED = 5
    REPAID = 6
    DUE = 7
    """Lenders refuse to roll: funding moved to what must be repaid now."""
    REDEMPTION = 9
    DEFAULT = 10
    """Losses of a defaulted borrower or of a resolution."""
    CLOSE = 11
    """Nothing: the sheet as a day ends, at its closing marks."""
    MARGIN = 12
    """Derivatives are marked at their settlement prices, or settled."""
    CAPITAL = 13
    """A sponsor has paid capital in."""


class MarkSource(IntEnum):
    """Where a mark comes from, best first."""

    LIT_MID = 1
    LIT_TRADE = 2
    RFQ_PRINT = 3
    BELIEF = 4


class ParentEnd(IntEnum):
    """Why a parent order ended."""

    DONE = 1
    NO_LONGER_NEEDED = 2
    """Limits are met without it: prices recovered, or funding came back."""
    NOTHING_LEFT = 3
    DEFAULTED = 4


class BalanceSheetRecord(Event, frozen=True, gc=False):
    """A balance sheet after a change, in cash units.

    Assets (cash, inventory, other) equal liabilities (short-term funding with what is due, repo, securities
    sold short) plus the prudent valuation adjustment plus Tier 1, exactly.

    Attributes:
        agent_id: Whose.
        cause: What changed it.
        instrument_id: The instrument concerned, or -1.
        cash: Cash and reserves.
        inventory_cash: Long positions at their marks.
        short_cash: Short positions at their marks, as a positive number.
        other_assets_cash: Assets that are not traded here.
        short_term_cash: Deposits and short-term funding, without what is due.
        due_cash: Funding that lenders have refused to roll and that must be repaid now.
        repo_cash: Secured loans against inventory.
        adjustment_cash: Prudent valuation adjustment, a deduction from Tier 1.
        tier1_cash: Tier 1 capital.
    """

    dataset: ClassVar[str] = "balance_sheet"
    agent_id: int
    cause: SheetCause
    instrument_id: int
    cash: Cash
    inventory_cash: Cash
    short_cash: Cash
    other_assets_cash: Cash
    short_term_cash: Cash
    due_cash: Cash
    repo_cash: Cash
    adjustment_cash: Cash
    tier1_cash: Cash


class MarkRecord(Event, frozen=True, gc=False):
    """An agent's mark of one instrument; ``adjustment_ticks`` is the prudent adjustment per lot (lit: 0)."""

    dataset: ClassVar[str] = "mark"
    agent_id: int
    instrument_id: int
    price_ticks: Ticks
    adjustment_ticks: Ticks
    source: MarkSource
    lots: Lots


class HeadroomRecord(Event, frozen=True, gc=False):
    """How far a balance sheet is from one of its limits, whenever that has changed.

    A row holds until the next one of the same agent and constraint. The sheet it speaks of is the one at that moment,
    between two rows of ``balance_sheet``.

    Attributes:
        agent_id: Whose limit.
        constraint: The constraint's name; of two of one name the tighter counts.
        headroom_cash: Headroom in whole cash units, negative when the limit is breached;
            :data:`~lob_sim.units.MOST_CASH` where nothing is limited.
    """

    dataset: ClassVar[str] = "headroom"
    agent_id: int
    constraint: str
    headroom_cash: Cash


class PositionRecord(Event, frozen=True, gc=False):
    """One instrument on a balance sheet: at the opening, and whenever lots, loan or lots to be sold have changed.

    Over all instruments ``repo_cash`` adds up to that of ``balance_sheet``, and the value of the lots at their marks
    to inventory less short positions. A later mark is in the dataset ``mark``.

    Attributes:
        agent_id: Whose.
        instrument_id: The instrument.
        lots: Position, signed.
        price_ticks: Its mark.
        adjustment_ticks: Prudent valuation adjustment per lot.
        repo_cash: Loans against it.
        forced_lots: Lots that parent orders still have to sell.
    """

    dataset: ClassVar[str] = "position"
    agent_id: int
    instrument_id: int
    lots: Lots
    price_ticks: Ticks
    adjustment_ticks: Ticks
    repo_cash: Cash
    forced_lots: Lots


class ConstraintBreached(Event, frozen=True, gc=False):
    """A constraint has started to bind: its headroom is negative.

    Attributes:
        agent_id: Whose constraint.
        constraint: The constraint's name.
        headroom_cash: Headroom in cash units, negative.
        required_cash: Value that must be shed to restore it.
    """

    dataset: ClassVar[str] = "constraint_breached"
    agent_id: int
    constraint: str
    headroom_cash: Cash
    required_cash: Cash


class ConstraintCured(Event, frozen=True, gc=False):
    """A constraint that was breached has headroom again."""

    dataset: ClassVar[str] = "constraint_cured"
    agent_id: int
    constraint: str
    headroom_cash: Cash


class ParentOrderOpened(Event, frozen=True, gc=False):
    """A forced sale begins; ``reasons`` names the breached constraints, joined by ``+``."""

    dataset: ClassVar[str] = "parent_order_opened"
    agent_id: int
    instrument_id: int
    parent_order_id: int
    qty_lots: Lots
    reasons: str


class ParentOrderChanged(Event, frozen=True, gc=False):
    """The quantity still to be sold of a parent order was set anew."""

    dataset: ClassVar[str] = "parent_order_changed"
    agent_id: int
    instrument_id: int
    parent_order_id: int
    leaves_qty_lots: Lots
    reasons: str


class ParentOrderClosed(Event, frozen=True, gc=False):
    """A parent order ended; ``leaves_qty_lots`` were not sold."""

    dataset: ClassVar[str] = "parent_order_closed"
    agent_id: int
    instrument_id: int
    parent_order_id: int
    leaves_qty_lots: Lots
    end: ParentEnd


class DealerDefaulted(Event, frozen=True, gc=False):
    """Tier 1 is zero or less: the dealer stops quoting and its book is liquidated."""

    dataset: ClassVar[str] = "dealer_defaulted"
    agent_id: int
    tier1_cash: Cash
    assets_cash: Cash
    liabilities_cash: Cash


class LossAttributed(Event, frozen=True, gc=False):
    """Part of a resolved dealer's loss, by who bears it.

    Attributes:
        agent_id: The defaulted dealer.
        bearer: ``shareholders``, ``repo_lenders`` or ``short_term_creditors``.
        instrument_id: The collateral, for repo lenders, else -1.
        loss_cash: The loss, positive.
    """

    dataset: ClassVar[str] = "loss_attributed"
    agent_id: int
    bearer: str
    instrument_id: int
    loss_cash: Cash
