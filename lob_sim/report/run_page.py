"""The page of one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from markupsafe import Markup

from lob_sim.analysis.calm_verdict import CalmVerdict, find_verdict
from lob_sim.analysis.quality import market_quality
from lob_sim.analysis.summary import summarise
from lob_sim.errors import DataError, LobSimError
from lob_sim.log import Run
from lob_sim.log.manifest import COMPLETE
from lob_sim.log.run import reads_logs
from lob_sim.report import data, headline
from lob_sim.report.data.common import agent_name, end_ns, instrument_name, table_rows
from lob_sim.report.data.timeline import WINDOW_NS, chain, key_rows, timeline
from lob_sim.report.panels import events, market, people
from lob_sim.report.panels.figure import Panel, ms, styles
from lob_sim.report.render import page
from lob_sim.report.replay_viewer import replay_viewer

_MOST_EVENTS = 400


@reads_logs
def run_page(run: Run, name: str, verdicts: Mapping[str, CalmVerdict] | None = None) -> str:
    """The page of a run: headline, timeline, panels, replay viewer, scenario.

    Args:
        run: The run, complete or not.
        name: What to call it, for example the name of its folder.
        verdicts: On the calm of markets, in addition to those that are shipped.

    Raises:
        DataError: The run has no rows, or they cannot be read.
    """
    if not run.counts:
        raise DataError("holds no rows yet: there is nothing to report", name)
    happened = timeline(run)
    told = chain(happened)
    panels = [events.lanes(run, happened, told), *_panels(run)]
    dull = {e.seq for e in happened if e.kind in ("funding", "relief")}
    listed = [e for e in happened if e.seq not in dull]
    metrics = headline.metrics_of(run)
    return page(
        "run.html.j2",
        panels,
        settings(run),
        name=name,
        title=run.header.scenario.get("name", name),
        description=run.header.scenario.get("description", ""),
        headline=headline.headline(run),
        facts=headline.facts(run, metrics),
        calm=find_verdict(run.header.scenario, verdicts) if run.header.scenario else None,
        problems=[] if run.status == COMPLETE else run.condition(),
        chain=told,
        rows=key_rows(happened),
        by_seq={event.seq: event for event in happened},
        listed=listed[:_MOST_EVENTS],
        n_listed=len(listed),
        window_ns=WINDOW_NS,
        failed=data.failures(run).to_dict("records"),
        agent_name=lambda agent_id: agent_name(run, agent_id),
        instrument_name=lambda instrument_id: instrument_name(run, instrument_id),
        summary=summary(run),
        quality=quality(run),
        viewer=_viewer(run),
        calendar=run.calendar,
        **foot(run),
    )


def settings(run: Run) -> dict[str, Any]:
    """What the page's scripts need to know of a run."""
    looks = styles(run)
    return {
        "horizon_ms": ms([end_ns(run)])[0],
        "day_ms": run.calendar.day_ns / 1e6 if run.calendar is not None else 0,
        "session_ms": run.calendar.session_ns / 1e6 if run.calendar is not None else 0,
        "shocks_ms": ms([ts_ns for _, _, ts_ns in headline.shocks(run)]),
        "agents": [{"name": s.name, "colour": s.colour, "dash": s.dash} for s in looks.values()],
        "instruments": [i.name for i in run.header.instruments],
        "instrument": worst_instrument(run),
    }


def worst_instrument(run: Run) -> str:
    """The instrument that traded furthest below fair value after the shock; the first one if none did."""
    start_ns = min((ts_ns for _, _, ts_ns in headline.shocks(run)), default=0)
    names = [i.name for i in run.header.instruments]
    depths = [data.worst_below_pct(run, i, start_ns) for i in range(len(names))]
    return names[depths.index(max(depths))] if names else ""


def foot(run: Run) -> dict[str, Any]:
    """What identifies a run, for the foot of its page."""
    scenario = msgspec.json.format(msgspec.json.encode(run.header.scenario), indent=2).decode()
    return {
        "scenario": scenario if run.header.scenario else "",
        "seed": run.header.seed_entropy,
        "digest": run.digest,
        "status": run.status,
        "packages": run.manifest.packages,
        "rows_logged": sum(run.counts.values()),
        "last_ns": end_ns(run),
    }


def summary(run: Run) -> list[dict[str, Any]]:
    """:func:`lob_sim.analysis.summary.summarise` as rows; nothing for a log without fair values or time."""
    known = set(run.table("fair_value")["instrument_id"])
    if run.gaps or not known.issuperset(range(len(run.header.instruments))) or not run.manifest.last_ts_ns:
        return []
    table = summarise(run)
    return [{"instrument": row.Index, **row._asdict()} for row in table_rows(table)]


def quality(run: Run) -> list[dict[str, Any]]:
    """:func:`lob_sim.analysis.quality.market_quality` as rows of text; nothing for a log with gaps or no trade."""
    if run.gaps or not len(run.trades):
        return []
    table = market_quality(run)
    texts = table.map(lambda value: f"{value:.3g}" if np.isfinite(value) else "–")
    return [{"instrument": row.Index, **row._asdict()} for row in table_rows(texts)]


def _panels(run: Run) -> list[Panel]:
    makers = (
        market.prices,
        market.book,
        market.presence,
        market.spread,
        market.venues,
        people.beliefs,
        people.marks,
        people.headroom,
        people.forced_sales,
        people.capital,
        people.balance_sheets,
        people.funding,
        people.funds,
    )
    return [maker(run) for maker in makers]


def _viewer(run: Run) -> Markup:
    try:
        return replay_viewer(run)
    except LobSimError as error:
        return Markup("<p class='empty'>{}</p>").format(f"The replay cannot be shown: {error}")
