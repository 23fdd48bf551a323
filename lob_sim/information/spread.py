"""Which half-spread earns nothing against partly informed flow, and what each part of a quote is for.

A quote is built in three parts on either side: adverse selection (the zero-profit half-spread under a
Gaussian belief, s k(alpha)), order processing (a cost per lot), and inventory (Ho & Stoll 1981, J. Financial
Economics 9; Stoll 1978, J. Finance 33), then rounded away from fair value onto the tick grid. Parts are kept
in integer micro-ticks, and the rounding is a part of its own, so that on each side they add up to the quoted
half-spread exactly.
"""

from __future__ import annotations

import math

import msgspec

from lob_sim.errors import InputError
from lob_sim.information.belief import MAX_ALPHA
from lob_sim.messages import Side
from lob_sim.units import Lots, Ticks

UTICKS_PER_TICK = 1_000_000
"""Micro-ticks in a tick: the grain of a spread's decomposition."""

_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)
_CELLS = 1000
_BUY, _SELL = Side.BUY, Side.SELL


def expected_excess(k: float) -> float:
    """E[max(0, Z - k)] of a standard normal Z: what an informed trader gains at a half-spread of k
    deviations."""
    return _INV_SQRT_2PI * math.exp(-0.5 * k * k) - k * 0.5 * math.erfc(k * _SQRT_HALF)


def zero_profit_k(alpha: float) -> float:
    """Zero-profit half-spread in standard deviations of the belief.

    Solves ``alpha phi(k) = k [alpha (1 - Phi(k)) + (1 - alpha) / 2]`` (Glosten & Milgrom 1985 with a
    Gaussian prior): .080044 at .1, .246607 at .3, .436327 at .5. One Newton step from a table of 1,000
    cells; correct to 1e-12.

    Args:
        alpha: Share of informed flow, clipped to [0, ``MAX_ALPHA``].
    """
    alpha = 0.0 if alpha < 0.0 else MAX_ALPHA if alpha > MAX_ALPHA else alpha
    position = alpha * (_CELLS / MAX_ALPHA)
    cell = int(position) if position < _CELLS else _CELLS - 1
    low = _TABLE[cell]
    return _newton(_newton(low + (position - cell) * (_TABLE[cell + 1] - low), alpha), alpha)


def _newton(k: float, alpha: float) -> float:
    # The condition is convex and falls in k, so that a step from anywhere near does not overshoot to another
    # root.
    tail = 0.5 * math.erfc(k * _SQRT_HALF)
    profit = alpha * (_INV_SQRT_2PI * math.exp(-0.5 * k * k) - k * tail) - 0.5 * (1 - alpha) * k
    return k + profit / (alpha * tail + 0.5 * (1 - alpha))


def _tabulate() -> list[float]:
    table = [0.0]
    for cell in range(1, _CELLS + 1):
        k = table[-1]
        for _ in range(8):
            k = _newton(k, cell * MAX_ALPHA / _CELLS)
        table.append(k)
    return table


_TABLE = _tabulate()


def inventory_ticks(
    side: Side, qty_lots: Lots, position_lots: Lots, risk_aversion: float, variance_ticks2: float
) -> float:
    """What a dealer asks, per lot, for the inventory risk of one trade (Stoll 1978, eq. 7; Ho & Stoll 1981).

    Holding x lots costs ``risk_aversion / 2 * variance * x^2``. A trade that takes the position from x to x'
    costs the difference, divided here by its size: linear in the position, with half the trade's own size on
    top.

    Args:
        side: The dealer's side: BUY for its bid, SELL for its ask.
        qty_lots: Size of the trade, positive.
        position_lots: Position before it, signed.
        risk_aversion: Per tick and lot.
        variance_ticks2: Variance of fair value over the time the position is expected to be held.

    Returns:
        Ticks to add to that side's half-spread; negative where the trade reduces risk.
    """
    return risk_aversion * variance_ticks2 * (side * position_lots + 0.5 * qty_lots)


class SpreadDecomposition(msgspec.Struct, frozen=True, gc=False):
    """One side of a quote: where its distance from the believed fair value comes from, in micro-ticks.

    ``half_spread_uticks`` is the sum of the four parts, and equals the quoted price's distance from the mean
    exactly.

    Attributes:
        side: The dealer's side: BUY for the bid, SELL for the ask.
        price_ticks: The quoted price.
        mean_uticks: Believed fair value.
        adverse_uticks: Compensation for trading with the better informed.
        inventory_uticks: Compensation for inventory risk, negative on the side that reduces it.
        processing_uticks: Cost of processing an order.
        rounding_uticks: From the tick grid: at least 0 and less than a tick, unless a price of 1 tick or an
            own quote on the other side was in the way.
    """

    side: Side
    price_ticks: Ticks
    mean_uticks: int
    adverse_uticks: int
    inventory_uticks: int
    processing_uticks: int
    rounding_uticks: int

    @property
    def half_spread_uticks(self) -> int:
        """Distance of the quote from the believed fair value, positive when the dealer earns on it."""
        return -self.side * (self.price_ticks * UTICKS_PER_TICK - self.mean_uticks)


def moved_to(part: SpreadDecomposition, price_ticks: Ticks) -> SpreadDecomposition:
    """The same quote at ``price_ticks``; the move is accounted for as rounding."""
    if price_ticks == part.price_ticks:
        return part
    moved = part.side * (part.price_ticks - price_ticks) * UTICKS_PER_TICK
    return msgspec.structs.replace(part, price_ticks=price_ticks, rounding_uticks=part.rounding_uticks + moved)


def decompose(
    side: Side,
    mean_ticks: float,
    adverse_ticks: float,
    inventory_ticks: float,
    processing_ticks: float,
    not_beyond_ticks: Ticks | None = None,
) -> SpreadDecomposition:
    """Put one side's quote on the grid, away from fair value, and account for every micro-tick.

    Args:
        side: The dealer's side.
        mean_ticks: Believed fair value.
        adverse_ticks: Adverse-selection part of the half-spread.
        inventory_ticks: Inventory part, signed.
        processing_ticks: Processing part.
        not_beyond_ticks: The best price this side may show, or None (an ask stays above an own bid).

    Raises:
        InputError: A part is not a finite number.
    """
    _require_finite(mean_ticks + adverse_ticks + inventory_ticks + processing_ticks)
    return _on_grid(
        side,
        round(mean_ticks * UTICKS_PER_TICK),
        round(adverse_ticks * UTICKS_PER_TICK),
        round(inventory_ticks * UTICKS_PER_TICK),
        round(processing_ticks * UTICKS_PER_TICK),
        not_beyond_ticks,
    )


def _require_finite(total_ticks: float) -> None:
    if not math.isfinite(total_ticks):
        raise InputError("a part of the spread is not a finite number", "spread")


def _on_grid(
    side: Side, mean: int, adverse: int, inventory: int, processing: int, not_beyond_ticks: Ticks | None
) -> SpreadDecomposition:
    """Round away from fair value: down for a bid, up for an ask. Parts in micro-ticks."""
    half_spread = adverse + inventory + processing
    if side is _BUY:
        price = (mean - half_spread) // UTICKS_PER_TICK
        if not_beyond_ticks is not None and price > not_beyond_ticks:
            price = not_beyond_ticks
        if price < 1:
            price = 1
        rounding = mean - half_spread - price * UTICKS_PER_TICK
    else:
        price = -(-(mean + half_spread) // UTICKS_PER_TICK)
        if not_beyond_ticks is not None and price < not_beyond_ticks:
            price = not_beyond_ticks
        if price < 1:
            price = 1
        rounding = price * UTICKS_PER_TICK - mean - half_spread
    return SpreadDecomposition(side, price, mean, adverse, inventory, processing, rounding)


def decompose_quote(
    mean_ticks: float,
    adverse_ticks: float,
    bid_inventory_ticks: float,
    ask_inventory_ticks: float,
    processing_ticks: float,
) -> tuple[SpreadDecomposition, SpreadDecomposition]:
    """Both sides of a quote, bid and ask, the ask at least a tick above the bid."""
    _require_finite(mean_ticks + adverse_ticks + bid_inventory_ticks + ask_inventory_ticks + processing_ticks)
    mean, adverse = round(mean_ticks * UTICKS_PER_TICK), round(adverse_ticks * UTICKS_PER_TICK)
    processing = round(processing_ticks * UTICKS_PER_TICK)
    bid_inventory = round(bid_inventory_ticks * UTICKS_PER_TICK)
    ask_inventory = round(ask_inventory_ticks * UTICKS_PER_TICK)
    # What _on_grid does where neither bound is in the way, as at nearly every look of a dealer.
    bid_ticks, bid_rounding = divmod(mean - adverse - bid_inventory - processing, UTICKS_PER_TICK)
    minus_ask_ticks, ask_rounding = divmod(-mean - adverse - ask_inventory - processing, UTICKS_PER_TICK)
    if 1 <= bid_ticks < -minus_ask_ticks:
        return (
            SpreadDecomposition(_BUY, bid_ticks, mean, adverse, bid_inventory, processing, bid_rounding),
            SpreadDecomposition(_SELL, -minus_ask_ticks, mean, adverse, ask_inventory, processing, ask_rounding),
        )
    bid = _on_grid(_BUY, mean, adverse, bid_inventory, processing, None)
    return bid, _on_grid(_SELL, mean, adverse, ask_inventory, processing, bid.price_ticks + 1)
