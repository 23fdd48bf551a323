"""Scenarios of strangers on the command line: what is printed, what is refused, what is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import lob_sim

FLAGSHIP = str(Path(__file__).parents[2] / "experiments/first_market.toml")
MARKET = """
name = "m"
horizon = "1s"
[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1
initial_price = 100.00
[[agents]]
name = "dealer"
strategy = "strategies.buy_and_hold:BuyAndHold"
cash = 100
holdings = { bond = 9 }
"""
SHEET = 'balance_sheet = { short_term_funding = 600, constraints = [ { kind = "slr", params = { minimum = 0.5 } } ] }\n'


def test_check_prints_assets_tier_1_and_the_headroom_of_every_limit(tmp_path: Path) -> None:
    done = lob_sim("check", FLAGSHIP, cwd=tmp_path)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert rows[0] == ["group", "assets", "Tier", "1", "limit", "headroom"]
    # 241 million are a twentieth of 4,820 million, 320 more than there are.
    assert rows[1] == ["dealer_a", "4,500,000,000", "241,000,000", "slr", "320,000,000"]
    assert [row[0] for row in rows[2:4]] == ["var", "funding"]


def test_a_limit_breached_at_the_opening_is_said_by_check_and_by_run(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MARKET + SHEET, encoding="utf-8")
    checked = lob_sim("check", "m.toml", cwd=tmp_path)
    assert (checked.returncode, checked.stdout.splitlines()[2].split()) == (
        0,
        ["dealer", "1,000", "400", "slr", "-200", "BREACHED"],
    )
    ran = lob_sim("run", "m.toml", "--out", "r", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "r\n")
    assert ran.stderr == (
        "warning: m.toml: agents.dealer.balance_sheet: slr is breached at the opening, headroom -200\n"
    )
    # The control: a limit that holds is not spoken of.
    (tmp_path / "m.toml").write_text(MARKET + SHEET.replace("600", "400"), encoding="utf-8")
    assert "BREACHED" not in lob_sim("check", "m.toml", cwd=tmp_path).stdout
    assert lob_sim("run", "m.toml", "--out", "s", cwd=tmp_path).stderr == ""


def test_check_without_plugins_imports_nothing_that_the_scenario_names(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("open('imported', 'w').close()\nraise SystemExit(0)\n", encoding="utf-8")
    (tmp_path / "m.toml").write_text(MARKET + '[[agents]]\nname = "x"\nstrategy = "theirs:X"\n', encoding="utf-8")
    done = lob_sim("check", "m.toml", "--no-plugins", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "not checked, because its code was not imported: agents.x.strategy"
    assert not (tmp_path / "imported").exists()
    bad = lob_sim("check", "m.toml", "--no-plugins", "--set", "agents.dealer.params.x=1", cwd=tmp_path)
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
    assert "agents.dealer.params.x" in bad.stderr
    # The control: without the option the file is imported, and what it does is an error.
    done = lob_sim("check", "m.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("agents.dealer.cuont=3", "m.toml: agents.dealer.cuont"),
        ("agents.dealer.cash='1e1000000'", "m.toml: agents.dealer.cash"),
        ("agents.dealer.cash='sNaN'", "m.toml: agents.dealer.cash"),
        ("instruments.bond.tick_size=1e-308", "m.toml: instruments.bond.tick_size"),
        (f"agents.dealer.count={'9' * 5000}", "--set agents.dealer.count"),
        (f"agents.dealer.params={'[' * 50_000}", "--set agents.dealer.params"),
        ("agents.dealer.params.x.y=inf", "m.toml: agents.dealer.params.x.y"),
        ('name="a\\u001b[2Jb"', "m.toml: name"),
        ("agents.dealer.strategy=x\x1b[2J:Y", "m.toml: agents.dealer.strategy"),
        ("agents.\x1b[2J.count=3", "--set agents."),
    ],
)
def test_bad_values_end_with_code_2_and_one_line_that_a_terminal_can_show(
    change: str, named: str, tmp_path: Path
) -> None:
    (tmp_path / "m.toml").write_text(MARKET, encoding="utf-8")
    done = lob_sim("run", "m.toml", "--set", change, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert named in done.stderr
    assert done.stderr.rstrip("\n").isprintable()
    assert not (tmp_path / "out").exists()


def test_paths_are_escaped_where_they_are_printed(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MARKET, encoding="utf-8")
    done = lob_sim("run", "m.toml", "--out", "a\x1b[2Jb", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "a\\x1b[2Jb\n")
    missing = lob_sim("run", "a\x1b[2Jb.toml", cwd=tmp_path)
    assert (missing.returncode, missing.stderr.rstrip("\n").isprintable()) == (2, True)
