"""What a result is made of besides its scenario: the source of the code that is named."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lob_sim import Simulation, load_scenario
from lob_sim.errors import DataError, InputError
from lob_sim.scenario import apply_overrides, parse_scenario, scenario_to_dict
from lob_sim.sources import foreign_sources, plugin_sources, task_sources
from lob_sim.sweep import Axis, Design, Serial, run_sweep
from lob_sim.sweep.scenario_task import plan_scenario_sweep

HOLDER = "from strategies.buy_and_hold import BuyAndHold\n\nclass Mine(BuyAndHold):\n    pass\n"


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    """What a test imports from its folder is no other test's."""
    yield
    own = ("own_limits", "my_measure", "my_metrics", "helper", "deep", "parts")
    for name in [name for name in sys.modules if name.partition(".")[0] in own]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text("import helper\nfrom parts import inner\n" + HOLDER)
    (tmp_path / "helper.py").write_text("import deep\n")
    (tmp_path / "deep.py").write_text("DEPTH = 1\n")
    (tmp_path / "stranger.py").write_text("unread = 1\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "inner.py").write_text("from . import other\n")
    (tmp_path / "parts" / "other.py").write_text("OTHER = 1\n")
    return tmp_path


@pytest.mark.parametrize("changed", ["mine.py", "helper.py", "deep.py", "parts/inner.py", "parts/other.py"])
def test_a_plugin_is_its_file_and_what_it_imports_from_beside_it(folder: Path, changed: str) -> None:
    named = {"agents": [{"strategy": "mine:Mine"}], "folder": str(folder)}
    before = plugin_sources(named)
    assert [*before] == ["mine:Mine"]
    (folder / "stranger.py").write_text("unread = 2\n")
    assert plugin_sources(named) == before
    with (folder / changed).open("a") as file:
        file.write("\nchanged = True\n")
    assert plugin_sources(named) != before


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"x": "mine.py:Mine"}, {"mine.py:Mine"}),
        ({"x": "a b.py:Mine"}, {"a b.py:Mine"}),
        (["agents.dealer.strategy=mine:Mine"], {"mine:Mine"}),
        (["agents.dealer.params={belief={kind='mine:Belief'}}"], {"mine:Belief"}),
        ({"x": "at 10:30 see a:b", "y": "no.such.module:Thing"}, set()),
        ({"x": "n" * 300 + ":Thing", "y": "n" * 300 + ".py:Thing", "z": ["a=" + "n" * 300 + ":Thing"]}, set()),
    ],
)
def test_plugins_are_found_wherever_they_are_named(folder: Path, data: object, found: set[str]) -> None:
    (folder / "a b.py").write_text(HOLDER)
    assert set(plugin_sources({"data": data, "folder": str(folder)})) == found


def test_what_comes_with_the_package_is_not_foreign(folder: Path) -> None:
    shipped = scenario_to_dict(load_scenario("dealer_market"))
    assert plugin_sources(shipped)
    assert foreign_sources(shipped) == {}
    assert [*foreign_sources({**shipped, "x": "mine:Mine", "folder": str(folder)})] == ["mine:Mine"]


def test_a_task_is_made_of_the_modules_of_its_functions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    (folder / "my_measure.py").write_text("import helper\n\ndef measure(scenario, seed, out):\n    return {'x': 1.0}\n")
    import my_measure  # type: ignore[import-not-found]

    task = functools.partial(run_sweep, my_measure.measure)
    before = task_sources(task)
    assert [*before] == ["my_measure"]
    (folder / "helper.py").write_text("import deep\n\nchanged = True\n")
    assert task_sources(task) != before


@pytest.mark.parametrize("changed", ["my_metrics.py", "helper.py", "mine.py"])
def test_a_sweep_goes_on_only_with_the_code_that_began_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    (folder / "my_metrics.py").write_text("import helper\n\ndef measure(scenario, seed, out):\n    return {'x': 1.0}\n")
    scenario = msgspec.structs.replace(load_scenario("dealer_market"), folder=str(folder))
    # Only a point names the plug-in.
    design = Design((Axis("agents.seller.strategy", ("strategies.buy_and_hold:BuyAndHold", "mine:Mine")),))

    def plan() -> object:
        return plan_scenario_sweep(scenario, design, 1, "my_metrics:measure")[0]

    run_sweep(plan(), folder / "sweep", executor=Serial())  # type: ignore[arg-type]
    run_sweep(plan(), folder / "sweep", executor=Serial(), resume=True)  # type: ignore[arg-type]
    with (folder / changed).open("a") as file:
        file.write("\nchanged = True\n")
    with pytest.raises(InputError, match=r"holds another sweep.*(my_metrics=|mine:Mine is )"):
        run_sweep(plan(), folder / "sweep", executor=Serial(), resume=True)  # type: ignore[arg-type]


LIMIT = "from own_limits.size import LARGEST\nfrom lob_sim import Constraint\n\nclass Small(Constraint):\n"
LIMIT += "    name = 'small'\n\n    def headroom(self, view):\n        return LARGEST - view.lots[0]\n"


@pytest.mark.parametrize("changed", ["helper.py", "own_limits/limit.py", "own_limits/size.py"])
def test_a_state_goes_on_only_with_the_code_that_it_is_made_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    (folder / "own_limits").mkdir()
    (folder / "own_limits" / "__init__.py").write_text("")
    (folder / "own_limits" / "limit.py").write_text(LIMIT)
    (folder / "own_limits" / "size.py").write_text("LARGEST = 1000\n")
    constraints = "agents.fund.balance_sheet.constraints=[{kind='own_limits.limit:Small'}]"
    changes = [constraints, "agents.maker.count=1", "agents.fund.strategy=mine:Mine"]
    scenario = msgspec.structs.replace(load_scenario("redemptions"), folder=str(folder))
    named = parse_scenario(apply_overrides(scenario_to_dict(scenario), changes))
    state = Simulation(named).state()
    state.save(folder / "kept.state")
    assert Simulation.load(folder / "kept.state").now == 0
    with (folder / changed).open("a") as file:
        file.write("\nchanged = True\n")
    with pytest.raises(DataError, match="another version of the program"):
        Simulation.load(folder / "kept.state")
