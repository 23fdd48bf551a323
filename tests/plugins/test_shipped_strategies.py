"""The shipped strategies exist once, under one name, and leave the name of their folder to everybody."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import strategies
from lob_sim import PluginError, Strategy, plugins
from lob_sim.plugin_params import describe
from lob_sim.plugins import find_plugins, load_class, registered_plugins
from strategies.twap import TwapTrader

ROOT = Path(strategies.__file__).parents[1]
OWN = "from lob_sim import Strategy\nclass {name}(Strategy):\n    '''Of my own.'''\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "mine.py").write_text(OWN.format(name="Mine"))
    return tmp_path


@pytest.mark.parametrize("place", ["elsewhere", "repository"])
def test_a_shipped_class_exists_once(place: str, folder: Path) -> None:
    search = folder if place == "elsewhere" else ROOT
    assert load_class("strategies.twap:TwapTrader", Strategy, search) is TwapTrader
    assert load_class("lob_sim.strategies.twap:TwapTrader", Strategy, search) is TwapTrader
    assert import_module("lob_sim.strategies.twap") is sys.modules["strategies.twap"]
    own = sys.modules["strategies.twap"].__spec__
    assert own is not None
    assert own.name == "strategies.twap"
    assert describe(TwapTrader).spec == "strategies.twap:TwapTrader"


def test_shipped_strategies_are_listed_as_scenarios_name_them() -> None:
    specs = find_plugins(plugins.SHIPPED, Strategy)
    assert "strategies.twap:TwapTrader" in specs
    assert all(spec.startswith("strategies.") for spec in specs)


def test_a_users_folder_of_that_name_comes_first(folder: Path) -> None:
    assert load_class("strategies.mine:Mine", Strategy, folder).__doc__ == "Of my own."
    (folder / "strategies" / "twap.py").write_text(OWN.format(name="TwapTrader"))
    assert load_class("strategies.twap:TwapTrader", Strategy, folder).__doc__ == "Of my own."
    with pytest.raises(PluginError, match=r"did you mean 'strategies\.vwap'"):
        load_class("strategies.vwapp:VwapTrader", Strategy, folder)


def test_a_users_package_of_that_name_on_the_path_hides_none(folder: Path) -> None:
    (folder / "strategies" / "__init__.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); import strategies, strategies.mine\n"
        "from lob_sim import Strategy, load_class\n"
        "from lob_sim.strategies.spiral_dealer import SpiralDealer\n"
        "print(load_class('strategies.spiral_dealer:SpiralDealer', Strategy) is SpiralDealer)\n"
        "print(load_class('strategies.mine:Mine', Strategy).__doc__)\n"
        "print(strategies.__file__)\n"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{code}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.split("\n")[:3] == ["True", "Of my own.", str(folder / "strategies" / "__init__.py")]


# --- of other packages -------------------------------------------------------------------------------------


def offer(monkeypatch: pytest.MonkeyPatch, **offers: str) -> None:
    entries = [metadata.EntryPoint(name, value, plugins.ENTRY_POINTS) for name, value in offers.items()]
    monkeypatch.setattr(metadata, "entry_points", lambda group: [e for e in entries if e.group == group])


def test_a_strategy_of_another_package_has_a_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, slicer="strategies.twap:TwapTrader [extra]", broken="not_there_at_all:X")
    assert registered_plugins()["slicer"] == "strategies.twap:TwapTrader"
    assert load_class("slicer", Strategy) is TwapTrader
    with pytest.raises(PluginError, match="not_there_at_all cannot be imported"):
        load_class("broken", Strategy)
    with pytest.raises(PluginError, match=r"of other packages: broken, slicer, did you mean 'slicer'\?"):
        load_class("slicr", Strategy)
    with pytest.raises(PluginError, match="not a subclass"):
        load_class("slicer", PluginError)


def test_a_name_that_two_packages_offer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [metadata.EntryPoint("x", f"strategies.{value}", plugins.ENTRY_POINTS) for value in ("a:A", "b:B")]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)
    with pytest.raises(PluginError, match=r"two installed packages offer strategies\.a:A and strategies\.b:B"):
        load_class("x", Strategy)
