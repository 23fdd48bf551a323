"""The replay viewer: a section of the report page on which the run can be watched.

What it shows is sampled at the times that :mod:`lob_sim.report.replay_frames` chooses. At each of them it is the
state of the log: ``run.book(instrument, at=...)``, the rows of ``balance_sheet`` and ``mark``, the requests of
``rfq_opened`` and what followed them. The data travel with the page as JSON: of everything that can change,
the numbers of the frames in which it did and what it then became.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from lob_sim.analysis.tables import Floats, row_at
from lob_sim.log.run import Run
from lob_sim.report.data.common import currency
from lob_sim.report.formatting import limit_text
from lob_sim.report.panels.figure import styles
from lob_sim.report.render import asset, embed, fill
from lob_sim.report.replay_books import BookFrame, LadderLevel, absence_frames, book_frames
from lob_sim.report.replay_frames import WITHDRAWAL_TEXTS, Frames, frames_of, rule_in_words
from lob_sim.report.replay_rfqs import LATELY_NS, RfqStory, rfq_stories, shown_at
from lob_sim.report.replay_sheets import SheetFrame, headroom_frames, sheet_frames
from lob_sim.units import Instrument

_COLOURS = 7
"""Colours of the page for agents: ``--c0`` to ``--c6``."""
_MILLION = 1_000_000
_SHOW_MILLIONS_FROM = 10_000_000
"""Total assets, in currency units, from which on a balance sheet is shown in millions."""


def replay_viewer(run: Run) -> Markup:
    """The viewer as a ``<section>`` with its style, script and data; it needs nothing from elsewhere.

    It uses the page's CSS variables ``--bg --fg --muted --panel --line --accent --bid --ask --good --bad``.

    Raises:
        InputError: The log does not hold together, or its scenario is not one that this version reads.
    """
    if run.gaps or not run.manifest.rows:
        return fill("replay.html.j2", missing=run.condition(), style=asset("replay.css"))
    frames = frames_of(run)
    return fill(
        "replay.html.j2",
        missing=[],
        rule=rule_in_words(frames),
        style=asset("replay.css"),
        script=asset("replay.js"),
        data=embed(replay_data(run, frames)),
    )


def dealers_of(run: Run) -> list[int]:
    """The agents whose quotes a replay tells apart: those that may be asked for quotes, or that kept some.

    A log that comes from no scenario does not say who may be asked.
    """
    if run.header.dealer_ids is not None:
        return list(run.header.dealer_ids)
    found = {*run.table("quote")["agent_id"], *run.table("rfq_quoted")["dealer_id"], *run.table("retreat")["agent_id"]}
    return sorted(int(agent_id) for agent_id in found)


def replay_data(run: Run, frames: Frames) -> dict[str, Any]:
    """Everything that the viewer shows, as plain data: see ``assets/replay.js`` for who reads what.

    A *series* is a pair of lists: numbers of frames, and the value from each of them on.
    """
    times = frames.times_ns
    dealers = dealers_of(run)
    sheets = sheet_frames(run, times)
    limits = headroom_frames(run, times)
    stories = shown_at(rfq_stories(run), times)
    frame_at = {ts_ns: k for k, ts_ns in enumerate(times)}
    index = {agent_id: k for k, agent_id in enumerate(dealers)}
    books = book_frames(run, times, dealers)
    traded = _traded(run)
    return {
        "times": times,
        "day_ns": run.calendar.day_ns if run.calendar is not None else 0,
        "first_ns": run.time_of_day_ns,
        "instruments": [{"name": i.name, "tick": float(i.tick_size), "decimals": i.price_decimals} for i in traded],
        "names": _names(run, dealers, sheets, stories),
        "dealers": dealers,
        "looks": _looks(run, dealers),
        "moments": [[frame_at[m.ts_ns], int(m.kind), m.agent_id, m.instrument_id, m.text] for m in frames.moments],
        "fair": [_fair_values(run, i.instrument_id, times) for i in traded],
        "ladders": [series([_ladder_row(frame, index) for frame in of_book]) for of_book in books],
        "quoting": _quoting(run, frames, books, dealers),
        "causes": {int(cause): text for cause, text in WITHDRAWAL_TEXTS.items()},
        "money": _money(run, sheets),
        "sheets": [_sheet(agent_id, of_agent, limits.get(agent_id, {})) for agent_id, of_agent in sheets.items()],
        "rfqs": [_rfq_row(story) for story in stories],
        "hasRfqs": run.counts.get("rfq_opened", 0) > 0,
        "lately": LATELY_NS,
    }


def series(values: Sequence[Any]) -> list[list[Any]]:
    """A list with a value for each frame as a series: where it changed, and to what."""
    starts, states, k = [], [], 0
    for value, same in groupby(values):
        starts.append(k)
        states.append(value)
        k += sum(1 for _ in same)
    return [starts, states]


def _traded(run: Run) -> tuple[Instrument, ...]:
    return run.header.instruments


def _looks(run: Run, dealers: Sequence[int]) -> list[list[int]]:
    """Numbers of colour and pattern for each dealer: those of its lines in the other panels, if it has any."""
    known = styles(run)
    dashes = list(dict.fromkeys(style.dash for style in known.values()))
    found = []
    for k, agent_id in enumerate(dealers):
        style = known.get(agent_id)
        look = divmod(k, _COLOURS)[::-1] if style is None else (int(style.colour[1:]), dashes.index(style.dash))
        found.append(list(look))
    return found


def _names(
    run: Run, dealers: Sequence[int], sheets: dict[int, list[SheetFrame]], stories: Sequence[RfqStory]
) -> dict[int, str]:
    """Names of the agents that are spoken of: a market may have a million others."""
    wanted = {*dealers, *sheets, *(story.agent_id for story in stories), *(d for s in stories for d in s.dealer_ids)}
    return {agent.agent_id: agent.name for agent in run.header.agents if agent.agent_id in wanted}


def _fair_values(run: Run, instrument_id: int, times_ns: Sequence[int]) -> list[list[Any]]:
    table = run.table("fair_value")
    table = table[table["instrument_id"] == instrument_id]
    rows = row_at(table["ts_event_ns"].to_numpy(np.int64), np.array(times_ns, np.int64))
    values = table["value_ticks"].to_numpy(np.float64)
    return series([round(float(values[k]), 2) if k >= 0 else None for k in rows])


def _ladder_row(frame: BookFrame, index: dict[int, int]) -> list[Any]:
    """Phase, bids, asks; a level is its price, its lots, and in turn a dealer and its lots."""
    return [int(frame.phase), *([_level(level, index) for level in side] for side in (frame.bids, frame.asks))]


def _level(level: LadderLevel, index: dict[int, int]) -> list[int]:
    return [level.price_ticks, level.shown_lots, *(n for d, lots in level.owners for n in (index[d], lots))]


def _quoting(run: Run, frames: Frames, books: list[list[BookFrame]], dealers: Sequence[int]) -> list[list[Any]]:
    """By dealer and instrument a series of: 1 for a bid, plus 2 for an offer, plus 4 times the cause of absence."""
    causes = absence_frames(run, frames.times_ns, dealers)
    rows = []
    for dealer in dealers:
        row = []
        for i, of_book in enumerate(books):
            codes = [
                (dealer in frame.bidders) + 2 * (dealer in frame.offerers) + 4 * int(cause or 0)
                for frame, cause in zip(of_book, causes[dealer, i], strict=True)
            ]
            row.append(series(codes))
        rows.append(row)
    return rows


def _money(run: Run, sheets: dict[int, list[SheetFrame]]) -> dict[str, Any]:
    """Currency units in a cash unit; what is shown of them: divisor, unit, decimals; and the cash value of a tick."""
    unit = float(run.header.money_unit)
    largest = max((of_agent[0].assets_cash for of_agent in sheets.values()), default=0)
    in_millions = largest * unit >= _SHOW_MILLIONS_FROM
    return {
        "perCash": unit,
        "divisor": _MILLION if in_millions else 1,
        "unit": f"{currency(run)} million" if in_millions else currency(run),
        "decimals": 1 if in_millions else 0,
        "tickValues": [i.cash_per_tick_lot for i in _traded(run)],
    }


def _sheet(agent_id: int, frames: Sequence[SheetFrame], limits: dict[str, Floats]) -> dict[str, Any]:
    """A series of rows, and one of headroom for each limit.

    A row has eight totals; then by instrument lots, marks, sources and lots to be sold. Headroom is in currency
    units, null where nothing is limited.
    """
    rows = [
        [*frame[:8], *frame.lots, *frame.marks_ticks, *(int(source) for source in frame.sources), *frame.forced_lots]
        for frame in frames
    ]
    free = [
        [limit_text(name), series([round(x) if math.isfinite(x) else None for x in path])]
        for name, path in limits.items()
    ]
    return {"agent": agent_id, "rows": series(rows), "limits": free}


def _rfq_row(story: RfqStory) -> list[Any]:
    return [
        story.opened_ns,
        story.closed_ns,
        story.agent_id,
        story.instrument_id,
        story.side,
        story.qty_lots,
        story.dealer_ids,
        [[quote.ts_ns, quote.dealer_id, quote.bid_ticks, quote.ask_ticks] for quote in story.quotes],
        [[decline.ts_ns, decline.dealer_id, int(decline.reason)] for decline in story.declines],
        int(story.end or 0),
        story.dealt_with,
        story.price_ticks,
    ]
