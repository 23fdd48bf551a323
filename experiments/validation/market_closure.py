"""When does a lit market close for fear of informed traders, and does the flagship's dealer leave it then?

Two parts. In the first the value is +1 or -1 in each round; a share ``mu`` of the traders knows it, the
others want to trade for a private value uniform on [0, 1] and do so only if it covers the half-spread. A
dealer who knows nothing of this charges what its trades have turned out to cost. Where theory has a
zero-profit half-spread, mu/(1-mu), it must find it; from mu = 1/2 on there is none, and it must lose all
its uninformed customers. Near mu = 1/2 the way there is slow (at 1/2 itself what is missing to 1 falls as one
over the logarithm of the trades), so that a run may end before: then it must have come as far as the same
dealer in an independent simulation, in a few lines and without our engine.

In the second part the flagship's dealer, with a Gaussian belief, is asked from which share of informed flow
on it pulls its lit quotes and answers requests for quote instead: by bisection, each step a run of the
market. The reference is found by search: the largest share at which some half-spread would still earn its
cost.

Source: Glosten and Milgrom (1985), J. Financial Economics 14, section 4 (closure); Bhattacharya and Spiegel
(1991), Review of Financial Studies 4. Zero profit with V = ±1: h = mu / (mu + (1-mu)(1-h)), so h =
mu/(1-mu) or 1.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import norm

from experiments.validation.common import group, market, new_figure, save, taped
from experiments.validation.learning_market import CAUTION, GAIN, dealer_fills, half_spreads
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.experiment import Experiment, Outcome, Row, agrees, identical, mean_of, run_cells, stays_below
from lob_sim.information.retreat import UniformReservations, gaussian_elastic_half_spread
from lob_sim.messages import (
    NewOrder,
    RetreatRecord,
    RfqQuoted,
    WithdrawalCause,
)
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.market_closure"
SOURCE = "Glosten & Milgrom 1985, section 4"
CLOSED = 0.97
"""A half-spread above this has no customers left but one in thirty: the market counts as closed."""
_ALONE = 2000
"""Markets of the independent simulation."""


class Asker(Strategy):
    """Asks every dealer for a two-sided quote, once."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.request_quote(0, None, 1, ctx.dealers, NS_PER_S)


def one_market(spec: TaskSpec) -> dict[str, float]:
    """A learning dealer and its customers for many rounds: its half-spread in the last quarter of them."""
    mu, rounds = float(spec.overrides["mu"]), int(spec.overrides["rounds"])
    values = np.where(np.random.default_rng([spec.seed, 1]).random(rounds) < 0.5, 1.0, -1.0)
    fills = dealer_fills(values.tolist(), spec.seed, mu, bool(spec.overrides["elastic"]))
    charged = np.array(half_spreads(fills))
    return {"late": float(charged[-(len(charged) // 4) :].mean()), "last": float(charged[-1])}


def without_engine(mu: float, rounds: int) -> np.ndarray:
    """The learning dealer among elastic customers without our engine: the last half-spread charged in each market."""
    rng = np.random.default_rng(1985)
    half, last, trades = np.zeros(_ALONE), np.zeros(_ALONE), np.zeros(_ALONE)
    for _ in range(rounds):
        informed, right = rng.random(_ALONE) < mu, rng.random(_ALONE) < 0.5
        deals = informed | (rng.random(_ALONE) >= half)
        cost = np.where(informed | right, 1.0, -1.0)
        last, trades = np.where(deals, half, last), trades + deals
        learnt = np.clip(half + GAIN / (CAUTION + trades) * (cost - half), 0, 1)
        half = np.where(deals, learnt, half)
    return last


# --- the flagship's dealer --------------------------------------------------------------------------------

BELIEF_SD, RESERVATION, PROCESSING = 20.0, 12.0, 0.5
_PRECISION = 1e-6


def one_dealer(alpha: float, seed: int) -> tuple[int, int, bool]:
    """The flagship's dealer that takes a share ``alpha`` of flow for informed: what does it do?

    Returns:
        Its orders in the lit book, its answers to a request, and whether it left for adverse selection.
    """
    scenario = market(
        NS_PER_S,
        [
            group("asker", f"{HERE}:Asker"),
            group(
                "dealer",
                "strategies.spiral_dealer:SpiralDealer",
                prior_sd_ticks=BELIEF_SD,
                prior_alpha=alpha,
                learning_weight=0.0,
                processing_ticks=PROCESSING,
                risk_aversion_per_tick_lot=0.0,
                reservation_ticks=RESERVATION,
                retreat={"appetite_tick_lots": 1e9, "min_share_paying": 1e-6},
                rfq={"max_alpha": 1.0},
                requote_interval="10s",
            ),
        ],
        tick="0.01",
        initial="100",
    )
    _, tape = taped(scenario, seed, NewOrder, RetreatRecord, RfqQuoted)
    causes = [record.cause for record in tape.of(RetreatRecord)]
    left = causes == [WithdrawalCause.ADVERSE_SELECTION]
    return len(tape.of(NewOrder)), len(tape.of(RfqQuoted)), left


def bisection(spec: TaskSpec) -> dict[str, float]:
    """Where the flagship's dealer leaves the lit book, and what it does on either side of that."""
    stays, leaves = 0.0, 0.99
    while leaves - stays > _PRECISION:
        middle = (stays + leaves) / 2
        if one_dealer(middle, spec.seed)[2]:
            leaves = middle
        else:
            stays = middle
    below, above = one_dealer(stays, spec.seed), one_dealer(leaves, spec.seed)
    return {
        "alpha": (stays + leaves) / 2,
        "lit_below": below[0],
        "lit_above": above[0],
        "rfq_above": above[1],
    }


def critical_alpha() -> float:
    """The largest share of informed flow at which some half-spread earns its cost, by search."""
    x = np.linspace(1e-6, (RESERVATION - PROCESSING) / BELIEF_SD, 2_000_001)
    lost = norm.pdf(x) - x * norm.sf(x)
    earned = x * (1 - (PROCESSING + BELIEF_SD * x) / RESERVATION) / 2
    odds = float(np.max(earned / lost))
    return odds / (1 + odds)


class Dealer(StrEnum):
    """Which part."""

    LEARNING = "learning"
    FLAGSHIP = "flagship"


def run(
    dealer: Annotated[Dealer, typer.Option(help="The learning dealer, or the flagship's.")] = Dealer.LEARNING,
    mu: Annotated[float, typer.Option(help="Share of informed traders (learning dealer).", min=0.1, max=0.9)] = 0.3,
    runs: Annotated[int, typer.Option(help="Markets (learning dealer).", min=4)] = 30,
    rounds: Annotated[int, typer.Option(help="Traders in each (learning dealer).", min=100)] = 5000,
    elastic: Annotated[bool, typer.Option(help="Uninformed traders mind the spread.")] = True,
) -> Outcome:
    """Hold the half-spread, or the onset of the retreat, against theory."""
    if Dealer(dealer) is Dealer.FLAGSHIP:
        return _flagship()
    frame = run_cells(one_market, [{"mu": mu, "rounds": rounds, "elastic": elastic}], runs)
    late, last = frame["late"].to_numpy(), frame["last"].to_numpy()

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        shares = np.linspace(0, 0.9, 181)
        panel.plot(shares, np.minimum(1, shares / (1 - shares)), label="theory: mu/(1-mu), closed from 1/2 on")
        panel.plot(np.full(len(late), mu), late, "o", ms=4, alpha=0.5, label="found, one dot a market")
        panel.set(
            xlabel="share of informed traders",
            ylabel="half-spread (value is ±1)",
            title="A dealer learns what to charge",
        )
        panel.legend()
        save(figure, path)

    return Outcome(judge(late, last, mu, rounds), draw)


def judge(late: np.ndarray, last: np.ndarray, mu: float, rounds: int) -> list[Row]:
    """Hold half-spreads, the mean of the later trades and the last one's of each market, against theory."""
    spread, end = mean_of(late), mean_of(last)
    if mu >= 0.5:
        alone = mean_of(without_engine(mu, rounds))
        if alone.value <= CLOSED:
            return [
                agrees(
                    f"half-spread in the end, on its way to 1 (closed), mu={mu:g}",
                    end.value,
                    alone.value,
                    float(np.hypot(end.se, alone.se)),
                    "independent simulation",
                )
            ]
        return [
            identical(
                f"half-spread in the end (1: the market is closed), mu={mu:g}",
                end.value,
                1,
                SOURCE,
                1 - CLOSED,
            )
        ]
    theory = mu / (1 - mu)
    # To second order a noisy half-spread settles off the rest point by F''/(2(1-F')) of its variance.
    slack = theory / (1 - theory) * float(last.var(ddof=1))
    return [
        agrees(f"half-spread that the dealer finds, mu={mu:g}", spread.value, theory, spread.se, SOURCE, slack),
        stays_below(f"half-spread in the end (1: the market is closed), mu={mu:g}", end.value, CLOSED, end.se, SOURCE),
    ]


def _flagship() -> Outcome:
    found = run_cells(bisection, [{}], 1).iloc[0]
    alpha = critical_alpha()
    source = f"{SOURCE}, with a Gaussian belief: by search"
    rows = [
        identical(
            "share of informed flow at which it leaves the lit book",
            found["alpha"],
            alpha,
            source,
            _PRECISION,
        ),
        identical("orders in the lit book just below it", found["lit_below"], 2, SOURCE),
        identical("orders in the lit book just above it", found["lit_above"], 0, SOURCE),
        identical("requests for quote answered just above it", found["rfq_above"], 1, SOURCE),
    ]

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        alphas = np.linspace(0.01, 1.5 * alpha, 40)
        policy = UniformReservations(RESERVATION)
        spreads = [gaussian_elastic_half_spread(a, BELIEF_SD, PROCESSING, policy) for a in alphas]
        panel.plot(alphas, [np.nan if h is None else h for h in spreads], label="half-spread in the lit book")
        panel.axvline(alpha, color="black", ls="--", label=f"no half-spread earns its cost: {alpha:.4f}")
        panel.plot([found["alpha"]], [0], "rv", label=f"the dealer leaves: {found['alpha']:.4f}", clip_on=False)
        panel.set(xlabel="share of informed flow", ylabel="half-spread (ticks)", title="Retreat to RFQ")
        panel.legend()
        save(figure, path)

    return Outcome(rows, draw)


EXPERIMENT = Experiment(
    "market_closure",
    run,
    quick={"runs": 8, "rounds": 800},
    cases=[*({"mu": mu} for mu in (0.1, 0.2, 0.3, 0.4, 0.6, 0.7)), {"dealer": Dealer.FLAGSHIP}, {"mu": 0.5}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
