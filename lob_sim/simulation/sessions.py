"""The venue's timetable: opening and closing auctions, and batch auctions instead of continuous trading.

A halt goes before the timetable: the book stays halted until its time, and no opening or batch ends that earlier.
Then it re-opens by an auction of all that was collected, and trading goes on as the timetable has it: continuously,
or with the next call, whose batch is due when it would have been in any case. Two things do not wait: a closing
auction takes over what a halt has collected and clears it at the end, and so does the end of trading itself.
"""

from __future__ import annotations

from lob_sim.messages import Phase, SetPhase
from lob_sim.scenario import LitSpec, opening_phase
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.market import Market
from lob_sim.units import Ns


class Timetable:
    """Schedules one book's phase changes.

    Args:
        kernel: The clock.
        market: Where the commands go.
        instrument_id: The book.
        lit: Its rules.
        closes_ns: End of trading, of the first day where there are days.
    """

    def __init__(self, kernel: Kernel, market: Market, instrument_id: int, lit: LitSpec, closes_ns: Ns) -> None:
        self._kernel = kernel
        self._market = market
        self._book = market.venues.books[instrument_id]
        self._instrument_id = instrument_id
        self._lit = lit
        self._batch_ns = lit.batch_interval
        self._schedule(closes_ns)

    def open_day(self, closes_ns: Ns) -> None:
        """A further day begins, whose trading ends then; orders that have rested over night stand in its auction."""
        self._market.execute(SetPhase(self._instrument_id, opening_phase(self._lit)))
        self._schedule(closes_ns)

    def _schedule(self, closes_ns: Ns) -> None:
        kernel, lit = self._kernel, self._lit
        self._closing_ns = closes_ns - lit.closing_auction
        if lit.opening_auction:
            kernel.call_first_in(lit.opening_auction, self._open)
        elif lit.batch_interval:
            kernel.call_first_in(lit.batch_interval, self._batch)
        if lit.closing_auction:
            kernel.call_first_in(max(0, self._closing_ns - kernel.now_ns), self._set, Phase.AUCTION)

    def close(self) -> None:
        """The end of trading: uncross what an auction has collected, and close."""
        if self._book.phase is not Phase.CLOSED:
            self._market.execute(SetPhase(self._instrument_id, Phase.CLOSED))

    def _open(self, call: ScheduledCall) -> None:
        self._uncross()
        if self._batch_ns:
            self._kernel.call_first_in(self._batch_ns, self._batch)

    def _batch(self, call: ScheduledCall) -> None:
        if self._kernel.now_ns < self._closing_ns and self._book.phase is Phase.AUCTION:
            self._uncross()
        if self._kernel.now_ns + self._batch_ns < self._closing_ns:
            self._kernel.call_first_in(self._batch_ns, self._batch)

    def _uncross(self) -> None:
        """End a call: clear what was collected and trade on; in batches the book itself begins the next call."""
        self._market.execute(SetPhase(self._instrument_id, Phase.CONTINUOUS))

    def _set(self, call: ScheduledCall) -> None:
        self._market.execute(SetPhase(self._instrument_id, call.payload))
