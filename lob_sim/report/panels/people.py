"""Panels by dealer: beliefs, balance sheets, limits, forced sales, marks, funding, funds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import at_end, currency, end_ns, thin
from lob_sim.report.data.sheets import ASSETS, LIABILITIES
from lob_sim.report.formatting import limit_text, number_text
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
    note,
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
        upper = agent_lines(run, table, "alpha", "")
        lower = agent_lines(run, table, "sd", "", axis="y2")
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
        height=320,
        empty="No dealer logs its beliefs in this run.",
    )


def balance_sheets(run: Run) -> Panel:
    """Each balance sheet, stacked."""
    sheets, looks = data.balance_sheets(run), styles(run)
    variants = {}
    for agent_id, own in sheets.groupby("agent_id", sort=True):
        own = own.drop_duplicates("ts_event_ns", keep="last").reset_index(drop=True)
        variants[looks[int(str(agent_id))].name] = [Cell(_sheet(run, own))]
    left = sheets.groupby("agent_id")["tier1"].agg(lambda own: own.min() / own.iloc[0] if own.iloc[0] > 0 else 1.0)
    return Panel(
        key="sheet",
        title="Balance sheet",
        text="What it owns (above) and who has a claim on that (below). Tier 1 is the owners' part, which takes "
        "every loss first; when it is gone, the dealer has failed. Selling under a limit shrinks both "
        "sides.",
        how="balance_sheets(run)",
        choice="agent",
        variants=variants,
        first=looks[int(str(left.idxmin()))].name if len(left) else "",
        height=360,
        empty="Nobody in this run has a balance sheet.",
    )


def _sheet(run: Run, own: pd.DataFrame) -> Figure:
    drawn = at_end(thin(own, "tier1", _SHEET_BINS), run)
    scale, unit = money_scale(drawn[list(ASSETS)].to_numpy().astype(np.float64), currency(run))
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
    """Tier 1 of everybody, against where it began."""
    sheets = data.balance_sheets(run)
    opening = sheets.groupby("agent_id")["tier1"].transform("first")
    known = sheets[opening > 0].assign(of_opening=100 * sheets["tier1"] / opening)
    lines = agent_lines(run, known, "of_opening", "% of its opening Tier 1")
    return Panel(
        key="capital",
        title="Capital (Tier 1)",
        text="What is left to bear losses, in per cent of what each balance sheet began with. A step down is a "
        "write-down; at zero the owner fails.",
        how="balance_sheets(run)['tier1']",
        variants={"": [Cell(figure(lines, {"yaxis": axis("Tier 1 (% of opening)")}))]} if lines else {},
        empty="Nobody in this run has a balance sheet.",
    )


def headroom(run: Run) -> Panel:
    """Room under each limit."""
    table = data.headroom(run)
    table = table[np.isfinite(floats(table, "headroom"))]
    variants = {}
    for name in dict.fromkeys(table["constraint"]):
        own = table[table["constraint"] == name]
        scale, unit = money_scale(floats(own, "headroom"), currency(run))
        lines = agent_lines(run, own, "headroom", unit, scale=scale)
        across = {"xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 0}
        zero = {"type": "line", **across, "y1": 0, "line": {"color": "@bad", "width": 1.5, "dash": "dash"}}
        y_axis = axis(f"headroom ({unit})")
        notes = _near_zero(y_axis, own, scale, unit)
        shown = figure(lines, {"yaxis": y_axis}, shapes=[zero], annotations=notes)
        variants[limit_text(str(name))] = [Cell(shown)]
    first = _tightest(table)
    return Panel(
        key="headroom",
        title="Headroom under each limit",
        text="How far each balance sheet is from its limit: below the dashed line it is breached and assets must be "
        "sold. For leverage it is the exposure that could still be added, for value at risk the limit less the risk, "
        "for funding the unused borrowing capacity.",
        how="headroom(run)",
        choice="limit",
        variants=variants,
        first=limit_text(first),
        empty="No balance sheet in this run has a limit.",
    )


def _near_zero(y_axis: dict[str, Any], own: pd.DataFrame, scale: float, unit: str) -> list[dict[str, Any]]:
    """Let the axis show where limits bind: from the deepest breach to as far above zero, or to where half of the agents
    started; who has far more room says nothing there. Returns the note that says how far the lines go."""
    values = floats(own, "headroom") / scale
    opening = own.groupby("agent_id")["headroom"].first().to_numpy(np.float64) / scale
    low, high, highest = float(values.min()), float(np.median(opening)), float(values.max())
    top = 1.25 * max(high, -low)
    if top <= 0 or top >= highest:
        return []
    y_axis["range"] = [min(1.1 * low, -0.08 * top), top]
    return [note(f"highest: {number_text(highest)} {unit}, above this axis")]


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
        lower = agent_lines(run, table, "adjustment", "per lot's price", axis="y2")
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
        height=320,
        empty="Nobody marks positions in this run.",
    )


def funding(run: Run) -> Panel:
    """Haircuts by collateral, and what is owed."""
    owed = data.borrowing(run)
    scale, unit = money_scale(owed[["repo", "due"]].to_numpy().astype(np.float64), currency(run))

    def draw(i: int) -> Figure | None:
        table = data.haircuts(run, i)
        if not len(table):
            return None
        upper = agent_lines(run, table, "haircut_pct", "% haircut")
        lower = agent_lines(run, owed, "repo", unit, axis="y2", scale=scale)
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
        height=320,
        empty="Nobody lends against securities in this run.",
    )


def funds(run: Run) -> Panel:
    """Net asset values and redemptions."""
    values, asked = data.fund_values(run), data.redemptions(run)
    scale, unit = money_scale(floats(values, "nav"), currency(run))
    traces = agent_lines(run, values, "nav", unit, scale=scale)
    looks = styles(run)
    for agent_id, own in asked.groupby("agent_id", sort=True):
        style = looks[int(str(agent_id))]
        traces.append(
            {
                "type": "bar",
                "name": label(f"{style.name} redemptions"),
                "meta": {"agent": style.name},
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
