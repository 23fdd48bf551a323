"""Panels of static figures: each draws one view of one run into a matplotlib axis.

What is drawn are the tables of :mod:`lob_sim.report.data`, looked at where a path has more points than a page. Times
are minutes since the first shock, or since the start of a run without one; days where the run has a calendar.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lob_sim.analysis.summary import shock_ns
from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import end_ns, tick_size
from lob_sim.report.static_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    HATCHES,
    LINES,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    named,
)
from lob_sim.units import NS_PER_S, Ns

MINUTE_NS: Ns = 60 * NS_PER_S
LOOKS = 480
"""Equally spaced times at which a path is looked at."""
BINS = 60
"""Bins of time of what is added up or averaged."""
STATE_STYLES = (
    (GREEN, ""),
    (ORANGE, "////"),
    (SKY, "\\\\\\\\"),
    ("#E8E8E8", ""),
    (BLACK, ""),
    (PINK, "...."),
)
"""Fill and hatch of each of :data:`lob_sim.report.data.STATES`."""
_PARTS = {
    "spread": ("whole spread", BLACK, "-", 1.5),
    "adverse": ("adverse selection", VERMILION, "-", 0.9),
    "inventory": ("inventory", BLUE, "-.", 0.9),
    "processing": ("processing", GREEN, ":", 1.1),
    "rounding": ("grid and touch", ORANGE, "--", 0.9),
}
_LEAST_TICKS = 0.05
"""A part smaller than this is not drawn on a log scale."""


# --- time ----------------------------------------------------------------------------------------------------


def grid(run: Run) -> Ints:
    """The times at which paths are looked at, over the whole run."""
    return np.linspace(0, end_ns(run), LOOKS + 1).astype(np.int64)


def minutes(run: Run, ts_ns: Ints) -> Floats:
    """Times as the axis has them: minutes since the first shock or the start, or days, 1 at the first open."""
    if run.calendar is not None:
        return 1 + ts_ns / run.calendar.day_ns
    return (ts_ns - shock_ns(run)) / MINUTE_NS


def time_axis(run: Run, axis: Any) -> None:
    """Name a time axis, and mark the shock and the nights in it and in every axis that shares it."""
    shock, days = shock_ns(run), run.calendar
    first, at_shock, last = minutes(run, np.array([0, shock, end_ns(run)]))
    for other in axis.get_shared_x_axes().get_siblings(axis):
        if shock:
            other.axvline(at_shock, color="#666666", linewidth=0.7, linestyle=(0, (1, 2)), zorder=3)
        for night in days.nights_ns(end_ns(run)) if days is not None else ():
            other.axvspan(*minutes(run, np.array(night)), color="#dddddd", linewidth=0, zorder=0)
    axis.set_xlim(first, last)
    axis.set_xlabel("day" if days is not None else f"minutes since the {'shock' if shock else 'start'}")


def worst_instrument(run: Run) -> int:
    """The instrument whose price was furthest and longest away from fair value after the shock; else the first one."""
    return next((d.instrument_id for d in data.dislocations(run, shock_ns(run))), 0)


# --- prices --------------------------------------------------------------------------------------------------


def price(axis: Any, run: Run, instrument_id: int) -> None:
    """Fair value, and lit and RFQ trades around it, in price points."""
    dealt = data.trades(run, instrument_id)
    styles = (("lit", ".", BLUE, 2.5, "lit trade"), ("rfq", "x", VERMILION, 3.0, "RFQ trade"))
    for venue, marker, colour, size, label in styles:
        own = dealt[dealt["venue"] == venue]
        when = minutes(run, ints(own, "ts_event_ns"))
        axis.plot(
            when,
            floats(own, "price"),
            marker,
            color=colour,
            markersize=size,
            markeredgewidth=0.6,
            alpha=0.8,
            label=label,
        )
    fair = data.fair_value(run, instrument_id)
    when = minutes(run, ints(fair, "ts_event_ns"))
    axis.plot(when, floats(fair, "price"), color=BLACK, linewidth=1.1, drawstyle="steps-post", label="fair value")


def depth(axis: Any, run: Run, instrument_id: int) -> Any:
    """Displayed lots by time and price, best bid and ask; returns the mesh for a colour bar, None without a book."""
    from matplotlib.colors import PowerNorm

    found = data.depth_map(run, instrument_id)
    if found is None:
        return None
    lots = found.bid_lots + found.ask_lots
    step_ns = int(found.ts_ns[1] - found.ts_ns[0]) if found.ts_ns.size > 1 else 1
    times = minutes(run, np.append(found.ts_ns, found.ts_ns[-1] + step_ns))
    prices = np.append(found.prices, found.prices[-1] + found.step) - found.step / 2
    norm = PowerNorm(0.5, vmin=0, vmax=max(1.0, float(lots.max())))
    shown = np.ma.masked_equal(lots, 0)
    mesh = axis.pcolormesh(times, prices, shown, cmap="Blues", norm=norm, rasterized=True)
    top = data.touch(run, instrument_id)
    when = minutes(run, ints(top, "ts_event_ns"))
    for side, colour, style in (("ask", BLACK, "-"), ("bid", VERMILION, "-")):
        axis.plot(
            when,
            floats(top, side),
            color=colour,
            linestyle=style,
            linewidth=0.8,
            drawstyle="steps-post",
            label=f"best {side}",
        )
    axis.grid(visible=False)
    return mesh


# --- liquidity -----------------------------------------------------------------------------------------------


def quoted_spread(axis: Any, run: Run) -> None:
    """Quoted spread of each lit book in basis points of its mid, where both sides are quoted; on a log scale."""
    times = grid(run)
    for i, instrument in enumerate(run.header.instruments):
        table = data.quoted_spread(run, i)
        shown = (
            value_at(ints(table, "ts_event_ns"), floats(table, "spread_bp"), times) if len(table) else times * np.nan
        )
        axis.plot(minutes(run, times), shown, label=named(instrument.name), **line_style(i))
    log_scale(axis)


def spread_parts(axis: Any, run: Run, instrument_id: int) -> None:
    """What the dealers' lit spreads are made of, in ticks on a log scale; a gap where no dealer quotes both sides.

    Parts may differ by a factor of a hundred: a dealer that stays behind the touch is far from what it would quote, and
    that distance is in the last part.
    """
    table = data.spread_parts(run, instrument_id, BINS)
    edges = minutes(run, np.append(ints(table, "start_ns"), end_ns(run)))
    tick = tick_size(run, instrument_id)
    for part, (label, colour, line, width) in _PARTS.items():
        ticks = floats(table, part) / tick
        shown = np.where(ticks >= _LEAST_TICKS, ticks, np.nan)
        style = {"color": colour, "linestyle": line, "linewidth": width, "drawstyle": "steps-post"}
        axis.plot(edges, np.append(shown, shown[-1]), label=label, **style)
    log_scale(axis)


def quotes(axis: Any, run: Run, instrument_id: int) -> None:
    """Who quotes where, a strip for each dealer that logs its quotes; a patch as long as a state is seen to last."""
    times = np.append(grid(run)[:-1], end_ns(run))
    edges = minutes(run, times)
    states = data.quote_states(run, instrument_id)
    dealers = [int(str(agent_id)) for agent_id, _ in states.groupby("agent_id", sort=True)]
    for row, (_, own) in enumerate(states.groupby("agent_id", sort=True)):
        path = value_at(ints(own, "ts_event_ns"), floats(own, "state"), times[:-1]).astype(np.int64)
        cuts = np.flatnonzero(np.diff(path)) + 1
        starts, ends = np.append(0, cuts), np.append(cuts, path.size)
        for state, (colour, hatch) in enumerate(STATE_STYLES):
            spans = [
                (float(edges[a]), float(edges[b] - edges[a]))
                for a, b in zip(starts, ends, strict=True)
                if path[a] == state
            ]
            axis.broken_barh(
                spans, (row + 0.08, 0.84), facecolor=colour, hatch=hatch, edgecolor="#333333", linewidth=0.0
            )
    axis.set_yticks(np.arange(len(dealers)) + 0.5, [named(run.header.agents[i].name, 14) for i in dealers])
    axis.set_ylim(len(dealers), 0)
    axis.grid(visible=False)


def state_patches() -> list[Any]:
    """Handles for a legend of :func:`quotes`."""
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=colour, hatch=hatch, edgecolor="#333333", linewidth=0.4, label=label)
        for label, (colour, hatch) in zip(data.STATES, STATE_STYLES, strict=True)
    ]


def volume(axis: Any, run: Run, instrument_id: int) -> None:
    """Lots dealt in each bin of time on the lit book and, on top, by request for quote."""
    table = data.dealt(run, instrument_id, BINS)
    edges = minutes(run, np.append(ints(table, "start_ns"), end_ns(run)))
    lit, rfq = floats(table, "lit_lots"), floats(table, "rfq_lots")
    bars(axis, edges, 0 * lit, lit, BLUE, "", "lit book")
    bars(axis, edges, lit, lit + rfq, ORANGE, "////", "request for quote")


def rfq_share(axis: Any, run: Run) -> None:
    """Share of lots that is dealt by request for quote, a line for each instrument; a gap where nothing is dealt."""
    for i, instrument in enumerate(run.header.instruments):
        table = data.dealt(run, i, BINS // 3)
        edges = minutes(run, np.append(ints(table, "start_ns"), end_ns(run)))
        middles = (edges[:-1] + edges[1:]) / 2
        axis.plot(middles, 100 * floats(table, "rfq_share"), label=named(instrument.name), **line_style(i))
    axis.set_ylim(0, 100)


# --- information ---------------------------------------------------------------------------------------------


def belief(axis: Any, run: Run, instrument_id: int, column: str) -> None:
    """What dealers believe, each and in the median: ``alpha``, or ``sd`` in price points."""
    table, times = data.beliefs(run, instrument_id), grid(run)
    paths = [
        value_at(ints(own, "ts_event_ns"), floats(own, column), times)
        for _, own in table.groupby("agent_id", sort=True)
    ]
    each_and_median(axis, minutes(run, times), paths, "dealer")


# --- how things are drawn ------------------------------------------------------------------------------------


def each_and_median(axis: Any, when: Floats, paths: list[Floats], who: str) -> None:
    """Paths as thin lines, and the median of those that are known at each time as a thick one."""
    for k, path in enumerate(paths):
        axis.plot(when, path, color=SKY, linewidth=0.4, label=None if k else f"each {who}")
    if paths:
        whole = np.array(paths)
        known = ~np.isnan(whole).all(axis=0)
        middle = np.full(when.size, np.nan)
        middle[known] = np.nanmedian(whole[:, known], axis=0)
        axis.plot(when, middle, color=BLACK, linewidth=1.1, label="median")


def line_style(k: int) -> dict[str, Any]:
    """Colour and line of the k-th series, each enough by itself to tell it from its neighbours."""
    return {"color": COLOURS[k % len(COLOURS)], "linestyle": LINES[k % len(LINES)]}


def fill_style(k: int) -> tuple[str, str]:
    """Colour and hatch of the k-th area."""
    return COLOURS[k % len(COLOURS)], HATCHES[k % len(HATCHES)]


def bars(axis: Any, edges: Floats, low: Floats, high: Floats, colour: str, hatch: str, label: str) -> None:
    """Bars of given edges from ``low`` to ``high``, without gaps between them; none where a value is missing."""
    axis.fill_between(
        edges,
        np.append(low, low[-1]),
        np.append(high, high[-1]),
        step="post",
        facecolor=colour,
        hatch=hatch,
        edgecolor="#333333",
        linewidth=0.0,
        label=label,
    )


def log_scale(axis: Any) -> None:
    """A logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
