"""Every measure and every page, of tables that are empty, cut short, thinned out, constant or damaged.

What comes out is a result, with NaN where there is nothing to measure, or an error of one line: nothing else.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fuzzing import both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st
from partial_runs import few_rows, mangled, partial_runs, small_run, thinned

import lob_sim.analysis
from lob_sim.analysis.liquidity import trade_spreads
from lob_sim.errors import InputError
from lob_sim.report.compare_page import compare_page
from lob_sim.report.run_page import run_page
from lob_sim.report.static import FIGURES, draw
from lob_sim.report.static_style import paper_style, save

# --- the measures ------------------------------------------------------------------------------------------------


def measures() -> dict[str, Callable[..., Any]]:
    """All public functions of the package that measure tables, by module and name; verdicts are read from files."""
    found: dict[str, Callable[..., Any]] = {}
    for entry in pkgutil.iter_modules(lob_sim.analysis.__path__):
        if entry.name == "calm_verdict":
            continue
        module = importlib.import_module(f"lob_sim.analysis.{entry.name}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_":
                found[f"{entry.name}.{name}"] = function
    return found


times = st.integers(-10, 40_000_000_000)
counts = st.one_of(st.integers(-1, 5), st.integers(0, 10**12))
number = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1e300])
)
probability = st.one_of(st.floats(0, 1), st.sampled_from([-0.1, 1.1, np.nan]))


def floats(elements: st.SearchStrategy[float] = number) -> st.SearchStrategy[Any]:
    """Series of one of few lengths, so that two often fit: varied, constant, or long enough to regress."""
    short = st.sampled_from([0, 1, 2, 3, 4, 5, 8]).flatmap(lambda n: st.lists(elements, min_size=n, max_size=n))
    constant = st.tuples(elements, st.sampled_from([2, 5, 8, 80])).map(lambda of: [of[0]] * of[1])
    long = st.integers(0, 5).map(lambda seed: np.random.default_rng(seed).integers(-2, 3, 80).cumsum() + 100)
    return st.one_of(short, constant, long).map(lambda values: np.array(values, dtype=np.float64))


def ints(elements: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    short = st.sampled_from([0, 1, 2, 3, 4, 5, 8]).flatmap(lambda n: st.lists(elements, min_size=n, max_size=n))
    return short.map(lambda values: np.array(values, dtype=np.int64))


def sorted_ints(elements: st.SearchStrategy[int]) -> st.SearchStrategy[Any]:
    return ints(elements).map(np.sort)


def rows_of(name: str) -> st.SearchStrategy[pd.DataFrame]:
    return st.deferred(lambda: mangled(few_rows(name)))


def quotes_of_run() -> pd.DataFrame:
    quotes = small_run().quotes
    return thinned(quotes[quotes["instrument_id"] == 0])


def spreads_of_run() -> pd.DataFrame:
    quotes, trades = small_run().quotes, small_run().trades
    return trade_spreads(trades[trades["instrument_id"] == 0], quotes[quotes["instrument_id"] == 0], 10**9)


# What a parameter of this name is given; a name with a function before it is meant for that one alone.
RECIPES: dict[str, st.SearchStrategy[Any]] = {
    "metric_names.metric_text.name": st.text(),
    "metric_names.main_metrics.summary": st.lists(
        st.tuples(st.sampled_from(["spread_pct", "failures", "a", ""]), number), max_size=8
    ).map(lambda rows: pd.DataFrame(rows, columns=["metric", "mean"])),
    "prices": rows_of("trade"),
    "trades": rows_of("trade"),
    "rfq_trades": rows_of("rfq_traded"),
    "fair": rows_of("fair_value"),
    "balance_sheets": rows_of("balance_sheet"),
    "parents": rows_of("parent_order_opened"),
    "orders": rows_of("new_order"),
    "fills": rows_of("order_filled"),
    "defaults": rows_of("dealer_defaulted"),
    "quotes": rows_of("quote"),
    "marks": rows_of("mark"),
    "records": rows_of("mark"),
    "table": rows_of("mark"),
    "top": st.deferred(lambda: mangled(quotes_of_run())),
    "spreads": st.deferred(lambda: mangled(thinned(spreads_of_run()))),
    "depth": st.deferred(lambda: mangled(thinned(small_run().depth(0, levels=3, every="1s")))),
    "run": st.deferred(partial_runs),
    "column": st.sampled_from(["price_ticks", "adjustment_ticks", "lots", "none"]),
    "columns": st.sampled_from([("price_ticks",), ("ts_event_ns", "lots"), ("none",), ()]),
    "instrument_id": st.integers(-1, 3),
    "what": st.just("what"),
    "start_ns": times,
    "end_ns": times,
    "hold_ns": times,
    "horizon_ns": times,
    "window_ns": times,
    "day_ns": times,
    "ts_ns": sorted_ints(times),
    "when_ns": sorted_ints(times),
    "grid_ns": sorted_ints(times),
    "shocks_ns": sorted_ints(times),
    "deviation": floats(),
    "values": floats(),
    "arrays": floats(),
    "first_ticks": floats(),
    "second_ticks": floats(),
    "prices_ticks": floats(),
    "price_changes_ticks": floats(),
    "signed_volume_lots": floats(),
    "mids_ticks": floats(),
    "spreads_ticks": floats(),
    "volume_lots": floats(),
    "signs": floats(st.sampled_from([-1.0, 1.0])),
    "buys": floats(st.one_of(st.integers(0, 30).map(float), number)),
    "sells": floats(st.one_of(st.integers(0, 30).map(float), number)),
    "qty_lots": ints(st.integers(-1, 1_000)),
    "aggressor_side": ints(st.sampled_from([-1, 1])),
    "losses_cash": st.dictionaries(st.integers(0, 3), st.integers(-(10**12), 10**12), max_size=3),
    "initial_loss_cash": counts,
    "tolerance": number,
    "points": st.integers(-1, 5),
    "lags": st.integers(-1, 9),
    "lots": counts,
    "bucket_lots": st.integers(-1, 100),
    "flow.vpin_null.n": st.integers(-2, 200),
    "path": floats(),
    "first": floats(),
    "second": floats(),
    "price": floats(),
    "value": floats(),
    "steps": st.integers(-1, 9),
    "short": st.integers(-1, 9),
    "long": st.integers(-1, 9),
    "lag": st.integers(-1, 9),
    "calm.sign_autocorrelation.signs": ints(st.sampled_from([-1, 1])),
    "agent_ids": ints(st.integers(-1, 5)).map(pd.Series),
    "groups": st.lists(st.sampled_from(["dealer", "nobody", ""]), max_size=2),
    "spread_ticks": number,
    "horizon": times,
    "at_most": times,
    "settle_ns": times,
    "interval_ns": times,
    "event": probability,
    "bad": probability,
    "informed": number,
    "rate_buys": number,
    "rate_sells": number,
    "regressors": floats().filter(len).map(lambda column: column[:, None]),
    "has_constant": st.booleans(),
    "regression.is_of_full_rank.columns": floats().filter(len).map(lambda column: column[:, None]),
    "tables.whole_number.value": st.one_of(counts, number, st.text(), st.none()),
    "least": st.integers(-2, 2),
    "of": st.just("rows"),
}
DEAR = {"flow.pin", "summary.summarise", "summary.crisis_metrics", "calm.calm_metrics", "quality.market_quality"}
"""These take some hundredths of a second each: a tenth of the inputs."""


def arguments(name: str, function: Callable[..., Any]) -> st.SearchStrategy[tuple[list[Any], list[Any]]]:
    ordered: list[st.SearchStrategy[Any]] = []
    rest: st.SearchStrategy[list[Any]] = st.just([])
    for parameter in inspect.signature(function).parameters.values():
        recipe = RECIPES.get(f"{name}.{parameter.name}", RECIPES.get(parameter.name))
        assert recipe is not None, f"{name} has a parameter {parameter.name!r}: add to RECIPES what to try it with"
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = st.lists(recipe, min_size=1, max_size=3)
        else:
            ordered.append(recipe)
    return st.tuples(st.tuples(*ordered).map(list), rest)


def outcome(function: Callable[..., Any], *given_: Any) -> Any:
    """The result, or the error of one line; what else is raised is the test's failure."""
    try:
        return function(*given_)
    except InputError as error:
        if "\n" in str(error) or not str(error):
            raise AssertionError(f"no error of one line: {error!r}") from error
        return error


@both_lengths
@pytest.mark.parametrize("name", measures())
def test_measure_of_any_table_is_a_result_or_one_line(name: str, length: settings) -> None:
    function = measures()[name]
    tried = settings(length, max_examples=length.max_examples // 10) if name in DEAR else length

    @tried
    @given(arguments(name, function))
    def check(of: tuple[list[Any], list[Any]]) -> None:
        outcome(function, *of[0], *of[1])

    check()


def test_every_measure_gives_a_result_of_the_whole_run() -> None:
    """The control: what is not damaged is no error."""
    whole = small_run()
    for name in ("summarise", "crisis_metrics", "shock_ns", "fear_withdrawals"):
        assert not isinstance(outcome(measures()[f"summary.{name}"], whole), InputError)


# --- what is drawn ----------------------------------------------------------------------------------------------------

# A page or a figure takes up to a second: a tenth, a twentieth or a fiftieth of the inputs.


@both_lengths
def test_figures_of_any_run_are_drawn_or_left_out(length: settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("figures")

    @settings(length, max_examples=length.max_examples // 10)
    @given(partial_runs(), st.sampled_from(sorted(FIGURES)))
    def check(run: Any, name: str) -> None:
        figure = outcome(draw, run, name)
        if figure is not None and not isinstance(figure, InputError):
            with paper_style():
                save(figure, folder / "figure.png", "png")

    check()


@both_lengths
def test_page_of_any_run_is_written_or_one_line(length: settings) -> None:
    @settings(length, max_examples=length.max_examples // 20)
    @given(partial_runs())
    def check(run: Any) -> None:
        outcome(run_page, run, "a run")

    check()


@both_lengths
def test_page_of_any_two_runs_is_written_or_one_line(length: settings) -> None:
    @settings(length, max_examples=length.max_examples // 50)
    @given(partial_runs(), partial_runs())
    def check(one: Any, two: Any) -> None:
        outcome(compare_page, {"one": one, "two": two}, {})

    check()
