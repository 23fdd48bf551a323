"""What a strategy is shown of its own account is not its to write, so that its limits keep their own terms."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from sim_helpers import MS, Quoter, group, run, scenario, strategy_of

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import StrategyError
from lob_sim.interactive.simulation import Simulation
from lob_sim.interactive.state import _Pickler, _Unpickler
from lob_sim.messages import Side
from lob_sim.simulation.world import World

BUY, SELL = Side.BUY, Side.SELL


class Seller(Strategy):
    """Offers the four lots that it has, and as much again after an attempt on what it was shown."""

    attempt: ClassVar[Callable[[Any], object]]
    answers_rfqs = True

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, SELL, 4, 100)
        ctx.request_quote(0, BUY, 1, ctx.dealers, 50 * MS)
        ctx.wake_in(MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.error: Exception | None = None
        try:
            type(self).attempt(ctx)
        except (TypeError, AttributeError) as error:
            self.error = error
        ctx.place(0, SELL, 4, 100)


def sold(attempt: Callable[[Any], object]) -> tuple[Exception | None, World]:
    """What the attempt ended with, and the market afterwards."""
    Seller.attempt = attempt
    me = group("me", Seller, may_short=False, holdings={"bond": 4})
    other = group("q", Quoter)
    _, world = run(scenario([me, other, group("taker", Taker)], horizon="100ms"))
    return strategy_of(world, "me-1").error, world


class Taker(Strategy):
    """Buys whatever is offered."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(50 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, BUY, 8, 100)


def _first(ctx: Any) -> Any:
    return next(iter(ctx.orders(0).values()))


@pytest.mark.parametrize(
    "attempt",
    [
        lambda ctx: ctx.orders(0).clear(),
        lambda ctx: ctx.orders(0).pop(1),
        lambda ctx: ctx.orders(0).__delitem__(1),
        lambda ctx: ctx.orders(0).__setitem__(2, _first(ctx)),
        lambda ctx: ctx.requests(0).clear(),
        lambda ctx: ctx.requests(0).update({}),
        lambda ctx: setattr(_first(ctx), "leaves_lots", 0),
        lambda ctx: setattr(_first(ctx), "side", BUY),
        lambda ctx: setattr(next(iter(ctx.requests(0).values())), "qty_lots", 0),
        lambda ctx: setattr(ctx, "agent_id", 1),
        lambda ctx: setattr(ctx, "name", "q-1"),
        lambda ctx: setattr(ctx, "instruments", ()),
        lambda ctx: setattr(ctx, "cash", 10**9),
    ],
)
def test_what_is_shown_cannot_be_written_and_no_more_is_sold_than_is_held(attempt: Callable[[Any], object]) -> None:
    error, world = sold(attempt)
    assert isinstance(error, TypeError | AttributeError)
    assert world.ledger.positions[0] == [0]
    assert world.hosts[0].name == "me-1"


def test_without_an_attempt_the_market_is_the_same() -> None:
    """The control: reading alone raises nothing, and the offer is taken."""
    error, world = sold(lambda ctx: (len(ctx.orders(0)), _first(ctx).leaves_lots, list(ctx.requests(0))))
    assert error is None
    assert world.ledger.positions[0] == [0]
    assert world.hosts[0].account.positions == [0]


class Layers(Strategy):
    """Puts a second order beside each that it has."""

    copies: ClassVar[bool]

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, BUY, 1, 98)
        ctx.place(0, BUY, 1, 97)
        ctx.wake_in(MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        orders = ctx.orders(0).values()
        for order in list(orders) if self.copies else orders:
            ctx.place(0, BUY, 1, order.price_ticks - 5)


def test_acting_while_iterating_says_what_to_iterate_over() -> None:
    Layers.copies = False
    with pytest.raises(StrategyError, match=r"iterate over a copy, list\(ctx\.orders\(i\)\.values\(\)\)") as caught:
        run(scenario([group("a", Layers)], horizon="100ms"))
    assert (caught.value.agent, caught.value.hook) == ("a-1", "on_wake")


def test_acting_while_iterating_over_a_copy_works() -> None:
    Layers.copies = True
    _, world = run(scenario([group("a", Layers)], horizon="100ms"))
    assert [o.price_ticks for o in world.hosts[0].account.orders[0].values()] == [98, 97, 93, 92]


class Holds(Strategy):
    """Keeps what it was shown once."""

    def on_start(self, ctx: Context) -> None:
        self.mine = ctx.orders(0)
        ctx.place(0, BUY, 1, 98)
        ctx.wake_in(50 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, BUY, 1, 97)
        assert self.mine == ctx.orders(0)


def test_a_state_shows_the_orders_that_its_own_account_keeps() -> None:
    simulation = Simulation(scenario([group("a", Holds)], horizon="100ms"))
    simulation.run_until("10ms")
    file = io.BytesIO()
    _Pickler(file, simulation.world.recorder).dump(simulation.world.hosts[0])
    host: Any = _Unpickler(io.BytesIO(file.getvalue()), simulation.world.recorder).load()
    (order,) = host.account.orders[0].values()
    for shown in (host.components[0].mine, host._contexts[0].orders(0)):
        assert list(shown.values()) == [order]
        assert shown[1] is order
        with pytest.raises(TypeError):
            shown[2] = order
    host.account.orders[0].clear()
    assert not host.components[0].mine
    assert len(simulation.world.hosts[0].account.orders[0]) == 1
    assert simulation.state().branch({"same": []})["same"].finish().digest == simulation.finish().digest
