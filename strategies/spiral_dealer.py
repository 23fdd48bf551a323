"""The dealer of the flagship: Glosten and Milgrom's, with a way out of the lit book and eyes for who is in trouble."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries, some_dealers
from lob_sim.agents.quoting import keep_quotes
from lob_sim.information.belief import Belief
from lob_sim.information.retreat import (
    Assessment,
    RetreatParams,
    RetreatPolicy,
    UniformReservations,
    assess,
    gaussian_elastic_half_spread,
)
from lob_sim.information.rfq import DistressParams, DistressSuspicion, Inquiry, RfqPricing, price_inquiry
from lob_sim.information.spread import SpreadDecomposition
from lob_sim.messages import (
    DeclineReason,
    Event,
    OrderRejected,
    RetreatRecord,
    ReturnRecord,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    Side,
    WithdrawalCause,
)
from lob_sim.units import NS_PER_S, Interval, Lots, Ns, bounded_cash

from .glosten_milgrom import GlostenMilgromDealer, quote_record

_NO_LIMIT_LOTS = 1 << 40
_ONLY_BIDS = (WithdrawalCause.FORCED_SALE, WithdrawalCause.CAPITAL)


class SpiralDealer(GlostenMilgromDealer):
    """Widens with the fear of informed flow, retreats from the lit book to RFQ, and shuns dealers in distress.

    On the lit book it quotes the half-spread at which it breaks even against *elastic* uninformed flow, and leaves
    when there is none, when the expected loss on its quotes is past its appetite, or when its limits leave it
    no headroom. On RFQ it prices by client class, by the inventory risk of the request and by the capacity that it
    has left; it lowers its bid for a dealer that it suspects of selling under a constraint, or declines. What it has
    taken on beyond ``layoff_lots`` it offers to other dealers.

    Sources: Glosten and Milgrom (1985), section 4 (closure of the market); Duffie, Fleming, Keane, Nelson,
    Shachar and Van Tassel (2023), "Dealer Capacity and U.S. Treasury Market Functionality" (the charge for
    scarce capacity).
    """

    class Params(GlostenMilgromDealer.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the dealer.

        Attributes:
            reservation_ticks: The most that an uninformed trader would pay off fair value; it takes their
                private values to be uniform up to that.
            retreat: Its terms for staying in the lit book.
            rfq: Its terms on RFQ.
            distress: How it comes to suspect another dealer.
            headroom_reserve: Share of its opening headroom that it keeps free: it buys only with what is left of
                the rest, and has no capital for market making when there is nothing left of it.
            layoff_lots: Inventory, long or short, beyond which it asks other dealers for quotes.
            layoff_dealers: Number of dealers that it asks.
            layoff_interval: Time between two such requests.
            layoff_patience: How long it waits for answers.
            layoff_discount_ticks: How much worse than its belief a price it takes to lay inventory off.
        """

        reservation_ticks: Annotated[float, msgspec.Meta(gt=0)] = 20.0
        retreat: RetreatParams = RetreatParams(appetite_tick_lots=100.0)
        rfq: RfqPricing = RfqPricing()
        distress: DistressParams = DistressParams()
        headroom_reserve: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
        layoff_lots: Annotated[int, msgspec.Meta(ge=1)] = 60
        layoff_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        layoff_interval: Interval = 10 * NS_PER_S
        layoff_patience: Interval = NS_PER_S
        layoff_discount_ticks: Annotated[float, msgspec.Meta(ge=0)] = 5.0

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.reservations = UniformReservations(self.params.reservation_ticks)
        self.policies: list[RetreatPolicy] = []
        self.suspicion = DistressSuspicion(self.params.distress)
        self.inquiries = Inquiries()
        self.next_layoff_ns = 0
        self.opening_headroom_lots: tuple[Lots, ...] = ()
        self.reserve_lots: list[Lots] = []

    # --- the lit book -------------------------------------------------------------------------------------
    def on_start(self, ctx: Context) -> None:
        self.policies = [RetreatPolicy(self.params.retreat, ctx.now_ns) for _ in ctx.instruments]
        super().on_start(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag > 0:
            self.inquiries.on_patience_over(ctx, tag)
            return
        super().on_wake(ctx, tag)
        if ctx.now_ns >= self.next_layoff_ns:
            self.next_layoff_ns = ctx.now_ns + self.params.layoff_interval
            self._lay_off(ctx)

    def requote(self, ctx: Context, instrument_id: int) -> None:
        """Stay in the lit book or leave it, and say why."""
        belief = self.views[instrument_id].belief
        alpha = self._lit_alpha(ctx, instrument_id)
        now = self._assess(ctx, instrument_id, alpha, belief)
        policy = self.policies[instrument_id]
        before, since_ns, now_ns = policy.cause, policy.since_ns, ctx.now_ns
        cause = policy.decide(now_ns, now)
        if cause is not before:
            self._log_decision(ctx, instrument_id, cause, now, before, now_ns - since_ns)
        if cause is None or cause in _ONLY_BIDS:
            # Under these causes it does not buy, and still offers.
            needed = now.half_spread_ticks if ctx.switches.retreat else self._needed_ticks(belief, alpha)
            adverse = self._adverse_ticks(belief, alpha, needed)
            self._requote_at(ctx, instrument_id, alpha, adverse, bids=cause is None)
        else:
            keep_quotes(ctx, instrument_id, 0, 0, 0, 0)
            self.log_quote(ctx, instrument_id, None, None)

    def adverse_ticks(self, belief: Belief, alpha: float) -> float:
        """What breaks even against elastic flow; where nothing does, what would against inelastic flow."""
        return self._adverse_ticks(belief, alpha, self._needed_ticks(belief, alpha))

    def _adverse_ticks(self, belief: Belief, alpha: float, needed_ticks: float | None) -> float:
        if needed_ticks is None:
            return super().adverse_ticks(belief, alpha)
        return needed_ticks - self.params.processing_ticks

    def _needed_ticks(self, belief: Belief, alpha: float) -> float | None:
        return gaussian_elastic_half_spread(alpha, belief.sd_ticks, self.params.processing_ticks, self.reservations)

    def _assess(self, ctx: Context, instrument_id: int, alpha: float, belief: Belief) -> Assessment:
        p, headroom = self.params, ctx.headroom
        forced = headroom is not None and bool(headroom.binding)
        free_lots = self._free_headroom_lots(ctx, instrument_id)
        capacity = bounded_cash(ctx.instruments[instrument_id].value(round(belief.mean_ticks), free_lots))
        if not ctx.switches.retreat:
            return Assessment(p.processing_ticks, 1.0, 0.0, capacity, forced)
        return assess(alpha, belief.sd_ticks, p.processing_ticks, p.size_lots, capacity, self.reservations, forced)

    def room(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """What the inventory limit leaves to buy and sell, and the balance sheet: headroom, and what is held."""
        may_buy, may_sell = super().room(ctx, instrument_id)
        if ctx.headroom is not None:  # a dealer with a balance sheet does not sell short
            may_sell = max(0, min(may_sell, ctx.position(instrument_id)))
        return max(0, min(may_buy, self._free_headroom_lots(ctx, instrument_id))), may_sell

    def _free_headroom_lots(self, ctx: Context, instrument_id: int) -> Lots:
        """Headroom beyond the reserve, in lots of one instrument; negative when the reserve is touched."""
        headroom = ctx.headroom
        if headroom is None:
            return _NO_LIMIT_LOTS
        if not self.opening_headroom_lots:
            self.opening_headroom_lots = headroom.purchase_lots
            self.reserve_lots = [round(self.params.headroom_reserve * lots) for lots in headroom.purchase_lots]
        return headroom.purchase_lots[instrument_id] - self.reserve_lots[instrument_id]

    def _log_decision(
        self,
        ctx: Context,
        instrument_id: int,
        cause: WithdrawalCause | None,
        now: Assessment,
        before: WithdrawalCause | None,
        away_ns: Ns,
    ) -> None:
        if cause is None:
            assert before is not None
            ctx.log(ReturnRecord(ctx.now_ns, ctx.agent_id, instrument_id, before, away_ns))
            return
        ctx.log(
            RetreatRecord(
                ctx.now_ns,
                ctx.agent_id,
                instrument_id,
                cause,
                now.half_spread_ticks or 0.0,
                now.share_paying,
                now.expected_loss_tick_lots,
                now.headroom_cash,
            )
        )

    # --- request for quote --------------------------------------------------------------------------------
    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        """Price each side asked for by what it knows of the client; decline what it will not price."""
        is_dealer = request.agent_id in ctx.dealers
        if is_dealer:
            self.suspicion.on_request(ctx.now_ns, request.agent_id, request.side)
        if request.instrument_id not in self.instrument_ids:
            ctx.decline(request, DeclineReason.NO_INTEREST)
            return
        bid = ask = None
        refusal = DeclineReason.NO_INTEREST
        may_buy, _ = self.room(ctx, request.instrument_id)
        for side in (Side.BUY, Side.SELL):
            if request.side == side:
                continue
            if side is Side.BUY and request.qty_lots > may_buy:
                refusal = DeclineReason.CAPACITY
                continue
            answer = price_inquiry(self._inquiry(ctx, request, side, is_dealer), self._terms(ctx))
            if isinstance(answer, DeclineReason):
                refusal = answer
            elif side is Side.BUY:
                bid = answer
            else:
                ask = answer
        self._answer(ctx, request, bid, ask, refusal)

    def _answer(
        self,
        ctx: Context,
        request: RfqOpened,
        bid: SpreadDecomposition | None,
        ask: SpreadDecomposition | None,
        refusal: DeclineReason,
    ) -> None:
        if bid is None and ask is None:
            ctx.decline(request, refusal)
            return
        if bid is not None and ask is not None and ask.price_ticks <= bid.price_ticks:
            ask = None
        quote = quote_record(ctx.now_ns, ctx.agent_id, request.instrument_id, bid, ask, request.rfq_id)
        ctx.quote(request, quote.bid_ticks, quote.ask_ticks, self.params.quote_ttl)
        ctx.log(quote)

    def _inquiry(self, ctx: Context, request: RfqOpened, side: Side, is_dealer: bool) -> Inquiry:
        instrument_id, now_ns = request.instrument_id, ctx.now_ns
        view = self.views[instrument_id]
        view.belief.advance(now_ns)
        alpha = view.clients.of(ctx.group_of(request.agent_id)).alpha(now_ns)
        fears = is_dealer and ctx.switches.retreat
        return Inquiry(
            side,
            request.qty_lots,
            view.belief.mean_ticks,
            view.belief.sd_ticks,
            alpha,
            self.inventory(ctx, instrument_id),
            view.belief.volatility.variance_rate * self.params.holding_time,
            self._utilisation(ctx, instrument_id, side, request.qty_lots),
            self.suspicion.probability(now_ns, request.agent_id) if fears else 0.0,
        )

    def _terms(self, ctx: Context) -> RfqPricing:
        if ctx.switches.retreat:
            return self.params.rfq
        return msgspec.structs.replace(self.params.rfq, max_alpha=1.0, max_distress=1.0)

    def _utilisation(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots) -> float:
        """Share of its capacity in use after the trade: of its position limit, and of its balance sheet's headroom."""
        inventory = self.inventory(ctx, instrument_id)
        used = abs(inventory + side * qty_lots) / self.params.max_inventory_lots
        free = self._free_headroom_lots(ctx, instrument_id)
        if side is Side.SELL or not self.opening_headroom_lots:
            return used
        available = (1 - self.params.headroom_reserve) * self.opening_headroom_lots[instrument_id]
        return max(used, 1 - (free - qty_lots) / available if available > 0 else 1.0)

    # --- laying off ------------------------------------------------------------------------------------------
    def _lay_off(self, ctx: Context) -> None:
        p = self.params
        if not p.layoff_dealers or self.inquiries.open:
            return
        for i in self.instrument_ids:
            inventory = self.inventory(ctx, i)
            excess = abs(inventory) - p.layoff_lots
            if excess <= 0:
                continue
            side = Side.SELL if inventory > 0 else Side.BUY
            limit = round(self.views[i].belief.mean_ticks + side * p.layoff_discount_ticks)
            self.inquiries.ask(
                ctx,
                i,
                side,
                min(excess, p.size_lots),
                max(1, limit),
                dealer_ids=some_dealers(ctx, p.layoff_dealers),
                patience_ns=p.layoff_patience,
            )

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self.inquiries.on_quote(ctx, quote)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        # Who declines to deal with the desk declines to deal with the dealer.
        if isinstance(event, RfqDeclined):
            self.suspicion.on_declined(ctx.now_ns, event.dealer_id)
        super().on_desk_event(ctx, event)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        self.suspicion.on_declined(ctx.now_ns, event.dealer_id)
        self.inquiries.on_decline(ctx, event)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        self.inquiries.on_close(ctx, event)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        if isinstance(event, RfqRejected):
            self.inquiries.on_close(ctx, event)
