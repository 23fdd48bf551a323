"""Which ids were ever accepted: exact, against a plain set, and in little memory."""

from __future__ import annotations

from random import Random

import pytest

from lob_sim.errors import InvariantError
from lob_sim.venue.client_order_ids import ClientOrderIds


@pytest.mark.parametrize("seed", range(5))
def test_the_ledger_agrees_with_a_set(seed: int) -> None:
    rng = Random(seed)
    ledger, used = ClientOrderIds(), set[int]()
    for _ in range(2_000):
        candidate = rng.randint(1, 300) if rng.random() < 0.7 else ledger.last_id + rng.randint(1, 9)
        assert ledger.was_accepted(candidate) is (candidate in used)
        if candidate not in used:
            ledger.accept(candidate)
            used.add(candidate)
            ledger.check()
    for candidate in range(1, ledger.last_id + 10):
        assert ledger.was_accepted(candidate) is (candidate in used)


def test_counting_up_takes_no_memory() -> None:
    ledger = ClientOrderIds()
    for client_order_id in range(1, 100_001):
        ledger.accept(client_order_id)
    assert ledger.n_gaps == 0
    ledger.accept(200_000)
    ledger.accept(150_000)
    assert ledger.n_gaps == 2
    accepted = {i for i in range(99_000, 201_000) if ledger.was_accepted(i)}
    assert accepted == {*range(99_000, 100_001), 150_000, 200_000}


def test_a_filled_gap_is_gone() -> None:
    ledger = ClientOrderIds()
    for client_order_id in (4, 2, 1, 3):
        assert not ledger.was_accepted(client_order_id)
        ledger.accept(client_order_id)
    assert ledger.n_gaps == 0


def test_the_check_sees_a_broken_ledger() -> None:
    ledger = ClientOrderIds()
    ledger.accept(5)
    ledger.last_id = 3
    with pytest.raises(InvariantError):
        ledger.check()
