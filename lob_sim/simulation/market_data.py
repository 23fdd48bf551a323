"""Market data: what the tapes and the tops of the books were at any recent time, and who may see what of it.

Agents see the market as it was one latency ago. Instead of sending every change to every agent, the market
keeps a short history and an agent that looks is shown the state as of its own, earlier time: looking costs a
binary search, and a market that nobody looks at costs nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from lob_sim.agents.context import Switches, TopOfBook
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import AgentCommand, Command, Phase
from lob_sim.simulation.kernel import Kernel
from lob_sim.units import Instrument, Ns, Ticks
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.venues import Venues

T = TypeVar("T")
_TRIM_AT = 4096


class History(Generic[T]):
    """A value that changes at increasing times, remembered as far back as the slowest reader looks.

    Args:
        initial: The value before the first change.
        retention_ns: How far back anybody may look.

    Attributes:
        current: The value now.
        changed_ns: Since when it has been.
    """

    __slots__ = ("_retention_ns", "_times", "_trim_at", "_values", "changed_ns", "current")

    def __init__(self, initial: T, retention_ns: Ns) -> None:
        self.current = initial
        self.changed_ns: Ns = -1
        self._times: list[Ns] = [-1]
        self._values: list[T] = [initial]
        self._retention_ns = retention_ns
        self._trim_at = _TRIM_AT

    def set(self, ts_ns: Ns, value: T) -> None:
        """Record a change; amortised O(1)."""
        self.current, self.changed_ns = value, ts_ns
        times = self._times
        times.append(ts_ns)
        self._values.append(value)
        if len(times) > self._trim_at:
            # Keep the last change at or before the oldest time that may still be asked for.
            keep = max(0, bisect_right(times, ts_ns - self._retention_ns) - 1)
            del times[:keep]
            del self._values[:keep]
            self._trim_at = max(_TRIM_AT, 2 * len(times))

    def at(self, ts_ns: Ns) -> T:
        """The value as of ``ts_ns``, changes at that very time included; O(log n)."""
        if ts_ns >= self.changed_ns:
            return self.current
        return self._values[max(0, bisect_right(self._times, ts_ns) - 1)]


class MarketData:
    """What there is to see of a market, by ``instrument_id``, and what everybody knows of those who trade in it.

    Args:
        instruments: What is traded.
        initial_ticks: Initial fair values.
        venues: Where it is traded.
        groups: The group of every agent, by ``agent_id``.
        dealers: Agents that may be asked for quotes, in order of ``agent_id``.
        switches: Mechanisms of dealers' behaviour that are on.
        retention_ns: How far back the slowest agent looks.
        calendar: The trading days; ``None`` where the market trades through.

    Attributes:
        fair_values: The exogenous fair values in ticks.
        tops: The displayed tops of the lit books.
        last_trades: Prices of the last lit trades, 0 for none.
        phases: Phases of the lit books.
    """

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        initial_ticks: tuple[Ticks, ...],
        venues: Venues,
        groups: Sequence[str],
        dealers: tuple[int, ...],
        switches: Switches,
        retention_ns: Ns,
        calendar: TradingCalendar | None = None,
    ) -> None:
        self.calendar = calendar
        self.instruments = instruments
        self.initial_ticks = initial_ticks
        self.groups = tuple(groups)
        self.dealers = dealers
        self.switches = switches
        self.fair_values = [float(ticks) for ticks in initial_ticks]
        self.tops = [History(TopOfBook(0, 0, 0, 0, 0), retention_ns) for _ in instruments]
        self.last_trades: list[History[Ticks]] = [History(0, retention_ns) for _ in instruments]
        self.phases = [History(engine.phase, retention_ns) for engine in venues.books]
        self._venues = venues

    def takes(self, command: type[Command]) -> Sequence[bool]:
        """By instrument, whether a further venue takes a type of command from agents.

        The lit book and requests for quote have actions of their own, and what a clock says no agent says.
        """
        takers = self._venues.takers(command) if issubclass(command, AgentCommand) else ()
        further = [venue is not None and not isinstance(venue, MatchingEngine | RfqVenue) for venue in takers]
        return further or [False] * len(self.instruments)


class AgentView:
    """The market as one agent sees it: everything as it was one latency ago, which never moves backwards.

    Args:
        data: What there is to see.
        kernel: The clock.
        draw_latency: Draws a latency of market data in nanoseconds.
        agent_id: Whose view it is.
        name: Its stable name.
        sees_fair_value: Whether it knows the exogenous fair value.
    """

    __slots__ = (
        "_as_of_ns",
        "_data",
        "_draw_latency",
        "_kernel",
        "_name",
        "_phases",
        "_sees_fair_value",
        "_tops",
        "calendar",
        "dealers",
        "instruments",
        "switches",
    )  # fmt: skip

    def __init__(
        self,
        data: MarketData,
        kernel: Kernel,
        draw_latency: Callable[[], Ns],
        agent_id: int,
        name: str,
        sees_fair_value: bool = False,
    ) -> None:
        self._data = data
        self._tops = data.tops
        self._phases = data.phases
        self._kernel = kernel
        self._draw_latency = draw_latency
        self._name = name
        self._sees_fair_value = sees_fair_value
        self._as_of_ns: Ns = -1
        self.instruments = data.instruments
        self.switches = data.switches
        self.calendar = data.calendar
        self.dealers = tuple(d for d in data.dealers if d != agent_id)

    def as_of_ns(self) -> Ns:
        """The time as of which the agent sees the market now."""
        seen_ns = self._kernel.now_ns - self._draw_latency()
        if seen_ns > self._as_of_ns:
            self._as_of_ns = seen_ns
        return self._as_of_ns

    def catch_up(self, ts_ns: Ns) -> None:
        """The agent has been told of something that happened then."""
        self._as_of_ns = max(self._as_of_ns, ts_ns)

    @property
    def n_agents(self) -> int:
        """How many agents there are."""
        return len(self._data.groups)

    def initial_ticks(self, instrument_id: int) -> Ticks:
        """Fair value when the market opened."""
        return self._data.initial_ticks[instrument_id]

    def top(self, instrument_id: int) -> TopOfBook:
        """Best displayed prices of the lit book."""
        # As as_of_ns() and History.at() have it, without their calls: nothing is asked for more often.
        seen_ns = self._kernel.now_ns - self._draw_latency()
        if seen_ns > self._as_of_ns:
            self._as_of_ns = seen_ns
        else:
            seen_ns = self._as_of_ns
        history = self._tops[instrument_id]
        return history.current if seen_ns >= history.changed_ns else history.at(seen_ns)

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        """Price of the last lit trade, or 0."""
        return self._data.last_trades[instrument_id].at(self.as_of_ns())

    def phase(self, instrument_id: int) -> Phase:
        """Trading phase of the lit book."""
        # As top() has it: whoever moves a quote asks.
        seen_ns = self._kernel.now_ns - self._draw_latency()
        if seen_ns > self._as_of_ns:
            self._as_of_ns = seen_ns
        else:
            seen_ns = self._as_of_ns
        history = self._phases[instrument_id]
        return history.current if seen_ns >= history.changed_ns else history.at(seen_ns)

    def group_of(self, agent_id: int) -> str:
        """The name of an agent's group."""
        return self._data.groups[agent_id]

    def fair_value(self, instrument_id: int) -> float:
        """The exogenous fair value in ticks, without any latency.

        Raises:
            PermissionError: This agent has no such knowledge.
        """
        if not self._sees_fair_value:
            raise PermissionError(f"{self._name} does not see fair value: its group lacks sees_fair_value")
        return self._data.fair_values[instrument_id]

    def settlement_ticks(self, instrument_id: int) -> Ticks:
        """At what swaps and futures on an instrument settle now: its fair value, in whole ticks."""
        return max(1, round(self._data.fair_values[instrument_id]))

    def takes(self, command: type[Command]) -> Sequence[bool]:
        """By instrument, whether a further venue takes a type of command from agents."""
        return self._data.takes(command)
