"""Panels by dealer: beliefs, balance sheets, limits, forced sales, marks, funding, funds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import at_end, end_ns, thin
from lob_sim.report.data.sheets import ASSETS, LIABILITIES
from lob_sim.report.formatting import limit_text
from lob_sim.report.panels.figure import (
    Cell,
    Figure,
    Panel,
    Trace,
    agent_lines,
    axis,
    by_instrument,
    compact,
    figure,
    label,
    money_scale,
    ms,
    styles,
)

_SHEET_BINS = 100
_SHEET_NAMES = {
    "cash": ("cash and reserves", "@2"),
    "inventory": ("securities at their marks", "@0"),
    "other_assets": ("other assets", "@7"),
    "short_term": ("deposits and short-term funding", "@5"),
    "due": ("funding that is due", "@bad"),
    "repo": ("repo", "@4"),
    "short": ("securities sold short", "@3"),
    "adjustment": ("prudent valuation adjustment", "@1"),
    "tier1": ("Tier 1 capital", "@good"),
}


def beliefs(run: Run) -> Panel:
    """Toxicity and uncertainty."""

    def draw(i: int) -> Figure | None:
        table = data.beliefs(run, i)
        if not len(table):
            return None
        upper = agent_lines(run, table, "alpha", "", legend=True)
        lower = agent_lines(run, table, "sd", "", axis="y2", legend=False)
        axes = {
            "yaxis": axis("α (share)", (0.55, 1.0), rangemode="tozero"),
            "yaxis2": axis("s (price)", (0.0, 0.45), rangemode="tozero"),
        }
        return figure(upper + lower, axes)

    return Panel(
        key="beliefs",
        title="Toxicity and uncertainty, by dealer",
        text="Above: α, the share of lit flow that a dealer thinks is informed; forced sellers look informed. "
        "Below: s, how unsure it is of fair value, in the units of the price. A spread must pay for both.",
        how="beliefs(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=380,
        empty="No dealer logs its beliefs in this run.",
    )


def balance_sheets(run: Run) -> Panel:
    """Each balance sheet, stacked."""
    sheets, looks = data.balance_sheets(run), styles(run)
    variants = {}
    for agent_id, own in sheets.groupby("agent_id", sort=True):
        own = own.drop_duplicates("ts_event_ns", keep="last").reset_index(drop=True)
        variants[looks[int(str(agent_id))].name] = [Cell(_sheet(run, own))]
    return Panel(
        key="sheet",
        title="Balance sheet",
        text="What it owns (above) and who has a claim on that (below). Tier 1 is the owners' part, which takes "
        "every loss first; when it is gone, the dealer has failed. Selling under a limit shrinks both "
        "sides.",
        how="balance_sheets(run)",
        choice="agent",
        variants=variants,
        height=420,
        empty="Nobody in this run has a balance sheet.",
    )


def _sheet(run: Run, own: pd.DataFrame) -> Figure:
    drawn = at_end(thin(own, "tier1", _SHEET_BINS), run)
    scale, unit = money_scale(drawn[list(ASSETS)].to_numpy().astype(np.float64))
    traces: list[Trace] = []
    for side, names, y in (("assets", ASSETS, "y"), ("claims", LIABILITIES, "y2")):
        for name in names:
            values = floats(drawn, name) / scale
            if not values.any():
                continue
            text, colour = _SHEET_NAMES[name]
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "stackgroup": side,
                    "name": text,
                    "x": ms(ints(drawn, "ts_event_ns")),
                    "y": compact(values),
                    "yaxis": y,
                    "line": {"width": 0.5, "shape": "hv", "color": colour},
                    "fillcolor": colour,
                    "hovertemplate": "%{y:,.4~g} " + unit,
                }
            )
    axes = {"yaxis": axis(f"owns ({unit})", (0.54, 1.0)), "yaxis2": axis(f"owes ({unit})", (0.0, 0.46))}
    return figure(traces, axes)


def capital(run: Run) -> Panel:
    """Tier 1 of everybody."""
    sheets = data.balance_sheets(run)
    scale, unit = money_scale(floats(sheets, "tier1"))
    lines = agent_lines(run, sheets, "tier1", unit, scale=scale)
    axes = {"yaxis": axis(f"Tier 1 ({unit})")}
    return Panel(
        key="capital",
        title="Capital (Tier 1), by balance sheet",
        text="What is left to bear losses. A step down is a write-down; at zero the dealer fails.",
        how="balance_sheets(run)['tier1']",
        variants={"": [Cell(figure(lines, axes))]} if lines else {},
        empty="Nobody in this run has a balance sheet.",
    )


def headroom(run: Run) -> Panel:
    """Room under each limit."""
    table = data.headroom(run)
    table = table[np.isfinite(floats(table, "headroom"))]
    variants = {}
    for name in dict.fromkeys(table["constraint"]):
        own = table[table["constraint"] == name]
        scale, unit = money_scale(floats(own, "headroom"))
        lines = agent_lines(run, own, "headroom", unit, scale=scale)
        zero = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
        zero["line"] = {"color": "@bad", "width": 1.5, "dash": "dash"}
        shown = figure(lines, {"yaxis": axis(f"headroom ({unit})")}, shapes=[zero])
        variants[limit_text(str(name))] = [Cell(shown)]
    first = _tightest(table)
    return Panel(
        key="headroom",
        title="Headroom under each limit",
        text="How far each balance sheet is from its limit: below the dashed line the limit is breached and the "
        "dealer must sell. For leverage it is the exposure that could still be added, for value at risk the "
        "limit less the risk, for funding the unused borrowing capacity.",
        how="headroom(run)",
        choice="limit",
        variants=variants,
        first=limit_text(first),
        empty="No balance sheet in this run has a limit.",
    )


def _tightest(table: pd.DataFrame) -> str:
    """The limit that is breached most often, or comes closest in its own range."""
    breached = table[table["headroom"] < 0]
    names = breached if len(breached) else table
    return str(names["constraint"].value_counts().index[0]) if len(names) else ""


def forced_sales(run: Run) -> Panel:
    """Cumulated forced sales."""
    sales = data.forced_sales(run)

    def draw(i: int) -> Figure | None:
        own = sales[sales["instrument_id"] == i]
        if not len(own):
            return None
        starts = pd.DataFrame({"agent_id": own["agent_id"].unique(), "ts_event_ns": 0, "sold": 0})
        sold = own.assign(sold=own.groupby("agent_id")["lots"].cumsum())[["agent_id", "ts_event_ns", "sold"]]
        lines = agent_lines(run, pd.concat([starts, sold]), "sold", "lots sold by force")
        return figure(lines, {"yaxis": axis("lots sold so far")})

    return Panel(
        key="forced",
        title="Forced sales",
        text="Lots that each balance sheet has sold because a limit demanded it, added up. A step is a sale; "
        "many dealers stepping at once are a fire sale.",
        how="forced_sales(run)",
        choice="instrument",
        variants=by_instrument(run, draw),
        empty="Nobody was forced to sell.",
    )


def marks(run: Run) -> Panel:
    """Marks against fair value, and valuation adjustments."""

    def draw(i: int) -> Figure | None:
        table = data.marks(run, i)
        if not len(table):
            return None
        upper: list[Trace] = []
        if table["off_pct"].notna().any():
            upper = agent_lines(run, table, "off_pct", "% of fair value")
        lower = agent_lines(run, table, "adjustment", "per lot's price", axis="y2", legend=not upper)
        axes: dict[str, dict[str, Any]] = {"yaxis2": axis("adjustment (price)", (0.0, 0.44))}
        if upper:
            axes["yaxis"] = axis("mark − value (%)", (0.56, 1.0), zeroline=True)
        return figure(upper + lower, axes)

    return Panel(
        key="marks",
        title="Marks against fair value",
        text="Above: what each dealer must count its securities at, less what they are worth, in per cent of "
        "that. Below: the prudent valuation adjustment that a mark carries when no lit market supports it; "
        "it comes out of Tier 1.",
        how="marks(run, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=380,
        empty="Nobody marks positions in this run.",
    )


def funding(run: Run) -> Panel:
    """Haircuts by collateral, and what is owed."""
    owed = data.borrowing(run)
    scale, unit = money_scale(owed[["repo", "due"]].to_numpy().astype(np.float64))

    def draw(i: int) -> Figure | None:
        table = data.haircuts(run, i)
        if not len(table):
            return None
        upper = agent_lines(run, table, "haircut_pct", "% haircut")
        lower = agent_lines(run, owed, "repo", unit, axis="y2", legend=False, scale=scale)
        axes = {
            "yaxis": axis("haircut (%)", (0.55, 1.0)),
            "yaxis2": axis(f"repo ({unit})", (0.0, 0.43)),
        }
        return figure(upper + lower, axes)

    squeezed = data.squeezes(run)
    counts = squeezed["kind"].value_counts()
    said = ", ".join(f"{n:,} × {kind}" for kind, n in counts.items())
    return Panel(
        key="funding",
        title="Funding and haircuts",
        text="Above: the haircut, the part of a security's value that no lender would lend against. Below: repo, "
        "what is borrowed against all securities. When lenders ask for more just as prices fall, securities "
        f"must be sold. In the whole run: {said or 'no margin call'}.",
        how="haircuts(run, i), borrowing(run), squeezes(run)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=380,
        empty="Nobody lends against securities in this run.",
    )


def funds(run: Run) -> Panel:
    """Net asset values and redemptions."""
    values, asked = data.fund_values(run), data.redemptions(run)
    scale, unit = money_scale(floats(values, "nav"))
    traces = agent_lines(run, values, "nav", unit, scale=scale)
    looks = styles(run)
    for agent_id, own in asked.groupby("agent_id", sort=True):
        style = looks[int(str(agent_id))]
        traces.append(
            {
                "type": "bar",
                "name": label(f"{style.name} redemptions"),
                "legendgroup": style.name,
                "meta": {"agent": style.name},
                "showlegend": False,
                "x": ms(ints(own, "ts_event_ns")),
                "y": compact(floats(own, "redeemed") / scale),
                "marker": {"color": style.colour},
                "width": max(1, end_ns(run) // 1_000_000 // 120),
                "yaxis": "y2",
                "hovertemplate": "%{y:.4~g} " + unit + " redeemed",
            }
        )
    axes = {"yaxis": axis(f"value ({unit})", (0.5, 1.0)), "yaxis2": axis(f"redeemed ({unit})", (0.0, 0.4))}
    return Panel(
        key="funds",
        title="Funds and their investors",
        text="Above: what the funds are worth. Below: what investors ask back after a fall, for which funds must sell.",
        how="fund_values(run), redemptions(run)",
        variants={"": [Cell(figure(traces, axes, barmode="stack"))]} if len(values) else {},
        empty="There are no funds in this run.",
    )
