"""A dealer with a leverage limit in the order book: what it sells along a ladder of customers, and what it should.

The dealer holds bonds and loans. Loans lose value; bonds are all that it can sell, to customers who bid for as many
lots at each price. Part of :mod:`experiments.validation.cont_schaanning`.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from experiments.validation import ladder
from lob_sim.experiment import Row, identical, run_cells
from lob_sim.sweep.task import TaskSpec

_ROOT = "root of assets = aim · equity along the ladder"
_LOTS = 10_000  # of loans, which are shocked, and as many of bonds
_PER_TICK = 4  # lots: all bonds together lower their price by 2,500 ticks of a million


class Rule(StrEnum):
    """When and how far banks delever."""

    THRESHOLD = "threshold"
    TARGETING = "targeting"


def opening_leverage(maximum: float, buffered: float) -> float:
    """The dealer's leverage at the opening: as far below the buffered one as that is below the maximum, but above 1."""
    return max(1.0 + (buffered - 1.0) / 2, 2 * buffered - maximum)


def book_threshold(maximum: float, buffered: float) -> float:
    """Largest shock to loans after which the dealer does not sell, from the same formula as for banks."""
    assets = 2.0
    return (maximum * assets / opening_leverage(maximum, buffered) - assets) / (maximum - 1)


def one_book(spec: TaskSpec) -> dict[str, float]:
    """One market with a dealer under one of the rules: what it sold and where its leverage is."""
    shock, maximum, buffered = (float(spec.overrides[name]) for name in ("shock", "maximum", "buffered"))
    leverage = opening_leverage(maximum, buffered)
    if spec.overrides["rule"] == Rule.TARGETING:
        limits = [{"kind": "slr", "params": {"minimum": 1 / leverage}}]
    else:
        params = {"minimum": 1 / maximum, "target": 1 / buffered}
        limits = [{"kind": "leverage_threshold", "params": params}]
    scenario = ladder.market(
        lots_per_tick=_PER_TICK,
        reach_ticks=3_000,
        dealer={"holdings": {"bond": _LOTS, "loan": _LOTS}},
        sheet={"short_term_funding": round(2 * _LOTS * ladder.PRICE * (1 - 1 / leverage)), "constraints": limits},
        shocks=[{"instrument": "loan", "at": "5s", "size": -shock}],
    )
    found = ladder.run(scenario, spec.seed)
    return {"sold": found.sold, "leverage": found.assets / found.tier1 if found.tier1 > 0 else float("inf")}


def book_root(shock: float, leverage: float, aim: float) -> float:
    """Lots that a dealer sells along a line of demand until assets over equity are ``aim``; 0 if they are already.

    With p = P - x/s after x lots, sold at (P + p)/2 on average, E = E1 - (X - x/2)·x/s and A = A1 - x·P - (X - x)·x/s:
    a quadratic in x, of which this is the smaller root.
    """
    p, s, lots = float(ladder.PRICE), float(_PER_TICK), float(_LOTS)
    lost = shock * lots * p
    equity, assets = 2 * lots * p / leverage - lost, 2 * lots * p - lost
    # A(x) - aim·E(x) = constant + linear·x + square·x²
    constant = assets - aim * equity
    linear = -p + (aim - 1) * lots / s
    square = (1 - aim / 2) / s
    if constant <= 0:
        return 0.0
    roots = np.roots([square, linear, constant])
    real = roots[np.isreal(roots)].real
    reachable = real[(real > 0) & (real <= lots)]
    return float(reachable.min()) if len(reachable) else lots


def book_rows(maximum: float, buffered: float) -> tuple[list[Row], dict[Rule, list[float]], list[float]]:
    """Run the dealer in the order book on either side of its threshold."""
    edge = book_threshold(maximum, buffered)
    leverage = opening_leverage(maximum, buffered)
    shocks = [share * edge for share in (0.0, 0.25, 0.5, 0.9, 1.1, 1.25) if share * edge < 0.95]
    points = [
        {"shock": shock, "maximum": maximum, "buffered": buffered, "rule": rule.value}
        for rule in Rule
        for shock in shocks
    ]
    frame = run_cells(one_book, points, 1)
    sold = frame["sold"].to_numpy().reshape(2, len(shocks))
    after = frame["leverage"].to_numpy().reshape(2, len(shocks))
    rows = []
    for k, rule in enumerate(Rule):
        aim = buffered if rule is Rule.THRESHOLD else leverage
        for n, shock in enumerate(shocks):
            binds = shock > edge if rule is Rule.THRESHOLD else shock > 0
            expected = book_root(shock, leverage, aim) if binds else 0.0
            claim = f"order book, {rule}, shock {n and 100 * shock:.3g} %: sold (lots)"
            # Funding is a whole number, so that leverage at the opening is its aim but for a lot.
            slack = _book_slack(aim, expected) if binds else float(rule is Rule.TARGETING)
            rows.append(identical(claim, sold[k, n], expected, _ROOT, slack))
        reached = [after[k, n] for n in range(len(shocks)) if sold[k, n] > 0]
        if reached:
            worst = max(reached, key=lambda value: abs(value - aim))
            claim = f"order book, {rule}: leverage after sales"
            rows.append(identical(claim, worst, aim, "its aim", aim * (aim + 1) / _LOTS))
    return rows, {rule: sold[k].tolist() for k, rule in enumerate(Rule)}, shocks


def _book_slack(aim: float, sold: float) -> float:
    """Lots by which ticks may move a sale of ``sold``.

    Loans and bonds are marked to a tick or half of one: two ticks on every lot held cover both. That equity is levered
    up to ``aim``, and divided by what a lot more closes of the gap.
    """
    closed = ladder.PRICE - (aim - 1) * _LOTS / _PER_TICK - (2 - aim) * sold / _PER_TICK
    return 1 + aim * 2 * _LOTS / abs(closed)
