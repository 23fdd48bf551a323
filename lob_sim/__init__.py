"""lob_sim: an order-book market in which liquidity crises emerge from dealers' balance sheets.

::

    from lob_sim import load_scenario, run

    result = run(load_scenario("dealer_market"), seed=1)
    result.trades.head()
"""

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
