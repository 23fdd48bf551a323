"""How often an agent may be called before it is held to have stopped the clock."""

from __future__ import annotations

from lob_sim.units import Ns

MOST_CALLS = 100_000
"""Calls of one agent, by wake-ups, messages and changed books together, that are counted at a time."""
WITHIN_NS: Ns = 100_000_000
"""So many calls in less than this are too many: a million a simulated second, the fastest agents take thousands."""
