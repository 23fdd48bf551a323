"""What do banks lose by each other's fire sales, and whose sales are it, when all return to their leverage?

Assets fall; every bank sells in proportion to its portfolio until assets over equity are what they were; the price of
an asset falls in proportion to what all sell of it; everybody holds at the new prices. Only this one round counts.

Source: Greenwood, Landier and Thesmar (2015), "Vulnerable banks", J. Financial Economics 115, section 2: with A the
assets, B the debt over equity, M the portfolio weights, L the impact per unit of money sold, F the shock, E the equity
of all banks,

    aggregate vulnerability AV = 1'·A M L M' B A M F / E,

of which bank n causes its systemicness S(n), the part that goes through its own sales (they sum to AV), and suffers
its indirect vulnerability, its row over its own equity.

Expected, before the first run: ``lob_sim.stress_test.vulnerability`` gives the matrix product to rounding; the
balance sheets, leverage limits and rounds of ``lob_sim.stress_test.cascade``, with a market of linear impact, lose
for a vanishing shock AV times equity, and when one bank alone may sell, its systemicness; each of these to first
order in the shock, at the shock's ten-thousandth part. At the whole shock the sheets do what the formula leaves out:
sales are made in the proportions of shocked portfolios, and nobody sells more than there is. For that a reference is
worked out in plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
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
from lob_sim.balance.constraints import SlrConstraint
from lob_sim.balance.liquidation_sequence import ProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.errors import DataError
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row, identical
from lob_sim.stress_test.cascade import CascadeMember, run_cascade
from lob_sim.stress_test.step_market import LinearStepImpact, StepMarket
from lob_sim.stress_test.vulnerability import aggregate_vulnerability

BANKS = Path(__file__).with_suffix(".toml")
SOURCE = "Greenwood, Landier & Thesmar 2015, section 2"
SMALL = 1e-4
"""Share of the shock at which the balance sheets are held against the formula, which is of first order."""
_ROUNDING = 1e-12


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An asset: its price impact per unit of money sold, and the shock to it (a fall is positive)."""

    name: str
    impact: Amount
    shock: Annotated[float, msgspec.Meta(ge=0, le=1)]


class BankWithHoldings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bank: what it holds of each asset, and its equity; debt is the rest."""

    name: str
    equity: PositiveAmount
    holdings: dict[str, Amount]


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says."""

    assets: list[Asset]
    banks: list[BankWithHoldings]


class System(msgspec.Struct, frozen=True):
    """Banks and assets as arrays: names, holdings by bank and asset, equity, impact and shock."""

    banks: list[str]
    assets: list[str]
    holdings: np.ndarray
    equity: np.ndarray
    impact: np.ndarray
    shock: np.ndarray

    @property
    def debt_to_equity(self) -> np.ndarray:
        """B, by bank."""
        leverage: np.ndarray = self.holdings.sum(axis=1) / self.equity - 1
        return leverage


def load(path: Path, scale: float) -> System:
    """Read banks and assets, with all shocks multiplied by ``scale``.

    Raises:
        DataError: Names file and field: among others a bank whose equity is more than its assets, or not positive,
            for which the leverage that it returns to is not defined.
    """
    found = read(path, Input)
    check_names((asset.name for asset in found.assets), f"{path}: assets")
    check_names((bank.name for bank in found.banks), f"{path}: banks")
    names = [asset.name for asset in found.assets]
    rows = []
    for k, bank in enumerate(found.banks):
        where = f"{path}: banks[{k}]"
        rows.append(amounts_of(bank.holdings, names, "asset", f"{where}.holdings"))
        if bank.equity > sum(rows[-1]):
            told = f"equity of {bank.equity:g} is more than all assets, {sum(rows[-1]):g}: expected some debt or none"
            raise DataError(told, f"{where} ({bank.name})")
    shock = np.array(
        [scale * finite(asset.shock, f"{path}: assets[{k}].shock") for k, asset in enumerate(found.assets)]
    )
    if np.any(shock > 1):
        raise DataError(f"a shock of {shock.max():g}: prices cannot fall by more than all", "--scale")
    return System(
        [bank.name for bank in found.banks],
        names,
        np.array(rows),
        np.array([bank.equity for bank in found.banks]),
        np.array([finite(asset.impact, f"{path}: assets[{k}].impact") for k, asset in enumerate(found.assets)]),
        shock,
    )


# --- references ---------------------------------------------------------------------------------------------


class Vulnerability(msgspec.Struct, frozen=True):
    """AV, and by bank systemicness and indirect vulnerability."""

    aggregate: float
    systemicness: np.ndarray
    indirect: np.ndarray


def matrix_form(system: System) -> Vulnerability:
    """The paper's matrix product."""
    assets = system.holdings.sum(axis=1)
    a, b = np.diag(assets), np.diag(system.debt_to_equity)
    m, el = system.holdings / assets[:, None], np.diag(system.impact)
    # Losses by who suffers (rows) and who sells (columns).
    losses = (a @ m @ el @ m.T) * (b @ a @ m @ system.shock)
    equity = system.equity.sum()
    return Vulnerability(float(losses.sum() / equity), losses.sum(axis=0) / equity, losses.sum(axis=1) / system.equity)


def whole_step(system: System) -> np.ndarray:
    """Loss of each bank by one round of sales at the whole shock, in plain numbers: nothing is linearised."""
    values = system.holdings * (1 - system.shock)
    assets = values.sum(axis=1)
    equity = system.equity - (system.holdings - values).sum(axis=1)
    needed = np.maximum(0.0, assets - equity * (1 + system.debt_to_equity))
    share = np.minimum(1.0, np.divide(needed, assets, out=np.zeros_like(assets), where=assets > 0))
    falls = np.minimum(1.0, system.impact * (share @ values))
    return np.asarray(values @ falls)


# --- the program --------------------------------------------------------------------------------------------


def fire_sale_losses(system: System, scale: float, sellers: Sequence[int]) -> np.ndarray:
    """Loss of Tier 1 of each bank in one round of the program's cascade after the shock, times ``scale``.

    Args:
        system: The banks.
        scale: Multiplies the shock.
        sellers: The banks that have a leverage limit: the others hold what they hold.
    """
    market_context = context(system.assets)
    cut = scale_of(float(system.holdings.sum(axis=1).max()))
    shock = scale * system.shock
    order = ProRata(ProRata.Params(), market_context)
    members = []
    for k, name in enumerate(system.banks):
        lots = np.rint(cut * system.holdings[k]).tolist()
        view = sheet(lots, cut * system.equity[k])
        limits = []
        if k in sellers:
            minimum = min(1.0, system.equity[k] / system.holdings[k].sum())
            limits.append(SlrConstraint(SlrConstraint.Params(minimum=float(minimum)), market_context))
        members.append(CascadeMember(name, view, RiskManager(limits, order)))
    market = StepMarket(list(1 - shock), [LinearStepImpact(psi / cut) for psi in system.impact], settlement=1.0)
    for member in members:
        for i in range(len(system.assets)):
            member.view.mark(i, market.unit_cash(i))
    before = np.array([member.view.tier1_cash for member in members])
    run_cascade(members, market, max_rounds=1)
    losses: np.ndarray = (before - np.array([member.view.tier1_cash for member in members])) / cut
    return losses


# --- verdicts -----------------------------------------------------------------------------------------------


def judge(system: System) -> tuple[list[Row], Vulnerability]:
    """Hold the program's functions and balance sheets against the matrix form; returns also what sheets measured."""
    theory = matrix_form(system)
    equity = float(system.equity.sum())
    totals = system.holdings.sum(axis=1)
    weights = (system.holdings / totals[:, None]).tolist()
    av, parts = aggregate_vulnerability(
        totals.tolist(), system.debt_to_equity.tolist(), weights, system.impact.tolist(), system.shock.tolist()
    )
    everybody = range(len(system.banks))
    small = fire_sale_losses(system, SMALL, everybody) / SMALL
    alone = np.array([fire_sale_losses(system, SMALL, [k]).sum() for k in everybody]) / SMALL / equity
    measured = Vulnerability(float(small.sum() / equity), alone, small / system.equity)
    whole = fire_sale_losses(system, 1.0, everybody)
    # A sale is right to a lot of every asset and bank, which moves what all hold by the impact of a lot.
    lots = len(everybody) * (len(system.assets) + 1) / scale_of(float(totals.max()))
    lot_loss = lots * float(system.impact @ system.holdings.sum(axis=0))
    first_order = 3 * SMALL * float(np.abs(system.shock).max())
    rows = [
        identical("AV by the program's function", av, theory.aggregate, SOURCE, _ROUNDING * (1 + abs(av))),
        identical("sum of systemicness by the program's function", sum(parts), av, SOURCE, _ROUNDING * (1 + abs(av))),
        _near(
            "AV of the balance sheets, small shock", measured.aggregate, theory.aggregate, first_order, lot_loss, equity
        ),
        _near(
            "sum of their systemicness, one bank selling at a time",
            float(alone.sum()),
            theory.aggregate,
            first_order,
            len(everybody) * lot_loss,
            equity,
        ),
    ]
    for k, name in enumerate(system.banks):
        rows += [
            _near(
                f"systemicness of {name}: sheets, it alone sells",
                alone[k],
                theory.systemicness[k],
                first_order,
                lot_loss,
                equity,
            ),
            _near(
                f"indirect vulnerability of {name}: sheets",
                measured.indirect[k],
                theory.indirect[k],
                first_order,
                lot_loss,
                system.equity[k],
            ),
        ]
    expected = float(whole_step(system).sum() / equity)
    claim = "loss of the balance sheets by one round at the whole shock / equity"
    slack = 1e-9 * abs(expected) + lot_loss / equity
    rows.append(identical(claim, float(whole.sum() / equity), expected, "worked out in plain numbers", slack))
    return rows, measured


def _near(claim: str, value: float, reference: float, first_order: float, lot_loss: float, equity: float) -> Row:
    slack = abs(reference) * first_order + lot_loss / SMALL / equity
    return identical(claim, float(value), float(reference), SOURCE, slack)


def run(
    banks: Annotated[Path, typer.Option(help="TOML file of assets and banks; see the one beside this.")] = BANKS,
    scale: Annotated[float, typer.Option(help="Multiplies the shocks of the file.", min=0)] = 1.0,
) -> Outcome:
    """Hold vulnerability, systemicness and indirect vulnerability against the matrix form."""
    system = load(Path(banks), scale)
    rows, measured = judge(system)
    theory = matrix_form(system)
    direct = system.holdings @ system.shock / system.equity
    cells = [
        [
            name,
            float(system.holdings[k].sum()),
            float(system.debt_to_equity[k]),
            float(direct[k]),
            float(theory.systemicness[k]),
            float(theory.indirect[k]),
            "by the shock itself" if direct[k] >= 1 else "no",
        ]
        for k, name in enumerate(system.banks)
    ]
    columns = ["bank", "assets", "debt/equity", "direct loss/equity", "systemicness", "indirect vulnerability", "fails"]
    table = ResultTable(f"aggregate vulnerability {theory.aggregate:.6g} of equity", columns, cells)
    return Outcome(rows, lambda path: _draw(path, system, theory, measured), [table])


def _draw(path: Path, system: System, theory: Vulnerability, measured: Vulnerability) -> None:
    figure, (left, right) = new_figure(2)
    places = np.arange(len(system.banks))
    for shift, name, colour in ((-0.2, "systemicness", "tab:blue"), (0.2, "indirect", "tab:orange")):
        label = {"systemicness": "systemicness S(n)", "indirect": "indirect vulnerability IV(n)"}[name]
        left.bar(places + shift, getattr(theory, name), 0.38, color=colour, alpha=0.5, label=label)
        left.plot(places + shift, getattr(measured, name), "k_", ms=10)
    left.set_xticks(places, system.banks, rotation=30 if len(places) > 6 else 0)
    left.set(ylabel="loss over equity", title="Bars: matrix form; dashes: balance sheets")
    left.legend()
    top = 1.0 if system.shock.max() <= 0 else min(4.0, 1 / float(system.shock.max()))
    grid = np.linspace(0, top, 60)
    scaled = [msgspec.structs.replace(system, shock=x * system.shock) for x in grid]
    equity = system.equity.sum()
    right.plot(grid, [matrix_form(s).aggregate for s in scaled], label="AV, linear in the shock")
    right.plot(grid, [whole_step(s).sum() / equity for s in scaled], "k--", lw=1, label="one round, in plain numbers")
    points = np.linspace(0, top, 9)
    everybody = range(len(system.banks))
    right.plot(
        points,
        [fire_sale_losses(system, x, everybody).sum() / equity for x in points],
        "ro",
        ms=4,
        label="one round of the balance sheets",
    )
    right.set(
        xlabel="shock (1: the file's)", ylabel="loss by fire sales over equity", title="From small to large shocks"
    )
    right.legend()
    save(figure, path)


EXPERIMENT = Experiment("vulnerable_banks", run, cases=[{}, {"scale": 0.1}, {"scale": 6.0}])
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
