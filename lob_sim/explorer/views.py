"""What is drawn of a run: its books as ladders, its prices as curves."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from lob_sim.explorer.worker import BookFrame, Point, Told
from lob_sim.units import NS_PER_S, Ns

_GREY = "#8791a3"
_SERIES = (("middle of the book", "#2f8fd0"), ("fair value", "#d9772b"))

STYLE = """
:root { color-scheme: light dark; --fg: #1b1f27; --muted: #596273; --panel: #fff; --line: #d5dae2; --bg: #f6f7f9;
  --bid: #d3e6f3; --ask: #f8e0cc; --bad: #b3261e; --link: #1769a0; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6e9ef; --muted: #a3adbd; --panel: #1a1f28; --line: #333b49;
  --bg: #12151b; --bid: #1f3a4d; --ask: #4a3321; --bad: #ff8a80; --link: #8cc8f0; } }
body { background: var(--bg) !important; color: var(--fg); font-family: system-ui, sans-serif; }
.nicegui-content { padding: 0; display: block; }
.lob { max-width: 1240px; margin: 0 auto; padding: 12px 16px 48px; display: grid; gap: 16px;
  grid-template-columns: minmax(300px, 380px) minmax(0, 1fr); align-items: start; }
.lob h1, .lob h2 { margin: 0; font-weight: 600; line-height: 1.4; letter-spacing: normal; }
.lob h1 { font-size: 1.3rem; grid-column: 1 / -1; } .lob h2 { font-size: 1rem; overflow-wrap: anywhere; }
.lob-card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 14px; min-width: 0;
  display: flex; flex-direction: column; gap: 8px; }
.lob-side, .lob-main { display: flex; flex-direction: column; gap: 16px; min-width: 0; }
.lob-note { color: var(--muted); font-size: .85rem; overflow-wrap: anywhere; }
.lob-bad { color: var(--bad); overflow-wrap: anywhere; }
.lob-knob { display: grid; grid-template-columns: minmax(0, 1fr) 116px; column-gap: 12px; align-items: center; }
.lob-knob > :first-child { grid-column: 1 / -1; font-size: .85rem; }
.lob-row { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; min-width: 0; }
.lob-text { font-family: ui-monospace, monospace; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere;
  background: var(--bg); border: 1px solid var(--line); border-radius: 6px; padding: 8px; margin: 0; }
.lob-file { max-height: 320px; overflow: auto; }
.lob-books { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 16px; }
.lob-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); gap: 12px; }
.lob-chart { height: 190px; width: 100%; min-width: 0; }
.lob-card > button { align-self: flex-start; } .lob-card > button.lob-wide { align-self: stretch; }
.lob-quiet, .lob a { color: var(--link); } .lob-stop { color: var(--bad); }
@media (prefers-color-scheme: dark) { body { --q-primary: #2474ab !important; } }
table.ladder { border-collapse: collapse; width: 100%; font-size: .8rem; font-variant-numeric: tabular-nums; }
.ladder caption { text-align: left; font-weight: 600; padding-bottom: 4px; overflow-wrap: anywhere; }
.ladder td { padding: 1px 6px; height: 1.35em; } .ladder td.price { width: 6em; text-align: right; }
.ladder .bar { display: flex; gap: 6px; align-items: center; } .ladder .bar i { height: 1em; border-radius: 2px; }
.ladder .ask i { background: var(--ask); } .ladder .bid i { background: var(--bid); }
.ladder tr.gap td { border-bottom: 1px solid var(--line); color: var(--muted); }
.lob-run { border-top: 1px solid var(--line); padding-top: 8px; display: flex; flex-direction: column; gap: 4px;
  min-width: 0; }
@media (max-width: 820px) { .lob { grid-template-columns: minmax(0, 1fr); padding: 8px 8px 32px; } }
"""


def clock(ts_ns: Ns) -> str:
    """A simulated time as ``h:mm:ss``."""
    seconds = ts_ns // NS_PER_S
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def limits_text(told: Told) -> str:
    """How many balance sheets are in what state; empty where there are none."""
    sheets, breached, selling, failed = told.limits
    if not sheets:
        return ""
    return f"{sheets} balance sheets: {breached} beyond a limit, {selling} selling under one, {failed} failed"


def ladder(book: BookFrame, levels: int) -> str:
    """A book as a table of HTML: asks above, bids below, as many rows whatever there is, so that nothing jumps."""
    most = max((lots for _, lots in (*book.bids, *book.asks)), default=1.0)
    asks: list[tuple[float, float] | None] = [*book.asks, *[None] * (levels - len(book.asks))][::-1]
    bids: list[tuple[float, float] | None] = [*book.bids, *[None] * (levels - len(book.bids))]
    last = "no trade yet" if book.last_trade is None else f"last {book.last_trade:.{book.decimals}f}"
    about = f"{last} · value {book.fair_value:.{book.decimals}f}"
    rows = [_level("ask", level, book.decimals, most) for level in asks]
    rows.append(f'<tr class="gap"><td colspan="2">{about}</td></tr>')
    rows += [_level("bid", level, book.decimals, most) for level in bids]
    phase = "" if book.phase == "continuous" else f" ({html.escape(book.phase.replace('_', ' '))})"
    caption = f"<caption>{html.escape(book.name)}{phase}</caption>"
    return f'<table class="ladder">{caption}<tbody>{"".join(rows)}</tbody></table>'


def _level(side: str, level: tuple[float, float] | None, decimals: int, most: float) -> str:
    if level is None:
        return f'<tr class="{side}"><td class="price"></td><td></td></tr>'
    price, lots = level
    bar = f'<span class="bar"><i style="width:{70 * lots / most:.0f}%"></i>{lots:,g}</span>'
    return f'<tr class="{side}"><td class="price">{price:.{decimals}f}</td><td>{bar}</td></tr>'


def curves(book: BookFrame, number: int, points: Sequence[Point], horizon_ns: Ns) -> dict[str, Any]:
    """The chart of an instrument's price and value over simulated time, as ECharts wants it.

    Args:
        book: The instrument's book.
        number: Its place among the books.
        points: So far.
        horizon_ns: Where the axis ends.
    """
    minutes = [point.at_ns / NS_PER_S / 60 for point in points]
    data = (
        [[m, p.mids[number]] for m, p in zip(minutes, points, strict=True)],
        [[m, round(p.values[number], book.decimals + 2)] for m, p in zip(minutes, points, strict=True)],
    )
    axis = {
        "axisLabel": {"color": _GREY, "fontSize": 11},
        "splitLine": {"lineStyle": {"color": _GREY, "opacity": 0.25}},
    }
    return {
        "animation": False,
        "title": {"text": book.name, "textStyle": {"fontSize": 12, "color": _GREY}, "left": 0, "top": 0},
        "legend": {"right": 0, "top": 0, "textStyle": {"color": _GREY, "fontSize": 11}},
        "grid": {"left": 58, "right": 14, "top": 30, "bottom": 36},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": horizon_ns / NS_PER_S / 60,
            "name": "minutes",
            "nameLocation": "middle",
            "nameGap": 22,
            "nameTextStyle": {"color": _GREY},
            **axis,
        },
        "yAxis": {"type": "value", "scale": True, **axis},
        "series": [
            {
                "type": "line",
                "name": name,
                "data": points_of,
                "showSymbol": False,
                "connectNulls": False,
                "color": colour,
                "lineStyle": {"width": 1.5},
            }
            for (name, colour), points_of in zip(_SERIES, data, strict=True)
        ],
    }
