"""Every experiment has a version that takes seconds, and it does less than the whole."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from lob_sim.experiment import Experiment

FOLDER = Path(__file__).parents[2] / "experiments"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
SHORT_AS_THEY_ARE = {"dealer_prime", "haircut_shock", "redemptions", "var_procyclicality"}
"""A few runs of small markets: their quick version is the whole."""


@pytest.mark.parametrize("name", MODULES)
def test_it_has_a_quick_version(name: str) -> None:
    command = [sys.executable, "-m", f"experiments.{name}", "--help"]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout
    module = importlib.import_module(f"experiments.{name}")
    found = getattr(module, "EXPERIMENT", None)
    if found is None:
        return
    assert isinstance(found, Experiment)
    assert bool(found.quick) is (name not in SHORT_AS_THEY_ARE)
    whole = found.parameters({})
    assert found.quick.keys() <= whole.keys()
    # An experiment of parts that differ in length has its seeds by part, and says 0 where it means those.
    own = whole.get("seeds") or min(getattr(module, "_SEEDS", {"": 0}).values())
    assert all(found.quick["seeds"] < case.get("seeds", own) for case in found.cases if "seeds" in found.quick)


def test_there_are_experiments() -> None:
    assert len(MODULES) > 10
