"""The policy lab: how overlays come into episodes, conservation, the negative control, statistics, the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import policy_lab
from experiments.policy import results
from experiments.policy.episodes import EPISODES, Episode, chosen_episodes
from experiments.policy.measure import Lens, half_life_s, policy_metrics
from experiments.policy.results import MAIN, Finding, adjusted, finding, holm
from experiments.policy.running import NOTHING, UNBRANCHED, cells_of, run_episode, sized
from experiments.policy.telling import sentences, tables
from experiments.policy.ways import Plan, Way, plan_episode, policies
from lob_sim import Simulation
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.errors import InputError
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import load_scenario, packaged_overlays, parse_scenario

SHORT = ["horizon=12min"]
MARKET = Path(__file__).parents[2] / "experiments" / "whole_system.toml"
FLAGSHIP, FLASH = (next(e for e in EPISODES if e.name == name) for name in ("whole_system", "flash_2014"))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_episode(FLAGSHIP, policies(), SHORT)


@pytest.fixture(scope="module")
def lens(plan: Plan) -> Lens:
    return Lens(plan.at_ns, FLAGSHIP.instrument, FLAGSHIP.side, plan.classes)


@pytest.fixture(scope="module")
def plain_run(plan: Plan) -> Run:
    return run_once(parse_scenario(plan.plain), 1)


def kinds(plan: Plan) -> dict[str, str]:
    return {way.overlay: way.kind for way in plan.ways}


# --- ways ------------------------------------------------------------------------------------------------------------


def test_every_packaged_overlay_but_the_calm_is_a_policy() -> None:
    assert {*policies(), "calm"} == set(packaged_overlays())


def test_a_policy_enters_at_the_moment_where_a_branch_can_and_else_from_the_start_or_not_at_all(plan: Plan) -> None:
    at_the_moment = {"all_to_all", "purchases", "slr_exemption", "transparency"}
    assert {name for name, kind in kinds(plan).items() if kind == "branch"} == at_the_moment
    assert {name for name, kind in kinds(plan).items() if kind == "none"} == {"clearing", "ldi_buffers"}
    assert all(way.why for way in plan.ways if way.kind != "branch")
    flash = plan_episode(FLASH, policies(), SHORT)
    assert {name for name, kind in kinds(flash).items() if kind != "none"} == {
        "all_to_all",
        "batches",
        "halts",
        "purchases",
    }


def test_a_facility_opens_at_the_moment(plan: Plan) -> None:
    way = next(way for way in plan.ways if way.overlay == "standing_repo")
    assert way.scenario is not None
    facility = next(group for group in way.scenario["agents"] if group["name"] == "facility")
    assert parse_scenario(way.scenario)
    assert facility["params"]["start"] == f"{plan.at_ns}ns"


def test_without_treasuries_in_the_exposure_less_is_sold_by_force() -> None:
    sold = [
        crisis_metrics(run_once(load_scenario(MARKET, ["horizon=15min"], overlays=overlays), 2))["forced_lots"]
        for overlays in ((), ("slr_exemption",))
    ]
    assert 0 <= sold[1] < sold[0]


@pytest.mark.parametrize(("overlays", "quote"), [(("calm", "all_to_all"), True), (("calm",), False)])
def test_clients_quote_only_where_trading_is_all_to_all(overlays: tuple[str, ...], quote: bool) -> None:
    finished = run_once(load_scenario(MARKET, ["horizon=60s"], overlays=overlays), 1)
    clients = next(agent.agent_id for agent in finished.header.agents if agent.group == "liquidity")
    orders = finished.table("new_order")
    assert orders[orders["agent_id"] == clients]["post_only"].any() == quote


def test_an_overlay_that_sets_what_is_there_does_not_apply() -> None:
    way = next(way for way in plan_episode(FLASH, ["transparency"], SHORT).ways)
    assert (way.kind, way.why) == ("none", "the market has it already")


@pytest.mark.parametrize(("episodes", "overlays"), [("whole_sistem", ""), ("", "halt")])
def test_an_unknown_name_is_refused_with_the_nearest(episodes: str, overlays: str) -> None:
    with pytest.raises(InputError, match=r"did you mean '(whole_system|halts)'"):
        policy_lab.run(2, episodes, overlays)


def test_an_episode_without_its_scenario_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Episode(name="not_yet", title="", at="1s", moment="", instrument="x")
    monkeypatch.setattr("experiments.policy.episodes.EPISODES", (late, FLASH))
    assert chosen_episodes("") == [FLASH]


# --- what is measured ------------------------------------------------------------------------------------------------


def test_the_empty_branch_is_the_run_from_the_start_in_every_measure(plan: Plan, lens: Lens, plain_run: Run) -> None:
    simulation = Simulation(parse_scenario(plan.base), 1)
    simulation.run_until(plan.at_ns)
    state = simulation.state()
    branched = Simulation.of(state, changes=()).finish()
    assert policy_metrics(branched, lens) == policy_metrics(plain_run, lens)
    assert len(plan.base["agents"]) == len(plan.plain["agents"]) + 1
    # The control: a branch that changes something is told from it.
    exemption = next(way for way in plan.ways if way.overlay == "slr_exemption")
    changed = Simulation.of(state, changes=exemption.changes).finish()
    assert policy_metrics(changed, lens)["forced"] < policy_metrics(branched, lens)["forced"]


def test_gains_add_up_to_zero_and_with_what_is_held_to_profit_and_loss(lens: Lens, plain_run: Run) -> None:
    whole = Lens(0, lens.instrument, lens.side, lens.classes)
    metrics = policy_metrics(plain_run, whole)
    assert metrics["gain_sum"] == 0
    profit: dict[str, Fraction] = {}
    for group, amount in plain_run.pnl("group", exact=True)["pnl_value"].items():
        profit[lens.classes[str(group)]] = profit.get(lens.classes[str(group)], Fraction(0)) + amount
    for name, amount in profit.items():
        # The opening price is the opening value: both are on the grid.
        assert metrics[f"gain.{name}"] + metrics[f"held.{name}"] == pytest.approx(float(amount) / 1e6, abs=1e-9)
    assert metrics["gain.dealers"] != 0


@dataclass
class Short:
    """A run of whose executions one row is missing."""

    run: Run

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)

    @property
    def executions(self) -> pd.DataFrame:
        return self.run.executions.iloc[:-1]


def test_control_a_trade_with_one_side_is_found(lens: Lens, plain_run: Run) -> None:
    assert policy_metrics(Short(plain_run), lens)["gain_sum"] != 0  # type: ignore[arg-type]


def test_overshoot_is_that_of_the_crisis_metrics(lens: Lens, plain_run: Run) -> None:
    ours, theirs = policy_metrics(plain_run, lens), crisis_metrics(plain_run)
    assert ours[MAIN] == theirs["overshoot_pct.treasury"]
    assert ours["anywhere_pct"] == theirs["overshoot_pct"]
    # The other way round it is how far above value it was dealt.
    above = policy_metrics(plain_run, Lens(lens.at_ns, lens.instrument, 1, lens.classes))
    assert above[MAIN] != ours[MAIN]


def test_half_life_is_from_the_worst_until_half_of_it_is_gone_or_the_rest_of_the_time() -> None:
    assert half_life_s(np.array([0.0, 1.0, 4.0, 3.0, 2.0, 3.0])) == 2.0
    assert half_life_s(np.array([0.0, 1.0, 4.0, 3.0])) == 2.0


# --- statistics ------------------------------------------------------------------------------------------------------


def test_holm_is_the_step_down_of_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def made(values: list[float]) -> pd.DataFrame:
    rows = {MAIN: values, "calm_rms_pct": [0.01] * len(values), "gain_sum": [0.0] * len(values)}
    keys = ("anywhere_pct", "recovery_s", "half_s", "failures", "creditors", "forced", "redeemed", "spent", "lent")
    zero = dict.fromkeys([*keys, *(f"{k}.{c}" for k in ("gain", "held") for c in results.CLASSES)], 0.0)
    return pd.DataFrame(rows).assign(**zero)


@pytest.fixture
def found(plan: Plan) -> Finding:
    ways = (Way("halts", "start"), Way("slr_exemption", "branch"), Way("clearing", "none", "no swaps"))
    small = Plan(FLAGSHIP, plan.plain, plan.base, plan.at_ns, plan.classes, ways)
    nothing = made([2.0, 3.0, 4.0, 3.0])
    frames = {
        NOTHING: nothing,
        UNBRANCHED: nothing,
        "halts": made([2.1, 2.9, 4.2, 3.1]),
        "slr_exemption": made([0.5, 1.4, 2.6, 1.5]),
    }
    for size, share in ((4.0, 0), (7.0, 4)):
        frames[sized(NOTHING, size)] = made([2.0] * share + [0.1] * (4 - share))
        frames[sized("halts", size)] = made([2.0] * share + [0.1] * (4 - share))
        frames[sized("slr_exemption", size)] = made([0.1] * 4)
    return adjusted([finding(small, frames, [4.0, 7.0])])[0]


def test_policies_are_ranked_by_what_they_take_off_with_paired_intervals(found: Finding) -> None:
    assert [effect.name for effect in found.effects] == ["slr_exemption", "halts", "clearing"]
    best, halts, absent = found.effects
    assert best.changes[MAIN].value == pytest.approx(-1.5)
    # Differences of -1.5, -1.6, -1.4, -1.5: t of 3.182 at three degrees of freedom.
    assert best.changes[MAIN].high == pytest.approx(-1.5 + 3.18245 * np.std([1.5, 1.6, 1.4, 1.5], ddof=1) / 2, abs=1e-4)
    assert best.is_shown
    assert not halts.is_shown
    assert not absent.applies
    assert (found.unbranched, found.unbalanced) == (0.0, 0.0)
    assert found.bound_pct == pytest.approx(1.0)


def test_the_threshold_is_where_half_of_the_seeds_spiral_and_its_shift_is_paired(found: Finding) -> None:
    assert found.sizes == [4.0, 5.5, 7.0]
    best, halts, _ = found.effects
    assert found.threshold is not None
    assert 4.0 < found.threshold.value < 5.5
    assert halts.shift is not None
    assert halts.shift.value == 0.0
    assert best.shift is not None
    assert best.shift.value > 0
    assert best.beyond
    assert not halts.beyond


def test_it_is_told_in_words_and_tables(found: Finding) -> None:
    text = " ".join(sentences(found))
    assert "3.00% below value" in text
    assert "Shown to help: leverage ratio exemption (−1.50)." in text
    assert "halts" not in text
    titles = [table.title for table in tables([found])]
    assert any("who gains by dealing" in title for title in titles)
    assert not any("costs the public" in title for title in titles)


def test_shocks_of_another_size_are_cells_of_their_own(plan: Plan) -> None:
    cells = cells_of(plan, [4.0])
    assert set(cells) >= {NOTHING, sized(NOTHING, 4.0), sized("halts", 4.0), sized("slr_exemption", 4.0)}
    assert "clearing" not in cells
    assert any("-0.04" in change for change in cells[sized("slr_exemption", 4.0)].changes)
    assert cells[sized("halts", 4.0)].scenario["shocks"][0]["size"] == pytest.approx(-0.04)


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_quick_run_keeps_its_results_and_writes_a_page_that_needs_no_network(tmp_path: Path) -> None:
    outcome = policy_lab.run(2, "flash_2014", "halts,slr_exemption", horizon="11min", out=tmp_path)
    assert [row.verdict for row in outcome.rows] == ["holds", "holds"]
    page = (tmp_path / "board.html").read_text(encoding="utf-8")
    assert "trading halts at 1%" in page
    assert "nobody has a leverage limit" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)|@import|url\((?!["']?data:)""", page)
    assert not (tmp_path / "flash_2014.pasts").exists()
    again = policy_lab.run(2, "flash_2014", "halts,slr_exemption", horizon="11min", out=tmp_path)
    assert [table.rows for table in again.tables] == [table.rows for table in outcome.tables]
    with pytest.raises(InputError, match="holds another sweep"):
        run_episode(plan_episode(FLASH, ["halts"], ["horizon=11min"]), 3, tmp_path)
    outcome.draw(tmp_path / "figure.png")  # type: ignore[misc]
    assert (tmp_path / "figure.png").stat().st_size > 0
