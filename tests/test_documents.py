"""What README and docs say runs: their Python blocks are executed, their commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lob_sim.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.name == "README.md"], ids=lambda d: d.name)
def test_python_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "document"}
    found = blocks(document, "python")
    assert len(found) >= 2
    for block in found:
        exec(compile(block, str(document), "exec"), namespace)


def test_the_strategy_of_the_readme_trades(tmp_path: Path) -> None:
    from lob_sim import load_scenario, run

    source = next(b for b in blocks(ROOT / "README.md", "python") if "class OneTickDealer" in b)
    (tmp_path / "my_dealer.py").write_text(source, encoding="utf-8")
    scenario = (ROOT / "lob_sim/scenarios/dealer_market.toml").read_text(encoding="utf-8")
    own = '\n[[agents]]\nname = "mine"\nstrategy = "my_dealer:OneTickDealer"\n'
    (tmp_path / "market.toml").write_text(scenario + own, encoding="utf-8")
    result = run(load_scenario(tmp_path / "market.toml", ["horizon=3min"]), seed=1)
    mine = result.agents.set_index("group").loc["mine", "agent_id"]
    assert (result.orders["agent_id"] == mine).sum() > 10


def test_commands_of_the_documents_exist() -> None:
    known = {command.name for command in app.registered_commands}
    used = set()
    for document in DOCUMENTS:
        for block in blocks(document, "sh"):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["lob-sim"]:
                    used.add(words[1])
    assert len(used) >= 5
    assert used <= known
