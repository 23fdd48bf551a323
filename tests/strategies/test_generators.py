"""The public generators give what they promise."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lob_sim.agents.context import TopOfBook
from lob_sim.messages import (
    Command,
    Event,
    NewOrder,
    OrderAccepted,
    OrderRejected,
    Phase,
    RejectReason,
    SetPhase,
)
from lob_sim.scenario import AgentGroupSpec, Scenario
from lob_sim.simulation.runner import simulate
from lob_sim.testing import Conditions, RecordingContext, ScriptedMarket
from lob_sim.testing.generators import commands, conditions, new_orders, scenarios, tops
from lob_sim.units import Ns
from lob_sim.venue.matching import MatchingEngine
from strategies.glosten_milgrom import GlostenMilgromDealer

FAST = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def open_engine() -> MatchingEngine:
    engine = MatchingEngine(0)
    engine.process(SetPhase(0, Phase.CONTINUOUS), 0)
    return engine


@given(new_orders())
def test_every_generated_order_is_accepted(order: NewOrder) -> None:
    assert isinstance(open_engine().process(order, 1)[0], OrderAccepted)


@FAST
@given(commands())
def test_command_sequences_fail_only_on_orders_that_are_gone(sequence: list[Command]) -> None:
    engine = open_engine()
    for ts_ns, command in enumerate(sequence, start=1):
        for event in engine.process(command, ts_ns):
            if isinstance(event, OrderRejected):
                assert event.reason is RejectReason.UNKNOWN_ORDER
        engine.check()


@given(tops())
def test_tops_are_never_crossed(top: TopOfBook) -> None:
    assert not top.is_two_sided or top.bid_ticks < top.ask_ticks
    assert (top.bid_ticks > 0) == (top.bid_lots > 0)
    assert (top.ask_ticks > 0) == (top.ask_lots > 0)


@FAST
@given(conditions(), st.integers(0, 1000))
def test_a_dealer_survives_any_conditions(market: Conditions, seed: int) -> None:
    ctx = RecordingContext(seed=seed)
    sent = ScriptedMarket(GlostenMilgromDealer(), ctx, seed, market).run(40)
    # Its clock still runs, and where orders are taken it has quoted.
    assert ctx.wakes
    assert market.refuse_orders or market.phase is Phase.CLOSED or any(isinstance(c, NewOrder) for c in sent)


class _Count:
    def __init__(self) -> None:
        self.messages = 0

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        self.messages += 1 + len(events)

    def record(self, event: Event) -> None:
        self.messages += 1


INFORMED = AgentGroupSpec(name="informed", strategy="strategies.informed:InformedTrader", sees_fair_value=True)


@FAST
@given(scenarios(INFORMED, seconds=10), st.integers(0, 100))
def test_generated_scenarios_run(scenario: Scenario, seed: int) -> None:
    log = _Count()
    simulate(scenario, seed, log)
    assert log.messages > 0
