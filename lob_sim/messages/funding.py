"""Funding: loans against collateral, and what investors and sponsors take out or pay in."""

from __future__ import annotations

from typing import ClassVar

from lob_sim.messages.base import AgentMessage, Event
from lob_sim.units import Cash, Ns


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
