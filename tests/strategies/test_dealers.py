"""Dealers: their quotes against the closed forms of their papers."""

from __future__ import annotations

from math import ceil, floor, log, sqrt
from typing import Any

import numpy as np
import pytest

from lob_sim.agents.quoting import make_passive, update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.information.belief import BayesianParams, GaussianBelief
from lob_sim.information.spread import zero_profit_k
from lob_sim.messages import (
    Announcement,
    BeliefRecord,
    CancelOrder,
    DeclineQuote,
    NewOrder,
    News,
    OrderFilled,
    QuoteRecord,
    ReplaceOrder,
    RfqOpened,
    RfqPrint,
    RfqTraded,
    Side,
    SubmitQuote,
    Trade,
)
from lob_sim.plugin_params import build_params
from lob_sim.scenario import SwitchSpec
from lob_sim.testing import RecordingContext, make_instrument
from lob_sim.units import NS_PER_S
from strategies.avellaneda_stoikov import AvellanedaStoikovDealer
from strategies.fixed_spread import FixedSpreadDealer
from strategies.glosten_milgrom import GlostenMilgromDealer
from strategies.gueant_lehalle import GueantLehalleDealer
from strategies.ho_stoll import HoStollDealer
from strategies.rfq_dealer import RfqDealer


def make(cls: type[Any], **params: object) -> Any:
    return cls(build_params(cls, params, "test"))


def started(cls: type[Any], ctx: RecordingContext, **params: object) -> Any:
    strategy = make(cls, **params)
    strategy.on_start(ctx)
    return strategy


def formula(dealer: Any, ctx: RecordingContext) -> tuple[float, float]:
    """Bid and ask before rounding."""
    prices: tuple[float, float] = dealer.lit_policy.formula(ctx, dealer.situation(ctx, 0, dealer.params.size_lots, 0.0))
    return prices


def last_quotes(ctx: RecordingContext) -> tuple[int, int]:
    by_side = {order.side: order.price_ticks for order in ctx.orders(0).values()}
    return by_side.get(Side.BUY, 0), by_side.get(Side.SELL, 0)


def request(side: int = 0, qty_lots: int = 5, agent_id: int = 9, dealers: int = 2) -> RfqOpened:
    return RfqOpened(0, 0, 77, agent_id, 1, side, qty_lots, tuple(range(dealers)), 10 * NS_PER_S)


# --- fixed spread ---------------------------------------------------------------------------------------


def test_fixed_spread_quotes_around_its_mid_and_leans_against_inventory() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(FixedSpreadDealer, ctx, half_spread_ticks=3, skew_ticks_per_lot=0.5, trade_weight=0.5)
    assert last_quotes(ctx) == (997, 1003)
    dealer.on_trade(ctx, Trade(0, 0, 1, 1020, 5, Side.BUY, 1, 2))
    dealer.on_wake(ctx, 0)
    assert last_quotes(ctx) == (1007, 1013)
    ctx.positions[0] = 20
    dealer.on_wake(ctx, 0)
    assert last_quotes(ctx) == (997, 1003)


def test_fixed_spread_moves_with_an_announcement_at_once() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(FixedSpreadDealer, ctx, half_spread_ticks=3)
    dealer.on_announcement(ctx, Announcement(0, 0, -50.0, 15.0))
    assert last_quotes(ctx) == (947, 953)


def test_fixed_spread_moves_quotes_by_replacing_them() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(FixedSpreadDealer, ctx, half_spread_ticks=3, trade_weight=1)
    assert [type(a) for a in ctx.take_actions()] == [NewOrder, NewOrder]
    dealer.on_wake(ctx, 0)
    assert ctx.take_actions() == []
    dealer.on_trade(ctx, Trade(0, 0, 1, 1010, 5, Side.BUY, 1, 2))
    dealer.on_wake(ctx, 0)
    moved = ctx.take_actions()
    assert [type(a) for a in moved] == [ReplaceOrder, ReplaceOrder]
    # Upwards the ask must go first, or the new bid would meet the dealer's own old ask.
    assert [a.price_ticks for a in moved if isinstance(a, ReplaceOrder)] == [1013, 1007]


def test_fixed_spread_stops_at_its_inventory_limit_counted_from_the_opening() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.positions[0] = 500
    dealer = started(FixedSpreadDealer, ctx, max_inventory_lots=20, size_lots=10)
    assert all(last_quotes(ctx))
    ctx.positions[0] = 520
    dealer.on_wake(ctx, 0)
    bid, ask = last_quotes(ctx)
    assert bid == 0
    assert ask > 0
    ctx.take_actions()
    dealer.on_rfq_request(ctx, request(Side.SELL))
    assert [type(a) for a in ctx.take_actions()] == [DeclineQuote]


def test_fixed_spread_answers_requests_with_the_sides_asked_for() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(FixedSpreadDealer, ctx, half_spread_ticks=3)
    ctx.take_actions()
    for side, bid, ask in ((0, 997, 1003), (Side.BUY, 0, 1003), (Side.SELL, 997, 0)):
        dealer.on_rfq_request(ctx, request(side))
        answer = ctx.take_actions()[0]
        assert isinstance(answer, SubmitQuote)
        assert (answer.bid_ticks, answer.ask_ticks) == (bid, ask)


# --- updating quotes ------------------------------------------------------------------------------------


def test_update_quotes_withdraws_one_side_and_cancels_surplus_orders() -> None:
    ctx = RecordingContext()
    ctx.place(0, Side.BUY, 5, 90)
    ctx.place(0, Side.BUY, 5, 89)
    child = ctx.place(0, Side.SELL, 5, 120, parent_order_id=7)
    ctx.take_actions()
    update_quotes(ctx, 0, 90, 5, 110, 0)
    assert ctx.take_actions() == [CancelOrder(0, 0, 2)]
    assert child in ctx.orders(0)


def test_quotes_stay_behind_what_others_display_but_not_behind_own() -> None:
    ctx = RecordingContext()
    ctx.set_top(100, 102, bid_lots=5, ask_lots=5)
    assert make_passive(ctx, 0, 105, 107) == (101, 107)
    assert make_passive(ctx, 0, 95, 97) == (95, 101)
    ctx.place(0, Side.SELL, 5, 102)
    assert make_passive(ctx, 0, 105, 107) == (105, 107)


# --- Avellaneda and Stoikov -----------------------------------------------------------------------------


@pytest.mark.parametrize("inventory", [-3, 0, 2])
@pytest.mark.parametrize("elapsed_s", [0, 0.4, 1.0, 5.0])
def test_avellaneda_stoikov_closed_form(inventory: int, elapsed_s: float) -> None:
    # The paper's numbers, s = 100, T = 1, σ = 2, k = 1.5, γ = 0.1, with a tick of 0.001.
    s, gamma, sigma, k = 100_000, 0.1 / 1000, 2_000.0, 1.5 / 1000
    ctx = RecordingContext(initial_ticks=s)
    dealer = started(
        AvellanedaStoikovDealer, ctx, risk_aversion_per_tick=gamma, volatility_ticks_per_sqrt_s=sigma,
        hit_decay_per_tick=k, horizon=1.0, mid="fair_value", size_lots=1,
    )  # fmt: skip
    ctx.now_ns, ctx.positions[0] = int(elapsed_s * NS_PER_S), inventory
    bid, ask = formula(dealer, ctx)
    left = max(0.0, 1 - elapsed_s)
    reservation = s - inventory * gamma * sigma**2 * left
    spread = gamma * sigma**2 * left + 2 / gamma * log(1 + gamma / k)
    assert (bid + ask) / 2 == pytest.approx(reservation, rel=1e-12)
    assert ask - bid == pytest.approx(spread, rel=1e-12)
    dealer.on_wake(ctx, 0)
    assert last_quotes(ctx) == (floor(bid), ceil(ask))


def test_avellaneda_stoikov_symmetric_benchmark_ignores_inventory() -> None:
    ctx = RecordingContext()
    dealer = started(AvellanedaStoikovDealer, ctx, centre="mid", mid="fair_value")
    flat = formula(dealer, ctx)
    ctx.positions[0] = 50
    assert formula(dealer, ctx) == flat


# --- Guéant, Lehalle and Fernandez-Tapia ----------------------------------------------------------------


def test_gueant_lehalle_closed_form() -> None:
    gamma, sigma, a, k = 0.01, 0.3, 0.9, 0.3  # the parameters of the paper's figures
    ctx = RecordingContext()
    dealer = started(GueantLehalleDealer, ctx, mid="fair_value", size_lots=1, max_inventory_lots=30)
    lean = sqrt(sigma**2 * gamma / (2 * k * a) * (1 + gamma / k) ** (1 + k / gamma))
    for q in (-10, 0, 7):
        ctx.positions[0] = q
        bid, ask = formula(dealer, ctx)
        assert 10_000 - bid == pytest.approx(log(1 + gamma / k) / gamma + (2 * q + 1) / 2 * lean)
        assert ask - 10_000 == pytest.approx(log(1 + gamma / k) / gamma - (2 * q - 1) / 2 * lean)


def test_gueant_lehalle_is_close_to_the_exact_quotes() -> None:
    # Exact: v' = Mv on −Q..Q; far from the horizon v is M's eigenvector of the smallest eigenvalue.
    gamma, sigma, a, k, limit = 0.01, 0.3, 0.9, 0.3, 30
    eta = a * (1 + gamma / k) ** -(1 + k / gamma)
    q = np.arange(-limit, limit + 1)
    matrix = np.diag(k * gamma * sigma**2 / 2 * q**2.0) - eta * (np.eye(len(q), k=1) + np.eye(len(q), k=-1))
    vector = np.abs(np.linalg.eigh(matrix)[1][:, 0])
    ctx = RecordingContext()
    dealer = started(GueantLehalleDealer, ctx, mid="fair_value", size_lots=1, max_inventory_lots=limit)
    for position in (-5, 0, 5):
        ctx.positions[0] = position
        i = position + limit
        exact = log(vector[i] / vector[i + 1]) / k + log(1 + gamma / k) / gamma
        assert 10_000 - formula(dealer, ctx)[0] == pytest.approx(exact, rel=0.01)


# --- Ho and Stoll ---------------------------------------------------------------------------------------


def test_ho_stoll_spread_is_constant_and_quotes_fall_with_inventory() -> None:
    ctx = RecordingContext()
    dealer = started(
        HoStollDealer, ctx, mid="fair_value", choke_fee_ticks=6, risk_price_ticks_per_lot=0.2, size_lots=10
    )
    bids, asks = [], []
    for position in (-20, 0, 20):
        ctx.positions[0] = position
        bid, ask = formula(dealer, ctx)
        bids.append(bid)
        asks.append(ask)
    assert [ask - bid for bid, ask in zip(bids, asks, strict=True)] == pytest.approx([6 + 0.5 * 0.2 * 10] * 3)
    assert bids[0] - bids[1] == pytest.approx(bids[1] - bids[2]) == pytest.approx(0.5 * 0.2 * 20)


def test_ho_stoll_fee_maximises_expected_gain() -> None:
    choke, risk, size, position = 6.0, 0.2, 10, 15
    ctx = RecordingContext()
    dealer = started(
        HoStollDealer,
        ctx,
        mid="fair_value",
        choke_fee_ticks=choke,
        risk_price_ticks_per_lot=risk,
        size_lots=size,
    )
    ctx.positions[0] = position
    fee = 10_000 - formula(dealer, ctx)[0]
    cost = risk * (position + size / 2)

    def gain(candidate: float) -> float:
        return (choke - candidate) * (candidate - cost)

    assert gain(fee) > max(gain(fee - 0.1), gain(fee + 0.1))


# --- Glosten and Milgrom --------------------------------------------------------------------------------

GM = {"prior_sd_ticks": 20, "prior_alpha": 0.3, "learning_weight": 0, "processing_ticks": 1}


def test_glosten_milgrom_quotes_the_zero_profit_spread() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    started(GlostenMilgromDealer, ctx, **GM, risk_aversion_per_tick_lot=0)
    half = 20 * zero_profit_k(0.3) + 1
    assert half == pytest.approx(20 * 0.246607 + 1, abs=1e-4)
    assert last_quotes(ctx) == (floor(1000 - half), ceil(1000 + half))


def test_glosten_milgrom_learns_from_the_tape_as_bayes_says() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, **GM)
    belief = GaussianBelief(GaussianBelief.Params(prior_sd_ticks=20.0), 1000.0)
    # A sweep of two prints is one decision, at its last price.
    dealer.on_trade(ctx, Trade(NS_PER_S, 0, 1, 1006, 5, Side.BUY, 1, 9))
    dealer.on_trade(ctx, Trade(NS_PER_S, 0, 2, 1007, 5, Side.BUY, 2, 9))
    ctx.now_ns = NS_PER_S
    dealer.on_wake(ctx, 0)
    belief.advance(NS_PER_S)
    belief.on_trade(Side.BUY, 1007, 0.3)
    assert dealer.views[0].belief.mean_ticks == pytest.approx(belief.mean_ticks, rel=1e-12)
    dealer.on_news(ctx, News(NS_PER_S, 0, 990.0, 5.0))
    belief.on_signal(990.0, 5.0)
    assert dealer.views[0].belief.mean_ticks == pytest.approx(belief.mean_ticks, rel=1e-12)


@pytest.mark.parametrize("own", [True, False])
def test_glosten_milgrom_learns_nothing_from_what_it_or_its_desk_started(own: bool) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, **GM)
    for n in (1, 2):  # one order of its own, or of another's, sweeps two prices
        dealer.on_trade(ctx, Trade(NS_PER_S, 0, n, 995 - n, 5, Side.SELL, n, 9))
        if own:
            dealer.on_fill(ctx, OrderFilled(NS_PER_S, 0, 0, 4, 9, Side.SELL, 995 - n, 5, 10 - 5 * n, False, n))
    dealer.on_rfq_trade(
        ctx, RfqTraded(NS_PER_S, 0, 3, 1, 1, ctx.agent_id if own else 8, 1 if own else 0, Side.SELL, 990, 5, 0)
    )
    ctx.now_ns = 2 * NS_PER_S
    dealer.on_wake(ctx, 0)
    assert (dealer.views[0].belief.mean_ticks == 1000) is own


def test_glosten_milgrom_knows_its_own_prints_by_instrument_and_discounts_old_ones() -> None:
    moves = []
    for dealt_ns in (1000 * NS_PER_S, 100 * NS_PER_S):
        ctx = RecordingContext(initial_ticks=1000, instruments=[make_instrument(0, "a"), make_instrument(1, "b")])
        dealer = started(GlostenMilgromDealer, ctx, **GM)
        # Venues number their trades apart: this one's trade -1 in instrument 0 is not another's in instrument 1.
        dealer.on_rfq_trade(ctx, RfqTraded(0, 0, 1, 1, -1, ctx.agent_id, 1, Side.SELL, 990, 5, 0))
        ctx.now_ns = 1000 * NS_PER_S
        dealer.on_print(ctx, RfqPrint(ctx.now_ns, 1, -1, dealt_ns, 990, 5, Side.SELL))
        moves.append(1000 - dealer.views[1].belief.mean_ticks)
        dealer.on_print(ctx, RfqPrint(ctx.now_ns, 0, -1, dealt_ns, 990, 5, Side.SELL))
        assert dealer.views[0].belief.mean_ticks == 1000
    assert moves[0] > moves[1] > 0


def test_glosten_milgrom_moves_with_an_announcement_at_once_and_is_less_sure() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, **GM)
    before = last_quotes(ctx)
    dealer.on_announcement(ctx, Announcement(0, 0, -50.0, 15.0))
    belief = dealer.views[0].belief
    assert (belief.mean_ticks, belief.sd_ticks) == pytest.approx((950.0, 25.0))
    half = 25 * zero_profit_k(0.3) + 1
    assert last_quotes(ctx) == (floor(950 - half), ceil(950 + half)) != before


@pytest.mark.parametrize("reads", [True, False])
def test_glosten_milgrom_may_read_a_trade_as_a_choice_of_side(reads: bool) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, reads_spread=reads, **GM)
    ctx.set_top(994, 1006)
    dealer.on_wake(ctx, 0)
    belief = GaussianBelief(BayesianParams(prior_sd_ticks=20), 1000.0)
    for k in range(1, 21):
        side, price, other = (Side.BUY, 1006, 994) if k % 2 else (Side.SELL, 994, 1006)
        dealer.on_trade(ctx, Trade(0, 0, k, price, 5, side, k, 100 + k))
        dealer.on_wake(ctx, 0)
        belief.on_trade(side, price, 0.3, other if reads else None)
    dealer.requote(ctx, 0)
    found = dealer.views[0].belief
    assert (found.mean_ticks, found.sd_ticks) == pytest.approx((belief.mean_ticks, belief.sd_ticks), rel=1e-9)
    # Trades off its zero-profit quotes leave the textbook's dealer no surer; choices of a side tell it a good deal.
    assert (found.sd_ticks < 15) is reads


def test_glosten_milgrom_takes_a_side_that_the_book_has_moved_through_for_unknown() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, reads_spread=True, **GM)
    ctx.set_top(994, 1006)
    dealer.on_wake(ctx, 0)
    dealer.on_trade(ctx, Trade(0, 0, 1, 990, 5, Side.BUY, 1, 101))
    dealer.on_wake(ctx, 0)
    belief = GaussianBelief(BayesianParams(prior_sd_ticks=20), 1000.0)
    belief.on_trade(Side.BUY, 990, 0.3)
    assert dealer.views[0].belief.sd_ticks == pytest.approx(belief.sd_ticks, rel=1e-9)


def test_glosten_milgrom_gives_way_to_what_others_quote_and_not_to_its_own_quotes() -> None:
    def mean_after(bid_lots: int, ask_lots: int, bid: int = 985, ask: int = 995, **params: object) -> float:
        ctx = RecordingContext(initial_ticks=1000)
        dealer = started(GlostenMilgromDealer, ctx, size_lots=10, **GM, **params)
        if bid_lots == ask_lots == 10:
            bid, ask = last_quotes(ctx)
        ctx.set_top(bid, ask, bid_lots, ask_lots)
        ctx.now_ns = 10 * NS_PER_S
        dealer.on_wake(ctx, 0)
        mean: float = dealer.views[0].belief.mean_ticks
        return mean

    assert mean_after(50, 50, consensus_half_life=10) == pytest.approx(995.0)
    assert mean_after(50, 50) == 1000.0
    assert mean_after(10, 10, consensus_half_life=10) == 1000.0
    # A book wider than four of its deviations tells it nothing.
    assert mean_after(50, 50, bid=800, ask=990, consensus_half_life=10) == 1000.0


@pytest.mark.parametrize(("learns", "lit", "asked"), [(True, 0.3, 0.1), (False, 0.2, 0.1)])
def test_glosten_milgrom_without_learning_goes_by_what_is_right_in_calm(learns: bool, lit: float, asked: float) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.switches = SwitchSpec(toxicity=learns)
    dealer = started(GlostenMilgromDealer, ctx, calm_alpha=0.2, rfq_prior_alpha=0.1, **GM)
    assert dealer.views[0].lit.alpha(0) == pytest.approx(lit)
    assert dealer.views[0].clients.of("client").alpha(0) == pytest.approx(asked)
    control = started(GlostenMilgromDealer, ctx, **GM)
    assert control.views[0].lit.alpha(0) == control.views[0].clients.of("client").alpha(0) == pytest.approx(0.3)


def test_glosten_milgrom_with_no_informed_flow_charges_processing_alone() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    dealer = started(GlostenMilgromDealer, ctx, **{**GM, "prior_alpha": 0}, risk_aversion_per_tick_lot=0)
    assert last_quotes(ctx) == (999, 1001)
    dealer.on_trade(ctx, Trade(0, 0, 1, 1006, 5, Side.BUY, 1, 9))
    dealer.on_wake(ctx, 0)
    assert dealer.views[0].belief.mean_ticks == 1000


def test_glosten_milgrom_logs_quotes_whose_parts_add_up() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.set_top(1010, 1012)  # another dealer's bid lies where this one's ask would be
    started(GlostenMilgromDealer, ctx, **GM)
    quotes = [e for e in ctx.logged if isinstance(e, QuoteRecord)]
    assert len([e for e in ctx.logged if isinstance(e, BeliefRecord)]) == 1
    (quote,) = quotes
    parts = quote.ask_adverse_uticks + quote.ask_inventory_uticks
    parts += quote.ask_processing_uticks + quote.ask_rounding_uticks
    assert quote.ask_ticks == 1011
    assert quote.ask_ticks * 1_000_000 - quote.mean_uticks == parts


def test_glosten_milgrom_charges_clients_by_their_class() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.groups = {8: "hedge_fund", 9: "pension_fund"}
    dealer = started(GlostenMilgromDealer, ctx, **{**GM, "learning_weight": 1, "prior_sd_ticks": 200})
    # The hedge fund buys before every rise; the pension fund deals as often, but the price then stands still.
    price = 1000
    for step in range(60):
        ctx.now_ns += 60 * NS_PER_S
        client, move = ((8, 5), (9, 0))[step % 2]
        ctx.set_top(price - 1, price + 1)
        dealer.on_rfq_trade(ctx, RfqTraded(ctx.now_ns, 0, step, step, step, client, 0, Side.BUY, price, 1, 0))
        price += move
        for seconds in (1, 40):
            ctx.now_ns += seconds * NS_PER_S
            ctx.set_top(price - 1, price + 1)
            dealer.on_wake(ctx, 0)
    spreads = {}
    for client in (8, 9):
        ctx.take_actions()
        dealer.on_rfq_request(ctx, request(agent_id=client))
        answer = ctx.take_actions()[0]
        assert isinstance(answer, SubmitQuote)
        spreads[client] = answer.ask_ticks - answer.bid_ticks
    assert spreads[8] > 2 * spreads[9]


# --- RFQ dealers with private costs ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 5])
def test_best_of_n_rfq_dealers_quotes_two_in_n_plus_one(n: int) -> None:
    scale, rounds = 1000.0, 2000
    dealers: list[tuple[RfqDealer, RecordingContext]] = []
    for i in range(n):
        ctx = RecordingContext(agent_id=i, name=f"dealer-{i}", initial_ticks=10_000)
        dealers.append((started(RfqDealer, ctx, cost_scale_ticks=scale, mid="fair_value"), ctx))
    best = []
    for _ in range(rounds):
        asks = []
        for dealer, ctx in dealers:
            dealer.on_rfq_request(ctx, request(Side.BUY, dealers=n))
            answer = ctx.take_actions()[0]
            assert isinstance(answer, SubmitQuote)
            asks.append(answer.ask_ticks - 10_000)
        best.append(min(asks) / scale)
    # The best mark-up is c₁ + (1 − c₁)/n with c₁ the least of n uniform costs, of variance n/((n+1)²(n+2)).
    sd = (1 - 1 / n) * sqrt(n / ((n + 1) ** 2 * (n + 2)))
    assert sum(best) / rounds == pytest.approx(2 / (n + 1), abs=3 * sd / sqrt(rounds))


def test_every_dealer_here_is_a_strategy_that_can_be_asked() -> None:
    for cls in (FixedSpreadDealer, GlostenMilgromDealer, RfqDealer, HoStollDealer):
        assert issubclass(cls, Strategy)
        assert cls.answers_rfqs
