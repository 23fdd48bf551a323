"""Withdrawals and standing quotes, from records written by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from lob_sim.analysis.liquidity import spread_parts
from lob_sim.analysis.summary import fear_withdrawals, lit_quotes
from lob_sim.messages import WithdrawalCause

FEAR, APPETITE, SELLING = (
    WithdrawalCause.ADVERSE_SELECTION,
    WithdrawalCause.RISK_APPETITE,
    WithdrawalCause.FORCED_SALE,
)


class Tables:
    """What the measures ask of a run."""

    def __init__(self, **tables: pd.DataFrame) -> None:
        self.tables = tables

    def table(self, name: str) -> pd.DataFrame:
        return self.tables[name]


def withdrawals(*records: tuple[int, int, int, WithdrawalCause | None]) -> int:
    """Records are (seq, agent, instrument, cause); no cause is a return."""
    columns = ["seq", "agent_id", "instrument_id", "cause"]
    rows = pd.DataFrame(records, columns=columns)
    left = rows[rows["cause"].notna()].astype({"cause": int})
    run: Any = Tables(**{"retreat": left, "return": rows[rows["cause"].isna()][columns[:3]]})
    return fear_withdrawals(run)


@pytest.mark.parametrize(
    ("records", "count"),
    [
        ([(1, 1, 0, FEAR)], 1),
        ([(1, 1, 0, FEAR), (2, 1, 0, APPETITE), (3, 1, 0, FEAR)], 1),
        ([(1, 1, 0, FEAR), (2, 1, 0, None), (3, 1, 0, APPETITE)], 2),
        ([(1, 1, 0, SELLING), (2, 1, 0, FEAR), (3, 1, 0, SELLING), (4, 1, 0, FEAR)], 1),
        ([(1, 1, 0, SELLING), (2, 1, 0, None), (3, 1, 0, SELLING)], 0),
        ([(1, 1, 0, FEAR), (2, 2, 0, None), (3, 1, 0, FEAR)], 1),
        ([(1, 1, 0, FEAR), (2, 1, 1, FEAR), (3, 2, 0, FEAR)], 3),
    ],
)
def test_an_absence_counts_once_if_fear_is_among_its_causes(records: list[Any], count: int) -> None:
    assert withdrawals(*records) == count


def quotes_of(*records: tuple[int, int, int, int]) -> pd.DataFrame:
    """Records are (time, agent, bid, ask); all of the spread is processing."""
    rows = []
    for ts_ns, agent_id, bid, ask in records:
        parts = {f"{side}_{p}_uticks": 0 for side in ("bid", "ask") for p in ("adverse", "inventory", "rounding")}
        half = {f"{side}_processing_uticks": (ask - bid) * 500_000 for side in ("bid", "ask")}
        rows.append(
            {"ts_event_ns": ts_ns, "agent_id": agent_id, "instrument_id": 0, "rfq_id": 0, "bid_ticks": bid}
            | {"ask_ticks": ask, "mean_uticks": 0}
            | parts
            | half
        )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("default_ns", "spread"), [(None, 6.0), (50, (50 * 10 + 100 * 2) / 150)])
def test_a_failed_dealers_quote_does_not_stand(default_ns: int | None, spread: float) -> None:
    failed = pd.DataFrame({"agent_id": [1], "ts_event_ns": [default_ns]}).dropna().astype(int)
    run: Any = Tables(quote=quotes_of((0, 1, 95, 105), (0, 2, 99, 101)), dealer_defaulted=failed)
    standing = lit_quotes(run, 0)
    assert spread_parts(standing, 0, 100)["spread"] == pytest.approx(spread)
    assert len(standing) == (2 if default_ns is None else 3)
