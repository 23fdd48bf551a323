"""The flagship: its cells, its measures, its verdicts, and in a small version its result."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import msgspec
import numpy as np
import pandas as pd
import pytest

from experiments import information_spiral
from experiments.spiral import (
    attribution,
    cells,
    controls,
    demo,
    figures,
    measure,
    record,
    thesis,
)
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from experiments.spiral.measure import measure_threshold
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.errors import InputError
from lob_sim.experiment import Outcome, over_seeds
from lob_sim.log import Run
from lob_sim.messages import SheetCause
from lob_sim.report.data import forced_sales, presence
from lob_sim.report.headline import worst_instrument
from lob_sim.running import run
from lob_sim.scenario import Scenario, open_market
from lob_sim.sweep import Serial, all_coalitions

CALM = ["shocks=[]", "horizon=3min"]
SHORT = ["shocks.0.at=2min", "horizon=10min", "shocks.0.size=-0.08"]
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
    hit = {shock.instrument for shock in scenario.shocks}
    was = cells.leverage_groups(scenario)
    for name, group in cells.leverage_groups(apart).items():
        now, before = cells.capital(apart, group), cells.capital(scenario, was[name])
        assert (now.assets, now.headroom) == (before.assets, before.headroom)
    held: dict[bool, set[str]] = {True: set(), False: set()}
    for group in apart.agents:
        if group.balance_sheet is not None:
            names = {name for name, amount in group.holdings.items() if amount}
            assert len({name in hit for name in names}) == 1
            assert set(group.balance_sheet.repo) <= names
            held[names <= hit].add(cells.class_of(group))
    # Of dealers and of leveraged funds some can be hit, and others have what is not.
    assert held[True] == {"SpiralDealer", "LeveragedFund"} < held[False]


# --- measures ----------------------------------------------------------------------------------------------------


def test_every_metric_is_a_number_in_calm_and_in_a_crisis(crisis: Run) -> None:
    for metrics in (measure.spiral_metrics(crisis), measure.spiral_metrics(run(cells.flagship(CALM), 1))):
        wanted = [*thesis.OUTCOMES, *(c.metric for c in thesis.CHARACTERISTICS)]
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
    taken = forced[~forced["is_maker"] & forced["agent_id"].isin(crisis.header.dealer_ids or ())]
    assert len(taken) > 0
    for i in range(len(crisis.header.instruments)):
        times, lots, by_dealer = measure.started_flow(crisis, i)
        lit, rfq = (t[t["instrument_id"] == i] for t in (crisis.trades, crisis.rfq_trades))
        on_tape = (lit["aggressor_side"] * lit["qty_lots"]).sum() + (rfq["side"] * rfq["qty_lots"]).sum()
        assert lots.sum() == on_tape
        assert (np.diff(times) >= 0).all()
        # What dealers sell under a constraint, and as takers, is among what they started.
        sold = taken.loc[taken["instrument_id"] == i, "lots"].sum()
        assert sold <= -lots[by_dealer & (lots < 0)].sum()


def test_costs_beyond_value_are_a_zero_sum_within_each_trade(crisis: Run) -> None:
    flows = measure.all_flows(crisis, 0)
    assert float((flows["cost_bp"] * flows["qty_lots"]).sum()) == pytest.approx(0.0, abs=1e-6)


def test_the_strip_shows_dealers_in_both_sides_first_and_withdrawn_in_the_crisis(crisis: Run) -> None:
    bins = 1 + crisis.manifest.last_ts_ns // (60 * 10**9)
    shares = presence(crisis, crisis.instrument_id(worst_instrument(crisis)), bins)
    assert list(shares) == list(crisis.header.dealer_ids or ())
    both_sides = np.array([share[0] for share in shares.values()])
    assert both_sides[:, 0].mean() > 0.9
    assert both_sides.min() < 0.5


# --- verdicts ----------------------------------------------------------------------------------------------------


def test_verdicts_rest_on_the_whole_interval() -> None:
    sample = np.array([0.9, 1.0, 1.1, 1.2, 0.8])
    assert over_seeds.above("", sample, 0.5, "").holds
    assert not over_seeds.above("", sample, 1.0, "").holds
    assert over_seeds.below("", sample, 1.5, "").holds
    assert not over_seeds.below("", sample, 1.0, "").holds
    assert over_seeds.within("", sample, 1.0, 0.2, "").holds
    # What scatters too much to tell is not shown to be within, nor is what is elsewhere.
    assert not over_seeds.within("", sample, 1.0, 0.1, "").holds
    assert not over_seeds.within("", sample, 2.0, 0.2, "").holds
    assert over_seeds.share("", sample > 0, 0.95, "").holds
    assert not over_seeds.share("", sample > 1, 0.95, "").holds


def _cells() -> dict[str, pd.DataFrame]:
    """Two cells of which everything is more in the second."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 1, 30)
    names = [*thesis.OUTCOMES, *(c.metric for c in thesis.CHARACTERISTICS)]
    return {
        cell: pd.DataFrame(dict.fromkeys(names, 5 + value + common + rng.normal(0, 0.05, 30)))
        for cell, value in {NEITHER: 1.0, BOTH: 2.0}.items()
    }


def test_a_characteristic_is_claimed_only_where_its_sign_is_as_the_thesis_has_it() -> None:
    table, rows = thesis.thesis_table(_cells())
    expected_signs = [c.stressed == "higher" for c in thesis.CHARACTERISTICS if c.stressed != "either"]
    assert [row.holds for row in rows] == expected_signs
    assert len(table.rows) == len(thesis.CHARACTERISTICS)


def test_what_is_left_of_a_shock_is_judged_by_its_size() -> None:
    rng = np.random.default_rng(3)
    left = {NEITHER: 0.1, BOTH: 1.0, thesis.SMALL: 0.01}
    frames = {
        name: pd.DataFrame({"residual_pct": value + rng.normal(0, 0.005, 30), "failures": 0.0})
        for name, value in left.items()
    }
    assert all(row.holds for row in thesis.absorbed_rows(frames, 0.05))
    # Control: stressed and functioning alike, or a small shock of which a half is left.
    alike = frames | {BOTH: frames[NEITHER]}
    assert [row.holds for row in thesis.absorbed_rows(alike, 0.05)].count(False) == 1
    small = frames | {thesis.SMALL: frames[thesis.SMALL] + 0.25}
    assert not thesis.absorbed_rows(small, 0.05)[0].holds


def test_the_outcome_is_one_json_object_with_intervals() -> None:
    table, rows = thesis.thesis_table(_cells())
    document = json.loads(information_spiral.EXPERIMENT.to_json({"part": "table"}, Outcome(rows, None, [table])))
    assert document["rows"][0]["low"] < document["rows"][0]["measured"] < document["rows"][0]["high"]
    assert document["tables"][0]["rows"][0][2].keys() >= {"value", "low", "high", "n"}


# --- the market itself ---------------------------------------------------------------------------------------------


def test_nobody_informed_means_no_charge_for_information() -> None:
    calm = cells.flagship(CALM)
    alone = measure.measure_spiral(controls.uninformed(calm), 1, None).metrics
    informed = measure.measure_spiral(calm, 1, None).metrics
    assert alone["adverse_ticks"] == 0 < informed["adverse_ticks"]
    assert alone["dealer_spread_ticks"] < informed["dealer_spread_ticks"]


def test_the_log_depends_on_the_seed_and_on_no_order() -> None:
    assert all(row.holds for row in controls.determinism_rows(cells.flagship(CALM)))


def test_both_together_are_worse_than_neither(crisis: Run) -> None:
    four = cells.factorial(cells.flagship(SHORT))
    assert four[BOTH] == cells.flagship(SHORT)  # which is the crisis
    frames = {
        NEITHER: measure.measure_spiral(four[NEITHER], 1, None).metrics,
        BOTH: measure.spiral_metrics(crisis),
    }
    for metric in ("overshoot_pct", "spread_pct", "quote_absence", "forced_lots"):
        assert frames[BOTH][metric] > frames[NEITHER][metric], metric
    # The negative control: without limits no dealer is forced to sell, and funds only for what investors redeem.
    forced = {cell: sum(v for k, v in f.items() if k.startswith("forced_sellers.")) for cell, f in frames.items()}
    assert forced[NEITHER] == 0 < forced[BOTH]
    assert frames[NEITHER]["forced_lots"] < frames[BOTH]["forced_lots"] / 10


def test_nothing_in_common_starts_nothing_and_neither_does_infinite_depth(crisis: Run) -> None:
    short = cells.flagship(SHORT)
    found = {
        "as it is": measure.threshold_metrics(crisis),
        "apart": measure_threshold(controls.nothing_in_common(short), 1, None).metrics,
        "deep": measure_threshold(controls.infinitely_deep(short), 1, None).metrics,
    }
    worst = {name: metrics["worst_pct.treasury"] for name, metrics in found.items()}
    assert worst["apart"] < worst["as it is"]
    assert worst["deep"] < worst["as it is"] / 4


def test_runs_in_a_folder_are_those_without_one_and_are_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = {"calm": cells.flagship(["shocks=[]", "horizon=20s"])}
    loose = cells.run_scenarios(brief, cells.Runs(2, 101), "test", measure_threshold)["calm"]
    kept = cells.Runs(2, 101, tmp_path / "kept")
    first = cells.run_scenarios(brief, kept, "test", measure_threshold)["calm"]
    assert list(first.index) == list(loose.index) == [101, 102]
    assert first["rms_pct.treasury"].tolist() == loose["rms_pct.treasury"].tolist()
    monkeypatch.setattr(cells, "processes", Refusing)
    again = cells.run_scenarios(brief, kept, "test", measure_threshold)["calm"]
    assert again["rms_pct.treasury"].tolist() == first["rms_pct.treasury"].tolist()
    with pytest.raises(InputError, match="holds another sweep"):
        cells.run_scenarios({"calm": cells.flagship(["shocks=[]", "horizon=21s"])}, kept, "test", measure_threshold)


class Refusing(Serial):
    """An executor that does nothing."""

    def submit(self, *args: object, **kwargs: object) -> NoReturn:
        raise AssertionError("a run is done again")


def test_who_is_away_is_away_for_the_cause_that_is_logged(crisis: Run) -> None:
    at_ns = crisis.manifest.last_ts_ns // 4
    times = np.array([at_ns], dtype=np.int64)
    fear, limits, failed = figures.away(crisis, 0, times)[:, 0]
    retreats = crisis.table("retreat").assign(kind="away")
    returns = crisis.table("return").assign(kind="back")
    columns = ["seq", "ts_event_ns", "agent_id", "instrument_id", "cause", "kind"]
    moves = pd.concat([retreats[columns], returns[columns]]).sort_values("seq")
    moves = moves[(moves["instrument_id"] == 0) & (moves["ts_event_ns"] <= at_ns)]
    last = moves.groupby("agent_id").last()
    gone = last[last["kind"] == "away"]["cause"]
    assert failed == 0
    assert (fear, limits) == ((gone <= 2).sum(), (gone > 2).sum())
    assert fear + limits > 0


def test_the_demo_leaves_pages_a_figure_a_table_and_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brief = cells.flagship(["shocks.0.at=1min", "horizon=3min"])
    monkeypatch.setattr(cells, "flagship", lambda: brief)
    (tmp_path / "demo" / "runs" / "both" / "from an earlier demo").mkdir(parents=True)
    (tmp_path / "demo" / "runs" / "somebody's own").mkdir()
    demo.demo(tmp_path / "demo", workers=1)
    assert (tmp_path / "demo" / "spiral.png").stat().st_size > 10_000
    found = record.load_record().own
    assert f"Seed {found.median_seed()}" in (tmp_path / "demo" / "table.txt").read_text(encoding="utf-8")
    result = json.loads((tmp_path / "demo" / "result.json").read_text(encoding="utf-8"))
    assert set(result["cells"]) == {NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH}
    assert result["seed"] == found.median_seed()
    folders = ["both", "constraints_alone", "information_alone", "neither"]
    assert sorted(p.name for p in (tmp_path / "demo" / "runs").iterdir()) == [*folders, "somebody's own"]
    assert not (tmp_path / "demo" / "runs" / "both" / "from an earlier demo").exists()
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    for folder in folders:
        assert f'href="runs/{folder}/report.html"' in page
        assert (tmp_path / "demo" / "runs" / folder / "report.html").is_file()
