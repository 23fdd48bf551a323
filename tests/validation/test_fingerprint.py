"""The fingerprint of a program: changes with what it does, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from experiments.validation import fingerprint as module
from experiments.validation import report
from experiments.validation.fingerprint import fingerprint
from lob_sim.experiment import Experiment, Outcome, identical

FILES = {
    "lob_sim/book.py": '"""A book."""\n\n\ndef best(prices):\n    """The best."""\n    return max(prices)\n',
    "lob_sim/report/page.py": "colour = 1\n",
    "lob_sim/scenarios/market.toml": "seed = 1\n",
    "strategies/idle.py": "size = 1\n",
    "experiments/a.py": "from experiments.b import half\nfrom experiments.parts import c\n",
    "experiments/a.toml": "horizon = 1\n",
    "experiments/b.py": "half = 0.5\n",
    "experiments/parts/c.py": "third = 1 / 3\nscenario = 'e.toml'\n",
    "experiments/e.toml": "horizon = 3\n",
    "experiments/f.toml": "horizon = 4\n",
    "experiments/d.py": "fifth = 0.2\n",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for cached in (module.fingerprint, module._package_files, module._meaning):
        cached.cache_clear()


def after(tree: Path, name: str, text: str) -> str:
    (tree / name).write_text(text, encoding="utf-8")
    forget()
    return fingerprint("experiments.a")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lob_sim/book.py", FILES["lob_sim/book.py"].replace("max", "min")),
        ("lob_sim/scenarios/market.toml", "seed = 2\n"),
        ("lob_sim/new.py", "x = 1\n"),
        ("strategies/idle.py", "size = 2\n"),
        ("experiments/a.toml", "horizon = 2\n"),
        ("experiments/b.py", "half = 0.4\n"),
        ("experiments/parts/c.py", "third = 0.3\n"),
        ("experiments/e.toml", "horizon = 2\n"),
    ],
)
def test_what_results_depend_on_changes_it(tree: Path, name: str, text: str) -> None:
    before = fingerprint("experiments.a")
    assert after(tree, name, text) != before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "lob_sim/book.py",
            FILES["lob_sim/book.py"].replace("A book.", "An order book.").replace("ices)\n", "ices)  # !\n"),
        ),
        ("lob_sim/report/page.py", "colour = 2\n"),
        ("experiments/d.py", "fifth = 0.3\n"),
        ("experiments/f.toml", "horizon = 2\n"),
        ("experiments/a.toml", "# A market.\nhorizon  =  1  # s\n"),
        ("experiments/b.py", FILES["experiments/b.py"] + "\n\ndef _draw(path):\n    return path\n"),
        ("lob_sim/readme.md", "x"),
    ],
)
def test_what_results_do_not_depend_on_does_not(tree: Path, name: str, text: str) -> None:
    before = fingerprint("experiments.a")
    assert after(tree, name, text) == before


def test_the_report_tells_what_an_earlier_program_gave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    experiment = Experiment("a_market", lambda: Outcome([identical("parts", 1.0, 1.0, "B")]))
    monkeypatch.setattr(report, "load", lambda name: experiment)
    job, page = report.Job("experiments.a_market", 0, "x.png"), tmp_path / "validation.md"
    result = report.do(job, tmp_path)
    told = "Run before the program was last changed: `python -m experiments.a_market`."
    for given, is_told in ((result, False), (msgspec.structs.replace(result, program="another"), True)):
        report.Kept(page, [job], [job]).add(given)
        assert (told in page.read_text(encoding="utf-8")) is is_told
