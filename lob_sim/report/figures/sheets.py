"""Figures of balance sheets: limits, forced sales, capital, marks, assets and claims, funding, funds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import floats, ints, value_at
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import agent_name
from lob_sim.report.data.sheets import ASSETS, LIABILITIES
from lob_sim.report.figures import parts
from lob_sim.report.formatting import limit_text

_SHEET_BINS = 100
_SHEET_NAMES = {
    "cash": ("cash and reserves", "green"),
    "inventory": ("securities at their marks", "blue"),
    "other_assets": ("other assets", "grey"),
    "short_term": ("deposits and short-term funding", "sky"),
    "due": ("funding that is due", "bad"),
    "repo": ("repo", "orange"),
    "short": ("securities sold short", "pink"),
    "adjustment": ("prudent valuation adjustment", "vermilion"),
    "tier1": ("Tier 1 capital", "good"),
}
_DEBTS = {"repo": "repo", "short_term": "short term", "due": "due"}


def _headroom(run: Run) -> Mapping[str, parts.Chart]:
    """A chart for each limit, that in front which is breached most often or comes closest in its own range."""
    table = data.headroom(run)
    table = table[np.isfinite(floats(table, "headroom"))]
    breached = table[table["headroom"] < 0]["constraint"].value_counts()
    names = sorted(dict.fromkeys(table["constraint"]), key=lambda name: -int(breached.get(name, 0)))
    charts: dict[str, parts.Chart] = {}
    for name in names:
        own = table[table["constraint"] == name]
        scale, unit = parts.money_unit(run, floats(own, "headroom"))
        all_of = parts.Crowd(
            name="", paths=parts.paths_by_agent(own, "headroom", scale), unit=f" {unit}", as_one="groups"
        )
        zero = parts.Level(0.0, look=parts.Look("bad", "dash"))
        axis = parts.Axis(title="headroom", unit=unit, items=(all_of, zero), view=_near_zero(own, scale))
        charts[limit_text(str(name))] = (axis,)
    return charts


def _near_zero(own: pd.DataFrame, scale: float) -> tuple[float, float] | None:
    """Where limits bind: from the deepest breach to as far above zero, or to where half of the agents started; who has
    far more room says nothing there."""
    values = floats(own, "headroom") / scale
    opening = own.groupby("agent_id")["headroom"].first().to_numpy(np.float64) / scale
    low, high, highest = float(values.min()), float(np.median(opening)), float(values.max())
    top = 1.25 * max(high, -low)
    return None if top <= 0 or top >= highest else (min(1.1 * low, -0.08 * top), top)


HEADROOM = parts.FigureKind(
    key="headroom",
    title="Headroom under each limit",
    text="How far each balance sheet is from its limit: below the dashed line it is breached and assets must be "
    "sold. For leverage it is the exposure that could still be added, for value at risk the limit less the risk, "
    "for funding the unused borrowing capacity.",
    how="headroom(run)",
    empty="nobody has limits",
    charts=_headroom,
    choice="limit",
)


def _forced(run: Run, i: int) -> parts.Chart:
    sales, failed = data.forced_sales(run), data.failures(run)
    own = sales[sales["instrument_id"] == i]
    if not len(own):
        return ()
    sold = parts.Crowd("sold", parts.sums_by_agent(own, "lots"), unit=" lots sold by force", as_one="sum")
    failures = parts.Path(ints(failed, "ts_event_ns"), np.zeros(len(failed)))
    crosses = (parts.Points("failure", failures, "failure", "ink"),) if len(failed) else ()
    return (parts.Axis(title="sold by force so far", unit="lots", items=(sold, *crosses), on_paper="together"),)


FORCED = parts.FigureKind(
    key="forced",
    title="Forced sales",
    text="Lots that each balance sheet has sold because a limit demanded it, added up. A step is a sale; "
    "many dealers stepping at once are a fire sale.",
    how="forced_sales(run)",
    empty="nobody was forced to sell",
    charts=parts.by_instrument(_forced),
    choice="instrument",
)


def _capital(run: Run) -> Mapping[str, parts.Chart]:
    sheets = data.balance_sheets(run)
    opening = sheets.groupby("agent_id")["tier1"].transform("first")
    known = sheets[opening > 0].assign(of_opening=100 * sheets["tier1"] / opening)
    lines = parts.Crowd("", parts.paths_by_agent(known, "of_opening"), unit="% of its opening Tier 1")
    return {"": (parts.Axis(title="Tier 1", unit="% of opening", items=(lines,)),)} if lines.paths else {}


CAPITAL = parts.FigureKind(
    key="capital",
    title="Capital (Tier 1)",
    text="What is left to bear losses, in per cent of what each balance sheet began with. A step down is a "
    "write-down; at zero the owner fails.",
    how="balance_sheets(run)['tier1']",
    empty="nobody has a balance sheet",
    charts=_capital,
)


def _marks(run: Run, i: int) -> parts.Chart:
    table = data.marks(run, i)
    if not len(table):
        return ()
    axes: list[parts.Axis] = []
    fair = parts.path_of(data.fair_value(run, i), "price")
    off = {agent_id: _against(path, fair) for agent_id, path in parts.paths_by_agent(table, "prudent").items()}
    if fair.ts_ns.size:
        each = parts.Crowd("holder", off, unit="% of fair value", as_one="median")
        items = (each, parts.Level(0.0, "fair value", parts.Look("vermilion", "dash")))
        axes.append(parts.Axis(title="mark − value", unit="%", heading="prudent mark against fair value", items=items))
    sheets = data.balance_sheets(run)
    if sheets["adjustment"].any():
        # In the unit of what it is taken from, which is that of other runs, too.
        scale, unit = parts.money_unit(run, floats(sheets, "tier1"))
        taken = parts.Crowd(
            name="", paths=parts.paths_by_agent(sheets, "adjustment", scale), unit=f" {unit}", as_one="sum"
        )
        axes.append(parts.Axis(title="adjustments", unit=unit, items=(taken,), on_paper="once"))
    return tuple(axes)


def _against(path: parts.Path, fair: parts.Path) -> parts.Path:
    """How far a price is above a value that moves too, in per cent of that."""
    times = np.unique(np.concatenate([path.ts_ns, fair.ts_ns[fair.ts_ns > path.ts_ns[0]]]))
    return parts.Path(times, 100 * (value_at(*path, times) / value_at(*fair, times) - 1))


MARKS = parts.FigureKind(
    key="marks",
    title="Marks against fair value",
    text="Above: what each dealer must count its securities at, less what they are worth, in per cent of "
    "that. Below: the prudent valuation adjustments that its marks in all instruments carry when no lit market "
    "supports them; they come out of Tier 1.",
    how="marks(run, i), fair_value(run, i), balance_sheets(run)['adjustment']",
    empty="nobody marks positions",
    charts=parts.by_instrument(_marks),
    choice="instrument",
    height=360,
)


def _sheets(run: Run) -> Mapping[str, parts.Chart]:
    """A chart for each balance sheet, that in front which has lost most of its capital."""
    sheets = data.balance_sheets(run)
    left = sheets.groupby("agent_id")["tier1"].agg(lambda own: own.min() / own.iloc[0] if own.iloc[0] > 0 else 1.0)
    of = {int(str(i)): own for i, own in sheets.groupby("agent_id", sort=True)}
    return {agent_name(run, i): _sheet(run, of[i]) for i in left.sort_values(kind="stable").index}


def _sheet(run: Run, own: pd.DataFrame) -> parts.Chart:
    own = own.drop_duplicates("ts_event_ns", keep="last").reset_index(drop=True)
    drawn = data.thin(own, "tier1", _SHEET_BINS)
    scale, unit = parts.money_unit(run, drawn[list(ASSETS)].to_numpy().astype(np.float64))

    def axis(title: str, names: tuple[str, ...]) -> parts.Axis:
        values = {name: floats(drawn, name) / scale for name in names}
        layers = tuple(
            parts.Layer(_SHEET_NAMES[k][0], v, parts.Look(_SHEET_NAMES[k][1])) for k, v in values.items() if v.any()
        )
        stack = parts.Stack(ints(drawn, "ts_event_ns"), layers, unit=f" {unit}", is_binned=False)
        return parts.Axis(title=title, unit=unit, items=(stack,))

    return axis("owns", ASSETS), axis("owes", LIABILITIES)


SHEETS = parts.FigureKind(
    key="sheet",
    title="Balance sheet",
    text="What it owns (above) and who has a claim on that (below). Tier 1 is the owners' part, which takes "
    "every loss first; when it is gone, the dealer has failed. Selling under a limit shrinks both "
    "sides.",
    how="balance_sheets(run)",
    empty="nobody has a balance sheet",
    charts=_sheets,
    choice="agent",
    height=360,
)


def _funding(run: Run, i: int) -> parts.Chart:
    table, owed, called = data.haircuts(run, i), data.borrowing(run), data.squeezes(run)
    if not len(table):
        return ()
    each = parts.Crowd("haircut", parts.paths_by_agent(table, "haircut_pct"), unit="% haircut", as_one="mean")
    heading = "haircut on new loans, mean over borrowers"
    axes = [parts.Axis(title="haircut", unit="%", heading=heading, items=(each,), on_paper="together")]
    scale, unit = parts.money_unit(run, owed[list(_DEBTS)].to_numpy().astype(np.float64))
    debts = tuple(
        parts.Crowd(
            name,
            parts.paths_by_agent(owed, column, scale),
            unit=f" {unit}",
            as_one="sum",
            on_page=column == "repo",
            look=parts.nth_look(k),
        )
        for k, (column, name) in enumerate(_DEBTS.items())
    )
    axes.append(parts.Axis(title="repo", unit=unit, heading="what balance sheets owe", items=debts, on_paper="once"))
    if len(called):
        lines = tuple(
            parts.Line(str(kind), parts.running_sum(ints(own, "ts_event_ns"), np.ones(len(own))), parts.nth_look(k))
            for k, (kind, own) in enumerate(called.groupby("kind", sort=True))
        )
        heading = "loans called or not rolled"
        axes.append(parts.Axis(title="calls", unit="number so far", heading=heading, items=lines, on_paper="once"))
    return tuple(axes)


FUNDING = parts.FigureKind(
    key="funding",
    title="Funding and haircuts",
    text="Above: the haircut, the part of a security's value that no lender would lend against. Then repo, what is "
    "borrowed against all securities, and below how often lenders have called for margin or would not roll a loan. "
    "When they ask for more just as prices fall, securities must be sold.",
    how="haircuts(run, i), borrowing(run), squeezes(run)",
    empty="nobody lends against securities",
    charts=parts.by_instrument(_funding),
    choice="instrument",
    height=420,
)


def _funds(run: Run) -> Mapping[str, parts.Chart]:
    values, asked = data.fund_values(run), data.redemptions(run)
    if not len(values):
        return {}
    opening = values.groupby("agent_id")["nav"].transform("first")
    worth = parts.paths_by_agent(values.assign(nav=100 * values["nav"] / opening), "nav")
    scale, unit = parts.money_unit(run, asked.groupby("agent_id")["redeemed"].sum().to_numpy(np.float64))
    nothing = {i: parts.running_sum(np.zeros(0, np.int64), np.zeros(0)) for i in worth}
    paid = nothing | parts.sums_by_agent(asked, "redeemed", scale)
    nav = parts.Crowd("", worth, unit="% of opening")
    redeemed = parts.Crowd("", paid, unit=f" {unit} redeemed")
    return {
        "": (
            parts.Axis(title="value", unit="% of opening", heading="net asset value", items=(nav,)),
            parts.Axis(title="redeemed", unit=unit, heading="what investors ask back", items=(redeemed,)),
        )
    }


FUNDS = parts.FigureKind(
    key="funds",
    title="Funds and their investors",
    text="Above: what the funds are worth. Below: what investors have asked back, for which funds must sell.",
    how="fund_values(run), redemptions(run)",
    empty="there are no funds",
    charts=_funds,
)
