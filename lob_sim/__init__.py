"""lob_sim: an order-book market in which liquidity crises emerge from dealers' balance sheets.

::

    from lob_sim import load_scenario, run

    result = run(load_scenario("dealer_market"), seed=1)
    result.trades.head()

Names are loaded when they are first used: a worker process that needs one corner of the package does not pay
for pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lob_sim.errors import InputError, LobSimError, OutputError, ScenarioError, StrategyError
    from lob_sim.log import Run, open_run
    from lob_sim.running import run
    from lob_sim.scenario import Scenario, load_scenario

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "LobSimError",
    "OutputError",
    "Run",
    "Scenario",
    "ScenarioError",
    "StrategyError",
    "__version__",
    "load_scenario",
    "open_run",
    "run",
]

_HOMES = {
    "InputError": "errors",
    "LobSimError": "errors",
    "OutputError": "errors",
    "Run": "log",
    "Scenario": "scenario",
    "ScenarioError": "errors",
    "StrategyError": "errors",
    "load_scenario": "scenario",
    "open_run": "log",
    "run": "running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lob_sim' has no attribute {name!r}")
    value = getattr(import_module(f"lob_sim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
