"""What a measure is given may be a list; what is no series, number or sign of the kind is refused by name."""

# Lists are what is tried here, and arrays what is asked for.
# mypy: disable-error-code="arg-type"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lob_sim.analysis import calm
from lob_sim.analysis.flow import pin, pin_log_likelihood, vpin, vpin_null
from lob_sim.analysis.liquidity import amihud, lit_state, resilience_half_life_ns, sale_impact_ticks, trade_spreads
from lob_sim.analysis.price_discovery import information_share
from lob_sim.analysis.spread_models import huang_stoll, kyle_lambda, roll_spread
from lob_sim.errors import InputError

WALK = np.random.default_rng(2).integers(-2, 3, (2, 80)).cumsum(axis=1) + 100.0
SIGNS = [1, 1, -1, 1, -1, -1, 1, 1]
FEW = [3.0, 5, 4, 4, 6, 5, 7, 8]

TRADES = pd.DataFrame({"ts_event_ns": [3], "price_ticks": [10], "qty_lots": [1], "aggressor_side": [1]})
TOP = pd.DataFrame({"ts_event_ns": [0, 9], "bid_ticks": [8, 8], "bid_lots": 1, "ask_ticks": [10, 10], "ask_lots": 1})

SERIES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "pin": (pin, [[10, 22, 13, 9], [12, 12, 11, 30]]),
    "pin_log_likelihood": (lambda b, s: pin_log_likelihood(b, s, 0.5, 0.5, 1.0, 2.0, 2.0), [[1, 2, 3], [2, 2, 1]]),
    "vpin": (lambda lots, sides: vpin(lots, sides, 3), [[2, 5, 4, 1, 3, 3, 2, 2], SIGNS]),
    "information_share": (information_share, [WALK[0].tolist(), WALK[1].tolist()]),
    "sign_autocorrelation": (calm.sign_autocorrelation, [SIGNS]),
    "changes": (lambda path: calm.changes(path, 2), [FEW]),
    "mean_square_change": (lambda path: calm.mean_square_change(path, 2), [FEW]),
    "variance_ratio": (lambda path: calm.variance_ratio(path, 1, 3), [FEW]),
    "correlation_of_changes": (lambda one, other: calm.correlation_of_changes(one, other, 1), [FEW, SIGNS]),
    "rms_distance": (calm.rms_distance, [FEW, SIGNS]),
    "amihud": (amihud, [FEW, [1, 2, 3, 4, 5, 6, 7]]),
    "resilience_half_life_ns": (
        lambda times, values, shocks: resilience_half_life_ns(times, values, shocks, 4),
        [[0, 2, 3, 4, 9], [1, 5, 3, 1, 1], [2]],
    ),
    "roll_spread": (roll_spread, [FEW]),
    "kyle_lambda": (kyle_lambda, [FEW, SIGNS]),
    "huang_stoll": (huang_stoll, [FEW, SIGNS, [2, 3, 2, 4, 2, 2, 3, 2]]),
}


@pytest.mark.parametrize("name", SERIES)
def test_lists_are_measured_as_arrays_are_and_texts_are_refused(name: str) -> None:
    measure, given = SERIES[name]
    found = measure(*given)
    np.testing.assert_equal(found, measure(*(np.array(values) for values in given)))
    assert found is not None
    for k in range(len(given)):
        broken = [["a"] * len(values) if i == k else values for i, values in enumerate(given)]
        with pytest.raises(InputError, match="no number"):
            measure(*broken)


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "VPIN: .* trades a bucket": vpin_null,
    "VPIN: .* lots a bucket": lambda n: vpin([1, 2, 3], [1, -1, 1], n),
    "changes: .* steps": lambda n: calm.changes(FEW, n),
    "autocorrelation of signs: .* lag": lambda n: calm.sign_autocorrelation(SIGNS, n),
    "Kyle's lambda: .* lags": lambda n: kyle_lambda(FEW, SIGNS, n),
    "information share: .* lags": lambda n: information_share(WALK[0], WALK[1], n),
    "spreads of trades: .* ns of horizon": lambda n: trade_spreads(TRADES, TOP, n),
    "sale: .* lots": lambda n: sale_impact_ticks(pd.DataFrame({"bid_ticks_1": [9], "bid_lots_1": [5]}), n),
    "resilience: .* ns of window": lambda n: resilience_half_life_ns([0, 2, 3, 9], [1, 5, 1, 1], [2], n),
    "resilience: .* points": lambda n: resilience_half_life_ns([0, 2, 3, 9], [1, 5, 1, 1], [2], 4, n),
}


@pytest.mark.parametrize("told", NUMBERS)
@pytest.mark.parametrize("number", [50.0, float("nan"), "2", None, -1])
def test_a_number_of_something_that_is_no_whole_number_is_refused(told: str, number: Any) -> None:
    with pytest.raises(InputError, match=f"{told}: expected"):
        NUMBERS[told](number)
    NUMBERS[told](np.int64(2))  # The control.


@pytest.mark.parametrize("window", [(0, float("nan")), (float("nan"), 9), (9, 9)])
def test_a_window_without_a_beginning_or_an_end_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="expected an end after the start"):
        lit_state(TOP, *window)


def test_a_time_beyond_all_others_is_beyond_every_price() -> None:
    assert trade_spreads(TRADES, TOP, 1 << 70).empty
    assert np.isnan(resilience_half_life_ns([0, 2, 3, 9], [1, 5, 1, 1], [2], 1 << 70))


@pytest.mark.parametrize("sides", [[1, 5, 0], [1, 0, -1], [1, 1.5, 1]])
def test_vpin_refuses_what_is_no_side(sides: list[float]) -> None:
    with pytest.raises(InputError, match="sides of"):
        vpin([2, 4, 6], sides, 4)
    assert ((vpin([2, 4, 6], [1, -1, 1], 4) >= 0) & (vpin([2, 4, 6], [1, -1, 1], 4) <= 1)).all()
