"""The public namespace is what it is meant to be: a change must be meant. Nothing is loaded before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lob_sim


def test_the_public_names() -> None:
    assert lob_sim.__all__ == sorted(lob_sim.__all__)
    assert set(lob_sim.__all__) == {
        "NS_PER_S",
        "Belief",
        "BookView",
        "BookWatching",
        "CashUnit",
        "ChildIntent",
        "Command",
        "Constraint",
        "Context",
        "DataError",
        "Duration",
        "Event",
        "FundingConstraint",
        "GaussianBelief",
        "InputError",
        "Instrument",
        "Interval",
        "LiquidationStrategy",
        "LobSimError",
        "MarkingPolicy",
        "MissingExtraError",
        "OrderType",
        "OutputError",
        "ParentState",
        "PluginError",
        "Run",
        "LiquidationSequence",
        "Scenario",
        "ScenarioError",
        "SheetContext",
        "SheetView",
        "Side",
        "Simulation",
        "State",
        "SlrConstraint",
        "Strategy",
        "StrategyError",
        "TimeInForce",
        "TopOfBook",
        "ToxicityEstimator",
        "VarConstraint",
        "WorkingOrder",
        "__version__",
        "accepts_orders",
        "make_passive",
        "diff",
        "update_quotes",
        "load_class",
        "load_scenario",
        "open_run",
        "run",
        "take_towards",
        "trade_against",
        "traded_instruments",
        "verify",
        "visible_price_ticks",
    }
    assert not hasattr(lob_sim, "no_such_name")


@pytest.mark.parametrize("name", ["lob_sim", "lob_sim.analysis", "lob_sim.sweep"])
def test_a_type_checker_sees_what_is_loaded_late(name: str) -> None:
    package = import_module(name)
    assert package.__file__ is not None
    seen: dict[str, str] = {}
    for node in ast.walk(ast.parse(Path(package.__file__).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.names[0].asname == node.names[0].name:
            seen[node.names[0].name] = node.module
    loaded = {each: f"{name}.{home}" for home, names in package._HOMES.items() for each in names}
    assert seen == loaded
    assert set(package.__all__) - {"__version__"} == set(loaded)
    for each in loaded:
        assert getattr(package, each) is getattr(import_module(loaded[each]), each)


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import lob_sim", ("numpy", "pandas", "pyarrow", "simpy", "typer", "rich")),
        ("from lob_sim import Strategy, Context, Side, Constraint, Instrument", ("pandas", "pyarrow", "simpy", "rich")),
        (
            "import sys; sys.argv[1:] = ['--version']\n"
            "from lob_sim.cli import main\n"
            "try: main()\nexcept SystemExit as end: assert not end.code",
            ("numpy", "pandas", "pyarrow", "matplotlib", "scipy", "simpy", "lob_sim.log", "lob_sim.simulation"),
        ),
        *(
            (
                f"import sys; sys.argv[1:] = {arguments!r}\n"
                "from lob_sim.cli import main\n"
                f"try: main()\nexcept SystemExit as end: assert (end.code or 0) == {code}",
                ("pandas", "matplotlib", "scipy"),
            )
            for arguments, code in ((["check", "dealer_market"], 0), (["run", "no_such_market"], 2))
        ),
        (
            "import lob_sim; lob_sim.run",
            ("pandas", "matplotlib", "scipy", "statsmodels", "plotly", "jinja2", "optuna", "SALib", "typer"),
        ),
        (
            "import lob_sim, tempfile\n"
            "scenario = lob_sim.load_scenario('dealer_market', ['horizon=90s'])\n"
            "with tempfile.TemporaryDirectory() as folder: lob_sim.run(scenario, out=folder + '/run')",
            ("pandas", "matplotlib", "scipy"),
        ),
    ],
)
def test_nothing_is_loaded_before_it_is_used(code: str, unwanted: tuple[str, ...]) -> None:
    code = f"{code}\nimport sys\nprint('loaded', [name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
