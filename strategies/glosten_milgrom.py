"""Glosten and Milgrom's dealer: it learns from every trade and charges for being picked off."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import behind_the_touch, keep_quotes, visible_price_ticks
from lob_sim.agents.quoting_dealer import QuotingDealer
from lob_sim.information.belief import Belief, BeliefLog, BeliefThinning, GaussianBelief
from lob_sim.information.spread import (
    UTICKS_PER_TICK,
    SpreadDecomposition,
    decompose_quote,
    inventory_ticks,
    zero_profit_k,
)
from lob_sim.information.toxicity import (
    CombinedToxicity,
    FixedToxicity,
    ImbalanceParams,
    ImbalanceToxicity,
    MarkoutParams,
    MarkoutToxicity,
    ToxicityByClass,
    ToxicityEstimator,
)
from lob_sim.information.volatility import VolatilityParams
from lob_sim.messages import (
    DeclineReason,
    Event,
    News,
    OrderFilled,
    QuoteRecord,
    RfqOpened,
    RfqPrint,
    RfqTraded,
    Side,
    Trade,
)
from lob_sim.units import NS_PER_S, Interval, Lots, Ns, Ticks


class GlostenMilgromDealer(QuotingDealer):
    """Quotes the zero-profit spread for its belief about fair value and its guess of the informed share.

    The belief is Gaussian with mean m and standard deviation s. It widens with perceived volatility and is
    updated by Bayes' rule on every lit trade, on public news, on own RFQ trades and on those of others that
    are published. The half-spread is s·k(α) plus a processing cost plus what the inventory risk of the
    trade costs. On the lit book α is a weighted mean of a prior and an estimate from order-flow imbalance;
    on RFQ, of the prior and an estimate from the markouts of each client class.

    Source: Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a Specialist Market with
    Heterogeneously Informed Traders"; Gaussian belief: Das (2005), "A Learning Market-Maker in the
    Glosten–Milgrom Model".
    """

    class Params(QuotingDealer.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the dealer.

        Attributes:
            prior_sd_ticks: Standard deviation of the belief at the opening, around the opening value.
            volatility: How perceived volatility is learnt.
            prior_alpha: Share of informed flow that it expects before it has seen any.
            learning_weight: Weight of what it has seen against the prior; 0 keeps α at the prior.
            markout_share: Part of that weight which goes to the markouts of its own lit fills, the rest to
                order-flow imbalance.
            imbalance: How lit flow is measured.
            markout: How own trades are followed up.
            processing_ticks: Cost of processing an order, a lot.
            risk_aversion_per_tick_lot: Price of inventory variance.
            holding_time: How long it expects to hold a position.
            thinning: Which beliefs go on the log.
        """

        prior_sd_ticks: Annotated[float, msgspec.Meta(gt=0)] = 10.0
        volatility: VolatilityParams = VolatilityParams(prior_ticks_per_sqrt_s=0.5)
        prior_alpha: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
        learning_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
        markout_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
        imbalance: ImbalanceParams = ImbalanceParams()
        markout: MarkoutParams = MarkoutParams()
        processing_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.5
        risk_aversion_per_tick_lot: Annotated[float, msgspec.Meta(ge=0)] = 1e-4
        holding_time: Interval = 600 * NS_PER_S
        thinning: BeliefThinning = BeliefThinning()

    params: Params
    deferred_hooks = frozenset({"on_trade", "on_print", "on_news"})

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.learning_weight = self.params.learning_weight
        self.views: list[_View] = []
        self.own_rfq_trades: set[tuple[int, int]] = set()

    def valuation(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        """Its belief."""
        belief = self.views[instrument_id].belief
        return belief.mean_ticks, belief.sd_ticks

    # --- what it sees ---------------------------------------------------------------------------------------
    def on_start(self, ctx: Context) -> None:
        p = self.params
        if not ctx.switches.toxicity:
            self.learning_weight = 0.0
        for i in range(len(ctx.instruments)):
            belief = GaussianBelief(float(ctx.initial_ticks(i)), p.prior_sd_ticks, p.volatility)
            lit = self._lit_toxicity()
            self.views.append(_View(belief, lit, ToxicityByClass(self._class_toxicity), BeliefLog(p.thinning)))
        super().on_start(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        now_ns = ctx.now_ns
        for i in self.instrument_ids:
            view = self.views[i]
            view.clients.on_mid(now_ns, visible_price_ticks(ctx, i))
            view.lit.on_mid(now_ns, view.belief.mean_ticks)
        super().on_wake(ctx, tag)

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        # One aggressive order may print several trades; it is one decision, judged at its last price.
        view = self.views[trade.instrument_id]
        sweep = view.sweep
        if sweep is not None and sweep.taker_order_id == trade.taker_order_id:
            trade = msgspec.structs.replace(trade, qty_lots=sweep.qty_lots + trade.qty_lots)
        else:
            view.learn_sweep()
        view.sweep = trade

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        # The fill is on the tape too, and has been taken into the belief from there: measured from before,
        # the dealer's own reaction to the trade would look like somebody's foresight.
        view = self.views[fill.instrument_id]
        if fill.is_maker:
            view.learn_sweep()
            view.lit.on_fill(fill.ts_event_ns, fill.side.opposite, view.belief.mean_ticks)
        elif view.sweep is not None and view.sweep.taker_order_id == fill.order_id:
            # Its own order, perhaps its desk's, tells it nothing about anybody's information.
            view.sweep = None
        super().on_fill(ctx, fill)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        # What the desk sells is on the tape too, or will be printed: it is known for the agent's own.
        if isinstance(event, OrderFilled):
            self.on_fill(ctx, event)
        elif isinstance(event, RfqTraded):
            self.on_rfq_trade(ctx, event)

    def on_news(self, ctx: Context, news: News) -> None:
        belief = self.views[news.instrument_id].belief
        belief.advance(news.ts_event_ns)
        belief.on_signal(news.signal_ticks, news.noise_sd_ticks)

    def on_print(self, ctx: Context, rfq_print: RfqPrint) -> None:
        number = (rfq_print.instrument_id, rfq_print.trade_id)
        if number in self.own_rfq_trades:
            self.own_rfq_trades.remove(number)
            return
        belief = self.views[rfq_print.instrument_id].belief
        belief.advance(rfq_print.ts_event_ns)
        age_ns = rfq_print.ts_event_ns - rfq_print.ts_trade_ns
        belief.on_past_trade(rfq_print.side, rfq_print.price_ticks, self.params.prior_alpha, age_ns)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        self.own_rfq_trades.add((trade.instrument_id, trade.trade_id))
        # What it asked for itself tells it nothing about anybody's information.
        if trade.agent_id != ctx.agent_id:
            view, ts_ns = self.views[trade.instrument_id], trade.ts_event_ns
            client = view.clients.of(ctx.group_of(trade.agent_id))
            view.belief.advance(ts_ns)
            view.belief.on_trade(trade.side, trade.price_ticks, client.alpha(ts_ns))
            client.on_fill(ts_ns, trade.side, visible_price_ticks(ctx, trade.instrument_id))
        super().on_rfq_trade(ctx, trade)

    # --- what it does ---------------------------------------------------------------------------------------
    def quotes(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        adverse = self.adverse_ticks(self.views[instrument_id].belief, self._lit_alpha(ctx, instrument_id))
        bid, ask = self._quote(ctx, instrument_id, adverse, self.params.size_lots)
        return bid.price_ticks, ask.price_ticks

    def requote(self, ctx: Context, instrument_id: int) -> None:
        """Bring the quotes in the lit book up to date."""
        alpha = self._lit_alpha(ctx, instrument_id)
        self._requote_at(ctx, instrument_id, alpha, self.adverse_ticks(self.views[instrument_id].belief, alpha))

    def _requote_at(
        self, ctx: Context, instrument_id: int, alpha: float, adverse_ticks: float, bids: bool = True
    ) -> None:
        """Keep the quotes that ``adverse_ticks`` makes, or the ask alone; log the belief and the quote behind them."""
        p, view = self.params, self.views[instrument_id]
        bid, ask = self._quote(ctx, instrument_id, adverse_ticks, p.size_lots)
        prices = behind_the_touch(ctx, instrument_id, bid.price_ticks, ask.price_ticks)
        bid, ask = _no_better_than(bid, prices[0]), _no_better_than(ask, prices[1])
        may_buy, may_sell = self.room(ctx, instrument_id)
        bid_lots, ask_lots = min(p.size_lots, may_buy) if bids else 0, min(p.size_lots, may_sell)
        keep_quotes(ctx, instrument_id, bid.price_ticks, bid_lots, ask.price_ticks, ask_lots)
        belief = view.belief_log.record(ctx.now_ns, ctx.agent_id, instrument_id, view.belief, alpha)
        if belief is not None:
            ctx.log(belief)
        self.log_quote(ctx, instrument_id, bid if bid_lots else None, ask if ask_lots else None)

    def log_quote(
        self,
        ctx: Context,
        instrument_id: int,
        bid: SpreadDecomposition | None,
        ask: SpreadDecomposition | None,
    ) -> None:
        """Put the quotes in the lit book on the log, when they have changed."""
        view = self.views[instrument_id]
        quoted = (bid.price_ticks if bid else 0, ask.price_ticks if ask else 0)
        if quoted != view.quoted:
            view.quoted = quoted
            ctx.log(quote_record(ctx.now_ns, ctx.agent_id, instrument_id, bid, ask))

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        """Quote by what it knows of the client's class."""
        instrument_id, qty = request.instrument_id, request.qty_lots
        room = self.room(ctx, instrument_id)
        may_buy = request.side != Side.BUY and qty <= room[0]
        may_sell = request.side != Side.SELL and qty <= room[1]
        if instrument_id not in self.instrument_ids or not (may_buy or may_sell):
            ctx.decline(request, DeclineReason.CAPACITY)
            return
        view = self.views[instrument_id]
        client = view.clients.of(ctx.group_of(request.agent_id))
        adverse = self.adverse_ticks(view.belief, client.alpha(ctx.now_ns))
        bid, ask = self._quote(ctx, instrument_id, adverse, qty)
        answer = quote_record(
            ctx.now_ns,
            ctx.agent_id,
            instrument_id,
            bid if may_buy else None,
            ask if may_sell else None,
            request.rfq_id,
        )
        ctx.quote(request, answer.bid_ticks, answer.ask_ticks, self.params.quote_ttl)
        ctx.log(answer)

    def _quote(
        self, ctx: Context, instrument_id: int, adverse_ticks: float, qty_lots: Lots
    ) -> tuple[SpreadDecomposition, SpreadDecomposition]:
        p, belief = self.params, self.views[instrument_id].belief
        variance = belief.volatility.variance_rate * p.holding_time
        inventory = self.inventory(ctx, instrument_id)
        risk_aversion = p.risk_aversion_per_tick_lot
        bid_risk = inventory_ticks(Side.BUY, qty_lots, inventory, risk_aversion, variance)
        ask_risk = inventory_ticks(Side.SELL, qty_lots, inventory, risk_aversion, variance)
        return decompose_quote(belief.mean_ticks, adverse_ticks, bid_risk, ask_risk, p.processing_ticks)

    def adverse_ticks(self, belief: Belief, alpha: float) -> float:
        """What informed flow makes it charge, in ticks off its belief."""
        return belief.sd_ticks * zero_profit_k(alpha)

    def _lit_alpha(self, ctx: Context, instrument_id: int) -> float:
        view = self.views[instrument_id]
        view.learn_sweep()
        now_ns = ctx.now_ns
        view.belief.advance(now_ns)
        return view.lit.alpha(now_ns)

    def _lit_toxicity(self) -> ToxicityEstimator:
        p, weight = self.params, self.learning_weight
        return CombinedToxicity(
            [
                (FixedToxicity(p.prior_alpha), 1 - weight),
                (ImbalanceToxicity(p.imbalance), weight * (1 - p.markout_share)),
                (MarkoutToxicity(p.markout), weight * p.markout_share),
            ]
        )

    def _class_toxicity(self) -> ToxicityEstimator:
        p, weight = self.params, self.learning_weight
        return CombinedToxicity([(FixedToxicity(p.prior_alpha), 1 - weight), (MarkoutToxicity(p.markout), weight)])


class _View:
    """What the dealer makes of one instrument."""

    def __init__(self, belief: Belief, lit: ToxicityEstimator, clients: ToxicityByClass, belief_log: BeliefLog) -> None:
        self.belief = belief
        self.lit = lit
        self.clients = clients
        self.belief_log = belief_log
        self.sweep: Trade | None = None
        self.quoted = (0, 0)

    def learn_sweep(self) -> None:
        """Take the last aggressive order into the belief, now that all of its trades are known."""
        sweep = self.sweep
        if sweep is None:
            return
        self.sweep = None
        self.belief.advance(sweep.ts_event_ns)
        alpha = self.lit.alpha(sweep.ts_event_ns)
        self.belief.on_trade(sweep.aggressor_side, sweep.price_ticks, alpha)
        self.lit.on_trade(sweep.ts_event_ns, sweep.aggressor_side, sweep.qty_lots)


def _no_better_than(part: SpreadDecomposition, price_ticks: Ticks) -> SpreadDecomposition:
    """The same quote moved to ``price_ticks``; the move is accounted for as rounding."""
    if price_ticks == part.price_ticks:
        return part
    moved = part.side * (part.price_ticks - price_ticks) * UTICKS_PER_TICK
    return msgspec.structs.replace(part, price_ticks=price_ticks, rounding_uticks=part.rounding_uticks + moved)


def quote_record(
    ts_ns: Ns,
    agent_id: int,
    instrument_id: int,
    bid: SpreadDecomposition | None,
    ask: SpreadDecomposition | None,
    rfq_id: int = 0,
) -> QuoteRecord:
    """The log record of a quote; ``None`` for a side that is not quoted."""
    quoted = bid or ask
    return QuoteRecord(
        ts_ns,
        agent_id,
        instrument_id,
        rfq_id,
        bid.price_ticks if bid else 0,
        ask.price_ticks if ask else 0,
        quoted.mean_uticks if quoted else 0,
        bid.adverse_uticks if bid else 0,
        bid.inventory_uticks if bid else 0,
        bid.processing_uticks if bid else 0,
        bid.rounding_uticks if bid else 0,
        ask.adverse_uticks if ask else 0,
        ask.inventory_uticks if ask else 0,
        ask.processing_uticks if ask else 0,
        ask.rounding_uticks if ask else 0,
    )
