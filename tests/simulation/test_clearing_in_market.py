"""Swaps between agents in a market, cleared and not: margin, settlement, and a failure that others bear."""

from __future__ import annotations

from typing import Any

import pytest
from sim_helpers import MemoryLog, S, group, instrument, run, scenario

from lob_sim import run as run_logged
from lob_sim.errors import ScenarioError
from lob_sim.messages import (
    BalanceSheetRecord,
    CounterpartyFailed,
    DealerDefaulted,
    DefaultWaterfall,
    MarginSettled,
    SheetCause,
)
from lob_sim.replay.verification import verify
from lob_sim.scenario import Scenario, changed_scenario, parse_scenario, scenario_to_dict
from lob_sim.simulation.world import World

DAYS = {"day": "100s", "session": "80s"}
CLEARING = {"default_fund": 0.2, "own_capital": 500.0, "assessment": 1.0}


def bank(name: str, cash: int = 20_000) -> dict[str, Any]:
    return group(name, "strategies.buy_and_hold:BuyAndHold", cash=cash, balance_sheet={"other_assets": 1})


def swap(long: str, short: str, amount: int = 100) -> dict[str, Any]:
    return {"instrument": "bond", "long": f"{long}-1", "short": f"{short}-1", "amount": amount, "initial_margin": 0.02}


def market(size: float, weak: int = 20_000, **fields: Any) -> Scenario:
    """The dealer in the middle is long 100 with ``a`` and short 60 with ``b`` and 30 with ``c``; then value jumps."""
    swaps = [swap("middle", "a"), swap("b", "middle", 60), swap("c", "middle", 30)]
    shocks = [{"instrument": "bond", "at": "40s", "size": size}]
    banks = [bank("a", weak), *(bank(name) for name in ("b", "c", "middle"))]
    return scenario(banks, [instrument(price=1_000)], "3 days", calendar=DAYS, shocks=shocks, swaps=swaps, **fields)


def names(world: World) -> dict[int, str]:
    return {host.agent_id: host.group for host in world.hosts}


@pytest.mark.parametrize(("clearing", "posted"), [(None, 190), (CLEARING, 10)])
def test_margin_is_on_gross_positions_or_on_the_net_one(clearing: Any, posted: int) -> None:
    log, world = run(market(0.0, clearing=clearing))
    opening = {names(world)[s.agent_id]: s for s in log.of(BalanceSheetRecord) if s.cause is SheetCause.OPENING}
    share = 0.02 * (1.2 if clearing else 1.0)
    # Other assets are one unit, margin, and the contribution to the default fund.
    assert opening["middle"].other_assets_cash == 1 + posted * 1_000 * share
    assert opening["a"].other_assets_cash == 1 + 100 * 1_000 * share
    assert {s.tier1_cash for s in opening.values()} == {20_001}


@pytest.mark.parametrize(
    ("overlays", "posted"),
    [
        ([], {"a": 2_000, "b": 1_200, "c": 600, "middle": 3_800}),
        # Of the middle 10 are left; everybody adds a tenth of its margin for the default fund.
        (["clearing"], {"a": 2_200, "b": 1_320, "c": 660, "middle": 220}),
    ],
)
def test_the_packaged_overlay_nets_what_each_has_with_all(overlays: list[str], posted: dict[str, int]) -> None:
    log, world = run(changed_scenario(scenario_to_dict(market(0.0)), overlays, (), "market"))
    opening = [sheet for sheet in log.of(BalanceSheetRecord) if sheet.cause is SheetCause.OPENING]
    assert {names(world)[sheet.agent_id]: sheet.other_assets_cash - 1 for sheet in opening} == posted


@pytest.mark.parametrize("clearing", [None, CLEARING])
def test_variation_margin_is_a_zero_sum(clearing: Any) -> None:
    log, world = run(market(0.01, clearing=clearing))
    first = {names(world)[m.agent_id]: m.variation_cash for m in log.of(MarginSettled) if m.ts_event_ns == 100 * S}
    # A rise of 10: who is long 100 against 90 gains 100.
    assert first == {"a": -1_000, "b": 600, "c": 300, "middle": 100}
    cash = {host.group: host.account.cash for host in world.hosts}
    assert sum(cash.values()) + sum(m.posted_cash for m in log.of(MarginSettled)[-4:]) + (
        0 if clearing is None else int(0.2 * (2_000 + 1_200 + 600 + 200))
    ) == 4 * 20_000  # fmt: skip
    spec = market(0.01, clearing=clearing)
    assert parse_scenario(scenario_to_dict(spec)) == spec
    assert verify(run_logged(spec)).ok


def tier1(log: MemoryLog, world: World) -> dict[str, int]:
    found = {names(world)[s.agent_id]: s.tier1_cash for s in log.of(BalanceSheetRecord)}
    return {name: amount - 20_001 for name, amount in found.items() if name != "a"}


def test_without_clearing_the_counterparty_bears_the_failure_alone() -> None:
    # A rise of 100 costs ``a`` 10,000; it has 4,001, of which 2,000 are margin with its counterparty.
    log, world = run(market(0.1, weak=4_000))
    assert [names(world)[d.agent_id] for d in log.of(DealerDefaulted)] == ["a"]
    (told,) = log.of(CounterpartyFailed)
    assert (names(world)[told.to_id], told.loss_cash) == ("middle", 10_000 - 2_000)
    # The dealer in the middle owes its gains to the others and has lost what they came from: 1,000 - 8,000.
    assert tier1(log, world) == {"b": 6_000, "c": 3_000, "middle": 1_000 - 8_000}
    for desk in world.desks.values():
        desk.sheet.check()
    # The control: with capital nobody fails and everybody has his gain.
    log, world = run(market(0.1))
    assert log.of(DealerDefaulted) == []
    assert tier1(log, world) == {"b": 6_000, "c": 3_000, "middle": 1_000}


def test_with_clearing_the_survivors_bear_it_together_up_to_what_they_agreed() -> None:
    log, world = run(market(0.1, weak=4_000, clearing=CLEARING))
    assert [names(world)[d.agent_id] for d in log.of(DealerDefaulted)] == ["a"]
    (borne,) = log.of(DefaultWaterfall)
    # Margin of 2,000; its own contribution of 400; capital of 500; contributions of 240 + 120 + 40, and as much again.
    assert borne.loss_cash == 8_000
    assert (borne.defaulter_cash, borne.own_capital_cash) == (400, 500)
    assert (borne.contributions_cash, borne.assessed_cash, borne.uncovered_cash) == (400, 400, 6_300)
    assert tier1(log, world) == {"b": 6_000 - 480, "c": 3_000 - 240, "middle": 1_000 - 80}
    for desk in world.desks.values():
        desk.sheet.check()
    assert verify(run_logged(market(0.1, weak=4_000, clearing=CLEARING))).ok


def test_swaps_that_do_not_fit_are_refused_by_their_field() -> None:
    def refused(**changes: Any) -> str:
        swaps = [swap("a", "b") | changes]
        with pytest.raises(ScenarioError) as raised:
            World(scenario([bank("a"), bank("b")], [instrument(price=1_000)], swaps=swaps), 1, MemoryLog())
        return str(raised.value)

    assert refused(long="x-1").startswith("swaps[0].long: no agent with a balance sheet named 'x-1'")
    assert refused(instrument="gold").startswith("swaps[0].instrument")
    assert refused(short="a-1").startswith("swaps[0]: short")
    assert refused(amount=0.5).startswith("swaps[0].amount")
    assert "expected cash of at least the initial margin" in refused(amount=2_000)
    two = [swap("a", "b"), swap("a", "b") | {"initial_margin": 0.03}]
    with pytest.raises(ScenarioError, match=r"swaps\[1\]: expected the margin of the other swaps"):
        scenario([bank("a"), bank("b")], swaps=two)
    with pytest.raises(ScenarioError, match="clearing: expected swaps"):
        scenario([bank("a")], clearing=CLEARING)
