"""Panels of the market: prices, who quotes, the book, its spread, where lots are dealt."""

from __future__ import annotations

import numpy as np

from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import edges_ns, thin
from lob_sim.report.data.liquidity import PARTS
from lob_sim.report.data.prices import dealers_shown
from lob_sim.report.panels.figure import (
    Figure,
    Panel,
    Trace,
    axis,
    by_instrument,
    compact,
    cut,
    figure,
    label,
    line,
    ms,
    styles,
)

_MOST_TRADES = 4_000
_PRESENCE_BINS = 360
_STATE_COLOURS = ("@2", "@4", "@5", "@none", "@fg", "@3")
_PART_NAMES = {
    "adverse": ("fear of informed flow", "@1"),
    "inventory": ("inventory", "@0"),
    "processing": ("processing", "@3"),
    "rounding": ("held behind others' quotes, tick grid", "@5"),
}


def price_unit(run: Run, instrument_id: int) -> str:
    """What a price is the price of."""
    per = run.header.instruments[instrument_id].price_per
    return "% of face value" if per == 100 else f"per {per.normalize():f}" if per != 1 else "per unit"


def prices(run: Run) -> Panel:
    """Price against fair value, lit and RFQ trades, and how many dealers quote."""

    def draw(i: int) -> Figure | None:
        traded, fair = data.trades(run, i), data.fair_value(run, i)
        if not len(traded) and not len(fair):
            return None
        traces: list[Trace] = []
        looks = (("lit", "lit trade", "circle", "@bid", 5), ("rfq", "RFQ trade", "x", "@ask", 6))
        for venue, name, symbol, colour, size in looks:
            rows = thin(traded[traded["venue"] == venue], "price", _MOST_TRADES // 4)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": ms(ints(rows, "ts_event_ns")),
                    "y": compact(rows["price"]),
                    "customdata": np.column_stack([rows["lots"], compact(rows["below_pct"])]).tolist(),
                    "marker": {"color": colour, "size": size, "symbol": symbol, "opacity": 0.75},
                    "hovertemplate": "%{y}, %{customdata[0]} lots, %{customdata[1]:.2f}% below fair value",
                }
            )
        forced = traded[traded["forced"]]
        if len(forced):
            rows = thin(forced, "price", _MOST_TRADES // 4)
            marker = {"color": "@bad", "size": 7, "symbol": "triangle-down-open", "opacity": 0.7}
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": "forced sale",
                    "x": ms(ints(rows, "ts_event_ns")),
                    "y": compact(rows["price"]),
                    "marker": marker,
                    "hovertemplate": "forced sale at %{y}",
                }
            )
        if len(fair):
            look = {"color": "@fg", "width": 2}
            traces.append(line(run, fair, "price", name="fair value", line=look, hovertemplate="fair value %{y:.6~g}"))
        axes = {"yaxis": axis(f"price ({price_unit(run, i)})")}
        quoting = data.quoting(run, i)
        if len(quoting):
            axes = {
                "yaxis": axis(f"price ({price_unit(run, i)})", (0.3, 1.0)),
                "yaxis2": axis("dealers", (0.0, 0.2), range=[0, len(dealers_shown(run, i)) + 0.5], nticks=4),
            }
            look = {"color": "@good", "width": 1}
            more = {"fill": "tozeroy", "yaxis": "y2", "line": look}
            text = "%{y} dealers quote both sides"
            traces.append(line(run, quoting, "dealers", name="dealers quoting both sides", hovertemplate=text, **more))
        return figure(traces, axes)

    return Panel(
        key="price",
        title="Price against fair value",
        text="Each mark is a trade: dots in the lit order book, crosses by request for quote; triangles are "
        "sales that a limit forced. Where marks fall below the line, sellers got less than the asset is "
        "worth; above it, more. Below: how many dealers quote both sides of the lit book.",
        how="trades(run, i), fair_value(run, i), quoting(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=400,
        wide=True,
        empty="Nothing was traded, and the log has no fair value.",
    )


def presence(run: Run) -> Panel:
    """Who quotes, a strip a dealer."""

    def draw(i: int) -> Figure | None:
        shares = data.presence(run, i, _PRESENCE_BINS)
        if not shares:
            return None
        looks, starts = styles(run), edges_ns(run, _PRESENCE_BINS)
        names = [label(looks[agent_id].name) for agent_id in shares]
        state = [np.argmax(share, axis=0).tolist() for share in shares.values()]
        both = [np.round(100 * share[0]).astype(int).tolist() for share in shares.values()]
        n = len(data.STATES)
        steps = [step for k, c in enumerate(_STATE_COLOURS) for step in ([k / n, c], [(k + 1) / n, c])]
        trace: Trace = {
            "type": "heatmap",
            "x": ms(starts),
            "y": names,
            "z": state,
            "customdata": both,
            "zmin": -0.5,
            "zmax": n - 0.5,
            "colorscale": steps,
            "showscale": False,
            "ygap": 2,
            "hovertemplate": "%{y}: both sides quoted %{customdata}% of this moment",
            "meta": {"rows": [looks[agent_id].name for agent_id in shares]},
        }
        # A heat map has no legend: its colours are told by traces without points.
        told: list[Trace] = [
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [0],
                "y": [None],
                "marker": {"symbol": "square", "size": 11, "color": colour},
                "hoverinfo": "skip",
            }
            for k, (name, colour) in enumerate(zip(data.STATES, _STATE_COLOURS, strict=True))
            if any(k in row for row in state)
        ]
        return figure([trace, *told], {"yaxis": axis("", autorange="reversed", automargin=True, type="category")})

    return Panel(
        key="presence",
        title="Who quotes in the lit book",
        text="A strip for each dealer, coloured by what it shows most of that moment. Both sides count when they are "
        f"at most {data.WIDEST_PCT:g}% apart. A dealer that sells under a limit posts no bids; one that fears informed "
        "flow leaves the book and answers requests only.",
        how=f"presence(run, i, {_PRESENCE_BINS})",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=280,
        empty="No dealer logs its quotes in this run.",
    )


def book(run: Run) -> Panel:
    """Depth of the book as a heat map, with the touch."""

    def draw(i: int) -> Figure | None:
        depth = data.depth_map(run, i)
        if depth is None:
            return None
        sides = (("bid", "bids", depth.bid_lots, 0.0), ("ask", "asks", depth.ask_lots, 0.52))
        heats: list[Trace] = [
            {
                "type": "heatmap",
                "x": ms(depth.ts_ns),
                "y": compact(depth.prices),
                "z": [[int(v) if v else None for v in row] for row in lots],
                "zmin": 0,
                "zmax": float(np.quantile(lots[lots > 0], 0.98)) if lots.any() else 1.0,
                "colorscale": [[0, f"@{side}-pale"], [1, f"@{side}"]],
                "colorbar": {
                    "title": {"text": f"{name}, lots", "font": {"size": 11}},
                    "thickness": 10,
                    "len": 0.46,
                    "y": y,
                    "yanchor": "bottom",
                    "nticks": 4,
                },
                "hovertemplate": f"%{{y}}: {name} of %{{z}} lots",
                "showlegend": False,
            }
            for side, name, lots, y in sides
        ]
        top = data.touch(run, i)
        lines = [
            line(run, top, side, name=f"best {side}", line={"color": "@fg", "width": 1, "dash": dash})
            for side, dash in (("bid", "solid"), ("ask", "dot"))
        ]
        return figure([*heats, *lines], {"yaxis": axis(f"price ({price_unit(run, i)})")})

    return Panel(
        key="book",
        title="Depth of the order book",
        text="Displayed lots by price, bids blue and asks orange, each with a scale of its own. Where there is no "
        "colour nobody would buy or sell. Lines are the best bid (solid) and the best ask (dotted).",
        how="depth_map(run, i), touch(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=320,
        wide=True,
        empty="The order books have never held an order, or rows of the log are missing.",
    )


def spread(run: Run) -> Panel:
    """The quoted spread, and what the dealers' spreads are made of."""

    def draw(i: int) -> Figure | None:
        quoted, parts = data.quoted_spread(run, i), data.spread_parts(run, i)
        if not quoted["spread_bp"].notna().any():
            return None
        look = {"color": "@fg", "width": 1.2}
        text = "%{y:.3~g} bp"
        top = line(run, quoted, "spread_bp", name="spread of the lit book", line=look, hovertemplate=text)
        if not parts["spread"].notna().any():
            return figure([top], {"yaxis": axis("spread (bp, log)", type="log", dtick=1)})
        tick = float(run.header.instruments[i].tick_size)
        stacked = [
            {
                "type": "bar",
                "name": name,
                "x": ms(ints(parts, "start_ns")),
                "y": compact(floats(parts, part) / tick),
                "marker": {"color": colour, "line": {"width": 0}},
                "yaxis": "y2",
                "offset": 0,
                "hovertemplate": "%{y:.2f} ticks",
            }
            for part, (name, colour) in _PART_NAMES.items()
            if part in PARTS
        ]
        axes = {
            "yaxis": axis("book (bp, log)", (0.58, 1.0), type="log", dtick=1),
            "yaxis2": axis("dealers (ticks)", (0.0, 0.46)),
        }
        notes = cut(axes["yaxis2"], floats(parts, "spread") / tick, "ticks")
        return figure([top, *stacked], axes, barmode="relative", bargap=0, annotations=notes)

    return Panel(
        key="spread",
        title="Spread and what it is made of",
        text="Above: best ask less best bid; gaps are times with an empty side. Below: the mean spread of dealers that "
        "quote both sides, by its reasons. Who would bid above the best ask, or offer below the best bid, is held back "
        "behind it: much of that says that forced sales have taken the book far from what dealers believe.",
        how="quoted_spread(run, i), spread_parts(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=320,
        empty="The lit books were never quoted on both sides, or rows of the log are missing.",
    )


def book_spread(run: Run) -> Panel:
    """The quoted spread alone, to be put beside that of other runs."""

    def draw(i: int) -> Figure | None:
        quoted = data.quoted_spread(run, i)
        if not quoted["spread_bp"].notna().any():
            return None
        look = {"color": "@fg", "width": 1.2}
        drawn = line(run, quoted, "spread_bp", name="spread", line=look, hovertemplate="%{y:.3~g} bp")
        return figure([drawn], {"yaxis": axis("spread (bp, log)", type="log", dtick=1)})

    return Panel(
        key="book-spread",
        title="Spread of the lit book",
        text="Best ask less best bid, in basis points of the mid; gaps are times with an empty side.",
        how="quoted_spread(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=280,
        empty="The lit book was never quoted on both sides.",
    )


def venues(run: Run) -> Panel:
    """Lots dealt on the lit book and by request for quote."""

    def draw(i: int) -> Figure | None:
        table = data.dealt(run, i)
        if not (table["lit_lots"].any() or table["rfq_lots"].any()):
            return None
        bars: list[Trace] = [
            {
                "type": "bar",
                "name": name,
                "x": ms(ints(table, "start_ns")),
                "y": table[column].tolist(),
                "offset": 0,
                "marker": {"color": colour, "line": {"width": 0}},
                "yaxis": "y2",
                "hovertemplate": "%{y} lots",
            }
            for column, name, colour in (("lit_lots", "lit book", "@bid"), ("rfq_lots", "RFQ", "@ask"))
        ]
        share: Trace = {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "share dealt by RFQ",
            "x": ms(ints(table, "start_ns")),
            "y": compact(100 * floats(table, "rfq_share")),
            "line": {"color": "@fg", "width": 1, "shape": "hv"},
            "marker": {"size": 3, "color": "@fg"},
            "hovertemplate": "%{y:.0f}% by RFQ",
        }
        axes = {"yaxis": axis("RFQ share (%)", (0.6, 1.0), range=[-5, 105]), "yaxis2": axis("lots", (0.0, 0.48))}
        return figure([share, *bars], axes, barmode="stack", bargap=0)

    return Panel(
        key="venues",
        title="Lit book or request for quote",
        text="Where lots change hands. When dealers leave the lit book, trading moves to private requests that "
        "the public does not see, and the public price goes.",
        how="dealt(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=320,
        empty="Nothing was traded.",
    )
