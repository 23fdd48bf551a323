"""How far is the order flow of our calm markets from that of a stock exchange?

Descriptive statistics of the sample days of LOBSTER (NASDAQ: Amazon, and the first minute of Apple) beside those of our
calm markets: both instruments of the first market without its shock, Treasuries of the packaged ``dealer_market``, and
a Poisson market of zero intelligence, whose statistics are known and which so tests the measures. Runs of ours are
exported as LOBSTER files and read back, so that one function measures both sides, at the touch. A real day gives one
value for each of ``--blocks`` equal parts of its time, a market of ours one for each seed; tables show means and
standard errors of these.

Expected, before the first run. Of the exchange: signs of trades have a long memory (Lillo and Farmer 2004), trades come
in clusters (Engle and Russell 1998: a coefficient of variation above the 1 of a Poisson process), most of what is
submitted is cancelled (Hasbrouck and Saar 2009). Of ours: quoting dealers too replace most of what they
submit; but uninformed traders come at Poisson times and on random sides and nobody splits orders in calm, so that signs
have no memory and trades hardly cluster. Nothing was calibrated to these days: our instruments are bonds dealt in lots
of ten million by nine dealers, theirs are stocks dealt in hundreds of shares by everybody. That memory and clustering
are missing is claimed; every other mismatch is stated in words made of the numbers. Beyond ten trades a single day is
too short for a verdict on memory (Amazon, lags 11 to 50: 0.048 ± 0.016, just three standard errors); single lags, tried
first, say even less, so that ranges are averaged.

The files are looked for in ``lobster/`` under the folder named by LOB_SIM_DATA.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import typer

from experiments.spiral.cells import calm, cell_task, first_market
from experiments.validation.common import group, market, new_figure, save
from experiments.validation.flow_statistics import (
    SIGN_LAGS,
    STATISTICS,
    at_touch,
    autocorrelation,
    statistics,
    trades_of,
)
from lob_sim.analysis.liquidity import lit_state
from lob_sim.analysis.summary import of
from lob_sim.errors import MissingDataError
from lob_sim.experiment import (
    Experiment,
    Mean,
    Outcome,
    ResultTable,
    Row,
    agrees,
    exceeds,
    identical,
    mean_of,
    run_cells,
)
from lob_sim.feeds.lobster import LobsterDay, read_lobster
from lob_sim.feeds.lobster_export import export_lobster
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

WARM_UP_NS: Ns = 300 * NS_PER_S
"""Of our runs: opening beliefs are wide on purpose."""
DAYS: Mapping[str, str] = {
    "Amazon": "AMZN_L1/AMZN_2012-06-21_34200000_57600000_message_1.csv",
    "Apple": "AAPL_L10_1000/AAPL_2012-06-21_34200000_57600000_message_10.csv",
}
FLAGSHIP, PACKAGED, POISSON = "flagship", "dealer market", "Poisson"
OURS: Mapping[str, tuple[str, str]] = {
    "flagship Treasury": (FLAGSHIP, "treasury"),
    "flagship corporate": (FLAGSHIP, "corporate"),
    "dealer market Treasury": (PACKAGED, "treasury"),
    "Poisson": (POISSON, "X"),
}
"""Markets of ours: scenario and instrument."""
REFERENCE, OWN = "Amazon", "flagship Treasury"
"""The two that are compared in words."""
_DATA_VARIABLE = "LOB_SIM_DATA"
_PLOT_LAGS = tuple(sorted({round(10 ** (k / 6)) for k in range(13)}))


# --- the sample days -----------------------------------------------------------------------------------------


def data_folder() -> Path:
    """The folder of the sample days."""
    fallback = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    return Path(os.environ.get(_DATA_VARIABLE, fallback)) / "lobster"


def read_days() -> dict[str, LobsterDay]:
    """The sample days, at the touch.

    Raises:
        InputError: They are not there: says what to set.
    """
    folder = data_folder()
    missing = [name for name in DAYS.values() if not (folder / name).exists()]
    if missing:
        expected = f"set {_DATA_VARIABLE} to the folder that has lobster/{missing[0]}"
        raise MissingDataError(f"no sample of real order flow there: {expected}", str(folder))
    return {name: at_touch(read_lobster(folder / path)) for name, path in DAYS.items()}


def by_block(day: LobsterDay, blocks: int) -> pd.DataFrame:
    """Statistics of equal parts of a day, a row each."""
    edges = np.linspace(int(day.ts_ns[0]), int(day.ts_ns[-1]) + 1, blocks + 1).astype(np.int64)
    return pd.DataFrame([statistics(day, int(a), int(b)) for a, b in pairwise(edges)])


# --- our markets ---------------------------------------------------------------------------------------------


def scenarios(minutes: float) -> dict[str, Scenario]:
    """Our calm markets, by name."""
    horizon_ns = round(minutes * 60 * NS_PER_S)
    # Rates of the order of those of the first market's Treasuries; what is claimed does not depend on them.
    poisson = market(
        horizon_ns,
        [
            group(
                "zero",
                "strategies.zero_intelligence:ZeroIntelligenceTrader",
                limit_orders_per_s=2.0,
                market_orders_per_s=0.35,
                cancels_per_order_s=0.1,
                price_range_ticks=40,
            )
        ],
        tick="0.01",
        initial="100",
    )
    found = {FLAGSHIP: calm(first_market()), PACKAGED: load_scenario("dealer_market"), POISSON: poisson}
    return {name: msgspec.structs.replace(scenario, horizon=horizon_ns) for name, scenario in found.items()}


def exported(run: Run, instrument: str) -> LobsterDay:
    """One book of a run, through LOBSTER's format and back, at the touch."""
    with tempfile.TemporaryDirectory() as folder:
        messages, books = export_lobster(run, folder, instrument, levels=1)
        return at_touch(read_lobster(messages, books))


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run a market and measure its books, ``INSTRUMENT.STATISTIC``; and the spread straight from the log."""
    run = run_once(scenario, seed, out)
    end_ns = scenario.horizon
    metrics: dict[str, float] = {}
    for instrument in run.header.instruments:
        day = exported(run, instrument.name)
        found = statistics(day, WARM_UP_NS, end_ns)
        _, _, signs = trades_of(day)
        memory = autocorrelation(signs.astype(np.float64), _PLOT_LAGS)
        found |= {f"plot_{lag}": float(value) for lag, value in zip(_PLOT_LAGS, memory, strict=True)}
        found["log_spread_ticks"] = _logged_spread(run, instrument.instrument_id, end_ns)
        metrics |= {f"{instrument.name}.{name}": value for name, value in found.items()}
    return TaskResult(metrics, run.digest)


def _logged_spread(run: Run, instrument_id: int, end_ns: Ns) -> float:
    return lit_state(of(run.quotes, instrument_id), WARM_UP_NS, end_ns).quoted_spread_ticks


# --- the comparison ------------------------------------------------------------------------------------------


def run(
    seeds: Annotated[int, typer.Option(min=4, help="Seeds of each market of ours.")] = 20,
    minutes: Annotated[float, typer.Option(min=8, help="Length of a run, of which five minutes are a warm-up.")] = 35.0,
    blocks: Annotated[int, typer.Option(min=4, help="Parts of a real day.")] = 12,
) -> Outcome:
    """Measure both sides and compare them."""
    days = read_days()
    frame = run_cells(
        cell_task(scenarios(minutes), measure), [{"cell": c} for c in (FLAGSHIP, PACKAGED, POISSON)], seeds
    )
    samples = {name: by_block(day, blocks) for name, day in days.items()}
    for name, (cell, instrument) in OURS.items():
        own = frame.loc[frame["cell"] == cell, [c for c in frame.columns if str(c).startswith(f"{instrument}.")]]
        samples[name] = own.rename(columns={c: str(c).removeprefix(f"{instrument}.") for c in own.columns})
    found = {name: {s: mean_over(sample[s]) for s in STATISTICS} for name, sample in samples.items()}
    return Outcome(judge(found, samples), lambda path: _draw(path, found, samples, days), [_table(found)])


def mean_over(sample: pd.Series[float]) -> Mean:
    """Mean and standard error over the blocks or seeds in which there was something to measure."""
    known = sample.dropna()
    return mean_of(known) if len(known) > 1 else Mean(float("nan"), float("nan"))


Found = Mapping[str, Mapping[str, Mean]]


def judge(found: Found, samples: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Test the measures on what is known, and claim what was expected of either side."""
    through = np.max(
        [float((samples[name]["spread_ticks"] - samples[name]["log_spread_ticks"]).abs().max()) for name in OURS]
    )
    rows = [identical("spread (ticks): from exported files less from the log, worst", through, 0.0, "same book", 1e-9)]
    known, real, own = found[POISSON], found[REFERENCE], found[OWN]
    for name, truth in (("trade_gap_cv", 1.0), ("sign_1", 0.0), ("sign_2", 0.0)):
        text = f"{POISSON} market: {STATISTICS[name]}"
        rows.append(agrees(text, known[name].value, truth, known[name].se, "Poisson process"))
    memory, arrivals = "Lillo & Farmer 2004", "Engle & Russell 1998"
    # Beyond ten trades a single day is too short for a verdict; the table shows what it says.
    bounds = {f"sign_{first}": (0.0, memory) for first, _ in SIGN_LAGS[:2]}
    bounds |= {"trade_gap_cv": (1.0, arrivals), "canceled": (0.5, "Hasbrouck & Saar 2009")}
    for name, (bound, source) in bounds.items():
        rows.append(exceeds(f"{REFERENCE}: {STATISTICS[name]}", real[name].value, bound, real[name].se, source))
    for name, source in (("sign_1", memory), ("sign_2", memory), ("trade_gap_cv", arrivals)):
        error = float(np.hypot(real[name].se, own[name].se))
        text = f"missing from {OWN}: {STATISTICS[name]}, {REFERENCE} less ours"
        rows.append(exceeds(text, real[name].value - own[name].value, 0.0, error, source))
    return rows


def in_words(real: Mean, own: Mean) -> str:
    """How one value of ours compares with the real one.

    A ratio where both are positive beyond their errors; else, since a ratio to what may be 0 says nothing, the
    difference.
    """
    error = float(np.hypot(real.se, own.se))
    if not np.isfinite(error):
        return "not measured"
    if abs(own.value - real.value) <= 3 * error:
        return "not told apart"
    if min(real.value - 3 * real.se, own.value - 3 * own.se) > 0:
        ratio = own.value / real.value
        return f"ours is {ratio:.2g} times as large" if ratio > 1 else f"ours is {1 / ratio:.2g} times smaller"
    return f"ours is {abs(own.value - real.value):.2g} {'more' if own.value > real.value else 'less'}"


def _table(found: Found) -> ResultTable:
    lines = []
    for statistic, text in STATISTICS.items():
        cells = [f"{means[statistic].value:.3g} ± {means[statistic].se:.1g}" for means in found.values()]
        lines.append([text, *cells, in_words(found[REFERENCE][statistic], found[OWN][statistic])])
    title = f"Order flow at the touch (± s.e.); in words: {OWN} against {REFERENCE}"
    return ResultTable(title, ["statistic", *found, "mismatch"], lines)


def _draw(path: Path, found: Found, samples: Mapping[str, pd.DataFrame], days: Mapping[str, LobsterDay]) -> None:
    figure, (left, right) = new_figure(2)
    figure.set_size_inches(14, 5.5)
    places = np.arange(len(STATISTICS))
    colours = {name: f"C{k}" for k, name in enumerate(found)}
    for k, name in enumerate([n for n in found if n != REFERENCE]):
        ratios = [found[name][s].value / found[REFERENCE][s].value for s in STATISTICS]
        # What is 0 or negative, as the memory of our signs may be, has no place on a logarithmic axis.
        shown = [(ratio, place + 0.13 * (k - 2)) for ratio, place in zip(ratios, places, strict=True) if ratio > 0]
        ratios_shown, heights = zip(*shown, strict=True)
        left.scatter(ratios_shown, heights, s=22, label=name, color=colours[name])
    left.axvline(1, color="black", lw=1)
    left.set(xscale="log", xlabel=f"over {REFERENCE}'s", title=f"Each statistic, {REFERENCE} = 1")
    left.set_yticks(places, list(STATISTICS.values()), fontsize="small")
    left.invert_yaxis()
    left.legend(fontsize="small")
    for name, day in days.items():
        _, _, signs = trades_of(day)
        found_memory = autocorrelation(signs.astype(np.float64), _PLOT_LAGS)
        right.plot(_PLOT_LAGS, found_memory, marker="o", ms=4, label=name, color=colours[name])
    for name in OURS:
        memory = [mean_over(samples[name][f"plot_{lag}"]) for lag in _PLOT_LAGS]
        means, bars = [m.value for m in memory], [3 * m.se for m in memory]
        right.errorbar(_PLOT_LAGS, means, yerr=bars, marker="s", ms=3, lw=1, label=name, color=colours[name])
    right.axhline(0, color="black", lw=1)
    right.set(xscale="log", xlabel="lag (trades)", ylabel="autocorrelation", title="Signs of trades (± 3 s.e.)")
    right.legend(fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("real_order_flow", run, quick={"seeds": 6, "minutes": 10.0})
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
