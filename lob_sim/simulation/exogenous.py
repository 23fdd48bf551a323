"""The world outside the market: fair values move and news comes, whatever the market does."""

from __future__ import annotations

from collections.abc import Sequence

from lob_sim.information.fair_value import FairValueParams, FairValueProcess, ScheduledJump
from lob_sim.messages import Announcement, Event, FairValue, News
from lob_sim.messages.recorder import Recorder
from lob_sim.scenario import Scenario, calendar_of, instrument_specs
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.market_data import MarketData
from lob_sim.simulation.ports import Recipient
from lob_sim.units import Ns, Ticks


def fair_values(scenario: Scenario, seed: int, initial_ticks: Sequence[Ticks]) -> FairValueProcess:
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
    names, jumps = [spec.name for spec in specs], jumps_of(scenario)
    return FairValueProcess(names, params, seed, scenario.fair_value_step, jumps, calendar_of(scenario))


def jumps_of(scenario: Scenario) -> list[ScheduledJump]:
    """The scenario's shocks."""
    return [
        ScheduledJump(ts_ns=s.at, instrument=s.instrument, size=s.size, announced=s.announced, noise=s.noise)
        for s in scenario.shocks
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

    def reschedule(self, scenario: Scenario, from_ns: Ns) -> None:
        """From some time on the shocks of another scenario happen."""
        self._process.reschedule(jumps_of(scenario), from_ns)
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
