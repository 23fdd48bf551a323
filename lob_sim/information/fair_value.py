"""Fair value of every instrument, and the public news of it.

Fair value is a geometric jump-diffusion (Merton 1976, J. Financial Economics 3) without drift, so that it is
a martingale and stays positive. The diffusions of different instruments share one common factor; the
correlation of instruments i and j is the product of their loadings. A factor rather than a correlation
matrix, because then an instrument that is added moves no other instrument's path: each has its own named
streams.

The process has its own calendar, and is piecewise constant on it: the diffusion moves at every multiple of
``step_ns`` (all instruments together), Poisson jumps, scheduled jumps and news come at their own times. How
often anybody asks for the value therefore changes nothing, whichever agents are present. On the calendar the
law is exact, not a discretisation.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple

import msgspec

from lob_sim.calendar import TradingCalendar
from lob_sim.errors import ScenarioError
from lob_sim.messages import Announcement, FairValue, News
from lob_sim.rng import Stream
from lob_sim.units import MOST_NS, NS_PER_S, Duration, Ns

TRADING_DAY_NS: Ns = 8 * 3600 * NS_PER_S
"""Simulated time that counts as one day where a volatility or a frequency is given per day and there is no calendar."""


_LOWEST_TICKS, _HIGHEST_TICKS = 1e-9, 1e18
"""A value stays between these, where no order book reaches, so that no path leaves the positive numbers."""


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, 700.0))


def day_length_ns(calendar: TradingCalendar | None) -> Ns:
    """The day that daily and yearly figures of a market are of, in nanoseconds: its calendar's, or eight hours."""
    return TRADING_DAY_NS if calendar is None else calendar.day_ns


class FairValueParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The law of one instrument's fair value and of the news about it.

    Attributes:
        initial_ticks: Value at the start, in ticks, positive.
        daily_volatility: Standard deviation of the diffusion's log return over one day, of the calendar or of 8 hours
            (0.004 is 40 basis points); over a time t it is ``daily_volatility * sqrt(t / day)``.
        common_loading: Correlation of this diffusion with the common factor, in [-1, 1].
        jumps_per_day: Mean number of unscheduled jumps in a trading day.
        jump_sd: Standard deviation of an unscheduled jump's log size; its mean factor is 1.
        news_interval_ns: Mean of the exponential time between public signals; 0 means no news.
        news_noise_sd: Standard deviation of a signal's error, as a fraction of the initial value.
    """

    initial_ticks: Annotated[float, msgspec.Meta(gt=0)]
    daily_volatility: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    common_loading: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0
    jumps_per_day: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    jump_sd: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    news_interval_ns: Duration = 0
    news_noise_sd: Annotated[float, msgspec.Meta(gt=0)] = 0.001


class ScheduledJump(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An exogenous shock: at ``ts_ns`` the value of ``instrument`` is multiplied by ``1 + size`` (-0.04:
    falls 4%). If it is announced, the public hears of the change with an error of standard deviation ``noise``, as a
    fraction of the initial value."""

    ts_ns: Duration
    instrument: str
    size: Annotated[float, msgspec.Meta(gt=-1)]
    announced: bool = False
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class ScheduledValue(NamedTuple):
    """A value that is known beforehand to the program, and to nobody in the market: from ``ts_ns`` on the value of
    ``instrument`` is ``value_ticks``, or, where other things move it too, as many times what it was as this is of the
    scheduled value before. It may be announced, as a :class:`ScheduledJump` may."""

    ts_ns: Ns
    instrument: str
    value_ticks: float
    announced: bool = False
    noise: float = 0.0


class FairValueProcess:
    """Fair values and news of all instruments of a market.

    Args:
        names: The instruments' stable names, in order of instrument id.
        params: One for each name.
        seed: The run's seed.
        step_ns: Time between two moves of the diffusion; 1 s by default.
        jumps: Scheduled jumps.
        calendar: The trading days, whose nights the diffusion passes in one step; ``None`` for days of eight hours
            that follow each other without nights.

    Raises:
        ScenarioError: Lengths differ, or a jump names an unknown instrument.
    """

    def __init__(
        self,
        names: Sequence[str],
        params: Sequence[FairValueParams],
        seed: int,
        step_ns: Ns = NS_PER_S,
        jumps: Sequence[ScheduledJump] = (),
        calendar: TradingCalendar | None = None,
    ) -> None:
        if len(names) != len(params):
            raise ScenarioError(f"{len(params)} laws for {len(names)} instruments: expected one each", "fair value")
        unknown = sorted({jump.instrument for jump in jumps} - set(names))
        if unknown:
            raise ScenarioError(f"no instrument {unknown[0]!r}: expected one of {', '.join(names)}", "shock")
        self._step_ns = step_ns
        self._days = calendar
        self._stepped_ns: Ns = 0
        day_ns = day_length_ns(calendar)
        self._common = Stream(seed, "fair_value/common")
        self._paths = [
            _Path(i, name, p, seed, step_ns, day_ns) for i, (name, p) in enumerate(zip(names, params, strict=True))
        ]
        first_ns = step_ns if calendar is None else calendar.awake_ns(step_ns)
        self._calendar: list[tuple[Ns, int, int, float, float | None]] = [(first_ns, _STEP, -1, 0.0, None)]
        self._names = tuple(names)
        self._calendar += self._shocks(jumps)
        for path in self._paths:
            self._plan(path, _JUMP, 0)
            self._plan(path, _NEWS, 0)
        heapq.heapify(self._calendar)

    def reschedule(self, jumps: Sequence[ScheduledJump], from_ns: Ns) -> None:
        """Put other scheduled jumps in the place of those that have not happened; of earlier ones nothing comes."""
        others = [entry for entry in self._calendar if entry[1] != _SHOCK]
        self._calendar = others + self._shocks([jump for jump in jumps if jump.ts_ns >= from_ns])
        heapq.heapify(self._calendar)

    def follow(self, values: Iterable[ScheduledValue]) -> None:
        """Let values take a path, in order of time; diffusion, jumps and shocks are over it."""
        for value in values:
            noise = value.noise if value.announced else None
            index = self._names.index(value.instrument)
            heapq.heappush(self._calendar, (value.ts_ns, _VALUE, index, value.value_ticks, noise))

    def vary(self, volatilities: Iterable[tuple[Ns, str, float]]) -> None:
        """Let daily volatilities change: from a time on an instrument has another one."""
        for ts_ns, instrument, volatility in volatilities:
            index = self._names.index(instrument)
            self._paths[index].diffuses = True
            heapq.heappush(self._calendar, (ts_ns, _VOLATILITY, index, volatility, None))

    def _shocks(self, jumps: Sequence[ScheduledJump]) -> list[tuple[Ns, int, int, float, float | None]]:
        return [
            (jump.ts_ns, _SHOCK, self._names.index(jump.instrument), jump.size, jump.noise if jump.announced else None)
            for jump in jumps
        ]

    @property
    def next_ts_ns(self) -> Ns:
        """When something happens next."""
        return self._calendar[0][0]

    def value_ticks(self, instrument_id: int) -> float:
        """The value in ticks, as of the last event that :meth:`advance` passed."""
        return self._paths[instrument_id].value_ticks

    def advance(self, ts_ns: Ns) -> list[FairValue | Announcement | News]:
        """Pass everything up to and including ``ts_ns``, and return it in order of time.

        At one time the diffusion moves first, then jumps, then shocks, each followed by its announcement; news then
        speaks of the new value.
        """
        events: list[FairValue | Announcement | News] = []
        calendar = self._calendar
        while calendar[0][0] <= ts_ns:
            now_ns, kind, index, size, noise = heapq.heappop(calendar)
            if kind == _STEP:
                common = self._common.normal()
                elapsed_ns, self._stepped_ns = now_ns - self._stepped_ns, now_ns
                events.extend(path.diffuse(now_ns, common, elapsed_ns) for path in self._paths if path.diffuses)
                next_ns = now_ns + self._step_ns
                if self._days is not None:
                    next_ns = self._days.awake_ns(next_ns)
                heapq.heappush(calendar, (next_ns, _STEP, -1, 0.0, None))
                continue
            path = self._paths[index]
            if kind == _VOLATILITY:
                path.vary(size)
                continue
            if kind in (_SHOCK, _VALUE):
                before_ticks = path.value_ticks
                shocked = path.multiply(now_ns, 1 + size, is_shock=True) if kind == _SHOCK else path.reach(now_ns, size)
                events.append(shocked)
                if noise is not None:
                    events.append(path.announce(now_ns, path.value_ticks - before_ticks, noise))
                continue
            events.append(path.jump(now_ns) if kind == _JUMP else path.news(now_ns))
            self._plan(path, kind, now_ns)
        return events

    def _plan(self, path: _Path, kind: int, now_ns: Ns) -> None:
        delay_ns = path.next_jump_ns() if kind == _JUMP else path.next_news_ns()
        if delay_ns:
            heapq.heappush(self._calendar, (now_ns + delay_ns, kind, path.instrument_id, 0.0, None))


# Order of kinds at one time.
_STEP, _JUMP, _VALUE, _SHOCK, _NEWS, _VOLATILITY = range(6)


class _Path:
    """One instrument: its value and the streams of its own that move it."""

    __slots__ = (
        "_announcements",
        "_day_ns",
        "_diffusion",
        "_jumps",
        "_news",
        "_own",
        "_params",
        "_scheduled_ticks",
        "_step_ns",
        "diffuses",
        "instrument_id",
        "step_sd",
        "value_ticks",
    )

    def __init__(
        self, instrument_id: int, name: str, params: FairValueParams, seed: int, step_ns: Ns, day_ns: Ns
    ) -> None:
        self.instrument_id = instrument_id
        self.value_ticks = params.initial_ticks
        self.step_sd = params.daily_volatility * math.sqrt(step_ns / day_ns)
        self._step_ns = step_ns
        self._day_ns = day_ns
        self.diffuses = self.step_sd > 0
        self._scheduled_ticks = params.initial_ticks
        self._params = params
        self._own = math.sqrt(1 - params.common_loading**2)
        self._announcements = Stream(seed, f"fair_value/{name}/announcements")
        self._diffusion = Stream(seed, f"fair_value/{name}/diffusion")
        self._jumps = Stream(seed, f"fair_value/{name}/jumps")
        self._news = Stream(seed, f"fair_value/{name}/news")

    def diffuse(self, ts_ns: Ns, common: float, elapsed_ns: Ns) -> FairValue:
        sd = self.step_sd
        if elapsed_ns != self._step_ns:
            sd *= math.sqrt(elapsed_ns / self._step_ns)
        shock = self._params.common_loading * common + self._own * self._diffusion.normal()
        return self.multiply(ts_ns, _exp(sd * (shock - 0.5 * sd)))

    def jump(self, ts_ns: Ns) -> FairValue:
        sd = self._params.jump_sd
        return self.multiply(ts_ns, _exp(sd * (self._jumps.normal() - 0.5 * sd)))

    def multiply(self, ts_ns: Ns, factor: float, is_shock: bool = False) -> FairValue:
        self.value_ticks = min(_HIGHEST_TICKS, max(_LOWEST_TICKS, self.value_ticks * factor))
        return FairValue(ts_ns, self.instrument_id, self.value_ticks, is_shock)

    def reach(self, ts_ns: Ns, scheduled_ticks: float) -> FairValue:
        before_ticks, self._scheduled_ticks = self._scheduled_ticks, scheduled_ticks
        if self.value_ticks == before_ticks:  # Nothing else has moved it: the path itself, to the last bit.
            self.value_ticks = scheduled_ticks
            return self.multiply(ts_ns, 1.0)
        return self.multiply(ts_ns, scheduled_ticks / before_ticks)

    def vary(self, daily_volatility: float) -> None:
        self.step_sd = daily_volatility * math.sqrt(self._step_ns / self._day_ns)

    def announce(self, ts_ns: Ns, change_ticks: float, noise: float) -> Announcement:
        noise_sd_ticks = noise * self._params.initial_ticks
        said_ticks = change_ticks + noise_sd_ticks * self._announcements.normal()
        return Announcement(ts_ns, self.instrument_id, said_ticks, noise_sd_ticks)

    def news(self, ts_ns: Ns) -> News:
        noise_sd_ticks = self._params.news_noise_sd * self._params.initial_ticks
        signal_ticks = self.value_ticks + noise_sd_ticks * self._news.normal()
        return News(ts_ns, self.instrument_id, signal_ticks, noise_sd_ticks)

    def next_jump_ns(self) -> Ns:
        rate = self._params.jumps_per_day
        # A rate so small that its mean delay is beyond all times that can be written means no jump.
        return self._jumps.delay_ns(self._day_ns / rate) if rate > self._day_ns / MOST_NS else 0

    def next_news_ns(self) -> Ns:
        mean_ns = self._params.news_interval_ns
        return self._news.delay_ns(mean_ns) if mean_ns else 0
