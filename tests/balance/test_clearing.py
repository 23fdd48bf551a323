"""Netting of swaps by a central counterparty, and who bears what its failed members owe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from balance_helpers import PAR
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.clearing import CentralCounterparty, SwapTrade, positions_of
from lob_sim.balance.derivatives import CENTRAL, DerivativePosition, Derivatives, InitialMargin

RING = [SwapTrade(0, a, b, 100) for a, b in ((1, 2), (2, 3), (3, 1))]
DEALER = [SwapTrade(0, 1, 2, 100), SwapTrade(0, 3, 1, 60), SwapTrade(0, 4, 1, 30)]


def margin(agent_id: int, trades: list[SwapTrade], cleared: bool, rate: float = 0.05) -> int:
    held = positions_of(agent_id, trades, cleared).items()
    positions = [DerivativePosition(i, lots, InitialMargin(rate), counterparty_id=other) for (i, other), lots in held]
    return Derivatives(positions, [PAR], [1]).posted_cash


def test_a_dealer_in_the_middle_has_margin_on_what_is_left_of_its_trades() -> None:
    # 100 bought of one, 60 and 30 sold to two others: 190 gross, 10 net.
    assert positions_of(1, DEALER, False) == {(0, 2): 100, (0, 3): -60, (0, 4): -30}
    assert positions_of(1, DEALER, True) == {(0, CENTRAL): 10}
    assert margin(1, DEALER, False) == 190 * PAR * 0.05
    assert margin(1, DEALER, True) == 10 * PAR * 0.05
    # Those at the ends have one trade each: clearing changes nothing for them.
    assert [margin(k, DEALER, True) for k in (2, 3, 4)] == [margin(k, DEALER, False) for k in (2, 3, 4)]


def test_a_ring_of_trades_vanishes() -> None:
    assert [positions_of(k, RING, True) for k in (1, 2, 3)] == [{}, {}, {}]
    assert [margin(k, RING, False) for k in (1, 2, 3)] == [200 * PAR * 0.05] * 3


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 4), st.integers(1, 99)), max_size=20))
def test_positions_are_a_zero_sum_and_margin_never_rises_by_clearing(rows: list[tuple[int, int, int, int]]) -> None:
    trades = [SwapTrade(i, a, b, lots) for i, a, b, lots in rows if a != b]
    for cleared in (False, True):
        held = [positions_of(k, trades, cleared) for k in range(5)]
        for i in range(3):
            assert sum(lots for own in held for (j, _), lots in own.items() if j == i) == 0
    for agent_id in range(5):
        gross = sum(abs(lots) for lots in positions_of(agent_id, trades, False).values())
        assert sum(abs(lots) for lots in positions_of(agent_id, trades, True).values()) <= gross


def test_expected_exposure_is_that_of_duffie_and_zhu() -> None:
    # One class of trades, independent normal, between N dealers: bilateral (N - 1)·σ·φ(0), cleared √(N - 1)·σ·φ(0).
    n, runs, sd = 10, 4_000, 1_000.0
    lots = np.random.default_rng(5).normal(0, sd, (runs, n - 1)).round().astype(int)
    bilateral: list[int] = []
    cleared: list[int] = []
    for row in lots:
        trades = [
            SwapTrade(0, 0, k + 1, abs(q)) if q > 0 else SwapTrade(0, k + 1, 0, abs(q)) for k, q in enumerate(row)
        ]
        for store, is_cleared in ((bilateral, False), (cleared, True)):
            store.append(sum(max(0, q) for q in positions_of(0, trades, is_cleared).values()))
    density = 1 / math.sqrt(2 * math.pi)
    assert np.mean(bilateral) == pytest.approx((n - 1) * sd * density, rel=0.05)
    assert np.mean(cleared) == pytest.approx(math.sqrt(n - 1) * sd * density, rel=0.1)


def house(capital: int = 20, assessment: float = 1.0) -> CentralCounterparty:
    central = CentralCounterparty(capital, assessment)
    for agent_id, contribution in ((1, 10), (2, 30), (3, 60)):
        central.join(agent_id, contribution)
    return central


@pytest.mark.parametrize(
    ("loss", "own", "capital", "contributions", "assessed", "uncovered"),
    [
        (0, 0, 0, {}, {}, 0),
        (7, 7, 0, {}, {}, 0),
        (25, 10, 15, {}, {}, 0),
        (60, 10, 20, {2: 10, 3: 20}, {}, 0),
        (150, 10, 20, {2: 30, 3: 60}, {2: 10, 3: 20}, 0),
        (250, 10, 20, {2: 30, 3: 60}, {2: 30, 3: 60}, 40),
    ],
)
def test_the_waterfall_in_its_order(
    loss: int, own: int, capital: int, contributions: dict[int, int], assessed: dict[int, int], uncovered: int
) -> None:
    borne = house().absorb(1, loss)
    assert (borne.defaulter_cash, borne.own_capital_cash) == (own, capital)
    assert (borne.contributions_cash, borne.assessed_cash, borne.uncovered_cash) == (contributions, assessed, uncovered)
    # The control: without capital and assessments the survivors' fund comes sooner and the rest is borne by nobody.
    bare = house(0, 0.0).absorb(1, loss)
    assert bare.assessed_cash == {}
    assert bare.uncovered_cash == max(0, loss - 100)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=3), st.integers(0, 50), st.floats(0, 2))
def test_every_loss_is_borne_once_and_nobody_bears_more_than_agreed(
    losses: list[int], capital: int, assessment: float
) -> None:
    central = house(capital, assessment)
    put_in = {1: 10, 2: 30, 3: 60}
    paid = dict.fromkeys(put_in, 0)
    for agent_id, loss in zip((3, 1, 2), losses, strict=False):
        borne = central.absorb(agent_id, loss)
        shares, assessed = borne.contributions_cash, borne.assessed_cash
        total = borne.defaulter_cash + borne.own_capital_cash + borne.uncovered_cash
        assert total + sum(shares.values()) + sum(assessed.values()) == loss
        assert agent_id not in shares
        for member in put_in:
            paid[member] += shares.get(member, 0) + assessed.get(member, 0)
    assert all(paid[member] <= put_in[member] + int(assessment * put_in[member]) for member in put_in)
    assert central.own_capital_cash >= 0
