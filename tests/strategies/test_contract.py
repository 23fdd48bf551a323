"""Every strategy in the strategies package is put under the contract, by being there."""

from __future__ import annotations

from lob_sim.agents.strategy import Strategy
from lob_sim.plugins import find_plugins, load_class
from lob_sim.testing import StrategyContract

NAMES = find_plugins("strategies", Strategy)

# What a lender lends against has no default, nor has what a fund is to hedge.
_REQUIRED = {
    "LdiFund": {"liabilities": {"bond": 1_000.0}},
    "RepoLending": {"schedules": {"bond": {"base": 0.02}}},
    "StandingRepoFacility": {"schedules": {}},
}

for _name in NAMES:
    _class = load_class(_name, Strategy)
    _members = {"strategy": _class, "params": _REQUIRED.get(_class.__name__, {})}
    globals()[f"Test{_class.__name__}"] = type(f"Test{_class.__name__}", (StrategyContract,), _members)


def test_one_strategy_a_file() -> None:
    modules = [name.partition(":")[0] for name in NAMES]
    assert len(modules) == len(set(modules))
