"""What a scenario may say of a balance sheet: its lines and limits, how it is marked and sold, who stands behind it."""
# msgspec copies defaults that are empty, which the linter cannot know of a base in another file.
# ruff: noqa: RUF012

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import msgspec

from lob_sim.scenario.base import Spec, require
from lob_sim.scenario.derivative_specs import DerivativeSpec, SponsorSpec
from lob_sim.units import Duration


class ConstraintSpec(Spec, frozen=True, kw_only=True):
    """One limit on a balance sheet.

    Source: that of each limit, below.

    Attributes:
        kind: ``slr``, ``leverage_threshold``, ``risk_weighted``, ``var``, ``capital_var``, ``funding``,
            ``liquidity_coverage``, ``collateral_buffer``, ``inventory``, or a user's own as ``"module:Class"``.
        params: Its parameters.
    """

    kind: str
    params: dict[str, Any] = {}


class RedemptionSpec(Spec, frozen=True, kw_only=True):
    """How the investors of a fund behave: they redeem β·max(0, -return) of its net asset value.

    Source: Goldstein, Jiang and Ng (2017), "Investor Flows and Fragility in Corporate Bond Funds"; swing pricing,
    SEC rule 22c-1(a)(3).

    Attributes:
        beta (factor): Share of assets redeemed per unit of negative return since the last time.
        interval: Time between two calculations of the net asset value, at which investors may redeem. Where there is
            a calendar it is struck at every close instead, and what investors redeem is due at the next open.
        swing_threshold: Redemptions above this share of net asset value are paid at a swung price.
        swing_factor: By how much that price is swung, as a fraction; 0 turns swing pricing off.
    """

    beta: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    interval: Annotated[Duration, msgspec.Meta(gt=0)] = 600_000_000_000
    swing_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    swing_factor: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0


class BalanceSheetSpec(Spec, frozen=True, kw_only=True):
    """What makes an agent a constrained dealer. Its group's cash and holdings are the first two asset lines.

    Source: the dealer's balance sheet of Adrian and Shin (2010), "Liquidity and Leverage", with repo by collateral.

    Attributes:
        other_assets (currency units): Assets that are not traded; not negative.
        short_term_funding (currency units): Deposits and short-term funding, not negative. Tier 1 is what
            balances the sheet.
        tier1 (currency units): What Tier 1 is at the opening: stated, it must be what balances the sheet exactly.
        allow_insolvent: Whether Tier 1 may be zero or less at the opening; such a dealer is in default at once.
        repo (currency units): Opening loans against each instrument, not negative and not above what is held of it.
        haircuts: Repo haircuts at the opening, as fractions.
        scale (factor): Positive; multiplies every amount of the sheet, cash and holdings included, so that one
            table serves dealers of several sizes.
        constraints: Its limits; what binds is their union.
        liquidation_sequence: ``most_liquid_first``, ``cash_first``, ``pro_rata``, ``cash_then_pro_rata``, or a
            user's own as ``"module:Class"``.
        liquidation: ``immediate``, ``twap``, ``participation``, ``book_watching``, or ``"module:Class"``.
        liquidation_params: Parameters of the liquidation strategy.
        work_interval: Time between two looks at parent orders.
        rfq_dealers: Dealers asked when the book is dark or too thin.
        rfq_patience: How long their answers are waited for.
        marking: ``hierarchy``, or a user's own marking policy as ``"module:Class"``.
        marking_params: Parameters of the marking policy.
        mark_interval: Time between two looks at the marks.
        mark_tolerance (fraction): A mark stays while what evidence of the same kind says is no further from it than
            this fraction of it; once in each interval of volatility it is made exactly all the same.
        volatility_interval: Interval of the returns from which it measures volatility.
        volatility_decay: Weight of the past, per interval.
        opening_volatility (return): Volatility of each instrument's mark per interval, as measured in calm.
        sale_patience: A parent order that has been open for so long is worked with full urgency.
        resolution_horizon: Time over which the book is sold after a default; 0 sells it at once.
        lenders: Groups of repo lenders that it borrows from; none named means all of the scenario.
            Opening loans are shared equally between them. Without lenders haircuts stay what they are at the opening.
        maturity_buckets: Maturities over which its opening loans are spread, evenly over each lender's term.
        runnable_share: Share of short-term funding that these lenders lend unsecured and may refuse to
            roll; the rest is deposits, which stay.
        disclosure_interval: Time between two disclosures of its leverage to its lenders.
        derivatives: Swaps and futures.
        variation_interval: Time between two settlements of their margin. Where there is a calendar it is due at every
            open instead, as of the close before.
        sponsor: Makes it a fund that calls capital when its leverage is high.
        redemptions: Makes it a fund, whose Tier 1 is its net asset value, and says how its investors behave.
    """

    other_assets: Decimal = Decimal(0)
    short_term_funding: Decimal = Decimal(0)
    tier1: Decimal | None = None
    allow_insolvent: bool = False
    repo: dict[str, Decimal] = {}
    haircuts: dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]] = {}
    scale: Decimal = Decimal(1)
    constraints: list[ConstraintSpec] = []
    liquidation_sequence: str = "most_liquid_first"
    liquidation: str = "book_watching"
    liquidation_params: dict[str, Any] = {}
    work_interval: Annotated[Duration, msgspec.Meta(gt=0)] = 1_000_000_000
    rfq_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
    rfq_patience: Annotated[Duration, msgspec.Meta(gt=0)] = 1_000_000_000
    marking: str = "hierarchy"
    marking_params: dict[str, Any] = {}
    mark_interval: Annotated[Duration, msgspec.Meta(gt=0)] = 1_000_000_000
    mark_tolerance: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    volatility_interval: Annotated[Duration, msgspec.Meta(gt=0)] = 60_000_000_000
    volatility_decay: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.94
    opening_volatility: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    sale_patience: Annotated[Duration, msgspec.Meta(gt=0)] = 300_000_000_000
    resolution_horizon: Duration = 0
    lenders: list[str] = []
    maturity_buckets: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 4
    runnable_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    disclosure_interval: Annotated[Duration, msgspec.Meta(gt=0)] = 60_000_000_000
    derivatives: list[DerivativeSpec] = []
    variation_interval: Annotated[Duration, msgspec.Meta(gt=0)] = 3_600_000_000_000
    sponsor: SponsorSpec | None = None
    redemptions: RedemptionSpec | None = None

    def __post_init__(self) -> None:
        require(self.sponsor is None or self.redemptions is None, "sponsor", "none beside redemptions", "both")
        require(self.scale.is_finite() and self.scale > 0, "scale", "a positive number", self.scale)
        amounts = {"other_assets": self.other_assets, "short_term_funding": self.short_term_funding}
        amounts |= {f"repo.{name}": loan for name, loan in self.repo.items()}
        for field, amount in amounts.items():
            require(amount.is_finite() and amount >= 0, field, "0 or more", amount)
