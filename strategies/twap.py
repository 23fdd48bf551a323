"""Time-weighted average price execution of a metaorder."""

from __future__ import annotations

from lob_sim.agents.execution import SlicedExecution
from lob_sim.units import Lots


class TwapTrader(SlicedExecution):
    """Sells (or buys) a parent order in equal slices over time.

    Source: Bertsimas and Lo (1998), "Optimal Control of Execution Costs", section 2 (equal slices are optimal
    under linear permanent impact); the minimum-impact schedule of Almgren and Chriss (2000), section 1.6.
    """

    def due_lots(self, slice_index: int) -> Lots:
        return self.params.parent_lots * (slice_index + 1) // self.params.slices
