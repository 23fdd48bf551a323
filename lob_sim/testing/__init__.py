"""Helpers for people who write strategies: the contract tests, a context without a market, generators.

``StrategyContract`` and ``RecordingContext`` need nothing but lob_sim; :mod:`lob_sim.testing.generators`
needs Hypothesis and is imported by its own name.
"""

from lob_sim.testing.contract import StrategyContract
from lob_sim.testing.crowd import Conditions
from lob_sim.testing.part_contracts import (
    BeliefContract,
    InventoryPolicyContract,
    LitPolicyContract,
    PartContract,
    RfqPolicyContract,
    ToxicityContract,
)
from lob_sim.testing.recording import RecordingContext, RecordingDeskContext, make_instrument
from lob_sim.testing.scripted import ScriptedMarket
from lob_sim.testing.validity import CommandChecker

__all__ = [
    "BeliefContract",
    "CommandChecker",
    "Conditions",
    "InventoryPolicyContract",
    "LitPolicyContract",
    "PartContract",
    "RecordingContext",
    "RecordingDeskContext",
    "RfqPolicyContract",
    "ScriptedMarket",
    "StrategyContract",
    "ToxicityContract",
    "make_instrument",
]
