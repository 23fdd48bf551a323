"""Cause and effect: what each event of a run is linked to by the log.

A link is made only where the log supports it, and says what it rests on:

- *named*: the log names the cause. A parent order names the constraints that it sells for, a child order its parent, a
  withdrawal its cause;
- *same instant*: one desk logged both in the same nanosecond, first the cause, then the effect;
- *same price*: a mark equals the price of the last trade, which its source says it was taken from;
- *value*: the mark had made less than half of the way to the fair value to which a shock had taken the instrument;
- *timing*: the effect follows in the same instrument within :data:`WINDOW_NS`, and nothing more is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import floats, ints, value_at
from lob_sim.log import Run
from lob_sim.messages import MarkSource, SheetCause, WithdrawalCause
from lob_sim.report.data.happenings import CAUSES, DEFAULT_REASON, Happening, happenings
from lob_sim.report.data.sheets import SOURCES, forced_sales
from lob_sim.report.formatting import limit_text
from lob_sim.units import NS_PER_S, Ns

WINDOW_NS: Ns = 30 * NS_PER_S
"""How long after something a withdrawal or a write-down still counts as following it, where only timing links them."""
GROUP_NS: Ns = 60 * NS_PER_S
"""Like events of several agents that follow each other within this time are one row of the table."""
NAMED, SAME_INSTANT, SAME_PRICE, VALUE, TIMING = "named", "same instant", "same price", "value", "timing"
_LONGEST_CHAIN = 12
_SHEET_WORDS = {
    SheetCause.BUY: "a purchase of its own changed its balance sheet in that instant",
    SheetCause.SELL: "a sale of its own changed its balance sheet in that instant",
    SheetCause.MARK: "its balance sheet was marked anew in that instant",
    SheetCause.DUE: "funding that nobody rolls fell due in that instant",
    SheetCause.REPAID: "it repaid loans in that instant",
    SheetCause.REDEMPTION: "investors redeemed in that instant",
}
_UNCHANGED = {
    "var": "its balance sheet did not change in that instant: what has risen is the volatility that it measures",
    "funding": "its balance sheet did not change in that instant: what lenders ask of it did",
}


def timeline(run: Run) -> list[Happening]:
    """The events of :func:`lob_sim.report.data.happenings.happenings` in order, each with the link to its cause."""
    events = happenings(run)
    _Linker(run).link(events)
    return events


def ancestors(events: Sequence[Happening], last: Happening) -> list[Happening]:
    """The chain of causes that ends with ``last``, first cause first."""
    by_seq = {event.seq: event for event in events}
    chain = [last]
    while chain[-1].cause_seq:
        chain.append(by_seq[chain[-1].cause_seq])
    return chain[::-1]


def chain(events: Sequence[Happening]) -> list[Happening]:
    """The chain of causes that says most about how trouble travelled: the one that is shown step by step.

    Of all chains that end in a breach or a failure one that takes trouble from one agent to another; of those one that
    begins with a shock; then one through the breaches and failures of a third agent, and one with a withdrawal for
    fear of informed flow, if there is any; of those the shortest, and the earliest. Empty if nothing was breached.
    """
    best: list[Happening] = []
    best_score = (0, False, 0, False, 0)
    for event in events:
        if event.kind not in ("breach", "failure"):
            continue
        path = ancestors(events, event)
        agents = {step.agent_id for step in path if step.kind in ("breach", "failure")}
        withdrawn = any(step.kind == "retreat" for step in path)
        reached = len(agents)
        score = (min(reached, 2), path[0].kind == "shock", min(reached, 3), withdrawn, -len(path))
        if len(path) <= _LONGEST_CHAIN and (not best or score > best_score):
            best, best_score = path, score
    return best


def key_events(events: Sequence[Happening]) -> list[Happening]:
    """The events that a reader needs, in order.

    Shocks and failures, all of them; of breaches, forced sales, withdrawals (by instrument) and squeezes each agent's
    first; of sweeps, write-downs and redemptions each agent's largest; and the last cure, the last end of a sale and
    the last return to the book, by instrument.
    """
    chosen: dict[tuple[object, ...], Happening] = {}
    for event in events:
        if event.kind in ("shock", "failure"):
            chosen[event.kind, event.seq] = event
        elif event.kind in ("breach", "forced sale", "funding"):
            chosen.setdefault((event.kind, event.agent_id), event)
        elif event.kind == "retreat":
            if event.key in (WithdrawalCause.ADVERSE_SELECTION.name, WithdrawalCause.RISK_APPETITE.name):
                chosen.setdefault((event.kind, event.agent_id, event.instrument_id), event)
        elif event.kind == "relief":
            chosen[event.kind, event.instrument_id, event.key == "return"] = event
        else:
            key = (event.kind, event.agent_id)
            if key not in chosen or event.size > chosen[key].size:
                chosen[key] = event
    return sorted(chosen.values(), key=lambda event: event.seq)


class Row(NamedTuple):
    """A row of the timeline's table: an event, and like ones of others that follow it within a minute.

    Attributes:
        event: The first.
        others: The others, in order.
    """

    event: Happening
    others: tuple[Happening, ...]


def key_rows(events: Sequence[Happening]) -> list[Row]:
    """The :func:`key_events`, those of one kind in one instrument (breaches: of one constraint) that follow each other
    within :data:`GROUP_NS` put together."""
    groups: dict[tuple[str, int, str], list[list[Happening]]] = {}
    for event in key_events(events):
        key = (event.kind, event.instrument_id, event.key if event.kind == "breach" else "")
        known = groups.setdefault(key, [])
        if known and event.ts_ns - known[-1][-1].ts_ns <= GROUP_NS and event.kind not in ("shock", "failure"):
            known[-1].append(event)
        else:
            known.append([event])
    rows = [Row(group[0], tuple(group[1:])) for known in groups.values() for group in known]
    return sorted(rows, key=lambda row: row.event.seq)


class _Linker:
    """Goes through the events in order and remembers what later ones may refer to."""

    def __init__(self, run: Run) -> None:
        self._instant: dict[tuple[int, Ns], Happening] = {}
        self._breach: dict[tuple[int, str], Happening] = {}
        self._parent: dict[tuple[int, str], Happening] = {}
        self._last: dict[tuple[int, str], Happening] = {}
        self._moved: dict[int, list[Happening]] = {}
        self._gone: dict[int, list[Happening]] = {}
        prints = {"lit": run.trades, "rfq": run.rfq_trades}
        ids = range(len(run.header.instruments))
        self._prints = {(i, venue): of(table, i) for i in ids for venue, table in prints.items()}
        marks = run.table("mark")
        self._marks = dict(zip(marks["seq"], zip(marks["price_ticks"], marks["source"], strict=True), strict=True))
        before = marks.groupby(["agent_id", "instrument_id"], sort=False)["price_ticks"].shift()
        self._marks_before = dict(zip(marks["seq"], before, strict=True))
        self._fair = {i: of(run.table("fair_value"), i) for i in ids}
        sales = forced_sales(run)
        self._sale_of = dict(zip(sales["trade_seq"], sales["cause_seq"], strict=True))
        self._order_of = dict(zip(sales["seq"], sales["cause_seq"], strict=True))
        self._sheets = {int(str(a)): own for a, own in run.table("balance_sheet").groupby("agent_id", sort=True)}
        self._handlers: dict[str, Callable[[Happening], None]] = {
            "shock": self._on_shock,
            "write-down": self._on_write_down,
            "breach": self._on_breach,
            "forced sale": self._on_parent,
            "sweep": self._on_sweep,
            "retreat": self._on_retreat,
            "failure": self._on_failure,
        }

    def link(self, events: Sequence[Happening]) -> None:
        """Fill in the links."""
        for event in events:
            handler = self._handlers.get(event.kind)
            if handler is not None:
                handler(event)
            self._last[event.agent_id, event.kind] = event

    def _on_shock(self, event: Happening) -> None:
        self._moved.setdefault(event.instrument_id, []).append(event)

    def _on_write_down(self, event: Happening) -> None:
        # Of several marks in one instant the costliest stands for what follows from them.
        before = self._instant.get((event.agent_id, event.ts_ns))
        if before is None or before.size < event.size:
            self._instant[event.agent_id, event.ts_ns] = event
        price, source = self._marks[event.seq]
        words = SOURCES[MarkSource(source)]
        venue = "rfq" if source == MarkSource.RFQ_PRINT else "lit"
        # What is dealt on one venue does not move a mark that is taken from the other.
        moved = [m for m in self._moved.get(event.instrument_id, []) if m.venue in ("", venue)]
        if source in (MarkSource.LIT_TRADE, MarkSource.RFQ_PRINT):
            trade_seq, traded = _last_print(self._prints[event.instrument_id, venue], event.seq)
            order = self._sale_of.get(trade_seq)
            sale = next((m for m in reversed(moved) if order and self._order_of.get(m.seq) == order), None)
            if sale is not None and traded == price:
                _because(event, sale, SAME_PRICE, f"the mark is the price of that sale, taken from the {words}")
                return
        gone = self._gone.get(event.instrument_id, [])
        if source in (MarkSource.RFQ_PRINT, MarkSource.BELIEF) and _follow(
            event, gone, f"there is no fresh lit price to mark to; the mark comes from the {words}"
        ):
            return
        if not _follow(event, moved, f"the new mark comes from the {words}"):
            self._on_its_way(event, words)

    def _on_its_way(self, event: Happening, words: str) -> None:
        """Link a write-down to the last shock of its instrument, if the mark was still far above the new value."""
        shocks = [m for m in self._moved.get(event.instrument_id, []) if m.kind == "shock"]
        if not shocks:
            return
        fair, shock = self._fair[event.instrument_id], shocks[-1]
        times = np.array([shock.ts_ns - 1, event.ts_ns], dtype=np.int64)
        old, new = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), times)
        if self._marks_before[event.seq] - new > (old - new) / 2 > 0:
            after_s = (event.ts_ns - shock.ts_ns) / NS_PER_S
            told = f"{after_s:.0f} s after it, less than half of the way to the new value had been made"
            _because(event, shock, VALUE, f"{told}; the new mark comes from the {words}")

    def _on_breach(self, event: Happening) -> None:
        self._breach[event.agent_id, event.key] = event
        causes = self._sheet_causes(event)
        if not causes:
            event.link = _UNCHANGED.get(event.key, "its balance sheet did not change in that instant")
            return
        cause = next((c for c in (SheetCause.DUE, SheetCause.REDEMPTION, SheetCause.MARK) if c in causes), causes[-1])
        event.link = _SHEET_WORDS.get(cause, "its balance sheet changed in that instant")
        marked = self._instant.get((event.agent_id, event.ts_ns))
        asked = self._last.get((event.agent_id, "redemption"))
        if cause is SheetCause.MARK and marked is not None:
            _because(event, marked, SAME_INSTANT, event.link)
        elif cause is SheetCause.DUE and (event.agent_id, "funding") in self._last:
            _because(event, self._last[event.agent_id, "funding"], TIMING, event.link)
        elif cause is SheetCause.REDEMPTION and asked is not None and asked.ts_ns == event.ts_ns:
            _because(event, asked, SAME_INSTANT, event.link)

    def _sheet_causes(self, event: Happening) -> list[SheetCause]:
        """Why the agent's balance sheet changed in the instant of an event and before it on the log, in order."""
        own = self._sheets.get(event.agent_id)
        if own is None:
            return []
        end = int(np.searchsorted(ints(own, "seq"), event.seq))
        start = int(np.searchsorted(ints(own, "ts_event_ns"), event.ts_ns))
        return [SheetCause(cause) for cause in own["cause"].iloc[start:end]]

    def _on_parent(self, event: Happening) -> None:
        parent_id, _, reasons = event.key.partition("|")
        self._parent[event.agent_id, parent_id] = event
        failed = self._last.get((event.agent_id, "failure"))
        if reasons == DEFAULT_REASON and failed is not None:
            _because(event, failed, NAMED, "the order names its reason: default")
            return
        for reason in reasons.split("+"):
            breach = self._breach.get((event.agent_id, reason))
            if breach is not None:
                _because(event, breach, NAMED, f"the order names its reason: {limit_text(reason)}")
                return

    def _on_sweep(self, event: Happening) -> None:
        self._moved.setdefault(event.instrument_id, []).append(event)
        parent = self._parent.get((event.agent_id, event.key))
        if parent is not None:
            _because(event, parent, NAMED, "the order carries the number of that forced sale")

    def _on_retreat(self, event: Happening) -> None:
        cause = WithdrawalCause[event.key]
        event.link = f"the dealer logs its reason: {CAUSES[cause]}"
        if cause in (WithdrawalCause.ADVERSE_SELECTION, WithdrawalCause.RISK_APPETITE):
            self._gone.setdefault(event.instrument_id, []).append(event)
            # The flow that a dealer fears is that of the lit book, where it does not know whom it meets.
            moved = [m for m in self._moved.get(event.instrument_id, []) if m.venue in ("", "lit")]
            _follow(event, moved, event.link)
            return
        kind = {WithdrawalCause.FORCED_SALE: "forced sale", WithdrawalCause.CAPITAL: "breach"}.get(cause, "failure")
        named = self._last.get((event.agent_id, kind))
        if named is not None:
            _because(event, named, NAMED, event.link)

    def _on_failure(self, event: Happening) -> None:
        marked = self._instant.get((event.agent_id, event.ts_ns))
        if marked is not None:
            _because(event, marked, SAME_INSTANT, _SHEET_WORDS[SheetCause.MARK])


def _because(event: Happening, cause: Happening, basis: str, link: str) -> None:
    event.cause_seq, event.basis, event.link = cause.seq, basis, link


def _follow(event: Happening, earlier: Sequence[Happening], more: str) -> bool:
    """Link an event to the last of some that came within the window before it and that was not its own doing."""
    for cause in reversed(earlier):
        after_ns = event.ts_ns - cause.ts_ns
        if after_ns > WINDOW_NS:
            return False
        if cause.agent_id != event.agent_id:
            _because(event, cause, TIMING, f"{after_ns / NS_PER_S:.1f} s after it in the same instrument; {more}")
            return True
    return False


def _last_print(prints: pd.DataFrame, seq: int) -> tuple[int, int]:
    at = int(np.searchsorted(ints(prints, "seq"), seq)) - 1
    return (int(prints["seq"].iloc[at]), int(prints["price_ticks"].iloc[at])) if at >= 0 else (0, 0)
