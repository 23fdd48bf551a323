"""The engine against the naive engine: the same events and the same books, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from differential import DivergenceError, Pair, run
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lob_sim.messages import (
    CancelOrder,
    NewOrder,
    OrderType,
    Phase,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
)

SHORT_SEEDS, SHORT_OPERATIONS = range(40), 2_600
LONG_SEEDS, LONG_OPERATIONS = range(1_000, 1_100), 50_000


def assert_same(seed: int, operations: int, compare_every: int) -> None:
    """Run both engines; a difference raises, and that both have dealt shows that there was something to compare."""
    pair = run(seed, operations, compare_every)
    assert pair.n_events >= operations
    assert pair.engine.last_trade_ticks == pair.naive.last > 0


@pytest.mark.parametrize("seed", SHORT_SEEDS)
def test_same_events_and_books(seed: int) -> None:
    assert_same(seed, SHORT_OPERATIONS, compare_every=10)


@pytest.mark.parametrize("seed", range(100, 104))
def test_same_books_after_every_operation(seed: int) -> None:
    assert_same(seed, 1_000, compare_every=1)


@pytest.mark.validate
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_same_events_and_books_for_five_million_operations(seed: int) -> None:
    assert_same(seed, LONG_OPERATIONS, compare_every=100)


def test_the_operations_add_up() -> None:
    assert len(SHORT_SEEDS) * SHORT_OPERATIONS >= 100_000
    assert len(LONG_SEEDS) * LONG_OPERATIONS >= 5_000_000


def test_a_divergence_is_seen() -> None:
    """The negative control: an order that only one of the two engines has."""
    pair = Pair()
    pair.process(NewOrder(0, 1, 1, Side.BUY, 5, 100))
    pair.compare_books()
    pair.naive.process(NewOrder(0, 1, 2, Side.BUY, 5, 100), 2)
    with pytest.raises(DivergenceError):
        pair.compare_books()


PRICES = st.integers(96, 104)
QUANTITIES = st.integers(1, 9)
AGENTS = st.integers(0, 2)
IDS = st.integers(0, 12)


@st.composite
def new_orders(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of an order of any kind, most of them without a flaw."""
    kind = draw(st.sampled_from(OrderType))
    has_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    is_stop = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    fields: dict[str, Any] = {
        "side": draw(st.sampled_from(Side)),
        "qty_lots": draw(QUANTITIES),
        "price_ticks": draw(PRICES) if has_limit else 0,
        "order_type": kind,
        "time_in_force": draw(st.sampled_from([*[TimeInForce.GTC] * 3, TimeInForce.IOC, TimeInForce.FOK])),
        "stop_price_ticks": draw(PRICES) if is_stop else 0,
        "self_trade": draw(st.sampled_from(SelfTradePrevention)),
    }
    match draw(st.integers(0, 6)):
        case 0:
            fields["display_qty_lots"] = draw(st.integers(1, 3))
        case 1:
            fields["hidden"] = True
        case 2:
            fields["post_only"] = True
    return fields


class EnginesAgree(RuleBasedStateMachine):
    """Hypothesis drives both engines and shrinks what tells them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.next_id = 1

    @initialize(
        band=st.sampled_from([None, (2, 5)]),
        reference=st.sampled_from([0, 100]),
        phase=st.sampled_from([Phase.CONTINUOUS, Phase.AUCTION]),
    )
    def choose_rules(self, band: tuple[int, int] | None, reference: int, phase: Phase) -> None:
        self.pair = Pair(phase, band, reference)

    @rule(agent_id=AGENTS, fields=new_orders(), skip=st.sampled_from([0, 0, 0, 0, 1, -1, -3]))
    def new(self, agent_id: int, fields: dict[str, Any], skip: int) -> None:
        self.pair.process(NewOrder(0, agent_id, self.next_id + skip, **fields))
        self.next_id += max(1, 1 + skip)

    @rule(agent_id=AGENTS, client_order_id=IDS, order_id=IDS)
    def cancel(self, agent_id: int, client_order_id: int, order_id: int) -> None:
        self.pair.process(CancelOrder(0, agent_id, client_order_id, order_id))

    @precondition(lambda self: self.pair.naive.orders)
    @rule(data=st.data(), qty_lots=QUANTITIES)
    def reduce_some_order(self, data: st.DataObject, qty_lots: int) -> None:
        order = data.draw(st.sampled_from(self.pair.naive.orders))
        self.pair.process(ReduceOrder(0, order.agent_id, qty_lots, order.client_order_id))

    @precondition(lambda self: self.pair.naive.orders)
    @rule(data=st.data(), qty_lots=QUANTITIES, price_ticks=st.one_of(st.none(), PRICES))
    def replace_some_order(self, data: st.DataObject, qty_lots: int, price_ticks: int | None) -> None:
        order = data.draw(st.sampled_from(self.pair.naive.orders))
        price_ticks = price_ticks or order.limit or 0
        self.pair.process(ReplaceOrder(0, order.agent_id, qty_lots, price_ticks, order_id=order.order_id))

    @rule(
        phase=st.sampled_from([*Phase, Phase.CONTINUOUS, Phase.CONTINUOUS]),
        reference=st.sampled_from([0, 101]),
    )
    def set_phase(self, phase: Phase, reference: int) -> None:
        self.pair.process(SetPhase(0, phase, reference))

    @invariant()
    def books_are_the_same(self) -> None:
        self.pair.compare_books()


TestEnginesAgree = EnginesAgree.TestCase
TestEnginesAgree.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
