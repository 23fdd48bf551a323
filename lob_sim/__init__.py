"""lob_sim: an order-book market in which liquidity crises emerge from dealers' balance sheets.

::

    from lob_sim import load_scenario, run

    result = run(load_scenario("dealer_market"), seed=1)
    result.trades.head()

What a user's own strategy, limit, metric or script needs is offered from here, from :mod:`lob_sim.agents.dealer`,
:mod:`lob_sim.analysis`, :mod:`lob_sim.messages`, :mod:`lob_sim.report`, :mod:`lob_sim.rl`, :mod:`lob_sim.sweep`,
:mod:`lob_sim.experiment` and :mod:`lob_sim.testing`.

Names are loaded when they are first used: a worker process that needs one corner of the package does not pay
for pandas.
"""

from __future__ import annotations

from pathlib import Path as _Path
from typing import TYPE_CHECKING

from lob_sim._lazy import lazy_names

if TYPE_CHECKING:
    from lob_sim.agents.context import Context as Context
    from lob_sim.agents.context import TopOfBook as TopOfBook
    from lob_sim.agents.context import WorkingOrder as WorkingOrder
    from lob_sim.agents.quoting import accepts_orders as accepts_orders
    from lob_sim.agents.quoting import make_passive as make_passive
    from lob_sim.agents.quoting import take_towards as take_towards
    from lob_sim.agents.quoting import traded_instruments as traded_instruments
    from lob_sim.agents.quoting import update_quotes as update_quotes
    from lob_sim.agents.quoting import visible_price_ticks as visible_price_ticks
    from lob_sim.agents.strategy import Strategy as Strategy
    from lob_sim.balance.constraints import Constraint as Constraint
    from lob_sim.balance.constraints import FundingConstraint as FundingConstraint
    from lob_sim.balance.constraints import SlrConstraint as SlrConstraint
    from lob_sim.balance.constraints import VarConstraint as VarConstraint
    from lob_sim.balance.liquidation import BookView as BookView
    from lob_sim.balance.liquidation import BookWatching as BookWatching
    from lob_sim.balance.liquidation import ChildIntent as ChildIntent
    from lob_sim.balance.liquidation import LiquidationStrategy as LiquidationStrategy
    from lob_sim.balance.liquidation import ParentState as ParentState
    from lob_sim.balance.liquidation_sequence import LiquidationSequence as LiquidationSequence
    from lob_sim.balance.marking import MarkingPolicy as MarkingPolicy
    from lob_sim.balance.view import SheetContext as SheetContext
    from lob_sim.balance.view import SheetView as SheetView
    from lob_sim.errors import DataError as DataError
    from lob_sim.errors import InputError as InputError
    from lob_sim.errors import LobSimError as LobSimError
    from lob_sim.errors import MissingExtraError as MissingExtraError
    from lob_sim.errors import OutputError as OutputError
    from lob_sim.errors import PluginError as PluginError
    from lob_sim.errors import ScenarioError as ScenarioError
    from lob_sim.errors import StrategyError as StrategyError
    from lob_sim.information.belief import Belief as Belief
    from lob_sim.information.belief import GaussianBelief as GaussianBelief
    from lob_sim.information.toxicity import ToxicityEstimator as ToxicityEstimator
    from lob_sim.interactive.simulation import Simulation as Simulation
    from lob_sim.interactive.simulation import State as State
    from lob_sim.log import Run as Run
    from lob_sim.log import open_run as open_run
    from lob_sim.log.diff import diff as diff
    from lob_sim.messages import Command as Command
    from lob_sim.messages import Event as Event
    from lob_sim.messages import OrderType as OrderType
    from lob_sim.messages import Side as Side
    from lob_sim.messages import TimeInForce as TimeInForce
    from lob_sim.plugins import load_class as load_class
    from lob_sim.replay import verify as verify
    from lob_sim.replay.backtest import trade_against as trade_against
    from lob_sim.running import run as run
    from lob_sim.scenario import Scenario as Scenario
    from lob_sim.scenario import load_scenario as load_scenario
    from lob_sim.units import NS_PER_S as NS_PER_S
    from lob_sim.units import CashUnit as CashUnit
    from lob_sim.units import Duration as Duration
    from lob_sim.units import Instrument as Instrument
    from lob_sim.units import Interval as Interval

__version__ = "0.1.0"

_HOMES = {
    "replay": ("verify",),
    "replay.backtest": ("trade_against",),
    "agents.context": ("Context", "TopOfBook", "WorkingOrder"),
    "agents.quoting": (
        "accepts_orders",
        "make_passive",
        "update_quotes",
        "take_towards",
        "traded_instruments",
        "visible_price_ticks",
    ),
    "agents.strategy": ("Strategy",),
    "balance.constraints": ("Constraint", "FundingConstraint", "SlrConstraint", "VarConstraint"),
    "balance.liquidation": ("BookView", "BookWatching", "ChildIntent", "LiquidationStrategy", "ParentState"),
    "balance.marking": ("MarkingPolicy",),
    "balance.liquidation_sequence": ("LiquidationSequence",),
    "balance.view": ("SheetContext", "SheetView"),
    "errors": (
        "DataError",
        "InputError",
        "LobSimError",
        "MissingExtraError",
        "OutputError",
        "PluginError",
        "ScenarioError",
        "StrategyError",
    ),
    "information.belief": ("Belief", "GaussianBelief"),
    "information.toxicity": ("ToxicityEstimator",),
    "interactive.simulation": ("Simulation", "State"),
    "log": ("Run", "open_run"),
    "log.diff": ("diff",),
    "messages": ("Command", "Event", "OrderType", "Side", "TimeInForce"),
    "plugins": ("load_class",),
    "running": ("run",),
    "scenario": ("Scenario", "load_scenario"),
    "units": ("CashUnit", "Duration", "Instrument", "Interval", "NS_PER_S"),
}

__all__ = sorted(("__version__", *(name for names in _HOMES.values() for name in names)))  # noqa: PLE0605

__getattr__ = lazy_names(__name__, _HOMES)

if not (_Path(__file__).parent / "strategies").is_dir():
    from lob_sim import _checkout

    _checkout.install()


def __dir__() -> list[str]:
    return __all__
