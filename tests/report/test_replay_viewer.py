"""What the replay shows at a frame is the state of the log, and of the market, at that time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from report_runs import unpacked

from lob_sim import Run, load_scenario, open_run, run
from lob_sim.desk.desk import Desk
from lob_sim.errors import DataError
from lob_sim.log import AgentEntry, MemoryRecorder, RunHeader, run_in_memory
from lob_sim.messages import (
    BalanceSheetRecord,
    ConstraintBreached,
    ConstraintCured,
    DealerDefaulted,
    Event,
    FairValue,
    NewOrder,
    ParentOrderClosed,
    ParentOrderOpened,
    RetreatRecord,
    ReturnRecord,
    RfqEnd,
    Side,
    WithdrawalCause,
)
from lob_sim.report import replay_frames
from lob_sim.report.render import embed
from lob_sim.report.replay_books import LADDER_LEVELS, BookFrame, LadderLevel, absence_frames, book_frames
from lob_sim.report.replay_frames import Frames, Moment, MomentKind, choose_frames, frames_of, moments_of, rule_in_words
from lob_sim.report.replay_rfqs import LATELY_NS, rfq_stories, shown_at
from lob_sim.report.replay_sheets import SheetFrame, headroom_frames, sheet_frames
from lob_sim.report.replay_viewer import dealers_of, replay_data, replay_viewer, series
from lob_sim.scenario import parse_scenario
from lob_sim.simulation.world import World
from lob_sim.units import NS_PER_S, Ns

ROOT = Path(__file__).parents[2]
CRISIS = ["shocks.0.at=3min", "horizon=12min"]
EVIL = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>&\u2028"


class Watched(NamedTuple):
    """A short crisis, and what its desks themselves said at about 200 times."""

    run: Run
    desks: dict[Ns, dict[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def crisis() -> Watched:
    return _watched(CRISIS)


def _watched(overrides: list[str]) -> Watched:
    seen: dict[Ns, dict[int, dict[str, Any]]] = {}

    def observe(world: World, ts_ns: Ns) -> None:
        seen[ts_ns] = {host.agent_id: said for host in world.hosts for said in _desks_of(host.components)}

    return Watched(run(ROOT / "experiments" / "first_market.toml", overrides=overrides, observer=observe), seen)


def _desks_of(components: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for desk in components:
        if isinstance(desk, Desk):
            view = desk.sheet.view(desk.volatility.covariances)
            yield {
                "lots": tuple(desk.sheet.lots),
                "marks": tuple(desk.sheet.marks_ticks),
                "tier1": desk.sheet.tier1_cash,
                "forced": tuple(desk.sales.working.get(i, 0) for i in range(len(desk.sheet.lots))),
                "headroom": {c.name: c.headroom(view) for c in desk.risk.constraints},
            }


@pytest.fixture(scope="module")
def golden() -> Run:
    return open_run(ROOT / "tests" / "golden" / "run")


def _bare(events: list[Event], **header: Any) -> Run:
    """A run in memory of nothing but these events."""
    recorder = MemoryRecorder()
    for event in events:
        recorder.record(event)
    return run_in_memory(recorder, RunHeader(**header))


# --- frames ------------------------------------------------------------------------------------------------
def test_every_event_of_interest_has_a_frame(crisis: Watched) -> None:
    frames = frames_of(crisis.run)
    counts = crisis.run.counts
    by_kind = {kind: sum(1 for m in frames.moments if m.kind is kind) for kind in MomentKind}
    assert by_kind[MomentKind.BREACH] == counts["constraint_breached"] > 10
    assert by_kind[MomentKind.FORCED_SALE] == counts["parent_order_opened"] > 10
    assert by_kind[MomentKind.RETREAT] == counts["retreat"] > 10
    assert by_kind[MomentKind.SHOCK] == crisis.run.table("fair_value")["is_shock"].sum() == 1
    assert {moment.ts_ns for moment in frames.moments} <= set(frames.times_ns)
    assert frames.times_ns[0] == 0
    assert frames.times_ns[-1] == crisis.run.manifest.last_ts_ns
    assert list(frames.times_ns) == sorted(set(frames.times_ns))
    assert max(np.diff(frames.times_ns)) <= math.ceil(crisis.run.manifest.last_ts_ns / replay_frames.STEPS)


def test_too_many_events_are_thinned_the_least_important_first() -> None:
    counts = {MomentKind.SHOCK: 7, MomentKind.BREACH: replay_frames.MAX_EVENTS - 57, MomentKind.RETREAT: 1_000}
    moments = [Moment(10 * k, k, kind, 0, 0, "") for kind, n in counts.items() for k in range(n)]
    frames = choose_frames(moments, 20_000)
    assert len(frames.moments) == replay_frames.MAX_EVENTS
    assert frames.left_out == {MomentKind.RETREAT: 950}
    retreats = [moment.seq for moment in frames.moments if moment.kind is MomentKind.RETREAT]
    assert retreats == list(range(0, 1_000, 20))
    assert "950 of kind retreat" in rule_in_words(frames)
    assert len(frames.times_ns) <= replay_frames.MAX_EVENTS + replay_frames.STEPS + 1


def test_control_few_events_are_not_thinned() -> None:
    frames = choose_frames([Moment(5, 1, MomentKind.RETREAT, 0, 0, "")], 100)
    assert frames.left_out == {}
    assert "left out" not in rule_in_words(frames)


def test_shocks_and_failures_always_stay() -> None:
    n = replay_frames.MAX_EVENTS + 5
    frames = choose_frames([Moment(k, k, MomentKind.FAILURE, 0, -1, "") for k in range(n)], n)
    assert len(frames.moments) == n


# --- books -------------------------------------------------------------------------------------------------
def _book_at(run_: Run, instrument_id: int, ts_ns: Ns, dealers: list[int]) -> BookFrame:
    """The same frame, made from ``run.book``."""
    snapshot = run_.book(instrument_id, at=ts_ns)
    shown = snapshot.orders[(snapshot.orders["shown_lots"] > 0) & (snapshot.orders["stop_price_ticks"] == 0)]
    own = shown[shown["agent_id"].isin(dealers)]
    sides = []
    for side, levels in ((Side.BUY, snapshot.bids), (Side.SELL, snapshot.asks)):
        of_side = own[own["side"] == side]
        lots = of_side.groupby(["price_ticks", "agent_id"])["shown_lots"].sum()
        sides.append(
            tuple(
                LadderLevel(p, q, tuple((a, int(lots[p, a])) for a in dealers if (p, a) in lots.index))
                for p, q, _ in levels[:LADDER_LEVELS]
            )
        )
    quoting = [
        tuple(sorted(own.loc[own["side"] == side, "agent_id"].unique().tolist())) for side in (Side.BUY, Side.SELL)
    ]
    return BookFrame(snapshot.phase, sides[0], sides[1], quoting[0], quoting[1])


@pytest.mark.parametrize("which", ["crisis", "golden"])
def test_ladders_are_the_books_of_the_log(which: str, request: pytest.FixtureRequest) -> None:
    value = request.getfixturevalue(which)
    log: Run = value.run if isinstance(value, Watched) else value
    frames, dealers = frames_of(log), dealers_of(log)
    books = book_frames(log, frames.times_ns, dealers)
    for k in range(0, len(frames.times_ns), 61):
        for i, of_book in enumerate(books):
            assert of_book[k] == _book_at(log, i, frames.times_ns[k], dealers)


def test_control_the_books_of_other_times_are_not_those(crisis: Watched) -> None:
    frames, dealers = frames_of(crisis.run), dealers_of(crisis.run)
    books = book_frames(crisis.run, frames.times_ns, dealers)
    chosen = range(0, len(frames.times_ns) - 40, 61)
    wrong = sum(books[0][k + 40] != _book_at(crisis.run, 0, frames.times_ns[k], dealers) for k in chosen)
    assert wrong > len(chosen) / 2


# --- who quotes --------------------------------------------------------------------------------------------
def test_causes_of_absence_follow_the_log() -> None:
    def retreat(second: int, cause: WithdrawalCause) -> Event:
        return RetreatRecord(second * NS_PER_S, 0, 0, cause, 0.0, 0.0, 0.0, 0)

    log = _bare(
        [
            retreat(1, WithdrawalCause.ADVERSE_SELECTION),
            retreat(2, WithdrawalCause.CAPITAL),
            ReturnRecord(3 * NS_PER_S, 0, 0, WithdrawalCause.CAPITAL, 1),
            ConstraintBreached(4 * NS_PER_S, 0, "slr", -1, 1),
            ParentOrderOpened(4 * NS_PER_S, 0, 0, 1, 5, "slr"),
            retreat(4, WithdrawalCause.FORCED_SALE),
            ConstraintCured(5 * NS_PER_S, 0, "slr", 1),
            ParentOrderClosed(6 * NS_PER_S, 0, 0, 1, 0, 1),  # type: ignore[arg-type]
            ReturnRecord(6 * NS_PER_S, 0, 0, WithdrawalCause.FORCED_SALE, 1),
            DealerDefaulted(7 * NS_PER_S, 0, -1, 1, 2),
        ],
        instruments=open_run(ROOT / "tests" / "golden" / "run").header.instruments[:1],
    )
    causes = absence_frames(log, [k * NS_PER_S for k in range(9)], [0, 1])
    forced, failed = WithdrawalCause.FORCED_SALE, WithdrawalCause.DEFAULT
    expected = [
        None,
        WithdrawalCause.ADVERSE_SELECTION,
        WithdrawalCause.CAPITAL,
        None,
        forced,
        forced,
        None,
        failed,
        failed,
    ]
    assert causes[0, 0] == expected
    assert causes[1, 0] == [None] * 9


def test_who_has_a_binding_limit_is_a_forced_seller_and_does_not_bid(crisis: Watched) -> None:
    breached, cured = (
        sorted(zip(table["ts_event_ns"], table["agent_id"], strict=True))
        for table in (crisis.run.table("constraint_breached"), crisis.run.table("constraint_cured"))
    )
    # Its cancels travel for a millisecond, and its limit must bind for longer than that.
    checked = 0
    for ts_ns, dealer in breached:
        later_ns = ts_ns + 2_000_000
        if any(agent_id == dealer and ts_ns <= cured_ns <= later_ns for cured_ns, agent_id in cured):
            continue
        causes = absence_frames(crisis.run, [later_ns], [dealer])
        assert list(causes.values()) == [[WithdrawalCause.FORCED_SALE]] * len(crisis.run.header.instruments)
        for of_book in book_frames(crisis.run, [later_ns], [dealer]):
            assert of_book[0].bidders == ()
        checked += 1
        if checked == 3:
            return
    pytest.fail("no limit binds for long enough to be seen")


# --- balance sheets ------------------------------------------------------------------------------------------
def _sheet_at(log: Run, agent_id: int, ts_ns: Ns) -> tuple[int, ...]:
    table = log.table("balance_sheet")
    row = table[(table["agent_id"] == agent_id) & (table["ts_event_ns"] <= ts_ns)].iloc[-1]
    names = ["cash", "other_assets_cash", "short_term_cash", "due_cash", "repo_cash", "short_cash", "adjustment_cash"]
    return tuple(int(row[name]) for name in [*names, "tier1_cash"])


def test_balance_sheets_are_those_of_the_log(crisis: Watched) -> None:
    times = frames_of(crisis.run).times_ns
    for agent_id, frames in sheet_frames(crisis.run, times).items():
        for k in range(0, len(times), 97):
            assert frames[k][:8] == _sheet_at(crisis.run, agent_id, times[k])
            assets = frames[k].cash + frames[k].other_assets_cash + _inventory(crisis.run, frames[k])
            assert frames[k].assets_cash == assets


def _inventory(log: Run, frame: SheetFrame) -> int:
    parts = zip(log.header.instruments, frame.lots, frame.marks_ticks, strict=True)
    return sum(i.value(mark, lots) for i, lots, mark in parts if lots > 0)


def test_positions_and_forced_sales_are_those_of_the_desks(crisis: Watched) -> None:
    times = sorted(crisis.desks)
    sheets = sheet_frames(crisis.run, times)
    assert set(sheets) == set(crisis.desks[times[0]])
    forced = 0
    for k, ts_ns in enumerate(times):
        for agent_id, said in crisis.desks[ts_ns].items():
            frame = sheets[agent_id][k]
            assert frame.lots == said["lots"]
            assert frame.marks_ticks == said["marks"]
            assert frame.tier1_cash == said["tier1"]
            assert frame.forced_lots == said["forced"]
            forced += sum(frame.forced_lots)
    assert forced > 0


def test_headroom_is_that_of_the_desks(crisis: Watched) -> None:
    times = sorted(crisis.desks)
    unit = 500.0
    """Currency units in a cash unit: half a hundredth of a per cent of a lot of ten million."""
    frames = headroom_frames(crisis.run, times)
    assert set(frames) == set(crisis.desks[times[0]])
    for agent_id, limits in frames.items():
        assert set(limits) == {"slr", "var", "funding"}
        for name, path in limits.items():
            said = [unit * crisis.desks[ts_ns][agent_id]["headroom"][name] for ts_ns in times]
            assert path == pytest.approx(said, abs=unit)


def test_a_sheet_whose_positions_are_not_on_the_log_is_refused(golden: Run) -> None:
    recorder = MemoryRecorder()
    for row in golden.messages(BalanceSheetRecord):
        recorder.record(row.message)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="are not worth what its sheet says"):
        sheet_frames(run_in_memory(recorder, golden.header), [0, golden.manifest.last_ts_ns])


# --- requests --------------------------------------------------------------------------------------------------
def test_requests_tell_everything_that_happened_to_them(crisis: Watched) -> None:
    log, stories = crisis.run, rfq_stories(crisis.run)
    assert len(stories) == log.counts["rfq_opened"]
    assert sum(len(story.quotes) for story in stories) == log.counts["rfq_quoted"]
    assert sum(len(story.declines) for story in stories) == log.counts["rfq_declined"] > 0
    ends = log.table("rfq_closed")["end"].value_counts()
    assert {end: sum(s.end is end for s in stories) for end in RfqEnd if end in ends} == ends.to_dict()
    dealt = [story for story in stories if story.end is RfqEnd.DEALT]
    trades = log.rfq_trades
    assert sorted((s.closed_ns, s.dealt_with, s.price_ticks, s.qty_lots) for s in dealt) == sorted(
        zip(trades["ts_event_ns"], trades["dealer_id"], trades["price_ticks"], trades["qty_lots"], strict=True)
    )
    assert all(story.dealt_with is None for story in stories if story.end is not RfqEnd.DEALT)


def test_only_requests_that_a_frame_shows_travel_with_the_page(crisis: Watched) -> None:
    stories = rfq_stories(crisis.run)
    times = [0, 300 * NS_PER_S, 301 * NS_PER_S]
    expected = [s for s in stories if any(s.is_shown(ts) for ts in times)]
    assert shown_at(stories, times) == expected
    assert 0 < len(expected) < len(stories) / 2
    (first, *_) = expected
    assert first.closed_ns is not None
    assert first.is_shown(first.closed_ns + LATELY_NS - 1)
    assert not first.is_shown(first.closed_ns + LATELY_NS)
    assert not first.is_shown(first.opened_ns - 1)


# --- the section ---------------------------------------------------------------------------------------------
def _data(page: str) -> dict[str, Any]:
    return unpacked(page, 'class="replay-data"')


def test_a_series_says_when_a_value_changed() -> None:
    values = [1, 1, 2, 2, 2, 1]
    starts, states = series(values)
    assert (starts, states) == ([0, 2, 5], [1, 2, 1])
    assert [states[np.searchsorted(starts, k, side="right") - 1] for k in range(6)] == values


def test_the_section_holds_the_data_and_nothing_from_elsewhere(golden: Run) -> None:
    page = str(replay_viewer(golden))
    frames = frames_of(golden)
    assert _data(page) == json.loads(json.dumps(replay_data(golden, frames)))
    assert rule_in_words(frames) in page
    assert not re.search(r"""(src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)""", page)


def test_the_viewer_of_a_crisis_stays_small(crisis: Watched) -> None:
    assert len(str(replay_viewer(crisis.run)).encode()) < 3_000_000


def test_markup_in_names_stays_text() -> None:
    plain = open_run(ROOT / "tests" / "golden" / "run").header
    named = [
        i.__class__(**{**{f: getattr(i, f) for f in i.__struct_fields__}, "name": EVIL}) for i in plain.instruments
    ]
    log = _bare(
        [FairValue(1, 0, 10.0, True), RetreatRecord(2, 0, 0, WithdrawalCause.CAPITAL, 0.0, 0.0, 0.0, 0)],
        agents=(AgentEntry(0, EVIL, EVIL, EVIL),),
        instruments=tuple(named),
    )
    page = str(replay_viewer(log))
    data = _data(page)
    assert data["names"]["0"] == data["instruments"][0]["name"] == EVIL
    assert page.count("<script") == page.count("</script>") == 2
    assert "<img" not in page
    assert "\u2028" not in page


def test_control_plain_json_would_let_markup_through() -> None:
    assert "</script>" in json.dumps(EVIL)
    assert "</script>" not in embed(EVIL)
    assert unpacked(f'<script type="application/gzip" x>{embed({"a": EVIL})}</script>', "x") == {"a": EVIL}


# --- runs of all kinds -----------------------------------------------------------------------------------------
def test_a_market_without_sheets_requests_or_trades() -> None:
    scenario = parse_scenario(
        {
            "name": "empty",
            "horizon": "10s",
            "instruments": [{"name": "stock", "tick_size": "0.01", "lot_size": "100", "initial_price": "10"}],
        }
    )
    log = run(scenario)
    data = _data(str(replay_viewer(log)))
    assert data["sheets"] == data["rfqs"] == data["dealers"] == []
    assert data["hasRfqs"] is False
    assert len(data["ladders"]) == 1
    assert data["instruments"][0]["decimals"] == 2


def test_dealers_without_balance_sheets() -> None:
    log = run(load_scenario("dealer_market", ["horizon=2min"]))
    data = _data(str(replay_viewer(log)))
    assert data["sheets"] == []
    assert len(data["dealers"]) == len(log.header.dealer_ids or ())
    assert data["rfqs"]


def test_a_log_that_comes_from_no_scenario() -> None:
    recorder = MemoryRecorder()
    recorder.batch(5, NewOrder(0, 3, 1, Side.BUY, 7, 100), [])
    header = RunHeader(
        agents=tuple(AgentEntry(k, f"agent-{k}", "", "") for k in range(4)),
        instruments=open_run(ROOT / "tests" / "golden" / "run").header.instruments[:1],
    )
    data = replay_data(log := run_in_memory(recorder, header), frames_of(log))
    assert data["dealers"] == []
    assert data["ladders"][0][1][-1] == [2, [[100, 7]], []]


def test_a_log_with_missing_rows_says_so_instead(tmp_path: Path, golden: Run) -> None:
    run(load_scenario("dealer_market", ["horizon=70s"]), out=tmp_path / "run")
    next((tmp_path / "run" / "events" / "quote").iterdir()).unlink()
    page = str(replay_viewer(open_run(tmp_path / "run")))
    assert "There is no replay" in page
    assert "rows" in page
    assert "replay-data" not in page
    assert "There is no replay" not in str(replay_viewer(golden))


def test_frames_and_moments_agree(golden: Run) -> None:
    frames: Frames = frames_of(golden)
    assert list(frames.moments) == moments_of(golden)
    data = replay_data(golden, frames)
    assert [data["times"][m[0]] for m in data["moments"]] == [m.ts_ns for m in frames.moments]
