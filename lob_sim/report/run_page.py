"""The page of one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from markupsafe import Markup

from lob_sim.analysis.calm_verdict import CalmVerdict, find_verdict
from lob_sim.analysis.quality import market_quality
from lob_sim.analysis.summary import summarise
from lob_sim.errors import DataError, LobSimError
from lob_sim.log import Run
from lob_sim.log.foreign import reads_logs
from lob_sim.log.manifest import COMPLETE
from lob_sim.report import data, headline
from lob_sim.report.data.common import agent_name, currency, end_ns
from lob_sim.report.data.timeline import WINDOW_NS, chain, key_rows, timeline
from lob_sim.report.figures import market, sheets
from lob_sim.report.formatting import money_text
from lob_sim.report.panels import events
from lob_sim.report.panels.drawing import panel
from lob_sim.report.panels.figure import ms, styles
from lob_sim.report.render import page
from lob_sim.report.replay_viewer import replay_viewer

_MOST_EVENTS = 400
_FIGURES = (
    market.PRICE,
    market.DEPTH,
    market.PRESENCE,
    market.SPREAD,
    market.DEALT,
    market.BELIEFS,
    sheets.MARKS,
    sheets.HEADROOM,
    sheets.FORCED,
    sheets.CAPITAL,
    sheets.SHEETS,
    sheets.FUNDING,
    sheets.FUNDS,
)
_MARKET = ("presence", "spread", "book", "venues", "beliefs")
_SHEETS = ("headroom", "forced", "capital", "marks", "sheet", "funding", "funds")
_SUMMARY: Mapping[str, tuple[str, str]] = {
    "trades": ("lit trades", "{:,.0f}"),
    "volume_lots": ("lots dealt", "{:,.0f}"),
    "rfq_share": ("of them by request for quote", "{:.0%}"),
    "spread_ticks": ("mean lit spread (ticks)", "{:.3g}"),
    "lit_presence": ("lit book has both sides, of the time", "{:.1%}"),
    "overshoot_pct": ("worst price below value", "{:.2f}%"),
    "forced_lots": ("lots sold by force", "{:,.0f}"),
}
"""Column of :func:`lob_sim.analysis.summary.summarise` → what it is, and its format."""
_QUALITY: Mapping[str, tuple[str, str]] = {
    "effective_ticks": ("effective spread (ticks)", "{:.3g}"),
    "realised_ticks": ("realised spread (ticks)", "{:.3g}"),
    "impact_ticks": ("price impact (ticks)", "{:.3g}"),
    "amihud": ("Amihud illiquidity (per lot)", "{:.3g}"),
    "resilience_s": ("resilience (s)", "{:.3g}"),
    "vpin": ("VPIN", "{:.3g}"),
    "vpin_null": ("VPIN of noise", "{:.3g}"),
    "write_down_pct": ("carried below value (%)", "{:.3g}"),
}
"""Column of :func:`lob_sim.analysis.quality.market_quality` → what it is, and its format."""


@reads_logs
def run_page(run: Run, name: str, label: str = "", verdicts: Mapping[str, CalmVerdict] | None = None) -> str:
    """The page of a run: headline, figures, panels, events, replay viewer, scenario; nothing of what a run has not got.

    Args:
        run: The run, complete or not.
        name: What to call it, for example the name of its folder.
        label: Heading; the name of its scenario if empty.
        verdicts: On the calm of markets, in addition to those that are shipped.

    Raises:
        DataError: The run has no rows, or they cannot be read.
    """
    if not run.counts:
        raise DataError("holds no rows yet: there is nothing to report", name)
    happened = timeline(run)
    told, rows = chain(happened), key_rows(happened)
    panels = [events.lanes(run, happened, told), *(panel(run, kind) for kind in _FIGURES)]
    drawn = {shown.key for shown in panels if shown.variants}
    parts = [part for part, keys in (("market", _MARKET), ("sheets", _SHEETS)) if drawn.intersection(keys)]
    dull = {e.seq for e in happened if e.kind in ("funding", "relief")}
    listed = [e for e in happened if e.seq not in dull]
    index = {
        "overview": "Overview",
        **({"story": "Causes"} if len(told) > 1 else {}),
        **{part: {"market": "Market", "sheets": "Balance sheets"}[part] for part in parts},
        **({"events": "Events"} if rows else {}),
        "watch": "Replay",
        "numbers": "Numbers",
        "log": "This run",
    }
    scenario_name = run.header.scenario.get("name", name)
    return page(
        "run.html.j2",
        panels,
        settings(run),
        name=name,
        title=label or scenario_name,
        scenario_name=scenario_name,
        description=run.header.scenario.get("description", ""),
        sections=list(index.items()),
        parts=parts,
        headline=headline.headline(run),
        facts=headline.facts(run, headline.metrics_of(run)),
        calm=find_verdict(run.header.scenario, verdicts) if run.header.scenario else None,
        problems=[] if run.status == COMPLETE else run.condition(),
        chain=told,
        rows=rows,
        by_seq={event.seq: event for event in happened},
        listed=listed[:_MOST_EVENTS],
        n_listed=len(listed),
        window_ns=WINDOW_NS,
        failed=data.failures(run).to_dict("records"),
        agent_name=lambda agent_id: agent_name(run, agent_id),
        money=lambda amount: money_text(amount, currency(run)),
        numbers=[
            ("lob_sim.analysis.summary.summarise(run)", summary(run)),
            ("lob_sim.analysis.quality.market_quality(run)", quality(run)),
        ],
        viewer=_viewer(run),
        **foot(run),
    )


def settings(run: Run) -> dict[str, Any]:
    """What the page's scripts need to know of a run."""
    looks = styles(run)
    return {
        "horizon_ms": ms([end_ns(run)])[0],
        "day_ms": run.calendar.day_ns / 1e6 if run.calendar is not None else 0,
        "first_ms": run.time_of_day_ns / 1e6,
        "session_ms": run.calendar.session_ns / 1e6 if run.calendar is not None else 0,
        "shocks_ms": ms([ts_ns for _, _, ts_ns in headline.shocks(run)]),
        "agents": [msgspec.structs.asdict(style) for style in looks.values()],
        "instruments": [i.name for i in run.header.instruments],
        "instrument": headline.worst_instrument(run),
    }


def foot(run: Run) -> dict[str, Any]:
    """What identifies a run, for the foot of its page, and how its times are told."""
    scenario = msgspec.json.format(msgspec.json.encode(run.header.scenario), indent=2).decode()
    return {
        "scenario": scenario if run.header.scenario else "",
        "seed": run.header.seed_entropy,
        "digest": run.digest,
        "status": run.status,
        "packages": run.manifest.packages,
        "rows_logged": sum(run.counts.values()),
        "last_ns": end_ns(run),
        "calendar": run.calendar,
        "time_of_day_ns": run.time_of_day_ns,
    }


def summary(run: Run) -> list[tuple[str, list[str]]]:
    """:func:`lob_sim.analysis.summary.summarise`, a row per measure and a text per instrument; nothing for a log
    without fair values or time."""
    known = set(run.table("fair_value")["instrument_id"])
    if run.gaps or not known.issuperset(range(len(run.header.instruments))) or not run.manifest.last_ts_ns:
        return []
    return _texts(summarise(run), _SUMMARY)


def quality(run: Run) -> list[tuple[str, list[str]]]:
    """:func:`lob_sim.analysis.quality.market_quality` in the same way; nothing for a log with gaps or no trade."""
    return [] if run.gaps or not len(run.trades) else _texts(market_quality(run), _QUALITY)


def _texts(table: pd.DataFrame, shown: Mapping[str, tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Columns of a table with a row per instrument, each with what it is; a dash for what has no value."""
    return [
        (label, [form.format(value) if np.isfinite(value) else "–" for value in table[column]])
        for column, (label, form) in shown.items()
    ]


def _viewer(run: Run) -> Markup:
    try:
        return replay_viewer(run)
    except LobSimError as error:
        return Markup("<p class='empty'>{}</p>").format(f"The replay cannot be shown: {error}")
