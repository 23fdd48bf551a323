"""A run that is stopped, kept, loaded in another process and finished is the run that was never stopped."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import msgspec
import pytest
from instants import FLAGSHIP, GOLDEN, STRATEGIES, finished_elsewhere, kept_at, market_with, random_market_with

from lob_sim import DataError, InputError, OutputError, Simulation, State, load_scenario, run
from lob_sim.fingerprint import state_versions
from lob_sim.log import Run
from lob_sim.messages import Phase
from lob_sim.units import NS_PER_S

MARKETS = {"flagship": str(FLAGSHIP), "dealer_market": "dealer_market", "golden": str(GOLDEN)}


def _random_instants(name: str, horizon_ns: int, n: int) -> list[int]:
    # The same instants in every run of the test, and others in every market.
    return [random.Random(f"{name}/{i}").randrange(horizon_ns) for i in range(n)]


def _require_same(paths: list[Path], whole: Run) -> None:
    assert paths
    assert finished_elsewhere(paths) == [whole.digest] * len(paths)


@pytest.mark.parametrize("name", MARKETS)
def test_a_run_kept_at_a_random_instant_and_finished_elsewhere_is_the_run(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(MARKETS[name])
    horizon_ns = min(scenario.horizon, 240 * NS_PER_S)
    shocks = [shock for shock in scenario.shocks if shock.at < horizon_ns]
    short = msgspec.structs.replace(scenario, horizon=horizon_ns, shocks=shocks)
    paths, whole = kept_at(short, _random_instants(name, short.horizon, 2), tmp_path, steps=3)
    assert whole.digest == run(short).digest
    _require_same(paths, whole)


@pytest.mark.validate
@pytest.mark.parametrize("name", MARKETS)
def test_fifty_random_instants(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(MARKETS[name])
    paths, whole = kept_at(scenario, _random_instants(name, scenario.horizon, 50), tmp_path, steps=1)
    assert whole.digest == run(scenario).digest
    _require_same(paths, whole)


def test_every_shipped_strategy_can_be_kept_and_goes_on_elsewhere_as_it_would_have(tmp_path: Path) -> None:
    paths, expected = [], []
    for strategy in STRATEGIES:
        kept, whole = kept_at(market_with(strategy), _random_instants(strategy, 60 * NS_PER_S, 1), tmp_path)
        paths += kept
        expected += [whole.digest] * len(kept)
    assert len(paths) == len(STRATEGIES)
    assert finished_elsewhere(paths) == expected


def _require_same_in_random_markets(strategy: str, numbers: range, folder: Path) -> None:
    paths, expected = [], []
    for number in numbers:
        market = random_market_with(strategy, number)
        kept, whole = kept_at(market, _random_instants(market.name, market.horizon, 1), folder)
        paths += kept
        expected.append(whole.digest)
    assert len(paths) == len(set(expected)) == len(numbers)
    assert finished_elsewhere(paths) == expected


@pytest.mark.parametrize("strategy", [STRATEGIES[0], STRATEGIES[-1]])
def test_a_few_random_markets_of_a_strategy(strategy: str, tmp_path: Path) -> None:
    _require_same_in_random_markets(strategy, range(2), tmp_path)


@pytest.mark.validate
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_thirty_random_markets_of_every_shipped_strategy(strategy: str, tmp_path: Path) -> None:
    _require_same_in_random_markets(strategy, range(30), tmp_path)


@pytest.mark.parametrize("hash_seed", [0, 1])
def test_in_the_middle_of_an_auction_a_halt_a_request_and_a_forced_sale(hash_seed: int, tmp_path: Path) -> None:
    scenario = load_scenario(GOLDEN)
    whole = run(scenario)
    phases = whole.table("phase_changed")
    halt_ns = int(phases[phases["phase"] == int(Phase.HALTED)]["ts_event_ns"].iloc[0]) + 1
    request_ns = int(whole.table("rfq_opened")["ts_event_ns"].iloc[0]) + 1
    sale_ns = int(whole.table("parent_order_opened")["ts_event_ns"].iloc[0]) + 1
    with Simulation(scenario) as simulation:
        for at_ns, phase in ((10 * NS_PER_S, Phase.AUCTION), (halt_ns, Phase.HALTED)):
            simulation.run_until(at_ns)
            assert simulation.books["corporate"].phase is phase
        simulation.run_until(sale_ns)
        assert any(sheet.is_selling for sheet in simulation.sheets.values())
    paths, again = kept_at(scenario, [10 * NS_PER_S, request_ns, halt_ns, sale_ns], tmp_path)
    assert len(paths) == 4
    assert again.digest == whole.digest
    assert finished_elsewhere(paths, hash_seed) == [whole.digest] * 4


def test_in_the_middle_of_a_default(tmp_path: Path) -> None:
    scenario = load_scenario(GOLDEN, ["shocks.0.size=-0.6"])
    simulation = Simulation(scenario)
    while not any(sheet.has_defaulted for sheet in simulation.sheets.values()):
        assert simulation.step()
    paths, whole = kept_at(scenario, [simulation.now + 1], tmp_path)
    _require_same(paths, whole)


def test_a_log_in_a_directory_goes_on_byte_for_byte_in_another(tmp_path: Path) -> None:
    scenario = load_scenario("dealer_market", ["horizon=15min"])
    with Simulation(scenario, out=tmp_path / "whole") as simulation:
        simulation.run_until("14min")
        state = simulation.state()
        state.save(tmp_path / "state")
        # The state must be of a log that is partly on disk.
        assert any((tmp_path / "whole/events").rglob("*.parquet"))
        simulation.finish()
    on = Simulation.load(tmp_path / "state", tmp_path / "on").finish()
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "on") for path in (tmp_path / "on").rglob("*") if path.is_file())
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "on" / file).read_bytes(), file
    assert on.status == "complete"


def test_a_log_in_memory_goes_on_in_memory_or_in_a_directory(tmp_path: Path) -> None:
    simulation = Simulation(GOLDEN)
    simulation.run_until("90s")
    state = simulation.state()
    whole = simulation.finish()
    assert Simulation.of(state).finish().digest == whole.digest
    assert Simulation.of(state, tmp_path / "run").finish().digest == whole.digest


def test_a_state_loaded_twice_is_two_markets() -> None:
    simulation = Simulation(GOLDEN)
    simulation.run_until("1min")
    state = simulation.state()
    first, second = Simulation.of(state), Simulation.of(state)
    first.run_until("3min")
    assert second.now == 60 * NS_PER_S
    assert second.finish().digest == first.finish().digest == run(GOLDEN).digest


def test_a_loaded_state_with_one_number_more_drawn_gives_another_run() -> None:
    """The control: what the tests above compare does depend on what was kept."""
    simulation = Simulation(GOLDEN)
    simulation.run_until("1min")
    other = Simulation.of(simulation.state())
    for host in other.world.hosts:
        for context in host._contexts:
            context.random.uniform()
    assert other.finish().digest != simulation.finish().digest


PLUGIN = """
from lob_sim import Strategy, NS_PER_S

class Ticker(Strategy):
    '''Counts.'''
    def __init__(self, params=None):
        super().__init__(params)
        self.ticks = 0
        {extra}
    def on_start(self, ctx):
        ctx.wake_in(NS_PER_S)
    def on_wake(self, ctx, tag):
        self.ticks += 1
        ctx.place(0, -1 if self.ticks % 2 else 1, 1, 50 + self.ticks)
        ctx.wake_in(NS_PER_S + int(ctx.random.uniform() * NS_PER_S))
"""
SCENARIO = """
name = "own"
horizon = "30s"
[[instruments]]
name = "bond"
tick_size = 1
lot_size = 1
initial_price = 100
[[agents]]
name = "own"
strategy = "ticker:Ticker"
"""


def _own_market(folder: Path, extra: str = "pass") -> Path:
    (folder / "ticker.py").write_text(PLUGIN.format(extra=extra))
    (folder / "own.toml").write_text(SCENARIO)
    return folder / "own.toml"


def test_a_users_own_strategy_is_loaded_again_where_the_state_is(tmp_path: Path) -> None:
    simulation = Simulation(_own_market(tmp_path))
    simulation.run_until("11s")
    simulation.state().save(tmp_path / "state")
    whole = simulation.finish()
    assert len(whole.table("new_order")) > 10
    assert finished_elsewhere([tmp_path / "state"]) == [whole.digest]


def test_a_strategy_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    simulation = Simulation(_own_market(tmp_path))
    state = simulation.state()
    state.save(tmp_path / "state")
    _own_market(tmp_path, "self.other = 1")
    with pytest.raises(AssertionError, match="has been changed since"):
        finished_elsewhere([tmp_path / "state"])


def test_what_does_not_pickle_is_named(tmp_path: Path) -> None:
    simulation = Simulation(_own_market(tmp_path, "self.open = (n for n in range(3))"))
    with pytest.raises(InputError, match=r"cannot be kept.*Ticker of agent 'own-1'.*must pickle"):
        simulation.state()
    assert simulation.finish().status == "complete"


# --- states that are none ----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    simulation = Simulation(GOLDEN)
    simulation.run_until("30s")
    simulation.state().save(folder / "state")
    return folder / "state"


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.9999])
def test_a_truncated_state_is_refused(share: float, kept: Path, tmp_path: Path) -> None:
    content = kept.read_bytes()
    (tmp_path / "short").write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"truncated|is not a state"):
        Simulation.load(tmp_path / "short", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_a_changed_byte_is_refused_before_anything_is_unpickled(share: float, kept: Path, tmp_path: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[int(share * len(content))] ^= 1
    (tmp_path / "changed").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        Simulation.load(tmp_path / "changed")


@pytest.mark.parametrize("key", ["lob_sim source", "python", "simpy"])
def test_a_state_of_another_version_is_refused_by_name(key: str, kept: Path, tmp_path: Path) -> None:
    state = State.read(kept)
    versions = {**state_versions(), key: "another"}
    other = state._replace(header=msgspec.structs.replace(state.header, versions=versions))
    other.save(tmp_path / "other")
    with pytest.raises(DataError, match=rf"another version of the program.*{key} another there"):
        Simulation.load(tmp_path / "other")


def test_other_files_are_no_states(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Simulation.load(tmp_path / "missing")
    with pytest.raises(DataError, match="is a folder"):
        Simulation.load(tmp_path)
    with pytest.raises(DataError, match="is not a state"):
        Simulation.load(GOLDEN)


def test_a_state_whose_log_is_gone_or_changed_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    with Simulation(load_scenario("dealer_market", ["horizon=15min"]), out=tmp_path / "run") as simulation:
        simulation.run_until("14min")
        state = simulation.state()
    with pytest.raises(InputError, match="going on needs a folder"):
        Simulation.of(state)
    part = next((tmp_path / "run/events").rglob("*.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(DataError, match="SHA-256 differs"):
        Simulation.of(state, tmp_path / "on")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(DataError, match="is missing"):
        Simulation.of(state, tmp_path / "on")
    assert not (tmp_path / "on").exists()


def test_a_folder_that_holds_something_is_refused(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(OutputError, match="is not empty"):
        Simulation.load(kept, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
