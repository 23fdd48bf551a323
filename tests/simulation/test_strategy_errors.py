"""A strategy that fails: the error says who, where and when, and what was logged is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sim_helpers import MS, Idle, MemoryLog, Quoter, group, latency, run, scenario

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import InputError, PluginError, ScenarioError, StrategyError
from lob_sim.messages import NewOrder, OrderAccepted, Side
from lob_sim.plugins import load_class
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World


class Fails(Strategy):
    """Fails in the hook that its parameters name."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        hook: str = "on_start"

    params: Params

    def on_start(self, ctx: Context) -> None:
        self._fail("on_start")
        ctx.place(0, Side.BUY, 1, 98)
        ctx.wake_in(7 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self._fail("on_wake")

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        self._fail("on_accept")

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        self._fail("on_book")

    def _fail(self, hook: str) -> None:
        if self.params.hook == hook:
            raise ZeroDivisionError(f"in {hook}")


@pytest.mark.parametrize(
    ("hook", "ts_ns"), [("on_start", 0), ("on_wake", 7 * MS), ("on_accept", 2 * MS), ("on_book", MS)]
)
def test_the_error_names_agent_hook_and_time_and_the_log_is_kept(hook: str, ts_ns: int) -> None:
    log = MemoryLog()
    fails = group("fails", Fails, count=2, params={"hook": hook}, connection=latency("1ms", "1ms"))
    with pytest.raises(StrategyError) as caught:
        simulate(scenario([group("a", Quoter), fails]), 1, log)
    error = caught.value
    assert (error.agent, error.hook, error.ts_ns) == ("fails-1", hook, ts_ns)
    assert error.cause == f"ZeroDivisionError: in {hook}"
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert f"'fails-1' failed in {hook} at t={ts_ns / 1e9:.9f} s" in str(error)
    assert log.entries, "what happened before is on the log"
    assert all(ts <= ts_ns for ts, _ in log.entries)
    assert bool(log.of(NewOrder)) == (ts_ns > 0)


ENDINGS: list[type[BaseException]] = [SystemExit, GeneratorExit, BaseException, MemoryError]


class Ends(Strategy):
    """Raises, in the hook that the test names, what is not an ordinary error."""

    error: ClassVar[BaseException]
    hook: ClassVar[str]

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self._end("__init__")

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 98)
        ctx.wake_in(7 * MS)
        self._end("on_start")

    def on_wake(self, ctx: Context, tag: int) -> None:
        self._end("on_wake")

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        self._end("on_accept")

    def on_stop(self, ctx: Context) -> None:
        self._end("on_stop")

    def _end(self, hook: str) -> None:
        if self.hook == hook:
            raise self.error


@pytest.mark.parametrize("hook", ["__init__", "on_start", "on_wake", "on_accept", "on_stop"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_a_hook_raises_is_its_error(hook: str, ending: type[BaseException]) -> None:
    Ends.error, Ends.hook = ending(0), hook
    with pytest.raises(StrategyError) as caught:
        run(scenario([group("ends", Ends)], horizon="100ms"))
    error = caught.value
    assert (error.agent, error.hook, error.cause) == ("ends-1", hook, f"{ending.__name__}: 0")
    assert error.where.rpartition(":")[0].endswith("test_strategy_errors.py")


@pytest.mark.parametrize("hook", ["__init__", "on_start", "on_wake", "on_accept", "on_stop"])
def test_an_interrupt_stays_an_interrupt(hook: str) -> None:
    Ends.error, Ends.hook = KeyboardInterrupt(), hook
    with pytest.raises(KeyboardInterrupt):
        run(scenario([group("ends", Ends)], horizon="100ms"))


def test_a_file_that_ends_the_program_as_it_is_read_is_refused(tmp_path: Path) -> None:
    for ending in ENDINGS:
        (tmp_path / "ends.py").write_text(f"# {ending.__name__}\nraise {ending.__name__}(0)\n")
        with pytest.raises(PluginError, match=f"cannot be imported: {ending.__name__}: 0"):
            load_class("ends.py:Any", Strategy, tmp_path)
    (tmp_path / "ends.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_class("ends.py:Any", Strategy, tmp_path)


def test_a_strategy_that_does_not_fail_raises_nothing() -> None:
    run(scenario([group("fails", Fails, params={"hook": "on_none"})]))


class Peeks(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.value = ctx.fair_value(0)


def test_fair_value_is_for_those_who_see_it() -> None:
    with pytest.raises(StrategyError, match=r"peeks-1.*sees_fair_value"):
        run(scenario([group("peeks", Peeks)]))
    _, world = run(scenario([group("peeks", Peeks, sees_fair_value=True)]))
    assert world.hosts[0].components[0].value == 100.0  # type: ignore[attr-defined]


class Asks(Strategy):
    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        what: str = ""

    params: Params

    def on_start(self, ctx: Context) -> None:
        what = self.params.what
        if what == "rfq instrument":
            ctx.request_quote(3, Side.BUY, 1, ctx.dealers, MS)
        elif what == "negative instrument":
            ctx.request_quote(-1, Side.BUY, 1, ctx.dealers, MS)
        elif what == "rfq quantity":
            ctx.request_quote(0, Side.BUY, 1.5, ctx.dealers, MS)  # type: ignore[arg-type]
        elif what == "walk away":
            ctx.walk_away(3, 1)
        elif what == "lit instrument":
            ctx.place(3, Side.BUY, 1, 100)
        elif what == "real time to live":
            ctx.request_quote(0, Side.BUY, 1, ctx.dealers, 1e9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "what",
    ["rfq instrument", "negative instrument", "rfq quantity", "walk away", "lit instrument", "real time to live"],
)
def test_commands_that_no_venue_could_read_are_the_strategys_error(what: str) -> None:
    with pytest.raises(StrategyError, match="asks-1"):
        run(scenario([group("asks", Asks, params={"what": what}), group("q", Quoter)]))


class SendsNumbers(Strategy):
    """Sends one number that its parameters describe, in the place that they name."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        action: str
        field: str
        kind: str

    params: Params

    def on_start(self, ctx: Context) -> None:
        p = self.params
        numbers: dict[str, Any] = {"qty_lots": 5, "price_ticks": 98, "client_order_id": 1}
        numbers |= {"stop_price_ticks": 0, "display_qty_lots": 0, "parent_order_id": 0}
        kinds: dict[str, Any] = {
            "real": float,
            "text": str,
            "nothing": lambda _: None,
            "truth": bool,
            "numpy": np.int64,
            "int": int,
        }
        numbers[p.field] = kinds[p.kind](numbers[p.field])
        own, qty, price = (numbers.pop(name) for name in ("client_order_id", "qty_lots", "price_ticks"))
        if p.action == "place":
            ctx.place(0, Side.BUY, qty, price, **numbers)
            return
        ctx.place(0, Side.BUY, 7, 97)
        if p.action == "cancel":
            ctx.cancel(0, own)
        elif p.action == "reduce":
            ctx.reduce(0, own, qty)
        elif p.action == "replace":
            ctx.replace(0, own, qty, price)
        else:
            ctx.request_quote(0, Side.BUY, qty, ctx.dealers, MS)


FIELDS = [
    *(("place", field) for field in ("qty_lots", "price_ticks", "stop_price_ticks", "parent_order_id")),
    ("place", "display_qty_lots"),
    ("cancel", "client_order_id"),
    *(("reduce", field) for field in ("client_order_id", "qty_lots")),
    *(("replace", field) for field in ("client_order_id", "qty_lots", "price_ticks")),
    ("request", "qty_lots"),
]


def numbers_group(action: str, field: str, kind: str) -> dict[str, Any]:
    return group("n", SendsNumbers, params={"action": action, "field": field, "kind": kind})


@pytest.mark.parametrize("kind", ["real", "text", "nothing"])
@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_a_number_that_is_not_whole_is_the_strategys_error(action: str, field: str, kind: str) -> None:
    with pytest.raises(StrategyError, match=r"'n-1' failed in on_start at t=0\.0{9} s: TypeError") as caught:
        run(scenario([numbers_group(action, field, kind), group("q", Quoter)]))
    if kind == "real":
        assert f"{field} is" in str(caught.value)
        assert "expected a whole number" in str(caught.value)


@pytest.mark.parametrize(("action", "field"), [f for f in FIELDS if f[1] in ("qty_lots", "price_ticks")])
def test_true_is_no_number(action: str, field: str) -> None:
    with pytest.raises(StrategyError, match=f"{field} is True; expected a whole number"):
        run(scenario([numbers_group(action, field, "truth"), group("q", Quoter)]))


@pytest.mark.parametrize(("action", "field"), FIELDS)
def test_numbers_of_numpy_are_as_good_as_pythons(action: str, field: str) -> None:
    logs = [
        run(scenario([numbers_group(action, field, kind), group("q", Quoter)]))[0].digest() for kind in ("numpy", "int")
    ]
    assert logs[0] == logs[1]


# --- errors when the market is built -----------------------------------------------------------------------


def build_error(**fields: object) -> ScenarioError:
    spec = scenario([{"name": "g", **fields}])
    with pytest.raises(ScenarioError) as caught:
        World(spec, 1, MemoryLog())
    return caught.value


def test_an_unknown_strategy_is_answered_with_the_nearest() -> None:
    error = build_error(strategy="strategies.fixed_spred:FixedSpreadDealer")
    assert "agents.g.strategy" in error.where
    assert "did you mean 'strategies.fixed_spread'" in error.message
    error = build_error(strategy="strategies.fixed_spread:FixedSpreadDeeler")
    assert "did you mean 'FixedSpreadDealer'" in error.message
    error = build_error(strategy="FixedSpreadDealer")
    assert "module:Class" in error.message


def test_an_unknown_parameter_is_answered_with_the_nearest() -> None:
    error = build_error(strategy="strategies.fixed_spread:FixedSpreadDealer", params={"half_spred_ticks": 3})
    assert "agents.g.params.half_spred_ticks" in error.where
    assert "did you mean 'half_spread_ticks'" in error.message


@pytest.mark.parametrize("value", [0, -2, "two", 1.5, True])
def test_a_parameter_of_the_wrong_type_or_range_is_named(value: object) -> None:
    error = build_error(strategy="strategies.fixed_spread:FixedSpreadDealer", params={"half_spread_ticks": value})
    assert "agents.g.params.half_spread_ticks" in error.where
    assert "expected" in error.message


def test_an_unknown_constraint_or_policy_is_named_with_the_nearest() -> None:
    def sheet_error(**sheet: object) -> ScenarioError:
        return build_error(strategy="sim_helpers:Idle", balance_sheet=sheet)

    error = sheet_error(constraints=[{"kind": "slrr"}])
    assert "agents.g.balance_sheet.constraints[0].kind" in str(error)
    assert "did you mean 'slr'" in str(error)
    error = sheet_error(liquidation_sequence="most_liquid_frist")
    assert "did you mean 'most_liquid_first'" in str(error)
    error = sheet_error(constraints=[{"kind": "slr", "params": {"minimun": 3}}])
    assert "agents.g.balance_sheet.constraints[0].params.minimun" in str(error)
    error = sheet_error(constraints=[{"kind": "funding"}, {"kind": "slr", "params": {"exempt": ["gold"]}}])
    assert error.where == "agents.g.balance_sheet.constraints[1].params"
    assert "'gold'" in error.message


def test_a_parameter_that_names_no_instrument_is_bad_input_that_names_the_agent() -> None:
    with pytest.raises(InputError, match=r"agent t-1.*no instrument 'bnod'.*did you mean 'bond'"):
        run(scenario([group("t", "strategies.twap:TwapTrader", params={"instrument": "bnod"}), group("i", Idle)]))


class Stray(Strategy):
    """Does one thing in an instrument that its parameters name."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        action: str
        instrument_id: int

    params: Params

    def on_start(self, ctx: Context) -> None:
        number = ctx.place(0, Side.BUY, 2, 90)
        i = self.params.instrument_id
        actions = {
            "place": lambda: ctx.place(i, Side.BUY, 1, 90),
            "cancel": lambda: ctx.cancel(i, number),
            "reduce": lambda: ctx.reduce(i, number, 1),
            "replace": lambda: ctx.replace(i, number, 1, 91),
        }
        actions[self.params.action]()


@pytest.mark.parametrize("action", ["place", "cancel", "reduce", "replace"])
@pytest.mark.parametrize("instrument_id", [-1, 1])
def test_an_instrument_below_zero_is_as_unknown_as_one_too_many(action: str, instrument_id: int) -> None:
    log = MemoryLog()
    stray = group("stray", Stray, params={"action": action, "instrument_id": instrument_id})
    with pytest.raises(StrategyError, match=r"'stray-1' failed in on_start at .*IndexError"):
        simulate(scenario([stray]), 1, log)
    assert log.of(NewOrder) == []


@pytest.mark.parametrize("action", ["place", "cancel", "reduce", "replace"])
def test_the_same_in_an_instrument_that_exists_goes_through(action: str) -> None:
    """The negative control."""
    log, _ = run(scenario([group("stray", Stray, params={"action": action, "instrument_id": 0})]))
    assert len(log.of(NewOrder)) == 1 + (action == "place")
