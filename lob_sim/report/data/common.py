"""What the data of all panels have in common: who is shown, in which units, and how points are thinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.analysis.trading_time import last_ns
from lob_sim.log import Run
from lob_sim.log.header import AgentEntry
from lob_sim.log.manifest import RUNNING
from lob_sim.report.formatting import short_time
from lob_sim.units import Ns

P = ParamSpec("P")

THIN_BINS = 240
"""Bins of time in which a drawn line keeps its first, lowest, highest and last point."""


def once_per_run(function: Callable[Concatenate[Run, P], pd.DataFrame]) -> Callable[Concatenate[Run, P], pd.DataFrame]:
    """Make the table that a function makes of a run once for as long as the run lives; each caller gets a copy."""
    kept: WeakKeyDictionary[Run, dict[object, pd.DataFrame]] = WeakKeyDictionary()

    @wraps(function)
    def once(run: Run, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        tables = kept.setdefault(run, {})
        asked = (args, *sorted(kwargs.items()))
        if asked not in tables:
            tables[asked] = function(run, *args, **kwargs)
        return tables[asked].copy()

    return once


def watched(run: Run) -> list[AgentEntry]:
    """The agents that the page shows one by one: who has quoted with a record of it, or has a balance sheet."""
    shown = set(run.table("balance_sheet")["agent_id"]) | set(run.table("quote")["agent_id"])
    return [agent for agent in run.header.agents if agent.agent_id in shown]


def agent_name(run: Run, agent_id: int) -> str:
    """The stable name of an agent; ``nobody`` for the numbers that stand for none."""
    return run.header.agents[agent_id].name if 0 <= agent_id < len(run.header.agents) else "nobody"


def instrument_name(run: Run, instrument_id: int) -> str:
    """The name of an instrument; ``all`` for the number that stands for none."""
    return run.header.instruments[instrument_id].name if instrument_id >= 0 else "all"


def moment_text(run: Run, ts_ns: Ns, decimals: int = 1) -> str:
    """A time of a run as its page tells it: of day where the log knows it, with its day where there are days."""
    return short_time(ts_ns + run.time_of_day_ns, decimals, run.calendar)


def currency(run: Run) -> str:
    """What the scenario calls its money; ``$`` where a log comes from none, or from one that does not say."""
    return str(run.header.scenario.get("currency", "$"))


def tick_size(run: Run, instrument_id: int) -> float:
    """Price points in one tick."""
    return float(run.header.instruments[instrument_id].tick_size)


def fair_at(run: Run, instrument_id: int, when_ns: Ints) -> Floats:
    """Fair value at each time, in ticks; NaN where the log has none."""
    fair = of(run.table("fair_value"), instrument_id)
    if not len(fair):
        return np.full(when_ns.shape, np.nan)
    return value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), when_ns)


def table_rows(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, its columns as attributes."""
    return iter(table.itertuples())


def end_ns(run: Run) -> Ns:
    """The last instant of a run, :func:`lob_sim.analysis.trading_time.last_ns`. The manifest of a run that was killed
    does not know it: there its rows are asked."""
    if run.manifest.status != RUNNING:
        return last_ns(run)
    tables = [run.table(name) for name in run.counts if "ts_event_ns" in run.table(name).columns]
    return max((int(table["ts_event_ns"].iloc[-1]) for table in tables if len(table)), default=0)


def edges_ns(run: Run, bins: int) -> Ints:
    """Edges of equal bins of time over the whole run."""
    return np.linspace(0, max(bins, end_ns(run) + 1), bins + 1).astype(np.int64)


def thin(table: pd.DataFrame, column: str, bins: int = THIN_BINS) -> pd.DataFrame:
    """The rows of a line that are enough to draw it: no extreme is lost.

    Of each of ``bins`` equal parts of the time covered the first and the last row stay, the lowest, the highest and the
    first without a value (NaN, a gap in the line). Tables of up to four rows a bin stay as they are.

    Args:
        table: ``ts_event_ns``, increasing, and ``column``.
        column: The values.
        bins: Number of bins.
    """
    if len(table) <= 4 * bins:
        return table
    times, values = ints(table, "ts_event_ns"), floats(table, column)
    nth = ((times - times[0]) * bins) // (times[-1] - times[0] + 1)
    rows = np.arange(times.size)
    changes = np.flatnonzero(np.diff(nth)) + 1
    kept = [np.array([0]), changes, changes - 1, np.array([times.size - 1])]
    there = rows[~np.isnan(values)]
    order = there[np.lexsort((values[there], nth[there]))]
    cuts = np.flatnonzero(np.diff(nth[order])) + 1
    kept += [order[:1], order[cuts], order[cuts - 1], order[-1:]]
    missing = rows[np.isnan(values)]
    kept.append(missing[np.unique(nth[missing], return_index=True)[1]])
    return table.iloc[np.unique(np.concatenate(kept))]


def at_end(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The table with its last row repeated at the end of the run, so that a line goes on for as long as it holds."""
    until_ns = end_ns(run)
    if not len(table) or int(table["ts_event_ns"].iloc[-1]) >= until_ns:
        return table
    return pd.concat([table, table.iloc[-1:].assign(ts_event_ns=until_ns)], ignore_index=True)
