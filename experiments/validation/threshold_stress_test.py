"""Does the classical stress test with leverage thresholds, run step by step on our balance sheets, come out the same?

Banks hold cash, two securities and other assets against a loan, other liabilities and equity. One security falls.
A bank whose equity over assets is below the minimum is in default; one below the buffer wants to be back at the
target: it pays its loan with cash, puts securities up for sale in proportion to what it holds, and pays with the
proceeds at the next step. What is put up in one step clears in the next, together with everything that banks hold
that defaulted in between. The price of a security becomes P·exp(-βf) for the share f of the system's opening holdings
that clears, with β = -ln(1-π)/0.05: it falls by π when a twentieth is sold. Sales settle halfway between the old and
the new price, and everybody marks to the new one.

Source: the fire-sale part of Farmer, Kleinnijenhuis, Nahai-Williamson and Wetzer (2020), "Foundations of system-wide
stress testing with heterogeneous institutions", BankWithLoan of England Staff Working Paper 861; thresholds of Cont and
Schaanning (2017), impact of Cifuentes, Ferrucci and Shin (2005).

Expected, before the first run: the program's sheets, constraint, liquidation sequence and market give, in every step
and for every bank, what this paragraph gives when it is worked out in plain numbers (``by_hand``, which uses nothing
of the program): to 1e-9, or a million millionth of the largest sheet. ``--banks FILE`` takes any banks; with
``--target`` equal to ``--buffer`` it is leverage targeting.
"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.bank_files import Amount, check_names, context, finite, read, scale_of, sheet
from experiments.validation.common import new_figure, save
from lob_sim.balance.constraints import SlrConstraint, ThresholdLeverageConstraint
from lob_sim.balance.liquidation_sequence import CashThenProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row, identical
from lob_sim.stress_test.cascade import CascadeMember
from lob_sim.stress_test.step_market import NoStepImpact, ShareSoldImpact, StepMarket
from lob_sim.stress_test.steps import run_steps

BANKS = Path(__file__).with_suffix(".toml")
SOURCE = "Farmer et al. (2020), worked out in plain numbers"
SHARE = 0.05
"""The share of the system's holdings whose sale makes a price fall by π."""
_EXACT = 1e-9


class Security(StrEnum):
    """What falls."""

    CORPORATE = "corporate"
    GOVERNMENT = "government"


class BankWithLoan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bank at the opening, in any unit of money; equity is what balances it."""

    name: str
    cash: Amount
    corporate: Amount
    government: Amount
    other_assets: Amount
    loan: Amount
    other_liabilities: Amount

    @property
    def amounts(self) -> tuple[float, ...]:
        """Cash, two securities, other assets, loan, other liabilities."""
        return (
            self.cash,
            self.corporate,
            self.government,
            self.other_assets,
            self.loan,
            self.other_liabilities,
        )


class Banks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the input file says."""

    banks: list[BankWithLoan]


class Rules(msgspec.Struct, frozen=True):
    """What the banks and the market do.

    Attributes:
        minimum: Equity over assets below which a bank defaults.
        buffer: The same below which it delevers.
        target: The same to which it delevers.
        impact: π.
        shocks: Opening fall of each security, as a fraction.
        steps: How many.
    """

    minimum: float
    buffer: float
    target: float
    impact: float
    shocks: tuple[float, float]
    steps: int


class State(msgspec.Struct, frozen=True):
    """The system after a step, in the file's unit of money; arrays are by bank, holdings in units bought at 1."""

    prices: tuple[float, float]
    cash: np.ndarray
    loan: np.ndarray
    holdings: np.ndarray
    equity: np.ndarray
    defaulted: np.ndarray


def load(path: Path) -> list[BankWithLoan]:
    """Read the banks.

    Raises:
        DataError: Names file and field.
    """
    banks = read(path, Banks).banks
    check_names((bank.name for bank in banks), f"{path}: banks")
    for k, bank in enumerate(banks):
        for name, amount in msgspec.structs.asdict(bank).items():
            if name != "name":
                finite(amount, f"{path}: banks[{k}].{name}")
    return banks


def largest_of(banks: list[BankWithLoan]) -> float:
    """Assets of the largest bank; 1 when nobody has any."""
    return max(sum(bank.amounts[:4]) for bank in banks) or 1.0


# --- the program --------------------------------------------------------------------------------------------


def by_program(banks: list[BankWithLoan], rules: Rules) -> list[State]:
    """The stress test on the program's balance sheets."""
    market_context = context(Security)
    solvency = SlrConstraint(SlrConstraint.Params(minimum=rules.minimum), market_context)
    limit = ThresholdLeverageConstraint(
        ThresholdLeverageConstraint.Params(minimum=rules.buffer, target=rules.target), market_context
    )
    manager = RiskManager([limit], CashThenProRata(CashThenProRata.Params(), market_context))
    scale = scale_of(largest_of(banks))
    members = [CascadeMember(bank.name, _view(bank, scale), manager) for bank in banks]
    totals = [sum(member.view.lots[i] for member in members) for i in (0, 1)]
    beta = ShareSoldImpact.beta(rules.impact, SHARE)
    market = StepMarket(
        [1 - shock for shock in rules.shocks],
        [ShareSoldImpact(beta, total) if total else NoStepImpact() for total in totals],
    )
    states = []
    for step in run_steps(members, market, solvency, rules.steps):
        views = step.views
        states.append(
            State(
                (step.unit_cash[0], step.unit_cash[1]),
                np.array([v.cash for v in views]) / scale,
                np.array([v.short_term_cash for v in views]) / scale,
                np.array([v.lots for v in views]) / scale,
                np.array([v.tier1_cash for v in views]) / scale,
                np.array(step.defaulted),
            )
        )
    return states


def _view(bank: BankWithLoan, scale: float) -> SheetView:
    """A balance sheet whose lots are worth one unit of cash at the opening."""
    cash, corporate, government, other_assets, loan, other_liabilities = (scale * a for a in bank.amounts)
    lots = [float(round(corporate)), float(round(government))]
    equity = cash + sum(lots) + other_assets - loan - other_liabilities
    return sheet(lots, equity, cash=cash, other_assets=other_assets, loan=loan)


# --- plain numbers ------------------------------------------------------------------------------------------


def by_hand(banks: list[BankWithLoan], rules: Rules) -> list[State]:
    """The same, worked out with arrays of plain numbers; nothing of the program is used."""
    cash, corporate, government, other, loan, rest = np.array([bank.amounts for bank in banks]).T
    held = np.stack([corporate, government], axis=1)
    opening = held.sum(axis=0)
    prices = 1 - np.array(rules.shocks)
    beta = -math.log(1 - rules.impact) / SHARE
    up_for_sale = np.zeros_like(held)
    defaulted = np.zeros(len(banks), dtype=bool)
    fresh = defaulted.copy()
    states = []
    for _ in range(rules.steps):
        up_for_sale[fresh] = held[fresh]
        share = np.divide(up_for_sale.sum(axis=0), opening, out=np.zeros(2), where=opening > 0)
        new_prices = prices * np.exp(-beta * share)
        cash = cash + up_for_sale @ (prices + new_prices) / 2
        held, prices = held - up_for_sale, new_prices
        assets = cash + held @ prices + other
        equity = assets - loan - rest
        fresh = ~defaulted & (equity < rules.minimum * assets)
        defaulted = defaulted | fresh
        acts = ~defaulted & (equity < rules.buffer * assets)
        needed = np.where(acts, np.maximum(0.0, assets - equity / rules.target), 0.0)
        paid = np.minimum(np.minimum(needed, cash), loan)
        cash, loan = cash - paid, loan - paid
        to_raise = np.maximum(0.0, needed - paid - cash)
        value = held @ prices
        portion = np.minimum(1.0, np.divide(to_raise, value, out=np.zeros_like(value), where=value > 0))
        up_for_sale = held * portion[:, None]
        states.append(State((prices[0], prices[1]), cash, loan, held, equity, defaulted))
    return states


# --- verdicts -----------------------------------------------------------------------------------------------


def differences(found: list[State], expected: list[State], largest: float) -> dict[str, float]:
    """Largest difference of each quantity over banks and steps, relative to its size or a thousandth of ``largest``."""
    worst: dict[str, float] = {}
    for a, b in zip(found, expected, strict=True):
        for name in ("prices", "cash", "loan", "holdings", "equity"):
            x, y = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
            size = np.abs(y) if name == "prices" else np.maximum(np.abs(y), 1e-3 * largest)
            worst[name] = max(worst.get(name, 0.0), float(np.max(np.abs(x - y) / size)))
    return worst


def judge(found: list[State], expected: list[State], largest: float) -> list[Row]:
    """Hold what the program found against plain numbers."""
    last, end = found[-1], expected[-1]
    rows = []
    for i, name in enumerate(Security):
        claim = f"price of the {name} security in the end (1 before the shock)"
        rows.append(identical(claim, last.prices[i], end.prices[i], SOURCE, _EXACT * end.prices[i]))
    for claim, a, b in (
        ("equity of all banks in the end", last.equity.sum(), end.equity.sum()),
        ("loans of all banks in the end", last.loan.sum(), end.loan.sum()),
    ):
        rows.append(identical(claim, a, b, SOURCE, _EXACT * float(np.abs(end.equity).sum() + end.loan.sum())))
    defaults = [float(state.defaulted.sum()) for state in (last, end)]
    rows.append(identical("banks in default in the end", defaults[0], defaults[1], SOURCE))
    unlike = sum(float((a.defaulted != b.defaulted).sum()) for a, b in zip(found, expected, strict=True))
    rows.append(identical("banks in default in one and not in the other, over all steps", unlike, 0.0, SOURCE))
    for quantity, worst in differences(found, expected, largest).items():
        rows.append(identical(f"{quantity}: largest relative difference in any step", worst, 0.0, SOURCE, _EXACT))
    return rows


def run(
    banks: Annotated[Path, typer.Option(help="TOML file of banks; see the one beside this experiment.")] = BANKS,
    shock: Annotated[float, typer.Option(help="Fall of the shocked security, as a fraction.", min=0, max=0.999)] = 0.2,
    security: Annotated[Security, typer.Option(help="The security that falls.")] = Security.GOVERNMENT,
    impact: Annotated[float, typer.Option(help="π: fall of a price when 5 % is sold.", min=0, max=0.999)] = 0.05,
    minimum: Annotated[float, typer.Option(help="Equity over assets below which a bank defaults.")] = 0.03,
    buffer: Annotated[float, typer.Option(help="Equity over assets below which it delevers.")] = 0.04,
    target: Annotated[float, typer.Option(help="Equity over assets to which it delevers.")] = 0.05,
    steps: Annotated[int, typer.Option(help="Steps.", min=1, max=10_000)] = 10,
) -> Outcome:
    """Run the stress test on the program's balance sheets and in plain numbers."""
    for name, value in (("--minimum", minimum), ("--buffer", buffer), ("--target", target)):
        if not 0 < value <= 1:
            raise InputError(f"expected a ratio above 0 and at most 1, got {value}", name)
    if target < buffer:
        raise InputError(f"{target} is below the buffer of {buffer}: expected at least that", "--target")
    system = load(Path(banks))
    fallen = Security(security)
    shocks = (shock, 0.0) if fallen is Security.CORPORATE else (0.0, shock)
    rules = Rules(minimum, buffer, target, impact, shocks, steps)
    found, expected = by_program(system, rules), by_hand(system, rules)
    tables = [_steps_table(system, found), _banks_table(system, rules, found)]
    return Outcome(
        judge(found, expected, largest_of(system)), lambda path: _draw(path, system, rules, found, expected), tables
    )


def _steps_table(banks: list[BankWithLoan], states: list[State]) -> ResultTable:
    opening = np.array([[bank.corporate, bank.government] for bank in banks]).sum(axis=0)
    rows = []
    for k, state in enumerate(states, 1):
        left = np.divide(state.holdings.sum(axis=0), opening, out=np.ones(2), where=opening > 0)
        counts = [int(state.defaulted.sum()), float(state.equity.sum())]
        rows.append([str(k), *map(float, state.prices), *(float(1 - x) for x in left), *counts])
    columns = ["step", "price corporate", "price government", "sold corporate", "sold government", "defaults", "equity"]
    return ResultTable("the system, step by step (sold: share of opening holdings)", columns, rows)


def ratios(banks: list[BankWithLoan], state: State) -> np.ndarray:
    """Equity over assets by bank; NaN without assets."""
    assets = state.cash + state.holdings @ np.array(state.prices) + np.array([bank.other_assets for bank in banks])
    found: np.ndarray = np.divide(state.equity, assets, out=np.full(len(banks), np.nan), where=assets > 0)
    return found


def opening_state(banks: list[BankWithLoan], shocks: tuple[float, float]) -> State:
    """The system as the shock leaves it."""
    cash, corporate, government, other, loan, rest = np.array([bank.amounts for bank in banks]).T
    held = np.stack([corporate, government], axis=1)
    prices = (1 - shocks[0], 1 - shocks[1])
    equity = cash + held @ np.array(prices) + other - loan - rest
    return State(prices, cash, loan, held, equity, np.zeros(len(banks), dtype=bool))


def _banks_table(banks: list[BankWithLoan], rules: Rules, states: list[State]) -> ResultTable:
    before = ratios(banks, opening_state(banks, (0.0, 0.0)))
    shocked = ratios(banks, opening_state(banks, rules.shocks))
    last = ratios(banks, states[-1])
    rows = []
    for k, bank in enumerate(banks):
        at = next((str(n) for n, state in enumerate(states, 1) if state.defaulted[k]), "never")
        sold = bank.corporate + bank.government - float(states[-1].holdings[k].sum())
        rows.append([bank.name, *(f"{100 * r[k]:.2f} %" for r in (before, shocked, last)), at, sold])
    columns = ["bank", "equity/assets before", "after the shock", "in the end", "defaults in step", "sold (at 1)"]
    return ResultTable("the banks", columns, rows)


def _draw(path: Path, banks: list[BankWithLoan], rules: Rules, found: list[State], expected: list[State]) -> None:
    figure, (left, right) = new_figure(2)
    at = np.arange(len(found) + 1)
    for i, (name, colour) in enumerate(zip(Security, ("tab:orange", "tab:blue"), strict=True)):
        opening = 1 - rules.shocks[i]
        left.plot(at, [opening, *(s.prices[i] for s in expected)], color=colour, lw=4, alpha=0.3)
        left.plot(at, [opening, *(s.prices[i] for s in found)], "o-", color=colour, ms=4, label=name)
    left.set(
        xlabel="step (0: after the shock)", ylabel="price (1 before the shock)", title="Prices; pale: plain numbers"
    )
    left.legend()
    paths = np.array([ratios(banks, s) for s in (opening_state(banks, rules.shocks), *found)])
    for k, bank in enumerate(banks):
        alive = np.append([True], [not s.defaulted[k] for s in found])
        until = int(alive.sum()) + (not alive.all())
        (line,) = right.plot(at[:until], 100 * paths[:until, k], lw=1.5, label=bank.name if len(banks) <= 10 else None)
        if not alive.all():
            right.plot(at[until - 1], 100 * paths[until - 1, k], "x", color=line.get_color(), ms=8)
    levels: dict[float, list[str]] = {}
    for value, level in ((rules.minimum, "minimum"), (rules.buffer, "buffer"), (rules.target, "target")):
        levels.setdefault(value, []).append(level)
    for value, named in levels.items():
        right.axhline(100 * value, color="grey", ls=":", lw=1)
        right.annotate(" = ".join(named), (at[-1], 100 * value), ha="right", va="bottom", fontsize="small")
    right.set(xlabel="step (0: after the shock)", ylabel="equity over assets (%)", title="Banks; a cross is a default")
    if len(banks) <= 10:
        right.legend(fontsize="small", ncols=2)
    save(figure, path)


EXPERIMENT = Experiment(
    "threshold_stress_test",
    run,
    cases=[
        {},
        {"buffer": 0.05, "shock": 0.05},
        {"shock": 0.05},
        {"impact": 0.0},
        {"security": Security.CORPORATE, "shock": 0.3},
    ],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
