"""What a scenario file may say: TOML, strictly typed, in human units.

A scenario gives endowments, behaviour parameters and exogenous shocks, and nothing else: no spread, price or
withdrawal can be set in it. Everything is checked before anything runs, and an error names the file, the
field and what was expected.
"""
# msgspec copies defaults that are empty, which the linter cannot know of a base in another file.
# ruff: noqa: RUF012

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal

import msgspec

from lob_sim.notebook import heading, note, table
from lob_sim.scenario.base import Spec
from lob_sim.scenario.base import require as _require
from lob_sim.scenario.calendar_spec import CalendarSpec
from lob_sim.scenario.derivative_specs import ClearingSpec, DerivativeSpec, SponsorSpec, SwapSpec
from lob_sim.units import Duration, format_time

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


def _require_name(name: str) -> None:
    _require(name.isprintable(), "name", "a name without control characters", name)


class LatencySpec(Spec, frozen=True, kw_only=True):
    """How long a message travels, one way.

    Source: a choice of this program: the delays of networks and people are skewed, hence the lognormal.

    Attributes:
        distribution: constant, uniform on median ± spread, or lognormal with the given median.
        median: Middle of the distribution.
        spread: Half-width of the uniform distribution; at most the median.
        sigma (log time): Standard deviation of the logarithm, for lognormal.
    """

    distribution: Literal["constant", "uniform", "lognormal"] = "constant"
    median: Duration = 0
    spread: Duration = 0
    sigma: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.0


class ConnectionSpec(Spec, frozen=True, kw_only=True):
    """An agent's latencies.

    Source: latency on both ways, as in ABIDES (Byrd, Hybinette and Balch 2020).

    Attributes:
        to_venue: Commands, from agent to venue.
        from_venue: Private and public messages, from venue to agent.
    """

    to_venue: LatencySpec = LatencySpec()
    from_venue: LatencySpec = LatencySpec()


class LitSpec(Spec, frozen=True, kw_only=True):
    """Rules of an instrument's lit order book.

    Source: auctions as on most exchanges (Harris 2003, *Trading and Exchanges*); batches, Budish, Cramton and
    Shim (2015), "The High-Frequency Trading Arms Race"; bands, the limit-up/limit-down plan of the exchanges of
    the United States (2012).

    Attributes:
        opening_auction: Length of a call auction before continuous trading, every day; 0 for none.
        closing_auction: Length of a call auction at the end of every day, or of the horizon where there are no days;
            0 for none.
        batch_interval: Time between uncrossings where frequent batch auctions replace continuous trading;
            0: continuous.
        price_band: Half-width of the volatility band around the reference price, as a fraction; 0 for none.
        halt: How long a halt lasts before the re-opening auction uncrosses; no opening or batch ends it earlier.
    """

    opening_auction: Duration = 0
    closing_auction: Duration = 0
    batch_interval: Duration = 0
    price_band: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    halt: Duration = 0


class RfqSpec(Spec, frozen=True, kw_only=True):
    """Rules of an instrument's RFQ venue.

    Source: the delayed publication of bond trades by FINRA's TRACE.

    Attributes:
        transparency: Who learns of RFQ trades: nobody, everybody after a delay (as with TRACE), or at once.
        delay: The delay of delayed transparency.
    """

    transparency: Literal["none", "delayed", "immediate"] = "none"
    delay: Duration = 0


class FairValueSpec(Spec, frozen=True, kw_only=True):
    """The law of an instrument's fair value, and the public news of it.

    Source: Merton (1976), "Option Pricing When Underlying Stock Returns Are Discontinuous".

    Attributes:
        daily_volatility (log return): Standard deviation of the log return over a day: that of the calendar, night
            included, or eight hours where there is none.
        common_loading (correlation): Correlation with the factor that all instruments share; the correlation of two
            instruments is the product.
        jumps_per_day: Mean number of unscheduled jumps in a day, at most one in a millisecond.
        jump_sd (log return): Standard deviation of the log size of an unscheduled jump.
        news_interval: Mean time between public signals; 0 for no news.
        news_noise_sd (fraction): Standard deviation of a signal's error, as a fraction of the initial value.
    """

    daily_volatility: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    common_loading: Annotated[float, msgspec.Meta(ge=-1, le=1)] = 0.0
    jumps_per_day: Annotated[float, msgspec.Meta(ge=0, le=28_800_000)] = 0.0
    jump_sd: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0
    news_interval: Duration = 0
    news_noise_sd: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.0

    def __post_init__(self) -> None:
        for field in ("daily_volatility", "jumps_per_day", "jump_sd", "news_noise_sd"):
            _require(isfinite(getattr(self, field)), field, "a finite number", getattr(self, field))


class InstrumentSpec(Spec, frozen=True, kw_only=True):
    """One traded instrument.

    Source: a choice of this program, after the conventions of bond and share markets.

    Attributes:
        name: Stable name.
        tick_size (price points): Price of one tick, positive.
        lot_size (shares, or currency units of face value): Amount of one lot, positive.
        price_per (shares, or currency units of face value): Amount to which the price refers,
            positive: 1 for shares, 100 for bonds in percent of par.
        initial_price (price points): Fair value at the start, known to all; positive and on the tick grid.
        liquidity_rank (rank): 1 is the most liquid.
        fair_value: How the fair value moves, and what the public learns of it.
        lit: Rules of the order book.
        rfq: Rules of the RFQ venue.
    """

    name: Name
    tick_size: Decimal
    lot_size: Decimal
    price_per: Decimal = Decimal(1)
    initial_price: Decimal
    liquidity_rank: Annotated[int, msgspec.Meta(ge=1)] = 1
    fair_value: FairValueSpec = FairValueSpec()
    lit: LitSpec = LitSpec()
    rfq: RfqSpec = RfqSpec()

    def __post_init__(self) -> None:
        _require_name(self.name)
        for field in ("tick_size", "lot_size", "price_per", "initial_price"):
            value = getattr(self, field)
            _require(value.is_finite() and value > 0, field, "a positive number", value)


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
        _require(self.sponsor is None or self.redemptions is None, "sponsor", "none beside redemptions", "both")
        _require(self.scale.is_finite() and self.scale > 0, "scale", "a positive number", self.scale)
        amounts = {"other_assets": self.other_assets, "short_term_funding": self.short_term_funding}
        amounts |= {f"repo.{name}": loan for name, loan in self.repo.items()}
        for field, amount in amounts.items():
            _require(amount.is_finite() and amount >= 0, field, "0 or more", amount)


class SwitchSpec(Spec, frozen=True, kw_only=True):
    """Mechanisms that can be turned off, to see what each contributes. None of them touches a random stream.

    Source: a choice of this program: the factors of its factorial experiments.

    Attributes:
        slr: Leverage limits and capital ratios bind.
        var: Value-at-risk limits bind.
        funding: Haircuts move, funding and liquidity limits bind and lenders may refuse to roll.
        redemptions: Investors redeem from funds that lose.
        prudent_marks: Marks that no lit market supports carry the prudent valuation adjustment.
        toxicity: Dealers learn from flow how much of it is informed; else they keep their prior.
        retreat: Dealers may pull their lit quotes for fear of informed flow, and decline requests.
    """

    slr: bool = True
    var: bool = True
    funding: bool = True
    redemptions: bool = True
    prudent_marks: bool = True
    toxicity: bool = True
    retreat: bool = True


class AgentGroupSpec(Spec, frozen=True, kw_only=True):
    """A group of like agents, named ``name-1`` ... ``name-count``.

    In a file a group may say ``like = "other"``: it is then as the group of that name before it, but for
    the keys that it gives itself.

    Source: a choice of this program.

    Attributes:
        name: The group's name; on RFQ it is the client class that dealers know.
        strategy: The strategy, as ``"module:Class"``.
        count: Number of agents.
        params: The strategy's parameters.
        cash (currency units): Cash of each agent.
        holdings (shares, or currency units of face value): Amount of each instrument held by each agent.
        connection: Latencies.
        sees_fair_value: Whether these agents know the exogenous fair value (informed and value traders).
        may_short: Whether positions may become negative.
        may_overdraw: Whether cash may become negative.
        balance_sheet: Makes each agent a dealer with a balance sheet and limits; it never goes short.
    """

    name: Name
    strategy: str
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    params: dict[str, Any] = {}
    cash: Decimal = Decimal(0)
    holdings: dict[str, Decimal] = {}
    connection: ConnectionSpec = ConnectionSpec()
    sees_fair_value: bool = False
    may_short: bool = True
    may_overdraw: bool = True
    balance_sheet: BalanceSheetSpec | None = None

    def __post_init__(self) -> None:
        _require_name(self.name)


class VenueSpec(Spec, frozen=True, kw_only=True):
    """A further venue of some or all instruments, beside their lit books and requests for quote.

    Source: that of the venue.

    Attributes:
        kind: ``midpoint_cross``, or a user's own as ``"module:Class"``.
        instruments: Names of the instruments that are dealt there; none means all.
        params: Its parameters.
    """

    kind: str
    instruments: tuple[str, ...] = ()
    params: dict[str, Any] = {}


class ShockSpec(Spec, frozen=True, kw_only=True):
    """A scheduled jump of fair value.

    Source: a choice of this program.

    Attributes:
        instrument: Which.
        at: Simulated time.
        size (fraction): Relative change, for example -0.04; larger than -1.
        announced: Whether everybody hears at once that value has jumped, and how far but for an error; else only those
            who see fair value know, and the others find out by what they trade.
        noise (fraction): Standard deviation of that error, as a fraction of the initial value.
    """

    instrument: str
    at: Duration
    size: Annotated[float, msgspec.Meta(gt=-1)]
    announced: bool = False
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        _require(isfinite(self.size), "size", "a finite number", self.size)
        _require(isfinite(self.noise), "noise", "a finite number", self.noise)
        _require(self.announced or not self.noise, "noise", "0 where nothing is announced", self.noise)


class FileSpec(Spec, frozen=True, kw_only=True):
    """A file beside the scenario that says what the world outside does.

    Its columns are ``time``, ``instrument`` and ``value`` (price points), ``size`` (fraction), ``daily_volatility``
    (log return) or ``amount`` (shares, or currency units of face value; with ``class``, the group that buys or sells).

    Source: a choice of this program.

    Attributes:
        kind: What it holds: fair values from each time on, jumps of them, volatility from each time on, or the net
            flow of a class of agents from each of its rows to the next.
        path: A CSV or Parquet file in the scenario's folder or below it.
        sha256: Checksum of its content, which it must have; set when it is read, and kept in the run's manifest.
        announced: Whether everybody hears of every value or jump at once, but for an error.
        noise (fraction): Standard deviation of that error, as a fraction of the initial value.
    """

    kind: Literal["values", "jumps", "volatility", "flow"]
    path: str
    sha256: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    announced: bool = False
    noise: Annotated[float, msgspec.Meta(ge=0)] = 0.0

    def __post_init__(self) -> None:
        can_be_heard = self.kind in ("values", "jumps")
        _require(can_be_heard or not self.announced, "announced", f"false with {self.kind}", self.announced)
        _require(isfinite(self.noise), "noise", "a finite number", self.noise)
        _require(self.announced or not self.noise, "noise", "0 where nothing is announced", self.noise)


class Scenario(Spec, frozen=True, kw_only=True):
    """A complete description of a market: run it with a seed and the same things happen.

    Source: a choice of this program.

    Attributes:
        name: Short name.
        description: One or two sentences.
        seed: Default seed.
        horizon: Simulated time; where there is a calendar also in days, ``"10 days"``.
        calendar: Trading days and nights; without one the market trades through.
        instruments: What is traded.
        venues: Further venues, beside every instrument's lit book and requests for quote.
        agents: Who trades.
        swaps: Swaps between agents.
        clearing: A central counterparty for them; without one each is between the two.
        shocks: Scheduled jumps of fair value.
        files: Files that say more of fair values, and what classes of agents buy and sell.
        switches: Mechanisms that are on.
        fair_value_step: Time between two moves of the fair values' diffusion.
        currency: What money is called where it is shown: ``$``, ``€``, ``EUR``.
        folder: Folder of the scenario file, where a user's own strategies are looked for; set by the loader.
        overlays: Names of the overlays that it has been changed by, in their order; set by the loader.
    """

    name: Name
    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    horizon: Annotated[Duration, msgspec.Meta(gt=0)]
    calendar: CalendarSpec | None = None
    instruments: Annotated[list[InstrumentSpec], msgspec.Meta(min_length=1)]
    venues: list[VenueSpec] = []
    agents: list[AgentGroupSpec] = []
    swaps: list[SwapSpec] = []
    clearing: ClearingSpec | None = None
    shocks: list[ShockSpec] = []
    files: list[FileSpec] = []
    switches: SwitchSpec = SwitchSpec()
    fair_value_step: Annotated[Duration, msgspec.Meta(gt=0)] = 1_000_000_000
    currency: Annotated[str, msgspec.Meta(min_length=1, max_length=8)] = "$"
    folder: str = ""
    overlays: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        instruments = [
            (i.name, str(i.tick_size), f"{i.lot_size:,f}", str(i.initial_price), 100 * i.fair_value.daily_volatility)
            for i in self.instruments
        ]
        groups = [
            (g.name, g.count, g.strategy, "balance sheet" if g.balance_sheet is not None else "", _given(g.params))
            for g in self.agents
        ]
        shocks = [
            (s.instrument, format_time(s.at), 100 * s.size, "announced" if s.announced else "") for s in self.shocks
        ]
        columns = ("instrument", "tick", "lot", "initial price", "volatility of value (% a day)")
        return "".join(
            (
                heading(self.name, f"seed {self.seed}", f"{format_time(self.horizon)} long"),
                note(self.description) if self.description else "",
                table(columns, instruments),
                table(("group", "agents", "strategy", "", "parameters"), groups),
                table(("shock to", "at", "size (%)", ""), shocks) if shocks else "",
            )
        )

    def __post_init__(self) -> None:
        _require_name(self.name)
        _require(self.currency.isprintable(), "currency", "a text without control characters", self.currency)


def _given(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in params.items())
