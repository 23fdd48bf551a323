"""Deliberately wrong variants: a wrong formula, clock, trader or engine must turn a verdict.

What each of them gets wrong is right in the quick versions, where the same claims hold.
"""

from __future__ import annotations

from typing import Any

import pytest
from verdicts import assert_turned, failing

from experiments.validation import (
    avellaneda_stoikov,
    glosten_milgrom,
    gode_sunder,
    gueant_lehalle,
    kyle,
    market_closure,
    pin_vpin,
    queue_race,
    spread_measures,
    zero_intelligence,
)
from experiments.validation.avellaneda_stoikov import Clock, Kind
from lob_sim.agents.context import Context
from lob_sim.agents.dealer import Situation
from lob_sim.analysis.flow import PinEstimate
from lob_sim.experiment import run_cells
from lob_sim.information.retreat import Assessment, assess
from lob_sim.messages import OrderType, Side
from strategies.zero_intelligence import ZeroIntelligenceTrader

# --- Glosten and Milgrom -------------------------------------------------------------------------------------


def test_dealer_with_a_wrong_idea_of_informed_trading() -> None:
    outcome = glosten_milgrom.run(mu=0.3, assumed_mu=0.15, **glosten_milgrom.EXPERIMENT.quick)
    assert_turned(outcome.rows, "first ask", "first bid", "log-odds step", "adverse-selection share", "realised")


def test_dealer_that_counts_only_half_of_the_sells(monkeypatch: pytest.MonkeyPatch) -> None:
    right = glosten_milgrom.BinaryDealer.posterior

    def wrong(self: glosten_milgrom.BinaryDealer, side: Side) -> float:
        after = right(self, side)
        return after if side is Side.BUY else (after + self.belief) / 2

    monkeypatch.setattr(glosten_milgrom.BinaryDealer, "posterior", wrong)
    outcome = glosten_milgrom.run(**glosten_milgrom.EXPERIMENT.quick)
    assert_turned(outcome.rows, "first bid", "log-odds step", "range of prices after the same number")
    assert not any("first ask" in claim for claim in failing(outcome.rows))


# --- market closure ------------------------------------------------------------------------------------------


def test_customers_who_do_not_mind_the_spread() -> None:
    outcome = market_closure.run(mu=0.3, elastic=False, **market_closure.EXPERIMENT.quick)
    assert_turned(outcome.rows, "half-spread that the dealer finds")


def test_market_with_few_informed_traders_does_not_close() -> None:
    quick = market_closure.EXPERIMENT.quick
    point: dict[str, Any] = {"mu": 0.3, "rounds": quick["rounds"], "elastic": True}
    frame = run_cells(market_closure.one_market, [point], quick["runs"])
    rows = market_closure.judge(frame["late"].to_numpy(), frame["last"].to_numpy(), 0.6, quick["rounds"])
    assert rows
    assert failing(rows) == {row.claim for row in rows}


def test_flagship_dealer_that_misjudges_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(alpha: float, *rest: Any) -> Assessment:
        return assess(0.8 * alpha, *rest)

    monkeypatch.setattr("strategies.spiral_dealer.assess", wrong)
    outcome = market_closure.run(dealer=market_closure.Dealer.FLAGSHIP)
    assert_turned(outcome.rows, "leaves the lit book")


# --- Kyle ----------------------------------------------------------------------------------------------------


def test_market_maker_with_a_third_of_the_equilibrium_slope() -> None:
    outcome = kyle.run(slope_factor=0.3, **kyle.EXPERIMENT.quick)
    assert_turned(outcome.rows, "λ of price on flow", "share of information revealed", "insider's profit")


def test_insider_who_trades_twice_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(auctions: int, value_sd: float, noise_sd: float) -> tuple[float, ...]:
        return (2 * noise_sd / value_sd,) * auctions

    monkeypatch.setattr("strategies.kyle_insider.trading_intensities", wrong)
    outcome = kyle.run(**kyle.EXPERIMENT.quick)
    assert_turned(outcome.rows, "λ of value on flow", "insider's profit")


# --- Avellaneda and Stoikov ----------------------------------------------------------------------------------


def test_wrong_clock() -> None:
    assert avellaneda_stoikov.derived(0.1, Kind.SYMMETRIC, Clock.BERNOULLI)[2] == pytest.approx(8.40, abs=0.005)
    assert avellaneda_stoikov.derived(0.1, Kind.SYMMETRIC, Clock.POISSON)[2] == pytest.approx(9.59, abs=0.005)
    point: dict[str, Any] = {"gamma": 0.1, "strategy": "symmetric", "clock": "poisson"}
    frame = run_cells(avellaneda_stoikov.one_path, [point], 500)
    profits, inventories = frame["profit"].to_numpy(), frame["inventory"].to_numpy()
    right = avellaneda_stoikov.judge(profits, inventories, 0.1, Kind.SYMMETRIC, Clock.POISSON)
    wrong = avellaneda_stoikov.judge(profits, inventories, 0.1, Kind.SYMMETRIC, Clock.BERNOULLI)
    assert failing(right) == set()
    assert any("final inventory" in claim for claim in failing(wrong))


def test_wrong_strategy() -> None:
    point: dict[str, Any] = {"gamma": 0.1, "strategy": "symmetric", "clock": "bernoulli"}
    frame = run_cells(avellaneda_stoikov.one_path, [point], 60)
    rows = avellaneda_stoikov.judge(
        frame["profit"].to_numpy(), frame["inventory"].to_numpy(), 0.1, Kind.INVENTORY, Clock.BERNOULLI
    )
    assert len(failing(rows)) >= 4


# --- Guéant, Lehalle and Fernandez-Tapia ---------------------------------------------------------------------


def test_quotes_that_lean_too_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Situation, "held_lots", lambda self, ctx: ctx.position(self.instrument_id) // 3)
    outcome = gueant_lehalle.run(runs=10, horizon_s=3000.0)
    assert_turned(outcome.rows, "largest error of a quoted distance", "mean squared inventory")


# --- the race of two queues ----------------------------------------------------------------------------------


def test_exact_race_without_cancellations(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = queue_race.EXPERIMENT.quick
    frame = run_cells(queue_race.one_market, [{"bid": 1, "ask": 4, "horizon_s": 2 * quick["horizon_s"]}], 4)
    races, ups, time, squares = (float(frame[name].sum()) for name in ("races", "ups", "time", "time_squared"))
    assert failing(queue_race.judge(races, ups, time, squares, queue_race.exact_race(1, 4))) == set()
    monkeypatch.setattr(queue_race, "CANCEL", 0.05)
    assert len(failing(queue_race.judge(races, ups, time, squares, queue_race.exact_race(1, 4)))) == 2


# --- zero intelligence, Gode and Sunder ----------------------------------------------------------------------


def test_markets_of_another_granularity_do_not_collapse() -> None:
    outcome = zero_intelligence.run(other_high=0.2, **zero_intelligence.EXPERIMENT.quick)
    assert_turned(outcome.rows, "ε=1.5: fast and large units against base", "ε=1.5: fine units against base")


def test_engine_whose_market_orders_cancel_what_they_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: ZeroIntelligenceTrader, ctx: Context) -> None:
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        ctx.place(self.instrument_id, side, self.params.size_lots, order_type=OrderType.MARKET)

    monkeypatch.setattr(ZeroIntelligenceTrader, "_place_market", wrong)
    outcome = zero_intelligence.run(**zero_intelligence.EXPERIMENT.quick)
    assert_turned(
        outcome.rows, "spread / p_c, ε=0.2: in our book", "variance of the mid over 1/(4δ), / p_c², ε=0.2: in our"
    )


def test_traders_without_the_budget_that_they_should_have() -> None:
    outcome = gode_sunder.run(believed=gode_sunder.Traders.UNCONSTRAINED, **gode_sunder.EXPERIMENT.quick)
    assert_turned(
        outcome.rows, "worst result", "against a double auction without our engine", "close to full", "gained"
    )


# --- PIN, VPIN and the spread's measures ---------------------------------------------------------------------


def test_pin_with_the_uninformed_of_one_side_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: PinEstimate) -> float:
        return self.event * self.informed / (self.event * self.informed + self.buys)

    monkeypatch.setattr(PinEstimate, "pin", property(wrong))
    monkeypatch.setattr(pin_vpin, "comb", lambda n, k: 0)  # and a VPIN that should be 0 without informed traders
    outcome = pin_vpin.run(**pin_vpin.EXPERIMENT.quick)
    assert_turned(outcome.rows, "PIN by maximum likelihood", "VPIN of uninformed flow")


def test_dealer_that_forgets_what_the_last_trade_had_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    right = spread_measures.ComponentDealer.on_fill

    def wrong(self: spread_measures.ComponentDealer, ctx: Context, fill: Any) -> None:
        self.last_sign = 0  # forgets what the last trade had foretold
        right(self, ctx, fill)

    monkeypatch.setattr(spread_measures.ComponentDealer, "on_fill", wrong)
    outcome = spread_measures.run(**spread_measures.EXPERIMENT.quick)
    assert_turned(outcome.rows, "Huang-Stoll: adverse share")


def test_roll_without_the_factor_of_two_and_hasbrouck_with_the_venues_mixed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roll, share = spread_measures.roll_spread, spread_measures.information_share
    monkeypatch.setattr(spread_measures, "roll_spread", lambda prices: roll(prices) / 2)
    monkeypatch.setattr(spread_measures, "information_share", lambda a, b, lags: share(b, a, lags))
    outcome = spread_measures.run(**spread_measures.EXPERIMENT.quick)
    assert_turned(outcome.rows, "Roll's spread", "Hasbrouck's information share")
