"""Every message of the market: commands go in, events come out. This module is the one home of the log schema.

A message is an immutable record of integers. Fields carry their unit last in the name. The log keeps one
dataset per message type, with a column per field and what the recorder adds: ``seq``, strictly increasing over
the whole run and the only ordering authority; for commands ``ts_event_ns``, the venue's time of arrival; for
events ``cause_seq``, the command that caused them.

Names follow FIX and ITCH usage: ``order_id`` is the venue's, ``client_order_id`` the agent's; both are
counters. ``Trade.aggressor_side`` is the side of the incoming order (LOBSTER's direction is the resting side).
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

import msgspec

from lob_sim.units import Cash, Lots, Ns, Ticks


class Side(IntEnum):
    """Side of an order; as a number, the sign of the change in the owner's position."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(IntEnum):
    """What an order waits for, and at what price it may trade."""

    LIMIT = 0
    MARKET = 1
    STOP = 2
    """Becomes a market order once a trade prints at the stop price or beyond."""
    STOP_LIMIT = 3


class TimeInForce(IntEnum):
    """How long an order lives."""

    GTC = 0
    IOC = 1
    FOK = 2


class SelfTradePrevention(IntEnum):
    """What happens when an incoming order meets an order of the same agent; the incoming order's mode rules."""

    NONE = 0
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3
    DECREMENT = 4
    """Both lose the smaller of the two open quantities, without a trade."""


class Phase(IntEnum):
    """Trading phase of one instrument's book."""

    CLOSED = 0
    """Orders rest from before; nothing is accepted but cancels."""
    AUCTION = 1
    """Orders are collected, the book may cross; leaving the phase uncrosses it at one price."""
    CONTINUOUS = 2
    HALTED = 3
    """A volatility halt: like an auction; the re-opening uncrosses."""


class RejectReason(IntEnum):
    """Why a command was refused; a refused command has no other effect."""

    INVALID_QTY = 1
    INVALID_PRICE = 2
    OFF_GRID = 3
    WOULD_TRADE = 4
    DUPLICATE_ID = 5
    UNKNOWN_ORDER = 6
    NOT_OWNER = 7
    INVALID_SIDE = 8
    SESSION_CLOSED = 9
    INVALID_FIELDS = 10
    """A combination of fields that no order may have, for example a hidden iceberg or a post-only market order."""
    UNKNOWN_RFQ = 11
    UNKNOWN_QUOTE = 12
    NOT_ASKED = 13
    UNKNOWN_DEALER = 14
    QUOTE_IS_FIRM = 15
    """A dealer cannot decline while its own quote stands."""


class CancelReason(IntEnum):
    """Why an order left the book, or an incoming order's rest was not kept, without trading."""

    BY_OWNER = 1
    IOC_REMAINDER = 2
    MARKET_REMAINDER = 3
    FOK_NOT_FILLED = 4
    SELF_TRADE = 5
    SESSION_CLOSED = 6


class Message(msgspec.Struct, frozen=True, gc=False):
    """The root of everything that can be on the log.

    ``dataset`` is the name of the message type's dataset in a run directory.
    """

    dataset: ClassVar[str] = ""


# --- commands to the lit book ------------------------------------------------------------------------------


class Command(Message, frozen=True, gc=False):
    """Something an agent asks of a venue."""


class NewOrder(Command, frozen=True, gc=False):
    """Enter an order.

    Attributes:
        instrument_id: The book.
        agent_id: The owner.
        client_order_id: The owner's own counter; never one that was accepted before.
        side: Buy or sell.
        qty_lots: Open quantity, positive.
        price_ticks: Limit price; 0 for market and stop orders.
        order_type: Limit, market, stop or stop-limit.
        time_in_force: GTC, IOC or FOK (market orders count as IOC unless FOK).
        stop_price_ticks: Trigger of a stop or stop-limit, else 0.
        display_qty_lots: Slice an iceberg shows at a time; 0 shows all.
        hidden: Rests without being displayed.
        post_only: Refused rather than trade on entry.
        self_trade: What to do on meeting the owner's own order.
        parent_order_id: The parent order that this is a child of, or 0; not visible to anybody else.
        ts_sent_ns: When it left the agent.
    """

    dataset: ClassVar[str] = "new_order"
    instrument_id: int
    agent_id: int
    client_order_id: int
    side: Side
    qty_lots: Lots
    price_ticks: Ticks = 0
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_price_ticks: Ticks = 0
    display_qty_lots: Lots = 0
    hidden: bool = False
    post_only: bool = False
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    parent_order_id: int = 0
    ts_sent_ns: Ns = 0


class CancelOrder(Command, frozen=True, gc=False):
    """Take an order out. Names it by the venue's ``order_id`` or, where that is 0, by ``client_order_id``."""

    dataset: ClassVar[str] = "cancel_order"
    instrument_id: int
    agent_id: int
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class ReduceOrder(Command, frozen=True, gc=False):
    """Take ``qty_lots`` off the open quantity, keeping priority; at or beyond that quantity it removes the order."""

    dataset: ClassVar[str] = "reduce_order"
    instrument_id: int
    agent_id: int
    qty_lots: Lots
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class ReplaceOrder(Command, frozen=True, gc=False):
    """Give a new *open* quantity and price.

    The same price and a quantity that is not larger keep the place in the queue; anything else leaves the book
    and re-enters as an incoming order. The order keeps both its ids.
    """

    dataset: ClassVar[str] = "replace_order"
    instrument_id: int
    agent_id: int
    qty_lots: Lots
    price_ticks: Ticks
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class SetPhase(Command, frozen=True, gc=False):
    """Move the book to another trading phase (from the venue's schedule, not from agents)."""

    dataset: ClassVar[str] = "set_phase"
    instrument_id: int
    phase: Phase
    reference_price_ticks: Ticks = 0
    """Centre of price bands and last tie-break of an auction; 0 keeps the present reference. Where the change of
    phase uncrosses an auction, the uncrossing price becomes the reference in its place."""


# --- events from the lit book ------------------------------------------------------------------------------


class Event(Message, frozen=True, gc=False):
    """Something that happened. Every event's first field is the venue's time, ``ts_event_ns``."""


class OrderAccepted(Event, frozen=True, gc=False):
    """An order passed validation. It may trade at once: fills follow."""

    dataset: ClassVar[str] = "order_accepted"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots


class OrderRejected(Event, frozen=True, gc=False):
    """A command was refused and changed nothing."""

    dataset: ClassVar[str] = "order_rejected"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    reason: RejectReason


class OrderRefused(Event, frozen=True, gc=False):
    """An agent's own pre-trade limits stopped an order, a request or a quote before it was sent."""

    dataset: ClassVar[str] = "order_refused"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    side: Side
    qty_lots: Lots
    price_ticks: Ticks
    parent_order_id: int


class OrderCanceled(Event, frozen=True, gc=False):
    """``qty_lots`` of an order left the book without trading; ``leaves_qty_lots`` (0 or more) stay."""

    dataset: ClassVar[str] = "order_canceled"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    qty_lots: Lots
    leaves_qty_lots: Lots
    reason: CancelReason


class OrderReplaced(Event, frozen=True, gc=False):
    """An order has a new price and open quantity, and either kept its place or re-entered."""

    dataset: ClassVar[str] = "order_replaced"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    kept_priority: bool


class OrderTriggered(Event, frozen=True, gc=False):
    """A stop fired and is now an incoming market or limit order."""

    dataset: ClassVar[str] = "order_triggered"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int


class OrderExpired(Event, frozen=True, gc=False):
    """An order ended because its time or its session ended."""

    dataset: ClassVar[str] = "order_expired"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    qty_lots: Lots


class Trade(Event, frozen=True, gc=False):
    """The public print of one execution, at the maker's price (in an auction, at the one clearing price).

    Anonymous: it names orders, not owners. In an auction the aggressor is the order that arrived later.
    """

    dataset: ClassVar[str] = "trade"
    ts_event_ns: Ns
    instrument_id: int
    trade_id: int
    price_ticks: Ticks
    qty_lots: Lots
    aggressor_side: Side
    maker_order_id: int
    taker_order_id: int


class OrderFilled(Event, frozen=True, gc=False):
    """The private side of a trade: one to the maker's owner, one to the taker's."""

    dataset: ClassVar[str] = "order_filled"
    ts_event_ns: Ns
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    leaves_qty_lots: Lots
    is_maker: bool
    trade_id: int


class PhaseChanged(Event, frozen=True, gc=False):
    """A book moved to another phase; ``until_ns`` is when a halt is due to end, else 0."""

    dataset: ClassVar[str] = "phase_changed"
    ts_event_ns: Ns
    instrument_id: int
    phase: Phase
    reference_price_ticks: Ticks
    until_ns: Ns


class AuctionUncrossed(Event, frozen=True, gc=False):
    """A call auction cleared: one price, the volume done there, and what stayed unmatched (buy minus sell)."""

    dataset: ClassVar[str] = "auction_uncrossed"
    ts_event_ns: Ns
    instrument_id: int
    price_ticks: Ticks
    qty_lots: Lots
    imbalance_lots: Lots


# --- request for quote -------------------------------------------------------------------------------------


class RequestQuote(Command, frozen=True, gc=False):
    """Ask dealers for firm quotes.

    Attributes:
        side: The asker's side as a :class:`Side` number, or 0 for a two-sided request.
        dealer_ids: The dealers asked, in increasing order.
        ttl_ns: How long the request stays open.
    """

    dataset: ClassVar[str] = "request_quote"
    instrument_id: int
    agent_id: int
    client_rfq_id: int
    side: int
    qty_lots: Lots
    dealer_ids: tuple[int, ...]
    ttl_ns: Ns
    parent_order_id: int = 0
    ts_sent_ns: Ns = 0


class SubmitQuote(Command, frozen=True, gc=False):
    """A dealer's firm answer: 0 for a side not quoted. The quote lapses after ``ttl_ns`` or with the request."""

    dataset: ClassVar[str] = "submit_quote"
    instrument_id: int
    agent_id: int
    rfq_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    ttl_ns: Ns
    ts_sent_ns: Ns = 0


class DeclineReason(IntEnum):
    """Why a dealer would not quote."""

    NO_INTEREST = 1
    CAPACITY = 2
    """Its own limits leave no room."""
    TOXIC_CLIENT = 3
    """This client class's flow costs more than any price that it would accept."""
    SUSPECTED_DISTRESS = 4
    """Another dealer that is believed to be selling under a constraint."""


class DeclineQuote(Command, frozen=True, gc=False):
    """A dealer will not quote."""

    dataset: ClassVar[str] = "decline_quote"
    instrument_id: int
    agent_id: int
    rfq_id: int
    reason: DeclineReason = DeclineReason.NO_INTEREST
    ts_sent_ns: Ns = 0


class AcceptQuote(Command, frozen=True, gc=False):
    """The asker deals on one quote, all of the requested quantity; ``side`` is the asker's."""

    dataset: ClassVar[str] = "accept_quote"
    instrument_id: int
    agent_id: int
    rfq_id: int
    quote_id: int
    side: Side
    ts_sent_ns: Ns = 0


class WalkAway(Command, frozen=True, gc=False):
    """The asker ends its request without a trade."""

    dataset: ClassVar[str] = "walk_away"
    instrument_id: int
    agent_id: int
    rfq_id: int
    ts_sent_ns: Ns = 0


class ExpireRfqs(Command, frozen=True, gc=False):
    """The venue's clock: end requests whose time is up and publish prints that are due (from the schedule)."""

    dataset: ClassVar[str] = "expire_rfqs"
    instrument_id: int


class RfqEnd(IntEnum):
    """How a request for quote ended."""

    DEALT = 1
    WALKED_AWAY = 2
    EXPIRED = 3
    ALL_DECLINED = 4


class RfqOpened(Event, frozen=True, gc=False):
    """A request is open; each asked dealer is told, with the asker's identity (RFQ is disclosed)."""

    dataset: ClassVar[str] = "rfq_opened"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    side: int
    qty_lots: Lots
    dealer_ids: tuple[int, ...]
    expires_ns: Ns


class RfqQuoted(Event, frozen=True, gc=False):
    """A firm quote stands; the asker is told."""

    dataset: ClassVar[str] = "rfq_quoted"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    quote_id: int
    agent_id: int
    """The asker."""
    dealer_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    expires_ns: Ns
    client_rfq_id: int = 0
    """The asker's own number of the request, by which it knows which of its requests was answered."""


class RfqDeclined(Event, frozen=True, gc=False):
    """A dealer declined; the asker is told that, and not why."""

    dataset: ClassVar[str] = "rfq_declined"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    agent_id: int
    """The asker."""
    dealer_id: int
    reason: DeclineReason
    client_rfq_id: int = 0


class RfqTraded(Event, frozen=True, gc=False):
    """The private side of an RFQ trade: one event, told to asker and dealer. ``side`` is the asker's."""

    dataset: ClassVar[str] = "rfq_traded"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    quote_id: int
    trade_id: int
    agent_id: int
    dealer_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    parent_order_id: int


class RfqClosed(Event, frozen=True, gc=False):
    """A request ended. Dealers whose quotes lost learn that they did, not at what price."""

    dataset: ClassVar[str] = "rfq_closed"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    end: RfqEnd


class RfqRejected(Event, frozen=True, gc=False):
    """An RFQ command was refused and changed nothing."""

    dataset: ClassVar[str] = "rfq_rejected"
    ts_event_ns: Ns
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    reason: RejectReason


class RfqPrint(Event, frozen=True, gc=False):
    """An RFQ trade made public under the transparency regime; ``ts_trade_ns`` is when it was dealt.

    ``side`` is the asker's. Anonymous, like TRACE.
    """

    dataset: ClassVar[str] = "rfq_print"
    ts_event_ns: Ns
    instrument_id: int
    trade_id: int
    ts_trade_ns: Ns
    price_ticks: Ticks
    qty_lots: Lots
    side: Side


# --- the world outside the venues --------------------------------------------------------------------------


class FairValue(Event, frozen=True, gc=False):
    """The exogenous fair value of an instrument, in ticks (a real number: not a price anybody can trade at)."""

    dataset: ClassVar[str] = "fair_value"
    ts_event_ns: Ns
    instrument_id: int
    value_ticks: float
    is_shock: bool


class News(Event, frozen=True, gc=False):
    """A public signal of fair value, with Gaussian noise of known standard deviation."""

    dataset: ClassVar[str] = "news"
    ts_event_ns: Ns
    instrument_id: int
    signal_ticks: float
    noise_sd_ticks: float


# --- balance sheets ----------------------------------------------------------------------------------------


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
    WRITE_DOWN = 8
    """A loss or gain on other assets, or interest and fees."""
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
    ts_event_ns: Ns
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
    ts_event_ns: Ns
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
    ts_event_ns: Ns
    agent_id: int
    constraint: str
    headroom_cash: Cash
    required_cash: Cash


class ConstraintCured(Event, frozen=True, gc=False):
    """A constraint that was breached has headroom again."""

    dataset: ClassVar[str] = "constraint_cured"
    ts_event_ns: Ns
    agent_id: int
    constraint: str
    headroom_cash: Cash


class ParentOrderOpened(Event, frozen=True, gc=False):
    """A forced sale begins; ``reasons`` names the breached constraints, joined by ``+``."""

    dataset: ClassVar[str] = "parent_order_opened"
    ts_event_ns: Ns
    agent_id: int
    instrument_id: int
    parent_order_id: int
    qty_lots: Lots
    reasons: str


class ParentOrderChanged(Event, frozen=True, gc=False):
    """The quantity still to be sold of a parent order was set anew."""

    dataset: ClassVar[str] = "parent_order_changed"
    ts_event_ns: Ns
    agent_id: int
    instrument_id: int
    parent_order_id: int
    leaves_qty_lots: Lots
    reasons: str


class ParentOrderClosed(Event, frozen=True, gc=False):
    """A parent order ended; ``leaves_qty_lots`` were not sold."""

    dataset: ClassVar[str] = "parent_order_closed"
    ts_event_ns: Ns
    agent_id: int
    instrument_id: int
    parent_order_id: int
    leaves_qty_lots: Lots
    end: ParentEnd


class FundingEvent(Event, frozen=True, gc=False):
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
    ts_event_ns: Ns
    lender_id: int
    agent_id: int
    instrument_id: int
    kind: FundingKind
    amount_cash: Cash
    haircut: float
    maturity_ns: Ns
    loan_id: int = 0


class SheetDisclosed(Event, frozen=True, gc=False):
    """A borrower tells a lender how leveraged it is: total assets and Tier 1, in cash units."""

    dataset: ClassVar[str] = "sheet_disclosed"
    ts_event_ns: Ns
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
    ts_event_ns: Ns
    agent_id: int
    nav_cash: Cash
    redeemed_cash: Cash
    from_buffer_cash: Cash
    to_raise_cash: Cash


class DealerDefaulted(Event, frozen=True, gc=False):
    """Tier 1 is zero or less: the dealer stops quoting and its book is liquidated."""

    dataset: ClassVar[str] = "dealer_defaulted"
    ts_event_ns: Ns
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
    ts_event_ns: Ns
    agent_id: int
    bearer: str
    instrument_id: int
    loss_cash: Cash


# --- information -------------------------------------------------------------------------------------------


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
    ts_event_ns: Ns
    agent_id: int
    instrument_id: int
    mean_ticks: float
    sd_ticks: float
    alpha: float
    volatility_ticks_per_sqrt_s: float


class QuoteRecord(Event, frozen=True, gc=False):
    """A dealer's quote with the parts of each side's half-spread, in micro-ticks (millionths of a tick).

    On each side that is quoted, adverse + inventory + processing + rounding is the distance of the price from
    ``mean_uticks``, exactly. A side that is not quoted has price and parts 0.

    Attributes:
        rfq_id: The request answered, or 0 for a quote on the lit book.
        mean_uticks: Believed fair value.
    """

    dataset: ClassVar[str] = "quote"
    ts_event_ns: Ns
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
        headroom_cash: Least headroom under its limits, in cash units.
    """

    dataset: ClassVar[str] = "retreat"
    ts_event_ns: Ns
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
    ts_event_ns: Ns
    agent_id: int
    instrument_id: int
    cause: WithdrawalCause
    away_ns: Ns
