"""Hypothesis generators for authors of strategies and venues: commands, books, markets to be put through.

::

    from hypothesis import given
    from lob_sim.testing.generators import conditions, tops

    @given(tops())
    def test_never_pays_more_than_the_ask(top): ...
"""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from lob_sim.agents.context import TopOfBook
from lob_sim.messages import (
    CancelOrder,
    Command,
    NewOrder,
    OrderType,
    Phase,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from lob_sim.scenario import AgentGroupSpec, FairValueSpec, InstrumentSpec, Scenario, ShockSpec
from lob_sim.testing.crowd import Conditions
from lob_sim.units import NS_PER_S

_CENTRE_TICKS = 100
_sides = st.sampled_from(list(Side))


def prices_ticks(centre: int = _CENTRE_TICKS, width: int = 10) -> st.SearchStrategy[int]:
    """Prices near enough to each other that orders often meet."""
    return st.integers(max(1, centre - width), centre + width)


def tops(centre: int = _CENTRE_TICKS) -> st.SearchStrategy[TopOfBook]:
    """Tops of book: two-sided and uncrossed, one-sided, or empty."""
    sizes = st.integers(1, 50)

    def build(bid: int, gap: int, bid_lots: int, ask_lots: int, shown: int) -> TopOfBook:
        has_bid, has_ask = bool(shown & 1), bool(shown & 2)
        return TopOfBook(0, bid * has_bid, bid_lots * has_bid, (bid + gap) * has_ask, ask_lots * has_ask)

    return st.builds(build, prices_ticks(centre), st.integers(1, 8), sizes, sizes, st.integers(0, 3))


@st.composite
def new_orders(draw: st.DrawFn, agent_id: int = 0, client_order_id: int = 1) -> NewOrder:
    """Orders that any venue accepts in continuous trading, of every type and time in force."""
    order_type = draw(st.sampled_from(list(OrderType)))
    has_limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    is_stop = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    qty = draw(st.integers(1, 20))
    in_force = draw(st.sampled_from(list(TimeInForce))) if has_limit and not is_stop else TimeInForce.GTC
    rests = has_limit and in_force is TimeInForce.GTC
    shown = draw(st.sampled_from(["all", "slice", "nothing"])) if rests else "all"
    return NewOrder(
        0,
        agent_id,
        client_order_id,
        draw(_sides),
        qty,
        draw(prices_ticks()) if has_limit else 0,
        order_type=order_type,
        time_in_force=in_force,
        stop_price_ticks=draw(prices_ticks()) if is_stop else 0,
        display_qty_lots=draw(st.integers(1, qty)) if shown == "slice" else 0,
        hidden=shown == "nothing",
        self_trade=draw(st.sampled_from(list(SelfTradePrevention))),
    )


@st.composite
def commands(draw: st.DrawFn, agents: int = 3, max_size: int = 40) -> list[Command]:
    """Sequences of commands of several agents: new orders, and changes of earlier ones that may be gone."""
    sent: list[NewOrder] = []
    sequence: list[Command] = []
    for _ in range(draw(st.integers(1, max_size))):
        if not sent or draw(st.integers(0, 9)) < 6:
            agent_id, number = draw(st.integers(0, agents - 1)), len(sent) + 1
            sent.append(draw(new_orders(agent_id, number)))
            sequence.append(sent[-1])
            continue
        order = draw(st.sampled_from(sent))
        agent_id, number, qty = order.agent_id, order.client_order_id, draw(st.integers(1, 20))
        changes: list[Command] = [CancelOrder(0, agent_id, number), ReduceOrder(0, agent_id, qty, number)]
        if order.price_ticks:
            changes.append(ReplaceOrder(0, agent_id, qty, draw(prices_ticks()), number))
        sequence.append(draw(st.sampled_from(changes)))
    return sequence


def conditions() -> st.SearchStrategy[Conditions]:
    """Make-believe markets for :class:`~lob_sim.testing.scripted.ScriptedMarket`."""
    return st.builds(
        Conditions,
        bids=st.booleans(),
        asks=st.booleans(),
        phase=st.sampled_from(list(Phase)),
        reject_share=st.sampled_from([0.0, 0.1, 1.0]),
        refuse_orders=st.booleans(),
    )


@st.composite
def scenarios(draw: st.DrawFn, *groups: AgentGroupSpec, seconds: int = 30) -> Scenario:
    """Small valid markets: one instrument, a dealer and zero-intelligence flow, and the ``groups`` given."""
    fair_value = FairValueSpec(
        daily_volatility=draw(st.sampled_from([0.0, 0.005, 0.02])),
        news_interval=draw(st.sampled_from([0, 5 * NS_PER_S])),
        news_noise_sd=0.001,
    )
    bond = InstrumentSpec(
        name="bond",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        initial_price=Decimal(draw(st.integers(10, 200))),
        fair_value=fair_value,
    )
    size = draw(st.sampled_from([-0.5, -0.04, 0.1]))
    at = draw(st.integers(1, seconds - 1)) * NS_PER_S
    dealer = AgentGroupSpec(name="dealer", strategy="strategies.fixed_spread:FixedSpreadDealer")
    noise = AgentGroupSpec(
        name="noise",
        strategy="strategies.zero_intelligence:ZeroIntelligenceTrader",
        count=draw(st.integers(1, 4)),
    )
    return Scenario(
        name="generated",
        horizon=seconds * NS_PER_S,
        instruments=[bond],
        agents=[dealer, noise, *groups],
        shocks=[ShockSpec(instrument="bond", at=at, size=size)] if draw(st.booleans()) else [],
    )
