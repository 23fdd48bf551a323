"""Do banks that delever past a threshold only, or always back to their leverage, make different fire sales?

A fraction of illiquid assets is lost. Under the threshold rule a bank whose assets over equity exceed ``--maximum``
sells securities, in proportion, until they are at ``--buffered``; under targeting every bank returns to the leverage
it had. Who has no equity left sells everything. In each round the value q that all sell of a security takes its price
S down by the factor Ψ(q) = (1 - B/S)(1 - exp(-q/δ)), sellers get the mean of the two prices, all mark, and the next
round begins.

Source: Cont and Schaanning (2017), "Fire sales, indirect contagion and systemic stress testing", Norges Bank Working
Paper 2/2017, sections 2 and 3; leverage targeting as in Greenwood, Landier and Thesmar (2015).

Expected, before the first run: under the threshold rule there is no fire sale up to a shock of

    min over banks of (λ·E - A) / (I·(λ - 1)),    I illiquid, A all assets, E equity, λ the maximum,

and one beyond it; targeting sells after any shock. Losses, prices and volumes of the program's balance sheets, in
every round and for either rule, are those of the same recursion in plain arrays. In the order book, where a dealer
with the same limit works its sale against a ladder of customers, it sells nothing below the threshold, and beyond it
to where leverage is back at ``--buffered``, not where it is at the maximum: to the root of a quadratic equation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from experiments.validation.bank_files import (
    Amount,
    PositiveAmount,
    amounts_of,
    check_names,
    context,
    finite,
    read,
    scale_of,
    sheet,
)
from experiments.validation.common import new_figure, save
from experiments.validation.deleveraging_dealer import Rule, book_root, book_rows, book_threshold, opening_leverage
from lob_sim.balance.constraints import Constraint, SlrConstraint, ThresholdLeverageConstraint
from lob_sim.balance.liquidation_sequence import ProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.view import SheetContext
from lob_sim.errors import DataError, InputError
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row, identical
from lob_sim.stress_test.cascade import CascadeMember, CascadeResult, run_cascade
from lob_sim.stress_test.step_market import PsiImpact, StepMarket

BANKS = Path(__file__).with_suffix(".toml")
SOURCE = "Cont & Schaanning 2017, sections 2, 3"
_EXACT = 1e-9


class Security(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A security and the depth of its market."""

    name: str
    depth: PositiveAmount


class BankWithSecurities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bank at the opening, in any unit of money; debt is the rest."""

    name: str
    equity: PositiveAmount
    illiquid: Amount
    securities: dict[str, Amount]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says."""

    securities: list[Security]
    banks: list[BankWithSecurities]


class System(msgspec.Struct, frozen=True):
    """Banks as arrays, and the rules."""

    banks: list[str]
    securities: list[str]
    depth: np.ndarray
    equity: np.ndarray
    illiquid: np.ndarray
    held: np.ndarray
    floor: float
    maximum: float
    buffered: float

    @property
    def assets(self) -> np.ndarray:
        """All assets, by bank."""
        return np.asarray(self.illiquid + self.held.sum(axis=1))


def load(path: Path, floor: float, maximum: float, buffered: float) -> System:
    """Read the banks.

    Raises:
        DataError: Names file and field.
    """
    found = read(path, Input)
    check_names((security.name for security in found.securities), f"{path}: securities")
    check_names((bank.name for bank in found.banks), f"{path}: banks")
    names = [security.name for security in found.securities]
    rows = []
    for k, bank in enumerate(found.banks):
        where = f"{path}: banks[{k}]"
        finite(bank.illiquid, f"{where}.illiquid")
        rows.append(amounts_of(bank.securities, names, "security", f"{where}.securities"))
        if bank.equity > bank.illiquid + sum(rows[-1]):
            raise DataError(f"equity of {bank.equity:g} is more than all assets", f"{where} ({bank.name})")
    return System(
        [bank.name for bank in found.banks],
        names,
        np.array([finite(s.depth, f"{path}: securities[{k}].depth") for k, s in enumerate(found.securities)]),
        np.array([bank.equity for bank in found.banks]),
        np.array([bank.illiquid for bank in found.banks]),
        np.array(rows),
        floor,
        maximum,
        buffered,
    )


# --- references ---------------------------------------------------------------------------------------------


class Round(msgspec.Struct, frozen=True):
    """After a round: prices (1 at the opening), equity by bank, and value sold in the round, by security."""

    prices: np.ndarray
    equity: np.ndarray
    sold: np.ndarray


def recursion(system: System, rule: Rule, shock: float, rounds: int) -> list[Round]:
    """The paper's rounds in plain arrays."""
    equity = system.equity - shock * system.illiquid
    illiquid = (1 - shock) * system.illiquid
    held, prices = system.held.copy(), np.ones(len(system.securities))
    own = system.assets / system.equity
    history = []
    for _ in range(rounds):
        value = held @ prices
        assets = illiquid + value
        aim = np.full(len(equity), system.buffered) if rule is Rule.THRESHOLD else own
        acts = assets > (system.maximum if rule is Rule.THRESHOLD else own) * equity
        wanted = np.divide(assets - aim * equity, value, out=np.zeros_like(value), where=value > 0)
        share = np.where(equity <= 0, 1.0, np.where(acts, np.clip(wanted, 0.0, 1.0), 0.0))
        sold = share @ held * prices
        psi = (1 - system.floor / prices) * (1 - np.exp(-sold / system.depth))
        after = prices * (1 - psi)
        equity = equity - (held * (1 - share[:, None] / 2)) @ (prices - after)
        held, prices = held * (1 - share[:, None]), after
        history.append(Round(prices, equity, sold))
    return history


def threshold(system: System) -> float:
    """Largest shock without a fire sale under the threshold rule; infinite when none is large enough.

    A bank without securities has nothing to sell.
    """
    room = np.where(system.held.sum(axis=1) > 0, system.maximum * system.equity - system.assets, np.inf)
    shocks = np.divide(
        room, (system.maximum - 1) * system.illiquid, out=np.full(len(room), np.inf), where=system.illiquid > 0
    )
    return max(0.0, float(np.where((system.illiquid == 0) & (room < 0), 0.0, shocks).min()))


# --- the program's balance sheets ---------------------------------------------------------------------------


def cascade(system: System, rule: Rule, shock: float, rounds: int) -> tuple[CascadeResult, list[Round]]:
    """The same on the program's balance sheets."""
    market_context = context(system.securities)
    cut = scale_of(float(system.assets.max()))
    order = ProRata(ProRata.Params(), market_context)
    members = []
    for k, name in enumerate(system.banks):
        lots = np.rint(cut * system.held[k]).tolist()
        view = sheet(lots, cut * system.equity[k], other_assets=cut * system.illiquid[k])
        lost = shock * view.other_assets_cash
        view.other_assets_cash -= lost
        view.tier1_cash -= lost
        own = min(1.0, float(system.equity[k] / system.assets[k]))
        members.append(CascadeMember(name, view, RiskManager([limit(system, rule, own, market_context)], order)))
    impacts = [PsiImpact(system.floor, cut * depth) for depth in system.depth]
    result = run_cascade(members, StepMarket([1.0] * len(impacts), impacts), max_rounds=rounds)
    prices = np.ones(len(impacts))
    history = []
    for done in result.rounds:
        sold = np.array(done.sold).sum(axis=0) * prices / cut
        prices = np.array(done.unit_cash)
        history.append(Round(prices, np.array(done.tier1_cash) / cut, sold))
    return result, history


def limit(system: System, rule: Rule, own_ratio: float, market_context: SheetContext) -> Constraint:
    """A bank's limit: the program wants equity over assets, which is one over leverage."""
    if rule is Rule.TARGETING:
        return SlrConstraint(SlrConstraint.Params(minimum=own_ratio), market_context)
    params = ThresholdLeverageConstraint.Params(minimum=1 / system.maximum, target=1 / system.buffered)
    return ThresholdLeverageConstraint(params, market_context)


def first_fire_sale(system: System) -> float:
    """Smallest shock after which the program's banks sell under the threshold rule, by bisection; 1 if none does."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if cascade(system, Rule.THRESHOLD, middle, 1)[0].rounds:
            high = middle
        else:
            low = middle
    return high


def judge(system: System, rule: Rule, shock: float, rounds: int) -> list[Row]:
    """Hold the program's rounds against the recursion."""
    _, found = cascade(system, rule, shock, rounds)
    expected = recursion(system, rule, shock, rounds)
    # When nobody has a lot left to sell the program stops; from there on nothing changes.
    still = [Round(found[-1].prices if found else np.ones(len(system.securities)),
                   found[-1].equity if found else system.equity - shock * system.illiquid,
                   np.zeros(len(system.securities)))]  # fmt: skip
    found = found + still * (rounds - len(found))
    scale = float(system.assets.sum())
    worst_price = max(float(np.abs(a.prices / b.prices - 1).max()) for a, b in zip(found, expected, strict=True))
    worst_equity = max(float(np.abs(a.equity - b.equity).max()) for a, b in zip(found, expected, strict=True)) / scale
    sold, sold_expected = (float(sum(r.sold.sum() for r in history)) for history in (found, expected))
    start = float((system.equity - shock * system.illiquid).sum())
    opening = float(system.equity.sum())
    loss, loss_expected = ((start - float(h[-1].equity.sum())) / opening for h in (found, expected))
    # Sales below a lot are not made.
    slack = _EXACT * scale
    where = f"{rule}, shock {100 * shock:.4g} %"
    return [
        identical(f"sold, {where}", sold, sold_expected, SOURCE, slack),
        identical(f"loss by the fire sale / opening equity, {where}", loss, loss_expected, SOURCE, slack / opening),
        identical(f"largest relative difference of a price in any round, {where}", worst_price, 0.0, SOURCE, _EXACT),
        identical(f"largest difference of equity / all assets, {where}", worst_equity, 0.0, SOURCE, _EXACT),
    ]


# --- the answer ---------------------------------------------------------------------------------------------


def run(
    banks: Annotated[Path, typer.Option(help="TOML file of securities and banks; see the one beside this.")] = BANKS,
    shock: Annotated[float, typer.Option(help="Share of illiquid assets that is lost.", min=0, max=1)] = 0.02,
    maximum: Annotated[
        float, typer.Option(help="Leverage (assets over equity) above which banks sell.", max=200)
    ] = 33.0,
    buffered: Annotated[float, typer.Option(help="Leverage to which they sell.")] = 31.35,
    floor: Annotated[float, typer.Option(help="B: price at which others buy, of 1 at the opening.", min=0)] = 0.5,
    rounds: Annotated[int, typer.Option(help="Rounds of sales.", min=1, max=500)] = 20,
) -> Outcome:
    """Compare threshold deleveraging with leverage targeting, in rounds and in the order book."""
    if not floor < 1:
        raise InputError(f"expected a price from 0 to below 1, got {floor}", "--floor")
    if not 1 < buffered <= maximum:
        raise InputError(f"expected more than 1 and at most the maximum of {maximum}, got {buffered}", "--buffered")
    system = load(Path(banks), floor, maximum, buffered)
    edge = threshold(system)
    rows = [identical("largest shock without a fire sale (threshold rule; 1: all)", first_fire_sale(system),
                      min(1.0, edge), SOURCE, _EXACT)]  # fmt: skip
    if 0 < edge < np.inf:
        calm = 0.99 * min(1.0, edge)
        rows += judge(system, Rule.THRESHOLD, calm, rounds)[:1] + judge(system, Rule.TARGETING, calm, rounds)[:2]
        rows.append(_some(system, calm))
    for rule in Rule:
        rows += judge(system, rule, shock, rounds)
    more, sold, shocks = book_rows(maximum, buffered)
    return Outcome(
        rows + more,
        lambda path: _draw(path, system, edge, rounds, sold, shocks),
        [_table(system, shock, rounds)],
    )


def _some(system: System, calm: float) -> Row:
    """Targeting sells after a shock that the threshold rule bears, where there is anything to sell."""
    result, _ = cascade(system, Rule.TARGETING, calm, 1)
    levered = (system.assets > system.equity) & (system.illiquid > 0) & (system.held.sum(axis=1) > 0)
    sellers = sum(any(lots) for lots in result.rounds[0].sold) if result.rounds else 0
    claim = "targeting: banks that sell after 99 % of that shock"
    return identical(claim, sellers, float(levered.sum()), SOURCE)


def fire_sale_loss(system: System, rule: Rule, shock: float, rounds: int) -> float:
    """Loss of equity by the sales alone, over opening equity."""
    _, history = cascade(system, rule, shock, rounds)
    start = float((system.equity - shock * system.illiquid).sum())
    return (start - float(history[-1].equity.sum())) / float(system.equity.sum()) if history else 0.0


def _table(system: System, shock: float, rounds: int) -> ResultTable:
    rows = []
    for share in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        at = min(1.0, share * shock)
        losses = [fire_sale_loss(system, rule, at, rounds) for rule in Rule]
        rows.append([f"{100 * at:.3g} %", float(at * system.illiquid.sum() / system.equity.sum()), *losses])
    columns = ["shock", "loss by the shock / equity", "by sales: threshold", "by sales: targeting"]
    return ResultTable("losses over opening equity", columns, rows)


def _draw(
    path: Path, system: System, edge: float, rounds: int, sold: dict[Rule, list[float]], shocks: list[float]
) -> None:
    figure, (left, right) = new_figure(2)
    top = min(1.0, 3 * edge) if 0 < edge < np.inf else 0.05
    grid = np.linspace(0, top, 41)
    for rule, colour in zip(Rule, ("tab:blue", "tab:orange"), strict=True):
        left.plot(100 * grid, [fire_sale_loss(system, rule, float(x), rounds) for x in grid], color=colour, label=rule)
        right.plot(100 * np.array(shocks), sold[rule], "o", color=colour, label=f"{rule}, order book")
    if 0 < edge < np.inf:
        left.axvline(100 * edge, color="grey", ls=":", label=f"threshold {100 * edge:.3g} %")
    left.set(xlabel="shock to illiquid assets (%)", ylabel="loss by fire sales / equity", title="Banks, in rounds")
    left.legend()
    leverage, limit_at = (
        opening_leverage(system.maximum, system.buffered),
        book_threshold(system.maximum, system.buffered),
    )
    fine = np.linspace(0, shocks[-1], 400)
    for rule, colour in zip(Rule, ("tab:blue", "tab:orange"), strict=True):
        aim, start = (system.buffered, limit_at) if rule is Rule.THRESHOLD else (leverage, 0.0)
        roots = [book_root(float(x), leverage, aim) if x > start else 0.0 for x in fine]
        right.plot(100 * fine, roots, color=colour, lw=1, label=f"{rule}, root")
    right.set(xlabel="shock to loans (%)", ylabel="bonds sold (lots)", title="A dealer in the order book")
    right.legend(fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment(
    "cont_schaanning",
    run,
    quick={"rounds": 6},
    cases=[{}, {"shock": 0.005}, {"shock": 0.05}, {"maximum": 25.0, "buffered": 20.0}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
