"""A synthetic table of calm runs in which every fact holds."""

from __future__ import annotations

import numpy as np
import pandas as pd

SEEDS = 78


def in_order() -> pd.DataFrame:
    """Runs in which everything is as it should be, as many as show that 95 % are quiet; they differ by a per cent."""
    row = {"forced_orders": 0.0, "gain.dealer": 100.0, "dealt.dealer": 200.0}
    for name, spread_bp, depth in (("corporate", 6.0, 1e8), ("treasury", 1.5, 3e8)):
        row |= {
            f"{key}.{name}": value
            for key, value in {
                "rms_ticks": 2.0,
                "spread_ticks": 4.0,
                "spread_bp": spread_bp,
                "lit": 0.999,
                "comove": 0.9,
                "short_ticks2": 1.0,
                "long_ticks2": 1.0,
                "value_short_ticks2": 1.0,
                "value_long_ticks2": 1.0,
                "informed_lots": 25.0,
                "taken_lots": 100.0,
                "alpha": 0.25,
                "effective": 400.0,
                "impact": 160.0,
                "realised": 240.0,
                "others_realised": 200.0,
                "others_lots": 75.0,
                "depth": 20.0,
                "depth_currency": depth,
                "signs": 0.1,
            }.items()
        }
    wobble = 1 + 0.01 * np.random.default_rng(1).normal(size=(SEEDS, len(row)))
    frame = pd.DataFrame([row] * SEEDS) * wobble
    frame[[c for c in row if c.startswith("lit.")]] = 0.999
    frame["forced_orders"] = 0.0
    return frame
