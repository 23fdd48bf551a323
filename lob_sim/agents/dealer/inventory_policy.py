"""What a dealer may hold, what it charges for holding it, and how it gets rid of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer.policy import Policy
from lob_sim.information.belief import Belief
from lob_sim.messages import OrderRejected, RfqClosed, RfqDeclined, RfqQuoted, RfqRejected, Side
from lob_sim.units import Lots

NO_LIMIT_LOTS: Lots = 1 << 40
"""More than anybody trades."""


class InventoryPolicy(Policy, ABC):
    """The seam. A policy says what may be bought and sold; it may also charge for risk, and act to shed it.

    Inventory counts from the opening position: what a dealer holds then is what it wants to hold.
    """

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.opening_lots: list[Lots] = []

    def on_start(self, ctx: Context) -> None:
        """Note the opening position."""
        self.opening_lots = [ctx.position(i) for i in range(len(ctx.instruments))]

    def inventory_lots(self, ctx: Context, instrument_id: int) -> Lots:
        """Position taken on by dealing."""
        return ctx.position(instrument_id) - self.opening_lots[instrument_id]

    @abstractmethod
    def capacity(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """Lots that the dealer may still buy and sell, neither negative."""

    def headroom_lots(self, ctx: Context, instrument_id: int) -> Lots:
        """What its balance sheet lets it buy beyond what it keeps in reserve; negative when the reserve is touched."""
        return NO_LIMIT_LOTS

    def utilisation(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots) -> float:
        """Share of its capacity in use after a trade of ``qty_lots`` on its own ``side``; at 1 none is left."""
        return 0.0

    def holding_variance_ticks2(self, variance_rate: float) -> float:
        """Variance of fair value over the time that it expects to hold a position.

        Args:
            variance_rate: Perceived variance of fair value per nanosecond, in ticks squared.
        """
        return 0.0

    def risk_ticks(self, side: Side, qty_lots: Lots, inventory_lots: Lots, variance_rate: float) -> float:
        """What it charges a lot for the inventory risk of a trade; negative where the trade reduces risk.

        Args:
            side: The dealer's side: BUY for its bid, SELL for its ask.
            qty_lots: Size of the trade.
            inventory_lots: Inventory before it, signed.
            variance_rate: Perceived variance of fair value per nanosecond, in ticks squared.
        """
        return 0.0

    # --- hooks: all optional; the dealer hands on its own of the same names -----------------------------------
    def on_look(self, ctx: Context, size_lots: Lots, beliefs: Mapping[int, Belief]) -> None:
        """The dealer has looked at the market and moved its quotes: the place to lay positions off.

        Args:
            ctx: The dealer's context.
            size_lots: Size of its quotes.
            beliefs: What it believes of each instrument that it quotes.
        """

    def on_wake(self, ctx: Context, tag: int) -> None:
        """A wake-up that this policy asked for; its tags are positive."""

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """Another dealer answered a request of this one."""

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """Another dealer declined a request of this one."""

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        """A request that the dealer made, or was asked in, has ended."""

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        """A command of the dealer was refused."""


class Unlimited(InventoryPolicy):
    """No limit at all, and no charge.

    Source: the dealers without inventory of Glosten and Milgrom (1985).
    """

    def capacity(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """As much as anybody trades."""
        return NO_LIMIT_LOTS, NO_LIMIT_LOTS


class PositionLimit(InventoryPolicy):
    """The same limit on either side of the opening position.

    Source: the inventory limits of Amihud and Mendelson (1980), "Dealership Market".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            max_inventory_lots: Inventory, long or short, beyond which it does not go by quoting.
        """

        max_inventory_lots: Annotated[int, msgspec.Meta(ge=1)] = 200

    params: Params

    def capacity(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """What the limit leaves."""
        inventory, limit = self.inventory_lots(ctx, instrument_id), self.params.max_inventory_lots
        return limit - inventory if inventory < limit else 0, limit + inventory if inventory > -limit else 0

    def utilisation(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots) -> float:
        """Share of the limit."""
        return abs(self.inventory_lots(ctx, instrument_id) + side * qty_lots) / self.params.max_inventory_lots
