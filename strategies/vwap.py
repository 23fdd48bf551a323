"""Volume-weighted average price execution of a metaorder."""

from __future__ import annotations

from itertools import accumulate
from typing import Annotated

import msgspec

from lob_sim.agents.execution import SlicedExecution
from lob_sim.units import Lots


class VwapTrader(SlicedExecution):
    """Sells (or buys) a parent order along an expected profile of market volume.

    Source: the static schedule of Konishi (2002), "Optimal Slice of a VWAP Trade": trade in each interval
    the expected share of the day's volume.
    """

    class Params(SlicedExecution.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the execution.

        Attributes:
            volume_profile (any): Expected volume in equal parts of ``duration``, in any unit; the default is
                U-shaped.
        """

        volume_profile: Annotated[tuple[Annotated[float, msgspec.Meta(gt=0)], ...], msgspec.Meta(min_length=1)] = (
            3.0,
            2.0,
            1.5,
            1.5,
            2.0,
            3.0,
        )

    params: Params

    def due_lots(self, slice_index: int) -> Lots:
        return round(self.params.parent_lots * self.volume_share((slice_index + 1) / self.params.slices))

    def volume_share(self, elapsed: float) -> float:
        """Share of the expected volume done when the share ``elapsed`` of the time has passed."""
        if elapsed >= 1:
            return 1.0
        profile = self.params.volume_profile
        before = (0.0, *accumulate(profile))
        part = int(elapsed * len(profile))
        return (before[part] + profile[part] * (elapsed * len(profile) - part)) / before[-1]
