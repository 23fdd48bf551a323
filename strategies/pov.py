"""Participation execution of a metaorder: a constant share of what the market trades."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.execution import SlicedExecution
from lob_sim.messages import OrderFilled, Trade
from lob_sim.units import Lots


class PovTrader(SlicedExecution):
    """Sells (or buys) a parent order as a constant percentage of market volume.

    It looks at the tape once per slice and goes on until the parent order is done, however long the market
    takes.

    Source: Almgren, Thum, Hauptmann and Li (2005), "Direct Estimation of Equity Market Impact" (trading
    at a constant rate in volume time).
    """

    class Params(SlicedExecution.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the execution.

        Attributes:
            participation: Own share of all that is traded in the lit book, own trades included.
        """

        participation: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1

    params: Params
    deferred_hooks = frozenset({"on_trade"})

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.market_lots = 0
        self.own_lit_lots = 0

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        if trade.instrument_id == self.instrument_id and self.slice_index > 0:
            self.market_lots += trade.qty_lots

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        super().on_fill(ctx, fill)
        self.own_lit_lots += fill.qty_lots

    def due_lots(self, slice_index: int) -> Lots:
        share = self.params.participation
        others = max(0, self.market_lots - self.own_lit_lots)
        return int(others * share / (1 - share))
