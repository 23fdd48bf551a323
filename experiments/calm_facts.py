"""Does a market look like a market while nothing happens? A scenario that does not may carry no claim about a crisis.

The scenario is run without its shocks. Each calm fact is measured over seeds, with a 95 % interval of Student's t on
jackknife pseudo-values (for a mean, the usual t-interval), and holds where the whole interval lies within its bounds:
what the seeds cannot tell does not hold. What is said begins after the warm-up, because opening beliefs are wide on
purpose.

- Price follows value: mid and value are at most two half-spreads apart (root mean square), their changes over 300 s
  correlate by at least 0.8, and the mid's variance ratio, 10 s against 300 s, is between 0.7 and 1.5. It is taken
  relative to that of value in the same seeds, which is 1 in the mean: the noise of few long changes cancels.
- Information: of what is taken from the lit book those who know value take between 0.1 and 0.4 (published estimates of
  PIN are about 0.2: Easley, Kiefer, O'Hara and Paperman 1996), and dealers believe about as much, within 0.05.
- Costs: between 20 and 60 % of the effective spread is adverse selection, by the mid a minute later (Huang and Stoll
  1997; Foucault, Pagano and Roell 2013, chapter 2), and the realised spread on those who know nothing is positive.
- Dealers earn: what each class of dealers gains against value, a lot dealt, is positive.
- The quoted spread is as the instrument is dealt in reality (``--spreads``; on-the-run Treasuries: Fleming and Ruela
  2020; corporates between institutions: Edwards, Harris and Piwowar 2007), narrower for the more liquid instrument,
  which has more on display within one spread of the mid, in currency.
- Signs of aggressive orders are positively autocorrelated (Lillo and Farmer 2004).
- In 95 % of seeds nobody sells under a constraint, and both sides of the lit book are quoted 99 % of the time.

The verdict is by 80 seeds that nothing else has used: 73 in which nobody is forced show that 95 % are such. A fact that
is not known of some seed is not known.

Learnt: all 27 facts of ``whole_system`` hold, as do all 25 of ``dealer_market``.

``python -m experiments.calm_facts my.toml --seeds 8`` asks it of any scenario, whose instruments without a stated
interval for the spread are asked everything else. ``--switch-off toxicity,retreat`` asks it of a counterfactual: a cell
of a factorial experiment must be in order too, or the others are compared with a broken market. ``--cells`` asks in
short whether every counterfactual is: no fact may be *shown* to be broken, its whole interval out of bounds, which few
seeds can tell. ``--save FILE`` keeps the verdict on a scenario, for ``lob-sim report`` to say it on the page of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from math import inf, isfinite, nan
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import numpy as np
import pandas as pd
import typer
from scipy.stats import t as student_t

from experiments.spiral import cells
from lob_sim.analysis.calm import calm_metrics, warm_up
from lob_sim.analysis.calm_verdict import CalmVerdict, MeasuredFact, market_fingerprint, save_verdict, sources
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row, identical, run_cells
from lob_sim.experiment.over_seeds import shown_share
from lob_sim.running import run as run_once
from lob_sim.scenario import InstrumentSpec, Scenario, errors_name, load_scenario, scenario_to_dict
from lob_sim.sweep import Estimate
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult
from lob_sim.units import parse_duration_ns

SCENARIO = Path(__file__).parent / "whole_system.toml"
SPREADS = "treasury=0.5:3,corporate=3:40"
"""Intervals of the quoted spread in basis points of the price, by instrument."""
Statistic: TypeAlias = Callable[[pd.DataFrame], float]
_QUIET_SEEDS = 0.95
SEEDS, FIRST_SEED = 80, 501
"""What a market is judged by. Calibration and experiments used seeds below 501; 73 quiet ones show 95 %."""


class Fact(msgspec.Struct, frozen=True):
    """One fact of calm.

    Attributes:
        text: What is measured.
        statistic: Takes the table of runs, a row a seed.
        low: Least that it may be.
        high: Most that it may be.
        source: By whose word.
    """

    text: str
    statistic: Statistic
    low: float
    high: float
    source: str


# --- statistics over seeds ---------------------------------------------------------------------------------------


class Sample:
    """A table of runs, a row a seed, and the tables that leave one seed out, of which every statistic is taken.

    Args:
        frame: The table.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.but_one = [frame.drop(seed) for seed in frame.index]


def mean(column: str) -> Statistic:
    """Mean of a column; unknown where it is not known of a run."""
    return lambda frame: float(frame[column].to_numpy().mean())


def pooled(above: str, below: str) -> Statistic:
    """Ratio of the sums of two columns; unknown where one is not known of a run."""
    return lambda frame: _ratio(frame[above].to_numpy().sum(), frame[below].to_numpy().sum())


def jackknife(sample: Sample, statistic: Statistic, level: float = 0.95) -> Estimate:
    """A statistic of the table with Student's interval on its jackknife pseudo-values (Tukey 1958)."""
    n = len(sample.frame)
    value = statistic(sample.frame)
    without = np.array([statistic(frame) for frame in sample.but_one])
    error = float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2)))
    reach = float(student_t.ppf(0.5 + level / 2, n - 1)) * error
    return Estimate(value, value - reach, value + reach, n, level)


def variance_ratio(name: str) -> Statistic:
    """Variance ratio of the mid relative to that of value, pooled over seeds."""
    mid, value = (pooled(f"{p}short_ticks2.{name}", f"{p}long_ticks2.{name}") for p in ("", "value_"))
    return lambda frame: _ratio(mid(frame), value(frame))


def _ratio(above: float, below: float) -> float:
    return float(above) / float(below) if below else nan


def _less(first: Statistic, second: Statistic) -> Statistic:
    return lambda frame: first(frame) - second(frame)


# --- the facts ---------------------------------------------------------------------------------------------------


def instrument_facts(name: str, spread_bp: tuple[float, float] | None) -> list[Fact]:
    """The facts of one instrument; without bounds for its spread that is not asked."""

    def half_spreads(frame: pd.DataFrame) -> float:
        return float((2 * frame[f"rms_ticks.{name}"] / frame[f"spread_ticks.{name}"]).mean(skipna=False))

    informed = pooled(f"informed_lots.{name}", f"taken_lots.{name}")
    facts = [
        Fact("mid less value (root mean square, half-spreads)", half_spreads, 0.0, 2.0, "price follows value"),
        Fact("correlation of 300 s changes of mid and value", mean(f"comove.{name}"), 0.8, inf, "price follows value"),
        Fact("variance ratio of the mid, 10 s to 300 s", variance_ratio(name), 0.7, 1.5, "Lo and MacKinlay (1988)"),
        Fact("share of what is taken that knows value", informed, 0.1, 0.4, "Easley et al. (1996)"),
        Fact(
            "dealers' perceived share less that",
            _less(mean(f"alpha.{name}"), informed),
            -0.05,
            0.05,
            "rational dealers",
        ),
        Fact(
            "adverse selection (share of the effective spread)",
            pooled(f"impact.{name}", f"effective.{name}"),
            0.2,
            0.6,
            "Huang and Stoll (1997)",
        ),
        Fact(
            "realised spread on who knows nothing (ticks)",
            pooled(f"others_realised.{name}", f"others_lots.{name}"),
            0.0,
            inf,
            "dealers are paid for service",
        ),
        Fact("autocorrelation of signs", mean(f"signs.{name}"), 0.0, inf, "Lillo and Farmer (2004)"),
        Fact("both sides of the lit book quoted (share of time)", mean(f"lit.{name}"), 0.99, inf, "the book is lit"),
    ]
    if spread_bp is not None:
        source = "Fleming and Ruela (2020); Edwards, Harris and Piwowar (2007)"
        facts.append(Fact("quoted spread (bp)", mean(f"spread_bp.{name}"), *spread_bp, source))
    return [msgspec.structs.replace(fact, text=f"{name}: {fact.text}") for fact in facts]


def market_facts(frame: pd.DataFrame, instruments: list[InstrumentSpec]) -> list[Fact]:
    """The facts that are of no one instrument: dealers' gains, and the order of liquidity."""
    groups = [str(c).removeprefix("gain.") for c in frame.columns if str(c).startswith("gain.")]
    facts = [
        Fact(f"{g}: gain against value (ticks a lot)", pooled(f"gain.{g}", f"dealt.{g}"), 0.0, inf, "dealers earn")
        for g in groups
    ]
    ranked = sorted(instruments, key=lambda spec: spec.liquidity_rank)
    for a, b in pairwise(ranked):
        if a.liquidity_rank == b.liquidity_rank:
            continue
        pair, source = f"{b.name} against {a.name}", "the order of liquidity"
        wider = _less(mean(f"spread_bp.{b.name}"), mean(f"spread_bp.{a.name}"))
        thinner = _less(mean(f"depth_currency.{a.name}"), mean(f"depth_currency.{b.name}"))
        facts += [
            Fact(f"{pair}: wider spread (bp)", wider, 0.0, inf, source),
            Fact(f"{pair}: less depth within a spread (currency)", thinner, 0.0, inf, source),
        ]
    return facts


def judged(sample: Sample, fact: Fact) -> Row:
    """The verdict: the whole interval lies within the bounds."""
    found = jackknife(sample, fact.statistic)
    # Written so that a NaN does not pass.
    holds = fact.low < fact.high and found.low >= fact.low and found.high <= fact.high
    if isfinite(fact.low) and isfinite(fact.high):
        relation, reference, slack = "=", (fact.low + fact.high) / 2, (fact.high - fact.low) / 2
    elif isfinite(fact.low):
        relation, reference, slack = ">", fact.low, 0.0
    else:
        relation, reference, slack = "<", fact.high, 0.0
    error = (found.high - found.low) / 2 / float(student_t.ppf(0.975, len(sample.frame) - 1))
    return Row(
        fact.text,
        found.value,
        reference,
        error,
        relation,  # type: ignore[arg-type]
        slack,
        "holds" if holds else "fails",
        fact.source,
        found.low,
        found.high,
    )


def broken(
    frame: pd.DataFrame, instruments: list[InstrumentSpec], spreads: Mapping[str, tuple[float, float]]
) -> list[str]:
    """The facts that calm runs (a row a seed) are shown to break: the whole interval is out of bounds."""
    facts = [fact for spec in instruments for fact in instrument_facts(spec.name, spreads.get(spec.name))]
    sample = Sample(frame)
    found = [fact.text for fact in [*facts, *market_facts(frame, instruments)] if _is_broken(sample, fact)]
    quiet = shown_share("", frame["forced_orders"] == 0, _QUIET_SEEDS, "")
    assert quiet.high is not None
    return [*found, "forced sales"] if quiet.high < _QUIET_SEEDS else found


def _is_broken(sample: Sample, fact: Fact) -> bool:
    told = jackknife(sample, fact.statistic)
    # Written so that a NaN breaks it: nothing is known to be in order where nothing was measured.
    return not (told.high >= fact.low and told.low <= fact.high)


def calm_rows(
    frame: pd.DataFrame, instruments: list[InstrumentSpec], spreads: Mapping[str, tuple[float, float]]
) -> list[Row]:
    """Every fact of a scenario, from the table of its calm runs (a row a seed, at least two)."""
    facts = [fact for spec in instruments for fact in instrument_facts(spec.name, spreads.get(spec.name))]
    sample = Sample(frame)
    rows = [judged(sample, fact) for fact in [*facts, *market_facts(frame, instruments)]]
    quiet = frame["forced_orders"] == 0
    return [*rows, shown_share("nobody sells under a constraint (share of seeds)", quiet, _QUIET_SEEDS, "calm is calm")]


# --- the cells of a factorial experiment ---------------------------------------------------------------------------

LEFT: Mapping[str, str] = {
    "toxicity": "dealers go by the α of calm and learn nothing from flow",
    "retreat": "nobody leaves the lit book, or declines, for fear",
    "prudent_marks": "marks without lit evidence bear no adjustment",
    "slr": "no leverage limit binds",
    "var": "no VaR limit binds",
    "funding": "haircuts stay, every loan is rolled, no funding limit binds",
    "redemptions": "investors in funds stay",
}
"""What is left of a market where a mechanism is switched off."""
FEAR_OFF, LIMITS_OFF = "information", "constraints"


def counterfactuals(scenario: Scenario) -> dict[str, Scenario]:
    """The scenario, and the same without each of its mechanisms, without fear, without limits, and without both."""
    known = cells.mechanisms(scenario)
    alone = {f"without {name}": cells.without(scenario, name) for name in LEFT if name in known}
    groups = {
        f"without {FEAR_OFF}": cells.without(scenario, *cells.INFORMATION),
        f"without {LIMITS_OFF}": cells.without(scenario, *cells.CONSTRAINTS),
        "without either": cells.without(scenario, *cells.INFORMATION, *cells.CONSTRAINTS),
    }
    return {"everything on": scenario} | alone | groups


def cells_outcome(
    scenario: Scenario, seeds: int, bounds: Mapping[str, tuple[float, float]], names: Collection[str] = ()
) -> Outcome:
    """Whether the calm of each cell is in order, as far as so many seeds tell: no fact is shown to be broken.

    Args:
        scenario: With every mechanism on.
        seeds: At least two.
        bounds: Of the quoted spread, by instrument.
        names: Cells of :func:`counterfactuals` that are asked; all if none is named.
    """
    found = counterfactuals(scenario)
    made = {name: cells.calm(found[name]) for name in names or found}
    points = [{"cell": name} for name in made]
    table = run_cells(cells.cell_task(made, measure_calm), points, seeds, "calm of each cell")
    rows, lines = [], []
    instruments = scenario.instruments
    for name in made:
        frame = table[table["cell"] == name].set_index("seed")
        facts = calm_rows(frame, instruments, bounds)
        breaks = broken(frame, instruments, bounds)
        holding = sum(row.holds for row in facts)
        rows.append(identical(f"{name}: facts of calm that are broken", len(breaks), 0, "a control is a market"))
        sample = Sample(frame)
        measures = [
            jackknife(sample, mean(f"{column}.{spec.name}"))
            for column in ("spread_bp", "rms_ticks", "alpha")
            for spec in instruments
        ]
        told = f"{holding} / {len(facts) - holding - len(breaks)} / {len(breaks)}"
        lines.append([name, told, "; ".join(breaks) or "none", *measures])
    headings = [f"{what}, {s.name}" for what in ("spread (bp)", "mid less value (ticks)", "α") for s in instruments]
    title = f"Calm of each cell ({seeds} seeds): facts that hold / cannot be told / are broken"
    return Outcome(rows, tables=[ResultTable(title, ["cell", "facts", "broken", *headings], lines)])


# --- running -----------------------------------------------------------------------------------------------------


def measure_calm(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run the scenario and measure its calm: :func:`lob_sim.analysis.calm.calm_metrics`."""
    finished = run_once(scenario, seed, out)
    return TaskResult(calm_metrics(finished, warm_up(scenario.horizon)), finished.digest)


def calm_runs(scenario: Scenario, seeds: int, title: str | None = "calm", first_seed: int = 1) -> pd.DataFrame:
    """The calm of a scenario, a row a seed; its shocks are left out."""
    task = ScenarioTask(scenario_to_dict(cells.calm(scenario)), measure_calm)
    return run_cells(task, [{}], seeds, title, first_seed).set_index("seed")


def parse_spreads(text: str, names: list[str]) -> dict[str, tuple[float, float]]:
    """``"name=low:high,..."`` as bounds by instrument. By default it may name what the scenario has not.

    Raises:
        InputError: It is not of that form, or (unless it is the default) names no instrument of the scenario.
    """
    found: dict[str, tuple[float, float]] = {}
    for entry in filter(None, text.split(",")):
        name, _, bounds = entry.partition("=")
        low, _, high = bounds.partition(":")
        if name in found:
            raise InputError(f"has bounds for {name!r} twice", "--spreads")
        try:
            found[name] = (float(low), float(high))
        except ValueError:
            found[name] = (nan, nan)
        # Written so that a NaN does not pass.
        if not 0 <= found[name][0] < found[name][1]:
            raise InputError(f"{entry!r}: expected name=low:high in basis points, 0 <= low < high", "--spreads")
        if text != SPREADS and name not in names:
            raise InputError(f"no instrument {name!r}{did_you_mean(name, names)}", "--spreads")
    return found


def run(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")] = SCENARIO,
    seeds: Annotated[int, typer.Option(min=3, help="Seeds.")] = SEEDS,
    first_seed: Annotated[int, typer.Option(min=1, help="The first of them.")] = FIRST_SEED,
    horizon: Annotated[str, typer.Option(help="Simulated time; by default the scenario's.")] = "",
    spreads: Annotated[str, typer.Option(help="Quoted spreads, basis points: name=low:high, with commas.")] = SPREADS,
    switch_off: Annotated[str, typer.Option(help="Switches to turn off, with commas.")] = "",
    cells: Annotated[bool, typer.Option("--cells", help="Ask it of every counterfactual, and in short.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="File of verdicts for `lob-sim report`, to put this one into.")
    ] = None,
) -> Outcome:
    """Measure every calm fact of a scenario, or what each of its counterfactuals breaks."""
    overrides = [f"switches.{name}=false" for name in filter(None, switch_off.split(","))]
    loaded = load_scenario(scenario, overrides)
    if horizon:
        loaded = msgspec.structs.replace(loaded, horizon=parse_duration_ns(horizon))
    bounds = parse_spreads(spreads, [spec.name for spec in loaded.instruments])
    if cells and save is not None:
        raise InputError("is for one market: not together with --cells", "--save")
    with errors_name(scenario):
        if cells:
            return cells_outcome(loaded, seeds, bounds)
        frame = calm_runs(loaded, seeds, first_seed=first_seed)
    if save is not None:
        save_verdict(save, loaded.name, verdict_on(loaded, frame, calm_rows(frame, loaded.instruments, bounds)))
    return Outcome(calm_rows(frame, loaded.instruments, bounds), tables=[calm_table(frame, loaded.instruments)])


def verdict_on(scenario: Scenario, frame: pd.DataFrame, rows: list[Row]) -> CalmVerdict:
    """What a page says of a market whose calm has been measured."""

    def finite(number: float | None) -> float | None:
        return number if number is not None and isfinite(number) else None

    def told(holds: bool) -> list[MeasuredFact]:
        chosen = [row for row in rows if row.holds is holds]
        return [MeasuredFact(r.claim, finite(r.measured), finite(r.low), finite(r.high)) for r in chosen]

    market, first_seed = market_fingerprint(scenario_to_dict(scenario)), int(str(frame.index.min()))
    return CalmVerdict(market, len(frame), len(rows), told(False), sources(), told(True), first_seed)


def calm_table(frame: pd.DataFrame, instruments: list[InstrumentSpec]) -> ResultTable:
    """What else was measured, by instrument."""
    columns = {
        "rms_ticks": "mid less value (ticks)",
        "spread_ticks": "spread (ticks)",
        "spread_bp": "spread (bp)",
        "alpha": "dealers' α",
        "depth": "lots within a spread",
    }
    sample = Sample(frame)
    lines = [
        [spec.name, *(jackknife(sample, mean(f"{column}.{spec.name}")) for column in columns)] for spec in instruments
    ]
    return ResultTable("Calm, mean [95 % interval] over seeds", ["instrument", *columns.values()], lines)


EXPERIMENT = Experiment(
    "calm_facts",
    run,
    quick={"seeds": 3, "horizon": "10min"},
    cases=[{}, {"cells": True, "seeds": 8}],
)

if __name__ == "__main__":
    EXPERIMENT.main()
