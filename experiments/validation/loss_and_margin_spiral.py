"""How far does the price fall when a speculator at its funding limit loses a unit of own funds?

A speculator holds x lots in repo at a margin of m a lot, with own funds m·x and no more. It loses η. It must sell;
customers buy s = 2/(γσ²) lots for every tick that the price falls. The fall costs the speculator on the position x₀
that it came with (the loss spiral), and raises the margin, which its lenders set by how far the price has moved since
the opening (the margin spiral, m' < 0). Each spiral is also run without the other: with its position hedged, x₀ = 0,
and with a margin that does not depend on the price, m' = 0.

Source: Brunnermeier and Pedersen (2009), "Market Liquidity and Funding Liquidity", Review of Financial Studies 22,
section 4, proposition 5: dp/dη = 1 / [(2/γσ²)·m + m'·x - x₀], where the denominator is positive; nothing where funding
is slack. Margins m = σ̄ + θ·|Δp| as in their section 3.

Expected, before the first run: the price falls by the formula, to 2 % for a fall of a ten-thousandth part, through the
program's funding constraint, its repo lenders' haircut schedules and its forced sales: in rounds against a linear
impact, and in the order book against a ladder of customers' limit orders with lenders who roll every loan. Both agree
with the root of the limit that holds when sales are made all the way down the ladder, which leaves nothing to
linearise, to a lot and to ticks. The spirals multiply each other. Without a loss, and with slack funding, nobody
sells. Where the denominator is not positive, no small loss has a small answer: everything is sold, or as much as the
root says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation import ladder
from experiments.validation.bank_files import context
from experiments.validation.common import new_figure, save
from experiments.validation.funded_speculator import LINEAR, Case, cases_of, fall_along_the_ladder, is_linear
from lob_sim.agents.context import Context
from lob_sim.balance.constraints import FundingConstraint
from lob_sim.balance.funding import HaircutSchedule
from lob_sim.balance.liquidation_sequence import MostLiquidFirst
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row, identical, run_cells
from lob_sim.stress_test.cascade import CascadeMember, run_cascade
from lob_sim.stress_test.impact import LinearImpact, ParametricMarket
from lob_sim.sweep.task import TaskSpec, Value
from lob_sim.units import Ns, Ticks
from strategies.repo_lender import RepoLending

HERE = "experiments.validation.loss_and_margin_spiral"
SOURCE = "Brunnermeier & Pedersen 2009, proposition 5"
_ALONG = "root of margin · position = own funds, along the ladder"
_AT_ONCE = "what one round sells at the old price: loss / margin"
_LARGEST_FALL = 2.5e-3
"""In the order book the speculator goes a price step down at a time, at most 50 a second, for a minute."""
_FINE = 1e6
"""Lots into which one lot is cut where no order book wants whole ones."""


class HedgedFunding(FundingConstraint):
    """The funding constraint of who has sold part of its position forward at the opening price.

    What the hedge gains on a fall is own funds: the part of the position is not exposed.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            lots: Sold forward.
            unit_cash: Value of a lot at the opening, in units of cash.
        """

        lots: float
        unit_cash: float

    def __init__(self, params: Params, market: SheetContext) -> None:
        super().__init__(params, market)
        self._hedge = params

    def headroom(self, view: SheetView) -> float:
        """Unused borrowing capacity and what the hedge has gained."""
        return super().headroom(view) + self._hedge.lots * (self._hedge.unit_cash - view.unit_cash[0])


# --- in rounds ----------------------------------------------------------------------------------------------


def schedule(case: Case) -> HaircutSchedule:
    """The lenders' haircuts by the relative move of the price since the opening."""
    return HaircutSchedule(base=case.haircut, per_volatility=case.per_move)


def in_rounds(case: Case, loss: float) -> float:
    """Fall of the price in ticks in the program's cascade, with linear impact."""
    lots, unit = case.position * _FINE, ladder.PRICE / _FINE
    value = lots * unit
    view = SheetView(
        cash=0.0,
        lots=[lots],
        unit_cash=[unit],
        adjustment_unit_cash=[0.0],
        other_assets_cash=0.0,
        short_term_cash=0.0,
        due_cash=loss,
        repo_cash=[(1 - case.haircut) * value],
        tier1_cash=case.haircut * value - loss,
        haircuts=[case.haircut],
        covariances=[[0.0]],
    )
    lenders = schedule(case)

    def set_haircut(seen: SheetView) -> None:
        seen.haircuts[0] = lenders.haircut(abs(seen.unit_cash[0] / unit - 1), seen.assets_cash / view.tier1_cash)

    market_context = context(["bond"])
    params = HedgedFunding.Params(lots=(case.position - case.exposed) * _FINE, unit_cash=unit)
    manager = RiskManager(
        [HedgedFunding(params, market_context)], MostLiquidFirst(MostLiquidFirst.Params(), market_context)
    )
    market = ParametricMarket([unit], [LinearImpact(case.slope * ladder.PRICE**2)])
    run_cascade([CascadeMember("speculator", view, manager)], market, refresh=set_haircut, max_rounds=5_000)
    return (unit - market.unit_cash(0)) * _FINE


# --- in the order book --------------------------------------------------------------------------------------


class MoveSinceOpening(EwmaCovariance):
    """Volatility as in the source: the size of the move since the period began, |Δp| over p₀."""

    def __init__(self, opening_ticks: list[Ticks]) -> None:
        super().__init__([0.0] * len(opening_ticks), 1)
        self._opening = opening_ticks
        self._seen = opening_ticks

    def observe(self, ts_ns: Ns, marks_ticks: list[Ticks]) -> bool:  # type: ignore[override]  # it is given lists
        """The prices as they are now."""
        changed = self._seen != marks_ticks
        self._seen = list(marks_ticks)
        return changed

    def volatility(self, instrument_id: int) -> float:
        """Size of one instrument's relative move."""
        return abs(self._seen[instrument_id] / self._opening[instrument_id] - 1)


class UninformedLenders(RepoLending):
    """Repo lenders who take every move of the price for news of its volatility.

    Source: the uninformed financiers of Brunnermeier and Pedersen (2009), section 3.2.
    """

    def on_start(self, ctx: Context) -> None:
        super().on_start(ctx)
        self.volatility = MoveSinceOpening([ctx.initial_ticks(i.instrument_id) for i in ctx.instruments])


def one_book(spec: TaskSpec) -> dict[str, float]:
    """One market: fall of the mid in ticks, lots sold."""
    o = spec.overrides
    case = Case(int(o["position"]), float(o["haircut"]), float(o["margin_slope"]), int(o["exposed"]), int(o["slope"]))
    loan = round((1 - case.haircut) * case.position * ladder.PRICE + float(o["loss"]))
    hedge = {"lots": float(case.position - case.exposed), "unit_cash": float(ladder.PRICE)}
    scenario = ladder.market(
        lots_per_tick=case.slope,
        reach_ticks=int(o["reach"]),
        dealer={"holdings": {"bond": case.position}},
        sheet={
            "repo": {"bond": loan},
            "haircuts": {"bond": case.haircut},
            "constraints": [{"kind": f"{HERE}:HedgedFunding", "params": hedge}],
            "maturity_buckets": 1,
        },
        others=[
            {
                "name": "lender",
                "strategy": f"{HERE}:UninformedLenders",
                "params": {
                    "schedules": {"bond": msgspec.to_builtins(schedule(case))},
                    "term": "200ms",
                    "interval": "200ms",
                    "call_threshold": 0.0,
                    "refuse_above_leverage": 1e12,  # they roll every loan
                },
            }
        ],
    )
    found = ladder.run(scenario, spec.seed)
    return {"fall": ladder.PRICE - found.mid_ticks, "sold": found.sold}


def in_the_book(cases: list[Case], losses: list[float]) -> np.ndarray:
    """Falls of the mid in ticks, by case."""
    points: list[dict[str, Value]] = []
    for case, loss in zip(cases, losses, strict=True):
        reach = min(case.position // case.slope, round(4 * fall_along_the_ladder(case, abs(loss))) + 200)
        points.append(msgspec.to_builtins(case) | {"loss": loss, "reach": reach})
    return np.asarray(run_cells(one_book, points, 1)["fall"].to_numpy())


# --- the answer ---------------------------------------------------------------------------------------------


def judge(name: str, case: Case, loss: float, rounds: float, book: float) -> list[Row]:
    """Hold the falls of one case, in ticks, against the formula and the root."""
    root = fall_along_the_ladder(case, loss)
    # In a round the sale that the old price asks for is made at once, also where a hedge or margin then gives way.
    at_once = min(loss / case.margin, case.position) / case.slope
    if case.denominator <= 0:
        claim = f"{name}, in rounds: no small answer; fall (ticks)"
        return [identical(claim, rounds, *_in_rounds(root, at_once), 1e-3 * root)]
    # The book's mid is half a tick off the line of demand at most, and a mark half a tick off the mid; what that does
    # to own funds and margins the spirals carry on.
    ticks = 1.0 + 0.5 * (case.exposed + abs(case.margin_slope) * case.position) / case.denominator
    rows = [
        identical(f"fall, {name}, in rounds (ticks)", rounds, *_in_rounds(root, at_once), 1e-4 * root),
        identical(f"fall, {name}, order book (ticks)", book, root, _ALONG, ticks),
    ]
    if not is_linear(case, loss):
        return rows
    million = 1e6
    one_round = case.slope * case.margin < case.denominator
    for where, found, theory, rounding, source in (
        (
            "in rounds",
            rounds,
            1 / min(case.denominator, case.slope * case.margin),
            0.0,
            _AT_ONCE if one_round else SOURCE,
        ),
        ("order book", book, 1 / case.denominator, 0.5 / loss, SOURCE),
    ):
        claim = f"dp/dη, {name}, {where} (ticks per million)"
        slack = million * (LINEAR * theory + rounding)
        rows.append(identical(claim, million * found / loss, million * theory, source, slack))
    return rows


def _in_rounds(root: float, at_once: float) -> tuple[float, str]:
    """The fall in rounds, and where it comes from."""
    return (root, _ALONG) if root >= at_once else (at_once, _AT_ONCE)


def run(
    position: Annotated[int, typer.Option(help="x: lots held at the opening.", min=100)] = 100_000,
    margin: Annotated[float, typer.Option(help="m at the opening price, as a fraction of it.")] = 0.05,
    margin_slope: Annotated[
        float, typer.Option(help="m': ticks of margin per tick of price; at most --margin.")
    ] = -0.5,
    slope: Annotated[int, typer.Option(help="2/γσ²: lots that customers buy a tick lower.", min=1)] = 4,
    fall: Annotated[
        float, typer.Option(help="Fall for which the loss is chosen; the formula is of first order.")
    ] = 1e-4,
) -> Outcome:
    """Run the speculator with neither spiral, each and both, in rounds and in the order book."""
    if not 0 < margin < 1:
        raise InputError(f"expected a fraction between 0 and 1, got {margin}", "--margin")
    if not -np.inf < margin_slope <= margin:
        raise InputError(f"haircuts never fall as the price does: expected at most {margin}, got {margin_slope}",
                         "--margin-slope")  # fmt: skip
    if not 0 < fall <= _LARGEST_FALL:
        raise InputError(f"expected a fraction above 0 and at most {_LARGEST_FALL}, got {fall}", "--fall")
    cases = cases_of(position, margin, margin_slope, slope)
    most = max(abs(case.denominator or slope * case.margin) for case in cases.values()) * ladder.PRICE
    if fall * most > margin * ladder.PRICE * position / 2:
        raise InputError(
            f"the loss for a fall of {fall:g} is more than half of the speculator's own funds: "
            f"expected at most {margin * ladder.PRICE * position / 2 / most:.3g}",
            "--fall",
        )
    losses = {name: fall * ladder.PRICE * abs(case.denominator or slope * case.margin) for name, case in cases.items()}
    rounds = {name: in_rounds(case, losses[name]) for name, case in cases.items()}
    stable = [name for name, case in cases.items() if case.denominator > 0]
    worst = cases[stable[-1]] if stable else None
    # The last stable case also without a loss, and with own funds to spare.
    books = in_the_book(
        [cases[name] for name in stable] + ([worst, worst] if worst else []),
        [losses[name] for name in stable] + ([0.0, -losses[stable[-1]]] if worst else []),
    )
    book = dict(zip(stable, books, strict=False))
    rows = [
        row for name in cases for row in judge(name, cases[name], losses[name], rounds[name], book.get(name, np.nan))
    ]
    if stable:
        rows += [
            identical("order book: fall without a loss (ticks)", books[-2], 0.0, "control"),
            identical("order book: fall with slack funding (ticks)", books[-1], 0.0, f"{SOURCE} (i)"),
        ]
    rows += _multipliers(cases, losses, rounds)
    table = _table(cases, losses, rounds, book)
    return Outcome(rows, lambda path: _draw(path, cases, losses, book, fall), [table])


def _multipliers(cases: dict[str, Case], losses: dict[str, float], rounds: dict[str, float]) -> list[Row]:
    """By what each spiral multiplies the fall, and both together."""
    if min(case.denominator for case in cases.values()) <= 0:
        return []
    if not all(is_linear(case, losses[name]) for name, case in cases.items()):
        return []
    answer = {name: rounds[name] / losses[name] for name in cases}
    base, plain = answer["no spiral"], cases["no spiral"].denominator
    rows = []
    for name in ("loss spiral", "margin spiral", "both spirals"):
        theory = plain / min(plain, cases[name].denominator)
        claim = f"in rounds: {name} multiplies the fall by"
        rows.append(identical(claim, answer[name] / base, theory, SOURCE, 2 * LINEAR * theory))
    return rows


def _table(
    cases: dict[str, Case], losses: dict[str, float], rounds: dict[str, float], book: dict[str, float]
) -> ResultTable:
    rows = []
    for name, case in cases.items():
        root = fall_along_the_ladder(case, losses[name])
        rows.append([name, case.exposed, case.margin_slope, case.denominator, losses[name], root, rounds[name],
                     float(book[name]) if name in book else "not run: unstable"])  # fmt: skip
    columns = ["case", "x₀ (lots)", "m'", "denominator (lots)", "loss η", "fall: root", "in rounds", "order book"]
    return ResultTable("falls in ticks", columns, rows)


def _draw(path: Path, cases: dict[str, Case], losses: dict[str, float], book: dict[str, float], fall: float) -> None:
    figure, (left, right) = new_figure(2)
    colours = dict(zip(cases, ("tab:gray", "tab:blue", "tab:orange", "tab:red"), strict=True))
    top = max(losses.values())
    for name, case in cases.items():
        grid = np.linspace(0, top, 60)
        falls = np.array([fall_along_the_ladder(case, x) for x in grid])
        shown = falls <= 12 * fall * ladder.PRICE
        left.plot(grid[shown] / 1e6, falls[shown], color=colours[name], lw=1.5, label=name)
        if case.denominator > 0:
            tangent = grid / case.denominator
            left.plot(grid[shown] / 1e6, tangent[shown], color=colours[name], ls=":", lw=1)
        if name in book:
            left.plot([losses[name] / 1e6], [book[name]], "o", color=colours[name])
    left.set(xlabel="loss of own funds η (million)", ylabel="fall of the price (ticks)")
    left.set_title("Lines: roots; dotted: dp/dη; dots: order book", fontsize="medium")
    left.legend()
    both = cases["both spirals"]
    slopes = np.geomspace(0.3, 30, 200) * (both.exposed - both.margin_slope * both.position) / both.margin
    for name, case in cases.items():
        below = slopes * case.margin + case.margin_slope * case.position - case.exposed
        ratio = np.where(below > 0, slopes * case.margin / np.where(below > 0, below, 1.0), np.nan)
        right.plot(slopes, ratio, color=colours[name], label=name)
    right.axvline(both.slope, color="grey", ls=":", lw=1)
    right.set(
        xscale="log", ylim=(0, 10), xlabel="customers' demand 2/γσ² (lots a tick)", ylabel="multiplier of the fall"
    )
    right.set_title("Each line ends where its denominator is 0", fontsize="medium")
    right.legend()
    save(figure, path)


EXPERIMENT = Experiment(
    "loss_and_margin_spiral",
    run,
    cases=[{}, {"slope": 8, "margin_slope": -0.9}, {"margin_slope": 0.05}, {"slope": 2}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
