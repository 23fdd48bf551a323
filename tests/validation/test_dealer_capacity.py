"""The hinge in dealers' capacity: the measures by hand, the fit on panels of known make, what must turn a verdict."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
import pytest
from verdicts import failing

from experiments.spiral import cells
from experiments.validation import dealer_capacity
from experiments.validation.capacity_hinge import BREAK_STEP, estimate, fit_utilisation_hinge
from experiments.validation.dealer_capacity import (
    LIMITED,
    MEASURES,
    UNLIMITED,
    depth_near_mid,
    judge,
    minimum_ratio,
    panel,
    sweep_cost,
    utilisation,
    windows,
)
from lob_sim.running import run as run_once
from lob_sim.units import NS_PER_S

BREAK = 0.85


def made_panel(kink: float, make: int = 3, seeds: int = 8, windows: int = 150) -> pd.DataFrame:
    """Illiquidity of known make: linear in volatility, which rises with utilisation, and bent at a known break."""
    parts = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, make])
        used = rng.uniform(0.6, 1.0, windows)
        volatility = 4 * used + rng.normal(0, 0.5, windows)
        shared = volatility + kink * np.maximum(0, used - BREAK) + 0.3 * rng.normal()
        measures = {name: shared + rng.normal(0, 0.3, windows) for name in MEASURES}
        parts.append(pd.DataFrame({"seed": seed, "utilisation": used, "volatility": volatility, **measures}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(illiquidity=table[list(MEASURES)].mean(axis=1))


def both(limited: pd.DataFrame, unlimited: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([limited.assign(kind=LIMITED), unlimited.assign(kind=UNLIMITED)], ignore_index=True)


# --- the fit -------------------------------------------------------------------------------------------------


def test_a_hinge_without_noise_is_found_exactly() -> None:
    used = np.linspace(0.5, 1.0, 401)
    found = fit_utilisation_hinge(used, 1 + 2 * used + 7 * np.maximum(0, used - 0.8), at=0.8)
    assert (found.constant, found.slope, found.kink) == pytest.approx((1, 2, 7))
    assert (found.rise, found.excess) == pytest.approx((found(np.array([1.0]))[0] - found(np.array([0.8]))[0], 1.4))
    assert fit_utilisation_hinge(used, found(used)).at == pytest.approx(0.8, abs=BREAK_STEP)


def test_a_hinge_in_noise_is_found_within_its_standard_error() -> None:
    found = estimate(made_panel(8.0), "illiquidity")
    assert abs(found["break"].value - BREAK) < 0.02
    # Volatility rises with utilisation, so that it takes some of the bend for its own: never more than there is.
    assert 0.7 * 8 < found["kink"].value < 8 + 3 * found["kink"].se


def test_claims_hold_where_there_is_a_hinge_and_not_where_volatility_is_all() -> None:
    rows, _ = judge(both(made_panel(8.0), made_panel(0.0)))
    assert failing(rows) == set()
    rows, _ = judge(both(made_panel(0.0), made_panel(0.0, make=4)))
    assert {claim for claim in failing(rows) if "excess" in claim} == {
        f"{text}: {what}" for text in ("all three", MEASURES["spread"]) for what in (_EXCESS, _DIFFERENCE)
    }


_EXCESS = "excess at full utilisation"
_DIFFERENCE = "excess with limits less that without"


def test_a_hinge_in_the_control_is_noticed() -> None:
    rows, _ = judge(both(made_panel(8.0), made_panel(8.0)))
    assert {claim.partition(": ")[2] for claim in failing(rows)} == {_DIFFERENCE}


def test_without_volatility_held_fixed_its_rise_passes_for_utilisation() -> None:
    table = made_panel(0.0)
    held, loose = (
        estimate(t, "illiquidity", BREAK)["below"] for t in (table, table.assign(volatility=np.arange(len(table)) % 2))
    )
    assert abs(held.value) < 0.5
    assert loose.value > 3.5


# --- the measures --------------------------------------------------------------------------------------------


def book(**levels: int) -> pd.DataFrame:
    """One look at a book of which only these columns are not empty."""
    n = range(1, dealer_capacity._DEPTH_LEVELS + 1)
    empty = {f"{side}_{what}_{k}": 0 for side in ("bid", "ask") for k in n for what in ("ticks", "lots")}
    return pd.DataFrame([empty | levels])


def test_depth_and_impact_by_hand() -> None:
    looked = book(
        bid_ticks_1=9_990, bid_lots_1=20, ask_ticks_1=10_010, ask_lots_1=5, ask_ticks_2=10_020, ask_lots_2=100
    )  # fmt: skip
    # The mid is 10,000: within 10 ticks of it stand 20 lots on one side and 5 on the other.
    assert depth_near_mid(looked).tolist() == [12.5]
    assert sweep_cost(looked)[0] == pytest.approx((20 * 10 + 5 * 10 + 15 * 20) / 40 / 10_000)


def test_what_is_not_displayed_costs_as_the_last_price_and_an_empty_side_has_no_impact() -> None:
    thin = book(bid_ticks_1=9_990, bid_lots_1=1, ask_ticks_1=10_010, ask_lots_1=1)
    assert sweep_cost(thin)[0] == pytest.approx(10 / 10_000)
    dark = book(bid_ticks_1=9_990, bid_lots_1=1)
    assert depth_near_mid(dark).tolist() == [0.0]
    assert np.isnan(sweep_cost(dark)[0])


def test_utilisation_at_the_opening_is_that_of_the_balance_sheets() -> None:
    scenario = msgspec.structs.replace(cells.calm(cells.first_market()), horizon=2 * NS_PER_S)
    groups = cells.leverage_groups(scenario).values()
    held = [(cells.capital(scenario, group), group.count) for group in groups]
    headroom = sum((capital.headroom * n for capital, n in held), Decimal(0))
    tier1 = sum(((capital.headroom + capital.required) * n for capital, n in held), Decimal(0))
    run = run_once(scenario, 1)
    found = utilisation(run, minimum_ratio(scenario), np.array([0]))
    assert found[0] == pytest.approx(1 - float(headroom / tier1), abs=1e-9)


def test_without_headroom_all_of_the_capacity_is_used() -> None:
    scenario = msgspec.structs.replace(cells.with_headroom(cells.calm(cells.first_market()), 0.0), horizon=2 * NS_PER_S)
    assert utilisation(run_once(scenario, 1), minimum_ratio(scenario), np.array([0]))[0] == pytest.approx(1, abs=1e-6)


def test_a_short_calm_run_gives_whole_windows_and_a_panel() -> None:
    scenario = msgspec.structs.replace(cells.calm(cells.first_market()), horizon=370 * NS_PER_S)
    table = windows(run_once(scenario, 1), minimum_ratio(scenario), 30 * NS_PER_S)
    assert len(table) == 2
    assert np.isfinite(table.to_numpy()).all()
    frame = pd.DataFrame(
        [{"cell": "a", "seed": 1} | {f"{k}.{n}": v for n, values in table.items() for k, v in enumerate(values)}]
    )
    made = panel(frame, {"a": LIMITED})
    assert made["kind"].tolist() == [LIMITED, LIMITED]
    assert made["illiquidity"].sum() == pytest.approx(0)


def test_a_mid_that_stands_still_for_want_of_quotes_has_no_return() -> None:
    quotes = pd.DataFrame(
        {
            "instrument_id": 0,
            "ts_event_ns": np.array([0, 2, 4]) * NS_PER_S,
            "bid_ticks": [99, 0, 98],
            "ask_ticks": [101, 101, 100],
        }
    )
    grid = np.arange(7) * NS_PER_S
    quoted = dealer_capacity.two_sided(SimpleNamespace(quotes=quotes), 0, grid)  # type: ignore[arg-type]
    assert quoted.tolist() == [False, True, False, False, False, True, True]
