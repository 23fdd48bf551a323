"""What is published, and how much marks disagree where the book gives no price."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import transparency
from experiments.spiral import cells
from lob_sim.messages import MarkSource
from lob_sim.running import run

S = 10**9


def test_transparency_changes_what_is_published_and_nothing_before_the_first_print() -> None:
    calm = cells.first_market(["shocks=[]", "horizon=3min"])
    found = {name: run(s, 1) for name, s in transparency.regimes(calm, 60 * 10**9).items()}
    prints = {name: finished.table("rfq_print") for name, finished in found.items()}
    assert len(prints["none"]) == 0
    assert len(prints["immediate"]) == len(found["immediate"].rfq_trades) > 0
    late = prints["delayed"]
    assert (late["ts_event_ns"] - late["ts_trade_ns"] >= 60 * 10**9).all()
    first = [int(finished.rfq_trades["ts_event_ns"].iloc[0]) for finished in found.values()]
    assert len(set(first)) == 1


def marked(*rows: tuple[int, int, int, MarkSource]) -> Any:
    """A run of ten seconds in one instrument worth 1,000 ticks: (second, dealer, price, source) of every mark."""
    marks = pd.DataFrame(
        {
            "ts_event_ns": [second * S for second, *_ in rows],
            "instrument_id": 0,
            "agent_id": [dealer for _, dealer, *_ in rows],
            "price_ticks": [price for _, _, price, _ in rows],
            "source": [int(source) for *_, source in rows],
        }
    )
    fair = pd.DataFrame({"ts_event_ns": [0], "instrument_id": 0, "value_ticks": 1000, "is_shock": True})
    return SimpleNamespace(
        table={"mark": marks, "fair_value": fair}.__getitem__,
        header=SimpleNamespace(instruments=[None]),
        manifest=SimpleNamespace(last_ts_ns=10 * S - 1),
        calendar=None,
    )


def test_marks_disagree_among_those_who_have_no_lit_price() -> None:
    lit, rfq, belief = MarkSource.LIT_TRADE, MarkSource.RFQ_PRINT, MarkSource.BELIEF
    opening = [(0, dealer, 1000, lit) for dealer in range(3)]
    # From the sixth second on two of three mark 10 ticks apart, and the third, 500 off, at a lit trade.
    dark = [(6, 0, 990, rfq), (6, 1, 1000, belief), (6, 2, 500, lit)]
    found = transparency.unlit_marks(marked(*opening, *dark))
    assert found["unlit_time"] == pytest.approx(0.4)
    assert found["unlit_disagreement_pct"] == pytest.approx(0.4 * 100 * np.std([990, 1000], ddof=1) / 1000)


def test_marks_with_a_lit_price_and_those_of_one_dealer_do_not_count() -> None:
    lit, belief = MarkSource.LIT_MID, MarkSource.BELIEF
    found = transparency.unlit_marks(marked((0, 0, 1000, lit), (0, 1, 900, lit), (5, 0, 800, belief)))
    assert found == {"unlit_time": 0.0, "unlit_disagreement_pct": 0.0}


def verdict(disagreement: float, at_once: float, time_at_once: float) -> str:
    """Of the claim, with a mean disagreement of marks without a lit price under each regime, noisy over seeds."""
    noise = np.random.default_rng(1).uniform(0.5, 1.5, (40, 2))
    frames = {
        regime: pd.DataFrame({"unlit_time": time * noise[:, 0], "unlit_disagreement_pct": time * level * noise[:, 1]})
        for regime, level, time in (("none", disagreement, 0.01), ("immediate", at_once, time_at_once))
    }
    (row,) = transparency._rows(frames)
    return row.verdict


def test_the_claim_is_about_the_time_that_counts_and_not_how_much_of_it_there_is() -> None:
    assert verdict(0.05, at_once=0.02, time_at_once=0.01) == "holds"
    assert verdict(0.05, at_once=0.02, time_at_once=0.1) == "holds"
    assert verdict(0.05, at_once=0.05, time_at_once=0.001) == "fails"
    assert verdict(0.02, at_once=0.05, time_at_once=0.001) == "fails"
