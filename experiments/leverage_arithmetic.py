"""The arithmetic of a leverage limit: what a dealer must sell, in closed form.

The references of :mod:`experiments.dealer_prime`. Linear permanent impact as in Greenwood, Landier and Thesmar (2015),
"Vulnerable banks".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from lob_sim.errors import InputError


class Order(StrEnum):
    """Sale orders."""

    cash_first = "cash_first"
    most_liquid_first = "most_liquid_first"
    pro_rata = "pro_rata"


class Prime(msgspec.Struct, frozen=True):
    """Dealer Prime before the shock, in billions, and what it is put through."""

    cash: float
    treasuries: float
    corporates: float
    other: float
    funding: float
    shock: float
    minimum: float
    order: Order
    price: float


def check(prime: Prime, depths: Sequence[float]) -> None:
    """Say what cannot be: amounts are finite and not negative, prices positive before and after the fall.

    Raises:
        InputError: Names the option.
    """
    for name in ("cash", "treasuries", "corporates", "other", "funding"):
        amount = getattr(prime, name)
        if not 0 <= amount < math.inf:
            raise InputError(f"expected a finite amount of 0 or more, got {amount:g}", f"--{name}")
    if not 1e-6 <= prime.price < math.inf:
        raise InputError(f"expected a price of a millionth or more, got {prime.price:g}", "--price")
    if not -math.inf < prime.shock <= 1 - 1e-6:
        raise InputError(f"expected a fraction below 1, got {prime.shock:g}", "--shock")
    if not 0 < prime.minimum <= 1:
        raise InputError(f"expected a fraction above 0 and at most 1, got {prime.minimum:g}", "--minimum")
    for depth in depths:
        if not depth > 0:
            raise InputError(f"expected a positive number, got {depth:g}", "--depth")


class Reference(msgspec.Struct, frozen=True):
    """What is used of cash and sold of Treasuries and corporates (at prices before the sale), in billions."""

    cash: float
    treasuries: float
    corporates: float
    cured: bool


def shed_without_impact(prime: Prime) -> tuple[float, float, float]:
    """Tier 1 and assets after the shock, and what must be shed: A - E/λ."""
    loss = prime.shock * prime.corporates
    assets = prime.cash + prime.treasuries + prime.corporates + prime.other - loss
    tier1 = assets - prime.funding
    return tier1, assets, min(max(0.0, assets - tier1 / prime.minimum), assets)


def reference(prime: Prime, depth: float) -> Reference:
    """Staged closed forms: in each stage a share s of its assets is sold, s the root of a quadratic.

    With holdings T_i at prices after the shock, ψ_i = s·T_i/depth, E(s) = E - Σ T_i·ψ_i·(1 - s/2) and
    A(s) = A - Σ(s·T_i + (1 - s)·T_i·ψ_i), so that E - λA is a quadratic in s.
    """
    tier1, assets, required = shed_without_impact(prime)
    corporates = prime.corporates * (1 - prime.shock)
    used = min(prime.cash, required) if prime.order is Order.cash_first else 0.0
    assets -= used
    both = ("treasuries", "corporates")
    stages = (both,) if prime.order is Order.pro_rata else (both[:1], both[1:])
    sold = {"treasuries": 0.0, "corporates": 0.0}
    held = {"treasuries": prime.treasuries, "corporates": corporates}
    for stage in stages:
        total = sum(held[name] for name in stage)
        squares = sum(held[name] ** 2 for name in stage) / depth
        share = _share(tier1, assets, prime.minimum, total, squares)
        for name in stage:
            sold[name] = share * held[name]
        tier1 -= squares * share * (1 - share / 2)
        assets -= share * total + (1 - share) * share * squares
    cured = tier1 - prime.minimum * assets >= -1e-9 * max(1.0, assets)
    return Reference(used, sold["treasuries"], sold["corporates"], cured)


def _share(tier1: float, assets: float, minimum: float, total: float, squares: float) -> float:
    # E - λA = a·s² + b·s + c
    c = tier1 - minimum * assets
    if c >= -1e-12 * assets or total == 0:
        return 0.0
    a = squares * (0.5 - minimum)
    b = minimum * total - (1 - minimum) * squares
    if a == 0:
        return min(1.0, -c / b) if b > 0 else 1.0
    discriminant = b * b - 4 * a * c
    roots = [(-b + sign * math.sqrt(discriminant)) / (2 * a) for sign in (1, -1)] if discriminant >= 0 else []
    inside = [s for s in roots if 0 < s <= 1 + 1e-12]
    return min(1.0, *inside) if inside else 1.0


def depth_threshold(prime: Prime) -> float:
    """Depth below which Treasuries alone cannot cure the ratio: T²/(2(E - λ(A - T))); infinite when none can.

    Where all is sold in proportion, or nothing has to be, there is no such thing.
    """
    if prime.order is Order.pro_rata:
        return math.inf
    tier1, assets, required = shed_without_impact(prime)
    if prime.order is Order.cash_first:
        assets -= min(prime.cash, required)
        required -= min(prime.cash, required)
    if required <= 0:
        return math.inf
    left = tier1 - prime.minimum * (assets - prime.treasuries)
    return prime.treasuries**2 / (2 * left) if left > 0 else math.inf
