"""A branch is its parent up to an instant, and another market from there on, which its log tells and holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from instants import GOLDEN
from typer.testing import CliRunner

from lob_sim import InputError, Run, ScenarioError, Simulation, State, load_scenario, open_run, run, verify
from lob_sim.cli.app import app
from lob_sim.log import RunHeader
from lob_sim.log.diff import diff
from lob_sim.log.venues import venues_of
from lob_sim.messages import NewOrder, Phase, Side
from lob_sim.report.data.headroom import headroom
from lob_sim.scenario import parse_scenario
from lob_sim.simulation.kernel import Kernel
from lob_sim.units import NS_PER_S
from lob_sim.venue.venues import Venues

AT_NS = 130 * NS_PER_S


@pytest.fixture(scope="module")
def parent() -> Run:
    return run(GOLDEN)


@pytest.fixture(scope="module")
def state() -> State:
    simulation = Simulation(GOLDEN)
    simulation.run_until(AT_NS)
    return simulation.state()


def _rows_before(log: Run, ts_ns: int) -> list[object]:
    return [row for row in log.messages() if row.ts_ns < ts_ns]


def _is_child(child: Run, parent: Run, at_ns: int = AT_NS) -> bool:
    """Whether the child is row for row its parent up to the instant, and whole."""
    assert verify(child).ok
    assert child.status == "complete"
    return _rows_before(child, at_ns) == _rows_before(parent, at_ns)


CHANGES = {
    "halt": ["instruments.corporate.lit.halt=40s"],
    "prints": ["instruments.treasury.rfq={transparency='delayed', delay='4s'}"],
    "slr": ["switches.slr=false"],
    "retreat": ["switches.retreat=false"],
    "marks": ["switches.prudent_marks=false", "agents.dealer_a.balance_sheet.marking_params.lit_fresh=1s"],
    "limit": ["agents.dealer_a.balance_sheet.constraints=[{kind='slr', params={minimum=0.01}}]"],
    "sale": [
        "agents.dealer_a.balance_sheet.liquidation=immediate",
        "agents.dealer_a.balance_sheet.liquidation_params={}",
    ],
    "params": ["agents.informed.params.size_lots=20"],
    "strategy": ["agents.informed.strategy=strategies.buy_and_hold:BuyAndHold", "agents.informed.params={}"],
}


def test_a_branch_with_nothing_changed_is_the_run(state: State, parent: Run) -> None:
    (same,) = state.branch({"none": []}).values()
    assert same.finish().digest == parent.digest


@pytest.mark.parametrize("name", CHANGES)
def test_a_branch_is_its_parent_up_to_the_instant_and_another_market_after_it(
    name: str, state: State, parent: Run
) -> None:
    child = state.branch({name: CHANGES[name]})[name].finish()
    assert _is_child(child, parent)
    assert child.digest != parent.digest
    found = diff(parent, child)
    assert all(row is None or row.ts_ns >= AT_NS for row in (found.first, found.second))


def test_from_a_branch_on_halts_last_as_long_as_it_says_and_a_halt_that_has_begun_does_not(parent: Run) -> None:
    halts = parent.table("phase_changed").query(f"phase == {int(Phase.HALTED)}")
    begin_ns = int(halts["ts_event_ns"].iloc[0])
    assert int(halts["until_ns"].iloc[0]) == begin_ns + 15 * NS_PER_S
    for at_ns, length_s in ((begin_ns, 40), (begin_ns + 1, 15)):
        simulation = Simulation(GOLDEN)
        simulation.run_until(at_ns)
        child = simulation.state().branch({"x": CHANGES["halt"]})["x"].finish()
        first = child.table("phase_changed").query(f"phase == {int(Phase.HALTED)}").iloc[0]
        assert first["until_ns"] - first["ts_event_ns"] == length_s * NS_PER_S
        assert verify(child).ok


def test_a_branch_after_what_is_due_at_its_instant_changes_what_comes_later_only(parent: Run) -> None:
    halts = parent.table("phase_changed").query(f"phase == {int(Phase.HALTED)}")
    begin_ns = int(halts["ts_event_ns"].iloc[0])
    simulation = Simulation(GOLDEN)
    simulation.run_until(begin_ns)
    simulation.step()
    assert simulation.now == begin_ns
    child = simulation.state().branch({"x": CHANGES["halt"]})["x"].finish()
    first = child.table("phase_changed").query(f"phase == {int(Phase.HALTED)}").iloc[0]
    assert first["until_ns"] - first["ts_event_ns"] == 15 * NS_PER_S
    assert verify(child).ok


def test_without_its_branch_a_log_does_not_verify(state: State) -> None:
    """The control: verification does ask under which rules the venues stood when."""
    child = state.branch({"x": CHANGES["halt"]})["x"].finish()
    assert not verify(child, _venues_without_branches).ok


def _venues_without_branches(header: RunHeader) -> Venues:
    return venues_of(msgspec.structs.replace(header, branches=()))


def test_shocks_to_come_may_change_and_past_ones_may_not(parent: Run) -> None:
    simulation = Simulation(GOLDEN)
    simulation.run_until("100.2s")
    state = simulation.state()
    at_ns = 100 * NS_PER_S + NS_PER_S // 5
    shocks = "shocks=[{instrument='corporate', at='100.5s', size=-0.02}, {instrument='treasury', at='3min', size=0.01}]"
    child = state.branch({"other": [shocks]})["other"].finish()
    assert _is_child(child, parent, at_ns)
    values = child.table("fair_value").query("is_shock")
    assert values["ts_event_ns"].tolist() == [100_500_000_000, 180 * NS_PER_S]
    simulation.run_until("121s")
    with pytest.raises(ScenarioError, match="are past"):
        simulation.state().branch({"other": ["shocks.0.size=-0.01"]})


def test_other_seeds_give_other_luck_from_the_instant_on_and_the_same_seed_the_same(state: State, parent: Run) -> None:
    several = state.branch({"none": [], "slr": CHANGES["slr"]}, seeds=[1, 2])
    assert list(several) == ["none-seed1", "none-seed2", "slr-seed1", "slr-seed2"]
    logs = {name: simulation.finish() for name, simulation in several.items()}
    assert all(_is_child(log, parent) for log in logs.values())
    # The seed of the run itself is another seed too: its streams begin anew.
    assert len({parent.digest, *(log.digest for log in logs.values())}) == 5
    again = state.branch({"none": []}, seeds=[2])["none-seed2"].finish()
    assert again.digest == logs["none-seed2"].digest
    # Branches of one seed share what is outside the market: fair values are the same in both.
    one, two = (logs[name].table("fair_value").drop(columns="seq") for name in ("none-seed1", "slr-seed1"))
    assert one.equals(two)


def test_a_branch_of_a_branch_and_both_once_more_from_their_header(state: State, parent: Run) -> None:
    child = state.branch({"x": CHANGES["slr"]}, seeds=[5])["x-seed5"]
    child.run_until("150s")
    child.step()
    grandchild = child.state().branch({"y": CHANGES["halt"] + CHANGES["params"]})["y"].finish()
    assert len(grandchild.header.branches) == 2
    assert _is_child(grandchild, parent)
    assert Simulation.again(grandchild.header).finish().digest == grandchild.digest


def test_a_new_strategy_starts_at_the_instant_and_its_predecessor_is_never_woken_again(state: State) -> None:
    child = state.branch({"x": CHANGES["strategy"]})["x"].finish()
    informed = [agent.agent_id for agent in child.header.agents if agent.group == "informed"]
    orders = child.table("new_order").query(f"agent_id in {informed}")
    assert len(orders)
    # What had left before the instant still arrives: it is milliseconds on its way.
    assert orders["ts_sent_ns"].max() < AT_NS


@pytest.mark.parametrize("regime", ["{transparency='none'}", "{transparency='immediate'}", "{}"])
def test_rfq_trades_are_published_as_the_regime_was_when_they_were_made(regime: str) -> None:
    simulation = Simulation(load_scenario(GOLDEN, ["instruments.treasury.rfq={transparency='delayed', delay='20s'}"]))
    simulation.run_until(AT_NS)
    state = simulation.state()
    changes = {
        "other": [f"instruments.treasury.rfq={regime}"],
        "sooner": ["instruments.treasury.rfq={transparency='delayed', delay='1s'}"],
    }
    logs = {name: branch.finish() for name, branch in state.branch(changes).items()}
    horizon_ns = simulation.horizon
    expected = {"other": 0 if "immediate" in regime else None, "sooner": NS_PER_S}
    for name, log in logs.items():
        assert verify(log).ok
        trades = log.table("rfq_traded").query("instrument_id == 1").set_index("trade_id")["ts_event_ns"]
        prints = log.table("rfq_print").query("instrument_id == 1").set_index("trade_id")["ts_event_ns"]
        later = expected[name]
        due = {
            trade: ts_ns + (20 * NS_PER_S if ts_ns < AT_NS else later)
            for trade, ts_ns in trades.items()
            if ts_ns < AT_NS or later is not None
        }
        assert prints.to_dict() == {trade: ts_ns for trade, ts_ns in due.items() if ts_ns < horizon_ns}
        assert any(trades < AT_NS)
        assert any(trades >= AT_NS)
        assert prints.is_monotonic_increasing


def test_forgotten_calls_come_to_nothing_and_others_do() -> None:
    kernel = Kernel()
    heard: list[str] = []

    def first(call: object) -> None:
        heard.append("first")

    def second(call: object) -> None:
        heard.append("second")

    kernel.call_in(5, first, (0, 1))
    kernel.call_in(5, first, (1, 1))
    kernel.call_in(6, second)
    kernel.forget(first, 1)
    kernel.run_until(10)
    assert heard == ["first", "second"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("agents.informed.count=2", r"agents\.informed\.count: would have changed the past"),
        ("agents.informed.cash=500", r"agents\.informed\.cash: would have changed the past"),
        ("instruments.corporate.tick_size=0.02", r"instruments\.corporate\.tick_size: would have changed the past"),
        ("instruments.corporate.lit.batch_interval=5s", "batch_interval: would have changed the past"),
        ("horizon=5min", "horizon: would have changed the past"),
        ("seed=3", "seed: would have changed the past"),
        ("switches.toxicity=false", r"switches\.toxicity: is settled when the market opens"),
        ("agents.informed.strategy=strategies.fixed_spread:FixedSpreadDealer", "agents.informed"),
        ("agents.informed.params.no_such=1", "no_such"),
        ("agents.nobody.count=2", "nobody"),
        ("agents.dealer_a.balance_sheet.constraints=[{kind='none'}]", "none"),
        ("agents.dealer_a.balance_sheet.constraints=[{kind='slr', params={minimum=-1}}]", "minimum"),
        ("halt", "expected path=value"),
    ],
)
def test_what_a_branch_cannot_change_is_refused_by_name_and_nothing_is_written(
    change: str, told: str, state: State, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        state.branch({"fine": [], "not": [change]}, out=tmp_path / "out")
    assert not (tmp_path / "out/not").exists()


def test_a_report_asks_the_limits_that_were_on_when(state: State, parent: Run) -> None:
    child = state.branch({"x": CHANGES["limit"]})["x"].finish()
    before, after = (headroom(log).query("constraint == 'slr'") for log in (parent, child))
    past = [table[table["ts_event_ns"] < AT_NS].reset_index(drop=True) for table in (before, after)]
    assert len(past[0])
    assert past[0].equals(past[1])
    # At the next look the sheets are nearly the same, and a minimum of 1% instead of 5% leaves far more room.
    dealer = next(agent.agent_id for agent in child.header.agents if agent.name == "dealer_a-1")
    (spec,) = (group for group in parse_scenario(child.header.scenario).agents if group.name == "dealer_a")
    assert spec.balance_sheet is not None
    mark_interval_ns = spec.balance_sheet.mark_interval
    own = after[after["agent_id"] == dealer]
    last, first = own[own["ts_event_ns"] < AT_NS]["headroom"].iloc[-1], own[own["ts_event_ns"] >= AT_NS].iloc[0]
    assert AT_NS <= first["ts_event_ns"] <= AT_NS + mark_interval_ns
    assert first["headroom"] > last + 1e9


# --- the command -----------------------------------------------------------------------------------------------
def _invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_branches_a_run_and_a_state_and_the_log_is_one_run(
    state: State, parent: Run, tmp_path: Path
) -> None:
    _invoke("run", GOLDEN, "--out", tmp_path / "run")
    _invoke("branch", tmp_path / "run", "--at", "130s", "--out", tmp_path / "none")
    assert open_run(tmp_path / "none").digest == parent.digest
    change = ("--set", *CHANGES["halt"], "--seed", 7)
    _invoke("branch", tmp_path / "run", "--at", "130s", *change, "--out", tmp_path / "a")
    state.save(tmp_path / "state")
    _invoke("branch", "--state", tmp_path / "state", *change, "--out", tmp_path / "b")
    a, b = open_run(tmp_path / "a"), open_run(tmp_path / "b")
    assert a.digest == b.digest != parent.digest
    assert _is_child(a, parent)
    assert "complete" in _invoke("replay", tmp_path / "a", "--verify")
    _invoke("rerun", tmp_path / "a", "--out", tmp_path / "again")
    assert open_run(tmp_path / "again").digest == a.digest
    _invoke("report", tmp_path / "a", "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["RUN"], "expected the instant"),
        (["RUN", "--at", "5min"], "beyond the horizon"),
        (["RUN", "--at", "soon"], "time"),
        (["RUN", "--at", "1min", "--set", "agents.informed.count=2"], "would have changed the past"),
        (["--at", "1min"], "a run directory or --state"),
        (["RUN", "--state", "x"], "a run directory or --state"),
        (["--state", "missing"], "cannot be read"),
    ],
)
def test_bad_input_to_the_command_is_told_and_nothing_is_written(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    run(load_scenario(GOLDEN, ["horizon=125s"]), out=tmp_path / "run")
    given = [str(tmp_path / "run") if each == "RUN" else each for each in arguments]
    with pytest.raises(InputError, match=told):
        CliRunner().invoke(app, ["branch", *given, "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


def test_a_run_in_which_somebody_outside_acted_is_branched_from_a_state_alone(tmp_path: Path) -> None:
    scenario = load_scenario(
        GOLDEN, ["agents.informed.strategy=strategies.outside:Outside", "agents.informed.params={}"]
    )
    with Simulation(scenario, out=tmp_path / "run") as simulation:
        simulation.finish()
    _invoke("rerun", tmp_path / "run", "--out", tmp_path / "quiet")  # nobody has said anything
    with Simulation(scenario, out=tmp_path / "said") as simulation:
        simulation.run_until("1min")
        simulation.inject(NewOrder(0, simulation.agents["informed-1"].agent_id, 0, Side.BUY, 1, 9_000))
        simulation.finish()
    for command in (["rerun"], ["branch", "--at", "2min"]):
        arguments = [*command, str(tmp_path / "said"), "--out", str(tmp_path / "out")]
        with pytest.raises(InputError, match="came from outside the simulation, by informed-1"):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
