"""The dealer that is composed of parts."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer.inventory_policy import InventoryPolicy, PositionLimit
from lob_sim.agents.dealer.kinds import BeliefPart, InventoryPolicyPart, LitPolicyPart, RfqPolicyPart, ToxicityPart
from lob_sim.agents.dealer.lit_policy import LitPolicy
from lob_sim.agents.dealer.quotes import Quotes, Situation, quote_record, quotes_at
from lob_sim.agents.dealer.rfq_policy import LikeLit, RfqPolicy
from lob_sim.agents.dealer.view import Basis, InstrumentView
from lob_sim.agents.quoting import (
    PriceSource,
    make_passive,
    mid_price_ticks,
    others_quotes,
    prices_of,
    quotes_stand,
    traded_instruments,
    update_quotes,
)
from lob_sim.agents.strategy import Strategy
from lob_sim.information.belief import Belief, BeliefLog, BeliefThinning, MarketPrice
from lob_sim.information.toxicity import FixedParams, FixedToxicity, Flow, ToxicityByClass, ToxicityEstimator
from lob_sim.messages import (
    Announcement,
    DeclineReason,
    Event,
    News,
    OrderFilled,
    OrderRejected,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Trade,
)
from lob_sim.parts import Part, is_overridden, part
from lob_sim.units import NS_PER_S, Interval, Lots, Ticks


class Dealer(Strategy):
    """Makes markets as its five parts say.

    It moves its quotes in the lit book on a timer and after own trades, and answers requests. A shipped dealer is a
    subclass that says no more than which parts it has by default; named itself, it must be told how to quote.

    Source: the division of a dealer's problem into information, inventory and order processing, Stoll (2003), "Market
    Microstructure".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """What every dealer has.

        Attributes:
            instruments: Names of the instruments quoted; none means all.
            size_lots: Size of each quote.
            requote_interval: Time between two looks at the market.
            requote_tolerance (fraction): At a look it leaves the quotes of an instrument alone while what they go by
                has changed by no more than this since it last worked them out, of the belief in its deviations: see
                :meth:`Dealer.may_stay`. At 0 it works them out at every look.
            quote_ttl: How long an answer to a request for quote stays firm.
            mid: Whether the market's price, as far as its parts use it, is that of the visible book or the exogenous
                fair value.
            thinning: Which beliefs go on the log.
            belief: What it takes an instrument to be worth.
            toxicity: How it judges what share of flow is informed.
            lit_policy: What it shows in the lit book.
            rfq_policy: What it answers when asked for a quote.
            inventory_policy: What it may hold, and what it charges for that.
        """

        instruments: tuple[str, ...] = ()
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 10
        requote_interval: Interval = NS_PER_S
        requote_tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
        quote_ttl: Interval = 5 * NS_PER_S
        mid: PriceSource = "book"
        thinning: BeliefThinning = BeliefThinning()
        belief: BeliefPart = part(MarketPrice)
        toxicity: ToxicityPart = part(FixedToxicity)
        lit_policy: LitPolicyPart
        rfq_policy: RfqPolicyPart = part(LikeLit)
        inventory_policy: InventoryPolicyPart = part(PositionLimit)

    params: Params
    answers_rfqs = True
    deferred_hooks = frozenset({"on_trade", "on_print", "on_news"})

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        p = self.params
        self.lit_policy: LitPolicy = p.lit_policy.make()
        self.rfq_policy: RfqPolicy = p.rfq_policy.make()
        self.inventory_policy: InventoryPolicy = p.inventory_policy.make()
        self.instrument_ids: tuple[int, ...] = ()
        self.views: list[InstrumentView] = []
        self._beliefs: dict[int, Belief] = {}
        self.own_rfq_trades: set[tuple[int, int]] = set()
        belief, toxicity, inventory = p.belief.cls, p.toxicity.cls, p.inventory_policy.cls
        self._follows_mid = is_overridden(belief, Belief, "on_mid")
        self._judges_mid = is_overridden(toxicity, ToxicityEstimator, "on_mid")
        self._learns_prints = is_overridden(belief, Belief, "on_past_trade")
        self._learns_clients = is_overridden(belief, Belief, "on_trade") or is_overridden(
            toxicity, ToxicityEstimator, "on_trade", "on_fill"
        )
        self._acts_on_look = is_overridden(inventory, InventoryPolicy, "on_look")
        self.unused_hooks = self._unused_hooks()

    def _unused_hooks(self) -> frozenset[str]:
        """Hooks in which no part has anything to do; those that a subclass makes its own are not among them."""
        p = self.params
        belief, toxicity, rfq, inventory = p.belief.cls, p.toxicity.cls, p.rfq_policy.cls, p.inventory_policy.cls
        tape = is_overridden(belief, Belief, "on_lit_print", "on_trade")
        tape = tape or is_overridden(toxicity, ToxicityEstimator, "on_trade")
        used = {
            "on_trade": tape,
            "on_news": is_overridden(belief, Belief, "on_signal"),
            "on_announcement": is_overridden(belief, Belief, "on_jump"),
            "on_print": self._learns_prints,
            "on_fill": tape or self.lit_policy.is_lit or is_overridden(toxicity, ToxicityEstimator, "on_fill"),
            "on_rfq_trade": self.lit_policy.is_lit or self._learns_clients or self._learns_prints,
            "on_rfq_decline": is_overridden(rfq, RfqPolicy, "on_rfq_decline")
            or is_overridden(inventory, InventoryPolicy, "on_rfq_decline"),
        }
        for name in ("on_rfq_quote", "on_rfq_close", "on_reject"):
            used[name] = is_overridden(inventory, InventoryPolicy, name)
        own = type(self)
        return frozenset(name for name, is_used in used.items() if not (is_used or is_overridden(own, Dealer, name)))

    def valuation(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        """Its belief, where that knows its own error; else what the market shows."""
        if self.views:
            belief = self.views[instrument_id].belief
            if belief.sd_ticks > 0:
                return belief.mean_ticks, belief.sd_ticks
        return super().valuation(ctx, instrument_id)

    # --- what it sees ---------------------------------------------------------------------------------------
    def on_start(self, ctx: Context) -> None:
        """Let the parts start, and send the first quotes."""
        p = self.params
        self.instrument_ids = traded_instruments(ctx, p.instruments)
        make = partial(p.toxicity.cls.of_flow, p.toxicity.params)
        if not ctx.switches.toxicity:
            make = partial(_unlearning, p.toxicity)
        for i in range(len(ctx.instruments)):
            belief = p.belief.make(float(ctx.initial_ticks(i)))
            clients = ToxicityByClass(partial(make, Flow.CLIENTS))
            self.views.append(InstrumentView(belief, make(Flow.LIT), clients, BeliefLog(p.thinning)))
        self._beliefs = {i: self.views[i].belief for i in self.instrument_ids}
        self._heeds_quotes = any(view.belief.heeds_quotes for view in self.views)
        self._reads_spread = any(view.belief.reads_spread for view in self.views)
        for policy in (self.inventory_policy, self.lit_policy, self.rfq_policy):
            policy.on_start(ctx)
        if self.lit_policy.is_lit or self._judges_mid or self._acts_on_look:
            self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Look at the market and move the quotes."""
        if tag > 0:
            self.inventory_policy.on_wake(ctx, tag)
            return
        p, now_ns = self.params, ctx.now_ns
        if self._judges_mid:
            for i in self.instrument_ids:
                self.views[i].on_mid(now_ns, mid_price_ticks(ctx, i, p.mid))
        if self._heeds_quotes:
            for i in self.instrument_ids:
                self.views[i].on_others_quotes(now_ns, others_quotes(ctx, i))
        for i in self.instrument_ids:
            if not (p.requote_tolerance and self.may_stay(ctx, i)):
                self.requote(ctx, i)
        if self._reads_spread:
            for i in self.instrument_ids:
                self.views[i].see(ctx.top(i))
        ctx.wake_in(p.requote_interval)
        if self._acts_on_look:
            self.inventory_policy.on_look(ctx, p.size_lots, self._beliefs)

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Learn from the tape."""
        self.views[trade.instrument_id].on_trade(trade)

    def on_news(self, ctx: Context, news: News) -> None:
        """Learn from public news."""
        belief = self.views[news.instrument_id].belief
        belief.advance(news.ts_event_ns)
        belief.on_signal(news.signal_ticks, news.noise_sd_ticks)

    def on_announcement(self, ctx: Context, announcement: Announcement) -> None:
        """Take in what everybody has heard, and move: whoever knows more would take quotes of the old value."""
        i = announcement.instrument_id
        view = self.views[i]
        view.learn_sweep()
        view.belief.advance(announcement.ts_event_ns)
        view.belief.on_jump(announcement.change_ticks, announcement.noise_sd_ticks)
        if i in self.instrument_ids:
            self.requote(ctx, i)

    def on_print(self, ctx: Context, rfq_print: RfqPrint) -> None:
        """Learn from an RFQ trade of others, by its age."""
        number = (rfq_print.instrument_id, rfq_print.trade_id)
        if number in self.own_rfq_trades:
            self.own_rfq_trades.remove(number)
            return
        belief = self.views[rfq_print.instrument_id].belief
        belief.advance(rfq_print.ts_event_ns)
        age_ns = rfq_print.ts_event_ns - rfq_print.ts_trade_ns
        toxicity = self.params.toxicity
        alpha = toxicity.cls.prior_alpha(toxicity.params, Flow.CLIENTS)
        belief.on_past_trade(rfq_print.side, rfq_print.price_ticks, alpha, age_ns)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        """Learn from an own trade; the inventory has changed."""
        self.views[fill.instrument_id].on_fill(fill)
        if fill.instrument_id in self.instrument_ids:
            self.requote(ctx, fill.instrument_id)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        """Learn from what a client did; the inventory has changed."""
        i, ts_ns = trade.instrument_id, trade.ts_event_ns
        if self._learns_prints:
            self.own_rfq_trades.add((i, trade.trade_id))
        # What it asked for itself tells it nothing about anybody's information.
        if self._learns_clients and trade.agent_id != ctx.agent_id:
            view = self.views[i]
            client = view.clients.of(ctx.group_of(trade.agent_id))
            view.belief.advance(ts_ns)
            view.belief.on_trade(trade.side, trade.price_ticks, client.alpha(ts_ns))
            client.on_trade(ts_ns, trade.side, trade.qty_lots)
            client.on_fill(ts_ns, trade.side, mid_price_ticks(ctx, i, self.params.mid))
        if i in self.instrument_ids:
            self.requote(ctx, i)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        """What the desk does the dealer learns from as from its own: its sales are on the tape too, or will be printed,
        and who declines to deal with the desk declines to deal with the dealer."""
        if isinstance(event, OrderFilled):
            if "on_fill" not in self.unused_hooks:
                self.on_fill(ctx, event)
        elif isinstance(event, RfqTraded):
            if "on_rfq_trade" not in self.unused_hooks:
                self.on_rfq_trade(ctx, event)
        elif isinstance(event, RfqDeclined):
            self.rfq_policy.on_rfq_decline(ctx, event)

    # --- what it does ---------------------------------------------------------------------------------------
    def requote(self, ctx: Context, instrument_id: int) -> None:
        """Bring the quotes in the lit book up to date, and log the belief and the quotes behind them."""
        view, now_ns = self.views[instrument_id], ctx.now_ns
        belief = view.belief
        view.learn_sweep()
        belief.advance(now_ns)
        alpha = view.lit.alpha(now_ns)
        situation = self.situation(ctx, instrument_id, self.params.size_lots, alpha)
        wanted = self.lit_policy.quotes(ctx, situation)
        if wanted is None:
            update_quotes(ctx, instrument_id, 0, 0, 0, 0)
            self._log_quotes(ctx, instrument_id, None)
            view.basis = self._basis(ctx, instrument_id, alpha, (0, 0, 0, 0), False)
            return
        bid_ticks, ask_ticks = make_passive(ctx, instrument_id, wanted.bid_ticks, wanted.ask_ticks)
        may_buy, may_sell = self.inventory_policy.capacity(ctx, instrument_id)
        bid_lots = wanted.bid_lots if wanted.bid_lots < may_buy else may_buy
        ask_lots = wanted.ask_lots if wanted.ask_lots < may_sell else may_sell
        update_quotes(ctx, instrument_id, bid_ticks, bid_lots, ask_ticks, ask_lots)
        is_held_back = (bid_ticks, ask_ticks) != (wanted.bid_ticks, wanted.ask_ticks)
        shown = (bid_ticks, bid_lots, ask_ticks, ask_lots)
        view.basis = self._basis(ctx, instrument_id, alpha, shown, is_held_back)
        if belief.sd_ticks > 0:
            record = view.belief_log.record(now_ns, ctx.agent_id, instrument_id, belief, alpha)
            if record is not None:
                ctx.log(record)
        # Quotes whose parts are on the log need not be taken apart again.
        is_known = (bid_ticks, ask_ticks) == view.quoted and bid_lots and ask_lots
        if not (is_known and wanted.bid_parts and wanted.ask_parts):
            self._log_quotes(ctx, instrument_id, quotes_at(wanted, bid_ticks, bid_lots, ask_ticks, ask_lots))

    def may_stay(self, ctx: Context, instrument_id: int) -> bool:
        """Whether the quotes in the book may stay as they are, or the dealer away, though time has passed.

        They may while they are at work as they were last wanted, the lit policy waits for no time that has come, the
        best prices are what they were if those held a quote back, and what the quotes go by has moved by no more than
        ``requote_tolerance``: the belief and the fear of informed flow by (|Δm| + |Δs|)/s + |Δα|, and what limits let
        it buy by that share, with the same limits binding. A trade of its own makes it requote at once.
        """
        view, now_ns = self.views[instrument_id], ctx.now_ns
        view.learn_sweep()
        basis = view.basis
        if basis is None or now_ns >= basis.until_ns:
            return False
        belief, tolerance = view.belief, self.params.requote_tolerance
        belief.advance(now_ns)
        most_ticks = tolerance * basis.sd_ticks
        moved_ticks = abs(belief.mean_ticks - basis.mean_ticks) + abs(belief.sd_ticks - basis.sd_ticks)
        if moved_ticks > most_ticks:
            return False
        moved_ticks += basis.sd_ticks * abs(view.lit.alpha(now_ns) - basis.alpha)
        if moved_ticks > most_ticks or not basis.has_room_as_before(ctx.headroom, instrument_id, tolerance):
            return False
        if basis.held_back_by is not None and prices_of(ctx.top(instrument_id)) != basis.held_back_by:
            return False
        return quotes_stand(ctx, instrument_id, *basis.shown)

    def _basis(
        self,
        ctx: Context,
        instrument_id: int,
        alpha: float,
        shown: tuple[Ticks, Lots, Ticks, Lots],
        is_held_back: bool,
    ) -> Basis | None:
        """What the quotes that are shown go by, if the dealer may leave them alone."""
        if not self.params.requote_tolerance:
            return None
        belief = self.views[instrument_id].belief
        return Basis(
            belief.mean_ticks,
            belief.sd_ticks,
            alpha,
            ctx.headroom,
            shown,
            prices_of(ctx.top(instrument_id)) if is_held_back else None,
            self.lit_policy.stands_until_ns(ctx, instrument_id),
        )

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        """Answer as the RFQ policy says."""
        self.rfq_policy.on_request(ctx, request)
        i = request.instrument_id
        if i not in self.instrument_ids:
            ctx.decline(request, DeclineReason.NO_INTEREST)
            return
        alpha = self.views[i].clients.of(ctx.group_of(request.agent_id)).alpha(ctx.now_ns)
        situation = self.situation(ctx, i, request.qty_lots, alpha)
        answer = self.rfq_policy.answer(ctx, request, situation, self.lit_policy)
        if isinstance(answer, DeclineReason):
            ctx.decline(request, answer)
            return
        bid_ticks = answer.bid_ticks if answer.bid_lots else 0
        ask_ticks = answer.ask_ticks if answer.ask_lots else 0
        ctx.quote(request, bid_ticks, ask_ticks, self.params.quote_ttl)
        bid, ask = answer.quoted_parts()
        if bid or ask:
            ctx.log(quote_record(ctx.now_ns, ctx.agent_id, i, bid, ask, request.rfq_id))

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """Another dealer answered."""
        self.inventory_policy.on_rfq_quote(ctx, quote)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """Another dealer declined."""
        self.rfq_policy.on_rfq_decline(ctx, event)
        self.inventory_policy.on_rfq_decline(ctx, event)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        """A request has ended."""
        self.inventory_policy.on_rfq_close(ctx, event)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        """A command was refused."""
        self.inventory_policy.on_reject(ctx, event)

    def situation(self, ctx: Context, instrument_id: int, qty_lots: Lots, alpha: float) -> Situation:
        """What its policies are shown when they price ``qty_lots`` against flow of which ``alpha`` is informed."""
        belief = self.views[instrument_id].belief
        if self._follows_mid:
            belief.on_mid(ctx.now_ns, mid_price_ticks(ctx, instrument_id, self.params.mid))
        return Situation(instrument_id, self.params.size_lots, qty_lots, belief, alpha, self.inventory_policy)

    def _log_quotes(self, ctx: Context, instrument_id: int, quotes: Quotes | None) -> None:
        """Put the quotes in the lit book on the log, when they have changed."""
        view = self.views[instrument_id]
        bid, ask = quotes.quoted_parts() if quotes else (None, None)
        quoted = (bid.price_ticks if bid else 0, ask.price_ticks if ask else 0)
        if quoted != view.quoted:
            view.quoted = quoted
            ctx.log(quote_record(ctx.now_ns, ctx.agent_id, instrument_id, bid, ask))


def _unlearning(toxicity: Part, flow: Flow) -> ToxicityEstimator:
    """What stands in for a part that may not learn."""
    return FixedToxicity(FixedParams(toxicity.cls.calm_alpha(toxicity.params, flow)))
