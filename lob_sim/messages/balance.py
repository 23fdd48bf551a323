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


class FundingMessage(AgentMessage, frozen=True, gc=False):
    """What a lender and a borrower tell each other: the base of the messages below.

    Attributes:
        lender_id: The lender.
        borrower_id: The borrower.
        instrument_id: The collateral, or -1 for unsecured funding.
    """

    lender_id: int
    borrower_id: int
    instrument_id: int


class HaircutChanged(FundingMessage, frozen=True, gc=False):
    """The lender's haircut on new loans, as a fraction; existing loans keep theirs until they mature."""

    dataset: ClassVar[str] = "haircut_changed"
    haircut: float


class LoanMessage(FundingMessage, frozen=True, gc=False):
    """What is said of one loan: the base of the messages below.

    Attributes:
        loan_id: The borrower's number of the loan.
        amount_cash: The part of it that is concerned.
    """

    loan_id: int
    amount_cash: Cash


class LoanRequested(LoanMessage, frozen=True, gc=False):
    """The borrower asks for a new loan; it is answered by :class:`LoanBorrowed` or :class:`LoanRefused`.

    Attributes:
        haircut: What the lender has last said that it asks, as a fraction.
    """

    dataset: ClassVar[str] = "loan_requested"
    haircut: float


class LoanBorrowed(LoanMessage, frozen=True, gc=False):
    """A new loan: granted by the lender on request, or drawn by the borrower.

    Attributes:
        haircut: Haircut until it matures, as a fraction.
        maturity_ns: When it ends.
    """

    dataset: ClassVar[str] = "loan_borrowed"
    haircut: float
    maturity_ns: Ns


class LoanRolled(LoanMessage, frozen=True, gc=False):
    """A loan that has matured goes on, with a new haircut and maturity.

    Attributes:
        haircut: Haircut until it matures, as a fraction.
        maturity_ns: When it ends.
    """

    dataset: ClassVar[str] = "loan_rolled"
    haircut: float
    maturity_ns: Ns


class LoanRefused(LoanMessage, frozen=True, gc=False):
    """The lender does not roll so much of a maturing loan; or (amount 0) it does not grant one that was asked for."""

    dataset: ClassVar[str] = "loan_refused"


class LoanRepaid(LoanMessage, frozen=True, gc=False):
    """The borrower repays a loan, or a part of it."""

    dataset: ClassVar[str] = "loan_repaid"


class MarginCalled(LoanMessage, frozen=True, gc=False):
    """Collateral no longer carries the loan at its haircut: so much must be paid in or pledged for."""

    dataset: ClassVar[str] = "margin_called"


class CollateralPledged(LoanMessage, frozen=True, gc=False):
    """A margin call is met with more collateral; the amount is the loan that it carries."""

    dataset: ClassVar[str] = "collateral_pledged"


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


class MarginSettled(Event, frozen=True, gc=False):
    """Margin of an agent's swaps and futures moves in cash.

    Attributes:
        agent_id: Whose.
        variation_cash: Variation margin received or, negative, paid.
        initial_cash: Initial margin posted more or, negative, returned.
        posted_cash: Initial margin that is posted now.
        lacking_cash: What its cash did not cover, and is due.
    """

    dataset: ClassVar[str] = "margin_settled"
    agent_id: int
    variation_cash: Cash
    initial_cash: Cash
    posted_cash: Cash
    lacking_cash: Cash


class CapitalCalled(Event, frozen=True, gc=False):
    """A fund calls its sponsor for capital.

    Attributes:
        agent_id: The fund.
        amount_cash: How much.
        arrives_ns: When it will have come.
    """

    dataset: ClassVar[str] = "capital_called"
    agent_id: int
    amount_cash: Cash
    arrives_ns: Ns


class CapitalReceived(Event, frozen=True, gc=False):
    """A sponsor's capital has come."""

    dataset: ClassVar[str] = "capital_received"
    agent_id: int
    amount_cash: Cash


class CounterpartyFailed(AgentMessage, frozen=True, gc=False):
    """A failed agent's counterparty in swaps, or a surviving member of its central counterparty, is told what it loses.

    Attributes:
        agent_id: Who has failed.
        to_id: Who is told.
        loss_cash: What the failed agent's margin does not cover of the claim on it or, of a member, what its
            contribution to the default fund bears.
        assessed_cash: What a member must pay beyond that.
    """

    dataset: ClassVar[str] = "counterparty_failed"
    agent_id: int
    to_id: int
    loss_cash: Cash
    assessed_cash: Cash


class DefaultWaterfall(Event, frozen=True, gc=False):
    """How a central counterparty bears the loss that a failed member's margin does not cover.

    Attributes:
        agent_id: The member.
        loss_cash: The loss.
        defaulter_cash: Borne by its own contribution to the default fund.
        own_capital_cash: By the central counterparty's capital.
        contributions_cash: By the survivors' contributions.
        assessed_cash: By what survivors pay beyond.
        uncovered_cash: By nobody in the market.
    """

    dataset: ClassVar[str] = "default_waterfall"
    agent_id: int
    loss_cash: Cash
    defaulter_cash: Cash
    own_capital_cash: Cash
    contributions_cash: Cash
    assessed_cash: Cash
    uncovered_cash: Cash


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
