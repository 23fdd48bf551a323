"""What a scenario file may say: TOML, strictly typed, in human units.

A scenario gives endowments, behaviour parameters and exogenous shocks, and nothing else: no spread, price or
withdrawal can be set in it. Everything is checked before anything runs, and an error names the file, the
field and what was expected.
"""
# msgspec copies defaults that are empty, which the linter cannot know of a base in another file.
# ruff: noqa: RUF012

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.scenario.agent_specs import AgentGroupSpec
from lob_sim.scenario.base import Name, Spec, require, require_name
from lob_sim.scenario.calendar_spec import CalendarSpec
from lob_sim.scenario.derivative_specs import ClearingSpec, SwapSpec
from lob_sim.scenario.instrument_specs import InstrumentSpec, VenueSpec
from lob_sim.scenario.knobs import KnobSpec
from lob_sim.scenario.notebook_view import scenario_html
from lob_sim.scenario.outside_specs import FileSpec, ShockSpec
from lob_sim.units import Duration, format_time


class SwitchSpec(Spec, frozen=True, kw_only=True):
    """Mechanisms that can be turned off, to see what each contributes. None of them touches a random stream.

    Source: a choice of this program: the factors of its factorial experiments.

    Attributes:
        slr: Leverage limits and capital ratios bind.
        var: Value-at-risk limits bind.
        funding: Haircuts move, funding and liquidity limits bind and lenders may refuse to roll.
        redemptions: Investors redeem from funds that lose.
        prudent_marks: Marks that no lit market supports carry the prudent valuation adjustment.
        toxicity: Dealers learn from flow how much of it is informed; else they go by ``calm_alpha``.
        retreat: Dealers may show less and pull their lit quotes for fear of informed flow, and decline requests.
    """

    slr: bool = True
    var: bool = True
    funding: bool = True
    redemptions: bool = True
    prudent_marks: bool = True
    toxicity: bool = True
    retreat: bool = True


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
        knobs: Numbers that the explorer offers to turn.
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
    knobs: list[KnobSpec] = []
    folder: str = ""
    overlays: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        facts = (f"seed {self.seed}", f"{format_time(self.horizon)} long")
        return scenario_html(self.name, facts, self.description, self.instruments, self.agents, self.shocks)

    def __post_init__(self) -> None:
        require_name(self.name)
        require(self.currency.isprintable(), "currency", "a text without control characters", self.currency)
