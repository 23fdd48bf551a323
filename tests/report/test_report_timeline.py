"""Cause and effect: every link of the timeline is on the log, and none is made that is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from report_runs import BRIEF, SPIRAL, calm, crisis, fire_sale, funding_run, funds

from lob_sim import Run, run
from lob_sim.messages import MarkSource
from lob_sim.report import data
from lob_sim.report.data.happenings import Happening
from lob_sim.report.data.timeline import WINDOW_NS, ancestors, chain, key_events, key_rows, timeline

RUNS = (crisis, fire_sale, funds, funding_run)


def linked(run: Run, kind: str, basis: str) -> list[tuple[Happening, Happening]]:
    """Events of a kind with a link on that basis, and their causes."""
    events = timeline(run)
    by_seq = {event.seq: event for event in events}
    return [(e, by_seq[e.cause_seq]) for e in events if e.kind == kind and e.basis == basis]


@pytest.mark.parametrize("make", RUNS)
def test_causes_come_first_and_are_events_themselves(make: Callable[[], Run]) -> None:
    events = timeline(make())
    assert [e.seq for e in events] == sorted({e.seq for e in events})
    by_seq = {e.seq: e for e in events}
    caused = [e for e in events if e.cause_seq]
    assert caused
    for event in caused:
        cause = by_seq[event.cause_seq]
        assert cause.seq < event.seq
        assert cause.ts_ns <= event.ts_ns
        assert event.basis
        assert event.link
    assert all(not e.basis for e in events if not e.cause_seq)


def test_a_forced_sale_follows_a_breach_of_a_limit_that_it_names() -> None:
    run = crisis()
    opened = run.table("parent_order_opened").set_index("seq")
    found = linked(run, "forced sale", "named")
    assert len(found) == len(opened) > 0
    for sale, breach in found:
        assert breach.kind == "breach"
        assert breach.agent_id == sale.agent_id
        assert breach.key in str(opened.loc[sale.seq, "reasons"]).split("+")


def test_a_sweep_belongs_to_the_parent_that_its_order_names() -> None:
    run = crisis()
    sales = data.forced_sales(run).set_index("seq")
    found = linked(run, "sweep", "named")
    assert len(found) == sales["cause_seq"].nunique() > 0
    assert sum(sweep.size for sweep, _ in found) == sales["lots"].sum()
    for sweep, parent in found:
        assert parent.kind == "forced sale"
        assert parent.key.split("|")[0] == str(sales.loc[sweep.seq, "parent_order_id"])
        assert (parent.agent_id, parent.instrument_id) == (sweep.agent_id, sweep.instrument_id)


def test_a_breach_in_the_instant_of_a_mark_is_of_the_same_desk() -> None:
    found = linked(crisis(), "breach", "same instant")
    assert found
    for breach, mark in found:
        assert mark.kind == "write-down"
        assert (mark.agent_id, mark.ts_ns) == (breach.agent_id, breach.ts_ns)


def test_a_mark_at_the_price_of_a_forced_sale_says_so_only_if_it_is() -> None:
    run = crisis()
    marks = run.table("mark").set_index("seq")
    sales = data.forced_sales(run)
    found = linked(run, "write-down", "same price")
    assert found
    for write_down, sale in found:
        mark = marks.loc[write_down.seq]
        assert mark["source"] in (MarkSource.LIT_TRADE, MarkSource.RFQ_PRINT)
        order = sales.set_index("seq").loc[sale.seq, "cause_seq"]
        tick = float(run.header.instruments[write_down.instrument_id].tick_size)
        prices = sales[sales["cause_seq"] == order]["price"]
        assert mark["price_ticks"] * tick == pytest.approx(prices.iloc[-1])


@pytest.mark.parametrize("make", RUNS)
def test_what_only_timing_links_lies_within_the_window(make: Callable[[], Run]) -> None:
    for kind in ("write-down", "retreat"):
        for event, cause in linked(make(), kind, "timing"):
            assert event.ts_ns - cause.ts_ns <= WINDOW_NS
            assert event.instrument_id == cause.instrument_id
            assert event.agent_id != cause.agent_id


def test_a_mark_on_its_way_to_value_follows_the_shock() -> None:
    found = linked(crisis(), "write-down", "value")
    assert found
    fair = crisis().table("fair_value")
    marks = crisis().table("mark")
    for write_down, shock in found:
        i, own = write_down.instrument_id, marks[marks["agent_id"] == write_down.agent_id]
        values = fair[fair["instrument_id"] == i]
        before = own[(own["instrument_id"] == i) & (own["seq"] < write_down.seq)]["price_ticks"].iloc[-1]
        new = values[values["ts_event_ns"] <= write_down.ts_ns]["value_ticks"].iloc[-1]
        old = values[values["ts_event_ns"] < shock.ts_ns]["value_ticks"].iloc[-1]
        assert (shock.kind, shock.instrument_id) == ("shock", i)
        assert before - new > (old - new) / 2 > 0


def test_without_a_shock_no_mark_is_on_its_way() -> None:
    assert linked(run(SPIRAL, overrides=[*BRIEF, "shocks=[]"]), "write-down", "value") == []


def test_redemptions_are_the_cause_of_the_funds_breaches() -> None:
    found = linked(funds(), "breach", "same instant")
    assert found
    assert all(cause.kind == "redemption" and cause.agent_id == breach.agent_id for breach, cause in found)


def test_the_chain_goes_through_the_breaches_of_several_agents() -> None:
    told = chain(timeline(crisis()))
    assert [step.cause_seq for step in told[1:]] == [step.seq for step in told[:-1]]
    assert not told[0].cause_seq
    assert len({step.agent_id for step in told if step.kind == "breach"}) >= 2


def test_without_limits_there_is_no_breach_no_sale_and_no_chain() -> None:
    off = [f"switches.{name}=false" for name in ("slr", "var", "funding")]
    events = timeline(run(SPIRAL, overrides=[*BRIEF, *off]))
    assert not [e for e in events if e.kind in ("breach", "forced sale", "sweep")]
    assert not chain(events)
    # A loss is still a loss.
    assert [e for e in events if e.kind == "shock"]


def test_nothing_happens_in_calm() -> None:
    assert timeline(calm()) == []
    assert key_rows([]) == []


def test_rows_of_the_table_hold_every_key_event_once() -> None:
    events = timeline(crisis())
    rows = key_rows(events)
    shown = [event.seq for row in rows for event in (row.event, *row.others)]
    assert sorted(shown) == [event.seq for event in key_events(events)]
    assert len(rows) < 60


def test_ancestors_end_where_there_is_no_cause() -> None:
    events = timeline(crisis())
    for event in events:
        path = ancestors(events, event)
        assert path[-1] is event
        assert not path[0].cause_seq
