"""Values, jumps, volatility and flow from files: what they do, what is kept of them, what is refused by its line."""

from __future__ import annotations

import shutil
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lob_sim import Simulation, open_run, run
from lob_sim.errors import InputError
from lob_sim.replay import verify
from lob_sim.running import dry_run
from lob_sim.scenario import Scenario, load_scenario, parse_scenario
from lob_sim.scenario.outside import read_outside
from lob_sim.units import NS_PER_S

MARKET = """
name = "small"
horizon = "60s"
[[instruments]]
name = "gilt"
tick_size = 0.01
lot_size = 1000
price_per = 100
initial_price = 100
[[instruments]]
name = "bond"
tick_size = 0.05
lot_size = 1000
price_per = 100
initial_price = 50
[[agents]]
name = "maker"
strategy = "strategies.fixed_spread:FixedSpreadDealer"
params = { size_lots = 10 }
[[agents]]
name = "officials"
strategy = "strategies.scheduled_flow:ScheduledFlow"
params = { interval = "1s" }
"""
VALUES = (
    "time,instrument,value\n0,gilt,100\n0,bond,50\n20s,gilt,98.125\n20s,bond,50\n0.5min,gilt,99\n0.5min,bond,49.9\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(MARKET)
    return tmp_path


def with_file(folder: Path, kind: str, text: str, more: str = "", name: str = "outside.csv") -> Scenario:
    (folder / name).write_text(text)
    (folder / "with.toml").write_text(MARKET + f'[[files]]\nkind = "{kind}"\npath = "{name}"\n{more}')
    return load_scenario(folder / "with.toml")


def path_of(frame: pd.DataFrame, instrument_id: int) -> list[tuple[float, float]]:
    of = frame[frame["instrument_id"] == instrument_id]
    return list(zip(of["ts_event_ns"] / NS_PER_S, of["value_ticks"], strict=True))


def test_values_follow_the_file_exactly(folder: Path) -> None:
    values = run(with_file(folder, "values", VALUES), 1).table("fair_value")
    assert path_of(values, 1) == [(0, 10_000.0), (0, 10_000.0), (20, 9812.5), (30, 9900.0)]
    assert path_of(values, 0) == [(0, 1000.0), (0, 1000.0), (20, 1000.0), (30, 998.0)]
    assert not values["is_shock"].any()


def test_what_moves_besides_is_over_the_path(folder: Path) -> None:
    def ends(*overrides: str, files: bool) -> dict[float, float]:
        (folder / "outside.csv").write_text(VALUES)
        text = MARKET + ('[[files]]\nkind = "values"\npath = "outside.csv"\n' if files else "")
        (folder / "x.toml").write_text(text)
        return dict(path_of(run(load_scenario(folder / "x.toml", overrides), 3).table("fair_value"), 1))

    noisy = "instruments.gilt.fair_value.daily_volatility=0.02"
    alone, over, path = ends(noisy, files=False), ends(noisy, files=True), ends(files=True)
    assert len(over) == len(alone) > 50
    for ts, value in over.items():
        scheduled = [v for t, v in path.items() if t <= ts][-1]
        assert value == pytest.approx(alone[ts] * scheduled / 10_000, rel=1e-12)


def test_announced_values_and_jumps_are_heard_of(folder: Path) -> None:
    jumps = "time,instrument,size\n10s,gilt,-0.02\n20s,gilt,0.01\n20s,bond,-0.04\n"
    made = run(with_file(folder, "jumps", jumps, "announced = true\nnoise = 0.001"), 1)
    assert path_of(made.table("fair_value"), 1) == [(0, 10_000.0), (10, 9_800.0), (20, pytest.approx(9898.0))]
    assert made.table("fair_value")["is_shock"].sum() == 3
    heard = made.table("announcement")
    assert len(heard) == 3
    assert heard["change_ticks"].to_numpy() == pytest.approx([-200, -40, 98], abs=60)
    assert run(with_file(folder, "jumps", jumps), 1).table("announcement").empty
    assert len(run(with_file(folder, "values", VALUES, "announced = true"), 1).table("announcement")) == 6


def test_jumps_of_a_file_are_shocks_of_the_scenario(folder: Path) -> None:
    from_file = run(with_file(folder, "jumps", "time,instrument,size\n10s,gilt,-0.02\n"), 1)
    shock = "[[shocks]]\ninstrument = 'gilt'\nat = '10s'\nsize = -0.02\n"
    (folder / "shock.toml").write_text(MARKET + shock)
    assert run(folder / "shock.toml", 1).digest == from_file.digest


def test_volatility_changes_at_its_times_and_draws_stay_what_they_were(folder: Path) -> None:
    rows = "time,instrument,daily_volatility\n0,gilt,0.01\n20s,gilt,0\n40s,gilt,0.03\n"
    values = path_of(run(with_file(folder, "volatility", rows), 1).table("fair_value"), 1)[1:]
    steps = {t: np.log(b / a) for (_, a), (t, b) in pairwise([(0.0, 10_000.0), *values])}
    (folder / "constant.toml").write_text(MARKET)
    constant = load_scenario(folder / "constant.toml", ["instruments.gilt.fair_value.daily_volatility=0.01"])
    usual = path_of(run(constant, 1).table("fair_value"), 1)[1:]
    known = {t: np.log(b / a) for (_, a), (t, b) in pairwise([(0.0, 10_000.0), *usual])}
    # A log step is sd·(normal - sd/2); sd·sd/2 is smaller than 1e-8 here.
    for t, step in steps.items():
        factor = 1 if t <= 20 else 0 if t <= 40 else 3
        assert step == pytest.approx(known[t] * factor, rel=1e-3, abs=1e-7), t


def test_flow_is_bought_and_sold_at_an_even_pace(folder: Path) -> None:
    rows = "time,class,instrument,amount\n0,officials,gilt,-20_000\n".replace("_", "")
    rows += "20s,officials,gilt,10000\n30s,officials,bond,5000\n40s,officials,gilt,0\n50s,officials,bond,0\n"
    trades = run(with_file(folder, "flow", rows), 1).table("order_filled")
    ours = trades[trades["agent_id"] == 1]
    signed = ours["qty_lots"] * ours["side"]
    gilt = ours["instrument_id"] == 1
    at = ours["ts_event_ns"] / NS_PER_S
    assert signed[gilt & (at <= 20)].sum() == -20
    assert abs(signed[gilt & (at <= 10)].sum() + 10) <= 1
    assert signed[gilt & (at > 20)].sum() == 10
    assert signed[~gilt].sum() == 5
    assert at[~gilt].min() >= 30
    inline = (
        '[{ at = "0s", instrument = "gilt", amount = -20000 }, { at = "20s", instrument = "gilt", amount = 10000 },'
    )
    inline += '{ at = "30s", instrument = "bond", amount = 5000 }, { at = "40s", instrument = "gilt", amount = 0 },'
    inline += '{ at = "50s", instrument = "bond", amount = 0 }]'
    same = run(load_scenario(folder / "small.toml", [f"agents.officials.params.flow={inline}"]), 1)
    assert same.table("order_filled").equals(trades)


def test_parquet_is_csv(folder: Path) -> None:
    from_csv = run(with_file(folder, "values", VALUES), 1).digest
    (folder / "v.csv").write_text(VALUES)
    pd.read_csv(folder / "v.csv").to_parquet(folder / "v.parquet")
    scenario = load_scenario(folder / "with.toml", ["files.0.path=v.parquet"])
    assert run(scenario, 1).digest == from_csv


def test_the_manifest_has_the_checksum_and_a_rerun_wants_that_file(folder: Path) -> None:
    made = run(with_file(folder, "values", VALUES), 1, folder / "run")
    (entry,) = made.header.scenario["files"]
    assert len(entry["sha256"]) == 64
    again = parse_scenario(made.header.scenario)
    assert run(again, 1).digest == made.digest
    (folder / "outside.csv").write_text(VALUES.replace("98.125", "98.25"))
    with pytest.raises(InputError, match=r"outside\.csv: has changed: expected the file with the SHA-256"):
        run(again, 1)
    (folder / "outside.csv").unlink()
    with pytest.raises(InputError, match=r"outside\.csv: does not exist"):
        run(again, 1)
    shutil.move(folder / "run", folder / "elsewhere")
    assert verify(open_run(folder / "elsewhere")).ok


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("values", "", "outside.csv: is empty: expected a header with the columns time, instrument, value"),
        ("values", "time,instrument,value\n", "outside.csv: has no rows"),
        ("values", "time,instrument\n", "outside.csv:1: has no column 'value'"),
        ("values", "time,instrument,valu\n", "outside.csv:1: unknown column 'valu', did you mean 'value'?"),
        ("values", "time,time,instrument,value\n", "outside.csv:1: the column 'time' is there twice"),
        ("values", "time,instrument,value\n1s,gilt\n", "outside.csv:2: expected 3 cells, got 2"),
        ("values", "time,instrument,value\n1s,gilt,1,2\n", "outside.csv:2: expected 3 cells, got 4"),
        (
            "values",
            "time,instrument,value\n1s,gild,1\n",
            "outside.csv:2: instrument: no instrument named 'gild', did you",
        ),
        ("values", "time,instrument,value\n1s,gilt,\n", "outside.csv:2: value: is empty"),
        ("values", "time,instrument,value\n1s,gilt,x\n", "outside.csv:2: value: expected a number, got 'x'"),
        ("values", "time,instrument,value\n1s,gilt,nan\n", "outside.csv:2: value: expected a number"),
        ("values", "time,instrument,value\n1s,gilt,-1\n", "outside.csv:2: value: expected a positive number, got -1"),
        ("values", "time,instrument,value\nsoon,gilt,1\n", "outside.csv:2: time: "),
        ("values", "time,instrument,value\n0,gilt,99\n", "outside.csv:2: value: expected the initial price, 100"),
        ("values", "time,instrument,value\n2s,gilt,99\n\n1s,gilt,98\n", "outside.csv:4: time: is before the row above"),
        (
            "values",
            "time,instrument,value\n2s,gilt,99\n2s,gilt,98\n",
            "outside.csv:3: time: gilt has a row of this time",
        ),
        (
            "values",
            "time,instrument,value\n1s,gilt,99\n1s,bond,50\n2s,bond,50\n",
            "outside.csv:4: time: a gap: no value of gilt at 2s",
        ),
        ("values", 'time,instrument,value\n1s,"gilt,99\n', "outside.csv:2: is not CSV: "),
        ("jumps", "time,instrument,size\n1s,gilt,-1\n", "outside.csv:2: size: expected more than -1, got -1"),
        ("volatility", "time,instrument,daily_volatility\n1s,gilt,-0.1\n", "daily_volatility: expected 0 to 10"),
        (
            "flow",
            "time,class,instrument,amount\n1s,official,gilt,5\n",
            "class: no class named 'official', did you mean",
        ),
        (
            "flow",
            "time,class,instrument,amount\n1s,officials,gilt,5\n",
            "outside.csv:2: amount: expected 0 in the last",
        ),
        (
            "flow",
            "time,class,instrument,amount\n1s,maker,gilt,0\n",
            "agents.maker.strategy: a file says what maker buys",
        ),
    ],
)
def test_bad_rows_are_one_line_with_file_and_line(kind: str, text: str, told: str, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        dry_run(with_file(folder, kind, text))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside.csv", "a/../../b.csv", "c:x.csv", "..", ""])
def test_a_file_lies_in_the_folder_of_its_scenario(path: str, folder: Path) -> None:
    (folder / "with.toml").write_text(MARKET + f'[[files]]\nkind = "values"\npath = "{path}"\n')
    with pytest.raises(InputError, match="expected the path of a file in the scenario's folder"):
        load_scenario(folder / "with.toml")


def test_bytes_that_are_no_table(folder: Path) -> None:
    (folder / "x.parquet").write_bytes(b"no")
    (folder / "x.csv").write_bytes(b"\xff\xfe\xff")
    for name, told in (("x.parquet", "is not Parquet"), ("x.csv", "is not UTF-8"), ("x.txt", "does not exist")):
        (folder / "with.toml").write_text(MARKET + f'[[files]]\nkind = "values"\npath = "{name}"\n')
        with pytest.raises(InputError, match=told):
            dry_run(load_scenario(folder / "with.toml"))
    (folder / "x.txt").write_text("")
    with pytest.raises(InputError, match=r"x\.txt: expected a file that ends in \.csv, \.parquet, \.xlsx"):
        dry_run(load_scenario(folder / "with.toml"))


def test_two_files_of_one_instrument_are_refused(folder: Path) -> None:
    scenario = with_file(folder, "values", VALUES, '[[files]]\nkind = "values"\npath = "outside.csv"\n')
    with pytest.raises(InputError, match=r"files\[1\]\.path: (gilt|bond) has values from another file already"):
        dry_run(scenario)


def two_flows(folder: Path, second: str) -> Scenario:
    (folder / "second.csv").write_text(f"time,class,instrument,amount\n{second}")
    first = "time,class,instrument,amount\n1s,officials,gilt,40000\n30s,officials,gilt,0\n"
    return with_file(folder, "flow", first, '[[files]]\nkind = "flow"\npath = "second.csv"\n')


def test_two_flows_of_one_class_and_instrument_are_refused(folder: Path) -> None:
    scenario = two_flows(folder, "10s,officials,gilt,-9000\n20s,officials,gilt,0\n")
    with pytest.raises(InputError, match=r"files\[1\]\.path: officials in gilt has flow from another file already"):
        dry_run(scenario)


def test_two_flows_of_two_instruments_are_one_flow(folder: Path) -> None:
    scenario = two_flows(folder, "10s,officials,bond,9000\n20s,officials,bond,0\n")
    dry_run(scenario)
    assert len(scenario.files) == 2


@pytest.mark.parametrize("kind", ["values", "jumps", "volatility"])
@pytest.mark.parametrize("late", ["60s", "100s"])
def test_rows_that_the_market_does_not_reach_are_refused(kind: str, late: str, folder: Path) -> None:
    column = {"values": "value", "jumps": "size", "volatility": "daily_volatility"}[kind]
    text = f"time,instrument,{column}\n1s,gilt,1\n{{}},gilt,1\n"
    dry_run(with_file(folder, kind, text.format("59.999999999s")))
    told = f"outside.csv:3: time: expected a time before the horizon, .*, got {late}"
    with pytest.raises(InputError, match=told):
        dry_run(with_file(folder, kind, text.format(late)))


def test_a_flow_ends_at_the_horizon_at_the_latest(folder: Path) -> None:
    text = "time,class,instrument,amount\n1s,officials,gilt,40000\n{},officials,gilt,{}\n"
    dry_run(with_file(folder, "flow", text.format("60s", 0)))
    for late, amount in (("60s", 5), ("61s", 0)):
        with pytest.raises(InputError, match=r"outside\.csv:3: time: expected a time before the horizon"):
            dry_run(with_file(folder, "flow", text.format(late, amount)))


@pytest.mark.parametrize("width", ["float64", "float32", "float16"])
def test_numbers_of_parquet_are_the_decimals_that_were_meant(width: str, folder: Path) -> None:
    frame = pd.DataFrame({"time": [0.1 + 0.2, 20.5], "instrument": "gilt", "value": np.array([99.125, 99.1], width)})
    frame.to_parquet(folder / "outside.parquet")
    (folder / "with.toml").write_text(f'{MARKET}[[files]]\nkind = "values"\npath = "outside.parquet"\n')
    read = read_outside(load_scenario(folder / "with.toml")).values
    first = "99.125" if width != "float16" else "99.1"  # which sixteen bits do not tell apart
    assert [(row.ts_ns, row.number) for row in read] == [
        (300_000_000, Decimal(first)),
        (20_500_000_000, Decimal("99.1")),
    ]


def test_a_branch_keeps_the_jumps_of_the_file_and_cannot_change_files(folder: Path) -> None:
    scenario = with_file(folder, "jumps", "time,instrument,size\n10s,gilt,-0.02\n40s,gilt,0.01\n")
    simulation = Simulation(scenario, 1)
    simulation.run_until(20 * NS_PER_S)
    state = simulation.state()
    other = Simulation.of(state, changes=["shocks=[{ instrument = 'bond', at = '30s', size = 0.1 }]"]).finish()
    assert path_of(other.table("fair_value"), 1) == [(0, 10_000.0), (10, 9800.0), (40, pytest.approx(9898.0))]
    assert path_of(other.table("fair_value"), 0) == [(0, 1000.0), (30, pytest.approx(1100.0))]
    with pytest.raises(InputError, match="files: would have changed the past"):
        Simulation.of(state, changes=["files=[]"])


CALENDAR = '[calendar]\nday = "30s"\nsession = "20s"\ndates = ["2020-03-09", "2020-03-10", "2020-03-12"]\n'


def in_days(folder: Path, kind: str, text: str) -> Scenario:
    (folder / "outside.csv").write_text(text)
    market = MARKET.replace('horizon = "60s"', 'horizon = "90s"')
    (folder / "days.toml").write_text(f'{market}[[files]]\nkind = "{kind}"\npath = "outside.csv"\n{CALENDAR}')
    return load_scenario(folder / "days.toml")


def test_times_may_be_days_and_dates(folder: Path) -> None:
    rows = "time,instrument,size\n2020-03-09 00:00:05,gilt,0.01\nday 2,gilt,0.02\n"
    rows += "2020-03-10 close,gilt,0.03\n2020-03-12,gilt,0.04\n"
    values = run(in_days(folder, "jumps", rows), 1).table("fair_value")
    assert [t for t, _ in path_of(values, 1)] == [0, 5, 30, 50, 60]
    for bad, told in (
        ("2020-03-11,gilt,0.01", "outside.csv:2: time: 2020-03-11 is no date of the calendar; there are: 2020-03-09, "),
        ("2020-03-10,gilt,0.01\n2020-03-09,gilt,0.01", "outside.csv:3: time: is before the row above it"),
        ("day 0,gilt,0.01", "outside.csv:2: time: 'day 0' is no time of a day"),
    ):
        with pytest.raises(InputError) as caught:
            dry_run(in_days(folder, "jumps", f"time,instrument,size\n{bad}\n"))
        assert told in str(caught.value)
    with pytest.raises(InputError, match="2020-03-10 is no date of the calendar"):
        dry_run(with_file(folder, "jumps", "time,instrument,size\n2020-03-10,gilt,0.01\n"))


def test_flow_leaves_nights_out(folder: Path) -> None:
    rows = "time,class,instrument,amount\nday 1,officials,gilt,40000\nday 3,officials,gilt,0\n"
    fills = run(in_days(folder, "flow", rows), 1).table("order_filled")
    ours = fills[fills["agent_id"] == 1]
    by_day = (ours["qty_lots"] * ours["side"]).groupby(ours["ts_event_ns"] // (30 * NS_PER_S)).sum()
    assert by_day.sum() == 40
    assert abs(by_day[0] - 20) <= 2


def test_volatility_is_of_the_calendars_day(folder: Path) -> None:
    rows = "time,instrument,daily_volatility\n0,gilt,0.01\nday 2,gilt,0\n"
    values = path_of(run(in_days(folder, "volatility", rows), 1).table("fair_value"), 1)
    steps = {t: abs(np.log(b / a)) for (_, a), (t, b) in pairwise(values[1:])}
    assert max(size for t, size in steps.items() if t > 30) == 0
    # A second is a thirtieth of a day; none of twenty normal draws is five deviations out, and not all are tiny.
    assert 0.01 / np.sqrt(30) < max(size for t, size in steps.items() if t <= 20) * 2 < 10 * 0.01 / np.sqrt(30)
