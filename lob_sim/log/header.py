"""What is known of a run before it begins: its scenario and seed, who trades what, and where it went on otherwise."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import msgspec

from lob_sim.convert import did_you_mean
from lob_sim.errors import DataError
from lob_sim.units import MOST_NS, Instrument, Ns, checked_whole


class AgentEntry(msgspec.Struct, frozen=True):
    """An agent of the run: its stable name, its group and its kind (strategy)."""

    agent_id: int
    name: str
    group: str
    kind: str


class BranchEntry(msgspec.Struct, frozen=True):
    """An instant at which a run went on otherwise than the one that it comes from.

    Attributes:
        at_ns: The instant.
        is_after: Whether what was due at that very instant had happened already.
        changes: What changed there, each as ``"path=value"`` of the scenario.
        seed: The seed of all random streams from there on; None where they went on.
    """

    at_ns: Ns
    is_after: bool = False
    changes: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def from_ns(self) -> Ns:
        """The first time at which what happens happens under the changes."""
        return self.at_ns + self.is_after


class RunHeader(msgspec.Struct, frozen=True):
    """What is known of a run before it begins.

    Attributes:
        scenario: The scenario as resolved, as plain data; empty for a log that comes from no scenario.
        seed_entropy: Entropy of all random streams.
        agents: Everybody who trades, in order of ``agent_id``.
        instruments: What is traded, in order of ``instrument_id``.
        dealer_ids: The agents that may be asked for quotes, or None if anybody may.
        cash_unit: Currency units in one unit of cash, exactly: ``500``, ``1/1200``; see :attr:`money_unit`.
        branches: Where the run went on otherwise than its scenario says, in order of time; None of the changes are in
            ``scenario``.
        time_of_day_ns: Time of day at time 0, in nanoseconds after midnight; None where the log knows of none.
    """

    scenario: dict[str, Any] = {}
    seed_entropy: int = 0
    agents: tuple[AgentEntry, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    dealer_ids: tuple[int, ...] | None = None
    cash_unit: str = ""

    @property
    def money_unit(self) -> Fraction:
        """Currency units in one unit of cash; derived from the instruments where it is not said, 1 without any."""
        if self.cash_unit:
            return Fraction(self.cash_unit)
        return self.instruments[0].cash_unit.size if self.instruments else Fraction(1)

    branches: tuple[BranchEntry, ...] = ()
    time_of_day_ns: Ns | None = None

    def number_of(self, instrument: str | int | None) -> int:
        """The number of an instrument that is given by name or number, or of the only one.

        Raises:
            DataError: There is no such instrument, or it is not clear which is meant.
        """
        names = [entry.name for entry in self.instruments]
        known = f"; there are: {', '.join(names)}"
        if instrument is None:
            if len(names) != 1:
                raise DataError("it must be said which instrument is meant" + known)
            return 0
        if not isinstance(instrument, str):
            instrument = checked_whole(instrument, "instrument", -MOST_NS, kind="the name or number of an instrument")
            if not 0 <= instrument < len(names):
                raise DataError(f"no instrument has the number {instrument}" + known)
            return instrument
        if instrument not in names:
            raise DataError(f"no instrument is named {instrument!r}" + did_you_mean(instrument, names) + known)
        return names.index(instrument)
