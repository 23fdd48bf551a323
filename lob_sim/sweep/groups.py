"""Groups of runs over the same seeds, side by side: means with intervals, and what each group adds to the first.

A group is a market, or a variant of one, run with several seeds. With common random numbers the difference between two
groups is formed seed by seed, and its interval is over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lob_sim.errors import InputError
from lob_sim.sweep.design import once_each
from lob_sim.sweep.statistics import Estimate, bootstrap, numbers

_NOTHING = Estimate(np.nan, np.nan, np.nan, 0, 0.95)
COLUMNS = (
    "metric",
    "group",
    "mean",
    "low",
    "high",
    "n",
    "difference",
    "difference_low",
    "difference_high",
    "pairs",
)
"""Columns of :func:`compare_groups`."""


def compare_groups(groups: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Metrics of groups of runs, a row for each metric and group.

    Args:
        groups: Name → metrics, a row per seed (the index) and a column per metric. The first is what the others are
            compared with.

    Returns:
        :data:`COLUMNS`: ``mean`` with its 95 % interval (``low``, ``high``) over ``n`` seeds that have a finite value;
        ``difference`` from the first group with its interval, over ``pairs`` seeds that both have. Intervals are
        Student's, NaN of a single seed.

    Raises:
        InputError: There is no group, a seed twice in one, or a metric that is no number.
    """
    if not groups:
        raise InputError("no group: expected one or more", "groups")
    for group, frame in groups.items():
        once_each(frame.index, f"group {group!r}")
    names = list(dict.fromkeys(metric for frame in groups.values() for metric in frame.columns))
    first = next(iter(groups.values()))
    rows = []
    for metric in names:
        base = _finite(first, metric, next(iter(groups)))
        for k, (group, frame) in enumerate(groups.items()):
            own = _finite(frame, metric, group)
            shared = own.index.intersection(base.index)
            mean, added = _mean(own), _mean(own[shared] - base[shared]) if k else _NOTHING
            rows.append(
                (metric, group, mean.value, mean.low, mean.high, mean.n, added.value, added.low, added.high, added.n)
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _finite(frame: pd.DataFrame, metric: str, group: str) -> pd.Series[float]:
    if metric not in frame:
        return pd.Series(dtype=np.float64)
    values = pd.Series(numbers(frame[metric], f"group {group!r}, metric {metric!r}"), index=frame.index)
    return values[np.isfinite(values)]


def _mean(values: pd.Series[float]) -> Estimate:
    return bootstrap(values.to_numpy()) if len(values) else _NOTHING
