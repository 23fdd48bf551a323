"""A strategy sees as its own what it has sent, whatever the desk of its agent sells at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lob_sim import run
from lob_sim.agents.context import Context
from lob_sim.agents.execution import OWN_PARENTS
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import StrategyError
from lob_sim.log import NullRecorder, Run
from lob_sim.messages import (
    Event,
    NewOrder,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    RequestQuote,
    RfqClosed,
    RfqDeclined,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    TimeInForce,
)
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.slow_capital import SlowCapital

HERE = Path(__file__).stem
MS = 1_000_000
BREACHED = {
    "short_term_funding": 8_000,
    "constraints": [{"kind": "slr", "params": {"minimum": 0.4}}],
    "work_interval": "500ms",
    "rfq_patience": "500ms",
}


def market(strategy: str, params: dict[str, Any], *, sheet: bool = True, dark: bool = False) -> Scenario:
    """One agent with a strategy and 100 lots, of whose limit most must be sold, among dealers and takers."""
    dealer = {"name": "dealer", "strategy": "strategies.fixed_spread:FixedSpreadDealer", "count": 3}
    if dark:
        dealer |= {"strategy": "strategies.rfq_dealer:RfqDealer", "params": {"cost_scale_ticks": 1.0}}
    tested = {
        "name": "tested",
        "strategy": strategy,
        "params": params,
        "connection": {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}},
        "holdings": {"bond": 100},
        **({"balance_sheet": BREACHED} if sheet else {}),
    }
    return parse_scenario(
        {
            "name": "desk",
            "horizon": "60s",
            "instruments": [{"name": "bond", "tick_size": 1, "lot_size": 1, "initial_price": 100}],
            "agents": [dealer, tested],
        }
    )


def log_of(scenario: Scenario) -> Run:
    log = run(scenario, 1)
    (agent,) = (a.agent_id for a in log.header.agents if a.group == "tested")
    assert agent == 3
    assert "dealer_defaulted" not in log.counts
    return log


def filled_lots(log: Run, *, forced: bool) -> int:
    """Lots that the agent has sold or bought in the lit book and on request, by its desk or by its strategy."""
    orders: list[Any] = [row.message for row in log.messages(NewOrder)]
    ids = {o.client_order_id for o in orders if o.agent_id == 3 and (0 < o.parent_order_id < OWN_PARENTS) == forced}
    fills: list[Any] = [row.message for row in log.messages(OrderFilled)]
    deals: list[Any] = [row.message for row in log.messages(RfqTraded)] if "rfq_traded" in log.counts else []
    lit = sum(f.qty_lots for f in fills if f.agent_id == 3 and f.client_order_id in ids)
    return lit + sum(d.qty_lots for d in deals if d.agent_id == 3 and (0 < d.parent_order_id < OWN_PARENTS) == forced)


SHIPPED = [
    ("strategies.metaorder_flow:MetaorderFlow", {"mean_interval": "100ms", "max_lots": 20}),
    (
        "strategies.gode_sunder:GodeSunderTrader",
        {"role": "seller", "values_ticks": [95, 96, 97], "max_price_ticks": 120},
    ),
    ("strategies.gode_sunder:GodeSunderTrader", {"role": "buyer", "values_ticks": [110], "max_price_ticks": 120}),
    ("strategies.zip_trader:ZipTrader", {"role": "seller", "values_ticks": [95, 96, 97]}),
    (
        "strategies.scheduled_flow:ScheduledFlow",
        {"flow": [{"at": "1s", "instrument": "bond", "amount": -10}, {"at": "20s", "instrument": "bond", "amount": 0}]},
    ),
    ("strategies.twap:TwapTrader", {"parent_lots": 10, "duration": "20s"}),
    ("strategies.vwap:VwapTrader", {"parent_lots": 10, "duration": "20s"}),
    ("strategies.pov:PovTrader", {"parent_lots": 10, "duration": "20s"}),
    ("strategies.almgren_chriss:AlmgrenChrissTrader", {"parent_lots": 10, "duration": "20s"}),
    ("strategies.central_bank:CentralBankPurchases", {"start": "1s", "patience": "1s", "widest_spread": 0.001}),
    ("strategies.zero_intelligence:ZeroIntelligenceTrader", {}),
    ("strategies.zero_intelligence:ZeroIntelligenceTrader", {"traders": 5}),
    ("strategies.momentum:MomentumTrader", {}),
    (
        "strategies.liquidity:LiquidityTraders",
        {"traders": 5, "mean_interval": "10s", "rfq_share": 0.5, "quoting_share": 0.3},
    ),
]


@pytest.mark.parametrize(
    ("strategy", "params"), SHIPPED, ids=[s.rpartition(":")[2] + str(i) for i, (s, _) in enumerate(SHIPPED)]
)
@pytest.mark.parametrize("dark", [False, True])
def test_shipped_strategies_run_beside_a_desk_that_sells(strategy: str, params: dict[str, Any], dark: bool) -> None:
    log = log_of(market(strategy, params, dark=dark))
    assert filled_lots(log, forced=True) > 10


def strategy_after(scenario: Scenario) -> Any:
    """The strategy under test as it is at the horizon."""
    return simulate(scenario, 1, NullRecorder()).hosts[3].components[-1]


@pytest.mark.parametrize("dark", [False, True])
def test_a_sliced_execution_counts_its_own_slices_and_not_the_forced_sales(dark: bool) -> None:
    scenario = market("strategies.twap:TwapTrader", {"parent_lots": 10, "duration": "20s"}, dark=dark)
    log = log_of(scenario)
    assert filled_lots(log, forced=True) >= 10
    assert strategy_after(scenario).executed_lots == filled_lots(log, forced=False) > 0


def test_a_trader_of_units_has_as_many_done_as_it_has_traded() -> None:
    params = {"role": "seller", "values_ticks": [90] * 50, "max_price_ticks": 120}
    scenario = market("strategies.gode_sunder:GodeSunderTrader", params)
    log = log_of(scenario)
    assert filled_lots(log, forced=True) >= 10
    assert strategy_after(scenario).units_done == filled_lots(log, forced=False) > 0


class Listens(Strategy):
    """Sends an order and a request now and then, and keeps what it hears."""

    answers_rfqs = False

    def on_start(self, ctx: Context) -> None:
        self.own: set[int] = set()
        self.heard: list[Event] = []
        self.of_desk: list[Event] = []
        self.strangers = 0
        ctx.wake_in(100 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(300 * MS)
        self.strangers += bool(set(ctx.orders(0)) - self.own)
        self.strangers += any(r.client_rfq_id not in self.own for r in ctx.requests(0).values())
        self.own.add(ctx.place(0, Side.SELL, 1, 100 + ctx.random.integer(0, 9)))
        self.own.add(ctx.place(0, Side.SELL, 1, 98, time_in_force=TimeInForce.IOC))
        self.own.add(ctx.request_quote(0, Side.SELL, 1, ctx.dealers, NS_PER_S))
        self.own.discard(0)

    def _hear(self, event: Any) -> None:
        self.heard.append(event)

    def on_accept(self, ctx: Context, event: Any) -> None:
        self._hear(event)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self._hear(fill)

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        self._hear(event)

    def on_reject(self, ctx: Context, event: Any) -> None:
        self._hear(event)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self._hear(quote)
        ctx.accept(quote, Side.SELL)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        self._hear(event)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        self._hear(trade)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        self._hear(event)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        self.of_desk.append(event)


@pytest.mark.parametrize("dark", [False, True])
def test_hooks_and_views_are_of_what_the_strategy_has_sent_and_the_rest_is_the_desks(dark: bool) -> None:
    scenario = market(f"{HERE}:Listens", {}, dark=dark)
    strategy = strategy_after(scenario)
    log = log_of(scenario)
    assert strategy.strangers == 0
    own_rfqs = {e.rfq_id for e in strategy.heard if isinstance(e, RfqQuoted | RfqDeclined)}
    for event in strategy.heard:
        number = getattr(event, "client_order_id", 0) or getattr(event, "client_rfq_id", 0)
        assert number in strategy.own if number else event.rfq_id in own_rfqs, event
    forced = [e for e in strategy.of_desk if isinstance(e, OrderFilled | RfqTraded)]
    assert sum(e.qty_lots for e in forced) == filled_lots(log, forced=True) > 10
    assert all((getattr(e, "client_order_id", 0) or getattr(e, "client_rfq_id", 0)) not in strategy.own for e in forced)
    own = [e for e in strategy.heard if isinstance(e, OrderFilled | RfqTraded)]
    assert sum(e.qty_lots for e in own) == filled_lots(log, forced=False) > 0
    desks_requests = [m for row in log.messages(RequestQuote) if (m := row.message).parent_order_id]  # type: ignore[attr-defined]
    assert desks_requests


def test_without_a_balance_sheet_everything_is_the_strategys() -> None:
    """The control."""
    strategy = strategy_after(market(f"{HERE}:Listens", {}, sheet=False))
    assert not strategy.of_desk
    assert {OrderFilled, RfqTraded, RfqQuoted, RfqClosed} <= {type(e) for e in strategy.heard}


class Meddles(Strategy):
    """Tries to change whatever number it can think of."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        change: str

    params: Params

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        number = getattr(event, "client_order_id", 0)
        if number:
            changes = {
                "cancel": lambda: ctx.cancel(0, number),
                "reduce": lambda: ctx.reduce(0, number, 1),
                "replace": lambda: ctx.replace(0, number, 1, 90),
            }
            changes[self.params.change]()


@pytest.mark.parametrize("change", ["cancel", "reduce", "replace"])
def test_a_forced_sale_is_not_the_strategys_to_change(change: str) -> None:
    with pytest.raises(StrategyError, match=r"'tested-1' failed in on_desk_event .*is a forced sale"):
        run(market(f"{HERE}:Meddles", {"change": change}), 1)


class Buys(Strategy):
    """Buys at the touch at each instant at which its desk may withdraw bids; keeps the rejections."""

    def on_start(self, ctx: Context) -> None:
        self.open: set[int] = set()
        self.rejected: list[int] = []
        for _ in range(3):
            self.open.add(ctx.place(0, Side.BUY, 1, 105, time_in_force=TimeInForce.IOC))

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.open.remove(fill.client_order_id)

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        self.open.remove(event.client_order_id)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        assert isinstance(event, OrderRejected)
        self.rejected.append(event.client_order_id)


def test_a_cancel_of_the_desks_that_comes_too_late_is_not_refused_to_the_strategy() -> None:
    """The desk withdraws bids that have just been filled: what is refused is its cancel, not the strategy's order."""
    scenario = market(f"{HERE}:Buys", {})
    world = World(scenario, 1, NullRecorder())
    world.start()
    host = world.hosts[3]
    strategy: Any = host.components[-1]
    desk_ctx = host._contexts[0]
    for number in sorted(strategy.open):
        desk_ctx.cancel(0, number)
    host._send()
    world.kernel.run_until(NS_PER_S)
    assert strategy.open == set()
    assert strategy.rejected == []
    # The control: its own cancel, as late, is refused to the strategy.
    host._contexts[1].cancel(0, 1)
    host._send()
    world.kernel.run_until(2 * NS_PER_S)
    assert strategy.rejected == [1]


@pytest.mark.parametrize(("instrument_id", "absorbed"), [(0, -3.0), (7, 0.0)])
def test_what_the_desk_sells_of_slow_capital_is_absorbed_no_more(instrument_id: int, absorbed: float) -> None:
    """Seven is an instrument that it does not trade, once a KeyError."""
    ctx, trader = RecordingContext(), SlowCapital(SlowCapital.Params())
    trader.on_start(ctx)
    fill = OrderFilled(0, instrument_id, 0, 99, 1, Side.SELL, 10_000, 3, 0, False, 1)
    trader.on_desk_event(ctx, fill)
    assert trader.absorbed_lots[0] == absorbed
