"""The wheel is whole: away from the repository, with the core alone, it does what needs no extra and says what does."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from environments import ROOT, Environment, build_wheel, requirements_of
from packaging.requirements import Requirement

from lob_sim.scenario import packaged_overlays, packaged_scenarios

pytestmark = pytest.mark.timeout(600)

MINE = """
from lob_sim import NS_PER_S, Strategy
from lob_sim.strategies.fixed_spread import FixedSpreadDealer

class Mine(Strategy):
    \"\"\"Wakes, and does nothing.\"\"\"

    def on_start(self, ctx):
        ctx.wake_in(NS_PER_S)

class Narrow(FixedSpreadDealer):
    \"\"\"A shipped dealer under another name.\"\"\"
"""
SCENARIO = """
name = "both"
horizon = "20s"

[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1
price_per = 1
initial_price = 100

[[agents]]
name = "mine"
strategy = "strategies.mine:Mine"

[[agents]]
name = "narrow"
strategy = "strategies.mine:Narrow"

[[agents]]
name = "shipped"
strategy = "strategies.zero_intelligence:ZeroIntelligenceTrader"

[[agents]]
name = "offered"
strategy = "their_dealer"
"""
THEIRS = """
from lob_sim import Strategy

class Theirs(Strategy):
    \"\"\"Of another package.\"\"\"
"""
# In one process: the start of the command takes far longer than the check.
CHECK_EACH = r"""
import sys
from lob_sim.cli.app import app

for name in sys.argv[1:]:
    print("\f", end="", flush=True)
    app(["check", name], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("core") / "env")
    environment.install(wheel)
    environment.lend(requirements_of(wheel))
    return environment


@pytest.fixture(scope="module")
def run_folder(core: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    core.call("lob-sim", "run", "dealer_market", "--set", "horizon=3min", "--out", "run", cwd=folder)
    return folder / "run"


def test_what_the_core_needs(wheel: Path) -> None:
    names = {Requirement(text).name for text in requirements_of(wheel)}
    assert names == {"simpy", "numpy", "sortedcontainers", "pandas", "msgspec", "pyarrow", "typer", "rich"}
    (distribution,) = metadata.distributions(path=[str(wheel)])
    extras = set(distribution.metadata.get_all("Provides-Extra") or ())
    assert extras == {"report", "sweep", "cluster", "data", "rl", "app", "all", "bench", "docs", "test"}


def test_nothing_lies_beside_the_package(core: Environment, tmp_path: Path) -> None:
    code = "import importlib.util, lob_sim; print(importlib.util.find_spec('strategies'), lob_sim.__file__)"
    none, _, where = core.call("python", "-c", code, cwd=tmp_path).stdout.partition(" ")
    assert none == "None"
    assert str(ROOT) not in where
    for library in ("scipy", "matplotlib", "jinja2", "statsmodels"):
        core.call("python", "-c", f"import {library}", cwd=tmp_path, code=1)


def test_the_core_runs_checks_replays_exports_lists_and_compares(core: Environment, run_folder: Path) -> None:
    folder = run_folder.parent

    def say(*command: object, code: int = 0) -> str:
        return core.call("lob-sim", *command, cwd=folder, code=code).stdout

    assert say("check", "dealer_market").startswith("dealer_market: ")
    assert say("replay", "run", "--verify").startswith("verified: ")
    assert "treasury" in say("replay", "run", "--at", "1min")
    say("export", "run", "--format", "csv", "--out", "tables")
    assert (folder / "tables" / "trade.csv").is_file()
    say("rerun", "run", "--out", "again")
    say("diff", "run", "again")
    say("rerun", "run", "--set", "horizon=2min", "--out", "shorter")
    say("diff", "run", "shorter", code=1)
    listed = [line.split("\t")[0] for line in say("list", "scenarios").splitlines()]
    assert listed == list(packaged_scenarios())
    assert [line.split("\t")[0] for line in say("list", "overlays").splitlines()] == list(packaged_overlays())
    answers = core.call("python", "-c", CHECK_EACH, *listed, cwd=folder).stdout.split("\f")[1:]
    for name, answer in zip(listed, answers, strict=True):
        assert answer.startswith(f"{name}: ")
    say("run", "redemptions", "--with", "calm", "--with", "swing_pricing", "--out", "swung")
    assert "strategies.informed:InformedTrader" in say("list", "strategies")
    assert "strategies.kyle_insider:KyleInsider" in say("list", "parameters")
    assert "sweep-report" in say("--help")


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("figures", "run", "--out", "new"), "report"),
        (("report", "run", "--out", "new"), "report"),
        (("explore", "--out", "new"), "app"),
        (("sweep", "dealer_market", "--over", "seed=1,2", "--out", "new"), "sweep"),
    ],
)
def test_a_missing_extra_is_named(core: Environment, run_folder: Path, command: tuple[str, ...], extra: str) -> None:
    done = core.call("lob-sim", *command, cwd=run_folder.parent, code=2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(f'pip install "lob-sim[{extra}]"')
    assert not (run_folder.parent / "new").exists()


def test_environments_for_learning_name_their_extra(core: Environment, tmp_path: Path) -> None:
    done = core.call("python", "-c", "import lob_sim.rl", cwd=tmp_path, code=1)
    assert done.stderr.splitlines()[-1].endswith('gymnasium not installed: expected pip install "lob-sim[rl]"')


def test_a_users_strategies_and_those_of_other_packages(core: Environment, tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text(MINE)
    (tmp_path / "market.toml").write_text(SCENARIO)
    done = core.call("lob-sim", "check", "market.toml", cwd=tmp_path, code=2)
    assert "'their_dealer'" in done.stderr  # Nobody offers their_dealer yet.
    (core.packages / "their_package.py").write_text(THEIRS)
    offered = core.packages / "their_package-1.0.dist-info"
    offered.mkdir()
    (offered / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (offered / "entry_points.txt").write_text("[lob_sim.strategies]\ntheir_dealer = their_package:Theirs\n")
    core.call("lob-sim", "run", "market.toml", "--out", "run", cwd=tmp_path)
    assert core.call("lob-sim", "replay", "run", "--verify", cwd=tmp_path).stdout.startswith("verified: ")
    listed = core.call("lob-sim", "list", "strategies", cwd=tmp_path).stdout.splitlines()
    assert "their_dealer\tOf another package." in listed
    assert "Of another package." in core.call("lob-sim", "list", "strategies", "their_dealer", cwd=tmp_path).stdout
    (tmp_path / "strategies" / "informed.py").write_text(MINE)
    text = SCENARIO.replace("strategies.zero_intelligence:ZeroIntelligenceTrader", "strategies.informed:Mine")
    (tmp_path / "own.toml").write_text(text)
    core.call("lob-sim", "check", "own.toml", cwd=tmp_path)
