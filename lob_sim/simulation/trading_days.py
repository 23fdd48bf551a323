"""The course of trading days: when everybody's session ends, the night, and the next morning.

What a night costs is a call for each agent's timer that would have run in it. Messages that are under way arrive;
timers wait, each as long as the night is, so that what would have come in a night's first second comes in the
morning's.
"""

from __future__ import annotations

from collections.abc import Sequence

from lob_sim.calendar import TradingCalendar
from lob_sim.messages import SetRfqSession
from lob_sim.simulation.host import AgentHost
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.market import Market
from lob_sim.simulation.sessions import Timetable
from lob_sim.units import Ns


class TradingDays:
    """Ends and begins the sessions of all venues and agents.

    Args:
        kernel: The clock.
        market: The market.
        calendar: The days.
        timetables: Those of the books.
        hosts: The agents, who hear of closes and opens in this order.
        horizon_ns: End of the run.
    """

    def __init__(
        self,
        kernel: Kernel,
        market: Market,
        calendar: TradingCalendar,
        timetables: Sequence[Timetable],
        hosts: Sequence[AgentHost],
        horizon_ns: Ns,
    ) -> None:
        self._kernel = kernel
        self._market = market
        self._calendar = calendar
        self._timetables = tuple(timetables)
        self._hosts = tuple(hosts)
        self._horizon_ns = horizon_ns
        kernel.call_first_in(calendar.session_ns, self._close)

    def _close(self, call: ScheduledCall) -> None:
        for timetable in self._timetables:
            timetable.close()
        self._set_requests(False)
        for host in self._hosts:
            host.sleep(self._calendar.night_ns)
        for host in self._hosts:
            host.end_day()
        self._kernel.call_first_in(self._calendar.night_ns, self._open)

    def _open(self, call: ScheduledCall) -> None:
        closes_ns = self._kernel.now_ns + self._calendar.session_ns
        for timetable in self._timetables:
            timetable.open_day(min(closes_ns, self._horizon_ns))
        self._set_requests(True)
        for host in self._hosts:
            host.sleep(0)
        for host in self._hosts:
            host.begin_day()
        self._kernel.call_first_in(self._calendar.session_ns, self._close)

    def _set_requests(self, is_open: bool) -> None:
        for instrument in self._market.data.instruments:
            self._market.execute(SetRfqSession(instrument.instrument_id, is_open))
