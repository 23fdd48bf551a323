"""Random balance sheets and shocks in the running market: exact books, no short sale, nothing created."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from market_helpers import agent_id, dealer, desk_of, maker, market, run

from lob_sim.messages import Event, OrderFilled, RfqTraded

M = 1_000_000
LENDER: dict[str, Any] = {
    "name": "lender",
    "strategy": "strategies.repo_lender:RepoLending",
    "count": 2,
    "params": {
        "schedules": {
            "treasury": {"base": 0.02, "per_volatility": 50.0, "per_leverage": 0.002, "maximum": 0.5},
            "corporate": {"base": 0.05, "per_volatility": 50.0, "per_leverage": 0.002},
        },
        "term": "30s",
        "interval": "10s",
        "refuse_above_leverage": 60.0,
        "limit": 150 * M,
    },
}
INFORMED: dict[str, Any] = {
    "name": "informed",
    "strategy": "strategies.informed:InformedTrader",
    "sees_fair_value": True,
    "params": {"mean_interval": "1s", "size_lots": 20},
}

TRADERS: dict[str, Any] = {
    "name": "trader",
    "strategy": "strategies.liquidity:LiquidityTraders",
    "params": {"traders": 60, "mean_interval": "60s", "rfq_share": 0.2},
}

amounts = st.integers(0, 120).map(lambda x: x * M)
constraints = st.lists(
    st.one_of(
        st.floats(0.01, 0.2).map(lambda m: {"kind": "slr", "params": {"minimum": m}}),
        st.floats(0, 5e6).map(lambda v: {"kind": "var", "params": {"limit": v}}),
        st.just({"kind": "funding"}),
        st.sampled_from([0, 20 * M]).map(lambda x: {"kind": "inventory", "params": {"limits": {"corporate": x}}}),
    ),
    max_size=3,
    unique_by=lambda c: str(c["kind"]),
)
sheets = st.fixed_dictionaries(
    {
        "constraints": constraints,
        "other_assets": amounts,
        "short_term_funding": amounts,
        "repo": st.fixed_dictionaries({"treasury": amounts, "corporate": amounts}),
        "haircuts": st.just({"treasury": 0.02, "corporate": 0.05}),
        "liquidation_sequence": st.sampled_from(["most_liquid_first", "cash_first", "pro_rata"]),
        "liquidation": st.sampled_from(["immediate", "twap", "participation", "book_watching"]),
        "opening_volatility": st.just({"treasury": 0.001, "corporate": 0.002}),
        "volatility_interval": st.just("10s"),
        "sale_patience": st.just("20s"),
        "disclosure_interval": st.just("10s"),
        "runnable_share": st.sampled_from([0.0, 0.5, 1.0]),
        "maturity_buckets": st.integers(1, 3),
        "resolution_horizon": st.sampled_from(["0s", "20s"]),
        "redemptions": st.none(),
    }
)
holdings = st.fixed_dictionaries({"treasury": amounts, "corporate": amounts})


@settings(max_examples=25, deadline=None)
@given(sheets, amounts, holdings, st.floats(-0.5, 0.1), st.integers(0, 3), st.booleans(), st.booleans())
def test_books_hold_whatever_happens(
    sheet: dict[str, Any],
    cash: int,
    held: dict[str, int],
    shock: float,
    seed: int,
    quotes: bool,
    has_lenders: bool,
) -> None:
    # A loan is at most what it is against; insolvency from the start is one of the things that may happen.
    loans = {name: min(loan, held[name]) for name, loan in sheet["repo"].items()}
    group = dealer("prime", {**sheet, "repo": loans, "allow_insolvent": True}, cash=cash, holdings=held)
    if quotes:
        group["strategy"] = "strategies.fixed_spread:FixedSpreadDealer"
    fund_sheet = {"constraints": [], "redemptions": {"beta": 20.0, "interval": "15s"}}
    fund = dealer("fund", fund_sheet, cash=cash, holdings=held)
    scenario = market(
        maker(size_lots=20, lean=0.05),
        TRADERS,
        group,
        fund,
        INFORMED,
        *([LENDER] if has_lenders else []),
        horizon="90s",
        shocks=[{"instrument": "corporate", "at": "20s", "size": shock}],
    )
    world, log = run(scenario, seed)  # the auditor checks every balance sheet that is logged
    for name in ("prime-1", "fund-1"):
        number = agent_id(world, name)
        desk, host = desk_of(world, number), world.hosts[number]
        desk.sheet.check()
        assert desk.sheet.cash == host.account.cash
        assert desk.sheet.lots == host.account.positions
        lots = _never_oversold(log.events, number, list(world.members[number].lots))
        assert lots == world.ledger.positions[number]
    world.ledger.check()


def _never_oversold(events: list[Event], number: int, lots: list[int]) -> list[int]:
    """Replays the agent's trades: at no time has it sold more than it held."""
    for event in events:
        if isinstance(event, OrderFilled) and event.agent_id == number:
            lots[event.instrument_id] += event.side * event.qty_lots
        elif isinstance(event, RfqTraded) and number in (event.agent_id, event.dealer_id):
            sign = event.side if event.agent_id == number else -event.side
            lots[event.instrument_id] += sign * event.qty_lots
        assert min(lots) >= 0
    return lots
