"""Reading a run: typed rows, pandas tables, and the book at any time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lob_sim.calendar import TradingCalendar, parse_time_ns
from lob_sim.errors import DataError
from lob_sim.log.blocks import chain_digest, digest_block
from lob_sim.log.book_index import BookIndex, BookSnapshot
from lob_sim.log.executions import executions, fill_table, opening_lots, position_table
from lob_sim.log.foreign import reads_logs
from lob_sim.log.header import RunHeader
from lob_sim.log.manifest import COMPLETE, FAILED, INTERRUPTED, RUNNING, Manifest
from lob_sim.log.memory_source import MemorySource
from lob_sim.log.profit import pnl_table
from lob_sim.log.recorder import MemoryRecorder
from lob_sim.log.run_times import RunTimes
from lob_sim.log.source import (
    DirectorySource,
    LogRow,
    LogSource,
    Problem,
    dataset_names,
    rows_of,
)
from lob_sim.log.tables import in_currency, order_table, with_days, with_names
from lob_sim.messages import Message
from lob_sim.notebook import frame, heading, note, shows, table
from lob_sim.scenario import calendar_in
from lob_sim.units import MOST_NS, Ns, checked_ns, checked_whole

if TYPE_CHECKING:
    import pandas as pd

DAMAGED = "damaged"
"""Status of a run whose parts are not what its manifest lists."""


class Run:
    """A logged run. Nothing is read before it is asked for, and tables are read once.

    Times are nanoseconds, prices ticks, quantities lots; enumerations are numbers (see ``docs/logs.md``).

    Args:
        source: The rows.
    """

    def __init__(self, source: LogSource) -> None:
        self.source = source
        self._tables: dict[str, pd.DataFrame] = {}
        self._indices: dict[int, BookIndex] = {}

    def __repr__(self) -> str:
        header = self.header
        rows = sum(self.counts.values())
        return f"Run({header.scenario.get('name', 'a log')!r}, seed {header.seed_entropy}, {self.status}, {rows} rows)"

    @shows
    def _repr_html_(self) -> str:
        return _run_html(self)

    @property
    def plot(self) -> Any:
        """Figures: ``run.plot.price()``, ``.spread()``, ``.inventory()``, ...; see :class:`lob_sim.report.plots.Plots`.

        Each is a ``matplotlib.figure.Figure``.

        Raises:
            MissingExtraError: Upon a figure, where matplotlib is not installed.
        """
        # Found when it is used: figures know of runs, and runs need no figures.
        return import_module("lob_sim.report.plots").Plots(self)

    @property
    def path(self) -> Path | None:
        """The run directory, or None for a run in memory."""
        return self.source.path

    @property
    def manifest(self) -> Manifest:
        """What the run says of itself."""
        return self.source.manifest

    @property
    def header(self) -> RunHeader:
        """What was known before the run began: scenario, seed, agents, instruments."""
        return self.source.manifest.header

    @cached_property
    def calendar(self) -> TradingCalendar | None:
        """Its trading days; ``None`` where the market trades through."""
        return calendar_in(self.header.scenario, f"{self.path or 'the run in memory'}: scenario.")

    @cached_property
    def digest(self) -> str:
        """The run digest: the same for every log with the same content, wherever it is kept."""
        if self.path is not None:
            return self.manifest.digest
        blocks = self.source.blocks(list(self.counts))
        return chain_digest(digest_block(first_seq, batches) for first_seq, batches in blocks)

    # --- condition ----------------------------------------------------------------------------------------
    @property
    def status(self) -> str:
        """``complete``, ``interrupted``, ``failed``, ``running`` (as a killed run stays), or ``damaged``."""
        status = self.manifest.status
        return DAMAGED if self.problems and status in (COMPLETE, INTERRUPTED, FAILED) else status

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong without reading the rows; :func:`lob_sim.replay.verification.verify` finds the rest."""
        return self.source.problems

    @cached_property
    def gaps(self) -> tuple[tuple[int, int], ...]:
        """Ranges of ``seq``, inclusive, that are missing before the last row that is there."""
        present = np.sort(np.concatenate([self.source.seqs(name) for name in self.counts] or [np.zeros(0, np.int64)]))
        edges = np.concatenate(([0], present))
        holes = np.flatnonzero(np.diff(edges) > 1)
        return tuple((int(edges[i]) + 1, int(edges[i + 1]) - 1) for i in holes)

    @cached_property
    def last_seq(self) -> int:
        """Number of the last row that is there; 0 if none is."""
        return max((int(seqs[-1]) for name in self.counts if len(seqs := self.source.seqs(name))), default=0)

    def condition(self) -> list[str]:
        """What to tell a person about this log: its status, what is wrong with it and what is missing."""
        lines = [f"{self.status}: {sum(self.counts.values())} rows"]
        if self.manifest.error:
            lines.append(f"the run failed: {self.manifest.error}")
        if self.status == RUNNING:
            lines.append(f"still being written, or its writer was killed: rows after {self.last_seq} are missing")
        lines += [f"rows {first} to {last} are missing" for first, last in self.gaps]
        lines += [str(problem) for problem in self.problems]
        return lines

    # --- rows ---------------------------------------------------------------------------------------------
    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows by dataset, of the datasets that have any."""
        return self.source.counts()

    def messages(self, *types: type[Message], from_seq: int = 1, to_seq: int | None = None) -> Iterator[LogRow]:
        """Rows in order of ``seq``, as typed messages.

        Args:
            *types: Classes of messages; their subclasses count too. All if none is given.
            from_seq: The first row.
            to_seq: The last row; None for no bound.
        """
        names = [name for name in dataset_names(types) if name in self.counts]
        for first_seq, batches in self.source.blocks(names, from_seq):
            if to_seq is not None and first_seq > to_seq:
                return
            for row in rows_of(batches):
                if from_seq <= row.seq and (to_seq is None or row.seq <= to_seq):
                    yield row

    # --- tables -------------------------------------------------------------------------------------------
    def arrow(self, name: str) -> pa.Table:
        """A dataset as an Arrow table.

        Raises:
            DataError: There is no such dataset.
        """
        return self.source.table(name)

    def table(self, name: str, *, money: bool = False, names: bool = False, days: bool = False) -> pd.DataFrame:
        """A dataset as a table, a row per message in order of ``seq``; empty if the run has no such message.

        Args:
            name: Name of the dataset.
            money: Amounts in currency, see :meth:`in_currency`.
            names: Names beside the numbers of agents and instruments, see :meth:`with_names`.
            days: The day behind every time, see :meth:`with_days`.

        Raises:
            DataError: No message type has such a dataset.
        """
        if not isinstance(name, str) or name not in self._tables:
            self._tables[name] = self.arrow(name).to_pandas()
        table = self._tables[name]
        if money:
            table = self.in_currency(table)
        if names:
            table = self.with_names(table)
        return self.with_days(table) if days else table

    def in_currency(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with amounts of cash in currency units: ``tier1_cash`` becomes ``tier1``, ``cash`` keeps its name."""
        return in_currency(table, self.header.money_unit)

    def with_names(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with a column of names behind each number of an agent or instrument: ``agent`` behind ``agent_id``.

        A number that stands for none has an empty name.
        """
        agents = [agent.name for agent in self.header.agents]
        return with_names(table, agents, [instrument.name for instrument in self.header.instruments])

    def with_days(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with the number of the day, 1 for the first, behind ``ts_event_ns``; a night is of the day before it.

        Without a calendar all of a run is day 1.
        """
        return with_days(table, self.calendar.day_ns if self.calendar is not None else None)

    @property
    def trades(self) -> pd.DataFrame:
        """The public prints of the lit books."""
        return self.table("trade")

    @property
    def rfq_trades(self) -> pd.DataFrame:
        """Trades by request for quote."""
        return self.table("rfq_traded")

    @cached_property
    @reads_logs
    def orders(self) -> pd.DataFrame:
        """The life of every accepted order, a row each: see :func:`lob_sim.log.tables.order_table`."""
        return order_table(self.table)

    @cached_property
    @reads_logs
    def quotes(self) -> pd.DataFrame:
        """The displayed top of every lit book after each command that changed it; 0 for an empty side."""
        import pandas as pd

        frames = [self._index(i).quotes for i in range(len(self.header.instruments))]
        return pd.concat(frames).sort_values("seq", ignore_index=True) if frames else pd.DataFrame()

    @property
    def agents(self) -> pd.DataFrame:
        """Names, groups and kinds of the agents."""
        import pandas as pd

        columns = ["agent_id", "name", "group", "kind"]
        return pd.DataFrame([(a.agent_id, a.name, a.group, a.kind) for a in self.header.agents], columns=columns)

    # --- what everybody did -------------------------------------------------------------------------------
    @cached_property
    @reads_logs
    def executions(self) -> pd.DataFrame:
        """Both sides of every execution, of whatever venue: see :func:`lob_sim.log.executions.executions`."""
        return executions(self)

    @cached_property
    @reads_logs
    def fills(self) -> pd.DataFrame:
        """The same for people, with names, prices and money: see :func:`lob_sim.log.executions.fill_table`."""
        return fill_table(self, self.executions, opening_lots(self.header))

    @cached_property
    @reads_logs
    def positions(self) -> pd.DataFrame:
        """Inventory over time, with names: see :func:`lob_sim.log.executions.position_table`."""
        return self.with_names(position_table(self.executions, opening_lots(self.header)))

    @reads_logs
    def pnl(
        self,
        by: str | Sequence[str] = ("agent", "instrument"),
        *,
        agent: str | None = None,
        at: str | None = None,
        settle: Ns | str = "5s",
        exact: bool = False,
    ) -> pd.DataFrame:
        """Profit and loss from trading, in currency units; ``docs/logs.md`` has the identities.

        Columns: ``fills``; with ``instrument`` among the keys ``bought_lots``, ``sold_lots``, ``position_lots``;
        ``realised`` (first in, first out), ``unrealised_mid`` and ``unrealised_value``, which add up to ``pnl_mid`` and
        ``pnl_value``; ``spread``, ``adverse_selection`` and ``inventory``, which add up to the profit at the reference
        ``at``; ``turnover``. What the log has no fair value of is NaN. Interest, repo and losses of a resolution are
        not in it.

        Args:
            by: One or more of ``agent``, ``group``, ``instrument`` and ``role``; by role there is no position, and
                nothing realised.
            agent: Only of this agent, or of the agents of this group.
            at: The reference by which profit is split, ``mid`` or ``value``; value if the log knows it.
            settle: How long after a trade a change of the reference counts as adverse selection.
            exact: Amounts as fractions, which add up to the last digit; None for what is not known.

        Raises:
            InputError: No such key, agent or reference, or a negative ``settle``.
        """
        return pnl_table(self, by, agent, at, settle, exact)

    # --- books --------------------------------------------------------------------------------------------
    @reads_logs
    def book(
        self, instrument: str | int | None = None, *, at: Ns | str | None = None, seq: int | None = None
    ) -> BookSnapshot:
        """A lit book as it was.

        The first call for an instrument drives its engine through the whole log and keeps copies on the way;
        later ones take a fraction of a second.

        Args:
            instrument: Name or ``instrument_id``; may be left out where there is only one.
            at: After everything up to this time: nanoseconds, or text such as ``"1.5s"``, ``"9:30:10"`` or
                ``"day 3 02:15"``.
            seq: After everything up to this row. Without ``at`` and ``seq``: at the end.

        Raises:
            InputError: No such instrument or time; rows are missing before it.
        """
        index = self._index(self.instrument_id(instrument))
        if at is not None:
            return index.at_time(self.time_ns(at))
        asked = self.last_seq if seq is None else checked_whole(seq, "seq", -MOST_NS, kind="a row's number")
        return index.at_seq(asked)

    @reads_logs
    def depth(self, instrument: str | int | None = None, *, levels: int = 5, every: Ns | str) -> pd.DataFrame:
        """Displayed depth at equal steps of time: columns ``bid_ticks_1``, ``bid_lots_1``, ...

        Raises:
            InputError: No such instrument, rows are missing, or that would be more numbers than memory may hold.
        """
        every_ns = parse_time_ns(every, self.calendar) if isinstance(every, str) else checked_ns(every, "every")
        levels = checked_whole(levels, "levels")
        return self._index(self.instrument_id(instrument)).depth(levels, every_ns)

    def time_ns(self, at: Ns | str) -> Ns:
        """A time as the log counts it.

        Args:
            at: Nanoseconds since the start, or text: a duration such as ``"12min"``, or a time as :meth:`clock` writes
                it, which is a time of day where the log knows of one.

        Raises:
            InputError: The text is neither, or the time of day is before the log begins.
        """
        return self._times.ns(at)

    @property
    def time_of_day_ns(self) -> Ns:
        """Time of day at time 0, after midnight: 0 where the log knows of none, or has days of its own."""
        return 0 if self.calendar is not None else self.header.time_of_day_ns or 0

    def clock(self, ts_ns: Ns) -> str:
        """A time as text: within its trading day where there are days, else of day where known, or since the start."""
        return self._times.text(ts_ns)

    @cached_property
    def _times(self) -> RunTimes:
        return RunTimes(self.calendar, self.time_of_day_ns)

    def instrument_id(self, instrument: str | int | None) -> int:
        """The number of an instrument: see :meth:`lob_sim.log.header.RunHeader.number_of`."""
        return self.header.number_of(instrument)

    def _index(self, instrument_id: int) -> BookIndex:
        if instrument_id not in self._indices:
            if self.gaps:
                first, last = self.gaps[0]
                raise DataError(f"rows {first} to {last} are missing: no book after them can be known", str(self.path))
            self._indices[instrument_id] = BookIndex(self.source, instrument_id)
        return self._indices[instrument_id]


@reads_logs
def _run_html(run: Run) -> str:
    """What a notebook shows of a run: what it is, what was traded, who took part. No book is replayed for it."""
    header = run.header
    lasted = f"{run.clock(0)} to {run.clock(run.manifest.last_ts_ns)}"
    facts = (f"seed {header.seed_entropy}", run.status, f"{sum(run.counts.values()):,} rows", lasted)
    rows = []
    for instrument in header.instruments:
        trades, rfq = (t[t["instrument_id"] == instrument.instrument_id] for t in (run.trades, run.rfq_trades))
        lots = int(trades["qty_lots"].sum()) + int(rfq["qty_lots"].sum())
        last = instrument.price(int(trades["price_ticks"].iloc[-1])) if len(trades) else float("nan")
        price = "–" if last != last else f"{last:,.{instrument.price_decimals}f}"
        rows.append((instrument.name, len(trades), len(rfq), lots, price))
    groups = run.agents.groupby(["group", "kind"], sort=True).size().reset_index(name="agents")
    problems = [note(line) for line in run.condition()[1:4]] if run.status != COMPLETE else []
    return "".join(
        (
            heading(str(header.scenario.get("name", run.path.name if run.path else "a log")), *facts),
            *problems,
            table(("instrument", "lit trades", "by request", "lots", "last lit price"), rows),
            frame(groups[["group", "agents", "kind"]].set_index("group")),
            note("run.pnl('group'), run.fills, run.trades, run.book(...), run.plot.price(), run.table(...)"),
        )
    )


def open_run(path: str | Path) -> Run:
    """Open a run directory, whole or not.

    Raises:
        DataError: It is not a run directory, or of a schema that this version does not read.
    """
    return Run(DirectorySource(Path(path)))


def run_in_memory(recorder: MemoryRecorder, header: RunHeader, status: str = COMPLETE) -> Run:
    """The log that a recorder holds at this moment, to be read like one on disk."""
    return Run(MemorySource(recorder, header, status))
