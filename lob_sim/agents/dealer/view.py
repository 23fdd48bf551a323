"""What a dealer makes of one instrument: its belief, its fear of lit flow and of each class of clients."""

from __future__ import annotations

import msgspec

from lob_sim.agents.context import Headroom, TopOfBook
from lob_sim.information.belief import Belief, BeliefLog
from lob_sim.information.toxicity import ToxicityByClass, ToxicityEstimator
from lob_sim.messages import OrderFilled, Side, Trade
from lob_sim.units import Lots, Ns, Ticks

_BUY = Side.BUY


class Basis(msgspec.Struct, frozen=True, gc=False):
    """What the quotes in the lit book were worked out from.

    Attributes:
        shown: Price and size of bid and ask as they were wanted; a side that is not quoted has no lots.
        held_back_by: Best bid and ask of the book, where they moved a quote; None where they did not.
        until_ns: When time alone may change what the dealer does.
    """

    mean_ticks: float
    sd_ticks: float
    alpha: float
    headroom: Headroom | None
    shown: tuple[Ticks, Lots, Ticks, Lots]
    held_back_by: tuple[Ticks, Ticks] | None
    until_ns: Ns

    def has_room_as_before(self, now: Headroom | None, instrument_id: int, tolerance: float) -> bool:
        """Whether the same limits bind, and leave what they left to buy but for that fraction of it."""
        before = self.headroom
        if before is None or now is None or now is before:
            return now is before
        room, left = before.purchase_lots[instrument_id], now.purchase_lots[instrument_id]
        return now.binding == before.binding and abs(left - room) <= tolerance * room


class InstrumentView:
    """The belief and the estimators of one instrument, and the order in which they hear of the tape.

    Args:
        belief: What the instrument is believed to be worth.
        lit: How informed the lit flow is.
        clients: How informed each class of clients is.
        belief_log: Which beliefs go on the log.

    Attributes:
        quoted: Bid and ask that the log last had, 0 for none.
        basis: What the quotes at work go by; None where they are to be worked out at the next look in any case.
    """

    __slots__ = (
        "_heeded_ns",
        "_lit_mid_hooks",
        "_seen",
        "_sweep",
        "basis",
        "belief",
        "belief_log",
        "clients",
        "lit",
        "quoted",
    )

    def __init__(self, belief: Belief, lit: ToxicityEstimator, clients: ToxicityByClass, belief_log: BeliefLog) -> None:
        self.belief = belief
        self.lit = lit
        self.clients = clients
        self.belief_log = belief_log
        self.quoted: tuple[Ticks, Ticks] = (0, 0)
        self.basis: Basis | None = None
        self._sweep: Trade | None = None
        self._seen: TopOfBook | None = None
        self._heeded_ns: Ns = 0
        self._lit_mid_hooks = lit.mid_hooks()

    def on_trade(self, trade: Trade) -> None:
        """A lit trade printed. One aggressive order may print several; it is one decision, judged at its last price."""
        self.belief.on_lit_print(trade.ts_event_ns, trade.price_ticks)
        sweep = self._sweep
        if sweep is not None and sweep.taker_order_id == trade.taker_order_id:
            trade = msgspec.structs.replace(trade, qty_lots=sweep.qty_lots + trade.qty_lots)
        else:
            self.learn_sweep()
        self._sweep = trade

    def on_fill(self, fill: OrderFilled) -> None:
        """An own order traded."""
        # The fill is on the tape too, and has been taken into the belief from there: measured from before,
        # the dealer's own reaction to the trade would look like somebody's foresight.
        if fill.is_maker:
            self.learn_sweep()
            self.lit.on_fill(fill.ts_event_ns, fill.side.opposite, self.belief.mean_ticks)
        elif self._sweep is not None and self._sweep.taker_order_id == fill.order_id:
            # Its own order, perhaps its desk's, tells it nothing about anybody's information.
            self._sweep = None

    def learn_sweep(self) -> None:
        """Take the last aggressive order into the belief, now that all of its trades are known."""
        sweep = self._sweep
        if sweep is None:
            return
        self._sweep = None
        ts_ns = sweep.ts_event_ns
        self.belief.advance(ts_ns)
        opposite_ticks = self._opposite_ticks(sweep)
        self.belief.on_trade(sweep.aggressor_side, sweep.price_ticks, self.lit.alpha(ts_ns), opposite_ticks)
        self.lit.on_trade(ts_ns, sweep.aggressor_side, sweep.qty_lots)

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:
        """The market's price as the dealer looks: clients are judged by it, lit flow by the dealer's own belief."""
        self.clients.on_mid(ts_ns, mid_ticks)
        for on_mid in self._lit_mid_hooks:
            on_mid(ts_ns, self.belief.mean_ticks)

    def on_others_quotes(self, ts_ns: Ns, top: TopOfBook | None) -> None:
        """The book as the dealer looks; None where nobody else quotes."""
        elapsed_ns, self._heeded_ns = ts_ns - self._heeded_ns, ts_ns
        if top is not None:
            self.learn_sweep()
            self.belief.advance(ts_ns)
            self.belief.on_others_quotes(elapsed_ns, top.bid_ticks, top.ask_ticks)

    def see(self, top: TopOfBook) -> None:
        """Remember the book: later trades are read against it."""
        self.learn_sweep()
        self._seen = top

    def _opposite_ticks(self, trade: Trade) -> Ticks | None:
        """What the aggressor would have met on the other side at the last look; None where nobody stood there."""
        seen, price_ticks = self._seen, trade.price_ticks
        if seen is None:
            return None
        # A book that has moved through that price since the last look says nothing of the other side.
        if trade.aggressor_side is _BUY:
            return seen.bid_ticks if 0 < seen.bid_ticks < price_ticks else None
        return seen.ask_ticks if seen.ask_ticks > price_ticks else None
