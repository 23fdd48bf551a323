"""Headroom of every balance sheet under each of its constraints, over time, recomputed from the log.

The log keeps the headroom of the moments in which a limit begins or ceases to bind. In between it follows from what the
log does keep: balance sheets, marks, loans, and the scenario with its limits. They are put together again here and
judged by the constraints' own code. Nothing that a run names is loaded for it: of a user's own constraint only what the
log says is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from lob_sim.agents.strategy import Strategy
from lob_sim.balance.view import SheetContext
from lob_sim.desk.building import CONSTRAINTS, DeskBuilder
from lob_sim.errors import InputError
from lob_sim.log import Run
from lob_sim.messages import FundingKind, SheetCause
from lob_sim.report.data.common import end_ns, money_unit, once_per_run, table_rows
from lob_sim.scenario import BalanceSheetSpec, Scenario, open_market, parse_scenario
from lob_sim.simulation.plan import Member, create_agents
from lob_sim.units import Ns

_MOST_INTERVALS = 1_000_000
COLUMNS = ("ts_event_ns", "agent_id", "constraint", "headroom", "is_logged")


@once_per_run
def headroom(run: Run) -> pd.DataFrame:
    """How far each agent is from each of its limits: a row per change and constraint, in order of agent and time.

    Columns: ``ts_event_ns``, ``agent_id``, ``constraint``, ``headroom`` in currency units (negative: breached; for
    ``slr`` the exposure that may still be added, for ``var`` the limit less the value at risk, for ``funding`` the
    unused borrowing capacity), and ``is_logged``: whether the log says it (``constraint_breached`` and
    ``constraint_cured``) or it is recomputed. Empty where there are no limits or no scenario to say them.

    Recomputed numbers are those at the end of each instant. Of ``slr`` they are exact. Those of ``var`` repeat the
    desk's own volatility measure, whose schedule is read off its marks: exact where latencies are constant. Those of
    ``funding`` follow its loans by the funding messages, which reach it a latency later than they are followed here.
    """
    members = _members(run)
    if members is None or not len(run.table("balance_sheet")):
        return _frame([], run)
    scenario, enrolled = members
    instruments, unit, ticks = open_market(scenario)
    builder = DeskBuilder(SheetContext(instruments, unit), ticks, scenario.switches, "", {})
    rows: list[tuple[Ns, int, str, float, bool]] = []
    for agent_id in sorted(set(run.table("balance_sheet")["agent_id"])):
        if 0 <= agent_id < len(enrolled) and enrolled[agent_id].group.balance_sheet is not None:
            rows += _Sheet(run, builder, enrolled, agent_id).rows()
        rows += _logged(run, agent_id)
    return _frame(rows, run)


def _members(run: Run) -> tuple[Scenario, list[Member]] | None:
    if not run.header.scenario:
        return None
    try:
        scenario = parse_scenario(run.header.scenario, "manifest.json: scenario.")
        instruments, unit, _ = open_market(scenario)
        members = create_agents(scenario, instruments, unit)
    except InputError:
        return None
    # Somebody who trades against a log is nobody whom the scenario enrols.
    names = [agent.name for agent in run.header.agents]
    return (scenario, members) if names == [member.name for member in members] else None


def _frame(rows: list[tuple[Ns, int, str, float, bool]], run: Run) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["headroom"] = table["headroom"].astype(np.float64) * money_unit(run)
    order = ["agent_id", "constraint", "ts_event_ns"]
    return table.sort_values(order, kind="stable", ignore_index=True)


def _logged(run: Run, agent_id: int) -> list[tuple[Ns, int, str, float, bool]]:
    found = []
    for name in ("constraint_breached", "constraint_cured"):
        table = run.table(name)
        own = table[table["agent_id"] == agent_id]
        columns = (own["ts_event_ns"], own["constraint"], own["headroom_cash"])
        found += [(int(ts), agent_id, str(c), float(h), True) for ts, c, h in zip(*columns, strict=True)]
    return found


class _Loans:
    """The loans of one borrower as the funding messages tell of them."""

    def __init__(self, opening: list[float]) -> None:
        self._opening = opening
        self._loans: dict[int, list[Any]] = {}
        self._asked: dict[int, int] = {}
        self._refused = 0
        self._quotes: dict[int, dict[int, float]] = {}
        self.changed = False
        """Whether anything has been told since somebody set this to False."""

    def take(self, row: Any) -> None:
        """One row of the ``funding`` dataset."""
        kind, loan = FundingKind(row.kind), self._loans.get(row.loan_id)
        self.changed = True
        if kind is FundingKind.BORROWED:
            self._loans[row.loan_id] = [row.instrument_id, row.amount_cash, row.haircut]
            self._quotes.setdefault(row.lender_id, {})
            self._pay(self._asked.pop(row.loan_id, 0), row.amount_cash)
        elif kind is FundingKind.REPAID:
            self._pay(row.loan_id, row.amount_cash)
        elif kind is FundingKind.ROLLED and loan is not None:
            loan[2] = row.haircut
        elif kind is FundingKind.REFUSED:
            self._refused = self._asked.pop(row.loan_id, row.loan_id)
        elif kind is FundingKind.REQUESTED:
            # What was refused a moment ago is what is sought from the next lender.
            self._asked[row.loan_id], self._refused = self._refused, 0
        elif kind is FundingKind.HAIRCUT_CHANGED:
            self._quotes.setdefault(row.lender_id, {})[row.instrument_id] = row.haircut

    def due(self, amount: int) -> None:
        """What nobody lends has become due."""
        self._pay(self._refused, amount)
        self._refused, self.changed = 0, True

    def _pay(self, loan_id: int, amount: int) -> None:
        if loan_id in self._loans:
            self._loans[loan_id][1] -= amount
            if self._loans[loan_id][1] <= 0:
                del self._loans[loan_id]

    @property
    def known(self) -> bool:
        """Whether there are lenders at all."""
        return bool(self._quotes)

    def owed(self, n: int) -> list[float]:
        """Loans against each instrument, in cash units."""
        total = [0.0] * n
        for instrument_id, amount, _ in self._loans.values():
            if instrument_id >= 0:
                total[instrument_id] += amount
        return total

    def new_haircuts(self) -> list[float]:
        """The lowest haircut on new loans that any lender asks."""
        return [min(q.get(i, h) for q in self._quotes.values()) for i, h in enumerate(self._opening)]

    def haircuts(self, new: list[float]) -> list[float]:
        """The haircut that each collateral bears on average over its loans, as the borrower's ladder says it."""
        total, needed = [0.0] * len(new), [0.0] * len(new)
        for instrument_id, amount, haircut in self._loans.values():
            if instrument_id >= 0:
                total[instrument_id] += amount
                needed[instrument_id] += amount / (1 - haircut) if haircut < 1 else np.inf
        return [1 - t / n if t else h for t, n, h in zip(total, needed, new, strict=True)]


class _Sheet:
    """One balance sheet, led through its records."""

    def __init__(self, run: Run, builder: DeskBuilder, members: list[Member], agent_id: int) -> None:
        member = members[agent_id]
        spec = member.group.balance_sheet
        assert spec is not None
        desk = builder.build(_shipped(spec), member.cash, member.lots, Strategy(), member.name)
        self._agent_id = agent_id
        self._values = [i.cash_per_tick_lot for i in run.header.instruments]
        self._sheet, self._risk, self._volatility = desk.sheet, desk.risk, desk.volatility
        self._loans = _Loans([*desk.sheet.haircuts])
        own = {name: _own(run, name, agent_id) for name in ("balance_sheet", "mark", "funding")}
        marked = own["mark"]["ts_event_ns"].to_numpy(dtype=np.int64)
        phases, counts = np.unique(marked % spec.mark_interval, return_counts=True)
        first = int(phases[np.argmax(counts)]) if phases.size else spec.mark_interval
        step, last_ns = spec.mark_interval, end_ns(run)
        # An interval of a nanosecond, which a log may claim, would fill the memory.
        interval = max(spec.volatility_interval, last_ns // _MOST_INTERVALS)
        starts = range(0, last_ns + 1, interval)
        scheduled = {first + max(0, -(-(start - first) // step)) * step for start in starts}
        # A margin call makes the desk mark at once, which leaves no record where no mark has changed.
        called = own["funding"][own["funding"]["kind"] == int(FundingKind.MARGIN_CALL)]
        calls = {
            row.ts_event_ns
            + members[row.lender_id].group.connection.to_venue.median
            + members[agent_id].group.connection.from_venue.median
            for row in table_rows(called)
        }
        self._observed_ns = sorted(scheduled | calls)
        self._events = sorted(
            (row.seq, row.ts_event_ns, name, row) for name, table in own.items() for row in table_rows(table)
        )

    def rows(self) -> Iterator[tuple[Ns, int, str, float, bool]]:
        """Headroom after each instant in which something changed."""
        observed = iter(self._observed_ns)
        due_ns, looked, traded = next(observed, None), False, False
        for k, (_, ts_ns, name, row) in enumerate(self._events):
            while due_ns is not None and due_ns < ts_ns:
                if self._volatility.observe(due_ns, self._sheet.marks_ticks):
                    yield from self._judge(due_ns)
                due_ns = next(observed, None)
            getattr(self, f"_take_{name}")(row)
            looked |= name == "balance_sheet" and row.cause == SheetCause.MARK
            traded |= name == "balance_sheet" and row.cause in (SheetCause.BUY, SheetCause.SELL)
            if k + 1 < len(self._events) and self._events[k + 1][1] == ts_ns:
                continue
            # Marked after a trade of its own, the dealer does not measure volatility.
            if (looked and not traded) or due_ns == ts_ns:
                self._volatility.observe(ts_ns, self._sheet.marks_ticks)
            looked = traded = False
            yield from self._judge(ts_ns)

    def _take_mark(self, row: Any) -> None:
        self._sheet.marks_ticks[row.instrument_id] = row.price_ticks
        self._sheet.adjustments_ticks[row.instrument_id] = row.adjustment_ticks

    def _take_funding(self, row: Any) -> None:
        self._loans.take(row)

    def _take_balance_sheet(self, row: Any) -> None:
        sheet, i = self._sheet, row.instrument_id
        if row.cause in (SheetCause.BUY, SheetCause.SELL):
            net = sum(q * m * v for q, m, v in zip(sheet.lots, sheet.marks_ticks, self._values, strict=True))
            sheet.lots[i] += (row.inventory_cash - row.short_cash - net) // (sheet.marks_ticks[i] * self._values[i])
        elif row.cause == SheetCause.DUE:
            self._loans.due(row.due_cash - sheet.due_cash)
        sheet.cash, sheet.other_assets_cash = row.cash, row.other_assets_cash
        sheet.short_term_cash, sheet.due_cash = row.short_term_cash, row.due_cash
        sheet.tier1_cash = row.tier1_cash
        if self._loans.known and self._loans.changed:
            self._loans.changed = False
            sheet.repo_cash = [int(x) for x in self._loans.owed(len(sheet.lots))]
            new = self._loans.new_haircuts()
            sheet.haircuts = self._loans.haircuts(new)
            sheet.new_haircuts = new
        rest = row.repo_cash - sum(sheet.repo_cash)
        sheet.repo_cash[int(np.argmax(sheet.repo_cash))] += rest

    def _judge(self, ts_ns: Ns) -> Iterator[tuple[Ns, int, str, float, bool]]:
        view = self._sheet.view(self._volatility.covariances)
        for constraint in self._risk.constraints:
            yield ts_ns, self._agent_id, constraint.name, constraint.headroom(view), False


def _shipped(spec: BalanceSheetSpec) -> BalanceSheetSpec:
    """The balance sheet with nothing but what comes with lob_sim: its limits. What it does is on the log."""
    plain = BalanceSheetSpec()
    return msgspec.structs.replace(
        spec,
        constraints=[entry for entry in spec.constraints if entry.kind in CONSTRAINTS],
        liquidation_sequence=plain.liquidation_sequence,
        marking=plain.marking,
        marking_params={},
        liquidation=plain.liquidation,
        liquidation_params={},
    )


def _own(run: Run, dataset: str, agent_id: int) -> pd.DataFrame:
    table = run.table(dataset)
    return table[table["agent_id"] == agent_id]
