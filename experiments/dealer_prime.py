"""A leverage limit turns a loss into a sale: how much must Dealer Prime shed, and what does selling itself cost?

Dealer Prime, in billions: cash 50, Treasuries 200, corporates 150, other assets 100; funding 475; Tier 1 25:
a leverage ratio of 5.0 %, its minimum. Corporates fall by 4 %.

Expected (arithmetic of the leverage ratio; linear permanent impact as in Greenwood, Landier and Thesmar 2015,
"Vulnerable banks"): Tier 1 19, ratio 3.846 %, 114 to be shed, 19 times the loss. Proceeds kept as cash cure
nothing; retiring debt they cure, and funding falls to 361. Under cash first only 64 is sold. When a sale of x
moves the price by x/depth of itself, what must be sold is the root of E(x) = λ·A(x): 131.18 at a depth of
20,000, 150.84 at 10,000, 193.67 at 5,000; below a depth of 4,651.16 Treasuries alone cannot cure it, and the
sale spills into the next asset. All of this for any balance sheet, shock, minimum, depth and liquidation sequence that
the options name.

``--book`` sells into the running order book instead, against four makers who lean against their inventory by
the same slope. Stated before the first run: more is sold there than by the formula, because makers charge for
immediacy.

Learnt: that is so, by the amount that a half-spread of some ticks costs: each tick paid away is capital, and
19 times as much has to be shed for it. A dealer that finds its limit by steps, re-evaluating after each sale,
arrives where one that solves the equation in advance does: permanent impact does not depend on how a sale is
cut into pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from experiments.drawing import COLOURS, new_figure, save
from experiments.leverage_arithmetic import (
    Order,
    Prime,
    Reference,
    check,
    depth_threshold,
    reference,
    shed_without_impact,
)
from lob_sim.balance.constraints import SlrConstraint
from lob_sim.balance.liquidation_sequence import LIQUIDATION_SEQUENCES
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.balance.view import SheetContext
from lob_sim.experiment import EventCollector, Experiment, Outcome, Row, agrees, identical, mean_of, run_cells
from lob_sim.messages import OrderFilled, RfqTraded
from lob_sim.scenario import Scenario, load_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.stress_test.cascade import cure
from lob_sim.stress_test.impact import LinearImpact, NoImpact, ParametricMarket
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult
from lob_sim.units import Instrument, cash_unit_of, tick_lot_value

SCENARIO = Path(__file__).with_suffix(".toml")
BN = 10**9
_MAKERS = 4
_LOT_BN = 0.1  # in the order book
_LOT_TYPED_BN = 1e-9  # of the balance sheet that is typed in
_PAR_TICKS = 10_000
_DEPTHS = [20_000.0, 10_000.0, 5_000.0]
_EXACT = 1e-9
_ARITHMETIC = "arithmetic of the leverage ratio"
_ROOT = "root of E(x) = λ·A(x), linear impact"


# --- the dealer of the program -----------------------------------------------------------------------------


TREASURIES, CORPORATES = 0, 1


def _context() -> SheetContext:
    """Bonds with lots of one and ticks of a millionth: whatever is typed in is on the grid to nine places."""
    tick, lot, par = Decimal("0.000001"), Decimal(1), Decimal(100)
    unit, (value, _) = cash_unit_of([tick_lot_value(tick, lot, par)] * 2)
    names = ("treasuries", "corporates")
    instruments = tuple(Instrument(i, name, tick, lot, par, i + 1, value) for i, name in enumerate(names))
    return SheetContext(instruments, unit)


def shocked_sheet(prime: Prime, context: SheetContext) -> BalanceSheet:
    """The dealer's exact balance sheet after the shock; holdings in whole lots."""
    unit = float(context.cash_unit.size)
    opening = [round(prime.price * 10**6), 100 * 10**6]
    values = [i.value(ticks, 1) * unit / BN for i, ticks in zip(context.instruments, opening, strict=True)]
    sheet = BalanceSheet(
        context.instruments,
        cash=round(prime.cash * BN / unit),
        lots=[round(prime.treasuries / values[TREASURIES]), round(prime.corporates / values[CORPORATES])],
        marks_ticks=opening,
        other_assets_cash=round(prime.other * BN / unit),
        short_term_cash=round(prime.funding * BN / unit),
    )
    sheet.mark(CORPORATES, round(opening[CORPORATES] * (1 - prime.shock)))
    return sheet


def risk_manager(prime: Prime, context: SheetContext) -> RiskManager:
    """The leverage limit with the liquidation sequence."""
    slr = SlrConstraint(SlrConstraint.Params(minimum=prime.minimum), context)
    order = LIQUIDATION_SEQUENCES[prime.order.value]
    return RiskManager([slr], order(order.Params(), context))


def _exact_rows(prime: Prime) -> list[Row]:
    context = _context()
    unit = float(context.cash_unit.size) / BN
    sheet, manager = shocked_sheet(prime, context), risk_manager(prime, context)
    slr = manager.constraints[0]
    assert isinstance(slr, SlrConstraint)
    no_risk = [[0.0, 0.0], [0.0, 0.0]]
    tier1, assets, required = shed_without_impact(prime)
    view = sheet.view(no_risk)
    plan = manager.plan(view)
    # Amounts that are not whole lots are rounded when they are typed in, by so much.
    typed_in = abs(sheet.assets_cash * unit - assets)
    rows = [
        _same("Tier 1 after the shock (bn)", sheet.tier1_cash * unit, tier1, typed_in),
        _same("to be shed (bn)", slr.required_reduction(view) * unit, required, typed_in / prime.minimum),
    ]
    kept = shocked_sheet(prime, context)
    for sale in plan.sales:
        kept.sell(sale.instrument_id, sale.lots, kept.marks_ticks[sale.instrument_id], Proceeds.KEEP_AS_CASH)
    if assets:  # Without any there is no ratio.
        percent, slack = 100 * tier1 / assets, 100 * typed_in * (1 + abs(tier1 / assets)) / assets
        after = 100 * slr.ratio(kept.view(no_risk))
        rows[1:1] = [_same("leverage ratio after the shock (%)", 100 * slr.ratio(view), percent, slack)]
        rows.append(_same("ratio when proceeds are kept as cash (%)", after, percent, slack))
    sheet.delever_with_cash(plan.repay_cash)
    sold = 0
    for sale in plan.sales:
        price = sheet.marks_ticks[sale.instrument_id]
        sold += context.instruments[sale.instrument_id].value(price, sale.lots)
        sheet.sell(sale.instrument_id, sale.lots, price, Proceeds.RETIRE_DEBT)
    by_cash = min(prime.cash, required) if prime.order is Order.cash_first else 0.0
    sellable = prime.treasuries + prime.corporates * (1 - prime.shock)
    wanted = min(required - by_cash, sellable)
    share = prime.treasuries / sellable if prime.order is Order.pro_rata and sellable else 1.0
    faces = min(prime.treasuries, share * wanted) / prime.price * 100
    lots = sum(s.lots for s in plan.sales if s.instrument_id == TREASURIES)
    one_lot = float(context.instruments[TREASURIES].lot_size) / BN
    # A step of a sale in proportion moves a lot of each instrument.
    in_lots = 2 if prime.order is Order.pro_rata else 1
    slack = in_lots * one_lot * max(1.0, prime.price / 100, 100 / prime.price) + typed_in / prime.minimum
    rows += [
        _same("cash used to retire debt (bn)", plan.repay_cash * unit, by_cash, typed_in / prime.minimum),
        _same("sold at no impact (bn; to a lot)", sold * unit, wanted, slack),
        _same(
            "face value of the Treasuries in it (bn; to a lot)",
            lots * one_lot,
            faces,
            slack * max(1.0, 100 / prime.price),
        ),
        _same("debt left (bn; to a lot)", sheet.debt_cash * unit, prime.funding - by_cash - wanted, slack),
    ]
    return rows


def _impact_rows(prime: Prime, depths: Sequence[float]) -> list[Row]:
    context = _context()
    manager = risk_manager(prime, context)
    rows = []
    for depth in depths:
        found = solve(prime, context, manager, depth)
        expected = reference(prime, depth)
        # What is typed in is rounded to lots, which the multiplier makes more of: most of all near the threshold.
        rounded = reference(msgspec.structs.replace(prime, funding=prime.funding + 2 * _LOT_TYPED_BN), depth)
        for name in ("treasuries", "corporates"):
            exact, off = getattr(expected, name), abs(getattr(rounded, name) - getattr(expected, name))
            rows.append(
                identical(
                    f"{name} sold at a depth of {depth:,.0f} bn (bn at the price before)",
                    getattr(found, name),
                    exact,
                    _ROOT,
                    slack=_EXACT * max(1.0, exact) + off,
                )
            )
    threshold = depth_threshold(prime)
    if 0 < threshold < math.inf:
        rows.append(_threshold_row(prime, context, manager, threshold))
    return rows


def _threshold_row(prime: Prime, context: SheetContext, manager: RiskManager, threshold: float) -> Row:
    """The largest depth at which anything is left to the next asset, by bisection of the program's answers."""
    low, high = threshold / 4, threshold * 4
    for _ in range(60):
        middle = (low + high) / 2
        found = solve(prime, context, manager, middle)
        if found.corporates > _EXACT or not found.cured:
            low = middle
        else:
            high = middle
    claim = "depth below which Treasuries alone do not cure (bn)"
    # Amounts are whole lots: a lot more or less in E - λ(A - T) moves the threshold in proportion.
    left = prime.treasuries**2 / (2 * threshold)
    slack = threshold * (1e-6 + _LOT_TYPED_BN / left)
    return identical(claim, high, threshold, "T²/(2(E - λ(A - T)))", slack=slack)


def solve(prime: Prime, context: SheetContext, manager: RiskManager, depth: float) -> Reference:
    """What the program sells when it knows its own impact."""
    unit = float(context.cash_unit.size) / BN
    view = shocked_sheet(prime, context).view([[0.0, 0.0], [0.0, 0.0]])
    curves = [LinearImpact(depth / unit) if math.isfinite(depth) else NoImpact() for _ in view.lots]
    result = cure(view, manager, ParametricMarket(view.unit_cash, curves))
    sold = {i.name: result.lots[i.instrument_id] * view.unit_cash[i.instrument_id] * unit for i in context.instruments}
    return Reference(result.repay_cash * unit, sold["treasuries"], sold["corporates"], result.cured)


def _same(claim: str, measured: float, expected: float, slack: float = 0.0) -> Row:
    return identical(claim, measured, expected, _ARITHMETIC, slack=slack + _EXACT * max(1.0, abs(expected)))


# --- the order book ----------------------------------------------------------------------------------------


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """One run: billions sold at the price before, and what was paid away to makers beyond the curve."""
    tape = EventCollector(OrderFilled, RfqTraded)
    world = simulate(scenario, seed, tape)
    prime = next(k for k, member in enumerate(world.members) if member.group.name == "prime")
    fills = [(f.instrument_id, f.qty_lots, f.price_ticks) for f in tape.of(OrderFilled) if f.agent_id == prime]
    fills += [(f.instrument_id, f.qty_lots, f.price_ticks) for f in tape.of(RfqTraded) if f.agent_id == prime]
    metrics = {}
    for instrument in world.instruments:
        own = [(qty, price) for i, qty, price in fills if i == instrument.instrument_id]
        lots = sum(qty for qty, _ in own)
        metrics[f"sold_{instrument.name}"] = lots * _LOT_BN
        metrics[f"received_{instrument.name}"] = sum(q * p for q, p in own) / _PAR_TICKS * _LOT_BN
    return TaskResult(metrics, "")


def _book_rows(prime: Prime, depth: float, seeds: int) -> tuple[list[Row], float]:
    risk = 2 * _MAKERS * _PAR_TICKS * _LOT_BN / depth
    sheet = "agents.prime.balance_sheet"
    amounts = {
        "agents.prime.cash": prime.cash,
        "agents.prime.holdings.treasuries": prime.treasuries,
        "agents.prime.holdings.corporates": prime.corporates,
        f"{sheet}.other_assets": prime.other,
        f"{sheet}.short_term_funding": prime.funding,
    }
    point = {path: round(amount * BN / 10_000) * 10_000 for path, amount in amounts.items()} | {
        "shocks.0.size": -prime.shock,
        f"{sheet}.liquidation_sequence": prime.order.value,
        f"{sheet}.constraints.0.params.minimum": prime.minimum,
        "agents.maker.params.risk_price_ticks_per_lot": risk,
    }
    task = ScenarioTask(scenario_to_dict(load_scenario(SCENARIO)), measure)
    frame = run_cells(task, [point], seeds)
    sold = mean_of(frame["sold_treasuries"])
    slope = _PAR_TICKS * _LOT_BN / depth  # ticks per lot
    lots = frame["sold_treasuries"].mean() / _LOT_BN
    on_curve = lots * _LOT_BN * (1 - slope * lots / 2 / _PAR_TICKS)
    paid_away = on_curve - frame["received_treasuries"].mean()
    expected = reference(prime, depth).treasuries
    # What is paid away lowers Tier 1 before the sale as the formula sees it.
    charged = reference(msgspec.structs.replace(prime, funding=prime.funding + paid_away, other=prime.other), depth)
    # A sale ends within a lot of its limit, and the mark that decides it within a tick of the curve.
    slack = _LOT_BN + (prime.treasuries - expected) / _PAR_TICKS / prime.minimum
    rows = [
        agrees(
            f"order book: Treasuries sold at {depth:,.0f} bn, given what makers charged (bn)",
            sold.value,
            charged.treasuries,
            max(sold.se, 1e-9),
            _ROOT,
            slack=slack,
        ),
        Row(
            f"order book: more is sold than by the formula at {depth:,.0f} bn (bn)",
            sold.value,
            expected,
            sold.se,
            ">",
            0.0,
            "holds" if sold.value > expected else "fails",
            "stated before the first run",
        ),
    ]
    return rows, sold.value


def run(
    cash: Annotated[float, typer.Option(help="Cash and reserves, bn.")] = 50.0,
    treasuries: Annotated[float, typer.Option(help="Treasuries, bn.")] = 200.0,
    corporates: Annotated[float, typer.Option(help="Corporates, bn.")] = 150.0,
    other: Annotated[float, typer.Option(help="Other assets, bn.")] = 100.0,
    funding: Annotated[float, typer.Option(help="Debt, bn. Tier 1 is the rest.")] = 475.0,
    shock: Annotated[float, typer.Option(help="Fall of corporates, as a fraction.")] = 0.04,
    minimum: Annotated[float, typer.Option(help="Minimum of Tier 1 over assets.")] = 0.05,
    depth: Annotated[list[float] | None, typer.Option(help="Depth of the market, bn; repeat.")] = None,
    price: Annotated[float, typer.Option(help="Price of Treasuries, percent of par; not in the book.")] = 100.0,
    liquidation_sequence: Annotated[Order, typer.Option(help="What is sold first.")] = Order.most_liquid_first,
    book: Annotated[bool, typer.Option(help="Also sell into the order book, at each depth.")] = False,
    seeds: Annotated[int, typer.Option(min=2, help="Seeds in the order book.")] = 4,
) -> Outcome:
    """Compare the program's dealer with the closed forms, and on request with the order book."""
    depths = depth or _DEPTHS
    prime = Prime(cash, treasuries, corporates, other, funding, shock, minimum, liquidation_sequence, price)
    check(prime, depths)
    rows = _exact_rows(prime) + _impact_rows(prime, depths)
    in_book = {}
    for size in depths if book else ():
        more, in_book[size] = _book_rows(prime, size, seeds)
        rows += more
    return Outcome(rows, lambda path: _draw(path, prime, depths, in_book))


def _draw(path: Path, prime: Prime, depths: Sequence[float], in_book: dict[float, float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, axis = new_figure()
    threshold = depth_threshold(prime)
    depths = [depth for depth in depths if math.isfinite(depth)] or _DEPTHS
    low = min([*depths, threshold if math.isfinite(threshold) else depths[0]]) * 0.8
    grid = [low * (4 * max(depths) / low) ** (k / 200) for k in range(201)]
    found = [reference(prime, d) for d in grid]
    axis.plot(grid, [r.treasuries for r in found], color=COLOURS[0], label="Treasuries (closed form)")
    axis.plot(grid, [r.corporates for r in found], color=COLOURS[1], label="corporates (closed form)")
    context = _context()
    manager = risk_manager(prime, context)
    solved = [solve(prime, context, manager, d).treasuries for d in depths]
    axis.plot(depths, solved, "o", color=COLOURS[0], label="Treasuries (program)")
    if in_book:
        axis.plot(list(in_book), list(in_book.values()), "x", color=COLOURS[6], label="Treasuries (order book)")
    if low <= threshold <= grid[-1]:
        axis.axvline(threshold, color="grey", linestyle=":", label=f"threshold {threshold:,.0f}")
    axis.set(xscale="log", xlabel="depth (bn)", ylabel="sold (bn at the price before)")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.legend(fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("dealer_prime", run, cases=({}, {"book": True}))

if __name__ == "__main__":
    EXPERIMENT.main()
