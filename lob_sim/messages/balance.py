"""Balance sheets: what changes them, what breaches their limits, and what is done about it."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import AgentMessage, Event
from lob_sim.units import Cash, Lots, Ns, Ticks


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


class MarkSource(IntEnum):
    """Where a mark comes from, best first."""

    LIT_MID = 1
    LIT_TRADE = 2
    RFQ_PRINT = 3
    BELIEF = 4


class FundingKind(IntEnum):
    """What happened between a lender and a borrower."""

    BORROWED = 1
    ROLLED = 2
    REFUSED = 3
    """The lender does not roll: the amount is due."""
    REPAID = 4
    MARGIN_CALL = 5
    """Collateral no longer carries the loan at its haircut: the amount must be paid in."""
    HAIRCUT_CHANGED = 6
    """What new loans will bear; existing ones keep theirs until they mature."""
    PLEDGED = 7
    """A margin call is met with more collateral: the amount is the loan that it carries."""
    REQUESTED = 8
    """The borrower asks for a new loan; the answer is a loan (``BORROWED``) or ``REFUSED``."""


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


class FundingEvent(AgentMessage, frozen=True, gc=False):
    """Something between a lender and a borrower.

    Attributes:
        lender_id: The lender, or -1 for the unnamed lenders of short-term funding.
        agent_id: The borrower.
        instrument_id: The collateral, or -1 for unsecured funding.
        kind: What happened.
        amount_cash: The loan or payment concerned, 0 where none is.
        haircut: Haircut that applies from now on, as a fraction.
        maturity_ns: When the loan concerned ends, else 0.
        loan_id: The borrower's number of the loan concerned, or 0.
    """

    dataset: ClassVar[str] = "funding"
    lender_id: int
    agent_id: int
    instrument_id: int
    kind: FundingKind
    amount_cash: Cash
    haircut: float
    maturity_ns: Ns
    loan_id: int = 0


class SheetDisclosed(AgentMessage, frozen=True, gc=False):
    """A borrower tells a lender how leveraged it is: total assets and Tier 1, in cash units."""

    dataset: ClassVar[str] = "sheet_disclosed"
    agent_id: int
    lender_id: int
    assets_cash: Cash
    tier1_cash: Cash


class Redemption(Event, frozen=True, gc=False):
    """Investors of a fund ask for their money back.

    Attributes:
        agent_id: The fund.
        nav_cash: Net asset value when they ask.
        redeemed_cash: What they are owed, after any swing.
        from_buffer_cash: The part paid at once from cash.
        to_raise_cash: The part for which assets must be sold.
    """

    dataset: ClassVar[str] = "redemption"
    agent_id: int
    nav_cash: Cash
    redeemed_cash: Cash
    from_buffer_cash: Cash
    to_raise_cash: Cash


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
