"""The dealer of the flagship: Glosten and Milgrom's, with a way out of the lit book and eyes for who is in trouble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import (
    BeliefPart,
    Dealer,
    InventoryPolicyPart,
    LitPolicy,
    LitPolicyPart,
    Quotes,
    RfqPolicy,
    RfqPolicyPart,
    Situation,
    ToxicityPart,
    part,
    quotes_with_parts,
)
from lob_sim.agents.dealer.inventory_policy import NO_LIMIT_LOTS
from lob_sim.agents.inquiries import AsksForQuotes, Inquiries, some_dealers
from lob_sim.information.belief import Belief, GaussianBelief
from lob_sim.information.retreat import (
    Assessment,
    ExponentialReservations,
    ReservationValues,
    RetreatParams,
    RetreatPolicy,
    UniformReservations,
    assess,
    gaussian_elastic_half_spread,
)
from lob_sim.information.rfq import DistressParams, DistressSuspicion, RequestTerms, RfqPricing, price_inquiry
from lob_sim.information.spread import zero_profit_k
from lob_sim.information.toxicity_estimators import LearningToxicity
from lob_sim.messages import (
    DeclineReason,
    RetreatRecord,
    ReturnRecord,
    RfqDeclined,
    RfqOpened,
    Side,
    WithdrawalCause,
)
from lob_sim.units import NS_PER_S, Interval, Lots, Ns, bounded_cash

from .glosten_milgrom import RiskAverseInventory

_BID_ALONE = (WithdrawalCause.FORCED_SALE, WithdrawalCause.CAPITAL)


class ElasticQuotes(LitPolicy):
    """Quotes what breaks even against elastic uninformed flow, and leaves the book when nothing does.

    It also leaves when the expected loss on its quotes is past its appetite, and stops bidding when a limit binds or
    its limits leave it no headroom. Before that it shows less: where ``risk_budget_tick_lots`` is given, its size times
    the deviation of its belief stays within it, so that depth falls as uncertainty rises. Both are its retreat, and off
    with that switch.

    Source: Glosten and Milgrom (1985), section 4 (closure of the market), with a Gaussian belief; depth that falls as
    volatility rises: Fleming and Ruela (2020), "Treasury Market Liquidity during the COVID-19 Crisis".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            processing_ticks: Cost of processing an order, a lot.
            reservations: How it takes uninformed traders' private values to be distributed: ``uniform``, so that
                nobody pays more than ``reservation_ticks``; ``exponential``, so that some would pay anything.
            reservation_ticks: The most that an uninformed trader would pay off fair value; where values are
                exponential, their mean.
            retreat: Its terms for staying in the lit book.
            risk_budget_tick_lots: The most that its quoted size times the deviation of its belief may be, but for a
                lot that it always shows; 0: its size is always the same.
        """

        processing_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.5
        reservations: Literal["uniform", "exponential"] = "uniform"
        reservation_ticks: Annotated[float, msgspec.Meta(gt=0)] = 20.0
        retreat: RetreatParams = RetreatParams(appetite_tick_lots=100.0)
        risk_budget_tick_lots: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        kinds: Mapping[str, type[UniformReservations | ExponentialReservations]] = {
            "uniform": UniformReservations,
            "exponential": ExponentialReservations,
        }
        self.reservations: ReservationValues = kinds[self.params.reservations](self.params.reservation_ticks)
        self.retreats: list[RetreatPolicy] = []

    def on_start(self, ctx: Context) -> None:
        """Begin in the book, in every instrument."""
        self.retreats = [RetreatPolicy(self.params.retreat, ctx.now_ns) for _ in ctx.instruments]

    def prices(self, ctx: Context, situation: Situation) -> Quotes:
        """What breaks even against elastic flow; where nothing does, what would against inelastic flow."""
        return self._priced(ctx, situation, self._needed_ticks(situation))

    def quotes(self, ctx: Context, situation: Situation) -> Quotes | None:
        """Stay in the lit book or leave it, and say why."""
        instrument_id, now_ns = situation.instrument_id, ctx.now_ns
        situation = self._within_budget(ctx, situation)
        now = self._assess(ctx, situation)
        retreat = self.retreats[instrument_id]
        before, since_ns = retreat.cause, retreat.since_ns
        cause = retreat.decide(now_ns, now)
        if cause is not before:
            self._log_decision(ctx, instrument_id, cause, now, before, now_ns - since_ns)
        if cause is not None and cause not in _BID_ALONE:
            return None
        needed = now.half_spread_ticks if ctx.switches.retreat else self._needed_ticks(situation)
        # Under the causes that take its bid it does not buy, and still offers.
        return self._priced(ctx, situation, needed).on_sides(bid=cause is None, ask=True)

    def _within_budget(self, ctx: Context, situation: Situation) -> Situation:
        budget, sd = self.params.risk_budget_tick_lots, situation.belief.sd_ticks
        if not budget or not ctx.switches.retreat or situation.size_lots * sd <= budget:
            return situation
        lots = max(1, int(budget / sd))
        return msgspec.structs.replace(situation, size_lots=lots, qty_lots=lots)

    def stands_until_ns(self, ctx: Context, instrument_id: int) -> Ns:
        """Until the shortest time away is over."""
        return self.retreats[instrument_id].stands_until_ns(ctx.now_ns)

    def _priced(self, ctx: Context, situation: Situation, needed_ticks: float | None) -> Quotes:
        cost = self.params.processing_ticks
        if needed_ticks is None:
            adverse = situation.belief.sd_ticks * zero_profit_k(situation.alpha)
        else:
            adverse = needed_ticks - cost
        return quotes_with_parts(ctx, situation, adverse, cost)

    def _needed_ticks(self, situation: Situation) -> float | None:
        cost = self.params.processing_ticks
        return gaussian_elastic_half_spread(situation.alpha, situation.belief.sd_ticks, cost, self.reservations)

    def _assess(self, ctx: Context, situation: Situation) -> Assessment:
        cost, belief, i = self.params.processing_ticks, situation.belief, situation.instrument_id
        headroom = ctx.headroom
        forced = headroom is not None and bool(headroom.binding)
        free_lots = situation.inventory.headroom_lots(ctx, i)
        capacity = bounded_cash(ctx.instruments[i].value(round(belief.mean_ticks), free_lots))
        if not ctx.switches.retreat:
            return Assessment(cost, 1.0, 0.0, capacity, forced)
        return assess(situation.alpha, belief.sd_ticks, cost, situation.size_lots, capacity, self.reservations, forced)

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


class WaryAnswers(RfqPolicy):
    """Prices by client class, risk and scarce capacity, and shuns dealers who seem to sell because they must.

    Source: Duffie, Fleming, Keane, Nelson, Shachar and Van Tassel (2023), "Dealer Capacity and U.S. Treasury Market
    Functionality" (the charge for scarce capacity).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            rfq: Its terms for a client.
            distress: How it comes to suspect another dealer.
        """

        rfq: RfqPricing = RfqPricing()
        distress: DistressParams = DistressParams()

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self.suspicion = DistressSuspicion(self.params.distress)

    def on_request(self, ctx: Context, request: RfqOpened) -> None:
        """A dealer who asks may be in trouble."""
        if request.agent_id in ctx.dealers:
            self.suspicion.on_request(ctx.now_ns, request.agent_id, request.side)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """A dealer who declines may be in trouble."""
        self.suspicion.on_declined(ctx.now_ns, event.dealer_id)

    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        """Price each side asked for by what it knows of the client; decline what it will not price."""
        bid = ask = None
        refusal = DeclineReason.NO_INTEREST
        may_buy, _ = situation.inventory.capacity(ctx, request.instrument_id)
        for side in (Side.BUY, Side.SELL):
            if request.side == side:
                continue
            if side is Side.BUY and request.qty_lots > may_buy:
                refusal = DeclineReason.CAPACITY
                continue
            answer = price_inquiry(self._inquiry(ctx, request, situation, side), self._terms(ctx))
            if isinstance(answer, DeclineReason):
                refusal = answer
            elif side is Side.BUY:
                bid = answer
            else:
                ask = answer
        if bid is None and ask is None:
            return refusal
        if bid is not None and ask is not None and ask.price_ticks <= bid.price_ticks:
            ask = None
        qty = request.qty_lots
        return Quotes(
            bid.price_ticks if bid else 0,
            qty if bid else 0,
            ask.price_ticks if ask else 0,
            qty if ask else 0,
            bid,
            ask,
        )

    def _inquiry(self, ctx: Context, request: RfqOpened, situation: Situation, side: Side) -> RequestTerms:
        belief, inventory, now_ns = situation.belief, situation.inventory, ctx.now_ns
        belief.advance(now_ns)
        fears = ctx.switches.retreat and request.agent_id in ctx.dealers
        return RequestTerms(
            side,
            request.qty_lots,
            belief.mean_ticks,
            belief.sd_ticks,
            situation.alpha,
            situation.held_lots(ctx),
            inventory.holding_variance_ticks2(belief.variance_rate),
            inventory.utilisation(ctx, request.instrument_id, side, request.qty_lots),
            self.suspicion.probability(now_ns, request.agent_id) if fears else 0.0,
        )

    def _terms(self, ctx: Context) -> RfqPricing:
        terms = self.params.rfq
        return terms if ctx.switches.retreat else msgspec.structs.replace(terms, max_alpha=1.0, max_distress=1.0)


class BalanceSheetInventory(AsksForQuotes, RiskAverseInventory):
    """Buys with free headroom and sells what it holds; offers other dealers what it has taken on beyond a limit.

    Source: inventory risk, Stoll (1978); the balance sheet as a dealer's capacity, Duffie and others (2023), "Dealer
    Capacity and U.S. Treasury Market Functionality"; laying off is a choice of this program.
    """

    class Params(RiskAverseInventory.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            headroom_reserve: Share of its opening headroom that it keeps free: it buys only with what is left of
                the rest, and has no capital for market making when there is nothing left of it.
            layoff_lots: Inventory, long or short, beyond which it asks other dealers for quotes.
            layoff_dealers: Number of dealers that it asks.
            layoff_interval: Time between two such requests.
            layoff_patience: How long it waits for answers.
            layoff_discount_ticks: How much worse than its belief a price it takes to lay inventory off.
        """

        headroom_reserve: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
        layoff_lots: Annotated[int, msgspec.Meta(ge=1)] = 60
        layoff_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        layoff_interval: Interval = 10 * NS_PER_S
        layoff_patience: Interval = NS_PER_S
        layoff_discount_ticks: Annotated[float, msgspec.Meta(ge=0)] = 5.0

    params: Params

    def __init__(self, params: Params | None = None) -> None:
        super().__init__(params)
        self.inquiries = Inquiries()
        self.next_layoff_ns = 0
        self.opening_headroom_lots: tuple[Lots, ...] = ()
        self.reserve_lots: list[Lots] = []

    # --- what it may hold -----------------------------------------------------------------------------------
    def capacity(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """What the inventory limit leaves, and the balance sheet: headroom, and what is held."""
        may_buy, may_sell = super().capacity(ctx, instrument_id)
        if ctx.headroom is not None:  # a dealer with a balance sheet does not sell short
            held = ctx.position(instrument_id)
            if held < may_sell:
                may_sell = held if held > 0 else 0
        free = self.headroom_lots(ctx, instrument_id)
        if free < may_buy:
            may_buy = free if free > 0 else 0
        return may_buy, may_sell

    def headroom_lots(self, ctx: Context, instrument_id: int) -> Lots:
        """Headroom beyond the reserve, in lots of one instrument; negative when the reserve is touched."""
        headroom = ctx.headroom
        if headroom is None:
            return NO_LIMIT_LOTS
        if not self.opening_headroom_lots:
            self.opening_headroom_lots = headroom.purchase_lots
            self.reserve_lots = [round(self.params.headroom_reserve * lots) for lots in headroom.purchase_lots]
        return headroom.purchase_lots[instrument_id] - self.reserve_lots[instrument_id]

    def utilisation(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots) -> float:
        """Share of its capacity in use after the trade: of its position limit, and of its balance sheet's headroom."""
        used = super().utilisation(ctx, instrument_id, side, qty_lots)
        free = self.headroom_lots(ctx, instrument_id)
        if side is Side.SELL or not self.opening_headroom_lots:
            return used
        available = (1 - self.params.headroom_reserve) * self.opening_headroom_lots[instrument_id]
        return max(used, 1 - (free - qty_lots) / available if available > 0 else 1.0)

    # --- laying off ------------------------------------------------------------------------------------------
    def on_look(self, ctx: Context, size_lots: Lots, beliefs: Mapping[int, Belief]) -> None:
        """Ask other dealers for quotes, every now and then, for what is beyond the limit."""
        p = self.params
        if ctx.now_ns < self.next_layoff_ns:
            return
        self.next_layoff_ns = ctx.now_ns + p.layoff_interval
        if not p.layoff_dealers or self.inquiries.open:
            return
        for i, belief in beliefs.items():
            inventory = self.inventory_lots(ctx, i)
            excess = abs(inventory) - p.layoff_lots
            if excess <= 0:
                continue
            side = Side.SELL if inventory > 0 else Side.BUY
            limit = round(belief.mean_ticks + side * p.layoff_discount_ticks)
            self.inquiries.ask(
                ctx,
                i,
                side,
                min(excess, size_lots),
                max(1, limit),
                dealer_ids=some_dealers(ctx, p.layoff_dealers),
                patience_ns=p.layoff_patience,
            )

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Its patience with an inquiry is over."""
        self.inquiries.on_patience_over(ctx, tag)


class SpiralDealer(Dealer):
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

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        belief: BeliefPart = part(GaussianBelief)
        toxicity: ToxicityPart = part(LearningToxicity)
        lit_policy: LitPolicyPart = part(ElasticQuotes)
        rfq_policy: RfqPolicyPart = part(WaryAnswers)
        inventory_policy: InventoryPolicyPart = part(BalanceSheetInventory)

    params: Params
