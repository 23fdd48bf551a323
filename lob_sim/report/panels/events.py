"""The panel of events: cause and effect in lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lob_sim.log import Run
from lob_sim.report.data.common import end_ns
from lob_sim.report.data.happenings import KINDS, Happening
from lob_sim.report.panels.figure import Cell, Panel, Trace, label, ms, styles

_BINS = 100
_LANES = {
    "shock": "shock",
    "write-down": "write-down",
    "breach": "limit breached",
    "forced sale": "must sell",
    "sweep": "sells by force",
    "retreat": "leaves the book",
    "funding": "lenders call",
    "redemption": "redemption",
    "failure": "fails",
    "relief": "relief",
}


def lanes(run: Run, events: Sequence[Happening], shown_chain: Sequence[Happening]) -> Panel:
    """Every kind of event in a lane of its own; the chain that the page tells step by step is drawn through them."""
    present = [kind for kind in KINDS if any(event.kind == kind for event in events)]
    traces = list(_traces(run, events))
    if len(shown_chain) > 1:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": "the chain told on this page",
                "x": ms([event.ts_ns for event in shown_chain]),
                "y": [_LANES[event.kind] for event in shown_chain],
                "line": {"color": "@fg", "width": 1},
                "marker": {"size": 11, "symbol": "circle-open", "color": "@fg"},
                "text": [label(event.text) for event in shown_chain],
                "hovertemplate": "%{text}",
            }
        )
    order = [_LANES[kind] for kind in reversed(present)]
    axis = {"type": "category", "categoryorder": "array", "categoryarray": order, "automargin": True}
    axis["range"] = [-0.6, len(order) - 0.4]
    return Panel(
        key="lanes",
        title="All events, in lanes",
        text="One lane for each kind of event, in the order in which trouble travels; colours are agents. Zoom "
        f"in, and point at a mark to read it. Of the events of one agent in a lane within a {_BINS}th of the "
        "run the largest is shown.",
        how="timeline(run)",
        variants={"": [Cell({"data": traces, "layout": {"yaxis": axis}})]} if events else {},
        height=70 + 30 * len(present),
        wide=True,
        empty="No shock, no breach, no forced sale and no withdrawal happened.",
    )


def _traces(run: Run, events: Sequence[Happening]) -> Iterator[Trace]:
    looks = styles(run)
    by_agent: dict[int, dict[tuple[str, int], list[Happening]]] = {}
    width_ns = max(1, end_ns(run) // _BINS)
    for event in events:
        agent = event.agent_id if event.agent_id in looks else -1
        by_agent.setdefault(agent, {}).setdefault((event.kind, event.ts_ns // width_ns), []).append(event)
    for agent_id, cells in sorted(by_agent.items()):
        chosen = [(max(cell, key=lambda e: e.size), len(cell) - 1) for cell in cells.values()]
        style = looks.get(agent_id)
        yield {
            "type": "scatter",
            "mode": "markers",
            "name": label(style.name) if style else "the market",
            **({"meta": {"agent": style.name}} if style else {}),
            "x": ms([event.ts_ns for event, _ in chosen]),
            "y": [_LANES[event.kind] for event, _ in chosen],
            "text": [label(event.text) + (f" (and {more} more)" if more else "") for event, more in chosen],
            "marker": {"color": style.colour if style else "@bad", "size": 8, "opacity": 0.8},
            "hovertemplate": "%{x|%M:%S.%L}: %{text}",
        }
