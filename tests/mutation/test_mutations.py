"""The tests of the engine are themselves tested: every single fault put into it must be noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "venue_matching"))

from mutants import MUTANTS, Mutant, MutantEngine, caught_by, mutated_source

from lob_sim.messages import NewOrder, Side
from lob_sim.venue.matching import MatchingEngine

SOME = MUTANTS[::3]
NO_FAULT = Mutant("none", "lob_sim.venue.trading", "while open_lots:", "while open_lots:")


def test_there_are_enough_mutants_and_each_changes_the_source() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        compile(mutated_source(mutant), mutant.name, "exec")
        assert mutant.old != mutant.new


@pytest.mark.parametrize("mutant", SOME, ids=lambda mutant: mutant.name)
def test_a_fault_is_caught(mutant: Mutant) -> None:
    assert caught_by(mutant, range(40), 2_000)


@pytest.mark.validate
@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m not in SOME], ids=lambda mutant: mutant.name)
def test_every_other_fault_is_caught(mutant: Mutant) -> None:
    caught = caught_by(mutant, range(40), 2_000)
    print(f"{mutant.name}: {caught.split(', ')[:2]}")
    assert caught


def test_an_engine_without_a_fault_is_not_caught() -> None:
    """The negative control: loading from changed text alone must not look like a fault."""
    assert caught_by(NO_FAULT, range(4), 1_000) == ""


def test_the_real_engine_is_left_alone() -> None:
    from lob_sim.venue import matching

    assert MutantEngine(NO_FAULT).engine_class is not MatchingEngine
    assert matching.MatchingEngine is MatchingEngine
    assert sys.modules["lob_sim.venue.matching"].MatchingEngine is MatchingEngine
    assert len(MatchingEngine(0).process(NewOrder(0, 1, 1, Side.BUY, 1, 1), 1)) == 1
