"""Price bands: how far from the reference price a book may trade before it halts."""

from __future__ import annotations

import msgspec

from lob_sim.units import Ns, Ticks


class PriceBand(msgspec.Struct, frozen=True):
    """A static band around the reference price. Without a reference it is not active.

    Attributes:
        width_ticks: Trades print at most this far from the reference, on either side; positive.
        halt_ns: How long the halt is due to last that begins instead of a trade further away; positive.
        later: Other lengths of halts that begin from some time on, in order of time: (from when, length).
    """

    width_ticks: Ticks
    halt_ns: Ns
    later: tuple[tuple[Ns, Ns], ...] = ()

    def halt_at(self, ts_ns: Ns) -> Ns:
        """How long a halt is due to last that begins then."""
        length_ns = self.halt_ns
        for from_ns, later_ns in self.later:
            if ts_ns >= from_ns:
                length_ns = later_ns
        return length_ns

    def around(self, reference_ticks: Ticks) -> tuple[Ticks, Ticks]:
        """Lowest and highest price that may print."""
        return reference_ticks - self.width_ticks, reference_ticks + self.width_ticks
