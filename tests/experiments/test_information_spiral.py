"""The flagship: its cells, its measures, its verdicts, and in a small version its result."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from experiments import information_spiral
from experiments.spiral import (
    attribution,
    cells,
    claims,
    controls,
    demo,
    factorial,
    measure,
    robustness,
    tipping,
)
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.errors import InputError
from lob_sim.experiment import Outcome, in_processes
from lob_sim.log import Run
from lob_sim.messages import SheetCause
from lob_sim.report.data import forced_sales, presence
from lob_sim.report.static_panels import worst_instrument
from lob_sim.running import run
from lob_sim.scenario import Scenario, open_market
from lob_sim.sweep import all_coalitions

CALM = ["shocks=[]", "horizon=3min"]
SHORT = ["shocks.0.at=4min", "horizon=20min"]
SEEDS = 4


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return cells.flagship()


@pytest.fixture(scope="module")
def crisis() -> Run:
    return run(cells.flagship(SHORT), 1)


# --- cells -------------------------------------------------------------------------------------------------------


def test_the_factorial_switches_information_and_constraints_and_nothing_else(scenario: Scenario) -> None:
    on = {cell: msgspec.to_builtins(s.switches) for cell, s in cells.factorial(scenario).items()}
    information, constraints = {"toxicity", "retreat", "prudent_marks"}, {"slr", "var", "funding"}
    assert {name for name, value in on[NEITHER].items() if not value} == information | constraints
    assert {name for name, value in on[INFORMATION_ALONE].items() if not value} == constraints
    assert {name for name, value in on[CONSTRAINTS_ALONE].items() if not value} == information
    assert on[BOTH] == msgspec.to_builtins(scenario.switches)
    rest = [msgspec.structs.replace(s, switches=scenario.switches) for s in cells.factorial(scenario).values()]
    assert rest == [scenario] * 4


def test_capital_is_what_the_balance_sheets_open_with() -> None:
    calm = cells.flagship(CALM)
    opening = run(calm, 1)
    unit = open_market(calm)[1]
    sheets = opening.table("balance_sheet")
    tier1_cash = sheets[sheets["cause"] == int(SheetCause.OPENING)].set_index("agent_id")["tier1_cash"]
    groups = cells.leverage_groups(calm)
    for agent in opening.header.agents:
        if agent.group in groups:
            held = cells.capital(calm, groups[agent.group])
            assert unit.size * int(tier1_cash[agent.agent_id]) == held.required + held.headroom
            assert held.shock_loss == 0


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0])
def test_headroom_is_scaled_exactly_and_assets_stay(scenario: Scenario, factor: float) -> None:
    scaled = cells.with_headroom(scenario, factor)
    before, after = cells.leverage_groups(scenario), cells.leverage_groups(scaled)
    for name, group in before.items():
        old, new = cells.capital(scenario, group), cells.capital(scaled, after[name])
        assert new.assets == old.assets
        assert new.headroom == Decimal(repr(factor)) * old.headroom
    if factor == 1.0:
        assert scaled == scenario


def test_the_loss_of_a_shock_is_net_of_the_capital_that_lost_assets_needed(scenario: Scenario) -> None:
    group = next(iter(cells.leverage_groups(scenario).values()))
    shock = scenario.shocks[0]
    fall = Decimal(repr(-shock.size)) * cells.holdings(scenario, group)[shock.instrument]
    fallen = cells.capital(scenario, group).assets - fall
    tier1 = cells.capital(scenario, group).required + cells.capital(scenario, group).headroom - fall
    minimum = cells.capital(scenario, group).required / cells.capital(scenario, group).assets
    held = cells.capital(scenario, group)
    assert held.headroom - held.shock_loss == pytest.approx(tier1 - minimum * fallen)


def test_shocks_are_scaled_together_and_calm_has_none(scenario: Scenario) -> None:
    assert cells.calm(scenario).shocks == []
    assert cells.shocked(scenario, -0.005).shocks[0].size == -0.005
    assert cells.shocked(scenario, scenario.shocks[0].size) == scenario


def test_a_switch_that_nobody_has_gets_no_runs_of_its_own_and_changes_no_byte(scenario: Scenario) -> None:
    coalitions = all_coalitions(attribution.GROUPS)
    scenarios, cell_of = attribution.coalition_cells(scenario, attribution.GROUPS, coalitions)
    matter = cells.mechanisms(scenario)
    live = [name for name, switches in attribution.GROUPS.items() if matter & set(switches)]
    assert len(cell_of) == 16
    assert len(scenarios) == 2 ** len(live)
    assert cell_of[frozenset(attribution.GROUPS)] == "all on"
    calm = cells.flagship(CALM)
    idle = [name for name in msgspec.structs.asdict(calm.switches) if name not in matter]
    assert run(calm, 1).digest == run(cells.without(calm, *idle), 1).digest


def test_nothing_in_common_keeps_every_balance_sheet_as_large(scenario: Scenario) -> None:
    apart = controls.nothing_in_common(scenario)
    shocked_names = {shock.instrument for shock in scenario.shocks}
    spared = controls.thickest(scenario)
    for name, group in cells.leverage_groups(apart).items():
        was = cells.capital(scenario, cells.leverage_groups(scenario)[name])
        assert cells.capital(apart, group).headroom == was.headroom
        assert {i for i, held in group.holdings.items() if held}.isdisjoint(shocked_names) == (name == spared)


# --- measures ----------------------------------------------------------------------------------------------------


def test_every_metric_is_a_number_in_calm_and_in_a_crisis(crisis: Run) -> None:
    for metrics in (measure.spiral_metrics(crisis), measure.spiral_metrics(run(cells.flagship(CALM), 1))):
        wanted = [*factorial.OUTCOMES, *(c.metric for c in factorial.CHARACTERISTICS)]
        assert all(np.isfinite(metrics[name]) for name in wanted)


def test_forced_sales_add_up_to_what_the_crisis_metrics_count(crisis: Run) -> None:
    lots = int(forced_sales(crisis)["lots"].sum())
    assert lots == crisis_metrics(crisis)["forced_lots"] > 0


def test_what_dealers_buy_is_what_the_others_sell(crisis: Run) -> None:
    dealers = set(crisis.header.dealer_ids or ())
    for i in range(len(crisis.header.instruments)):
        fills, rfq = crisis.table("order_filled"), crisis.rfq_trades
        others = fills[(fills["instrument_id"] == i) & ~fills["agent_id"].isin(dealers)]
        clients = rfq[(rfq["instrument_id"] == i) & ~rfq["agent_id"].isin(dealers)]
        bought = sum(int((t["side"] * t["qty_lots"]).sum()) for t in (others, clients))
        times, lots = measure.dealer_purchases(crisis, i)
        assert int(lots.sum()) == -bought
        assert (np.diff(times) >= 0).all()


def test_flow_is_what_trades_say_and_knows_who_started_it(crisis: Run) -> None:
    forced = forced_sales(crisis)
    taken = forced[~forced["is_maker"]]
    assert len(taken) > 0
    for i in range(len(crisis.header.instruments)):
        times, lots, by_dealer = measure.started_flow(crisis, i)
        lit, rfq = (t[t["instrument_id"] == i] for t in (crisis.trades, crisis.rfq_trades))
        on_tape = (lit["aggressor_side"] * lit["qty_lots"]).sum() + (rfq["side"] * rfq["qty_lots"]).sum()
        assert lots.sum() == on_tape
        assert (np.diff(times) >= 0).all()
        # Only dealers sell under a constraint here: what they sell so, and as takers, is among what they started.
        sold = taken.loc[taken["instrument_id"] == i, "lots"].sum()
        assert sold <= -lots[by_dealer & (lots < 0)].sum()


def test_costs_beyond_value_are_a_zero_sum_within_each_trade(crisis: Run) -> None:
    flows = measure._flows(crisis)
    assert float((flows["cost_bp"] * flows["qty_lots"]).sum()) == pytest.approx(0.0, abs=1e-6)


def test_the_strip_shows_dealers_in_both_sides_first_and_withdrawn_in_the_crisis(crisis: Run) -> None:
    bins = 1 + crisis.manifest.last_ts_ns // (60 * 10**9)
    shares = presence(crisis, worst_instrument(crisis), bins)
    assert list(shares) == list(crisis.header.dealer_ids or ())
    both_sides = np.array([share[0] for share in shares.values()])
    assert both_sides[:, 0].mean() > 0.9
    assert both_sides.min() < 0.5


# --- verdicts ----------------------------------------------------------------------------------------------------


def test_verdicts_rest_on_the_whole_interval() -> None:
    sample = np.array([0.9, 1.0, 1.1, 1.2, 0.8])
    assert claims.above("", sample, 0.5, "").holds
    assert not claims.above("", sample, 1.0, "").holds
    assert claims.below("", sample, 1.5, "").holds
    assert not claims.below("", sample, 1.0, "").holds
    assert claims.within("", sample, 1.0, 0.2, "").holds
    # What scatters too much to tell is not shown to be within, nor is what is elsewhere.
    assert not claims.within("", sample, 1.0, 0.1, "").holds
    assert not claims.within("", sample, 2.0, 0.2, "").holds
    assert claims.share("", sample > 0, 0.95, "").holds
    assert not claims.share("", sample > 1, 0.95, "").holds


def test_a_kink_is_found_and_a_line_has_none() -> None:
    x = np.array([0.5, 1, 2, 3, 4, 5, 6])
    kinked = 0.1 * x + 0.9 * np.maximum(0, x - 3)
    found = tipping.fit_hinge(x, kinked)
    assert (found.at, found.before, found.after) == pytest.approx((3.0, 0.1, 1.0))
    noise = np.random.default_rng(1).normal(0, 0.02, (4, 20, x.size))
    curves = np.array([kinked, 0.5 * x, 0.005 * x**3, 0.05 * x])[:, None] + noise
    grid = tipping.Tipping([v / 100 for v in x], [1.0, 2.0, 3.0], curves[:3].swapaxes(1, 2), curves[3].T)
    table, rows = tipping.tipping_rows(grid)
    # A cube passes for a threshold, as the docstring says; a line does not, with or without its control.
    assert [row.holds for row in rows] == [True, True, False, False, True, True]
    assert [line[0] for line in table.rows] == ["× 1", "× 2", "× 3", "nothing on"]


def test_a_threshold_needs_the_mechanisms() -> None:
    x = np.array(tipping.SIZES)
    noise = np.random.default_rng(2).normal(0, 0.02, (2, x.size, 20))
    kinked = (10 * x + 90 * np.maximum(0, x - 0.03))[:, None] + noise
    _, (alone, beyond_control) = tipping.tipping_rows(tipping.Tipping(list(x), [1.0], kinked[:1], kinked[1]))
    assert alone.holds
    assert not beyond_control.holds


def _cells(interaction: float) -> dict[str, pd.DataFrame]:
    """Four cells in which everything that should be worse is, with an interaction of a given size."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 1, 30)
    values = {NEITHER: 1.0, INFORMATION_ALONE: 1.5, CONSTRAINTS_ALONE: 1.5, BOTH: 2.0 + interaction}
    names = [*factorial.OUTCOMES, *(c.metric for c in factorial.CHARACTERISTICS)]
    found = {}
    for cell, value in values.items():
        noisy = 5 + value + common + rng.normal(0, 0.05, 30)
        found[cell] = pd.DataFrame(dict.fromkeys(names, noisy))
    return found


def test_an_interaction_is_claimed_only_where_there_is_one() -> None:
    for size, expected in ((1.0, True), (0.0, False), (-1.0, False)):
        rows = factorial.factorial_rows(_cells(size))
        assert {row.holds for row in rows if "interaction" in row.claim} == {expected}
    table, rows = factorial.thesis_table(_cells(1.0))
    expected_signs = [c.stressed == "higher" for c in factorial.CHARACTERISTICS if c.stressed != "either"]
    assert [row.holds for row in rows] == expected_signs
    assert len(table.rows) == len(factorial.CHARACTERISTICS)


def test_the_outcome_is_one_json_object_with_intervals() -> None:
    by_cell = _cells(1.0)
    outcome = Outcome(factorial.factorial_rows(by_cell), None, [factorial.factorial_table(by_cell)])
    document = json.loads(information_spiral.EXPERIMENT.to_json({"part": "factorial"}, outcome))
    assert document["rows"][0]["low"] < document["rows"][0]["measured"] < document["rows"][0]["high"]
    assert document["tables"][0]["rows"][0][1].keys() >= {"value", "low", "high", "n"}


# --- robustness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "scaled"), [("12s", "9000000000ns"), (4, 3), (2, 1), (1, 1), (2.0, 1.5), ("2min", "90000000000ns")]
)
def test_parameters_are_scaled_in_their_own_units(value: str | float, scaled: str | float) -> None:
    assert robustness.scaled(value, 0.75) == scaled


def test_every_free_parameter_makes_a_valid_and_different_scenario(scenario: Scenario) -> None:
    parameters = robustness.free_parameters(scenario)
    assert len(parameters) > 15
    for label, change in parameters.items():
        # A share that is already whole cannot grow, and one lot cannot shrink; nothing may be stuck both ways.
        assert any(change(scenario, factor) != scenario for factor in (0.75, 1.25)), label
    assert {robustness.HEADROOM, robustness.SHOCK, *robustness.FREE} == set(parameters)


def test_a_free_parameter_that_the_scenario_does_not_set_is_named(scenario: Scenario) -> None:
    without = cells.with_group(scenario, "slow_capital", None)
    with pytest.raises(InputError, match="SlowCapital: margin_ticks"):
        robustness.free_parameters(without)


@pytest.mark.parametrize(
    ("read_by", "unread_in"), [("constraints", cells.INFORMATION_ALONE), ("information", cells.CONSTRAINTS_ALONE)]
)
def test_parameters_of_a_mechanism_are_not_read_without_it(scenario: Scenario, read_by: str, unread_in: str) -> None:
    changed = short = cells.shocked(cells.flagship(["horizon=14min", "shocks.0.at=2min"]), -0.04)
    for label, change in robustness.free_parameters(short).items():
        if robustness.FREE.get(label) == read_by or (label, read_by) == (robustness.HEADROOM, "constraints"):
            changed = change(changed, 0.75)
    trades = {
        (cell, name): run(cells.factorial(market)[cell], 1).trades[["ts_event_ns", "price_ticks", "qty_lots"]]
        for cell in (unread_in, BOTH)
        for name, market in (("as it is", short), ("changed", changed))
    }
    assert trades[unread_in, "as it is"].equals(trades[unread_in, "changed"])
    assert not trades[BOTH, "as it is"].equals(trades[BOTH, "changed"])


@pytest.mark.parametrize("fatal", [None, "SlowCapital: mean_interval × 0.75"])
def test_a_change_that_takes_the_interaction_away_is_told(monkeypatch: pytest.MonkeyPatch, fatal: str | None) -> None:
    def constructed(scenarios: dict[str, Scenario], seeds: int, title: str, measure: object) -> dict[str, pd.DataFrame]:
        worst = {
            name: 2.0 if name.endswith(f"| {BOTH}") and fatal not in name.split(" | ") else 0.5 for name in scenarios
        }
        return {name: pd.DataFrame({"overshoot_pct": value + np.arange(seeds)}) for name, value in worst.items()}

    monkeypatch.setattr(robustness.cells, "run_scenarios", constructed)
    table, (row,) = robustness.robustness_rows(5)
    assert [line[0] for line in table.rows if line[2] == "lost"] == ([fatal] if fatal else [])
    assert row.holds is (fatal is None)
    assert row.reference - row.measured == (fatal is not None)
    assert table.rows[0][0] == robustness.AS_IT_IS
    assert len(table.rows) == row.reference + 1
    # What seeds have in common cancels: comparisons are paired.
    assert all(line[1].low == line[1].value == line[1].high for line in table.rows)


# --- the market itself ---------------------------------------------------------------------------------------------


def test_nobody_informed_means_no_charge_for_information() -> None:
    calm = cells.flagship(CALM)
    alone = measure.measure_spiral(controls.uninformed(calm), 1, None).metrics
    informed = measure.measure_spiral(calm, 1, None).metrics
    assert alone["adverse_ticks"] == 0 < informed["adverse_ticks"]
    assert alone["dealer_spread_ticks"] < informed["dealer_spread_ticks"]


def test_the_log_depends_on_the_seed_and_on_no_order() -> None:
    assert all(row.holds for row in controls.determinism_rows(cells.flagship(CALM)))


def test_both_together_are_worse_than_neither() -> None:
    scenarios = cells.factorial(cells.flagship(SHORT))
    with in_processes(2):
        frames = cells.run_scenarios({cell: scenarios[cell] for cell in (NEITHER, BOTH)}, SEEDS, "test")
    worse = {m: frames[BOTH][m] - frames[NEITHER][m] for m in ("overshoot_pct", "spread_pct", "quote_absence")}
    assert all(sample.mean() > 0 for sample in worse.values())
    assert (worse["quote_absence"] > 0).all()
    # The negative control: without limits nobody is forced to sell, with them somebody is.
    assert (frames[NEITHER]["forced_lots"] == 0).all()
    assert frames[BOTH]["forced_lots"].sum() > 0


def test_the_demo_leaves_pages_a_figure_a_table_and_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = cells.flagship(["shocks.0.at=1min", "horizon=3min"])
    monkeypatch.setattr(cells, "flagship", lambda: brief)
    (tmp_path / "demo" / "runs" / "both" / "from an earlier demo").mkdir(parents=True)
    (tmp_path / "demo" / "runs" / "somebody's own").mkdir()
    demo.demo(tmp_path / "demo", seeds=2, workers=2)
    assert (tmp_path / "demo" / "spiral.png").stat().st_size > 10_000
    assert "interaction" in (tmp_path / "demo" / "table.txt").read_text(encoding="utf-8")
    result = json.loads((tmp_path / "demo" / "result.json").read_text(encoding="utf-8"))
    assert set(result["cells"]) == {NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH}
    folders = ["both", "constraints_alone", "information_alone", "neither"]
    assert sorted(p.name for p in (tmp_path / "demo" / "runs").iterdir()) == [*folders, "somebody's own"]
    assert not (tmp_path / "demo" / "runs" / "both" / "from an earlier demo").exists()
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    for folder in folders:
        assert f'href="runs/{folder}/report.html"' in page
        assert (tmp_path / "demo" / "runs" / folder / "report.html").is_file()
