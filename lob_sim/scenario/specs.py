"""What a scenario file may say: TOML, strictly typed, in human units.

A scenario gives endowments, behaviour parameters and exogenous shocks, and nothing else: no spread, price or
withdrawal can be set in it. Everything is checked before anything runs, and an error names the file, the field
and what was expected.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from lob_sim.units import Duration

PositiveDecimal = Annotated[Decimal, msgspec.Meta(gt=0)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The root of everything that a scenario is made of: immutable, and unknown keys are refused."""


class LatencySpec(Spec):
    """How long a message travels, one way.

    Attributes:
        distribution: constant, uniform on median ± spread, or lognormal with the given median.
        median: Middle of the distribution.
        spread: Half-width of the uniform distribution; at most the median.
        sigma: Standard deviation of the logarithm, for lognormal.
    """

    distribution: Literal["constant", "uniform", "lognormal"] = "constant"
    median: Duration = 0
    spread: Duration = 0
    sigma: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.0


class ConnectionSpec(Spec):
    """An agent's latencies.

    Attributes:
        to_venue: Commands, from agent to venue.
        from_venue: Private and public messages, from venue to agent.
    """

    to_venue: LatencySpec = LatencySpec()
    from_venue: LatencySpec = LatencySpec()


class LitSpec(Spec):
    """Rules of an instrument's lit order book.

    Attributes:
        opening_auction: Length of a call auction before continuous trading; 0 for none.
        closing_auction: Length of a call auction at the end of the horizon; 0 for none.
        batch_interval: Time between uncrossings where frequent batch auctions replace continuous trading; 0: continuous.
        price_band: Half-width of the volatility band around the reference price, as a fraction; 0 for none.
        halt: How long a halt lasts before the re-opening auction uncrosses.
    """

    opening_auction: Duration = 0
    closing_auction: Duration = 0
    batch_interval: Duration = 0
    price_band: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    halt: Duration = 0


class RfqSpec(Spec):
    """Rules of an instrument's RFQ venue.

    Attributes:
        transparency: Who learns of RFQ trades: nobody, everybody after a delay (as with TRACE), or at once.
        delay: The delay of delayed transparency.
    """

    transparency: Literal["none", "delayed", "immediate"] = "none"
    delay: Duration = 0


class InstrumentSpec(Spec):
    """One traded instrument.

    Attributes:
        name: Stable name.
        tick_size: Price of one tick, in price points.
        lot_size: Amount of one lot, in shares or currency units of face value.
        price_per: Amount to which the price refers: 1 for shares, 100 for bonds in percent of par.
        initial_price: Fair value at the start, known to all; on the tick grid.
        liquidity_rank: 1 is the most liquid.
        lit: Rules of the order book.
        rfq: Rules of the RFQ venue.
    """

    name: Name
    tick_size: PositiveDecimal
    lot_size: PositiveDecimal
    price_per: PositiveDecimal = Decimal(1)
    initial_price: PositiveDecimal
    liquidity_rank: Annotated[int, msgspec.Meta(ge=1)] = 1
    lit: LitSpec = LitSpec()
    rfq: RfqSpec = RfqSpec()


class AgentGroupSpec(Spec):
    """A group of like agents, named ``name-1`` ... ``name-count`` (zero-padded), or ``name`` when there is one.

    Attributes:
        name: The group's name; on RFQ it is the client class that dealers know.
        strategy: The strategy, as ``"module:Class"``.
        count: Number of agents.
        params: The strategy's parameters.
        cash: Cash of each agent, in currency units.
        holdings: Amount of each instrument held by each agent.
        connection: Latencies.
        sees_fair_value: Whether these agents know the exogenous fair value (informed and value traders).
        may_short: Whether positions may become negative.
        may_overdraw: Whether cash may become negative.
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


class ShockSpec(Spec):
    """A scheduled jump of fair value.

    Attributes:
        instrument: Which.
        at: Simulated time.
        size: Relative change, for example -0.04; larger than -1.
    """

    instrument: str
    at: Duration
    size: Annotated[float, msgspec.Meta(gt=-1)]


class Scenario(Spec):
    """A complete description of a market: run it with a seed and the same things happen.

    Attributes:
        name: Short name.
        description: One or two sentences.
        seed: Default seed.
        horizon: Simulated time.
        instruments: What is traded.
        agents: Who trades.
        shocks: Scheduled jumps of fair value.
        folder: Folder of the scenario file, where a user's own strategies are looked for; set by the loader.
    """

    name: Name
    description: str = ""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    horizon: Annotated[Duration, msgspec.Meta(gt=0)]
    instruments: Annotated[list[InstrumentSpec], msgspec.Meta(min_length=1)]
    agents: list[AgentGroupSpec] = []
    shocks: list[ShockSpec] = []
    folder: str = ""
