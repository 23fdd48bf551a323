"""Static figures: what is drawn is what the log says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figure_runs import drawn, panels
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from report_runs import BRIEF, SPIRAL

from lob_sim import InputError, OutputError, load_scenario, open_run, run
from lob_sim.analysis.amplification import forced_volume_lots
from lob_sim.analysis.liquidity import spread_parts
from lob_sim.log import Run
from lob_sim.report.data import STATES
from lob_sim.report.figures.market import BINS
from lob_sim.report.static import FIGURES, write_figures
from lob_sim.scenario import Scenario, parse_scenario

MINUTE = 60 * 10**9
SIZES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
SHORT = ["horizon=2min", "shocks.0.at=1min"]


def line(axis: Any, label: str) -> np.ndarray[Any, Any]:
    found = [a for a in axis.lines if a.get_label() == label]
    assert len(found) == 1, f"{label}: {[a.get_label() for a in axis.lines]}"
    data: np.ndarray[Any, Any] = found[0].get_xydata()
    return data


def scale(axis: Any) -> str:
    """The ``million`` of ``$ million``."""
    found: str = re.findall(r"(\w+)\)?$", axis.get_ylabel())[0]
    return found


def minutes(ts_ns: Any, shock_min: float) -> Any:
    return np.asarray(ts_ns, np.float64) / MINUTE - shock_min


def last_before(table: Any, column: str, ts_ns: float) -> float:
    """The plain way: the last row at or before a time."""
    rows = table[table["ts_event_ns"] <= ts_ns]
    return float(rows[column].iloc[-1]) if len(rows) else np.nan


# --- what is drawn is what the log says ----------------------------------------------------------------------


def check_prices(figure: Figure, log: Run) -> None:
    for axis, instrument in zip(panels(figure), log.header.instruments, strict=True):
        i, tick = instrument.instrument_id, float(instrument.tick_size)
        for label, table, column in (
            ("lit trade", log.trades, "price_ticks"),
            ("RFQ trade", log.rfq_trades, "price_ticks"),
            ("fair value", log.table("fair_value"), "value_ticks"),
        ):
            own = table[table["instrument_id"] == i]
            assert len(own) > 20
            expected = np.column_stack([minutes(own["ts_event_ns"], 1), own[column] * tick])
            if label == "fair value":
                # A path goes on for as long as the run.
                expected = np.vstack([expected, [minutes(log.manifest.last_ts_ns, 1), expected[-1, 1]]])
            np.testing.assert_allclose(line(axis, label), expected, rtol=1e-12)


def test_prices_are_those_of_the_log(crisis: Run) -> None:
    check_prices(drawn(crisis, "price"), crisis)


def test_prices_of_another_run_are_told_apart(crisis: Run) -> None:
    other = run(load_scenario(SPIRAL, BRIEF), 2)
    with pytest.raises(AssertionError):
        check_prices(drawn(other, "price"), crisis)


def test_depth_is_that_of_the_book(crisis: Run) -> None:
    figure = drawn(crisis, "depth")
    for axis, instrument in zip(panels(figure), crisis.header.instruments, strict=True):
        (mesh,) = [c for c in axis.collections if isinstance(c, QuadMesh)]
        corners = np.asarray(mesh.get_coordinates())
        times, prices = corners[0, :, 0], corners[:, 0, 1]
        lots: Any = np.ma.filled(np.ma.asarray(mesh.get_array()), 0.0).reshape(len(prices) - 1, len(times) - 1)
        assert lots.sum() > 0
        tick = float(instrument.tick_size)
        for column in (40, 120, 200):
            book = crisis.book(instrument.name, at=round((times[column] + 1) * MINUTE))
            expected = np.zeros(len(prices) - 1)
            for levels in (book.bids[:25], book.asks[:25]):
                for ticks, qty, _ in levels:
                    band = np.searchsorted(prices, ticks * tick, side="right") - 1
                    if 0 <= band < len(expected):
                        expected[band] += qty
            np.testing.assert_array_equal(lots[:, column], expected)
        top = crisis.quotes[crisis.quotes["instrument_id"] == instrument.instrument_id]
        for side in ("bid", "ask"):
            when, shown = line(axis, f"best {side}")[-1]
            quoted = last_before(top, f"{side}_ticks", round((when + 1) * MINUTE))
            assert shown == pytest.approx(quoted * tick) if quoted else np.isnan(shown)


def test_quoted_spread_and_its_parts(crisis: Run) -> None:
    top_axis, *part_axes = panels(drawn(crisis, "spread"))
    for instrument in crisis.header.instruments:
        top = crisis.quotes[crisis.quotes["instrument_id"] == instrument.instrument_id]
        path = line(top_axis, instrument.name)
        for when, shown in path[5::60]:
            bid, ask = (last_before(top, f"{side}_ticks", round((when + 1) * MINUTE)) for side in ("bid", "ask"))
            assert shown == pytest.approx(2e4 * (ask - bid) / (ask + bid)) if bid and ask else np.isnan(shown)
    quotes, last_ns = crisis.table("quote"), crisis.manifest.last_ts_ns
    edges = np.linspace(0, last_ns + 1, BINS + 1).astype(np.int64)
    labels = {"spread": "whole spread", "adverse": "adverse selection", "processing": "processing"}
    for i, axis in enumerate(part_axes):
        for k in (3, 20, 45):
            expected = spread_parts(quotes[quotes["instrument_id"] == i], int(edges[k]), int(edges[k + 1]))
            for part, label in labels.items():
                shown = line(axis, label)[k, 1]
                assert np.isnan(shown) if np.isnan(expected[part]) else shown == pytest.approx(expected[part], rel=1e-6)


def test_who_quotes_where(crisis: Run) -> None:
    for i, axis in enumerate(panels(drawn(crisis, "quotes"))):
        quotes = crisis.table("quote")
        quotes = quotes[(quotes["instrument_id"] == i) & (quotes["rfq_id"] == 0)]
        dealers = sorted(set(quotes["agent_id"]))
        names = [crisis.header.agents[d].name for d in dealers]
        assert [label.get_text() for label in axis.get_yticklabels()] == names
        strips = [c for c in axis.collections if isinstance(c, PolyCollection)]
        assert len(strips) == len(dealers) * len(STATES)
        seen = set()
        for row, dealer in enumerate(dealers):
            own = quotes[quotes["agent_id"] == dealer]
            for state in range(len(STATES)):
                for patch in strips[row * len(STATES) + state].get_paths():
                    box = patch.get_extents()
                    assert row < box.y0 < box.y1 < row + 1
                    at_ns = round((box.x0 + 1) * MINUTE)
                    bid, ask = (last_before(own, f"{side}_ticks", at_ns) > 0 for side in ("bid", "ask"))
                    assert state == {(True, True): 0, (False, True): 1, (True, False): 2, (False, False): 3}[bid, ask]
                    seen.add(state)
        assert len(seen) >= 2


def heights(axis: Any, label: str) -> np.ndarray[Any, Any]:
    """Heights of the bars of an area, from its outline."""
    (area,) = [c for c in axis.collections if c.get_label() == label]
    x, y = area.get_paths()[0].vertices.T
    edges = np.unique(x)
    middles = (edges[:-1] + edges[1:]) / 2
    n = len(x) // 2
    lower, upper = (
        y[:n][np.searchsorted(x[:n], middles)],
        y[n + 1 :][::-1][np.searchsorted(x[n + 1 :][::-1], middles, side="right") - 1],
    )
    found: np.ndarray[Any, Any] = np.abs(upper - lower)
    return found


def test_lots_dealt(crisis: Run) -> None:
    *by_instrument, share = panels(drawn(crisis, "share"))
    edges = np.linspace(0, crisis.manifest.last_ts_ns + 1, BINS + 1).astype(np.int64)
    for i, axis in enumerate(by_instrument):
        for label, table in (("lit book", crisis.trades), ("request for quote", crisis.rfq_trades)):
            own = table[table["instrument_id"] == i]
            expected = np.histogram(own["ts_event_ns"], edges, weights=own["qty_lots"])[0]
            assert heights(axis, label).sum() == expected.sum() == own["qty_lots"].sum()
        lit, rfq = (t[t["instrument_id"] == i] for t in (crisis.trades, crisis.rfq_trades))
        first_ns = crisis.manifest.last_ts_ns // (BINS // 3)
        lots = [t[t["ts_event_ns"] < first_ns]["qty_lots"].sum() for t in (lit, rfq)]
        assert line(share, crisis.header.instruments[i].name)[0, 1] == pytest.approx(100 * lots[1] / sum(lots))


def test_beliefs(crisis: Run) -> None:
    axes = panels(drawn(crisis, "information"))
    for i, instrument in enumerate(crisis.header.instruments):
        table = crisis.table("belief")
        table = table[table["instrument_id"] == i]
        for axis, column, factor in (
            (axes[2 * i], "alpha", 1.0),
            (axes[2 * i + 1], "sd_ticks", float(instrument.tick_size)),
        ):
            for when, shown in line(axis, "median")[10::97]:
                at_ns = round((when + 1) * MINUTE)
                each = [last_before(own, column, at_ns) for _, own in table.groupby("agent_id")]
                assert shown == pytest.approx(factor * np.median(each))
            assert len([a for a in axis.lines if a.get_color() != "#000000" and len(a.get_xdata()) > 2]) == 9


def test_headroom_is_recomputable_from_the_balance_sheets(crisis: Run) -> None:
    axes = panels(drawn(crisis, "headroom"))
    (axis,) = [a for a in axes if a._left_title.get_text() == "leverage limit (SLR)"]
    size = SIZES[scale(axis)]
    sheets, unit = crisis.table("balance_sheet"), float(crisis.header.instruments[0].lot_size) / 100 * 0.005
    assert crisis.header.instruments[1].cash_per_tick_lot == 1
    ends = sorted(a.get_ydata()[-1] for a in axis.lines if len(a.get_xdata()) > 2)
    expected = []
    for dealer in crisis.header.dealer_ids or ():
        last = sheets[sheets["agent_id"] == dealer].iloc[-1]
        assets = last["cash"] + last["inventory_cash"] + last["other_assets_cash"]
        expected.append((20 * last["tier1_cash"] - assets) * unit / size)
    np.testing.assert_allclose(ends, sorted(expected), rtol=1e-9)
    # Somebody was in breach, and that is to be seen: below the line at 0.
    assert len(crisis.table("constraint_breached")) > 0
    assert min(float(np.min(a.get_ydata())) for a in axis.lines) < 0


def test_forced_sales_add_up(crisis: Run) -> None:
    (axis,) = panels(drawn(crisis, "forced"))
    total = 0
    for i, instrument in enumerate(crisis.header.instruments):
        tables = [crisis.table(name) for name in ("parent_order_opened", "new_order", "order_filled", "rfq_traded")]
        expected = forced_volume_lots(*(t[t["instrument_id"] == i] for t in tables))
        if not expected:
            assert instrument.name not in axis.get_legend_handles_labels()[1]
            continue
        path = line(axis, instrument.name)
        assert path[-1, 1] == expected
        assert (np.diff(path[:, 1]) >= 0).all()
        total += expected
    assert total > 0
    first = crisis.table("parent_order_opened")["ts_event_ns"].min()
    rises = [
        p[np.flatnonzero(np.diff(p[:, 1]))[0] + 1, 0]
        for i in crisis.header.instruments
        if i.name in axis.get_legend_handles_labels()[1] and len(p := line(axis, i.name))
    ]
    assert min(rises) >= minutes(first, 1)


def test_marks_and_adjustments(failing: Run) -> None:
    *by_instrument, adjusted = panels(drawn(failing, "marks"))
    fair = failing.table("fair_value")
    for i, axis in enumerate(by_instrument):
        marks = failing.table("mark")
        marks = marks[marks["instrument_id"] == i]
        prudent = marks.assign(prudent=marks["price_ticks"] - marks["adjustment_ticks"])
        for when, shown in line(axis, "median")[60::90]:
            at_ns = round((when + 0.5) * MINUTE)
            value = last_before(fair[fair["instrument_id"] == i], "value_ticks", at_ns)
            each = [100 * (last_before(own, "prudent", at_ns) / value - 1) for _, own in prudent.groupby("agent_id")]
            assert shown == pytest.approx(np.nanmedian(each))
    sheets = failing.table("balance_sheet")
    size = SIZES[scale(adjusted)]
    path = adjusted.lines[0].get_xydata()
    for when, shown in path[20::50]:
        at_ns = round((when + 0.5) * MINUTE)
        total = sum(last_before(own, "adjustment_cash", at_ns) for _, own in sheets.groupby("agent_id"))
        assert shown * size == pytest.approx(total * 500, abs=1.0)
    assert path[:, 1].max() > 0


def test_funding(squeezed: Run) -> None:
    haircut, debt, called = panels(drawn(squeezed, "funding"))
    sheets = squeezed.table("balance_sheet")
    name = squeezed.header.instruments[0].name
    opening = squeezed.table("loan_borrowed")["haircut"].iloc[0]
    assert line(haircut, name)[2, 1] == pytest.approx(100 * opening)
    size = SIZES[scale(debt)]
    last = sheets.groupby("agent_id").last()
    for column, label in (("repo_cash", "repo"), ("short_term_cash", "short term"), ("due_cash", "due")):
        assert line(debt, label)[-1, 1] * size == pytest.approx(last[column].sum() * 100)
    for name, label in (("loan_refused", "loan not rolled"), ("margin_called", "margin call")):
        if n := len(squeezed.table(name)):
            assert line(called, label)[-1, 1] == n
    assert len(called.lines) > 1


def test_funds(funds: Run) -> None:
    values, asked = panels(drawn(funds, "funds"))
    sheets, redeemed = funds.table("balance_sheet"), funds.table("redemption")
    assert len(redeemed) > 0
    size = SIZES[scale(asked)]
    for agent in (a for a in funds.header.agents if a.group == "fund"):
        own = sheets[sheets["agent_id"] == agent.agent_id]["tier1_cash"]
        assert line(values, agent.name)[-1, 1] == pytest.approx(100 * own.iloc[-1] / own.iloc[0])
        total = redeemed[redeemed["agent_id"] == agent.agent_id]["redeemed_cash"].sum() * 100
        assert line(asked, agent.name)[-1, 1] * size == pytest.approx(total)


def test_failures(failing: Run) -> None:
    times, borne = panels(drawn(failing, "failures"))
    defaults, losses = failing.table("dealer_defaulted"), failing.table("loss_attributed")
    assert times.lines[0].get_ydata()[-1] == defaults["agent_id"].nunique() > 0
    names = [failing.header.agents[i].name for i in defaults["agent_id"]]
    assert [t.get_text() for t in borne.get_xticklabels()] == names
    bars = [c for c in borne.containers if isinstance(c, BarContainer)]
    drawn_loss = sum(float(patch.get_height()) for container in bars for patch in container)
    assert drawn_loss * 1e6 == pytest.approx(losses["loss_cash"].sum() * 500)


# --- what there is, and what there is not --------------------------------------------------------------------


def calm() -> Run:
    """A market in which little is logged: no sheets, no beliefs, no quotes."""
    return run(market("plain", "bond", "maker", "strategies.fixed_spread:FixedSpreadDealer"), 1)


def market(name: str, instrument: str, group: str, strategy: str) -> Scenario:
    return parse_scenario(
        {
            "name": name,
            "horizon": "60s",
            "instruments": [{"name": instrument, "tick_size": 0.01, "lot_size": 1, "initial_price": 100}],
            "agents": [
                {"name": group, "strategy": strategy, "count": 2},
                {"name": "crowd", "strategy": "strategies.zero_intelligence:ZeroIntelligenceTrader", "count": 3},
            ],
        }
    )


def test_figures_without_data_are_left_out_and_said_so(tmp_path: Path, crisis: Run) -> None:
    written = write_figures(calm(), tmp_path / "calm")
    assert [f.name for f in written.files] == ["price.png", "depth.png", "spread.png", "share.png"]
    assert sorted(written.left_out) == sorted(set(FIGURES) - {"price", "depth", "spread", "share"})
    assert written.left_out["funds"] == "there are no funds"
    assert sorted(p.name for p in (tmp_path / "calm").iterdir()) == sorted(f.name for f in written.files)
    # With data none of these is left out.
    chosen = write_figures(crisis, tmp_path / "crisis", only=["forced", "failures", "funds"])
    assert set(chosen.left_out) == {"funds", "failures"}


def test_a_run_in_which_nothing_happens_has_no_figure(tmp_path: Path) -> None:
    nothing = parse_scenario(
        {
            "name": "n",
            "horizon": "1s",
            "instruments": [{"name": "b", "tick_size": 1, "lot_size": 1, "initial_price": 9}],
        }
    )
    written = write_figures(run(nothing, 1), tmp_path)
    assert not written.files
    assert set(written.left_out) == set(FIGURES)


def test_bad_names_and_places(tmp_path: Path, crisis: Run) -> None:
    with pytest.raises(InputError, match=r"--only.*did you mean 'price'"):
        write_figures(crisis, tmp_path, only=["prise"])
    with pytest.raises(InputError, match="png, svg, pdf"):
        write_figures(crisis, tmp_path, "gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_figures(crisis, tmp_path / "file", only=["price"])


def test_the_command(tmp_path: Path) -> None:
    run(market("m", "bond", "maker", "strategies.fixed_spread:FixedSpreadDealer"), 1, tmp_path / "r")

    def lob_sim(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lob_sim.cli", "figures", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    done = lob_sim("r", "--only", "price", "--only", "funds", "--format", "svg", "--out", "f")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["f/price.svg", "left out: funds (there are no funds)"]
    assert lob_sim("r", "--only", "prices").returncode == 2
    assert lob_sim("nowhere").returncode == 2


# --- the same run, the same bytes ----------------------------------------------------------------------------

WRITE = """
import sys
from pathlib import Path
from lob_sim import open_run
from lob_sim.report.static import write_figures
for form in ("png", "svg", "pdf"):
    write_figures(open_run(sys.argv[1]), Path(sys.argv[2]), form, ("depth", "quotes"))
"""


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    kept = run(load_scenario(SPIRAL, SHORT), 1, tmp_path / "r")
    assert open_run(tmp_path / "r").digest == kept.digest
    for folder, salt, epoch in (("a", "1", "0"), ("b", "2", "1000000000")):
        environment = os.environ | {"PYTHONHASHSEED": salt, "SOURCE_DATE_EPOCH": epoch}
        command = [sys.executable, "-c", WRITE, str(tmp_path / "r"), str(tmp_path / folder)]
        subprocess.run(command, check=True, timeout=240, env=environment)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert len(files) == 6
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
