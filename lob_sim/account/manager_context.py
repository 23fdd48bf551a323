"""The context of a desk: what it sees and does beyond what a strategy may."""

from __future__ import annotations

from collections.abc import Callable

from lob_sim.account.context import AgentContext
from lob_sim.account.pre_trade import PreTradeRisk, Verdict
from lob_sim.agents.context import Headroom
from lob_sim.messages import AgentCommand, Event
from lob_sim.units import Cash, Lots, Ticks


class ManagerContext(AgentContext):
    """The context of the component that manages its agent, a desk: it sees and does what a strategy may not.

    Implements :class:`~lob_sim.desk.ports.DeskContext`. Its agent has pre-trade limits, which keep the strategy
    from what the desk forbids.
    """

    __slots__ = ()

    def _judge(self) -> Callable[[AgentCommand], Verdict]:
        return self._risk.check_of_manager

    @property
    def _risk(self) -> PreTradeRisk:
        limits = self._account.limits
        assert isinstance(limits, PreTradeRisk)
        return limits

    def log(self, event: Event) -> None:
        # It says what it is made to say, thousands of times.
        self._mailbox.record(event)

    def free_lots(self, instrument_id: int) -> Lots:
        return self._risk.free_lots(instrument_id)

    def set_aside(self, instrument_id: int, qty_lots: Lots) -> None:
        self._risk.set_aside(instrument_id, qty_lots)

    def settlement_ticks(self, instrument_id: int) -> Ticks:
        return self._view.settlement_ticks(instrument_id)

    def draw_funding(self, amount: Cash) -> None:
        self._account.cash += amount
        self._mailbox.draw_funding(amount)

    def forbid_buying(self, forbidden: bool) -> None:
        self._risk.buying_forbidden = forbidden

    def show_headroom(self, headroom: Headroom | Callable[[], Headroom]) -> None:
        self._account.headroom = headroom

    def silence(self) -> None:
        self._mailbox.silence()
