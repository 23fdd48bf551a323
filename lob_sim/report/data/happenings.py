"""What happens in a crisis, event by event, in words; :mod:`lob_sim.report.data.timeline` links them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.messages import MarkSource, ParentEnd, WithdrawalCause
from lob_sim.report.data.common import agent_name, currency, instrument_name, table_rows, tick_size
from lob_sim.report.data.funding import redemptions, squeezes
from lob_sim.report.data.sheets import SOURCES, forced_sales
from lob_sim.report.formatting import limit_text, list_text, lots_text, money_text, price_text
from lob_sim.units import NS_PER_S, Ns

DEFAULT_REASON = "default"
"""What a parent order that liquidates a failed dealer gives as its reason."""
KINDS = (
    "shock",
    "write-down",
    "breach",
    "forced sale",
    "sweep",
    "retreat",
    "funding",
    "redemption",
    "failure",
    "relief",
)
"""Kinds of events; ``relief`` is a breach cured, a sale ended or a return to the lit book."""
CAUSES = {
    WithdrawalCause.ADVERSE_SELECTION: "fear of informed flow",
    WithdrawalCause.RISK_APPETITE: "expected loss to informed flow past what it accepts",
    WithdrawalCause.CAPITAL: "no headroom under its limits",
    WithdrawalCause.FORCED_SALE: "selling under a limit, so no bids",
    WithdrawalCause.DEFAULT: "failed",
}
_ENDS = {
    ParentEnd.DONE: "all sold",
    ParentEnd.NO_LONGER_NEEDED: "no longer needed",
    ParentEnd.NOTHING_LEFT: "nothing left to sell",
    ParentEnd.DEFAULTED: "ended by its failure",
}


class Happening(msgspec.Struct):
    """One event of the timeline.

    Attributes:
        seq: Its row on the log (of a sweep: of the first fill).
        ts_ns: Its time.
        kind: One of :data:`KINDS`.
        agent_id: Who, or -1.
        instrument_id: In what, or -1.
        text: What happened, in words.
        key: What other events refer to it by: a constraint, a parent order.
        size: How large it is within its kind (money, lots, per cent), to choose from many.
        venue: Of a sweep, ``lit`` or ``rfq``.
        cause_seq: ``seq`` of the event that caused it, 0 if the log links it to none.
        basis: What that link rests on: ``named``, ``same instant``, ``same price``, ``timing``, or empty.
        link: The same in words.
    """

    seq: int
    ts_ns: Ns
    kind: str
    agent_id: int
    instrument_id: int
    text: str
    key: str = ""
    size: float = 0.0
    venue: str = ""
    cause_seq: int = 0
    basis: str = ""
    link: str = ""


def happenings(run: Run) -> list[Happening]:
    """Everything that belongs to a crisis, in order of ``seq``, not linked yet.

    Write-downs are the marks that cost somebody money in the instant of a breach or a failure, or more than a hundredth
    of the opening Tier 1. A sweep is one child order of a forced sale and everything that it traded.
    """
    parts = (_shocks, _write_downs, _breaches, _parents, _sweeps, _retreats, _squeezed, _redeemed, _failed)
    return sorted((happening for part in parts for happening in part(run)), key=lambda happening: happening.seq)


def _shocks(run: Run) -> Iterator[Happening]:
    for i in range(len(run.header.instruments)):
        fair = of(run.table("fair_value"), i).reset_index(drop=True)
        values = floats(fair, "value_ticks")
        for k in np.flatnonzero(fair["is_shock"].to_numpy(dtype=bool)):
            change = 100 * (values[k] / values[k - 1] - 1) if k else 0.0
            text = f"Fair value of {instrument_name(run, i)} {'falls' if change < 0 else 'rises'} {abs(change):.1f}%"
            yield Happening(int(fair["seq"][k]), int(fair["ts_event_ns"][k]), "shock", -1, i, text, size=abs(change))


def _write_downs(run: Run) -> Iterator[Happening]:
    unit, binding = float(run.header.money_unit), run.table("constraint_breached")
    failed = run.table("dealer_defaulted")
    instants = set(zip(binding["agent_id"], binding["ts_event_ns"], strict=True))
    instants |= set(zip(failed["agent_id"], failed["ts_event_ns"], strict=True))
    sheets = run.table("balance_sheet")
    opening = sheets.groupby("agent_id")["tier1_cash"].first()
    table = run.table("mark")
    for key, own in table.groupby(["agent_id", "instrument_id"], sort=True):
        agent_id, i = (int(str(part)) for part in key)
        instrument, tick = run.header.instruments[i], tick_size(run, i)
        prudent = ints(own, "price_ticks") - ints(own, "adjustment_ticks")
        loss = -np.diff(prudent, prepend=prudent[:1]) * ints(own, "lots") * instrument.cash_per_tick_lot
        large = float(opening.get(agent_id, np.inf)) / 100
        rows = zip(table_rows(own), loss.tolist(), np.roll(prudent, 1).tolist(), strict=True)
        for row, cost, before in rows:
            there = (agent_id, row.ts_event_ns) in instants
            if cost <= 0 or not (there or cost >= large):
                continue
            adjusted = f", less a prudent {row.adjustment_ticks * tick:.3g}" if row.adjustment_ticks else ""
            after = row.price_ticks - row.adjustment_ticks
            text = (
                f"{agent_name(run, agent_id)} marks {instrument.name} down from {price_text(before * tick, tick)} to "
                f"{price_text(after * tick, tick)} by {SOURCES[MarkSource(row.source)]}{adjusted}: "
                f"loses {money_text(cost * unit, currency(run))}"
            )
            yield Happening(row.seq, row.ts_event_ns, "write-down", agent_id, i, text, size=cost * unit)


def _breaches(run: Run) -> Iterator[Happening]:
    for row in table_rows(run.table("constraint_breached", money=True)):
        text = (
            f"{agent_name(run, row.agent_id)} breaches its {limit_text(row.constraint)} by "
            f"{money_text(-row.headroom, currency(run))}: must shed {money_text(row.required, currency(run))}"
        )
        yield _of(row, "breach", -1, text, row.constraint, row.required)
    for row in table_rows(run.table("constraint_cured")):
        text = f"{agent_name(run, row.agent_id)} meets its {limit_text(row.constraint)} again"
        yield _of(row, "relief", -1, text, row.constraint)


def _of(row: Any, kind: str, instrument_id: int, text: str, key: str = "", size: float = 0.0) -> Happening:
    return Happening(row.seq, row.ts_event_ns, kind, row.agent_id, instrument_id, text, key, size)


def _parents(run: Run) -> Iterator[Happening]:
    for row in table_rows(run.table("parent_order_opened")):
        i = row.instrument_id
        text = (
            f"{agent_name(run, row.agent_id)} must sell {lots_text(row.qty_lots)} of {instrument_name(run, i)} "
            f"because of {_reasons_text(row.reasons)}"
        )
        yield _of(row, "forced sale", i, text, f"{row.parent_order_id}|{row.reasons}", row.qty_lots)
    for row in table_rows(run.table("parent_order_closed")):
        i = row.instrument_id
        text = f"{agent_name(run, row.agent_id)}'s sale of {instrument_name(run, i)} ends: {_ENDS[ParentEnd(row.end)]}"
        yield _of(row, "relief", i, text, str(row.parent_order_id))


def _reasons_text(reasons: str) -> str:
    return list_text(["its failure" if r == DEFAULT_REASON else f"its {limit_text(r)}" for r in reasons.split("+")])


def _sweeps(run: Run) -> Iterator[Happening]:
    sales = forced_sales(run)
    for _, fills in sales.groupby(["cause_seq", "agent_id", "parent_order_id"], sort=True):
        first, last = fills.iloc[0], fills.iloc[-1]
        i, tick = int(first["instrument_id"]), tick_size(run, int(first["instrument_id"]))
        levels = fills["price"].nunique()
        how = "by request for quote" if first["venue"] == "rfq" else "in the lit book"
        at = price_text(first["price"], tick)
        if levels > 1:
            at = f"{at} down to {price_text(last['price'], tick)} ({levels} price levels)"
        lots = int(fills["lots"].sum())
        seller = agent_name(run, int(first["agent_id"]))
        text = f"{seller} sells {lots_text(lots)} of {instrument_name(run, i)} {how} at {at}"
        yield Happening(
            int(first["seq"]),
            int(first["ts_event_ns"]),
            "sweep",
            int(first["agent_id"]),
            i,
            text,
            str(first["parent_order_id"]),
            float(lots),
            str(first["venue"]),
        )


def _retreats(run: Run) -> Iterator[Happening]:
    for row in table_rows(run.table("retreat")):
        i, cause = row.instrument_id, WithdrawalCause(row.cause)
        what = "posts no bids in" if cause is WithdrawalCause.FORCED_SALE else "leaves the lit book of"
        text = f"{agent_name(run, row.agent_id)} {what} {instrument_name(run, i)}: {CAUSES[cause]}"
        yield _of(row, "retreat", i, text, cause.name)
    for row in table_rows(run.table("return")):
        i = row.instrument_id
        away = f"after {row.away_ns / NS_PER_S:.0f} s"
        text = f"{agent_name(run, row.agent_id)} quotes {instrument_name(run, i)} in the lit book again {away}"
        yield _of(row, "relief", i, text, "return")


def _squeezed(run: Run) -> Iterator[Happening]:
    for row in table_rows(squeezes(run)):
        against = f" against {instrument_name(run, row.instrument_id)}" if row.instrument_id >= 0 else ""
        text = f"{agent_name(run, row.lender_id)} to {agent_name(run, row.agent_id)}: {row.kind}{against}, "
        yield _of(row, "funding", row.instrument_id, text + money_text(row.amount, currency(run)), row.kind, row.amount)


def _redeemed(run: Run) -> Iterator[Happening]:
    for row in table_rows(redemptions(run)):
        text = f"Investors of {agent_name(run, row.agent_id)} redeem {money_text(row.redeemed, currency(run))}: "
        text += f"assets must be sold for {money_text(row.to_raise, currency(run))}"
        yield _of(row, "redemption", -1, text, "", row.redeemed)


def _failed(run: Run) -> Iterator[Happening]:
    for row in table_rows(run.table("dealer_defaulted", money=True)):
        text = f"{agent_name(run, row.agent_id)} fails: Tier 1 is {money_text(row.tier1, currency(run))}"
        yield _of(row, "failure", -1, text, "", -row.tier1)
