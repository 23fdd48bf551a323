"""What a notebook shows of a scenario: what is traded, by whom, and what is to happen."""

from __future__ import annotations

from collections.abc import Sequence

from lob_sim.notebook import heading, note, table
from lob_sim.scenario.agent_specs import AgentGroupSpec
from lob_sim.scenario.instrument_specs import InstrumentSpec
from lob_sim.scenario.outside_specs import ShockSpec
from lob_sim.units import format_time


def scenario_html(
    name: str,
    facts: Sequence[str],
    description: str,
    instruments: Sequence[InstrumentSpec],
    groups: Sequence[AgentGroupSpec],
    shocks: Sequence[ShockSpec],
) -> str:
    """A heading with what is said beside the name, and tables of the rest."""
    traded = [
        (i.name, str(i.tick_size), f"{i.lot_size:,f}", str(i.initial_price), 100 * i.fair_value.daily_volatility)
        for i in instruments
    ]
    trading = [
        (g.name, g.count, g.strategy, "balance sheet" if g.balance_sheet is not None else "", _given(g)) for g in groups
    ]
    jumps = [(s.instrument, format_time(s.at), 100 * s.size, "announced" if s.announced else "") for s in shocks]
    parts = (
        heading(name, *facts),
        note(description) if description else "",
        table(("instrument", "tick", "lot", "initial price", "volatility of value (% a day)"), traded),
        table(("group", "agents", "strategy", "", "parameters"), trading),
        table(("shock to", "at", "size (%)", ""), jumps) if jumps else "",
    )
    return "".join(parts)


def _given(group: AgentGroupSpec) -> str:
    return ", ".join(f"{name} = {value}" for name, value in group.params.items())
