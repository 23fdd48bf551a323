"""What a strategy made of a recorded market is told the same in Python, in the terminal and on its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lob_sim import run
from lob_sim.cli.app import app
from lob_sim.cli.reporting import write_report
from lob_sim.errors import DataError, InputError
from lob_sim.feeds.lobster import read_lobster
from lob_sim.log import Run, open_run
from lob_sim.replay.backtest import REPORT_NAME, TradedAgainst, trade_against, traded_against
from lob_sim.replay.describe import describe_newcomer
from lob_sim.report.figures.newcomer import profit_path

DEALER = "strategies.fixed_spread:FixedSpreadDealer"
IDLE = "lob_sim.agents.strategy:Strategy"
DAY = [
    ("34210.5,1,11,100,1000000,1", "1000200,50,1000000,100"),
    ("34211,1,12,70,1000300,-1", "1000200,50,1000000,100"),
    ("34212,2,11,40,1000000,1", "1000200,50,1000000,60"),
    ("34213,4,7,20,1000200,-1", "1000200,30,1000000,60"),
    ("34230,4,7,30,1000200,-1", "1000300,70,1000000,60"),
]


@pytest.fixture(scope="module")
def recorded() -> Run:
    return run("dealer_market", seed=2, overrides=["horizon=3min"])


@pytest.fixture(scope="module")
def mine(recorded: Run, tmp_path_factory: pytest.TempPathFactory) -> TradedAgainst:
    return trade_against(recorded, DEALER, {"half_spread_ticks": 1}, out=tmp_path_factory.mktemp("m") / "mine")


@pytest.fixture
def day(tmp_path: Path) -> Path:
    path = tmp_path / "TEST_2020-01-01_0_1_message_1.csv"
    path.write_text("".join(f"{message}\n" for message, _ in DAY))
    (tmp_path / path.name.replace("message", "orderbook")).write_text("".join(f"{book}\n" for _, book in DAY))
    return path


def test_fills_position_and_profit_are_those_of_the_log(mine: TradedAgainst) -> None:
    own = mine.run.table("order_filled").query(f"agent_id == {mine.newcomer.agent_id}")
    assert len(mine.fills) == len(own) > 20
    assert mine.fills["lots"].sum() == own["qty_lots"].sum()
    signed = (own["side"].astype(int) * own["qty_lots"]).groupby(own["instrument_id"]).sum()
    pnl = mine.pnl(exact=True)
    for instrument in mine.run.header.instruments:
        assert pnl.loc[instrument.name, "position_lots"] == signed[instrument.instrument_id]
    whole = mine.run.pnl("agent", exact=True).loc[mine.newcomer.name]
    assert sum(pnl["pnl_value"]) == whole["pnl_value"]
    assert mine.positions["lots"].iloc[-1] == mine.fills["position_lots"].iloc[-1]


def test_profit_over_time_ends_where_the_table_does(mine: TradedAgainst) -> None:
    pnl = mine.pnl()
    for instrument in mine.run.header.instruments:
        path = profit_path(mine, instrument.instrument_id)
        assert path["profit"].iloc[-1] == pytest.approx(pnl.loc[instrument.name, "pnl_mid"], abs=1e-3)


def test_the_terminal_says_what_python_does(mine: TradedAgainst, recorded: Run) -> None:
    told = "\n".join(describe_newcomer(mine))
    for name, row in mine.pnl().iterrows():
        assert f"  {name}: {int(row['fills'])} fills" in told
        assert f"profit at value {row['pnl_value']:+,.2f} = {row['realised']:+,.2f} realised" in told
        assert f"spread {row['spread']:+,.2f} and adverse selection {row['adverse_selection']:+,.2f}" in told
    assert "costs: " in told
    assert describe_newcomer(trade_against(recorded, IDLE)) == [f"newcomer-1, {IDLE}: no fills"]


def test_its_page_shows_the_strategy_and_nothing_empty(mine: TradedAgainst) -> None:
    assert mine.run.path is not None
    page = write_report([mine.run.path]).read_text(encoding="utf-8")
    for line in describe_newcomer(mine)[:1]:
        assert line in page
    for name, row in mine.pnl().iterrows():
        assert f"<td>{name}</td>" in page
        assert f"{row['pnl_value']:,.2f}" in page
    assert "What the strategy did" in page
    assert "What history could not repeat" in page
    assert 'class="empty">' not in page
    # A run that nobody traded against has a page of its own kind.
    assert traded_against(run("dealer_market", overrides=["horizon=90s"])) is None


def test_a_strategy_that_did_nothing_has_a_page_without_its_panel(recorded: Run, tmp_path: Path) -> None:
    trade_against(recorded, IDLE, out=tmp_path / "idle")
    page = write_report([tmp_path / "idle"]).read_text(encoding="utf-8")
    assert "no fills" in page
    assert "What the strategy did" not in page


def test_the_report_beside_the_log_is_read_again_or_refused(mine: TradedAgainst, tmp_path: Path) -> None:
    assert mine.run.path is not None
    again = traded_against(open_run(mine.run.path))
    assert again is not None
    assert again.report == mine.report
    other = tmp_path / "other"
    trade_against(run("dealer_market", overrides=["horizon=90s"]), IDLE, out=other)
    for text in ("[]", "{", '{"commands": "x"}', '{"commands": 1}', "[" * 5000):
        (other / REPORT_NAME).write_text(text)
        with pytest.raises(DataError, match="is not the report of a market"):
            traded_against(open_run(other))
    (other / REPORT_NAME).unlink()
    assert traded_against(open_run(other)) is None


# --- recorded days ------------------------------------------------------------------------------------------------


def test_a_tick_may_be_given_for_a_recorded_day(day: Path) -> None:
    coarse, fine = (trade_against(day, IDLE, tick=tick) for tick in (None, "0.005"))
    ticks = [float(t.run.header.instruments[0].tick_size) for t in (coarse, fine)]
    assert ticks == [0.01, 0.005]
    assert coarse.run.trades["qty_lots"].tolist() == fine.run.trades["qty_lots"].tolist()
    with pytest.raises(DataError, match=r"expected 0\.01, the largest tick"):
        trade_against(day, IDLE, tick="0.02")
    for wrong in ("0", "-1", "x", "0.00001", "nan"):
        with pytest.raises(DataError, match=r"expected a positive multiple of 0\.0001"):
            trade_against(day, IDLE, tick=wrong)
    with pytest.raises(InputError, match="only a LOBSTER file"):
        trade_against(coarse.run, IDLE, tick="0.01")
    with pytest.raises(InputError, match="only a LOBSTER file"):
        trade_against(read_lobster(day), IDLE, tick="0.01")


def test_times_of_day_where_the_log_has_them(day: Path) -> None:
    result = trade_against(day, DEALER, {"half_spread_ticks": 1})
    assert result.run.clock(0) == "9:30:10.500000"
    assert result.run.time_ns("9:30:12") == 1_500_000_000
    assert result.run.time_ns("9:30:12.25") == 1_750_000_000
    assert result.run.time_ns("2s") == 2_000_000_000
    assert result.run.book(at="9:30:12").bids == result.run.book(at="1.5s").bids
    assert result.run.book(at="9:30:12").bids != result.run.book(at="9:30:11.9").bids
    with pytest.raises(DataError, match=r"time 9:30:10: is before the log begins, at 9:30:10\.5"):
        result.run.time_ns("9:30:10")
    for wrong in ("9:61", "9:30:61", "9:30:10.1234567890", "-9:30"):
        with pytest.raises(InputError):
            result.run.time_ns(wrong)


def test_replay_at_a_time_of_day(day: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["import", str(day), "--out", str(tmp_path / "day")]).exit_code == 0
    assert runner.invoke(app, ["against", str(day), "--strategy", DEALER, "--out", str(tmp_path / "m")]).exit_code == 0
    for folder in ("day", "m"):
        shown = runner.invoke(app, ["replay", str(tmp_path / folder), "--at", "9:30:12"])
        assert (shown.exit_code, "at 9:30:12.000000, continuous" in shown.output) == (0, True)
    # Without times of day the same text counts from the start.
    run("dealer_market", out=tmp_path / "own", overrides=["horizon=90s"])
    shown = runner.invoke(app, ["replay", str(tmp_path / "own"), "--at", "0:00:12"])
    assert "at 0:00:1" in shown.output


# --- lob-sim pnl --------------------------------------------------------------------------------------------------


def test_the_command_prints_what_python_gives(mine: TradedAgainst) -> None:
    path = str(mine.run.path)
    shown = CliRunner().invoke(app, ["pnl", path, "--by", "agent,instrument", "--agent", "newcomer-1"])
    assert shown.exit_code == 0
    found = mine.run.pnl(agent="newcomer-1")
    for (agent, instrument), row in zip(found.index, found.to_dict("records"), strict=True):
        line = next(line for line in shown.output.splitlines() if line.startswith(f"{agent}  {instrument}"))
        assert line.split()[2:4] == [f"{row['fills']:,.0f}", f"{row['bought_lots']:,.0f}"]
        assert line.split()[-4] == f"{row['pnl_value']:,.0f}"
    csv = CliRunner().invoke(app, ["pnl", path, "--by", "group", "--csv"])
    assert csv.output.splitlines()[0].startswith("group,fills,realised,unrealised_mid")
    wrong = CliRunner().invoke(app, ["pnl", path, "--by", "groop"])
    assert isinstance(wrong.exception, InputError)
