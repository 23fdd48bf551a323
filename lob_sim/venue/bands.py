"""Price bands: how far from the reference price a book may trade before it halts."""

from __future__ import annotations

import msgspec

from lob_sim.units import Ns, Ticks


class PriceBand(msgspec.Struct, frozen=True):
    """A static band around the reference price. Without a reference it is not active.

    Attributes:
        width_ticks: Trades print at most this far from the reference, on either side; positive.
        halt_ns: How long the halt is due to last that begins instead of a trade further away; positive.
    """

    width_ticks: Ticks
    halt_ns: Ns

    def around(self, reference_ticks: Ticks) -> tuple[Ticks, Ticks]:
        """Lowest and highest price that may print."""
        return reference_ticks - self.width_ticks, reference_ticks + self.width_ticks
