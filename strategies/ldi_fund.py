"""A liability-driven fund: it holds what its scheme's liabilities move with, and buys back what it had to sell."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, take_towards
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import InputError
from lob_sim.units import NS_PER_S, Interval, Lots

Amount = Annotated[float, msgspec.Meta(ge=0)]


class LdiFund(Strategy):
    """Rebalances to a hedge ratio: exposure, by bonds and by swaps, in proportion to the liabilities'.

    At each look it compares what it holds with hedge ratio × liabilities less what it has by swaps. Further away than a
    band it takes the touch, a piece at a time, until it is there: it sells what it has too much of, and buys what it
    lacks as far as its limits leave headroom. Leverage by repo or swaps, limits (``collateral_buffer``), margin and the
    sponsor are its balance sheet's, and sales that those force are its desk's.

    Source: Bank of England (2022), *Financial Stability Report*, December, section 5; Pinter (2023), "An anatomy of the
    2022 gilt market crisis", Bank of England Staff Working Paper 1019; Pinter, Siriwardane and Walker (2024), "Fire
    sales of safe assets", Bank of England Staff Working Paper 1089.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parameters of the fund.

        Attributes:
            liabilities (shares, or currency units of face value): By instrument name, the amount of it that moves as
                the liabilities do.
            by_swaps (shares, or currency units of face value): By instrument name, exposure that its balance sheet has
                by swaps.
            hedge_ratio (fraction): Share of the liabilities that is to be hedged.
            band (fraction): Distance from what it wants, as a share of that, at which it begins to rebalance.
            interval: Time between two looks.
            size_lots: The most that it takes at one look.
        """

        liabilities: dict[str, Amount]
        by_swaps: dict[str, Amount] = {}
        hedge_ratio: Annotated[float, msgspec.Meta(ge=0, le=2)] = 1.0
        band: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
        interval: Interval = 60 * NS_PER_S
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.wanted_lots: dict[int, Lots] = {}
        self.rebalances: dict[int, bool] = {}

    def on_start(self, ctx: Context) -> None:
        p = self.params
        names = [instrument.name for instrument in ctx.instruments]
        for table, given in (("liabilities", p.liabilities), ("by_swaps", p.by_swaps)):
            for name in given:
                if name not in names:
                    raise InputError(f"{table}: there is no instrument {name!r}: expected one of {names}", ctx.name)
        for instrument in ctx.instruments:
            if instrument.name in p.liabilities:
                amount = p.hedge_ratio * p.liabilities[instrument.name] - p.by_swaps.get(instrument.name, 0.0)
                self.wanted_lots[instrument.instrument_id] = max(0, round(amount / float(instrument.lot_size)))
        ctx.wake_in(1 + int(ctx.random.uniform() * p.interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(self.params.interval)
        for instrument_id, wanted in self.wanted_lots.items():
            if accepts_orders(ctx, instrument_id):
                self._rebalance(ctx, instrument_id, wanted)

    def _rebalance(self, ctx: Context, instrument_id: int, wanted: Lots) -> None:
        missing = wanted - ctx.position(instrument_id)
        outside = abs(missing) > self.params.band * wanted
        # Begun, it goes on until there is nothing to do.
        self.rebalances[instrument_id] = missing != 0 and (outside or self.rebalances.get(instrument_id, False))
        if not self.rebalances[instrument_id]:
            return
        size = self.params.size_lots
        if missing > 0 and ctx.headroom is not None:
            size = 0 if ctx.headroom.binding else min(size, ctx.headroom.purchase_lots[instrument_id])
        if size > 0:
            take_towards(ctx, instrument_id, wanted, size)
