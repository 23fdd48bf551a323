"""Funding: haircuts, loans that are refused or called; funds and their investors."""

from __future__ import annotations

import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.log import Run
from lob_sim.messages import FundingKind
from lob_sim.report.data.common import money_unit
from lob_sim.report.data.sheets import balance_sheets

KINDS = {
    FundingKind.REFUSED: "loan not rolled",
    FundingKind.MARGIN_CALL: "margin call",
    FundingKind.HAIRCUT_CHANGED: "haircut changed",
    FundingKind.BORROWED: "borrowed",
    FundingKind.REPAID: "repaid",
    FundingKind.ROLLED: "rolled",
    FundingKind.PLEDGED: "collateral pledged",
    FundingKind.REQUESTED: "loan requested",
}


def haircuts(run: Run, instrument_id: int) -> pd.DataFrame:
    """The lowest haircut at which any lender would lend anew to each borrower: ``ts_event_ns``, ``agent_id``,
    ``haircut_pct``.

    A lender's haircut is that of its opening loans until it says another (``HAIRCUT_CHANGED`` in the ``funding``
    dataset). A row for each change. Empty where nobody lends.
    """
    funding = of(run.table("funding"), instrument_id)
    kinds = (int(FundingKind.BORROWED), int(FundingKind.HAIRCUT_CHANGED))
    rows: list[tuple[int, int, float]] = []
    offers: dict[int, dict[int, float]] = {}
    last: dict[int, float] = {}
    wanted = funding[funding["kind"].isin(kinds)]
    for row in wanted[["ts_event_ns", "agent_id", "lender_id", "kind", "haircut"]].itertuples(index=False):
        ts_ns, agent_id, lender_id, kind, haircut = row
        by_lender = offers.setdefault(agent_id, {})
        if kind == FundingKind.HAIRCUT_CHANGED:
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
    funding = run.table("funding")
    squeezed = funding[funding["kind"].isin((int(FundingKind.REFUSED), int(FundingKind.MARGIN_CALL)))]
    table = squeezed[["ts_event_ns", "seq", "agent_id", "lender_id", "instrument_id"]].copy()
    table["kind"] = [KINDS[FundingKind(kind)] for kind in squeezed["kind"]]
    table["amount"] = squeezed["amount_cash"] * money_unit(run)
    return table.reset_index(drop=True)


def redemptions(run: Run) -> pd.DataFrame:
    """What investors ask back from funds, in currency units: ``ts_event_ns``, ``seq``, ``agent_id``, ``nav``,
    ``redeemed``, ``to_raise`` (the part for which assets must be sold)."""
    table, unit = run.table("redemption"), money_unit(run)
    columns = {"nav": "nav_cash", "redeemed": "redeemed_cash", "to_raise": "to_raise_cash"}
    keys = {name: table[name] for name in ("ts_event_ns", "seq", "agent_id")}
    return pd.DataFrame({**keys, **{name: table[column] * unit for name, column in columns.items()}})


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
