"""Imports make no circle, not even those that only a type checker sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grimp


def circles(imports: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Groups of modules of which each leads to every other, by following imports (Tarjan 1972)."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        path.append(module)
        for imported in imports[module]:
            if imported not in number:
                visit(imported)
            if imported in path:
                lowest[module] = min(lowest[module], lowest[imported], number[imported])
        if lowest[module] == number[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in imports:
        if module not in number:
            visit(module)
    return found


def test_no_module_imports_another_in_a_circle() -> None:
    graph = grimp.build_graph("lob_sim", "strategies", exclude_type_checking_imports=False)
    imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
    assert sum(map(len, imports.values())) > 500
    assert circles(imports) == []


def test_control_a_circle_is_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a", "d"]}) == [["b", "c"]]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []
