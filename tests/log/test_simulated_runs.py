"""Whole simulations: run, log, verify, export, import and repeat, on random scenarios and a packaged one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lob_sim.feeds.lobster import read_lobster
from lob_sim.feeds.lobster_export import export_lobster
from lob_sim.feeds.lobster_replay import LobsterReplay
from lob_sim.log import open_run
from lob_sim.log.diff import diff
from lob_sim.log.venues import venues_of
from lob_sim.messages import Trade
from lob_sim.replay import verify
from lob_sim.replay.history import flow_of_run
from lob_sim.running import run
from lob_sim.scenario import LitSpec, Scenario, load_scenario
from lob_sim.testing.generators import scenarios
from lob_sim.units import NS_PER_S

LIT_RULES = st.sampled_from(
    [
        LitSpec(),
        LitSpec(opening_auction=3 * NS_PER_S, closing_auction=2 * NS_PER_S),
        LitSpec(price_band=0.02, halt=2 * NS_PER_S),
        LitSpec(batch_interval=NS_PER_S),
        LitSpec(batch_interval=NS_PER_S, price_band=0.005, halt=3 * NS_PER_S),
    ]
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenario=scenarios(seconds=20), lit=LIT_RULES, seed=st.integers(0, 1000))
def test_a_random_scenario_goes_all_the_way_round(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario, lit: LitSpec, seed: int
) -> None:
    (bond,) = scenario.instruments
    scenario = msgspec.structs.replace(scenario, instruments=[msgspec.structs.replace(bond, lit=lit)])
    folder = tmp_path_factory.mktemp("round")
    logged = run(scenario, seed, folder / "run")
    checked = verify(open_run(folder / "run"))
    assert checked.ok, checked
    assert checked.status == "complete"
    assert diff(run(scenario, seed), logged).same

    messages, _ = export_lobster(logged, folder / "lobster", levels=50)
    day = read_lobster(messages)
    replay = LobsterReplay(day)
    assert replay.run().exact, replay.report
    ticks = replay.price_unit // 100
    last = logged.book()
    for mine, original in zip(replay.engine.book.depth(50), (last.bids, last.asks), strict=True):
        assert [(p * ticks, q) for p, q, _ in mine] == [(p, q) for p, q, _ in original[:50]]

    flow = flow_of_run(logged)
    engine = venues_of(logged.header).books[0]
    trades = [e for ts_ns, command in flow for e in engine.process(command, ts_ns) if isinstance(e, Trade)]
    assert trades == [row.message for row in logged.messages(Trade)]


def test_the_packaged_market_is_verified_with_its_rfqs_auctions_and_bands() -> None:
    scenario = load_scenario("dealer_market", ["horizon=3min"])
    first, second = run(scenario, 1), run(scenario, 2)
    checked = verify(first)
    assert checked.ok, checked
    assert first.counts["rfq_traded"] > 0
    compared = diff(first, second)
    assert not compared.same
    assert [change.what for change in compared.inputs] == ["seed_entropy"]
    changed = run(load_scenario("dealer_market", ["horizon=3min", "agents.dealer.count=5"]), 1)
    inputs = {change.what: (change.first, change.second) for change in diff(first, changed).inputs}
    assert inputs["scenario.agents.dealer.count"] == (6, 5)
