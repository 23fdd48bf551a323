"""What a scenario may say of the world outside: scheduled jumps of fair value, and files that say more."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

import msgspec

from lob_sim.scenario.base import Spec, require
from lob_sim.units import Duration


class ShockSpec(Spec, frozen=True, kw_only=True):
    """A scheduled jump of fair value.

    Source: a choice of this program.

    Attributes:
        instrument: Which.
        at: Simulated time.
        size (fraction): Relative change, for example -0.04; larger than -1.
        announced: Whether everybody hears at once that value has jumped, and how far but for an error; else only those
            who see fair value know, and the others find out by what they trade.
        noise (fraction): Standard deviation of that error, as a fraction of the initial value.
    """

    instrument: str
    at: Duration
    size: Annotated[float, msgspec.Meta(gt=-1)]
    announced: bool = False
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        require(isfinite(self.size), "size", "a finite number", self.size)
        require(isfinite(self.noise), "noise", "a finite number", self.noise)
        require(self.announced or not self.noise, "noise", "0 where nothing is announced", self.noise)


class FileSpec(Spec, frozen=True, kw_only=True):
    """A file beside the scenario that says what the world outside does.

    Its columns are ``time``, ``instrument`` and ``value`` (price points), ``size`` (fraction), ``daily_volatility``
    (log return) or ``amount`` (shares, or currency units of face value; with ``class``, the group that buys or sells).

    Source: a choice of this program.

    Attributes:
        kind: What it holds: fair values from each time on, jumps of them, volatility from each time on, or the net
            flow of a class of agents from each of its rows to the next.
        path: A CSV or Parquet file in the scenario's folder or below it.
        sha256: Checksum of its content, which it must have; set when it is read, and kept in the run's manifest.
        announced: Whether everybody hears of every value or jump at once, but for an error.
        noise (fraction): Standard deviation of that error, as a fraction of the initial value.
    """

    kind: Literal["values", "jumps", "volatility", "flow"]
    path: str
    sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    announced: bool = False
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        can_be_heard = self.kind in ("values", "jumps")
        require(can_be_heard or not self.announced, "announced", f"false with {self.kind}", self.announced)
        require(isfinite(self.noise), "noise", "a finite number", self.noise)
        require(self.announced or not self.noise, "noise", "0 where nothing is announced", self.noise)
