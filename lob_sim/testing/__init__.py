"""Helpers for people who write strategies: the contract test, a context without a market, generators.

``StrategyContract`` and ``RecordingContext`` need nothing but lob_sim; :mod:`lob_sim.testing.generators`
needs Hypothesis and is imported by its own name.
"""

from lob_sim.testing.contract import StrategyContract
from lob_sim.testing.recording import RecordingContext, make_instrument
from lob_sim.testing.scripted import Conditions, ScriptedMarket
from lob_sim.testing.validity import CommandChecker

__all__ = [
    "CommandChecker",
    "Conditions",
    "RecordingContext",
    "ScriptedMarket",
    "StrategyContract",
    "make_instrument",
]
