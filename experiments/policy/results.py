"""What the policy lab makes of its runs: differences from doing nothing, seed by seed, and which of them are shown.

Every interval is Student's, at 95%, of paired differences (:func:`lob_sim.sweep.bootstrap`), each by itself: of twenty
policies that do nothing one would seem to do something. What is *shown* is what Holm's (1979) procedure leaves at 5%
over all policies of all episodes, by the measure by which they are ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from experiments.policy.running import AS_IT_WAS, NOTHING, UNBRANCHED, sized
from experiments.policy.ways import CLASSES, Plan, has_threshold
from experiments.spiral.threshold import SPIRAL_RMS, midpoint
from lob_sim.experiment.over_seeds import curve_above
from lob_sim.scenario import calendar_in
from lob_sim.sweep import Estimate, bootstrap
from lob_sim.units import NS_PER_S

MAIN = "overshoot_pct"
"""What policies are ranked by."""
LEVEL = 0.05


class Measure(msgspec.Struct, frozen=True):
    """One measure as it is told.

    Attributes:
        key: Its metric.
        label: What it is, with its unit.
        scale: What the metric is divided by.
    """

    key: str
    label: str
    scale: float = 1.0


class Effect(msgspec.Struct, frozen=True):
    """What one policy changes in one episode.

    Attributes:
        name: The overlay.
        kind: ``branch``, ``start`` or ``none``.
        why: Why not by a branch, or why it does not apply.
        changes: Metric → paired difference from doing nothing.
        levels: Metric → mean under the policy.
        p: Of the paired t-test of the main measure; 1 where it changes in no seed.
        holm: The same, adjusted over the family.
        spirals: Share of seeds with a spiral, where the episode has a threshold.
        shift: By how much the threshold rises, in per cent of value; None where it was not asked.
        beyond: Whether the threshold under it lies beyond the sizes that were run.
    """

    name: str
    kind: str
    why: str = ""
    changes: dict[str, Estimate] = {}
    levels: dict[str, Estimate] = {}
    p: float = 1.0
    holm: float = 1.0
    spirals: float = 0.0
    shift: Estimate | None = None
    beyond: bool = False

    @property
    def applies(self) -> bool:
        """Whether there is anything to tell of it."""
        return self.kind != "none"

    @property
    def is_shown(self) -> bool:
        """Whether its change of the main measure is told from none over the family."""
        return self.applies and self.holm < LEVEL


class Finding(msgspec.Struct, frozen=True):
    """What came of one episode.

    Attributes:
        name: The episode.
        title: What people call it.
        moment: The moment of decision in words.
        side: -1 or 1, the direction of its prices.
        seeds: Number of seeds.
        nothing: Metric → mean of doing nothing.
        spirals: Share of seeds with a spiral when nobody does anything, where it has a threshold.
        bound_pct: How far off value is a spiral; 0 where it has none.
        day_s: Length of a day in seconds where the episode has days, else 0.
        threshold: The size of shock at which half of the seeds spiral, in per cent; None where it was not asked.
        sizes: Sizes of shock that were run, in per cent; empty where there was one.
        effects: By rank: the deepest fall of the main measure first, those that do not apply last.
        unbranched: Largest difference of any metric between the empty branch and the run from the start.
        unbalanced: Largest sum of all gains by dealing, in 2^-20 units of cash.
    """

    name: str
    title: str
    moment: str
    side: int
    seeds: int
    nothing: dict[str, Estimate]
    spirals: float
    bound_pct: float
    day_s: float
    threshold: Estimate | None
    sizes: list[float]
    effects: list[Effect]
    unbranched: float
    unbalanced: float

    @property
    def unit(self) -> tuple[str, float]:
        """What times are told in, and how many seconds that is."""
        return ("days", self.day_s) if self.day_s else ("min", 60.0)

    def gainers(self) -> list[str]:
        """The classes that gain or lose anything in this episode."""
        cells = [self.nothing, *(effect.levels for effect in self.effects if effect.applies)]
        return [name for name in CLASSES if any(cell[f"gain.{name}"].value for cell in cells)]


def finding(plan: Plan, frames: Mapping[str, pd.DataFrame], sizes: Sequence[float]) -> Finding:
    """What came of an episode, before anything is adjusted for the family."""
    nothing = frames[NOTHING]
    metrics = [str(name) for name in nothing.columns if _is_metric(nothing[name], str(name))]
    bound = SPIRAL_RMS * float(nothing["calm_rms_pct"].mean()) if has_threshold(plan) else 0.0
    spirals = {name: frame[MAIN].to_numpy() > bound for name, frame in frames.items()}
    ladder = sorted({*sizes, *([_own_size(plan)] if sizes else [])})
    effects = []
    told = [(way.overlay, way.kind, way.why) for way in plan.ways]
    if plan.episode.done:
        told.append((AS_IT_WAS, "start", plan.episode.done))
    for name, kind, why in told:
        if kind == "none":
            effects.append(Effect(name, kind, why))
            continue
        frame = frames[name]
        shift = _shift(plan, spirals, name, ladder) if sizes and name != AS_IT_WAS else None
        effects.append(
            Effect(
                name,
                kind,
                why,
                {m: bootstrap(frame[m] - nothing[m]) for m in metrics},
                {m: bootstrap(frame[m]) for m in metrics},
                _p(frame[MAIN] - nothing[MAIN]),
                spirals=float(spirals[name].mean()),
                shift=shift,
                beyond=shift is not None and _curve(plan, spirals, name, ladder)[:, -1].mean() < 0.5,
            )
        )
    untouched = [abs(nothing[m] - frames[UNBRANCHED][m]).max() for m in metrics]
    return Finding(
        name=plan.episode.name,
        title=plan.episode.title,
        moment=plan.episode.moment,
        side=plan.episode.side,
        seeds=len(nothing),
        nothing={m: bootstrap(nothing[m]) for m in metrics},
        spirals=float(spirals[NOTHING].mean()),
        bound_pct=bound,
        day_s=_day_s(plan),
        threshold=_threshold(plan, spirals, ladder) if sizes else None,
        sizes=ladder,
        effects=sorted(effects, key=_rank),
        unbranched=float(max(untouched)),
        unbalanced=float(max(abs(frame["gain_sum"]).max() for frame in frames.values())),
    )


def _day_s(plan: Plan) -> float:
    calendar = calendar_in(plan.plain)
    return 0.0 if calendar is None else calendar.day_ns / NS_PER_S


def _is_metric(column: pd.Series, name: str) -> bool:
    return name not in ("cell", "point", "run", "replicate", "run_time_s", "status") and (
        pd.api.types.is_numeric_dtype(column) and bool(np.isfinite(column).all())
    )


def _rank(effect: Effect) -> tuple[bool, float, str]:
    return not effect.applies, effect.changes[MAIN].value if effect.applies else 0.0, effect.name


def _p(difference: Any) -> float:
    x = np.asarray(difference, dtype=np.float64)
    return 1.0 if x.size < 2 or (x == x[0]).all() else float(ttest_1samp(x, 0.0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's (1979) step-down procedure, in the order given."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = highest
    return adjusted


def adjusted(findings: Sequence[Finding]) -> list[Finding]:
    """The findings with every p-value adjusted over all policies of all episodes."""
    p = iter(holm([effect.p for found in findings for effect in found.effects if effect.applies]))
    return [
        msgspec.structs.replace(
            found,
            effects=[msgspec.structs.replace(e, holm=next(p)) if e.applies else e for e in found.effects],
        )
        for found in findings
    ]


def ranked(findings: Sequence[Finding]) -> list[str]:
    """All policies, by their mean share of what doing nothing leaves; those that apply nowhere last."""

    def share(name: str) -> tuple[bool, float, str]:
        of = [(found, effect) for found in findings for effect in found.effects if effect.name == name]
        shares = [
            effect.changes[MAIN].value / found.nothing[MAIN].value
            for found, effect in of
            if effect.applies and found.nothing[MAIN].value
        ]
        return not shares, sum(shares) / len(shares) if shares else 0.0, name

    return sorted({effect.name for found in findings for effect in found.effects}, key=share)


# --- thresholds ------------------------------------------------------------------------------------------------------


def _own_size(plan: Plan) -> float:
    return round(-100 * float(plan.plain["shocks"][0]["size"]), 6)


def _curve(plan: Plan, spirals: Mapping[str, Any], name: str, ladder: Sequence[float]) -> Any:
    """Whether a seed spirals at each size, shape (seeds, sizes)."""
    own = _own_size(plan)
    return np.array([spirals[name if x == own else sized(name, x)] for x in ladder]).T.astype(np.float64)


def _shift(plan: Plan, spirals: Mapping[str, Any], name: str, ladder: Sequence[float]) -> Estimate:
    """Midpoint under a policy less that without, by the seeds both have."""
    curves = np.concatenate([_curve(plan, spirals, each, ladder) for each in (name, NOTHING)], axis=1)
    x, n, k = np.array(ladder), len(curves), len(ladder)
    return _estimate(curves, lambda mean: midpoint(x, mean[:k], n) - midpoint(x, mean[k:], n))


def _threshold(plan: Plan, spirals: Mapping[str, Any], ladder: Sequence[float]) -> Estimate:
    curves = _curve(plan, spirals, NOTHING, ladder)
    x, n = np.array(ladder), len(curves)
    return _estimate(curves, lambda mean: midpoint(x, mean, n))


def _estimate(curves: Any, statistic: Any) -> Estimate:
    row = curve_above("", curves, statistic, 0.0, "")
    assert row.low is not None
    assert row.high is not None
    return Estimate(row.measured, row.low, row.high, len(curves), 0.95)
