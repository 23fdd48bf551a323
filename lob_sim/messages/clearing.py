"""Swaps and futures: margin that is settled, and who pays when a member cannot."""

from __future__ import annotations

from typing import ClassVar

from lob_sim.messages.base import AgentMessage, Event
from lob_sim.units import Cash


class MarginSettled(Event, frozen=True, gc=False):
    """Margin of an agent's swaps and futures moves in cash.

    Attributes:
        agent_id: Whose.
        variation_cash: Variation margin received or, negative, paid.
        initial_cash: Initial margin posted more or, negative, returned.
        posted_cash: Initial margin that is posted now.
        lacking_cash: What its cash did not cover, and is due.
    """

    dataset: ClassVar[str] = "margin_settled"
    agent_id: int
    variation_cash: Cash
    initial_cash: Cash
    posted_cash: Cash
    lacking_cash: Cash


class CounterpartyFailed(AgentMessage, frozen=True, gc=False):
    """A failed agent's counterparty in swaps, or a surviving member of its central counterparty, is told what it loses.

    Attributes:
        agent_id: Who has failed.
        to_id: Who is told.
        loss_cash: What the failed agent's margin does not cover of the claim on it or, of a member, what its
            contribution to the default fund bears.
        assessed_cash: What a member must pay beyond that.
    """

    dataset: ClassVar[str] = "counterparty_failed"
    agent_id: int
    to_id: int
    loss_cash: Cash
    assessed_cash: Cash


class DefaultWaterfall(Event, frozen=True, gc=False):
    """How a central counterparty bears the loss that a failed member's margin does not cover.

    Attributes:
        agent_id: The member.
        loss_cash: The loss.
        defaulter_cash: Borne by its own contribution to the default fund.
        own_capital_cash: By the central counterparty's capital.
        contributions_cash: By the survivors' contributions.
        assessed_cash: By what survivors pay beyond.
        uncovered_cash: By nobody in the market.
    """

    dataset: ClassVar[str] = "default_waterfall"
    agent_id: int
    loss_cash: Cash
    defaulter_cash: Cash
    own_capital_cash: Cash
    contributions_cash: Cash
    assessed_cash: Cash
    uncovered_cash: Cash
