"""What a scenario may say of its trading days."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from lob_sim.scenario.base import Spec, require
from lob_sim.units import Duration, format_time


class CalendarSpec(Spec, frozen=True, kw_only=True):
    """Trading days, and nights in which time passes without trading.

    Each day opens with the lit books' opening auctions and closes with their closing auctions. A night is the rest of a
    day: fair values move on, what has been sent arrives, and nobody trades or looks. Rates per day are per day of this
    length, so that a night has its share of a day's variance.

    Source: French and Roll (1986), "Stock Return Variances: The Arrival of Information and the Reaction of Traders",
    who find that a night has a small share of it.

    Attributes:
        day: From one open to the next, any length of simulated time.
        session: From a day's open to its close, its auctions included; less than the day.
        dates: What the days are called, as ``"2020-03-09"``, in order; none, or at least one for every day of
            the horizon.
    """

    day: Annotated[Duration, msgspec.Meta(gt=0)]
    session: Annotated[Duration, msgspec.Meta(gt=0)]
    dates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        day = format_time(self.day)
        require(self.session < self.day, "session", f"less than the day, {day}", format_time(self.session))
        last = ""
        for i, text in enumerate(self.dates):
            require(_is_date(text), f"dates[{i}]", 'a date such as "2020-03-09"', text)
            require(text > last, f"dates[{i}]", f"a date after {last}", text)
            last = text


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
