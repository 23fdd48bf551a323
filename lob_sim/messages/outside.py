"""The world outside the venues."""

from __future__ import annotations

from typing import ClassVar

from lob_sim.messages.base import Event


class FairValue(Event, frozen=True, gc=False):
    """The exogenous fair value of an instrument, in ticks (a real number: not a price anybody can trade at)."""

    dataset: ClassVar[str] = "fair_value"
    instrument_id: int
    value_ticks: float
    is_shock: bool


class Announcement(Event, frozen=True, gc=False):
    """The public learns at once that fair value has jumped, and by how much but for a Gaussian error.

    Attributes:
        change_ticks: What is said of the change; the true one plus the error.
        noise_sd_ticks: Standard deviation of the error, which everybody knows.
    """

    dataset: ClassVar[str] = "announcement"
    hook: ClassVar[str] = "on_announcement"
    instrument_id: int
    change_ticks: float
    noise_sd_ticks: float


class News(Event, frozen=True, gc=False):
    """A public signal of fair value, with Gaussian noise of known standard deviation."""

    dataset: ClassVar[str] = "news"
    hook: ClassVar[str] = "on_news"
    instrument_id: int
    signal_ticks: float
    noise_sd_ticks: float
