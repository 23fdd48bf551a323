"""The world outside the market: fair values move and news comes, whatever the market does."""

from __future__ import annotations

from collections.abc import Sequence

from lob_sim.information.fair_value import FairValueParams, FairValueProcess, ScheduledJump, ScheduledValue
from lob_sim.messages import Announcement, Event, FairValue, News
from lob_sim.messages.recorder import Recorder
from lob_sim.scenario import Outside, Scenario, calendar_of, instrument_specs
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.market_data import MarketData
from lob_sim.simulation.ports import Recipient
from lob_sim.units import Ns, Ticks


def fair_values(scenario: Scenario, seed: int, initial_ticks: Sequence[Ticks], outside: Outside) -> FairValueProcess:
    """The scenario's fair values; its random numbers depend on the seed and the instruments' names alone."""
    specs = instrument_specs(scenario)
    params = [
        FairValueParams(
            initial_ticks=float(ticks),
            daily_volatility=spec.fair_value.daily_volatility,
            common_loading=spec.fair_value.common_loading,
            jumps_per_day=spec.fair_value.jumps_per_day,
            jump_sd=spec.fair_value.jump_sd,
            news_interval_ns=spec.fair_value.news_interval,
            news_noise_sd=spec.fair_value.news_noise_sd,
        )
        for spec, ticks in zip(specs, initial_ticks, strict=True)
    ]
    names, jumps = [spec.name for spec in specs], jumps_of(scenario, outside)
    process = FairValueProcess(names, params, seed, scenario.fair_value_step, jumps, calendar_of(scenario))
    ticks = {spec.name: spec.tick_size for spec in specs}
    process.follow(
        ScheduledValue(row.ts_ns, row.instrument, float(row.number / ticks[row.instrument]), row.announced, row.noise)
        for row in outside.values
    )
    process.vary((row.ts_ns, row.instrument, float(row.number)) for row in outside.volatility)
    return process


def jumps_of(scenario: Scenario, outside: Outside) -> list[ScheduledJump]:
    """The scenario's shocks, and the jumps that a file says."""
    return [
        ScheduledJump(ts_ns=s.at, instrument=s.instrument, size=s.size, announced=s.announced, noise=s.noise)
        for s in scenario.shocks
    ] + [
        ScheduledJump(
            ts_ns=row.ts_ns,
            instrument=row.instrument,
            size=float(row.number),
            announced=row.announced,
            noise=row.noise,
        )
        for row in outside.jumps
    ]


class Exogenous:
    """Moves the fair values through the run, ahead of everything else that is due at the same time.

    Args:
        kernel: The clock.
        recorder: The log.
        data: Where the fair values of the moment are kept.
        agents: Who may hear of news and announcements.
        process: The fair values.
    """

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        data: MarketData,
        agents: Sequence[Recipient],
        process: FairValueProcess,
    ) -> None:
        self._kernel = kernel
        self._recorder = recorder
        self._data = data
        self._process = process
        self.tell(agents)

    def tell(self, agents: Sequence[Recipient]) -> None:
        """From now on those of these agents hear what is public that have a hook for it."""
        public: tuple[type[Event], ...] = (Announcement, News)
        self._readers = {kind: tuple(a for a in agents if a.hears(kind)) for kind in public}

    def reschedule(self, jumps: Sequence[ScheduledJump], from_ns: Ns) -> None:
        """From some time on these shocks happen, and not those that were to come."""
        self._process.reschedule(jumps, from_ns)
        self._kernel.forget(self._advance)
        self._wait()

    def start(self) -> None:
        """Record the opening values and wait for the first change."""
        for instrument in self._data.instruments:
            i = instrument.instrument_id
            self._recorder.record(FairValue(0, i, self._process.value_ticks(i), False))
        self._wait()

    def _wait(self) -> None:
        self._kernel.call_first_in(max(0, self._process.next_ts_ns - self._kernel.now_ns), self._advance)

    def _advance(self, call: ScheduledCall) -> None:
        for event in self._process.advance(self._kernel.now_ns):
            self.happen(event)
        self._wait()

    def happen(self, event: Event) -> None:
        """Log what has happened outside, and make it known."""
        self._recorder.record(event)
        if isinstance(event, FairValue):
            self._data.fair_values[event.instrument_id] = event.value_ticks
        for host in self._readers.get(type(event), ()):
            host.deliver(event)
