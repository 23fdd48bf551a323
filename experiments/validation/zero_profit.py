"""Does a dealer who fears informed flow charge what it costs: s k(alpha) against a mixture, and nothing without it?

Three parts. ``learning``: value is normal in each round with deviation s, a share alpha of the traders knows it and
deals if that pays, the others deal at any price. A dealer who knows nothing of this charges what its trades have
turned out to cost, and must find the zero-profit half-spread s k(alpha). ``quoting``: Glosten and Milgrom's dealer of
this package, who knows s and alpha, meets one such trader; over many markets its trades must earn nothing once value
is known, so that all of the effective spread is adverse selection.

``flagship``: the dealers of the first market in calm, without limits, learn alpha from the flow alone, as far as it
is two standard errors from noise. With nobody informed they must stay in the lit book and earn on their trades. With
nobody but the informed, arriving four times as often and without the position limit that keeps the first market's from
trading on, every dealer must leave the lit book for fear of them, and lose on what it has dealt. They do not stay away
for good: without trades evidence ages, they come back, and learn it again.

Source: Glosten and Milgrom (1985), J. Financial Economics 14, with a Gaussian prior: alpha phi(k) = k [alpha (1 -
Phi(k)) + (1 - alpha)/2], solved here by bracketing.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import typer
from scipy.optimize import brentq
from scipy.stats import norm

from experiments.spiral import cells
from experiments.spiral.measure import trading_costs_bp
from experiments.validation.common import group, market, new_figure, save, taped
from experiments.validation.learning_market import CENTRE_TICKS, TICKS_PER_UNIT, dealer_fills, half_spreads
from lob_sim.analysis.summary import dealer_absence, horizon_ns
from lob_sim.experiment import (
    Experiment,
    Outcome,
    Row,
    agrees,
    exceeds,
    identical,
    mean_of,
    ratio_of,
    run_cells,
    stays_below,
)
from lob_sim.messages import OrderFilled, WithdrawalCause
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

PASSERS = "experiments.validation.learning_market:Passers"
SOURCE = "Glosten & Milgrom 1985, Gaussian prior"
VALUE_SD = 0.5
"""Deviation of value, in units of a million ticks."""
_TRADERS_FASTER = 4
_SECONDS_FLAGSHIP = 1200
_SURE_SE = 2.0
_SELDOM = 0.05


def theory(alpha: float) -> float:
    """k(alpha): the zero-profit half-spread in deviations of value."""

    def profit(k: float) -> float:
        return float(k * (alpha * norm.sf(k) + (1 - alpha) / 2) - alpha * norm.pdf(k))

    return float(brentq(profit, 0.0, 10.0, xtol=1e-12))


# --- a dealer that learns what its trades cost ----------------------------------------------------------------


def one_learner(spec: TaskSpec) -> dict[str, float]:
    """What a learning dealer charges in the last quarter of its trades, in deviations of value."""
    rounds = int(spec.overrides["rounds"])
    values = VALUE_SD * np.random.default_rng([spec.seed, 2]).standard_normal(rounds)
    fills = dealer_fills(values.tolist(), spec.seed, float(spec.overrides["alpha"]), elastic=False)
    charged = np.array(half_spreads(fills)) / VALUE_SD
    return {"late": float(charged[-(len(charged) // 4) :].mean()), "last": float(charged[-1])}


def judge_learner(late: np.ndarray, last: np.ndarray, alpha: float) -> list[Row]:
    """Hold what the dealers found against s k(alpha)."""
    found, k = mean_of(late), theory(alpha)
    # To second order a noisy half-spread settles off the rest point by F''/2 of its variance, where F(k) is the
    # expected cost of a trade at k; at a zero-profit quote F' is 0 and F'' is -k.
    slack = k / 2 * float(last.var(ddof=1))
    claim = f"half-spread that the dealer finds, in deviations, alpha={alpha:g}"
    return [agrees(claim, found.value, k, found.se, SOURCE, slack)]


# --- a dealer that knows --------------------------------------------------------------------------------------


def one_trade(spec: TaskSpec) -> dict[str, float]:
    """One trader meets the dealer: what the trade cost it, and what of that the dealer kept, in deviations."""
    value = VALUE_SD * float(np.random.default_rng([spec.seed, 3]).standard_normal())
    scenario = market(
        NS_PER_S,
        [
            group(
                "dealer",
                "strategies.glosten_milgrom:GlostenMilgromDealer",
                prior_sd_ticks=VALUE_SD * TICKS_PER_UNIT,
                prior_alpha=float(spec.overrides["assumed"]),
                learning_weight=0.0,
                processing_ticks=0.0,
                risk_aversion_per_tick_lot=0.0,
                volatility={"prior_ticks_per_sqrt_s": 1e-6},
                requote_interval="10s",
            ),
            group("passers", PASSERS, informed=True, informed_share=float(spec.overrides["alpha"]), elastic=False),
        ],
        tick="0.000001",
        initial="10",
        jumps=[(1, value / 10)],
    )
    _, tape = taped(scenario, spec.seed, OrderFilled)
    taken = [fill for fill in tape.messages if not fill.is_maker]
    if not taken:
        return {"trades": 0.0, "effective": 0.0, "realised": 0.0}
    fill = taken[0]
    paid = (fill.price_ticks - CENTRE_TICKS) / TICKS_PER_UNIT / VALUE_SD
    return {"trades": 1.0, "effective": fill.side * paid, "realised": fill.side * (paid - value / VALUE_SD)}


def judge_trades(frame: pd.DataFrame, alpha: float) -> list[Row]:
    """Effective and realised half-spread of the trades against theory."""
    traded = frame[frame["trades"] > 0]
    effective, realised = traded["effective"].to_numpy(), mean_of(traded["realised"])
    share = ratio_of(traded["effective"] - traded["realised"], traded["effective"])
    # A quote is rounded away from value by less than a tick.
    grid = 1 / (TICKS_PER_UNIT * VALUE_SD)
    return [
        identical(
            f"effective half-spread, in deviations, alpha={alpha:g}",
            float(effective[np.abs(effective - theory(alpha)).argmax()]),
            theory(alpha),
            SOURCE,
            grid,
        ),
        agrees(f"realised half-spread, in deviations, alpha={alpha:g}", realised.value, 0.0, realised.se, SOURCE, grid),
        agrees(f"adverse selection's share of the effective spread, alpha={alpha:g}", share.value, 1, share.se, SOURCE),
    ]


# --- the first market's dealers -----------------------------------------------------------------------------------


def flagship_market(informed: bool) -> Scenario:
    """The first market's calm market without limits, and with nobody informed or nobody else."""
    scenario = cells.without(cells.calm(cells.first_market()), *cells.CONSTRAINTS)
    dealer = next(member for member in scenario.agents if cells.class_of(member) == "SpiralDealer")
    toxicity = dealer.params["toxicity"]
    imbalance = {**toxicity["imbalance"], "noise_margin_se": _SURE_SE}
    toxicity = {**toxicity, "learning_weight": 1.0, "imbalance": imbalance}
    scenario = cells.with_params(scenario, "SpiralDealer", toxicity=toxicity)
    for name in ("liquidity", "slow_capital") if informed else ("informed",):
        scenario = cells.with_group(scenario, name, None)
    if informed:
        traders = next(member for member in scenario.agents if member.name == "informed")
        faster = msgspec.structs.replace(traders, count=_TRADERS_FASTER * traders.count)
        scenario = cells.with_group(scenario, "informed", faster)
        scenario = cells.with_params(scenario, "InformedTrader", max_position_lots=10**6)
    return msgspec.structs.replace(scenario, horizon=_SECONDS_FLAGSHIP * NS_PER_S)


class FlagshipTask(msgspec.Struct, frozen=True):
    """A run of one of the first market's markets.

    Attributes:
        scenarios: By name.
    """

    scenarios: dict[str, dict[str, object]]

    def __call__(self, spec: TaskSpec) -> dict[str, float]:
        """How many dealers left, how long they were away, and what they paid for their trades beyond value."""
        finished = run_once(parse_scenario(self.scenarios[str(spec.overrides["market"])], "flagship: "), spec.seed)
        retreats = finished.table("retreat")
        feared = retreats[retreats["cause"] == WithdrawalCause.ADVERSE_SELECTION]
        costs = trading_costs_bp(finished)
        dealer_ids = finished.header.dealer_ids or ()
        dealers = {finished.header.agents[i].group for i in dealer_ids}
        return {
            "left": feared["agent_id"].nunique() / len(dealer_ids),
            "away": dealer_absence(finished, 0, horizon_ns(finished))[0],
            "earned": -float(np.mean([costs[f"cost_bp.{name}"] for name in sorted(dealers)])),
        }


def judge_flagship(frame: pd.DataFrame) -> list[Row]:
    """With nobody informed they stay and earn; with nobody else they leave and lose."""
    alone, feared = frame[frame["market"] == "uninformed"], frame[frame["market"] == "informed"]
    gain, loss = mean_of(alone["earned"]), mean_of(feared["earned"])
    stayed, left = mean_of(alone["away"]), mean_of(feared["away"].to_numpy() - alone["away"].to_numpy())
    return [
        stays_below(
            "nobody informed: share of the time away from the lit book", stayed.value, _SELDOM, stayed.se, SOURCE
        ),
        exceeds("nobody informed: what dealers earn on a trade (bp)", gain.value, 0, gain.se, SOURCE),
        identical("nobody else: share of dealers who leave the lit book", feared["left"].min(), 1, SOURCE),
        exceeds("nobody else: share of the time away, beyond that", left.value, 0, left.se, SOURCE),
        stays_below("nobody else: what dealers earn on a trade (bp)", loss.value, 0, loss.se, SOURCE),
    ]


# --- the experiment -------------------------------------------------------------------------------------------


class Part(StrEnum):
    """Which dealer."""

    LEARNING = "learning"
    QUOTING = "quoting"
    FLAGSHIP = "flagship"


def run(
    part: Annotated[Part, typer.Option(help="Which dealer.")] = Part.LEARNING,
    alpha: Annotated[float, typer.Option(help="Share of informed traders.", min=0.02, max=0.8)] = 0.3,
    assumed: Annotated[float | None, typer.Option(help="What the quoting dealer takes it for, if not that.")] = None,
    runs: Annotated[int, typer.Option(help="Markets.", min=4)] = 30,
    rounds: Annotated[int, typer.Option(help="Traders in each (learning).", min=100)] = 5000,
) -> Outcome:
    """Hold what dealers charge, earn and do against theory."""
    if Part(part) is Part.FLAGSHIP:
        scenarios = {name: scenario_to_dict(flagship_market(name == "informed")) for name in ("informed", "uninformed")}
        frame = run_cells(FlagshipTask(scenarios), [{"market": name} for name in scenarios], runs)
        return Outcome(judge_flagship(frame))
    if Part(part) is Part.QUOTING:
        frame = run_cells(one_trade, [{"alpha": alpha, "assumed": alpha if assumed is None else assumed}], runs)
        return Outcome(judge_trades(frame, alpha))
    frame = run_cells(one_learner, [{"alpha": alpha, "rounds": rounds}], runs)
    late = frame["late"].to_numpy()

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        shares = np.linspace(0.01, 0.8, 160)
        panel.plot(shares, [theory(a) for a in shares], label="theory: k(alpha)")
        panel.plot(np.full(len(late), alpha), late, "o", ms=4, alpha=0.5, label="found, one dot a market")
        panel.set(
            xlabel="share of informed traders",
            ylabel="half-spread (standard deviations of value)",
            title="A dealer learns what to charge",
        )
        panel.legend()
        save(figure, path)

    return Outcome(judge_learner(late, frame["last"].to_numpy(), alpha), draw)


EXPERIMENT = Experiment(
    "zero_profit",
    run,
    quick={"runs": 8, "rounds": 800},
    cases=[
        *({"alpha": alpha} for alpha in (0.1, 0.3, 0.5)),
        *({"part": Part.QUOTING, "alpha": alpha, "runs": 4000} for alpha in (0.1, 0.3, 0.5)),
        {"part": Part.FLAGSHIP, "runs": 12},
    ],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
