"""A run in one sentence and a dozen figures, each with the call that gives it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lob_sim.analysis.summary import crisis_metrics, dealer_absence, fear_withdrawals, of, shock_ns
from lob_sim.analysis.tables import floats
from lob_sim.log import Run
from lob_sim.log.tables import exact_sum
from lob_sim.report.data import failures, forced_sales, quoted_spread, worst_below_pct, worst_trade
from lob_sim.report.data.common import agent_name, end_ns, instrument_name
from lob_sim.report.formatting import (
    count_text,
    duration_text,
    list_text,
    lots_text,
    money_text,
    number_text,
    time_text,
)
from lob_sim.units import Ns

_NOTABLE_PCT = 0.25
"""Smallest distance from fair value, in per cent, that a headline names by instrument."""


class Fact(NamedTuple):
    """One figure of the headline.

    Attributes:
        label: What it is.
        text: The figure with its unit.
        value: The number behind it.
        call: How to get it from the log.
    """

    label: str
    text: str
    value: float
    call: str


def metrics_of(run: Run) -> dict[str, float]:
    """:func:`lob_sim.analysis.summary.crisis_metrics`; empty for a log without fair values, which it needs."""
    ids = range(len(run.header.instruments))
    known = set(run.table("fair_value")["instrument_id"])
    can_be = not run.gaps and known.issuperset(ids) and run.manifest.last_ts_ns > shock_ns(run)
    if not can_be:
        return {}
    with warnings.catch_warnings():
        # Means over nothing are NaN here, and the page leaves them out: a market may never have quoted both sides.
        warnings.simplefilter("ignore", RuntimeWarning)
        return crisis_metrics(run)


def window_ns(run: Run) -> tuple[Ns, Ns]:
    """What a headline is about: from the first shock, or the start where there is none, to the end."""
    start, end = shock_ns(run), end_ns(run) + 1
    return (start if start < end else 0), end


def headline(run: Run) -> str:
    """What happened, in a sentence or two."""
    first = _capital(list_text(list(_shock_clauses(run))))
    rest = [clause for clause in (_price_clause(run), _absence_clause(run), _forced_clause(run)) if clause]
    rest.append(_failure_clause(run))
    return f"{first}. {_capital('; '.join(rest))}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def facts(run: Run, metrics: dict[str, float]) -> list[Fact]:
    """The figures behind the headline.

    Args:
        run: The run.
        metrics: From :func:`metrics_of`.
    """
    found = [*_price_facts(run), *_book_facts(run), *_stress_facts(run)]
    if not math.isnan(loss := metrics.get("tier1_loss", math.nan)):
        call = "lob_sim.analysis.summary.crisis_metrics(run)['tier1_loss']"
        found.append(Fact("fall of all Tier 1 capital after the shock", money_text(loss), loss, call))
    return [fact for fact in found if not math.isnan(fact.value)]


# --- clauses -------------------------------------------------------------------------------------------------


def _shock_clauses(run: Run) -> Iterator[str]:
    said = False
    for i, size, ts_ns in shocks(run):
        said = True
        verb = "lost" if size < 0 else "gained"
        when = time_text(ts_ns, 0, run.calendar)
        yield f"{instrument_name(run, i)} {verb} {abs(100 * size):.1f}% of fair value at {when}"
    if not said:
        yield "No shock was scheduled"


def shocks(run: Run) -> list[tuple[int, float, int]]:
    """Scheduled jumps of fair value: instrument, relative change, time; from the ``fair_value`` dataset."""
    found = []
    for i in range(len(run.header.instruments)):
        fair = of(run.table("fair_value"), i)
        values, times = floats(fair, "value_ticks"), fair["ts_event_ns"].to_numpy()
        for k in np.flatnonzero(fair["is_shock"].to_numpy(dtype=bool)):
            found.append((i, float(values[k] / values[k - 1] - 1) if k else 0.0, int(times[k])))
    return sorted(found, key=lambda shock: shock[2])


def _price_clause(run: Run) -> str:
    if not len(run.trades) and not len(run.rfq_trades):
        return "nothing was traded"
    start_ns = shock_ns(run)
    below = {i.name: worst_below_pct(run, i.instrument_id, start_ns) for i in run.header.instruments}
    notable = {name: pct for name, pct in below.items() if pct >= _NOTABLE_PCT}
    if notable:
        return list_text([f"{name} traded up to {pct:.2g}% below fair value" for name, pct in notable.items()])
    if not len(run.table("fair_value")):
        return ""
    return f"no trade was more than {max(below.values()):.2f}% below fair value"


def _absence_clause(run: Run) -> str:
    absent, _ = dealer_absence(run, *window_ns(run))
    return "" if math.isnan(absent) else f"dealers were not quoting both sides {100 * absent:.0f}% of the time"


def _forced_clause(run: Run) -> str:
    if not len(run.table("balance_sheet")):
        return ""
    sales = forced_sales(run)
    if not len(sales):
        return "nobody was forced to sell"
    sellers = count_text(sales["agent_id"].nunique(), "balance sheet")
    return f"{lots_text(exact_sum(sales['lots']))} were sold by force from {sellers}"


def _failure_clause(run: Run) -> str:
    names = [agent_name(run, int(a)) for a in failures(run)["agent_id"]]
    return f"{list_text(names)} failed" if names else "nobody failed"


# --- figures -------------------------------------------------------------------------------------------------


def _price_facts(run: Run) -> Iterator[Fact]:
    start_ns = shock_ns(run)
    for i, instrument in enumerate(run.header.instruments):
        if not len(of(run.table("fair_value"), i)):
            continue
        worst = worst_trade(run, i, start_ns)
        value = worst_below_pct(run, i, start_ns)
        when = f" at {time_text(int(worst['ts_event_ns']), calendar=run.calendar)}" if worst is not None else ""
        call = f"lob_sim.report.data.worst_below_pct(run, {i}, {start_ns})"
        yield Fact(f"worst {instrument.name} trade below fair value{when}", f"{value:.2f}%", value, call)


def _book_facts(run: Run) -> Iterator[Fact]:
    start_ns, last_ns = window_ns(run)
    absent, no_bid = dealer_absence(run, start_ns, last_ns)
    call = f"lob_sim.analysis.summary.dealer_absence(run, {start_ns}, {last_ns})"
    since = "of the time after the shock" if start_ns else "of the time"
    yield Fact(f"dealers not quoting both sides, {since}", f"{100 * absent:.0f}%", absent, f"{call}[0]")
    yield Fact(f"dealers posting no bid, {since}", f"{100 * no_bid:.0f}%", no_bid, f"{call}[1]")
    for i, instrument in enumerate(run.header.instruments):
        spread = quoted_spread(run, i).dropna()
        if len(spread):
            widest = float(spread["spread_bp"].max())
            call = f"lob_sim.report.data.quoted_spread(run, {i})['spread_bp'].max()"
            yield Fact(
                f"widest {instrument.name} spread on display, whole run", f"{number_text(widest)} bp", widest, call
            )
    lit, rfq = (exact_sum(t["qty_lots"]) for t in (run.trades, run.rfq_trades))
    share = rfq / (lit + rfq) if lit + rfq else math.nan
    call = "1 - lob_sim.analysis.liquidity.lit_share(run.trades, run.rfq_trades)"
    yield Fact("of all lots dealt by request for quote, whole run", f"{100 * share:.0f}%", share, call)


def _stress_facts(run: Run) -> Iterator[Fact]:
    if not len(run.table("balance_sheet")):
        return
    sales, failed = forced_sales(run), failures(run)
    call = "lob_sim.report.data.forced_sales(run)"
    lots, sellers = exact_sum(sales["lots"]), int(sales["agent_id"].nunique())
    yield Fact("sold by force, whole run", lots_text(lots), lots, f"{call}['lots'].sum()")
    yield Fact("balance sheets forced to sell", str(sellers), sellers, f"{call}['agent_id'].nunique()")
    if len(run.table("quote")):
        n = fear_withdrawals(run)
        call = "lob_sim.analysis.summary.fear_withdrawals(run)"
        yield Fact("withdrawals for fear of informed flow, whole run", str(n), n, call)
    yield Fact("failed", str(len(failed)), len(failed), "len(lob_sim.report.data.failures(run))")
    breaches = run.table("constraint_breached")
    if len(breaches):
        first, shock = int(breaches["ts_event_ns"].min()), shock_ns(run)
        after = (
            f", {duration_text(abs(first - shock))} {'after' if first >= shock else 'before'} the shock"
            if shock
            else ""
        )
        call = "run.table('constraint_breached')['ts_event_ns'].min()"
        yield Fact(f"first limit breached (min:s){after}", time_text(first, calendar=run.calendar), first, call)
