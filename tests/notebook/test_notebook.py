"""What a notebook shows: the numbers of the log, small, offline, with hostile names escaped; and the notebook runs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lob_sim import Run, Scenario, load_scenario, open_run, run, trade_against
from lob_sim.errors import DataError, MissingExtraError
from lob_sim.experiment import Outcome, ResultTable, exceeds, identical
from lob_sim.log import MemoryRecorder, RunHeader, run_in_memory
from lob_sim.notebook import MOST_ROWS, table, text
from lob_sim.report.plots import Plots
from lob_sim.report.static import FIGURES
from lob_sim.scenario import parse_scenario, scenario_to_dict
from lob_sim.sweep import Axis, Design, Sweep, run_sweep
from lob_sim.sweep.scenario_task import plan_scenario_sweep

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
EVIL = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>&"
SMALL = 20_000
"""Characters: what a notebook keeps of a cell."""


@pytest.fixture(scope="module")
def market() -> Scenario:
    return load_scenario("dealer_market", ["horizon=3min"])


@pytest.fixture(scope="module")
def logged(market: Scenario) -> Run:
    return run(market, seed=7)


class Tags(HTMLParser):
    """The tags of a fragment, and whether each is closed."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.feed(shown)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(thing: Any) -> str:
    """What a notebook shows of it, which must be well formed, small and without anything that loads or runs."""
    found = thing._repr_html_()
    assert isinstance(found, str)
    assert len(found) < SMALL
    tags = Tags(found)
    assert not tags.open
    assert tags.seen <= {"p", "b", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags.attributes <= {"style"}
    assert "http" not in found
    return str(found)


def cells(found: str) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", found)


def test_a_run_shows_what_is_on_its_log(logged: Run) -> None:
    found = shown(logged)
    rows = cells(found)
    for instrument in logged.header.instruments:
        trades = logged.trades.query(f"instrument_id == {instrument.instrument_id}")
        rfq = logged.rfq_trades.query(f"instrument_id == {instrument.instrument_id}")
        at = rows.index(instrument.name)
        lots = trades["qty_lots"].sum() + rfq["qty_lots"].sum()
        assert rows[at + 1 : at + 4] == [f"{len(trades):,}", f"{len(rfq):,}", f"{lots:,}"]
        assert rows[at + 4] == f"{instrument.price(trades['price_ticks'].iloc[-1]):,.{instrument.price_decimals}f}"
    assert "seed 7" in found
    assert repr(logged).startswith("Run('dealer_market', seed 7, complete, ")


def test_a_scenario_shows_its_instruments_and_groups(market: Scenario) -> None:
    rows = cells(shown(market))
    for group in market.agents:
        assert rows[rows.index(group.name) + 1] == str(group.count)
    assert {i.name for i in market.instruments} <= set(rows)
    shocked = load_scenario(ROOT / "experiments/whole_system.toml")
    assert shocked.shocks[0].instrument in cells(shown(shocked))


def test_a_book_shows_its_best_levels(logged: Run) -> None:
    book = logged.book("treasury", at="2min")
    rows = cells(shown(book))
    best = rows.index("bid")
    ticks, lots, orders = book.bids[0]
    bid, ask = (f"{book.instrument.price(t):,.{book.instrument.price_decimals}f}" for t in (ticks, book.asks[0][0]))
    assert rows[best + 1 : best + 4] == [bid, str(lots), str(orders)]
    assert rows[best - 4 : best - 2] == ["ask", ask]


def test_an_outcome_shows_its_claims() -> None:
    rows = [exceeds("fewer", 3.0, 0.0, 0.5, EVIL), identical("none", 1.0, 0.0, "by hand")]
    outcome = Outcome(rows, tables=[ResultTable("Means", ["cell", "lots"], [["a", 1.5]])])
    found = shown(outcome)
    assert "not every claim holds" in found
    assert [c for c in cells(found) if c in ("holds", "fails")] == ["holds", "fails"]
    assert cells(found)[-2:] == ["a", "1.5"]


def test_a_sweep_shows_the_means_of_its_points(tmp_path: Path) -> None:
    scenario = load_scenario("dealer_market", ["horizon=90s"])
    design = Design(axes=(Axis("agents.dealer.count", (2, 3)),))
    plan, task = plan_scenario_sweep(scenario, design, 2, "lob_sim.sweep.measure:measure_crisis")
    frame = run_sweep(plan, tmp_path / "sweep", validate=task.validate).frame()
    found = shown(Sweep(tmp_path / "sweep"))
    assert "4 of 4 runs" in found
    metric = frame.attrs["metrics"][0]
    means = frame.groupby("point")[metric].mean()
    assert cells(found)[:2] == ["2", text(float(means.iloc[0]))]
    (tmp_path / "sweep" / "results" / "status=ok" / "x").write_text("")
    assert "cannot be shown" in shown(Sweep(tmp_path / "sweep"))


def test_what_traded_against_a_log_shows_its_profit(logged: Run) -> None:
    mine = trade_against(logged, "strategies.fixed_spread:FixedSpreadDealer", {"half_spread_ticks": 1})
    rows = cells(shown(mine))
    for name, row in zip(mine.pnl().index, mine.pnl().to_dict("records"), strict=True):
        assert rows[rows.index(name) + 1] == text(row["fills"])


def test_hostile_names_are_shown_as_text(market: Scenario) -> None:
    raw = scenario_to_dict(market)
    old = raw["instruments"][0]["name"]
    raw = json.loads(json.dumps(raw).replace(json.dumps(old), json.dumps(EVIL)))
    raw["name"] = raw["agents"][0]["name"] = EVIL
    raw["description"] = EVIL * 50
    hostile = parse_scenario(raw)
    for thing in (hostile, run(hostile, seed=1), run(hostile, seed=1).book(EVIL)):
        found = shown(thing)
        assert "<script" not in found
        assert "&lt;script&gt;" in found
    # The control: unescaped, the check of tags would have seen it.
    assert "script" in Tags("<p><script></script></p>").seen


def test_a_log_without_anything_and_a_damaged_one_are_shown(tmp_path: Path, market: Scenario) -> None:
    assert "0 rows" in shown(run_in_memory(MemoryRecorder(), RunHeader()))
    damaged = run(market, seed=1, out=tmp_path / "r")
    part = next((tmp_path / "r" / "events" / "trade").iterdir())
    part.write_bytes(b"x" * part.stat().st_size)
    assert "cannot be shown" in shown(open_run(damaged.path or ""))


def test_large_things_are_cut() -> None:
    found = table(("a",), [[k] for k in range(100)])
    assert found.count("<tr>") == 1 + MOST_ROWS
    assert "and 80 more rows" in found
    assert len(text("x" * 10_000)) == 100


# --- figures ------------------------------------------------------------------------------------------------------


def test_there_is_a_figure_of_every_kind(logged: Run) -> None:
    for name, kind in FIGURES.items():
        draw = getattr(logged.plot, name)
        assert draw.__doc__
        if name in ("price", "depth", "spread", "quotes", "share", "information"):
            assert draw()._repr_png_().startswith(b"\x89PNG")
        else:
            with pytest.raises(DataError, match=rf"plot\.{name}: has nothing to draw: {kind.missing}"):
                draw()
    assert "price" in repr(logged.plot)


def test_inventory_is_drawn_as_it_was(logged: Run) -> None:
    figure = logged.plot.inventory("agent")
    compared = 0
    for axis, instrument in zip(figure.axes, logged.header.instruments, strict=True):
        assert axis.get_title(loc="left") == instrument.name
        for line in axis.get_lines():
            held = logged.positions.query(f"agent == {line.get_label()!r} and instrument == {instrument.name!r}")[
                "lots"
            ]
            compared += len(held) > 0
            assert line.get_ydata()[-1] == held.iloc[-1]
    assert compared == 14
    with pytest.raises(DataError, match="expected group or agent"):
        logged.plot.inventory("instrument")
    with pytest.raises(DataError, match="nobody held or traded"):
        Plots(run_in_memory(MemoryRecorder(), msgspec.structs.replace(logged.header, scenario={}))).inventory()


def test_a_missing_extra_is_one_line(logged: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr("lob_sim.extras.find_spec", find)
    for draw in (logged.plot.price, logged.plot.inventory):
        with pytest.raises(
            MissingExtraError, match=r'^matplotlib not installed: expected pip install "lob-sim\[report\]"$'
        ):
            draw()


# --- the notebooks of the documentation ---------------------------------------------------------------------------


def results(notebook: Path) -> Iterator[tuple[str, object]]:
    """Run the cells in one namespace, as a kernel does: what each ends with."""
    names: dict[str, object] = {"__name__": "notebook"}
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(notebook), "exec"), names)
        if isinstance(last, ast.Expr):
            yield source, eval(compile(ast.Expression(last.value), str(notebook), "eval"), names)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_every_cell_shows_something(notebook: Path) -> None:
    seen = list(results(notebook))
    assert len(seen) > 5
    for source, result in seen:
        kinds = ("_repr_html_", "_repr_png_")
        assert any(getattr(result, kind, None) is not None for kind in kinds), source


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_results(notebook: Path) -> None:
    cells_ = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells_)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def test_a_cell_that_fails_is_noticed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    cell = {"cell_type": "code", "source": ["assert 1 + 1 == 3"], "outputs": [], "execution_count": None}
    broken.write_text(json.dumps({"cells": [cell]}))
    with pytest.raises(AssertionError):
        list(results(broken))
