"""Figures of the market: prices, the book, its spread, who quotes, where lots are dealt, what dealers believe."""

from __future__ import annotations

import pandas as pd

from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import end_ns, tick_size
from lob_sim.report.data.prices import dealers_shown
from lob_sim.report.figures import parts

BINS = 60
"""Bins of time of what is added up or averaged."""
SHARE_BINS = BINS // 3
PRESENCE_BINS = 360
"""Bins of time in which a page says what a dealer shows most."""
_STATES = tuple(
    (name, *look)
    for name, look in zip(
        data.STATES,
        (("green", ""), ("orange", "////"), ("sky", "\\\\\\\\"), ("pale", ""), ("ink", ""), ("pink", "....")),
        strict=True,
    )
)
_PARTS = {
    "adverse": ("adverse selection", parts.Look("vermilion")),
    "inventory": ("inventory", parts.Look("blue", "dashdot")),
    "processing": ("processing", parts.Look("green", "dot")),
    "rounding": ("tick grid, others' quotes", parts.Look("orange", "dash")),
}


def price_unit(run: Run, instrument_id: int) -> str:
    """What a price is the price of."""
    per = run.header.instruments[instrument_id].price_per
    return "% of face value" if per == 100 else f"per {per.normalize():f}" if per != 1 else "per unit"


def price_axis(run: Run, i: int) -> parts.Axis:
    """Fair value, and lit and RFQ trades around it."""
    traded = data.trades(run, i)
    forced = traded[traded["forced"]]
    marks = [
        _trades("lit trade", traded[traded["venue"] == "lit"], "dot", "bid", 5),
        _trades("RFQ trade", traded[traded["venue"] == "rfq"], "cross", "ask", 6),
        *([_trades("forced sale", forced, "open-down", "bad", 7)] if len(forced) else []),
    ]
    fair = parts.Line("fair value", parts.path_of(data.fair_value(run, i), "price"), parts.Look(width=2))
    return parts.Axis(title="price", unit=price_unit(run, i), items=(*marks, fair))


def _trades(name: str, own: pd.DataFrame, marker: str, colour: str, size: int) -> parts.Points:
    beside = ((floats(own, "lots"), " lots", 0), (floats(own, "below_pct"), "% below fair value", 2))
    return parts.Points(name, parts.path_of(own, "price"), marker, colour, size, beside)


def _price(run: Run, i: int) -> parts.Chart:
    price = price_axis(run, i)
    if not any(len(item.path.ts_ns) for item in price.items if isinstance(item, parts.Line | parts.Points)):
        return ()
    quoting = data.quoting(run, i)
    if not len(quoting):
        return (price,)
    path = parts.path_of(quoting, "dealers")
    both = parts.Line("dealers quoting both sides", path, parts.Look("good", width=1), is_filled=True)
    top = len(dealers_shown(run, i)) + 0.5
    return price, parts.Axis(title="dealers", items=(both,), ends=(0, top), weight=0.25, on_paper="no")


PRICE = parts.FigureKind(
    key="price",
    title="Price against fair value",
    text="Each mark is a trade: dots in the lit order book, crosses by request for quote; triangles are "
    "sales that a limit forced. Where marks fall below the line, sellers got less than the asset is "
    "worth; above it, more. Below: how many dealers quote both sides of the lit book.",
    how="trades(run, i), fair_value(run, i), quoting(run, i)",
    empty="nothing was traded",
    charts=parts.by_instrument(_price),
    choice="instrument",
    height=400,
    wide=True,
)


def touch_lines(run: Run, i: int, colour: str) -> tuple[parts.Line, parts.Line]:
    """The best bid and the best ask."""
    bid, ask = (parts.path_of(data.touch(run, i), side) for side in ("bid", "ask"))
    return (
        parts.Line("best bid", bid, parts.Look(colour, width=1)),
        parts.Line("best ask", ask, parts.Look(colour, "dot", 1)),
    )


def _depth(run: Run, i: int) -> parts.Chart:
    depth = data.depth_map(run, i)
    if depth is None:
        return ()
    items = (parts.Heat(depth), *touch_lines(run, i, "ink"))
    return (parts.Axis(title="price", unit=price_unit(run, i), items=items),)


DEPTH = parts.FigureKind(
    key="book",
    title="Depth of the order book",
    text="Displayed lots by price, bids blue and asks orange, each with a scale of its own. Where there is no "
    "colour nobody would buy or sell. Lines are the best bid (solid) and the best ask (dotted).",
    how="depth_map(run, i), touch(run, i)",
    empty="the order books have never held an order, or rows of the log are missing",
    charts=parts.by_instrument(_depth),
    choice="instrument",
    wide=True,
)


def spread_axis(run: Run, i: int) -> parts.Axis | None:
    """The quoted spread of a lit book; None where it was never quoted on both sides."""
    quoted = data.quoted_spread(run, i)
    if not quoted["spread_bp"].notna().any():
        return None
    line = parts.Line("spread of the lit book", parts.path_of(quoted, "spread_bp"), unit=" bp")
    heading = "quoted spread of the lit book"
    return parts.Axis(title="book", unit="bp", heading=heading, items=(line,), is_log=True, on_paper="together")


def _spread(run: Run, i: int) -> parts.Chart:
    book, table = spread_axis(run, i), data.spread_parts(run, i, BINS)
    if not table["spread"].notna().any():
        return (book,) if book else ()
    tick = tick_size(run, i)
    layers = tuple(parts.Layer(name, floats(table, part) / tick, look) for part, (name, look) in _PARTS.items())
    stack = parts.Stack(ints(table, "start_ns"), layers, unit=" ticks", total="whole spread")
    heading = "parts of dealers' own spread"
    own = parts.Axis(title="dealers", unit="ticks", heading=heading, items=(stack,), is_log=True)
    return (book, own) if book else (own,)


SPREAD = parts.FigureKind(
    key="spread",
    title="Spread and what it is made of",
    text="Above: best ask less best bid; gaps are times with an empty side. Below: the mean spread of dealers that "
    "quote both sides, by its reasons; adverse selection is the fear of informed flow. Who would bid above the best "
    "ask, or offer below the best bid, is held back behind it: much of that says that forced sales have taken the "
    "book far from what dealers believe.",
    how=f"quoted_spread(run, i), spread_parts(run, i, {BINS})",
    empty="the lit books were never quoted on both sides, or rows of the log are missing",
    charts=parts.by_instrument(_spread),
    choice="instrument",
)


def _book_spread(run: Run, i: int) -> parts.Chart:
    book = spread_axis(run, i)
    return (book,) if book else ()


BOOK_SPREAD = parts.FigureKind(
    key="book-spread",
    title="Spread of the lit book",
    text="Best ask less best bid, in basis points of the mid; gaps are times with an empty side.",
    how="quoted_spread(run, i)",
    empty="the lit book was never quoted on both sides",
    charts=parts.by_instrument(_book_spread),
    choice="instrument",
    height=280,
)


def _presence(run: Run, i: int) -> parts.Chart:
    rows = parts.paths_by_agent(data.quote_states(run, i), "state")
    return (parts.Axis(title="", items=(parts.Strips(rows, _STATES),)),) if rows else ()


PRESENCE = parts.FigureKind(
    key="presence",
    title="Who quotes in the lit book",
    text="A strip for each dealer, coloured by what it shows most of that moment. Both sides count when they are "
    f"at most {data.WIDEST_PCT:g}% apart. A dealer that sells under a limit posts no bids; one that fears informed "
    "flow leaves the book and answers requests only.",
    how=f"presence(run, i, {PRESENCE_BINS})",
    empty="no dealer logs its quotes",
    charts=parts.by_instrument(_presence),
    choice="instrument",
    height=280,
)


def _dealt(run: Run, i: int) -> parts.Chart:
    table, coarse = data.dealt(run, i, BINS), data.dealt(run, i, SHARE_BINS)
    if not (table["lit_lots"].any() or table["rfq_lots"].any()):
        return ()
    layers = (
        parts.Layer("lit book", floats(table, "lit_lots"), parts.Look("bid")),
        parts.Layer("request for quote", floats(table, "rfq_lots"), parts.Look("ask")),
    )
    lots = parts.Stack(ints(table, "start_ns"), layers, unit=" lots")
    share = parts.Path(ints(coarse, "start_ns"), 100 * floats(coarse, "rfq_share"))
    name = "share dealt by request for quote"
    by_rfq = parts.Line(name, share, parts.Look(width=1), "% by RFQ", has_points=True)
    length = f"{end_ns(run) / BINS / 1e9:.3g} s"
    return (
        parts.Axis(title="dealt", unit=f"lots per {length}", items=(lots,)),
        parts.Axis(title="RFQ share", unit="%", heading=name, items=(by_rfq,), ends=(-4, 104), on_paper="together"),
    )


DEALT = parts.FigureKind(
    key="venues",
    title="Lit book or request for quote",
    text="Where lots change hands. When dealers leave the lit book, trading moves to private requests that "
    "the public does not see, and the public price goes.",
    how=f"dealt(run, i, {BINS}), dealt(run, i, {SHARE_BINS})",
    empty="nothing was traded",
    charts=parts.by_instrument(_dealt),
    choice="instrument",
)


def _beliefs(run: Run, i: int) -> parts.Chart:
    table = data.beliefs(run, i)
    if not len(table):
        return ()
    axes = (
        ("α", "share", "alpha", "perceived share of informed flow, α"),
        ("s", "price", "sd", "uncertainty of fair value, s"),
    )
    return tuple(
        parts.Axis(
            title=title,
            unit=unit,
            heading=heading,
            items=(parts.Crowd("dealer", parts.paths_by_agent(table, column), as_one="median"),),
            from_zero=True,
        )
        for title, unit, column, heading in axes
    )


BELIEFS = parts.FigureKind(
    key="beliefs",
    title="Toxicity and uncertainty, by dealer",
    text="Above: α, the share of lit flow that a dealer thinks is informed; forced sellers look informed. "
    "Below: s, how unsure it is of fair value, in the units of the price. A spread must pay for both.",
    how="beliefs(run, i)",
    empty="no dealer logs its beliefs",
    charts=parts.by_instrument(_beliefs),
    choice="instrument",
)
