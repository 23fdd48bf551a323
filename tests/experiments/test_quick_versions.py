"""Every experiment has a version that takes seconds, and it does less than the whole."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lob_sim.experiment import Experiment

FOLDER = Path(__file__).parents[2] / "experiments"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
SHORT_AS_THEY_ARE = {"dealer_prime", "haircut_shock", "redemptions", "var_procyclicality"}
"""A few runs of small markets: their quick version is the whole."""
_HELP = """
import contextlib, io, json, runpy, sys
names, found = sys.argv[1:], {}
for name in names:
    sys.argv, told, code = [name, "--help"], io.StringIO(), 0
    with contextlib.redirect_stdout(told):
        try:
            runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            code = ended.code
    found[name] = [code, told.getvalue()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def help_of() -> dict[str, tuple[int, str]]:
    """Exit code and text of the help of each experiment, run as ``python -m`` runs it, all in one process."""
    command = [sys.executable, "-c", _HELP, *MODULES]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    return {name: (code, text) for name, (code, text) in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", MODULES)
def test_it_has_a_quick_version(name: str, help_of: dict[str, tuple[int, str]]) -> None:
    code, text = help_of[name]
    assert code == 0
    assert "--quick" in text
    module = importlib.import_module(f"experiments.{name}")
    found = getattr(module, "EXPERIMENT", None)
    if found is None:
        return
    assert isinstance(found, Experiment)
    assert bool(found.quick) is (name not in SHORT_AS_THEY_ARE)
    whole = found.parameters({})
    assert found.quick.keys() <= whole.keys()
    # An experiment of parts that differ in length has its seeds by part, and says 0 where it means those.
    by_part = getattr(module, "_SEEDS", {})
    for case in found.cases if "seeds" in found.quick else []:
        own = whole["seeds"] or by_part[case.get("part", whole.get("part"))]
        assert found.quick["seeds"] < case.get("seeds", own)


def test_there_are_experiments() -> None:
    assert len(MODULES) > 10
