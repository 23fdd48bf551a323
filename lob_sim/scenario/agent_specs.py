"""What a scenario may say of who trades: groups of like agents, and how far they are from the venues."""
# msgspec copies defaults that are empty, which the linter cannot know of a base in another file.
# ruff: noqa: RUF012

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from lob_sim.scenario.base import Name, Spec, require_name
from lob_sim.scenario.sheet_specs import BalanceSheetSpec
from lob_sim.units import Duration


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
        require_name(self.name)
