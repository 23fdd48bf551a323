"""The markets in which stylised facts are looked for, and what is measured of their returns and signs."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from experiments.spiral.cells import calm, first_market
from experiments.spiral.measure import fair_values, mids
from experiments.validation.common import group, market, seconds
from experiments.validation.flow_statistics import autocorrelation
from experiments.validation.order_splitting import FAR
from lob_sim.analysis.summary import horizon_ns, of
from lob_sim.analysis.tables import Floats
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import AgentGroupSpec, Scenario
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Lots, Ns

CALM, CRISIS, ZERO, WALL = "calm", "crisis", "zero", "wall"
MEASURED = "treasury"
SPLITTERS = "splitters"
WARM_UP_NS: Ns = 300 * NS_PER_S
"""Opening beliefs are wide on purpose."""
STEP_S, APART = 10, (6, 12)
"""Returns are over so many seconds; their memory is asked for so many returns apart: one to two minutes."""
METAORDERS, MAX_LOTS = 5, 10_000
LAGS = tuple(range(1, FAR[1] + 1))
SIZES = (32, 64, 128, 256)
"""Lots of the metaorders whose impact is measured. The first lots of a large one are a small one."""
_INTERVAL_S, _LOT_EVERY_S = 4.0, 5


# --- markets -------------------------------------------------------------------------------------------------


def splitters(instrument: str, tail_exponent: float, interval_s: float) -> AgentGroupSpec:
    """Agents that split metaorders."""
    return group(
        SPLITTERS,
        "strategies.metaorder_flow:MetaorderFlow",
        instrument=instrument,
        metaorders=METAORDERS,
        tail_exponent=tail_exponent,
        max_lots=MAX_LOTS,
        mean_interval=f"{round(1000 * interval_s)}ms",
    )


def with_agents(scenario: Scenario, *more: AgentGroupSpec) -> Scenario:
    """The scenario with more agents."""
    return msgspec.structs.replace(scenario, agents=[*scenario.agents, *more])


def flagship_markets(tail_exponent: float) -> dict[str, Scenario]:
    """The first market in calm, with splitters, and in its crisis, as it is."""
    return {
        CALM: with_agents(calm(first_market()), splitters(MEASURED, tail_exponent, _INTERVAL_S)),
        CRISIS: first_market(),
    }


def zero_market(minutes: float) -> Scenario:
    """Poisson zero intelligence, about as many trades as the first market's Treasuries; an order lives ten seconds."""
    zero = group(
        "zero",
        "strategies.zero_intelligence:ZeroIntelligenceTrader",
        limit_orders_per_s=2.0,
        market_orders_per_s=0.35,
        cancels_per_order_s=0.1,
        price_range_ticks=40,
    )
    return market(seconds(60 * minutes), [zero], tick="0.01", initial="100", symbols=(MEASURED,))


def wall_market(tail_exponent: float, trades: int) -> Scenario:
    """Splitters alone against orders that never run out."""
    groups = [group("wall", "experiments.validation.pin_vpin:Wall"), splitters(MEASURED, tail_exponent, 1.0)]
    return market(seconds(trades), groups, tick="0.01", initial="100", symbols=(MEASURED,))


def impact_markets(base: Scenario, lots: Lots = SIZES[-1]) -> dict[str, Scenario]:
    """A market without a metaorder (cell ``without``) and with one of so many lots (``with``), worked at one rate."""
    params: dict[str, Any] = {"instrument": MEASURED, "side": "buy", "parent_lots": lots, "slices": lots}
    times: dict[str, Any] = {"start": f"{WARM_UP_NS // NS_PER_S}s", "duration": f"{lots * _LOT_EVERY_S}s"}
    buyer = group("metaorder", "strategies.twap:TwapTrader", **params, **times)
    cells = {"without": base, "with": with_agents(base, buyer)}
    horizon = _done_ns(lots) + NS_PER_S
    return {cell: msgspec.structs.replace(scenario, horizon=horizon) for cell, scenario in cells.items()}


def constant_impact_market() -> Scenario:
    """A dealer that moves its price by 40 ticks for each trade, whatever was before; nobody else trades."""
    dealer = group(
        "dealer",
        "experiments.validation.spread_measures:ComponentDealer",
        informed=True,
        half_spread_ticks=100,
        adverse=0.4,
    )
    return market(seconds(1), [dealer], tick="0.001", initial="1000", symbols=(MEASURED,))


def _done_ns(lots: Lots) -> Ns:
    """When so many lots should be done: a slice after the last of them was sent, before the next one is."""
    return WARM_UP_NS + lots * _LOT_EVERY_S * NS_PER_S - 1


# --- measures ------------------------------------------------------------------------------------------------


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run a market and measure its returns and its signs."""
    run = run_once(scenario, seed, out)
    return TaskResult(return_metrics(run) | sign_metrics(run), run.digest)


def return_metrics(run: Run) -> dict[str, float]:
    """Kurtosis and memory of the mid's returns, and the kurtosis of fair value's, moved on the grid of mids."""
    grid = np.arange(WARM_UP_NS, horizon_ns(run), STEP_S * NS_PER_S, dtype=np.int64)
    i = run.instrument_id(MEASURED)
    fair = np.round(2 * fair_values(run, i, grid)) / 2
    return memory_of(np.diff(np.log(mids(run, i, grid)))) | {"fair_kurtosis": kurtosis(np.diff(np.log(fair)))}


def memory_of(returns: Floats) -> dict[str, float]:
    """Kurtosis of returns over one and over six steps, and the autocorrelation of returns and of absolute returns.

    Of absolute returns the sample's mean is taken off, and what that takes from the autocorrelation of n independent
    values, 1/n, is given back.
    """
    lags = range(1, APART[1] + 1)
    whole = returns[: returns.size // 6 * 6].reshape(-1, 6).sum(axis=1)
    size = np.abs(returns)
    linear = autocorrelation(returns, lags)
    absolute = autocorrelation(size - size.mean(), lags) + 1 / size.size
    found = {"kurtosis": kurtosis(returns), "kurtosis_60s": kurtosis(whole)}
    for name, values in (("linear", linear), ("absolute", absolute)):
        found |= {f"{name}_near": float(values[0]), name: float(values[APART[0] - 1 :].mean())}
    return found


def kurtosis(returns: Floats) -> float:
    """Fourth moment over the squared second, about 0; 3 for a normal distribution; NaN for a price that stands still.

    Of a small sample of heavy-tailed returns it is too small, never too large.
    """
    square = float(np.mean(returns**2))
    return float(np.mean(returns**4)) / square**2 if square else float("nan")


def sign_metrics(run: Run) -> dict[str, float]:
    """Autocorrelations of the signs of lit trades at all :data:`LAGS`, and the share of the splitters in them."""
    fills = of(run.table("order_filled"), run.instrument_id(MEASURED))
    takers = fills[~fills["is_maker"] & (fills["ts_event_ns"] >= WARM_UP_NS)].drop_duplicates("order_id")
    of_splitters = [a.agent_id for a in run.header.agents if a.group == SPLITTERS]
    memory = autocorrelation(takers["side"].to_numpy(dtype=np.float64), LAGS)
    found = {f"sign_{lag}": float(value) for lag, value in zip(LAGS, memory, strict=True)}
    return found | {"share": float(takers["agent_id"].isin(of_splitters).mean()), "trades": float(len(takers))}


def measure_mids(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run a market and note the mid when a metaorder of each size is done, as far as the run goes, in ticks."""
    run = run_once(scenario, seed, out)
    sizes = [lots for lots in SIZES if _done_ns(lots) < horizon_ns(run)]
    found = mids(run, run.instrument_id(MEASURED), np.array([_done_ns(lots) for lots in sizes]))
    return TaskResult({f"mid_{lots}": float(mid) for lots, mid in zip(sizes, found, strict=True)}, run.digest)
