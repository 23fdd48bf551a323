"""The comparison with real order flow: the measures by hand, the sample days, and what must turn a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from verdicts import failing

from experiments.validation import real_order_flow
from experiments.validation.flow_statistics import (
    STATISTICS,
    at_touch,
    autocorrelation,
    displayed_tick,
    statistics,
    trades_of,
)
from experiments.validation.real_order_flow import (
    DAYS,
    OWN,
    POISSON,
    REFERENCE,
    by_block,
    data_folder,
    in_words,
    judge,
    mean_over,
)
from lob_sim.errors import InputError
from lob_sim.experiment import Mean, Outcome, Row
from lob_sim.feeds.lobster import NO_ASK, LobsterDay, read_lobster
from lob_sim.units import NS_PER_S

needs_data = pytest.mark.skipif(
    not all((data_folder() / name).exists() for name in DAYS.values()),
    reason="the sample days are not here: set LOB_SIM_DATA",
)


def day_of(*rows: tuple[float, int, int, int, int, tuple[int, int, int, int]]) -> LobsterDay:
    """Rows of time in seconds, type, size, price, direction, and the touch: ask, its size, bid, its size."""
    times, kinds, sizes, prices, directions, touch = zip(*rows, strict=True)
    kind, number, size, price, direction = (
        np.array(c, dtype=np.int64) for c in (kinds, range(len(rows)), sizes, prices, directions)
    )
    ts_ns = (np.array(times) * NS_PER_S).astype(np.int64)
    book = np.array(touch, dtype=np.int64)[:, None, :]
    return LobsterDay("made", "made", 1, ts_ns, kind, number, size, price, direction, book)


DAY = day_of(
    (0.0, 1, 10, 9_900, 1, (NO_ASK, 0, 9_900, 10)),
    (1.0, 1, 30, 10_100, -1, (10_100, 30, 9_900, 10)),
    (1.5, 1, 99, 10_300, -1, (10_100, 30, 9_900, 10)),  # behind the touch
    (3.0, 4, 10, 10_100, -1, (10_100, 20, 9_900, 10)),
    (3.0, 4, 5, 10_100, -1, (10_100, 15, 9_900, 10)),  # the same incoming order meets a second one
    (4.0, 5, 5, 10_000, 1, (10_100, 15, 9_900, 10)),  # hidden: a seller came
    (5.0, 3, 15, 10_100, -1, (10_300, 99, 9_900, 10)),
)


def test_statistics_by_hand() -> None:
    day = at_touch(DAY)
    assert day.rows == 6
    times, sizes, signs = trades_of(day)
    assert (times.tolist(), sizes.tolist(), signs.tolist()) == ([3 * NS_PER_S, 4 * NS_PER_S], [15, 5], [1, -1])
    assert displayed_tick(day) == 100  # the hidden trade does not make ticks finer, whatever its price
    found = statistics(day, 0, 7 * NS_PER_S)
    # 1 s without an ask counts for nothing; then 4 s of a spread of two ticks, and 2 s of four.
    assert found["spread_ticks"] == pytest.approx((4 * 2 + 2 * 4) / 6)
    assert found["spread_bp"] == pytest.approx((4 * 200 + 2 * 400 / 1.01) / 6)
    depths = 2 * (30 + 10) + 2 * (15 + 10) + 2 * (99 + 10)
    assert found["depth"] == pytest.approx(depths / 2 / 6 / 10)
    assert found["order_size"] == pytest.approx(20 / 10)
    assert found["canceled"] == pytest.approx(15 / 40)
    assert found["messages_per_trade"] == 3
    assert found["trade_gap_s"] == 1
    assert found["gap_s"] == pytest.approx(5 / 5)
    assert isnan(found["sign_1"])  # two trades are too few
    assert set(found) == set(STATISTICS)


def test_autocorrelation_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    assert autocorrelation(np.ones(50), (1, 10)).tolist() == [1, 1]
    alternating = np.tile([1.0, -1.0], 200)
    assert autocorrelation(alternating, (1, 2)).tolist() == [-1, 1]
    assert abs(autocorrelation(rng.choice([-1.0, 1.0], 40_000), (3,))[0]) < 4 / 200
    assert isnan(autocorrelation(np.ones(3), (1,))[0])


def test_words_are_made_of_the_numbers() -> None:
    assert in_words(Mean(2.0, 0.1), Mean(2.2, 0.1)) == "not told apart"
    assert in_words(Mean(2.0, 0.1), Mean(6.0, 0.1)) == "ours is 3 times as large"
    assert in_words(Mean(6.0, 0.1), Mean(2.0, 0.1)) == "ours is 3 times smaller"
    assert in_words(Mean(0.6, 0.01), Mean(0.01, 0.01)) == "ours is 0.59 less"
    assert in_words(Mean(float("nan"), float("nan")), Mean(1.0, 0.1)) == "not measured"


def test_without_the_data_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOB_SIM_DATA", str(tmp_path))
    with pytest.raises(InputError, match="set LOB_SIM_DATA"):
        real_order_flow.read_days()
    with pytest.raises(SystemExit) as caught:
        real_order_flow.main(["--quick", "--workers", "1"])
    assert caught.value.code == 2
    assert "LOB_SIM_DATA" in capsys.readouterr().err


@needs_data
def test_a_level_one_file_is_at_the_touch_already() -> None:
    days = real_order_flow.read_days()
    for name, path in DAYS.items():
        whole = read_lobster(data_folder() / path)
        assert at_touch(days[name]).rows == days[name].rows
        assert (days[name].rows == whole.rows) == (whole.levels == 1)


# --- the experiment ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured() -> Iterator[tuple[Outcome, dict[str, pd.DataFrame]]]:
    with pytest.MonkeyPatch.context() as patch:
        kept: dict[str, pd.DataFrame] = {}

        def keeping(found: real_order_flow.Found, samples: dict[str, pd.DataFrame]) -> list[Row]:
            kept.update(samples)
            return judge(found, samples)

        patch.setattr(real_order_flow, "judge", keeping)
        yield real_order_flow.run(**real_order_flow.EXPERIMENT.quick), kept


@needs_data
def test_quick(measured: tuple[Outcome, dict[str, pd.DataFrame]], tmp_path: Path) -> None:
    outcome, _ = measured
    assert failing(outcome.rows) == set()
    (table,) = outcome.tables
    assert [row[0] for row in table.rows] == list(STATISTICS.values())
    assert {"ours", "not"} == {str(row[-1]).partition(" ")[0] for row in table.rows}
    assert outcome.draw is not None
    outcome.draw(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


@needs_data
def test_poisson_flow_does_not_pass_for_a_real_day(measured: tuple[Outcome, dict[str, pd.DataFrame]]) -> None:
    _, samples = measured
    found = {name: {s: mean_over(sample[s]) for s in STATISTICS} for name, sample in samples.items()}
    failed = failing(judge({**found, REFERENCE: found[POISSON]}, samples))
    assert {claim.partition(":")[0] for claim in failed} == {REFERENCE, f"missing from {OWN}"}
    assert sum("signs" in claim for claim in failed) == 4


@needs_data
def test_a_book_that_loses_rows_on_the_way_is_noticed(measured: tuple[Outcome, dict[str, pd.DataFrame]]) -> None:
    _, samples = measured
    found = {name: {s: mean_over(sample[s]) for s in STATISTICS} for name, sample in samples.items()}
    off = samples[OWN].assign(spread_ticks=samples[OWN]["spread_ticks"] * 1.000_001)
    assert any("from the log" in claim for claim in failing(judge(found, {**samples, OWN: off})))


@needs_data
def test_blocks_of_a_day_cover_it() -> None:
    day = real_order_flow.read_days()["Amazon"]
    blocks = by_block(day, 4)
    assert len(blocks) == 4
    whole = statistics(day, int(day.ts_ns[0]), int(day.ts_ns[-1]) + 1)
    # Of equal parts of the time, so that the mean of time-weighted means is the whole day's.
    assert blocks["spread_ticks"].mean() == pytest.approx(whole["spread_ticks"], rel=1e-3)
