"""Trade against a log: a strategy dropped into a recorded market, an own run's or a LOBSTER day's.

Historic commands reach the venues at exactly their times and, at one instant, ahead of everything that the newcomer
sends. Both meet in the same engine, so the newcomer queues behind the orders that stand before its own, and what it
takes nobody else can have. What can no longer happen as it did is handled by the rules of
:mod:`lob_sim.replay.history`, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from lob_sim.agents.strategy import Strategy
from lob_sim.errors import DataError, InputError
from lob_sim.feeds.lobster import LobsterDay, read_lobster
from lob_sim.feeds.lobster_replay import header_of_day
from lob_sim.files import read_ordinary, write_file
from lob_sim.log import (
    AgentEntry,
    DirectoryRecorder,
    MemoryRecorder,
    Run,
    RunHeader,
    open_run,
    run_in_memory,
)
from lob_sim.log.foreign import reads_logs
from lob_sim.log.manifest import COMPLETE
from lob_sim.messages import Command, Event, NewOrder
from lob_sim.messages.recorder import Recorder
from lob_sim.notebook import frame, heading, note, shows
from lob_sim.replay.history import FlowReport, HistoricFlow, flow_of_lobster, flow_of_run
from lob_sim.running import header_of
from lob_sim.scenario import Scenario, instrument_specs, parse_scenario
from lob_sim.simulation.kernel import ScheduledCall
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.world import World
from lob_sim.units import Ns, Ticks

if TYPE_CHECKING:
    import pandas as pd

NEWCOMER = "newcomer"
"""Group of the new agent, which is ``newcomer-1``; after ``historic`` in order of name, so numbered last."""
_PAST = "historic"


REPORT_NAME = "against.json"
"""In a run directory, how far history could be repeated."""


class Historic(Strategy):
    """An agent of a recorded market: history speaks for it, and it hears nothing."""

    listens = False


HISTORIC = f"{Historic.__module__}:{Historic.__name__}"
"""Kind of the recorded agents in the log of such a run."""


class TradedAgainst(NamedTuple):
    """What came of trading against a log.

    Attributes:
        run: The log, of the recorded agents under their numbers and of the newcomer after them.
        report: How far history could be repeated.
    """

    run: Run
    report: FlowReport

    @shows
    def _repr_html_(self) -> str:
        facts = (self.newcomer.kind, f"{len(self.fills):,} fills")
        changed = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in self.report._asdict().items())
        return heading(self.newcomer.name, *facts) + frame(self.pnl()) + note(f"of history: {changed}")

    @property
    def newcomer(self) -> AgentEntry:
        """The newcomer, as the log knows it."""
        return self.run.header.agents[-1]

    @property
    def fills(self) -> pd.DataFrame:
        """What it dealt: :attr:`.Run.fills`, of it alone."""
        return _own(self.run.fills, "agent", self.newcomer.name)

    @property
    def positions(self) -> pd.DataFrame:
        """Its inventory over time: :attr:`.Run.positions`, of it alone."""
        return _own(self.run.positions, "agent_id", self.newcomer.agent_id)

    def pnl(self, by: str | Sequence[str] = "instrument", **options: Any) -> pd.DataFrame:
        """Its profit and loss: :meth:`.Run.pnl`, of it alone."""
        return self.run.pnl(by, agent=self.newcomer.name, **options)


def _own(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    return table[table[column] == value].reset_index(drop=True)


class _Recorded(NamedTuple):
    """A recorded market: what is known of it, how long it lasts, and what happened in it."""

    header: RunHeader
    rules: dict[str, Any]
    initial_ticks: Sequence[Ticks]
    horizon_ns: Ns
    flow: HistoricFlow
    source: str


def trade_against(
    source: Run | LobsterDay | str | Path,
    strategy: str,
    params: Mapping[str, Any] | None = None,
    seed: int = 1,
    out: str | Path | None = None,
    *,
    instrument: str | None = None,
    latency_ns: Ns = 0,
    tick: Decimal | str | None = None,
) -> TradedAgainst:
    """Let a strategy trade in a recorded market.

    The newcomer starts with nothing, may go short and into debt, and sees no fair value. Accounts of the recorded
    agents start at nought too: their endowments do not matter to the books. Dealers of the past answer no requests
    for quotes.

    Args:
        source: A run or its directory, or a LOBSTER day or its message file (the orderbook file lies beside it). A
            LOBSTER day begins at time 0 with its first message.
        strategy: The newcomer's strategy, as ``"module:Class"``.
        params: Its parameters, as in a scenario.
        seed: Of the newcomer's random numbers.
        out: Directory for the log, new or empty; without it the log is kept in memory.
        instrument: The only book to repeat; all of them if left out.
        latency_ns: Between the newcomer and the venues, each way. History has none: its times are those of the venue.
        tick: Of a LOBSTER file: see :func:`~lob_sim.feeds.lobster.read_lobster`.

    Returns:
        The log, with fills, positions and profit of the newcomer, and a report on what history could not repeat.

    Raises:
        InputError: The source cannot be read or lacks rows; no such instrument or strategy; a wrong parameter.
        OutputError: ``out`` is not empty or cannot be written.
        StrategyError: The strategy raised; what was logged until then is in ``out``.
    """
    recorded = _open(source, instrument, tick)
    scenario = _scenario_of(recorded, strategy, dict(params or {}), seed, latency_ns)
    plan = MarketPlan(scenario)
    n_past = len(recorded.header.agents)
    header = header_of(plan, seed)
    header = msgspec.structs.replace(
        header,
        agents=(*recorded.header.agents, header.agents[n_past]),
        time_of_day_ns=recorded.header.time_of_day_ns,
    )
    if out is None:
        memory = MemoryRecorder()
        _History(plan, seed, recorded, memory).go()
        return TradedAgainst(run_in_memory(memory, header), recorded.flow.report())
    with DirectoryRecorder(out, header) as directory:
        _History(plan, seed, recorded, directory).go()
    report = recorded.flow.report()
    kept = {"source": recorded.source, **report._asdict()}
    write_file(Path(out) / REPORT_NAME, msgspec.json.format(msgspec.json.encode(kept), indent=1))
    return TradedAgainst(open_run(out), report)


def traded_against(run: Run) -> TradedAgainst | None:
    """What :func:`trade_against` has left in a run directory; None for a run of another kind.

    Raises:
        DataError: The file beside the log is not what was written there.
    """
    if not run.header.agents or all(agent.kind != HISTORIC for agent in run.header.agents) or run.path is None:
        return None
    path = run.path / REPORT_NAME
    try:
        kept = msgspec.json.decode(read_ordinary(path), type=dict[str, int | str])
        return TradedAgainst(run, FlowReport(*(msgspec.convert(kept[name], int) for name in FlowReport._fields)))
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, ValueError, RecursionError) as error:
        raise DataError(f"is not the report of a market that was traded against: {error}", str(path)) from None


class _History:
    """Brings the recorded rows into a running market.

    Args:
        plan: The market, with a place for every recorded agent and the newcomer last.
        seed: Of the newcomer's random numbers.
        recorded: What happens in it.
        recorder: The log.
    """

    def __init__(self, plan: MarketPlan, seed: int, recorded: _Recorded, recorder: Recorder) -> None:
        self._recorder = recorder
        self._world = World(plan, seed, self, timetable=False)
        self._market = self._world.market
        self._horizon_ns = recorded.horizon_ns
        self._observe = recorded.flow.observe
        self._rows: Iterator[tuple[Ns, Command | Event]] = recorded.flow.rows()
        self._next = next(self._rows, None)

    def go(self) -> None:
        """Run to the horizon, which is the recorded market's."""
        self._happen_until(0)
        self._market.start()
        self._world.hosts[-1].start()
        self._wait()
        self._world.kernel.run_until(self._horizon_ns)
        # What happens at the horizon itself, such as the close, ends the market.
        self._happen_until(self._horizon_ns)
        self._world.finish()

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Log a command, and see what has become of history's orders."""
        self._recorder.batch(ts_ns, command, events)
        for event in events:
            self._observe(event)

    def record(self, event: Event) -> None:
        """Log an event outside the venues."""
        self._recorder.record(event)

    def _wait(self) -> None:
        if self._next is not None and self._next[0] < self._horizon_ns:
            kernel = self._world.kernel
            kernel.call_first_in(self._next[0] - kernel.now_ns, self._due)

    def _due(self, call: ScheduledCall) -> None:
        self._happen_until(self._world.kernel.now_ns)
        self._wait()

    def _happen_until(self, ts_ns: Ns) -> None:
        while self._next is not None and self._next[0] <= ts_ns:
            message = self._next[1]
            if isinstance(message, Command):
                self._market.execute(message)
            else:
                self._world.exogenous.happen(message)
            self._next = next(self._rows, None)


# --- what was recorded -------------------------------------------------------------------------------------


def _open(source: Run | LobsterDay | str | Path, instrument: str | None, tick: Decimal | str | None) -> _Recorded:
    if isinstance(source, str | Path):
        path = Path(source)
        source = read_lobster(path, tick=tick) if path.is_file() else open_run(path)
        tick = None if isinstance(source, LobsterDay) else tick
    if tick is not None:
        raise InputError("expected none: only a LOBSTER file that is still to be read may be given a tick", "tick")
    return _open_run(source, instrument) if isinstance(source, Run) else _open_day(source, instrument)


def _open_day(day: LobsterDay, instrument: str | None) -> _Recorded:
    header = header_of_day(day)
    name = header.instruments[0].name
    if instrument not in (None, name):
        raise DataError(f"no instrument is named {instrument!r}; there is: {name}", day.message_path)
    if not day.rows:
        raise DataError("has no messages: there is nothing to trade against", day.message_path)
    prices = [int(day.book[0, 0, column]) for column in (0, 2) if day.book[0, 0, column + 1] > 0]
    initial = (sum(prices) // len(prices) if prices else int(day.price[0])) // day.price_unit()
    length_ns = int(day.ts_ns[-1] - day.ts_ns[0])
    past = _as_history(header, len(header.agents))
    return _Recorded(past, {}, [initial], max(1, length_ns), flow_of_lobster(day), day.message_path)


@reads_logs
def _open_run(run: Run, instrument: str | None) -> _Recorded:
    where = str(run.path or "the run in memory")
    if run.gaps:
        first, last = run.gaps[0]
        raise DataError(f"rows {first} to {last} are missing: what came after them cannot happen again", where)
    header = run.header
    wanted = header.instruments if instrument is None else (header.instruments[run.instrument_id(instrument)],)
    if not wanted or not run.last_seq:
        raise DataError("has no rows: there is nothing to trade against", where)
    # Numbers of instruments follow from their names, in the market of now as in any.
    in_order = sorted(wanted, key=lambda each: each.name)
    now = {each.instrument_id: i for i, each in enumerate(in_order)}
    rules: dict[str, Any] = {}
    initial: list[Ticks]
    horizon_ns = max(1, next(run.messages(from_seq=run.last_seq)).ts_ns)
    if header.scenario:
        scenario = parse_scenario(header.scenario, f"{where}: scenario.")
        names = [each.name for each in in_order]
        specs = {spec.name: spec for spec in instrument_specs(scenario)}
        raw = header.scenario
        rules = {"instruments": [spec for spec in raw["instruments"] if spec["name"] in names]}
        rules |= {key: raw[key] for key in ("switches",) if key in raw}
        initial = [int(specs[name].initial_price / specs[name].tick_size) for name in names]
        horizon_ns = scenario.horizon if run.status == COMPLETE else horizon_ns
    else:
        initial = [_first_price(run, each.instrument_id) for each in in_order]
    flow = flow_of_run(run, instrument, instrument_ids=now)
    known = (*(entry.agent_id for entry in header.agents), *map(int, run.table("new_order")["agent_id"].unique()))
    chosen = msgspec.structs.replace(header, instruments=tuple(in_order))
    return _Recorded(_as_history(chosen, 1 + max(known, default=-1)), rules, initial, horizon_ns, flow, where)


def _first_price(run: Run, instrument_id: int) -> Ticks:
    """Middle of the first quotes on both sides, as of a LOBSTER day; where there are none, the first limit."""
    quotes = run.quotes
    quotes = quotes[(quotes["instrument_id"] == instrument_id) & (quotes["bid_lots"] > 0) & (quotes["ask_lots"] > 0)]
    if len(quotes):
        return int(quotes["bid_ticks"].iloc[0] + quotes["ask_ticks"].iloc[0]) // 2
    for row in run.messages(NewOrder):
        order = row.message
        assert isinstance(order, NewOrder)
        if order.instrument_id == instrument_id and order.price_ticks > 0:
            return order.price_ticks
    return 1


def _as_history(header: RunHeader, n_agents: int) -> RunHeader:
    """The recorded agents, in the order of their numbers without a hole."""
    known = {entry.agent_id: entry for entry in header.agents}
    agents = tuple(
        AgentEntry(
            i,
            f"{_PAST}/{known[i].name if i in known else i}",
            f"{_PAST}/{known[i].group if i in known else 'unknown'}",
            HISTORIC,
        )
        for i in range(n_agents)
    )
    return msgspec.structs.replace(header, agents=agents)


def _scenario_of(recorded: _Recorded, strategy: str, params: dict[str, Any], seed: int, latency_ns: Ns) -> Scenario:
    """The recorded market's venues, a place for each of its agents, and the newcomer."""
    plain = [
        {
            "name": each.name,
            "tick_size": each.tick_size,
            "lot_size": each.lot_size,
            "price_per": each.price_per,
            "initial_price": ticks * each.tick_size,
            "liquidity_rank": each.liquidity_rank,
        }
        for each, ticks in zip(recorded.header.instruments, recorded.initial_ticks, strict=True)
    ]
    if latency_ns < 0:
        raise InputError(f"expected 0 or more nanoseconds, got {latency_ns}", "latency")
    latency = {"median": f"{latency_ns}ns"}
    newcomer = {
        "name": NEWCOMER,
        "strategy": strategy,
        "params": params,
        "connection": {"to_venue": latency, "from_venue": latency},
    }
    past = {"name": _PAST, "strategy": HISTORIC, "count": len(recorded.header.agents)}
    return parse_scenario(
        {
            "name": "against",
            "description": f"{strategy} against {recorded.source}",
            "seed": seed,
            "horizon": f"{recorded.horizon_ns}ns",
            "instruments": plain,
            "agents": [past, newcomer] if past["count"] else [newcomer],
            **recorded.rules,
        }
    )
