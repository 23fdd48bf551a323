"""What replay, comparison and a book have to say, as lines of text for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lob_sim.feeds.lobster_replay import LobsterReport
from lob_sim.log.book_index import BookSnapshot
from lob_sim.log.diff import RunDiff
from lob_sim.log.source import LogRow
from lob_sim.replay.backtest import TradedAgainst
from lob_sim.replay.history import FlowReport
from lob_sim.replay.verification import Verification
from lob_sim.units import Ns, format_time


def describe_row(row: LogRow | None) -> str:
    """A row on one line."""
    if row is None:
        return "nothing"
    cause = f", caused by {row.cause_seq}" if row.cause_seq else ""
    return f"{row.seq} at {format_time(row.ts_ns)}{cause}: {row.message}"


def describe_verification(checked: Verification) -> list[str]:
    """What a verified replay has found: one line if all is well, else the first difference in context."""
    lines = [f"problem: {problem}" for problem in checked.problems]
    difference = checked.difference
    if difference is not None:
        lines.append(f"first difference at row {difference.seq}: {difference.what}")
        if difference.expected is not None:
            lines.append(f"  expected {describe_row(difference.expected)}")
        for row in difference.context:
            lines.append(f"  {'>' if row.seq == difference.seq else ' '} {describe_row(row)}")
    done = f"{checked.rows} rows, {checked.commands} commands driven anew, {checked.events} events compared"
    lines.append(f"{'verified' if checked.ok else 'NOT verified'}: {done}; the run is {checked.status}")
    return lines


def describe_diff(compared: RunDiff) -> list[str]:
    """Where two runs part and how they differ."""
    if compared.same:
        lines = [f"the same {compared.same_rows} rows"]
    else:
        lines = [f"the first {compared.same_rows} rows are the same"]
        lines += [f"    {describe_row(row)}" for row in compared.context]
        lines += [f"  1 {describe_row(compared.first)}", f"  2 {describe_row(compared.second)}"]
    for title, changes in (("given", compared.inputs), ("result", compared.summaries)):
        lines += [f"{title} {change.what}: {change.first} -> {change.second}" for change in changes]
    return lines


def describe_book(book: BookSnapshot, levels: int, clock: Callable[[Ns], str] | None = None) -> list[str]:
    """A book in decimal prices, asks above bids: price, displayed amount, displayed orders.

    Args:
        book: The book.
        levels: How many levels of each side.
        clock: Writes its time, as :meth:`.Run.clock` does.
    """
    instrument = book.instrument
    when = format_time(book.ts_ns) if clock is None else clock(book.ts_ns)
    lines = [f"{instrument.name} after row {book.seq}, at {when}, {book.phase.name.lower()}"]
    for side, depth in (("ask", book.asks[:levels][::-1]), ("bid", book.bids[:levels])):
        for ticks, lots, orders in depth:
            price, amount = instrument.price(ticks), instrument.amount(lots)
            lines.append(f"  {side} {price:14.{instrument.price_decimals}f} {amount:18,.0f} {orders:6d}")
        if not depth:
            lines.append(f"  no {side}s")
    return lines


def describe_lobster(report: LobsterReport) -> list[str]:
    """How a replayed LOBSTER day compares with its orderbook file."""
    lines = [
        f"{report.matched_rows} of {report.rows} rows exact, "
        f"{report.matched_cells} of {report.predicted_cells} predicted cells; "
        f"{report.adopted_cells} cells unknown before they came into sight, not scored",
        ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report.messages.items() if n),
        f"{report.old_orders} messages about orders that the file does not introduce, "
        f"{report.hidden_matched} hidden executions matched and {report.hidden_prints} printed, "
        f"{report.out_of_turn} executions out of turn, {report.unexplained} messages unexplained",
    ]
    if report.first_mismatch:
        lines.append(f"first mismatch: {report.first_mismatch}")
    return lines


def describe_newcomer(result: TradedAgainst) -> list[str]:
    """What a newcomer did in a recorded market: fills, position, profit, where it came from, and what trading cost."""
    lines = [f"{result.newcomer.name}, {result.newcomer.kind}:"]
    fills, pnl = result.fills, result.pnl()
    if not len(fills):
        return [f"{lines[0]} no fills"]
    at = pnl.attrs["at"]
    of = {instrument.name: instrument for instrument in result.run.header.instruments}
    for name, own in fills.groupby("instrument", sort=True):
        row: Any = pnl.loc[name]
        decimals = of[str(name)].price_decimals + 2
        sides = []
        for side, verb in (("buy", "bought"), ("sell", "sold")):
            dealt = own[own["side"] == side]
            lots = int(dealt["lots"].sum())
            mean = float((dealt["price"] * dealt["lots"]).sum() / lots) if lots else 0.0
            sides.append(f"{verb} {lots} lots" + (f" at {mean:.{decimals}f}" if lots else ""))
        held = own["position_lots"]
        lines += [
            f"  {name}: {len(own)} fills, {int((own['role'] == 'maker').sum())} of them as maker; {', '.join(sides)}; "
            f"position {int(row['position_lots'])} lots, from {min(0, held.min())} to {max(0, held.max())} on the way",
            f"    profit at {at} {row[f'pnl_{at}']:+,.2f} = {row['realised']:+,.2f} realised "
            f"{row[f'unrealised_{at}']:+,.2f} unrealised"
            + (f" (at mid {row['pnl_mid']:+,.2f})" if at != "mid" else ""),
            f"    = spread {row['spread']:+,.2f} and adverse selection {row['adverse_selection']:+,.2f} "
            f"and inventory {row['inventory']:+,.2f}",
        ]
    by_role = result.pnl("role")
    taken = float(by_role.loc[by_role.index.intersection(["taker", "asker"]), "spread"].sum())
    lines.append(f"  costs: spread {taken:+,.2f} by taking liquidity, in that of above; venues charge no fees")
    return lines


def describe_flow(report: FlowReport) -> list[str]:
    """How far history could be repeated in a market with a newcomer."""
    lines = [
        f"{report.commands} historic commands; of {report.orders} orders {report.orders_changed} filled otherwise: "
        f"{report.filled_more_lots} lots more, {report.filled_less_lots} lots less",
        f"{report.refused_now} commands are refused now that were not then, {report.accepted_now} the other way round",
    ]
    if report.prints_left_out:
        lines.append(f"{report.prints_left_out} prints left out, which no order explains")
    return lines
