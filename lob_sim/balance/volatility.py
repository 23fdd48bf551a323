"""Volatility and correlation as a risk manager or a lender measures them: from marks, recent ones first.

Source: exponentially weighted moving averages, J.P. Morgan/Reuters, *RiskMetrics Technical Document* (1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lob_sim.errors import InputError
from lob_sim.units import Ns, Ticks


class EwmaCovariance:
    """Covariances of mark returns over fixed intervals.

    After each interval, Σ ← decay·Σ + (1 - decay)·r r′, r the vector of simple returns. When no mark was
    taken for k intervals the return over them counts as k equal independent parts: Σ ← decay^k·Σ + (1 -
    decay^k)·r r′/k.

    Args:
        volatilities: Opening volatility of each instrument per interval, as measured in calm.
        interval_ns: The interval of returns, positive.
        decay: Weight of the past per interval, above 0 and below 1 (RiskMetrics: 0.94).
        correlations: Opening correlations; none by default.

    Attributes:
        covariances: The present estimate, per interval. A new list after every interval, so a reference to an
            older one stays what it was.
    """

    __slots__ = ("_decay", "_interval_ns", "_last_index", "_marks", "covariances")

    def __init__(
        self,
        volatilities: Sequence[float],
        interval_ns: Ns,
        decay: float = 0.94,
        correlations: Sequence[Sequence[float]] | None = None,
    ) -> None:
        if interval_ns <= 0 or not 0 < decay < 1 or any(not v >= 0 for v in volatilities):
            raise InputError("volatility: expected a positive interval, 0 < decay < 1 and volatilities of 0 or more")
        n = len(volatilities)
        self._interval_ns = interval_ns
        self._decay = decay
        self._last_index = 0
        self._marks: list[Ticks] = []
        self.covariances = [
            [
                volatilities[i] * volatilities[j] * (1.0 if i == j else correlations[i][j] if correlations else 0.0)
                for j in range(n)
            ]
            for i in range(n)
        ]

    def is_due(self, ts_ns: Ns) -> bool:
        """Whether marks shown at a time would count, being the first in their interval."""
        return not self._marks or ts_ns // self._interval_ns > self._last_index

    def observe(self, ts_ns: Ns, marks_ticks: Sequence[Ticks]) -> bool:
        """Show the marks at a time; only the first call in each interval counts.

        Returns:
            Whether the estimate changed.
        """
        index = ts_ns // self._interval_ns
        if not self._marks:
            self._marks, self._last_index = list(marks_ticks), index
            return False
        elapsed = index - self._last_index
        if elapsed <= 0:
            return False
        returns = [new / old - 1 for new, old in zip(marks_ticks, self._marks, strict=True)]
        kept = self._decay**elapsed
        gain = (1 - kept) / elapsed
        self.covariances = [
            [kept * c + gain * r * s for c, s in zip(row, returns, strict=True)]
            for row, r in zip(self.covariances, returns, strict=True)
        ]
        self._marks, self._last_index = list(marks_ticks), index
        return True

    def volatility(self, instrument_id: int) -> float:
        """Standard deviation of one instrument's return per interval."""
        return math.sqrt(self.covariances[instrument_id][instrument_id])

    def correlation(self, i: int, j: int) -> float:
        """Correlation of two instruments' returns; 0 when either has not moved."""
        scale = self.volatility(i) * self.volatility(j)
        return self.covariances[i][j] / scale if scale > 0 else 0.0
