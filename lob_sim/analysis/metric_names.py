"""What metrics are called: the names of :func:`lob_sim.analysis.summary.crisis_metrics` in words, with their units."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "overshoot_pct": "worst price below fair value (%)",
    "spread_pct": "mean spread of the lit books (% of fair value)",
    "lit_absence": "a side of a lit book is empty (share of time)",
    "quote_absence": "dealers not quoting both sides (share of time)",
    "bid_absence": "dealers posting no bid (share of time)",
    "retreats": "withdrawals for fear of informed flow (number)",
    "rfq_share": "lots dealt by request for quote (share)",
    "mark_dispersion_pct": "disagreement of marks (% of fair value)",
    "write_down_pct": "marks below fair value, mean (%)",
    "forced_lots": "sold by force (lots)",
    "forced_sellers": "balance sheets forced to sell (number)",
    "failures": "failures (number)",
    "tier1_loss": "fall of all Tier 1 capital (currency units)",
    "recovery_s": "last trade more than 0.2% off fair value (s after the shock)",
    "calm_forced_lots": "sold by force before the shock (lots)",
    "calm_quote_absence": "dealers not quoting both sides before the shock (share of time)",
}
"""Metric → what it is, with its unit."""
_MAIN = ("overshoot_pct", "spread_pct", "quote_absence", "rfq_share", "forced_lots", "failures")
_MOST_MAIN = 6


def metric_text(name: str) -> str:
    """A metric as people call it, with its unit; a user's own by its name."""
    metric, _, instrument = name.partition(".")
    known = METRICS.get(metric, "")
    return f"{instrument}: {known}" if known and instrument else known or name


def main_metrics(summary: pd.DataFrame) -> list[str]:
    """The few metrics of a sweep that are told unless others are asked for: of those whose means differ the best known
    ones, else the first six.

    Args:
        summary: A row per point and metric: ``metric``, ``mean``.
    """
    names = [str(name) for name in summary["metric"].unique()]
    means = summary.groupby("metric")["mean"].nunique()
    told = [name for name in names if means[name] > 1] or names
    return [name for name in _MAIN if name in told] or told[:_MOST_MAIN]
