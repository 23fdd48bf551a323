"""The twelve published facts of crises: what is measured of runs, what was published, and by whom."""

from __future__ import annotations

from math import inf, nan
from typing import Literal

import msgspec
import pandas as pd

from experiments.calm_facts import Statistic

CRISIS, NO_REDEMPTIONS, BACKSTOP, PURCHASES = "crisis", "no redemptions", "backstop of corporates", "Treasuries bought"
OPAQUE, PROMPT = "calm, no prints", "calm, prints at once"
"""The runs of which facts are measured, by name."""
WORST, SAFE = "corporate", "treasury"
_DURATION = 5.0
_SPIRAL_BP = 100.0
"""A worst minute so far below value counts as a spiral here."""


class Published(msgspec.Struct, frozen=True):
    """A published fact.

    Attributes:
        number: In the list above.
        text: What is measured.
        statistic: Takes the table of seeds, whose columns are ``run: metric.instrument``.
        low: Least that is published.
        high: Most.
        source: By whose word.
        label: S or M.
        off: On which side of the published interval it is expected to fail, if it does.
        why: What is expected to be the reason then.
    """

    number: int
    text: str
    statistic: Statistic
    low: float
    high: float
    source: str
    label: str
    off: Literal["below", "above"]
    why: str


# --- statistics over seeds -------------------------------------------------------------------------------------------


def _sum(frame: pd.DataFrame, run: str, metric: str, instrument: str) -> float:
    # What is not known of a seed is not known.
    return float(frame[f"{run}: {metric}.{instrument}"].sum(skipna=False))


def _ratio(above: float, below: float) -> float:
    return above / below if below else nan


def of_sums(run: str, above: str, below: str, instrument: str, other_run: str = "") -> Statistic:
    """Ratio of two sums over seeds."""
    return lambda f: _ratio(_sum(f, run, above, instrument), _sum(f, other_run or run, below, instrument))


def cost(run: str, window: str, instrument: str) -> Statistic:
    """What clients pay for a lot in a window, in bp."""
    return of_sums(run, f"{window}_cost", f"{window}_lots", instrument)


def quotient(above: Statistic, below: Statistic) -> Statistic:
    """Ratio of two statistics."""
    return lambda f: _ratio(above(f), below(f))


def failing_share(window: str) -> Statistic:
    """Share of clients' requests for the worst asset that are not dealt."""
    dealt = of_sums(CRISIS, f"{window}_dealt", f"{window}_asked", WORST)
    return lambda f: 1 - dealt(f)


def true_over_observed(window: str) -> Statistic:
    """Mean cost of all requests over that of those dealt."""
    true = of_sums(CRISIS, f"{window}_true_cost", f"{window}_true_priced", WORST)
    return quotient(true, of_sums(CRISIS, f"{window}_dealt_cost", f"{window}_dealt_priced", WORST))


def non_fundamental(fall_bp: float) -> Statistic:
    """Share of the worst asset's peak fall that is not its value's."""

    def statistic(frame: pd.DataFrame) -> float:
        over = float(frame[f"{CRISIS}: worst_bp.{WORST}"].mean())
        return over / (over + fall_bp)

    return statistic


def mean(run: str, metric: str, instrument: str) -> Statistic:
    """Mean over seeds."""
    return lambda f: float(f[f"{run}: {metric}.{instrument}"].mean())


def recovered(start: str, later: str, floor: str = "", run: str = PURCHASES) -> Statistic:
    """Part of a fall (or of a rise over ``floor``) that is gone in a run, in seeds that had spiralled."""

    def statistic(frame: pd.DataFrame) -> float:
        rows = frame[frame[f"{run}: start_bp.{SAFE}"] > _SPIRAL_BP]
        above = _sum(rows, run, floor, SAFE) if floor else 0.0
        was, now = (_sum(rows, run, metric, SAFE) - above for metric in (start, later))
        return _ratio(was - now, was)

    return statistic


FALL_GONE, RISE_GONE = recovered("start_bp", "later_bp"), recovered("start_spread", "late_spread", "calm_spread")
GONE_BY_ITSELF = {
    "part of the safe asset's fall": recovered("start_bp", "later_bp", run=CRISIS),
    "part of the rise of its spread": recovered("start_spread", "late_spread", "calm_spread", CRISIS),
}
"""What fact 8 asks, where no bank buys."""


def eligible_less_ineligible(frame: pd.DataFrame) -> float:
    """What the backstop changes in the yield of what it buys less the same of what it does not, in bp."""
    changed = {
        name: float((frame[f"{BACKSTOP}: mean_bp.{name}"] - frame[f"{CRISIS}: mean_bp.{name}"]).mean())
        for name in (WORST, SAFE)
    }
    return (changed[WORST] - changed[SAFE]) / _DURATION


def redeemed_share(instrument: str) -> Statistic:
    """Part of the worst fall below value that is gone without redemptions."""
    left = of_sums(NO_REDEMPTIONS, "worst_bp", "worst_bp", instrument, CRISIS)
    return lambda f: 1 - left(f)


def spillover(frame: pd.DataFrame) -> float:
    """Spread of the safe asset in stress over calm, in seeds in which it did not spiral."""
    rows = frame[frame[f"{CRISIS}: worst_bp.{SAFE}"] <= _SPIRAL_BP]
    return _ratio(_sum(rows, CRISIS, "stress_spread", SAFE), _sum(rows, CRISIS, "calm_spread", SAFE))


# --- the facts -------------------------------------------------------------------------------------------------------


_GILTS = "Bank of England SWP 1089; gilts 2022"


def facts(fall_bp: float) -> list[Published]:
    """All of them, in order.

    Args:
        fall_bp: What the worst asset loses of its value, in bp.
    """
    return [*_of_the_market(fall_bp), *_of_those_who_deal(), *_of_policies()]


def _of_the_market(fall_bp: float) -> list[Published]:
    clients = quotient(cost(CRISIS, "stress", WORST), cost(CRISIS, "calm", WORST))
    return [
        Published(
            1,
            "spread of the safe asset, peak over calm",
            of_sums(CRISIS, "peak_spread", "calm_spread", SAFE),
            1.6,
            6.0,
            "Fleming and Ruela 2020; gilts 2022",
            "S",
            "above",
            "a spiral leaves slow capital alone in the book, whose bids are a hundred ticks below value",
        ),
        Published(
            2,
            "cost of immediacy in corporates, stress over calm",
            clients,
            3.0,
            7.0,
            "Kargar and others 2021",
            "S",
            "below",
            "clients stay away beyond their reservation value of 14 ticks, which bounds what is paid",
        ),
        Published(
            3,
            "depth of the safe asset near the mid, crisis over calm",
            of_sums(CRISIS, "crisis_depth", "calm_depth", SAFE),
            0.05,
            0.35,
            "E-mini April 2025 (S); Treasuries March 2020 (M)",
            "S/M",
            "above",
            "where no spiral starts dealers go on quoting Treasuries as in calm: the mean is over both kinds of seeds",
        ),
        Published(
            4,
            "requests that fail in the worst asset, in stress (share)",
            failing_share("stress"),
            0.5,
            1.0,
            "Hendershott and others, CLO auctions",
            "S",
            "below",
            "dealers who have left the lit book still answer requests, at a price",
        ),
        Published(
            5,
            "true cost (failures counted) over observed cost, stress over calm",
            quotient(true_over_observed("stress"), true_over_observed("calm")),
            1.5,
            3.5,
            "Hendershott and others, CLO auctions",
            "S",
            "below",
            "a client whose request fails is counted at the best it was offered, not at what waiting costs",
        ),
        Published(
            6,
            "non-fundamental share of the peak fall of the worst asset",
            non_fundamental(fall_bp),
            0.3,
            0.75,
            "Bank of England SWP 1089; investment grade in March 2020",
            "S",
            "below",
            "everybody hears at once and funds know value: most of what is sold is sold in Treasuries",
        ),
    ]


def _of_those_who_deal() -> list[Published]:
    return [
        Published(
            7,
            "dealers' net purchases of corporates in stress (lots)",
            mean(CRISIS, "bought", WORST),
            -inf,
            0.0,
            "O'Hara and Zhou 2021",
            "S",
            "above",
            "dealers lean against clients' sales where their limits leave room",
        ),
        Published(
            7,
            "the same after a backstop (lots)",
            mean(BACKSTOP, "bought_later", WORST),
            0.0,
            inf,
            "O'Hara and Zhou 2021",
            "S",
            "below",
            "dealers over their limits sell to the bank; nothing in the model makes them restock within half an hour",
        ),
        Published(
            8,
            "part of the safe asset's fall that is gone ten minutes after purchases begin",
            FALL_GONE,
            0.35,
            0.85,
            _GILTS,
            "S",
            "above",
            "slow capital and funds bring prices back within minutes, bank or not",
        ),
        Published(
            8,
            "part of the rise of its spread that is gone by then",
            RISE_GONE,
            -inf,
            0.1,
            _GILTS,
            "S",
            "above",
            "the bank's firm bid is a narrow side of the book at once",
        ),
        Published(
            9,
            "share of the fall due to redemptions, Treasuries",
            redeemed_share(SAFE),
            0.2,
            0.45,
            "Ma, Xiao and Zeng 2022",
            "S",
            "below",
            "what starts a spiral here is sold by leveraged funds; those with redemptions sell a few minutes later",
        ),
        Published(
            9,
            "share of the fall due to redemptions, corporates",
            redeemed_share(WORST),
            0.2,
            0.45,
            "Ma, Xiao and Zeng 2022",
            "S",
            "below",
            "the same, and in corporates dealers' retreat decides at first",
        ),
    ]


def _of_policies() -> list[Published]:
    costs = {name: quotient(cost(PROMPT, "stress", name), cost(OPAQUE, "stress", name)) for name in (WORST, SAFE)}
    transparency = "Bessembinder, Maxwell and Venkataraman 2006"
    return [
        Published(
            10,
            "prompt transparency: cost of dealing where prints are published, at once over never",
            costs[WORST],
            0.35,
            0.65,
            transparency,
            "S",
            "above",
            "there is a lit book beside requests here, so that clients know a price without prints",
        ),
        Published(
            10,
            "the same where nothing changes",
            costs[SAFE],
            0.65,
            0.95,
            transparency,
            "S",
            "above",
            "dealers' costs in one instrument do not depend on prints in the other",
        ),
        Published(
            11,
            "backstop: yield of what is eligible less that of what is not (bp)",
            eligible_less_ineligible,
            -70.0,
            -20.0,
            "Gilchrist and others 2020",
            "S",
            "above",
            "what is not eligible are Treasuries here, which fall furthest and gain from corporates' relief",
        ),
        Published(
            12,
            "spillover: spread of what is not involved, stress over calm",
            spillover,
            1.0,
            1.3,
            "fi-desk on gilts 2022",
            "S",
            "above",
            "Treasuries are held by everybody who holds corporates: nothing is quite uninvolved in this market",
        ),
    ]
