"""Print which faults of the engine the differential check catches, and how soon.

Usage: ``python tests/mutation/run_mutations.py``. Exit code 1 if one of them survives.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "venue_matching"))
sys.path.insert(0, str(Path(__file__).parent))

from mutants import MUTANTS, caught_by


def table(n_operations: int = 2_000) -> list[tuple[str, str]]:
    """Each mutant's name and what caught it: seed and operation, or "SURVIVED"."""
    rows = []
    for mutant in MUTANTS:
        caught = caught_by(mutant, range(40), n_operations)
        rows.append((mutant.name, ", ".join(caught.split(", ")[:2]) if caught else "SURVIVED"))
    return rows


def main() -> int:
    """Print the table."""
    rows = table()
    width = max(len(name) for name, _ in rows)
    for name, caught in rows:
        print(f"{name:<{width}}  {caught}")
    survivors = sum(caught == "SURVIVED" for _, caught in rows)
    print(f"{len(rows)} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
