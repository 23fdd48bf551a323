"""Every test that ``docs/security.md`` names for an invariant exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def table() -> list[str]:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = text.partition("## What the program guards")[2].splitlines()
    return [row for row in rows if row.startswith("| ")][1:]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_table_names_exists() -> None:
    named = [name for row in table() for name in NAMED.findall(row)]
    assert len(named) > 15
    for file, test in named:
        assert test.startswith("test_")
        assert test in names_in(ROOT / file), f"{file}::{test}"


def test_every_invariant_of_the_table_names_what_it_rules_out_and_a_test() -> None:
    rows = table()
    assert len(rows) > 12
    for row in rows:
        _, invariant, ruled_out, tests, _ = row.split("|")
        assert invariant.strip()
        assert ruled_out.strip()
        assert NAMED.search(tests), row


def test_control_a_test_that_is_not_there_is_seen() -> None:
    assert "test_that_nobody_wrote" not in names_in(Path(__file__))
