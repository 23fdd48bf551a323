"""The calendar in a scenario: times in days, and what does not hold, in one line with file and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lob_sim.calendar import TradingCalendar, parse_time_ns, time_text
from lob_sim.cli.app import app
from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario import load_scenario, parse_scenario, scenario_to_dict

S = 1_000_000_000
MIN = 60 * S
DAYS = TradingCalendar(45 * MIN, 40 * MIN, ("2020-03-09", "2020-03-10"))
TEXT = """
name = "days"
horizon = "2 days"
[calendar]
day = "45min"
session = "40min"
[[instruments]]
name = "bond"
tick_size = 1
lot_size = 1
initial_price = 100
lit = { opening_auction = "5min", closing_auction = "5min" }
[[shocks]]
instrument = "bond"
at = "day 2 00:15"
size = -0.04
"""


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("10 days", 450),
        ("1d", 45),
        ("1.5 d", 67.5),
        ("day 1", 0),
        ("day 3", 90),
        ("day 3 open", 90),
        ("day 3 close", 130),
        ("day 2 00:15", 60),
        ("day 2 0:15:30", 60.5),
        ("day 2 0:44:59.999", 44.99998333333333 + 45),
        ("20min", 20),
    ],
)
def test_times_in_days_are_read(text: str, minutes: float) -> None:
    assert parse_time_ns(text, DAYS) == round(minutes * MIN, -3)


@pytest.mark.parametrize("text", ["day 0", "day 2 00:45", "day 2 noon", "day 2 0:60", "1 week", "99999999999 days"])
def test_what_is_no_time_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_time_ns(text, DAYS)


def test_times_are_shown_with_their_day_where_there_are_days() -> None:
    assert time_text(105 * MIN, DAYS) == "day 3 0:15:00.000000"
    assert time_text(105 * MIN) == "1:45:00.000000"
    assert parse_time_ns("day 3 0:15", DAYS) == 105 * MIN
    assert [DAYS.label(day) for day in (1, 2, 3)] == ["2020-03-09", "2020-03-10", "day 3"]


@pytest.mark.parametrize(
    ("now", "delay", "due"),
    [(0, 45, 45), (0, 11, 45), (44, 45, 45), (50, 45, 90), (50, 90, 135), (0, 225, 225), (89, 1, 90)],
)
def test_loans_fall_due_at_the_open_of_the_day_they_lead_to(now: int, delay: int, due: int) -> None:
    assert DAYS.maturity_ns(now * MIN, delay * MIN) == due * MIN


def test_a_scenario_speaks_of_days_and_survives_the_way_through_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "days.toml"
    path.write_text(TEXT)
    scenario = load_scenario(path)
    assert scenario.horizon == 90 * MIN
    assert scenario.shocks[0].at == 60 * MIN
    assert parse_scenario(scenario_to_dict(scenario)) == scenario
    assert load_scenario(path, ["horizon=3 days"]).horizon == 135 * MIN
    # A scenario without days says nothing of them.
    plain = load_scenario(path, ["horizon=90min", "shocks=[]"])
    raw = scenario_to_dict(plain)
    del raw["calendar"]
    assert "calendar" not in scenario_to_dict(parse_scenario(raw))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (('session = "40min"', 'session = "46min"'), "calendar: session: expected less than the day"),
        (('session = "40min"', 'session = "45min"'), "calendar: session: expected less than the day"),
        (('session = "40min"', 'session = "0s"'), "calendar.session"),
        (('session = "40min"', 'session = "10min"'), "instruments.bond.lit"),
        (('day = "45min"', 'day = "1d"'), "calendar.day: '1d' is in days"),
        (('day = "45min"', 'days = "45min"'), "calendar.days"),
        (("[calendar]", '[calendar]\ndates = ["2020-03-10", "2020-03-09"]'), "calendar: dates[1]: expected a date"),
        (("[calendar]", '[calendar]\ndates = ["2020-03-10", "2020-03-10"]'), "calendar: dates[1]: expected a date"),
        (("[calendar]", '[calendar]\ndates = ["2020-02-30"]'), "calendar: dates[0]: expected a date"),
        (("[calendar]", '[calendar]\ndates = ["2020-03-10"]'), "calendar.dates"),
        (('"day 2 00:15"', '"day 2 00:50"'), "shocks[0].at"),
        (('"day 2 00:15"', '"day 3 00:15"'), "shocks[0].at"),
        (('[calendar]\nday = "45min"\nsession = "40min"\n', ""), "horizon: '2 days' is in days: expected a [calendar]"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_one_line_with_file_and_field(
    tmp_path: Path, change: tuple[str, str], field: str
) -> None:
    path = tmp_path / "days.toml"
    path.write_text(TEXT)
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 0
    assert change[0] in TEXT
    path.write_text(TEXT.replace(*change))
    with pytest.raises(ScenarioError) as raised:
        load_scenario(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: {field}"), message
    assert "\n" not in message


def test_the_command_line_refuses_days_without_a_calendar_with_code_2(tmp_path: Path) -> None:
    path = tmp_path / "days.toml"
    path.write_text(
        TEXT.replace('[calendar]\nday = "45min"\nsession = "40min"\n', "").replace('"day 2 00:15"', '"1min"')
    )
    refused = CliRunner().invoke(app, ["check", str(path)])
    assert refused.exit_code != 0
    assert CliRunner().invoke(app, ["check", str(path), "--set", "horizon=90min"]).exit_code == 0
