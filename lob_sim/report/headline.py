"""A run in a sentence, and in a few figures beside what they were in calm, each with the call that gives it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lob_sim.analysis.summary import crisis_metrics, dealer_absence, fear_withdrawals, lit_state_of, of, shock_ns
from lob_sim.analysis.tables import floats
from lob_sim.analysis.trading_time import last_ns
from lob_sim.log import Run
from lob_sim.log.tables import exact_sum
from lob_sim.report.data import (
    WIDEST_PCT,
    Dislocation,
    dislocations,
    failures,
    forced_sales,
    quoted_spread,
    quoting_share,
    worst_off_pct,
    worst_trade,
)
from lob_sim.report.data.common import agent_name, currency, end_ns, instrument_name, moment_text, tick_size
from lob_sim.report.formatting import (
    count_text,
    duration_text,
    list_text,
    lots_text,
    money_text,
    number_text,
)
from lob_sim.units import NS_PER_S, Ns

_NOTABLE_PCT = 0.25
"""Smallest distance from fair value, in per cent, that a headline names."""
_NOTABLE_NS: Ns = 10 * NS_PER_S
"""Shortest time for which a price must have stood away from fair value to be more than a shock that arrives."""
_WORTH_TELLING = 0.25
"""Share of the worst drama that a second one must be of to be told with it."""
_SIDES = {1: "above", -1: "below"}


class Fact(NamedTuple):
    """One figure of the page.

    Attributes:
        label: What it is.
        text: The figure with its unit.
        value: The number behind it.
        call: How to get it from the log.
        calm: The same figure of the time before the first shock, as text; empty where there is none.
        calm_value: The number behind that, or NaN.
        calm_call: How to get it from the log.
        is_main: Whether it is one of the few that stand at the top.
    """

    label: str
    text: str
    value: float
    call: str
    calm: str = ""
    calm_value: float = math.nan
    calm_call: str = ""
    is_main: bool = False


def metrics_of(run: Run) -> dict[str, float]:
    """:func:`lob_sim.analysis.summary.crisis_metrics`; empty for a log without fair values, which it needs."""
    ids = range(len(run.header.instruments))
    known = set(run.table("fair_value")["instrument_id"])
    can_be = not run.gaps and known.issuperset(ids) and last_ns(run) > shock_ns(run)
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


def drama(run: Run) -> list[Dislocation]:
    """Where prices stood away from fair value after the first shock, the worst first: of each instrument and side the
    venue where it was worst, if that was notable."""
    found: dict[tuple[int, int], Dislocation] = {}
    for one in dislocations(run, window_ns(run)[0]):
        if one.peak_pct >= _NOTABLE_PCT and one.lasted_ns >= _NOTABLE_NS:
            found.setdefault((one.instrument_id, one.sign), one)
    return list(found.values())


def worst_instrument(run: Run) -> str:
    """The instrument whose price was away from fair value furthest and longest; the first one if none was."""
    happened = dislocations(run, window_ns(run)[0])
    names = [i.name for i in run.header.instruments]
    return names[happened[0].instrument_id] if happened else next(iter(names), "")


def headline(run: Run) -> str:
    """What happened, in a few sentences: the shock, the worst of prices, and what became of liquidity and balance
    sheets."""
    first = _capital(list_text(list(_shock_clauses(run))))
    rest = [clause for clause in (_quoting_clause(run), _forced_clause(run), _failure_clause(run)) if clause]
    told = [first, _capital(_price_clause(run)), _capital("; ".join(rest))]
    return " ".join(f"{sentence}." for sentence in told if sentence)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def facts(run: Run, metrics: dict[str, float]) -> list[Fact]:
    """The figures behind the headline, the main ones first.

    Args:
        run: The run.
        metrics: From :func:`metrics_of`.
    """
    found = [*_price_facts(run), *_book_facts(run), *_stress_facts(run)]
    if not math.isnan(loss := metrics.get("tier1_loss", math.nan)):
        call = "lob_sim.analysis.summary.crisis_metrics(run)['tier1_loss']"
        text = money_text(loss, currency(run))
        since = " after the shock" if shock_ns(run) else ""
        found.append(Fact(f"fall of all Tier 1 capital{since}", text, loss, call, is_main=True))
    known = [fact for fact in found if not math.isnan(fact.value)]
    return sorted(known, key=lambda fact: not fact.is_main)


# --- clauses -------------------------------------------------------------------------------------------------


def _shock_clauses(run: Run) -> Iterator[str]:
    said = False
    for i, size, ts_ns in shocks(run):
        said = True
        verb = "lost" if size < 0 else "gained"
        when = moment_text(run, ts_ns, 0)
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
    if not len(run.table("fair_value")):
        return ""
    told = drama(run)
    worst = [one for one in told[:2] if one.area_pct_min >= _WORTH_TELLING * told[0].area_pct_min]
    if worst:
        return list_text([_stood(run, one, k) for k, one in enumerate(worst)])
    start_ns = window_ns(run)[0]
    off = [abs(worst_off_pct(run, i.instrument_id, start_ns)) for i in run.header.instruments]
    known = [pct for pct in off if not math.isnan(pct)]
    if not known:
        return "nothing was traded after the shock"
    told_off = f"no trade was more than {max(known):.2f}% from fair value"
    if max(known) < _NOTABLE_PCT:
        return told_off
    # A shock leaves prices behind for an instant, which says little without how soon they came after it.
    lasted_ns = max(one.lasted_ns for one in dislocations(run, start_ns) if one.peak_pct >= _NOTABLE_PCT)
    return f"{told_off}, and more than half of that lasted {duration_text(lasted_ns)} at most"


def _stood(run: Run, one: Dislocation, k: int) -> str:
    where = " in the lit book" if one.venue == "lit" else " in requests for quote"
    name, side = instrument_name(run, one.instrument_id), _SIDES[one.sign]
    peak = f"up to {one.peak_pct:.2g}%" if k else f"up to {one.peak_pct:.2g}% at {moment_text(run, one.peak_ns, 0)}"
    return (
        f"the price of {name}{where} stood more than {one.peak_pct / 2:.2g}% {side} fair value for "
        f"{_about(one.lasted_ns)} ({peak})"
    )


def _about(lasted_ns: Ns) -> str:
    """A duration in words of a sentence: whole minutes from two on."""
    minutes = round(lasted_ns / (60 * NS_PER_S))
    return f"{minutes} min" if 2 <= minutes < 120 else duration_text(lasted_ns)


def _quoting_clause(run: Run) -> str:
    start_ns, end = window_ns(run)
    share = quoting_share(run, start_ns, end)
    if math.isnan(share):
        return ""
    before = quoting_share(run, 0, start_ns)
    calm = "" if math.isnan(before) else f", down from {100 * before:.0f}%" if before > share + 0.005 else ""
    return f"dealers quoted both sides {100 * share:.0f}% of the time{calm}"


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
    nobody = "nobody failed" if len(run.table("balance_sheet")) else ""
    return f"{list_text(names)} failed" if names else nobody


# --- figures -------------------------------------------------------------------------------------------------


def _beside(
    run: Run,
    label: str,
    call: str,
    value_of: Callable[[Ns, Ns], float],
    text_of: Callable[[float], str],
    is_main: bool = False,
) -> Fact:
    """A figure of the time after the shock beside that of before.

    Args:
        run: The run.
        label: What it is.
        call: Its call, with ``{start}`` and ``{end}`` for the window.
        value_of: The figure of a window.
        text_of: The figure with its unit.
        is_main: Whether it stands at the top.
    """
    start, end = window_ns(run)
    value = value_of(start, end)
    fact = Fact(label, text_of(value), value, call.format(start=start, end=end), is_main=is_main)
    before = value_of(0, start) if start else math.nan
    if math.isnan(before):
        return fact
    return fact._replace(calm=text_of(before), calm_value=before, calm_call=call.format(start=0, end=start))


def _off_text(pct: float) -> str:
    return f"{abs(pct):.2f}% {'above' if pct > 0 else 'below'}"


def _price_facts(run: Run) -> Iterator[Fact]:
    start_ns, end = window_ns(run)
    named = worst_instrument(run)
    happened = drama(run)
    for i, instrument in enumerate(run.header.instruments):
        worst = worst_trade(run, i, start_ns, end)
        if worst is None:
            continue
        when = moment_text(run, int(worst["ts_event_ns"]))
        yield _beside(
            run,
            f"worst {instrument.name} trade against fair value, at {when}",
            f"lob_sim.report.data.worst_off_pct(run, {i}, {{start}}, {{end}})",
            lambda a, b, i=i: worst_off_pct(run, i, a, b),  # type: ignore[misc]
            _off_text,
            is_main=instrument.name == named and not happened,
        )
    for k, one in enumerate(happened):
        name, side = instrument_name(run, one.instrument_id), _SIDES[one.sign]
        where = "lit" if one.venue == "lit" else "RFQ"
        call = f"lob_sim.report.headline.drama(run)[{k}].peak_pct"
        lasted = f"more than half of that for {duration_text(one.lasted_ns)}"
        label = f"{name}, {where} price {side} fair value; {lasted}"
        yield Fact(label, f"{one.peak_pct:.2f}%", one.peak_pct, call, *_calm_off(run, one), is_main=k == 0)


def _calm_off(run: Run, one: Dislocation) -> tuple[str, float, str]:
    """The same before the shock: the worst trade of the instrument, on either side."""
    start_ns = window_ns(run)[0]
    before = abs(worst_off_pct(run, one.instrument_id, 0, start_ns)) if start_ns else math.nan
    if math.isnan(before):
        return "", math.nan, ""
    call = f"abs(lob_sim.report.data.worst_off_pct(run, {one.instrument_id}, 0, {start_ns}))"
    return f"{before:.2f}%", before, call


def _book_facts(run: Run) -> Iterator[Fact]:
    yield _beside(
        run,
        f"of the time dealers quote both sides, at most {WIDEST_PCT:g}% apart",
        "lob_sim.report.data.quoting_share(run, {start}, {end})",
        lambda a, b: quoting_share(run, a, b),
        lambda share: f"{100 * share:.0f}%",
        is_main=True,
    )
    for k, what in ((1, "posting no bid"), (0, "without both sides, however wide")):
        yield _beside(
            run,
            f"of the time dealers are {what}",
            f"lob_sim.analysis.summary.dealer_absence(run, {{start}}, {{end}})[{k}]",
            lambda a, b, k=k: dealer_absence(run, a, b)[k] if b > a else math.nan,  # type: ignore[misc]
            lambda share: f"{100 * share:.0f}%",
        )
    named = worst_instrument(run)
    for i, instrument in enumerate(run.header.instruments):
        if run.gaps or not len(of(run.quotes, i)):
            continue
        tick = tick_size(run, i)
        yield _beside(
            run,
            f"mean {instrument.name} spread of the lit book, while it has both sides",
            f"lob_sim.report.headline.mean_spread(run, {i}, {{start}}, {{end}})",
            lambda a, b, i=i: mean_spread(run, i, a, b),  # type: ignore[misc]
            lambda spread, tick=tick: f"{number_text(spread / tick)} ticks",  # type: ignore[misc]
            is_main=instrument.name == named,
        )
        spread = quoted_spread(run, i).dropna()
        if len(spread):
            call = f"lob_sim.report.data.quoted_spread(run, {i})['spread_bp'].max()"
            widest = float(spread["spread_bp"].max())
            label = f"widest {instrument.name} spread on display, whole run"
            yield Fact(label, f"{number_text(widest)} bp", widest, call)
    lit, rfq = (exact_sum(t["qty_lots"]) for t in (run.trades, run.rfq_trades))
    share = rfq / (lit + rfq) if lit + rfq else math.nan
    call = "1 - lob_sim.analysis.liquidity.lit_share(run.trades, run.rfq_trades)"
    yield Fact("of all lots dealt by request for quote, whole run", f"{100 * share:.0f}%", share, call)


def mean_spread(run: Run, instrument_id: int, start_ns: Ns, until_ns: Ns) -> float:
    """Time-weighted mean spread of a lit book over the trading time of a window, in points; NaN where it never has both
    sides.

    :func:`lob_sim.analysis.summary.lit_state_of` times the tick.
    """
    if until_ns <= start_ns:
        return math.nan
    state = lit_state_of(run, instrument_id, start_ns, until_ns)
    return state.quoted_spread_ticks * tick_size(run, instrument_id)


def _stress_facts(run: Run) -> Iterator[Fact]:
    if not len(run.table("balance_sheet")):
        return
    sales, failed = forced_sales(run), failures(run)
    call = "lob_sim.report.data.forced_sales(run)"
    lots, sellers, start_ns = exact_sum(sales["lots"]), int(sales["agent_id"].nunique()), window_ns(run)[0]
    label = f"sold by force, whole run, from {count_text(sellers, 'balance sheet')}"
    sold = Fact(label, lots_text(lots), lots, f"{call}['lots'].sum()", is_main=True)
    if start_ns:
        before = exact_sum(sales["lots"][sales["ts_event_ns"] < start_ns])
        calm_call = f"{call}.query('ts_event_ns < {start_ns}')['lots'].sum()"
        sold = sold._replace(calm=lots_text(before), calm_value=before, calm_call=calm_call)
    yield sold
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
        yield Fact(f"first limit breached (min:s){after}", moment_text(run, first), first, call)
