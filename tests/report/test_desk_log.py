"""What desks log of limits, positions and loans agrees with their sheets, in closed form and row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from report_runs import crisis, funding_run

from lob_sim import Run
from lob_sim.messages import LoanBorrowed, LoanMessage

AGENT = "agent_id"


@pytest.fixture(scope="module")
def run() -> Run:
    return crisis()


def last_before(table: pd.DataFrame, others: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Each row with the last row of another table that came before it, of the same ``by``."""
    kept = others.drop(columns=[c for c in ("ts_event_ns", "cause_seq") if c in others])
    renamed = kept.rename(columns={"seq": "seq_before"})
    return pd.merge_asof(table, renamed, left_on="seq", right_on="seq_before", by=by, suffixes=("", "_before"))


def leverage_headroom(sheets: pd.DataFrame) -> np.ndarray:
    """Exposure that Tier 1 carries at 5 % less all assets: what the scenario's limit says, in whole numbers."""
    assets = sheets["cash"] + sheets["inventory_cash"] + sheets["other_assets_cash"]
    return (20 * sheets["tier1_cash"] - assets).to_numpy()


def test_leverage_headroom_follows_from_the_sheet_in_closed_form(run: Run) -> None:
    logged = run.table("headroom")
    found = last_before(logged[logged["constraint"] == "slr"], run.table("balance_sheet"), [AGENT])
    assert len(found) > 1_000
    assert (found["headroom_cash"].to_numpy() == leverage_headroom(found)).all()
    # Control: a sheet that is off by one unit of Tier 1 does not explain a single row.
    assert not (
        found["headroom_cash"].to_numpy() == leverage_headroom(found.assign(tier1_cash=found["tier1_cash"] + 1))
    ).any()


def test_no_change_of_headroom_is_left_out(run: Run) -> None:
    """The last row holds at the end of every instant in which a sheet has changed, to the end of the run."""
    logged = run.table("headroom")
    slr = logged[logged["constraint"] == "slr"]
    ends = run.table("balance_sheet").drop_duplicates([AGENT, "ts_event_ns"], keep="last").sort_values("ts_event_ns")
    holds = slr.drop_duplicates([AGENT, "ts_event_ns"], keep="last")[[AGENT, "ts_event_ns", "headroom_cash"]]
    both = pd.merge_asof(ends, holds.sort_values("ts_event_ns"), on="ts_event_ns", by=AGENT)
    assert (both["headroom_cash"].to_numpy() == leverage_headroom(both)).all()
    fewer = holds.iloc[::2].sort_values("ts_event_ns")
    control = pd.merge_asof(ends, fewer, on="ts_event_ns", by=AGENT)
    assert not (control["headroom_cash"].to_numpy() == leverage_headroom(control)).all()


@pytest.mark.parametrize("dataset", ["constraint_breached", "constraint_cured"])
def test_breaches_and_cures_say_the_headroom_that_was_logged_last(run: Run, dataset: str) -> None:
    said, logged = run.table(dataset), run.table("headroom")
    found = last_before(said, logged, [AGENT, "constraint"])
    assert len(found) > 10
    assert (found["headroom_cash"] == found["headroom_cash_before"]).all()
    assert ((found["headroom_cash"] < 0) == (dataset == "constraint_breached")).all()
    # Control: the row before that one is of another headroom.
    earlier = logged[~logged["seq"].isin(found["seq_before"])]
    control = last_before(said, earlier, [AGENT, "constraint"])
    assert not (control["headroom_cash"] == control["headroom_cash_before"]).any()


def test_a_row_is_a_change(run: Run) -> None:
    logged = run.table("headroom")
    assert (logged.groupby([AGENT, "constraint"])["headroom_cash"].diff().dropna() != 0).all()
    positions = run.table("position")
    moved = positions.groupby([AGENT, "instrument_id"])[["lots", "repo_cash", "forced_lots"]].diff().dropna()
    assert (moved != 0).any(axis=1).all()


def by_instrument(run: Run, shift_lots: int = 0) -> pd.DataFrame:
    """Every sheet with the sums over instruments of what is logged of each: loans, and lots at their marks."""
    sheets = run.table("balance_sheet").assign(repo_sum=0, worth=0)
    for i, instrument in enumerate(run.header.instruments):
        positions, marks = (t[t["instrument_id"] == i] for t in (run.table("position"), run.table("mark")))
        sheets_i = last_before(sheets[["seq", AGENT]], positions, [AGENT])
        prices = pd.concat([t[["seq", AGENT, "price_ticks"]] for t in (positions, marks)]).sort_values("seq")
        at = last_before(sheets[["seq", AGENT]], prices, [AGENT])["price_ticks"].to_numpy()
        lots = sheets_i["lots"].to_numpy() + shift_lots
        sheets["repo_sum"] += sheets_i["repo_cash"].to_numpy()
        sheets["worth"] += lots * at * instrument.cash_per_tick_lot
    return sheets


@pytest.mark.parametrize("make", [crisis, funding_run])
def test_instruments_add_up_to_the_sheet(make: object) -> None:
    found = by_instrument(make())  # type: ignore[operator]
    assert (found["repo_sum"] == found["repo_cash"]).all()
    assert found["repo_cash"].nunique() > 10
    assert (found["worth"] == found["inventory_cash"] - found["short_cash"]).all()


def test_control_a_lot_too_many_is_seen(run: Run) -> None:
    found = by_instrument(run, 1)
    assert not (found["worth"] == found["inventory_cash"] - found["short_cash"]).any()


def test_every_message_of_a_loan_names_one_that_was_drawn_or_asked_for() -> None:
    log = funding_run()
    known: dict[tuple[int, int], tuple[int, int]] = {}
    seen = set()
    for row in log.messages(LoanMessage):
        loan = row.message
        assert isinstance(loan, LoanMessage)
        of_whom = known.setdefault((loan.borrower_id, loan.loan_id), (loan.lender_id, loan.instrument_id))
        assert of_whom == (loan.lender_id, loan.instrument_id)
        seen.add(loan.dataset)
    assert {"loan_borrowed", "loan_rolled", "loan_refused", "loan_repaid"} <= seen
    assert LoanBorrowed.hook == "on_message"
