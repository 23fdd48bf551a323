"""The command line as its user meets it: outcomes, exit codes, and one clear line for bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import lob_sim

from lob_sim import __version__, open_run
from lob_sim.cli.running import free_folder
from lob_sim.scenario import packaged_scenarios

SHORT = ["--set", "horizon=90s", "--set", "agents.seller.params.start=10s"]


def test_run_is_quiet_when_piped_and_leaves_a_whole_run(tmp_path: Path) -> None:
    done = lob_sim("run", "dealer_market", "--seed", "3", "--out", "first", *SHORT, cwd=tmp_path)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["first"], "")
    logged = open_run(tmp_path / "first")
    assert logged.status == "complete"
    assert logged.header.seed_entropy == 3
    assert len(logged.trades) > 10


def test_a_run_without_a_folder_finds_a_free_one(tmp_path: Path) -> None:
    folders = [lob_sim("run", "dealer_market", *SHORT, cwd=tmp_path).stdout.strip() for _ in range(2)]
    assert folders == ["out/dealer_market-seed1", "out/dealer_market-seed1-2"]


def test_replay_rerun_diff_export(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--out", "a", *SHORT, cwd=tmp_path)
    verified = lob_sim("replay", "a", "--verify", cwd=tmp_path)
    assert verified.returncode == 0
    assert verified.stdout.startswith("verified: ")
    book = lob_sim("replay", "a", "--at", "80s", "--levels", "2", "--instrument", "treasury", cwd=tmp_path)
    assert book.stdout.startswith("treasury after row ")
    assert lob_sim("replay", "a", "--at", "90s", cwd=tmp_path).returncode == 0
    beyond = lob_sim("replay", "a", "--at", "90.1s", cwd=tmp_path)
    assert (beyond.returncode, beyond.stdout) == (2, "")
    assert "--at 90.1s: is beyond the horizon, 0:01:30" in beyond.stderr
    assert [line.split()[0] for line in book.stdout.splitlines()[1:]] == ["ask", "ask", "bid", "bid"]
    again = lob_sim("rerun", "a", "--out", "b", cwd=tmp_path)
    assert again.returncode == 0
    same = lob_sim("diff", "a", "b", cwd=tmp_path)
    assert (same.returncode, same.stdout.split()[:2]) == (0, ["the", "same"])
    lob_sim("rerun", "a", "--out", "c", "--set", "agents.dealer.count=2", cwd=tmp_path)
    other = lob_sim("diff", "a", "c", cwd=tmp_path)
    assert other.returncode == 1
    assert "agents.dealer.count" in other.stdout
    files = lob_sim("export", "a", "--format", "lobster", cwd=tmp_path).stdout.split()
    assert all((tmp_path / file).stat().st_size for file in files)
    assert len(files) == 4


def test_a_tampered_log_fails_verification(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--out", "a", *SHORT, cwd=tmp_path)
    part = sorted((tmp_path / "a/events/trade").glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    done = lob_sim("replay", "a", "--verify", cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert part.name in done.stdout + done.stderr


def test_sweep_and_its_report(tmp_path: Path) -> None:
    arguments = ["--over", "agents.dealer.count=2,3", "--seeds", "2", "--workers", "1", "--out", "s", *SHORT]
    assert lob_sim("sweep", "dealer_market", *arguments, cwd=tmp_path).returncode == 0
    report = lob_sim("sweep-report", "s", "--metric", "spread_pct", cwd=tmp_path)
    assert report.returncode == 0
    assert (tmp_path / report.stdout.split()[-1]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "s" / "figures" / "summary.csv").is_file()
    other = lob_sim("sweep", "dealer_market", "--over", "horizon=60s,90s", "--seeds", "2", "--out", "s", cwd=tmp_path)
    assert other.returncode == 2


def test_listing_and_version(tmp_path: Path) -> None:
    assert lob_sim("--version", cwd=tmp_path).stdout.strip() == f"lob-sim {__version__}"
    strategies = lob_sim("list", "strategies", cwd=tmp_path).stdout
    assert "strategies.glosten_milgrom:GlostenMilgromDealer\t" in strategies
    assert all(len(line.split("\t")[1]) > 10 for line in strategies.splitlines())
    scenarios = lob_sim("list", "scenarios", cwd=tmp_path).stdout
    assert {line.split("\t")[0] for line in scenarios.splitlines()} == set(packaged_scenarios())
    one = lob_sim("list", "strategies", "strategies.twap:TwapTrader", cwd=tmp_path).stdout
    assert "parent_lots (int >= 1, default 100)" in one


MARKET = """
name = "m"
horizon = "10s"
[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1000
initial_price = 100.00
[[agents]]
name = "maker"
strategy = "strategies.fixed_spread:FixedSpreadDealer"
"""

BAD_FILES = {
    "unknown key": ("horizon =", 'color = "red"\nhorizon =', ["color"]),
    "wrong type": ('horizon = "10s"', "horizon = true", ["horizon", "duration"]),
    "off the grid": ("initial_price = 100.00", "initial_price = 100.005", ["initial_price", "0.01"]),
    "negative holdings": ("[[agents]]\n", "[[agents]]\nmay_short = false\nholdings = { bond = -1000 }\n", ["maker"]),
    "negative size": (
        "FixedSpreadDealer",
        'FixedSpreadDealer"\nparams = { size_lots = -5 }\n#',
        ["size_lots", ">= 1"],
    ),
    "unknown strategy": ("FixedSpreadDealer", "FixedSpredDealer", ["did you mean 'FixedSpreadDealer'"]),
    "unknown module": ("strategies.fixed_spread", "strategies.fixed_spred", ["fixed_spread"]),
    "unknown parameter": (
        "FixedSpreadDealer",
        'FixedSpreadDealer"\nparams = { half_spread_tick = 5 }\n#',
        ["did you mean 'half_spread_ticks'"],
    ),
    "unknown choice": (
        "initial_price",
        'rfq = { transparency = "delayd" }\ninitial_price',
        ["none, delayed, immediate", "did you mean 'delayed'"],
    ),
    "found when the market is built": (
        "FixedSpreadDealer",
        'FixedSpreadDealer"\nbalance_sheet = { constraints = [ { kind = "slr", params = { exempt = ["bnd"] } } ] }\n#',
        ["bnd", "bond"],
    ),
    "found when an agent starts": (
        "FixedSpreadDealer",
        'FixedSpreadDealer"\nparams = { instruments = ["bnd"] }\n#',
        ["maker", "did you mean 'bond'"],
    ),
    "not TOML": ('name = "m"', "name = ", ["TOML"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_scenarios_end_with_one_clear_line(case: str, tmp_path: Path) -> None:
    old, new, expected = BAD_FILES[case]
    assert old in MARKET
    (tmp_path / "market.toml").write_text(MARKET.replace(old, new, 1), encoding="utf-8")
    done = lob_sim("run", "market.toml", "--out", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for text in ["market.toml", *expected]:
        assert text in done.stderr
    assert not (tmp_path / "o").exists()
    assert lob_sim("check", "market.toml", cwd=tmp_path).stderr == done.stderr


def test_the_good_scenario_behind_the_bad_ones_runs(tmp_path: Path) -> None:
    (tmp_path / "market.toml").write_text(MARKET, encoding="utf-8")
    assert lob_sim("run", "market.toml", "--out", "o", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "nosuch.toml"], "no such file"),
        (["run", "dealer_markt"], "did you mean 'dealer_market'"),
        (["run", "dealer_market", "--set", "agents.deeler.count=2"], "did you mean 'dealer'"),
        (["run", "dealer_market", "--set", "horizon"], "path=value"),
        (["run", "dealer_market", "--out", "full"], "not empty"),
        (["replay", "full", "--verify"], "full"),
        (["list", "strategy"], "did you mean 'strategies'"),
        (["sweep", "dealer_market", "--over", "horizn=1s,2s", "--out", "s"], "did you mean 'horizon'"),
        (["sweep", "dealer_market", "--over", "agents.dealer.count=0,1", "--out", "s"], "agents.dealer.count"),
    ],
)
def test_bad_arguments_end_with_one_clear_line(arguments: list[str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/something").write_text("x", encoding="utf-8")
    done = lob_sim(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.rglob("*")] == ["full", "something"]


def test_a_strategy_that_raises_is_named_and_its_log_kept(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from lob_sim.agents.strategy import Strategy\n\n\n"
        "class Broken(Strategy):\n"
        '    """Fails after a second."""\n\n'
        "    def on_start(self, ctx):\n        ctx.wake_in(1_000_000_000)\n\n"
        "    def on_wake(self, ctx, tag):\n        raise KeyError('oh')\n",
        encoding="utf-8",
    )
    (tmp_path / "market.toml").write_text(
        MARKET + '[[agents]]\nname = "bad"\nstrategy = "broken:Broken"\n', encoding="utf-8"
    )
    done = lob_sim("run", "market.toml", "--out", "o", cwd=tmp_path)
    assert done.returncode == 1
    assert "bad-1" in done.stderr
    assert "on_wake" in done.stderr
    assert "t=1.000000000 s" in done.stderr
    assert "Traceback" not in done.stderr
    kept = open_run(tmp_path / "o")
    assert kept.status == "failed"
    assert len(kept.table("new_order")) > 0


@pytest.mark.parametrize(("name", "folder"), [("a/../b c", "a_.._b_c"), ("..", "run"), ("crisis", "crisis")])
def test_a_scenario_cannot_name_a_folder_elsewhere(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert free_folder(name) == Path("out") / folder
