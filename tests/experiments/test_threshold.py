"""The threshold of a spiral: the curve and its midpoint, the claims, each with its control, and a short run."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from experiments import information_spiral
from experiments.spiral import cells, one_shock, record, threshold
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from lob_sim.errors import DataError, InputError
from lob_sim.experiment import Row

SIZES = np.array([4.5, 5.0, 5.5, 6.0, 6.5])
SEEDS = 40


def penalised(sizes: NDArray[np.float64], shares: NDArray[np.float64], seeds: int) -> float:
    """Firth's midpoint, by maximising the penalised likelihood with another method."""
    x = np.column_stack([np.ones_like(sizes), sizes - sizes.mean()])

    def loss(beta: NDArray[np.float64]) -> float:
        chance = 1 / (1 + np.exp(-x @ beta))
        log = seeds * (shares * np.log(chance) + (1 - shares) * np.log1p(-chance)).sum()
        weight = seeds * chance * (1 - chance)
        return -float(log + 0.5 * np.linalg.slogdet(x.T @ (weight[:, None] * x))[1])

    found = minimize(loss, np.array([0.1, 0.5]), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12}).x
    return float(sizes.mean() - found[0] / found[1])


@pytest.mark.parametrize(
    "shares", [[0.0, 0.1, 0.4, 0.8, 1.0], [0.0, 0.0, 1.0, 1.0, 1.0], [0.1, 0.1, 0.2, 0.3, 0.6], [0.0, 0.0, 0.0, 0.9, 1]]
)
def test_the_midpoint_is_that_of_firths_likelihood(shares: list[float]) -> None:
    found = threshold.midpoint(SIZES, np.array(shares), 10)
    assert found == pytest.approx(penalised(SIZES, np.array(shares), 10), abs=1e-4)


def test_with_many_seeds_it_is_the_true_midpoint_and_moves_with_the_sizes() -> None:
    shares = 1 / (1 + np.exp(-(SIZES - 5.37) / 0.3))
    assert threshold.midpoint(SIZES, shares, 1_000_000) == pytest.approx(5.37, abs=1e-4)
    assert threshold.midpoint(SIZES + 2, shares, 50) == pytest.approx(threshold.midpoint(SIZES, shares, 50) + 2)


@pytest.mark.parametrize(("share", "bound"), [(0.0, SIZES[-1]), (1.0, SIZES[0])])
def test_a_midpoint_beyond_the_sizes_is_a_bound(share: float, bound: float) -> None:
    assert threshold.midpoint(SIZES, np.full(5, share), 10) == bound
    falling = np.array([0.3, 0.2, 0.1, 0.0, 0.0])
    assert threshold.midpoint(SIZES, falling, 10) == SIZES[-1]


def test_the_area_between_two_steps_is_their_distance() -> None:
    early, late = (SIZES >= 5.0).astype(float), (SIZES >= 6.0).astype(float)
    assert threshold.area(SIZES, early - late) == pytest.approx(1.0)


def spirals(**cells: NDArray[np.bool_]) -> threshold.Spirals:
    """Seeds whose thresholds spread evenly about 5.5 with limits alone and 5.2 with both, and none without limits."""
    spread = np.linspace(-0.6, 0.6, SEEDS)
    started = {
        NEITHER: np.zeros((5, SEEDS), dtype=bool),
        INFORMATION_ALONE: np.zeros((5, SEEDS), dtype=bool),
        CONSTRAINTS_ALONE: SIZES[:, None] > 5.5 + spread,
        BOTH: SIZES[:, None] > 5.2 + spread,
    }
    changed = {name.replace("_", " "): value for name, value in cells.items() if name != "calm"}
    # Of two runs in which a spiral starts, or in which none does, the later seed has the worse price.
    worst = {
        cell: (np.where(found, 5.0, 0.03) + 1e-4 * np.arange(SEEDS)).tolist()
        for cell, found in (started | changed).items()
    }
    calm = np.where(cells.get("calm", np.zeros(SEEDS, dtype=bool)), 5.0, 0.03).tolist()
    rms = np.linspace(0.009, 0.011, SEEDS).tolist()
    return threshold.Spirals("", 5.0, SIZES.tolist(), 101, rms, worst, calm)


def at_one_size(**cells: NDArray[np.bool_]) -> threshold.Spirals:
    """The same at a fall of 5.5 alone."""
    found = spirals(**cells)
    worst = {cell: [sizes[2]] for cell, sizes in found.worst_pct.items()}
    return msgspec.structs.replace(found, at_pct=5.5, sizes=[5.5], worst_pct=worst)


def kept(**cells: NDArray[np.bool_]) -> record.Record:
    """A record of the two."""
    return record.Record(spirals(**cells), at_one_size(**cells))


def failing(found: threshold.Spirals) -> set[str]:
    return {row.claim.partition(":")[0].partition(" (")[0] for row in threshold.threshold_rows(found) if not row.holds}


def test_a_shift_is_told_and_measured() -> None:
    rows: list[Row] = threshold.threshold_rows(spirals())
    assert all(row.holds for row in rows)
    assert rows[0].measured == pytest.approx(0.3, abs=0.03)
    assert rows[1].measured == pytest.approx(SIZES[-1] - 5.2, abs=0.05)
    assert rows[2].measured == pytest.approx(0.3, abs=0.03)


def test_controls_each_claim_fails_without_its_cause() -> None:
    as_much = spirals().started(CONSTRAINTS_ALONE)
    none = np.zeros((5, SEEDS), dtype=bool)
    one = np.arange(SEEDS) == 0
    assert failing(spirals(both=as_much)) == {"information, where limits are on", "interaction"}
    # Fear that does by itself what it does beside limits is no interaction, and no calm is one with a spiral.
    added = spirals().started(BOTH) & ~as_much
    assert failing(spirals(information_alone=added)) == {
        "interaction",
        "no spiral at any size while nothing is constrained",
    }
    assert "constraints, where information is on" in failing(spirals(both=none))
    assert failing(spirals(calm=one)) == {"no spiral in calm, everything on"}


def test_no_size_is_told_to_do_what_a_default_shock_should_unless_it_does() -> None:
    def told(found: threshold.Spirals) -> list[str]:
        return [line[-1] for line in threshold.threshold_tables(found)[1].rows]

    assert told(spirals()) == ["no"] * 5
    always, never = np.ones((5, SEEDS), dtype=bool), np.zeros((5, SEEDS), dtype=bool)
    assert told(spirals(both=always, constraints_alone=never)) == ["yes"] * 5


def test_the_seed_that_is_drawn_is_the_median_of_its_cell() -> None:
    found = spirals()
    worst = np.array(found.worst_pct[BOTH][1])
    drawn = worst[found.median_seed() - 101]
    assert (worst > drawn).sum() == SEEDS // 2 - 1
    own = at_one_size()
    assert own.median_seed() == one_shock.shock_tables(own)[2].rows[0][1]
    # All alike but for their number: of forty the twenty-first.
    assert found.median_seed(NEITHER) == 101 + SEEDS // 2


def test_a_shift_is_told_by_other_definitions_of_a_spiral() -> None:
    found = spirals()
    shifts = threshold.shifts_by_definition(found)
    assert all(row.measured == pytest.approx(0.3, abs=0.03) for row in shifts.values())
    # Where prices of one cell stop at 1.2 % below value, it depends on the word whether fear does anything.
    between = np.where(found.started(BOTH) & ~found.started(CONSTRAINTS_ALONE), 1.2, np.array(found.worst_pct[BOTH]))
    unclear = msgspec.structs.replace(found, worst_pct=found.worst_pct | {BOTH: between.tolist()})
    shifts = threshold.shifts_by_definition(unclear)
    assert shifts[100.0].measured == pytest.approx(0.3, abs=0.03)
    assert shifts[150.0].measured == pytest.approx(0.0, abs=0.01)


def test_the_record_is_what_readme_says(tmp_path: Path) -> None:
    whole = record.load_record()
    found = whole.sizes
    readme = (record.ROOT / "README.md").read_text(encoding="utf-8")
    assert record.with_block(readme, record.readme_block(whole)) == readme
    # What README says above its table in words of its own.
    assert "fear alone makes none" in readme
    assert not found.started(NEITHER).any()
    assert not found.started(INFORMATION_ALONE).any()
    assert found.started(CONSTRAINTS_ALONE).any()
    # Control: another run would say something else.
    for part in ("sizes", "own"):
        there = getattr(whole, part)
        changed = msgspec.structs.replace(there, worst_pct=there.worst_pct | {BOTH: there.worst_pct[NEITHER]})
        other = msgspec.structs.replace(whole, **{part: changed})
        assert record.with_block(readme, record.readme_block(other)) != readme
    with pytest.raises(DataError, match="no place"):
        record.with_block("no marks", "")
    with pytest.raises(InputError, match="publish"):
        record.load_record(tmp_path)


def test_what_is_published_is_the_record_its_figures_and_readmes_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "draw_median_seed", lambda path, found, runs: path.write_bytes(b"drawn"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(
        f"before\n{record._BEGIN.format('publish')}\nformer\n{record._END}\nafter\n", encoding="utf-8"
    )
    whole, found = kept(), spirals()
    written = record.publish(whole, tmp_path, {})
    assert all(path.stat().st_size for path in written)
    assert record.load_record(tmp_path) == whole
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "former" not in text
    assert f"{threshold.midpoints(found)[BOTH].value:.2f}% [" in text
    assert f"{threshold.threshold_rows(found)[0].measured:.2f} points" in text
    assert "none of these sizes" in text
    assert one_shock.in_words(whole.own) in " ".join(text.split())


def test_what_seeds_do_not_tell_is_said() -> None:
    def told(**changed: NDArray[np.bool_]) -> str:
        return " ".join(record.readme_block(kept(**changed)).split())

    assert "do not tell" in told(both=spirals().started(CONSTRAINTS_ALONE))
    assert "do not tell" not in told()
    assert "At no size" in told()
    always, never = np.ones((5, SEEDS), dtype=bool), np.zeros((5, SEEDS), dtype=bool)
    assert "At 4.5%, 5%" in told(both=always, constraints_alone=never)


def test_a_short_run_measures_every_cell_at_every_size() -> None:
    outcome = information_spiral.EXPERIMENT.run(**information_spiral.EXPERIMENT.quick)
    assert len(outcome.rows) == 5
    assert [row.holds for row in outcome.rows[3:]] == [True, True]
    shares, asked, _ = outcome.tables
    assert [line[0] for line in shares.rows] == list(threshold.ORDER)
    assert len(asked.rows) == 2
    # A market whose price follows value is off by some ticks of 0.004 %, not by hundreds.
    assert 0.002 < float(shares.title.split("errors of ")[1].split(" ")[0]) < 0.1


@pytest.mark.parametrize("sizes", ["x", "5", "5,4", "5,x", "0,5", "5,100", "5,5"])
def test_bad_sizes_are_one_line_and_exit_code_two(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        information_spiral.main(["--sizes", sizes])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --sizes")
    assert error.count("\n") == 1


def test_a_record_is_confirmed_by_the_runs_of_its_picture_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = spirals()
    found = msgspec.structs.replace(found, at_pct=found.sizes[1], program="former")
    place = found.median_seed() - found.first_seed
    prices = {cell: found.worst_pct[cell][1][place] for cell in record.DRAWN}
    monkeypatch.setattr(record, "threshold_metrics", lambda run: {"worst_pct.treasury": run})
    runs: Any = dict(prices)
    today = record.fingerprint(cells.__name__)
    assert record.confirmed(found, runs) == msgspec.structs.replace(found, confirmed_by=today)
    fresh = msgspec.structs.replace(found, program=today)
    assert record.confirmed(fresh, runs) == fresh
    # Controls: a price that differs in the sixth decimal, and a size of which nothing is kept.
    with pytest.raises(DataError, match="another program"):
        record.confirmed(found, runs | {BOTH: prices[BOTH] + 1e-6})
    with pytest.raises(DataError, match="no runs"):
        record.confirmed(msgspec.structs.replace(found, at_pct=3.21), runs)


def test_readmes_command_is_the_one_that_made_the_record() -> None:
    whole, asked = record.load_record(), inspect.signature(information_spiral._publish).parameters
    found, own = whole.sizes, whole.own
    assert len(own.calm_rms_pct) == asked["own_seeds"].default == one_shock.SEEDS
    assert own.sizes == [own.at_pct] == [found.at_pct]
    assert own.first_seed == one_shock.FIRST_SEED >= found.first_seed + len(found.calm_rms_pct)
    assert found.sizes == threshold.parse_sizes(asked["sizes"].default)
    assert len(found.calm_rms_pct) == asked["seeds"].default
    assert found.at_pct == threshold.own_size_pct(cells.flagship())
    assert found.first_seed == threshold.FIRST_SEED


# --- at one shock --------------------------------------------------------------------------------------------------


def test_shares_at_the_own_shock_are_told_with_what_fear_adds() -> None:
    found = at_one_size()
    there = one_shock.started(found)
    adds, chance = one_shock.fear_adds(found)
    assert adds.value == pytest.approx(there[BOTH].mean() - there[CONSTRAINTS_ALONE].mean())
    assert adds.low > 0
    assert chance < 0.05
    assert all(row.holds for row in one_shock.shock_rows(found))
    told = one_shock.in_words(found)
    assert f"{there[BOTH].mean():.0%} [" in told
    assert "none in calm" in told
    some = np.arange(SEEDS) == 0
    assert f"{1 / SEEDS:.1%} in calm" in one_shock.in_words(at_one_size(calm=some))


def test_what_is_a_spiral_is_told_beside_what_fear_adds_and_how_much_deeper_it_makes_the_fall() -> None:
    found = at_one_size()
    deeper = np.array(found.worst_pct[BOTH]) + 0.2
    found = msgspec.structs.replace(found, worst_pct=found.worst_pct | {BOTH: deeper.tolist()})
    apart = one_shock.started(found)
    # By no word does fear add where the spirals are the same ones, however much deeper: that is told apart.
    same = msgspec.structs.replace(
        found,
        worst_pct=found.worst_pct | {CONSTRAINTS_ALONE: (deeper - 0.2).tolist()},
    )
    assert one_shock.fear_adds(same)[0].value == 0
    assert one_shock.fear_deepens(same).value == pytest.approx(0.2)
    assert one_shock.fear_deepens(found).value > 0.2
    assert apart[BOTH].mean() > apart[CONSTRAINTS_ALONE].mean()
    lines = one_shock.shock_tables(found)[1].rows
    assert [float(line[0]) for line in lines] == list(threshold.OTHER_RMS)
    assert "By other words" in one_shock.in_words(found)


def test_controls_of_the_own_shock() -> None:
    def fails(**changed: NDArray[np.bool_]) -> list[str]:
        return [row.claim.partition(" (")[0] for row in one_shock.shock_rows(at_one_size(**changed)) if not row.holds]

    as_much = spirals().started(CONSTRAINTS_ALONE)
    some = np.tile(np.arange(SEEDS) % 5 == 0, (5, 1))
    assert fails(both=as_much) == ["fear adds spirals where limits are on"]
    assert fails(information_alone=some) == ["no spiral with fear alone"]
    assert fails(neither=some) == ["no spiral with neither"]
    assert fails(calm=some[0]) == ["no spiral in calm, everything on"]


def test_one_shock_does_what_is_wanted_only_if_all_of_it_is_so() -> None:
    always, never = np.ones((5, SEEDS), dtype=bool), np.zeros((5, SEEDS), dtype=bool)
    some = np.tile(np.arange(SEEDS) % 5 == 0, (5, 1))
    assert one_shock.does_what_is_wanted(at_one_size(both=always, constraints_alone=never))
    assert not one_shock.does_what_is_wanted(at_one_size())
    assert not one_shock.does_what_is_wanted(at_one_size(both=some, constraints_alone=never))
    assert not one_shock.does_what_is_wanted(at_one_size(both=always, constraints_alone=some))
    assert not one_shock.does_what_is_wanted(at_one_size(both=always, constraints_alone=never, information_alone=some))
    assert not one_shock.does_what_is_wanted(at_one_size(both=always, constraints_alone=never, calm=some[0]))


def test_the_own_shock_is_run_in_all_cells_and_in_calm() -> None:
    outcome = information_spiral.run(part=information_spiral.Part.own, seeds=2, at="30s", horizon="80s")
    assert len(outcome.rows) == 4
    shares, _, drawn = outcome.tables
    assert len(shares.rows) == len(threshold.ORDER) + 1
    assert drawn.rows[0][1] in (one_shock.FIRST_SEED, one_shock.FIRST_SEED + 1)
