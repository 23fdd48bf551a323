"""A sweep for a terminal: a table of means with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lob_sim.analysis.metric_names import metric_text
from lob_sim.errors import printable
from lob_sim.sweep.tables import short_paths

if TYPE_CHECKING:
    from rich.table import Table

_TABLE_ROWS = 200
_METRIC_COLUMNS = 2


def summary_table(summary: pd.DataFrame, axes: Sequence[str], title: str = "") -> Table:
    """The summary for a terminal, of the first points: a column per metric, or, where there are many, a row."""
    from rich.markup import escape
    from rich.table import Table

    def said(text: str) -> str:
        return escape(printable(text))

    metrics = list(dict.fromkeys(summary["metric"]))
    is_wide = len(metrics) <= _METRIC_COLUMNS
    table = Table(title=said(title) or None, caption="mean and 95 % interval over seeds")
    short = short_paths(axes)
    for name in (*short.values(), *(metrics if is_wide else ["metric", "mean"]), "n", "failed"):
        table.add_column(said(name), justify="left" if name == "metric" else "right")
    for _, group in itertools.islice(summary.groupby("point"), _TABLE_ROWS):
        first = group.iloc[0]
        at = [_number(first[axis]) for axis in axes]
        ends = [str(group["n"].max()), str(first["failed"])]
        cells = {row["metric"]: _interval_text(row) for _, row in group.iterrows()}
        if is_wide:
            table.add_row(*at, *(cells[metric] for metric in metrics), *ends)
            continue
        for k, metric in enumerate(metrics):
            shown = (
                [*at, said(metric), cells[metric], *ends]
                if k == 0
                else [*[""] * len(at), said(metric), cells[metric], "", ""]
            )
            table.add_row(*shown, end_section=metric == metrics[-1])
    meanings = [f"{said(metric)}: {said(metric_text(metric))}" for metric in metrics if metric_text(metric) != metric]
    table.caption = "\n".join([str(table.caption), *meanings])
    left = summary["point"].nunique() - _TABLE_ROWS
    if left > 0:
        table.caption = f"{table.caption}; {left} more points are in summary.csv"
    return table


def _interval_text(row: Any) -> str:
    if np.isnan(row["low"]):
        return _number(row["mean"])
    return f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
