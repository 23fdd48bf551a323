"""What everybody has made: profit and loss, realised and not, and what it came from, adding up exactly.

The identities are in ``docs/logs.md``. Amounts are whole numbers until they are shown: reference prices are taken to
the nearest 2^-20 of a tick, so that everything is a whole number of 2^-20 units of cash.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, shown
from lob_sim.log.executions import LoggedRun, opening_lots
from lob_sim.units import Lots, Ns, Ticks, checked_ns, parse_duration_ns

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("agent", "group", "instrument", "role")
"""What profit can be given by; a role is what one was in an execution, and has no position."""
MID, VALUE = "mid", "value"
PARTS = ("spread", "adverse_selection", "inventory")
_FINE = 20
_UNIT = 1 << _FINE
"""Reference prices in one tick."""


class ReferencePath(NamedTuple):
    """The reference price of one instrument, which holds from a row of the log to the next.

    Attributes:
        opening: Before the first row, in 2^-20 ticks.
        seqs: Rows at which it changes.
        times_ns: Their times.
        prices: From then on, in 2^-20 ticks, as Python's whole numbers.
    """

    opening: int
    seqs: np.ndarray[Any, np.dtype[np.int64]]
    times_ns: np.ndarray[Any, np.dtype[np.int64]]
    prices: np.ndarray[Any, np.dtype[Any]]

    def before(self, seqs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What it was just before each row."""
        return self._held(np.searchsorted(self.seqs, seqs, side="left"))

    def after(self, times_ns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """What it is after everything up to each time, inclusive."""
        return self._held(np.searchsorted(self.times_ns, times_ns, side="right"))

    @property
    def last(self) -> int:
        """What it is at the end."""
        return int(self.prices[-1]) if len(self.prices) else self.opening

    def _held(self, n_before: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        held: np.ndarray[Any, Any] = np.concatenate(([self.opening], self.prices)).astype(object)[n_before]
        return held


class FifoBook(NamedTuple):
    """A position whose lots are closed in the order in which they were opened.

    Attributes:
        position: Lots, signed.
        realised: What closing has brought, in ticks times lots.
        cost: What the open position has cost, in ticks times lots.
    """

    position: Lots
    realised: int
    cost: int


def pnl_table(
    run: LoggedRun,
    by: str | Sequence[str],
    only: str | None = None,
    at: str | None = None,
    settle: Ns | str = "5s",
    exact: bool = False,
) -> pd.DataFrame:
    """Profit and loss from trading; see :meth:`lob_sim.log.run.Run.pnl`."""
    keys = _keys(by)
    settle_ns = parse_duration_ns(settle) if isinstance(settle, str) else checked_ns(settle, "settle")
    wanted = _agents(run, only)
    marked = [reference_paths(run, i) for i in range(len(run.header.instruments))]
    marked_at = _chosen(at, run)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    dealt, opening = run.executions, opening_lots(run.header)
    for (agent_id, instrument_id), own in _by_owner(dealt, opening):
        if agent_id not in wanted:
            continue
        paths = marked[instrument_id]
        held = opening.get((agent_id, instrument_id), 0)
        for role, part in _by_role(own, held) if "role" in keys else (("", own),):
            found = _of_one(part, held if role in ("", "opening") else 0, paths, marked_at, settle_ns, role)
            agent = run.header.agents[agent_id]
            name = {"agent": agent.name, "group": agent.group, "role": role}
            name["instrument"] = run.header.instruments[instrument_id].name
            worth = run.header.instruments[instrument_id].cash_per_tick_lot
            total = rows.setdefault(tuple(name[key] for key in keys), dict.fromkeys(found, 0))
            for column, amount in found.items():
                # What is not known of one is not known of the sum.
                known = total[column] is not None and amount is not None
                total[column] = total[column] + amount * (1 if column in _COUNTS else worth) if known else None
    return _shown(run, keys, rows, marked_at, exact)


_COUNTS = ("fills", "bought_lots", "sold_lots", "position_lots")
_MONEY = ("realised", "unrealised_mid", "unrealised_value", "pnl_mid", "pnl_value", *PARTS, "turnover")
_OF_POSITIONS = ("position_lots", "realised", "unrealised_mid", "unrealised_value")


def _shown(
    run: LoggedRun, keys: tuple[str, ...], rows: dict[Any, dict[str, Any]], at: str, exact: bool
) -> pd.DataFrame:
    import pandas as pd

    unit = run.header.money_unit / _UNIT
    columns = [c for c in (*_COUNTS, *_MONEY) if "instrument" in keys or not c.endswith("_lots")]
    # A position is opened in one role and closed in another: by role there is only what each trade has brought.
    columns = [c for c in columns if "role" not in keys or c not in _OF_POSITIONS]
    table = []
    for key, found in sorted(rows.items()):
        money = {c: None if found[c] is None else found[c] * unit for c in _MONEY if c in columns}
        shown = money if exact else {c: np.nan if v is None else float(v) for c, v in money.items()}
        table.append((*key, *({**found, **shown}[c] for c in columns)))
    frame = pd.DataFrame(table, columns=[*keys, *columns], dtype=object if exact else None)
    frame = frame.set_index(list(keys))
    frame.attrs["at"] = at
    return frame


def _of_one(
    own: pd.DataFrame, held: Lots, paths: dict[str, ReferencePath], at: str, settle_ns: Ns, role: str
) -> dict[str, Any]:
    """Of one agent in one instrument: lots, and amounts in 2^-20 ticks times lots (of ``role``, where one is given)."""
    signed = _whole(own["side"]) * _whole(own["qty_lots"])
    prices = _whole(own["price_ticks"])
    opening_ticks = paths[MID].opening
    found: dict[str, Any] = {
        "fills": len(own),
        "bought_lots": int(sum(lots for lots in signed if lots > 0)),
        "sold_lots": -int(sum(lots for lots in signed if lots < 0)),
        "turnover": int(sum(abs(signed) * prices)) * _UNIT,
    }
    position = held + int(sum(signed))
    # What was held at the opening counts as bought at the opening price.
    outlay = held * opening_ticks + int(sum(signed * prices)) * _UNIT
    for name in (MID, VALUE):
        known = name in paths
        found[f"pnl_{name}"] = position * paths[name].last - outlay if known else None
    if not role:
        # Only a scenario endows anybody, and its initial price is on the grid.
        book = fifo(held, opening_ticks // _UNIT, signed, prices)
        found |= {"position_lots": position, "realised": book.realised * _UNIT}
        for name in (MID, VALUE):
            found[f"unrealised_{name}"] = position * paths[name].last - book.cost * _UNIT if name in paths else None
    return found | _split(own, held, signed, prices, paths[at], settle_ns)


def _split(
    own: pd.DataFrame, held: Lots, signed: Any, prices: Any, path: ReferencePath, settle_ns: Ns
) -> dict[str, int]:
    """Profit at one reference by what it came from."""
    causes = own["cause_seq"].to_numpy(np.int64)
    times = own["ts_event_ns"].to_numpy(np.int64)
    then = path.before(np.where(causes > 0, causes, own["seq"].to_numpy(np.int64)))
    settled = path.after(times + settle_ns)
    return {
        "spread": int(sum(signed * (then - prices * _UNIT))),
        "adverse_selection": int(sum(signed * (settled - then))),
        "inventory": int(sum(signed * (path.last - settled))) + held * (path.last - path.opening),
    }


def fifo(held: Lots, opening_ticks: Ticks, signed: Sequence[Lots], prices: Sequence[Ticks]) -> FifoBook:
    """Match what is closed with what was opened first.

    Args:
        held: Lots at the opening, signed.
        opening_ticks: What they count as bought at.
        signed: Lots of each execution in order, negative for sales.
        prices: Their prices.
    """
    open_lots = deque([(held, opening_ticks)] if held else [])
    realised = 0
    for lots, price in zip(signed, prices, strict=True):
        left = lots
        while left and open_lots and (open_lots[0][0] > 0) != (left > 0):
            first, entry = open_lots[0]
            closed = min(abs(first), abs(left)) * (1 if first > 0 else -1)
            realised += closed * (price - entry)
            left += closed
            if first == closed:
                open_lots.popleft()
            else:
                open_lots[0] = (first - closed, entry)
        if left:
            open_lots.append((left, price))
    return FifoBook(sum(lots for lots, _ in open_lots), realised, sum(lots * entry for lots, entry in open_lots))


# --- reference prices --------------------------------------------------------------------------------------------


def reference_paths(run: LoggedRun, instrument_id: int) -> dict[str, ReferencePath]:
    """Reference prices of an instrument: ``mid``, and ``value`` where the log has fair values of it.

    ``mid`` is the middle of the best displayed prices, as it last was with both sides shown and not crossed; before
    that the scenario's initial price, or where there is none the first of them, or the first price dealt.
    """
    quotes = run.quotes
    quotes = quotes[(quotes["instrument_id"] == instrument_id) & (quotes["bid_lots"] > 0) & (quotes["ask_lots"] > 0)]
    quotes = quotes[quotes["bid_ticks"] < quotes["ask_ticks"]]
    mids = (_whole(quotes["bid_ticks"]) + _whole(quotes["ask_ticks"])) * (_UNIT // 2)
    opening = _opening(run, instrument_id)
    if opening is None:
        dealt = run.executions
        first = dealt.loc[dealt["instrument_id"] == instrument_id, "price_ticks"]
        opening = int(mids[0]) if len(mids) else int(first.iloc[0]) * _UNIT if len(first) else 0
    found = {MID: _path(opening, quotes, mids)}
    fair = run.table("fair_value")
    fair = fair[fair["instrument_id"] == instrument_id]
    if len(fair):
        found[VALUE] = _path(opening, fair, np.array([round(v * _UNIT) for v in fair["value_ticks"]], object))
    return found


def _path(opening: int, table: pd.DataFrame, prices: Any) -> ReferencePath:
    return ReferencePath(opening, table["seq"].to_numpy(np.int64), table["ts_event_ns"].to_numpy(np.int64), prices)


def _opening(run: LoggedRun, instrument_id: int) -> int | None:
    """The scenario's initial price in 2^-20 ticks; None for a log that comes from no scenario."""
    instrument = run.header.instruments[instrument_id]
    for spec in run.header.scenario.get("instruments", ()):
        if spec["name"] == instrument.name:
            return instrument.to_ticks(Fraction(spec["initial_price"])) * _UNIT
    return None


def _keys(by: str | Sequence[str]) -> tuple[str, ...]:
    keys = (by,) if isinstance(by, str) else tuple(by) if isinstance(by, Iterable) else ()
    for key in keys:
        if key not in KEYS:
            near = did_you_mean(key, KEYS) if isinstance(key, str) else ""
            raise InputError(f"expected one or more of {', '.join(KEYS)}, got {key!r}{near}", "by")
    if not keys:
        raise InputError(f"expected one or more of {', '.join(KEYS)}, got {shown(by)}", "by")
    return keys


def _agents(run: LoggedRun, only: str | None) -> set[int]:
    names = {name for agent in run.header.agents for name in (agent.name, agent.group)}
    if only is not None and not isinstance(only, str):
        raise InputError(f"expected the name of an agent or group, got {shown(only)}", "agent")
    if only is not None and only not in names:
        raise InputError(f"no agent or group is named {only!r}{did_you_mean(only, sorted(names))}", "agent")
    return {agent.agent_id for agent in run.header.agents if only in (None, agent.name, agent.group)}


def _chosen(at: str | None, run: LoggedRun) -> str:
    """The reference by which profit is split: value, where the log knows it of all instruments."""
    known = set(run.table("fair_value")["instrument_id"]).issuperset(range(len(run.header.instruments)))
    if at not in (None, MID, VALUE):
        raise InputError(f"expected mid or value, got {at!r}", "at")
    if at == VALUE and not known:
        raise InputError("expected mid: this log has no fair values of some of its instruments", "at")
    return at or (VALUE if known else MID)


# --- rows --------------------------------------------------------------------------------------------------------


def _by_owner(dealt: pd.DataFrame, opening: dict[tuple[int, int], Lots]) -> list[tuple[tuple[int, int], pd.DataFrame]]:
    """Executions by agent and instrument, with an empty table for who holds and has not traded."""
    keys: Any = dealt.groupby(["agent_id", "instrument_id"], sort=True)
    groups = {(int(agent_id), int(instrument_id)): own for (agent_id, instrument_id), own in keys}
    none = dealt.iloc[:0]
    return [(key, groups.get(key, none)) for key in sorted({*groups, *opening})]


def _by_role(own: pd.DataFrame, held: Lots) -> list[tuple[str, pd.DataFrame]]:
    parts = [(str(role), part) for role, part in own.groupby("role", sort=True)]
    return [(role or "other", part) for role, part in parts] + ([("opening", own.iloc[:0])] if held else [])


def _whole(column: pd.Series) -> Any:
    """A column as Python's whole numbers, whose products and sums have as many bits as they need."""
    return np.array(column.tolist(), dtype=object)
