"""Cash and securities at every event: nothing appears or vanishes, and guards hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sim_helpers import MemoryLog, group, instrument, scenario
from spammer import Spammer

from lob_sim.account.pre_trade import PreTradeRisk
from lob_sim.errors import InvariantError
from lob_sim.messages import (
    AuctionUncrossed,
    OrderRefused,
    OrderRejected,
    Phase,
    PhaseChanged,
    RejectReason,
    RfqRejected,
    RfqTraded,
    Side,
    Trade,
)
from lob_sim.simulation.ledger import Ledger
from lob_sim.simulation.world import World

LATENCIES: tuple[dict[str, Any], ...] = (
    {
        "to_venue": {"distribution": "lognormal", "median": "3ms", "sigma": 1.0},
        "from_venue": {"median": "5ms"},
    },
    {
        "to_venue": {"median": "1ms"},
        "from_venue": {"distribution": "uniform", "median": "6ms", "spread": "6ms"},
    },
    {},
)


def stress_scenario(
    guarded: bool = True, seconds: float = 2.0, endowment: int = 40, count: int = 2, until: str = "1h"
) -> Any:
    halts = {"price_band": 0.05, "halt": "30ms"}
    return scenario(
        [
            group(
                f"spam{i}",
                Spammer,
                count=count,
                params={"until": until},
                cash=endowment * 100,
                holdings={"bond": endowment, "bill": endowment // 2},
                connection=connection,
                may_short=not guarded,
                may_overdraw=not guarded,
            )
            for i, connection in enumerate(LATENCIES)
        ],
        [
            instrument("bond", lit={"opening_auction": "50ms", "closing_auction": "100ms", **halts}),
            instrument("bill", 40, lit=halts, rfq={"transparency": "delayed", "delay": "20ms"}),
            instrument("note", 70, lit={"batch_interval": "25ms", **halts}, rfq={"transparency": "immediate"}),
        ],
        horizon=f"{seconds}s",
    )


def run_checked(spec: Any, seed: int, means: bool = True) -> tuple[MemoryLog, World]:
    """Run, and check the ledger after every message that is logged."""
    log = MemoryLog()
    world = World(spec, seed, log)
    ledger = world.ledger

    def check() -> None:
        ledger.check()
        if means:
            assert min(ledger.cash[:-1]) >= 0
            assert min(min(row) for row in ledger.positions[:-1]) >= 0

    log.hook = check
    world.start()
    world.kernel.run_until(spec.horizon)
    world.finish()
    check()
    for engine in world.market.venues.books:
        engine.check()
    for rfq in world.market.venues.rfqs:
        rfq.check()
    return log, world


def test_nothing_is_lost_and_nobody_goes_short_or_overdraws_at_any_event_of_a_stress_run() -> None:
    log, world = run_checked(stress_scenario(seconds=4.0), seed=3)
    # The run was a stress: everything that can happen has happened.
    counts = Counter(type(message) for message in log.messages)
    assert counts[Trade] > 1_000
    assert counts[RfqTraded] > 50
    assert counts[OrderRefused] > 1_000
    assert counts[AuctionUncrossed] > 20
    phases = {event.phase for event in log.of(PhaseChanged)}
    assert phases == set(Phase)
    reasons = {event.reason for event in log.of(OrderRejected)} | {event.reason for event in log.of(RfqRejected)}
    assert reasons >= {
        RejectReason.INVALID_QTY,
        RejectReason.INVALID_PRICE,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.INVALID_FIELDS,
        RejectReason.QUOTE_IS_FIRM,
        RejectReason.UNKNOWN_RFQ,
        RejectReason.INVALID_SIDE,
    }
    assert sum(world.ledger.cash) == 6 * 40 * 100


def test_in_the_end_agents_know_what_the_ledger_says_and_reserve_what_they_have_at_work() -> None:
    spec = stress_scenario(seconds=2.5, until="2s")  # the latest message is there by then
    log, world = run_checked(spec, seed=5)
    assert len(log.of(Trade)) > 500
    for host in world.hosts:
        assert host.account.positions == world.ledger.positions[host.agent_id]
        assert host.account.cash == world.ledger.cash[host.agent_id]
        assert host.account.requests == [{}, {}, {}]
        resting = [
            [o for o in engine.book.orders.values() if o.agent_id == host.agent_id]
            for engine in world.market.venues.books
        ]
        known = [[(o.client_order_id, o.leaves_lots) for o in orders.values()] for orders in host.account.orders]
        assert [sorted(k) for k in known] == [sorted((o.client_order_id, o.open_lots) for o in r) for r in resting]
        guard = host.account.limits
        assert isinstance(guard, PreTradeRisk)
        assert guard.lots == [sum(o.open_lots for o in orders if o.side is Side.SELL) for orders in resting]
        assert guard.cash == sum(o.open_lots * o.price_ticks for r in resting for o in r if o.side is Side.BUY)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), endowment=st.integers(0, 60), count=st.integers(1, 3))
def test_guards_hold_for_any_seed_and_endowment(seed: int, endowment: int, count: int) -> None:
    run_checked(stress_scenario(seconds=0.4, endowment=endowment, count=count), seed)


def test_without_guards_the_same_agents_do_go_short_and_overdraw() -> None:
    """Negative control of all of the above."""
    _, world = run_checked(stress_scenario(guarded=False), seed=3, means=False)
    ledger = world.ledger
    assert min(min(row) for row in ledger.positions[:-1]) < 0
    assert min(ledger.cash[:-1]) < 0


@pytest.mark.parametrize("fault", ["cash", "lots", "one-sided"])
def test_a_ledger_that_settles_wrongly_is_caught(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    right = Ledger.settle
    calls = Counter[str]()

    def wrong(ledger: Ledger, agent_id: int, i: int, side: Side, price_ticks: int, qty_lots: int) -> None:
        calls["n"] += 1
        right(ledger, agent_id, i, side, price_ticks, qty_lots)
        if calls["n"] == 100:
            if fault == "cash":
                ledger.cash[agent_id] += 1
            elif fault == "lots":
                ledger.positions[agent_id][i] -= 1
            else:
                right(ledger, agent_id, i, side, price_ticks, qty_lots)

    monkeypatch.setattr(Ledger, "settle", wrong)
    with pytest.raises(InvariantError, match="not conserved"):
        run_checked(stress_scenario(), seed=3, means=False)


def test_transfers_between_accounts_conserve() -> None:
    _, world = run_checked(stress_scenario(seconds=0.2), seed=1)
    ledger = world.ledger
    ledger.transfer(-1, 0, 500)
    ledger.transfer(0, 1, 700)
    ledger.check()
    assert ledger.cash[-1] == -500
    ledger.cash[0] += 1
    with pytest.raises(InvariantError):
        ledger.check()
