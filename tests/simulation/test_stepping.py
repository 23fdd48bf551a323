"""A simulation under one's hands: time in any steps, readings, callbacks and commands from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from instants import GOLDEN

from lob_sim import InputError, Scenario, Side, Simulation, StrategyError, open_run, run, verify
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    ReplaceOrder,
    RequestQuote,
    RfqQuoted,
    RfqTraded,
)
from lob_sim.scenario import parse_scenario
from lob_sim.units import NS_PER_S

MS = 1_000_000


def _market(horizon: str = "20s", **outside: Any) -> Scenario:
    latency = {"to_venue": {"median": "5ms"}, "from_venue": {"median": "7ms"}}
    me = {"name": "me", "strategy": "strategies.outside:Outside", "connection": latency, **outside}
    return parse_scenario(
        {
            "name": "by hand",
            "horizon": horizon,
            "instruments": [{"name": "bond", "tick_size": "0.5", "lot_size": 10, "initial_price": 100}],
            "agents": [
                me,
                {"name": "dealer", "strategy": "strategies.fixed_spread:FixedSpreadDealer"},
                {"name": "rfq", "strategy": "strategies.rfq_dealer:RfqDealer"},
            ],
        }
    )


# --- time ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_run_in_any_pieces_is_the_run(pieces: int) -> None:
    simulation = Simulation(GOLDEN)
    for i in range(1, pieces + 1):
        simulation.run_until(simulation.horizon * i // pieces)
    assert simulation.finish().digest == run(GOLDEN).digest


def test_a_run_instant_by_instant_is_the_run() -> None:
    simulation = Simulation(GOLDEN)
    before, n = -1, 0
    while simulation.step():
        assert simulation.now > before
        before, n = simulation.now, n + 1
    assert simulation.now == simulation.horizon
    assert n > 1000
    assert simulation.finish().digest == run(GOLDEN).digest


def test_until_an_instant_nothing_due_at_it_has_happened_and_a_step_is_what_is_due() -> None:
    simulation = Simulation(_market())
    me = simulation.agents["me-1"].agent_id
    simulation.run_until("1s")
    simulation.inject(NewOrder(0, me, 0, Side.BUY, 1, 190))
    arrival_ns = NS_PER_S + 5 * MS
    simulation.run_until(arrival_ns)
    assert simulation.now == arrival_ns
    assert not any(level.price == 95.0 for level in simulation.books["bond"].bids)
    assert simulation.step()
    assert simulation.now == arrival_ns
    assert any(level.price == 95.0 for level in simulation.books["bond"].bids)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("21s", "beyond the horizon"),
        ("1s", "is past"),
        (-1, "is past"),
        (1.5, "whole number"),
        ("soon", "unit of time"),
    ],
)
def test_instants_that_are_none_are_refused(at: Any, told: str) -> None:
    simulation = Simulation(_market())
    simulation.run_until("2s")
    with pytest.raises(InputError, match=told):
        simulation.run_until(at)
    simulation.run_until("3s")


def test_after_the_end_nothing_goes_on_and_the_result_stays() -> None:
    simulation = Simulation(_market())
    result = simulation.finish()
    assert simulation.finish() is result
    calls: list[Callable[[], object]] = [lambda: simulation.run_until("20s"), simulation.step, simulation.state]
    for call in calls:
        with pytest.raises(InputError, match="has ended: it has been finished"):
            call()


# --- looking ---------------------------------------------------------------------------------------------------
def test_looking_at_everything_changes_nothing() -> None:
    simulation = Simulation(GOLDEN)
    shown = []

    def look(sim: Simulation) -> None:
        shown.append((sim.now, dict(sim.books), dict(sim.agents), dict(sim.sheets), sim.state()))

    simulation.observe(look, every="13s")
    simulation.observe(look, at="1min")
    assert simulation.finish().digest == run(GOLDEN).digest
    times = [entry[0] for entry in shown]
    assert times == sorted([60 * NS_PER_S, *range(13 * NS_PER_S, 240 * NS_PER_S, 13 * NS_PER_S)])


def test_readings_are_what_the_log_says() -> None:
    simulation = Simulation(GOLDEN)
    simulation.run_until("100s")
    book, sheet = simulation.books["treasury"], simulation.sheets["dealer_a-1"]
    agent = simulation.agents["dealer_a-1"]
    log = simulation.finish()
    snapshot = log.book("treasury", at=100 * NS_PER_S - 1)
    instrument = snapshot.instrument
    assert [level.price for level in book.bids] == [instrument.price(ticks) for ticks, _, _ in snapshot.bids[:10]]
    assert [level.amount for level in book.asks] == [instrument.amount(lots) for _, lots, _ in snapshot.asks[:10]]
    sheets = log.table("balance_sheet")
    last = sheets[(sheets["agent_id"] == agent.agent_id) & (sheets["ts_event_ns"] < 100 * NS_PER_S)].iloc[-1]
    assert sheet.tier1 == pytest.approx(log.header.instruments[0].cash_unit.money(int(last["tier1_cash"])))
    assert sheet.assets == pytest.approx(sheet.debt + sheet.tier1)


def test_a_reading_is_a_copy_and_cannot_be_changed() -> None:
    simulation = Simulation(GOLDEN)
    before = simulation.agents["dealer_a-1"]
    simulation.finish()
    assert before.positions == {"corporate": 1_000_000_000.0, "treasury": 2_000_000_000.0}
    with pytest.raises(TypeError):
        before.positions["treasury"] = 0.0  # type: ignore[index]
    with pytest.raises(InputError, match=r"no agent is named 'dealer_a'.*did you mean"):
        simulation.agents["dealer_a"]
    assert simulation.agents.get("nobody") is None


def test_a_callback_cannot_run_what_it_looks_at() -> None:
    simulation = Simulation(_market())
    simulation.observe(lambda sim: sim.run_until("10s"), at="5s")
    with pytest.raises(InputError, match="cannot run the simulation"):
        simulation.run_until("6s")
    with pytest.raises(InputError, match=r"either at=\.\.\. or every"):
        simulation.observe(lambda sim: None)
    with pytest.raises(InputError, match=r"expected a function of the simulation, got \[\]"):
        simulation.observe([], every="1s")  # type: ignore[arg-type]


# --- acting ----------------------------------------------------------------------------------------------------
def test_commands_from_outside_travel_and_are_on_the_log() -> None:
    simulation = Simulation(_market())
    me = simulation.agents["me-1"].agent_id
    simulation.run_until("1s")
    number = simulation.inject(NewOrder(0, me, 99, Side.BUY, 3, 150))
    simulation.run_until("2s")
    assert [type(event) for event in simulation.agents["me-1"].heard] == [OrderAccepted]
    (order,) = simulation.agents["me-1"].orders
    assert (order.client_order_id, order.price, order.amount) == (number, 75.0, 30.0)
    simulation.inject(ReplaceOrder(0, me, 2, 150, number))
    simulation.run_until("3s")
    simulation.inject(CancelOrder(0, me, number))
    simulation.run_until("4s")
    assert type(simulation.agents["me-1"].heard[-1]) is OrderCanceled
    log = simulation.finish()
    mine = log.table("new_order").query(f"agent_id == {me}")
    assert mine[["client_order_id", "ts_sent_ns", "ts_event_ns"]].to_numpy().tolist() == [
        [number, NS_PER_S, NS_PER_S + 5 * MS]
    ]
    assert verify(log).ok


def test_an_agent_outside_trades_by_request() -> None:
    simulation = Simulation(_market())
    me, dealer = (simulation.agents[name].agent_id for name in ("me-1", "rfq-1"))
    simulation.inject(RequestQuote(0, me, 0, 1, 2, (dealer,), 5 * NS_PER_S))
    simulation.run_until("2s")
    quote = next(event for event in simulation.agents["me-1"].heard if isinstance(event, RfqQuoted))
    simulation.inject(AcceptQuote(0, me, quote.rfq_id, quote.quote_id, Side.BUY))
    simulation.run_until("3s")
    assert any(isinstance(event, RfqTraded) for event in simulation.agents["me-1"].heard)
    assert simulation.agents["me-1"].positions["bond"] == 20.0


def test_pre_trade_limits_hold_for_whoever_is_outside() -> None:
    simulation = Simulation(_market(may_short=False))
    me = simulation.agents["me-1"].agent_id
    assert simulation.inject(NewOrder(0, me, 0, Side.SELL, 1, 200)) == 0
    assert len(simulation.finish().table("order_refused")) == 1


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (NewOrder(0, 0, 0, Side.BUY, 1, 100), "agent 0 is not one that acts from outside; there are: me-1"),
        (NewOrder(5, 1, 0, Side.BUY, 1, 100), "instrument"),
        (NewOrder(0, 1, 0, Side.BUY, 1.5, 100), "qty_lots"),  # type: ignore[arg-type]
        (CancelOrder(0, 1, "first"), "client_order_id"),  # type: ignore[arg-type]
        ("buy", "agent None"),
    ],
)
def test_commands_that_nobody_outside_may_give_are_refused_and_nothing_happens(command: Any, told: str) -> None:
    simulation = Simulation(_market())
    assert simulation.agents["me-1"].agent_id == 1
    with pytest.raises(InputError, match=told):
        simulation.inject(command)
    assert simulation.finish().digest == run(_market()).digest


def test_a_market_with_somebody_outside_who_does_nothing_is_as_if_nobody_had_been_asked() -> None:
    assert Simulation(_market()).finish().digest == run(_market()).digest


# --- the log in a directory ------------------------------------------------------------------------------------
def test_a_simulation_that_is_left_has_an_interrupted_log(tmp_path: Path) -> None:
    with Simulation(GOLDEN, out=tmp_path / "run") as simulation:
        simulation.run_until("1min")
        rows = simulation.state().header.rows
    left = open_run(tmp_path / "run")
    assert (left.status, left.last_seq) == ("interrupted", rows)
    with pytest.raises(InputError, match="left before its horizon"):
        simulation.run_until("2min")


def test_an_error_in_a_strategy_ends_the_simulation_and_its_log_has_failed(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from lob_sim import Strategy\nclass Bad(Strategy):\n    'Fails.'\n    def on_start(self, ctx):\n"
        "        ctx.wake_in(5_000_000_000)\n    def on_wake(self, ctx, tag):\n        raise ValueError('no')\n"
    )
    (tmp_path / "bad.toml").write_text(
        'name = "bad"\nhorizon = "10s"\n[[instruments]]\nname = "bond"\ntick_size = 1\nlot_size = 1\n'
        'initial_price = 100\n[[agents]]\nname = "bad"\nstrategy = "bad:Bad"\n'
    )
    simulation = Simulation(tmp_path / "bad.toml", out=tmp_path / "run")
    simulation.run_until("5s")
    with pytest.raises(StrategyError, match="ValueError: no"):
        simulation.run_until("6s")
    assert open_run(tmp_path / "run").status == "failed"
    with pytest.raises(InputError, match="ended with StrategyError"):
        simulation.finish()
