"""Funding: haircuts, loans that are refused or called; funds and their investors."""

from __future__ import annotations

import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.log import Run
from lob_sim.report.data.sheets import balance_sheets

SQUEEZES = {"loan_refused": "loan not rolled", "margin_called": "margin call"}
"""Datasets of what lenders do to a borrower, and how it is called."""


def haircuts(run: Run, instrument_id: int) -> pd.DataFrame:
    """The lowest haircut at which any lender would lend anew to each borrower: ``ts_event_ns``, ``agent_id``,
    ``haircut_pct``.

    A lender's haircut is that of its opening loans (``loan_borrowed``) until it says another (``haircut_changed``). A
    row for each change. Empty where nobody lends.
    """
    said = [run.table(name).assign(is_new=name == "haircut_changed") for name in ("loan_borrowed", "haircut_changed")]
    columns = ["seq", "ts_event_ns", "borrower_id", "lender_id", "instrument_id", "is_new", "haircut"]
    wanted = of(pd.concat([table[columns] for table in said]).sort_values("seq"), instrument_id)
    rows: list[tuple[int, int, float]] = []
    offers: dict[int, dict[int, float]] = {}
    last: dict[int, float] = {}
    for row in wanted[["ts_event_ns", "borrower_id", "lender_id", "is_new", "haircut"]].itertuples(index=False):
        ts_ns, agent_id, lender_id, is_new, haircut = row
        by_lender = offers.setdefault(agent_id, {})
        if is_new:
            by_lender[lender_id] = haircut
        else:
            by_lender.setdefault(lender_id, haircut)
        lowest = min(by_lender.values())
        if last.get(agent_id) != lowest:
            last[agent_id] = lowest
            rows.append((ts_ns, agent_id, 100 * lowest))
    return pd.DataFrame(rows, columns=["ts_event_ns", "agent_id", "haircut_pct"])


def borrowing(run: Run) -> pd.DataFrame:
    """What each balance sheet owes, in currency units: ``ts_event_ns``, ``agent_id``, ``repo``, ``short_term``,
    ``due``. Of the records in which one of them changed."""
    sheets = balance_sheets(run)[["ts_event_ns", "agent_id", "repo", "short_term", "due"]]
    own = sheets.groupby("agent_id")[["repo", "short_term", "due"]]
    return sheets[(own.diff().fillna(1) != 0).any(axis=1)].reset_index(drop=True)


def squeezes(run: Run) -> pd.DataFrame:
    """Loans that lenders would not roll and margin calls: ``ts_event_ns``, ``seq``, ``agent_id`` (the borrower),
    ``lender_id``, ``instrument_id``, ``kind`` in words, ``amount`` in currency units."""
    tables = [run.table(name, money=True).assign(kind=kind) for name, kind in SQUEEZES.items()]
    table = pd.concat(tables).sort_values("seq", ignore_index=True).rename(columns={"borrower_id": "agent_id"})
    return table[["ts_event_ns", "seq", "agent_id", "lender_id", "instrument_id", "kind", "amount"]]


def redemptions(run: Run) -> pd.DataFrame:
    """What investors ask back from funds, in currency units: ``ts_event_ns``, ``seq``, ``agent_id``, ``nav``,
    ``redeemed``, ``to_raise`` (the part for which assets must be sold)."""
    return run.table("redemption", money=True)[["ts_event_ns", "seq", "agent_id", "nav", "redeemed", "to_raise"]]


def fund_values(run: Run) -> pd.DataFrame:
    """Net asset value of each fund: ``ts_event_ns``, ``agent_id``, ``nav`` in currency units, which is the Tier 1 of
    its balance sheet. Funds are the agents whose scenario gives them investors, or from whom somebody has redeemed."""
    groups = {
        group["name"]
        for group in run.header.scenario.get("agents", [])
        if (group.get("balance_sheet") or {}).get("redemptions")
    }
    funds = {agent.agent_id for agent in run.header.agents if agent.group in groups}
    funds |= set(run.table("redemption")["agent_id"])
    sheets = balance_sheets(run)
    own = sheets[sheets["agent_id"].isin(funds)]
    return own[["ts_event_ns", "agent_id", "tier1"]].rename(columns={"tier1": "nav"}).reset_index(drop=True)
