"""The standing repo facility of a central bank: a lender of last resort, an entry of the scenario."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.units import Cash, Duration

from .repo_lender import Lent, RepoLending

_OPEN = 2


class StandingRepoFacility(RepoLending):
    """Lends to anybody, without limit and at fixed haircuts, from a start time on; it rolls whatever matures.

    Before that time it does not lend. Dealers move loans to it when its haircuts are lower than what their
    lenders want, or when their lenders refuse to roll.

    Source: the Federal Reserve's standing repo facility (July 2021) and its repo operations of September 2019
    and March 2020.
    """

    class Params(RepoLending.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of a repo lender and one more; haircuts are the ``base`` of each schedule.

        Attributes:
            start: When the facility opens.
        """

        start: Duration = 0
        refuse_above_leverage: float = 1e18

    params: Params
    is_standing_facility: ClassVar[bool] = True

    def __init__(self, params: msgspec.Struct) -> None:
        super().__init__(params)
        self.is_open = False

    def on_start(self, ctx: Context) -> None:
        super().on_start(ctx)
        ctx.wake_in(max(1, self.params.start), _OPEN)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag == _OPEN:
            self.is_open = True
            for borrower_id in self._announced if ctx.switches.funding else ():
                self._announce(ctx, borrower_id)
        else:
            super().on_wake(ctx, tag)

    def haircut(self, ctx: Context, instrument_id: int, borrower_id: int) -> float:
        """The fixed haircut once the facility is open, 1 before; it lends nothing without collateral."""
        if not self.is_open or instrument_id < 0:
            return 1.0
        schedule = self.params.schedules.get(ctx.instruments[instrument_id].name)
        return 1.0 if schedule is None else schedule.base

    def _decide(self, ctx: Context, lent: Lent) -> tuple[Cash, float]:
        return 0, self.haircut(ctx, lent.loan.instrument_id, lent.borrower_id)
