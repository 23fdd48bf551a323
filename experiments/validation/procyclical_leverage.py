"""Does a bank that keeps its leverage buy what rises and sell what falls, and is leverage itself procyclical under VaR?

Assets 100, equity 10, debt 90. Securities rise by 1 %.

Source: Adrian and Shin (2010), "Liquidity and leverage", J. Financial Intermediation 19, section 2: leverage falls
from 10 to 101/11 = 9.18; to be at 10 again the bank must buy 9, with debt; when securities then lose 1, leverage is
109/10 = 10.9 and it must sell 9. And Adrian and Shin (2014), "Procyclical leverage and value-at-risk", Review of
Financial Studies 27, section 1: equity equal to value at risk makes leverage 1/(z·σ).

Expected, before the first run: these numbers, from the program's balance sheet, leverage limit and purchase limit, for
any assets, equity and rise A·r·(A/E - 1) is bought, and the same money sold; under value at risk the same while
volatility stands, more when it falls with the boom, by the change of leverage, and all of it back in the bust. Along
a path of random returns leverage growth has a slope on asset growth that is negative for a bank that does nothing, 0
for one that keeps its leverage, positive under value at risk, and exactly that of the same recursion in plain numbers.
In the order book the bank's own purchases raise the price and so its equity: it buys more than 9, to the root of a
quadratic equation, and when the gain is lost again it sells all that it bought, on the way down through the same
prices.
"""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Annotated

import numpy as np
import typer

from experiments.validation import ladder
from experiments.validation.common import new_figure, save
from experiments.validation.managed_bank import DECAY, ManagedBank, leverage_limit, var_limit
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.balance.constraints import Constraint
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Mean, Outcome, ResultTable, Row, exceeds, identical, run_cells, stays_below
from lob_sim.messages import Side, TimeInForce
from lob_sim.rng import Stream
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.procyclical_leverage"
SOURCE, SOURCE_VAR = "Adrian & Shin 2010, section 2", "Adrian & Shin 2014, section 1"
_EXACT = 1e-8
_Z = NormalDist().inv_cdf(0.99)


# --- a balance sheet ----------------------------------------------------------------------------------------


def textbook_rows(assets: float, equity: float, rise: float) -> list[Row]:
    """The worked example, up and down, under a leverage target."""
    leverage, gain = assets / equity, assets * rise
    bank = ManagedBank(assets, equity, leverage_limit(leverage))
    bank.move(rise)
    up = bank.leverage
    bought = bank.adjust()
    boom = (bank.assets, bank.leverage, bank.assets - bank.equity)
    bank.move(-gain / boom[0])
    down = bank.leverage
    sold = -bank.adjust()
    trade = gain * (leverage - 1)
    most = assets + gain + trade
    return [
        _same("leverage after the rise", up, (assets + gain) / (equity + gain), SOURCE),
        _same("bought to be at the target again", bought, trade, SOURCE, assets),
        _same("assets then", boom[0], most, SOURCE),
        _same("debt then", boom[2], most - equity - gain, SOURCE, assets),
        _same("leverage then", boom[1], leverage, SOURCE),
        _same("leverage after losing as much", down, (most - gain) / equity, SOURCE),
        _same("sold to be at the target again", sold, trade, SOURCE, assets),
        _same("assets in the end", bank.assets, assets, SOURCE),
        _same("leverage in the end", bank.leverage, leverage, SOURCE),
    ]


def var_rows(assets: float, equity: float, rise: float, calm: float) -> list[Row]:
    """The same when equity must cover value at risk, and volatility is ``calm`` times as high in the boom."""
    leverage, gain = assets / equity, assets * rise
    volatility = 1 / (_Z * leverage)
    rows = []
    for factor in dict.fromkeys((1.0, calm)):
        bank = ManagedBank(assets, equity, var_limit())
        bank.move(rise)
        bought = bank.adjust((factor * volatility) ** 2)
        boom, most = bank.leverage, bank.assets
        bank.move(-gain / most)
        sold = -bank.adjust(volatility**2)
        trade = leverage / factor * (equity + gain) - assets - gain
        end = f"volatility × {factor:g} in the boom"
        rows += [
            _same(f"VaR rule, {end}: bought", bought, trade, SOURCE_VAR, assets),
            _same(f"VaR rule, {end}: leverage then", boom, leverage / factor, SOURCE_VAR),
            _same(f"VaR rule, {end}: sold in the bust", sold, trade, SOURCE_VAR, assets),
            _same(f"VaR rule, {end}: leverage in the end", bank.leverage, leverage, SOURCE_VAR),
        ]
    return rows


def _same(claim: str, measured: float, expected: float, source: str, size: float = 0.0) -> Row:
    return identical(claim, measured, expected, source, _EXACT * max(abs(expected), size))


# --- a path -------------------------------------------------------------------------------------------------


def returns_of(periods: int, volatility: float, seed: int = 1) -> list[float]:
    """Returns whose volatility itself wanders, as in the data, between a half and twice its mean."""
    stream = Stream(seed, "procyclical")
    state, found = 0.0, []
    for _ in range(periods):
        state = 0.95 * state + 0.1 * stream.normal()
        found.append(volatility * float(np.clip(np.exp(state), 0.5, 2.0)) * float(np.clip(stream.normal(), -2.5, 2.5)))
    return found


def growth(leverages: list[float], assets: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Logarithmic growth of assets, and of leverage."""
    return np.diff(np.log(assets)), np.diff(np.log(leverages))


def slope_of(x: np.ndarray, y: np.ndarray) -> Mean:
    """Least-squares slope and its standard error."""
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    rest = dy - slope * dx
    return Mean(slope, float(np.sqrt(rest @ rest / (len(x) - 2) / (dx @ dx))))


def along_a_path(
    assets: float, equity: float, rule: Constraint | None, returns: list[float], volatility: float
) -> tuple[np.ndarray, np.ndarray]:
    """Growth of assets and leverage of a bank on the program's balance sheet."""
    bank = ManagedBank(assets, equity, rule, volatility)
    sizes, leverages = [bank.assets], [bank.leverage]
    for k, change in enumerate(returns, 1):
        bank.move(change)
        bank.measure.observe(k * NS_PER_S, bank.sheet.marks_ticks)
        bank.adjust(bank.measure.covariances[0][0])
        sizes.append(bank.assets)
        leverages.append(bank.leverage)
    return growth(leverages, sizes)


def in_plain_numbers(
    assets: float, equity: float, policy: str, returns: list[float], volatility: float, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """The same, worked out without the program."""
    size, own, variance = assets, equity, volatility**2
    sizes, leverages = [size], [size / own]
    for change in returns:
        own += size * change
        size *= 1 + change
        variance = DECAY * variance + (1 - DECAY) * change**2
        if policy == "keeps its leverage":
            size = own * assets / equity
        elif policy == "keeps to value at risk":
            size = share * own / (_Z * variance**0.5)
        sizes.append(size)
        leverages.append(size / own)
    return growth(leverages, sizes)


def path_rows(
    paths: dict[str, tuple[np.ndarray, np.ndarray]], plain: dict[str, tuple[np.ndarray, np.ndarray]]
) -> list[Row]:
    """Hold growth along the path against plain numbers, and its slope against the stylised fact."""
    rows = []
    for policy, (size, leverage) in paths.items():
        worst = max(float(np.abs(size - plain[policy][0]).max()), float(np.abs(leverage - plain[policy][1]).max()))
        rows.append(
            identical(f"a bank that {policy}: largest error of a growth rate", worst, 0.0, "in plain numbers", _EXACT)
        )
    slopes = {policy: slope_of(size, leverage) for policy, (size, leverage) in paths.items()}
    passive, steady, risky = slopes.values()
    claim = "slope of leverage growth on asset growth of a bank that {}".format
    names = [*slopes]
    return [
        *rows,
        stays_below(claim(names[0]), passive.value, 0.0, passive.se, SOURCE),
        identical(claim(names[1]), steady.value, 0.0, SOURCE, 1e-6),
        exceeds(claim(names[2]), risky.value, 0.0, risky.se, SOURCE_VAR),
    ]


# --- the order book -----------------------------------------------------------------------------------------

_LOTS = 10_000  # of loans, whose value changes, and as many of bonds
_LEVELS = 500  # price steps of the ladder through which the textbook's trade goes


class KeepsLeverage(Strategy):
    """Buys bonds as far as its limits let it, level after level of the book; sales are its desk's business.

    Source: the bank of Adrian and Shin (2010), section 2.
    """

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S // 50)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(NS_PER_S // 50)
        top, room = ctx.top(0), ctx.headroom
        if room is None or not top.ask_ticks or ctx.orders(0):
            return
        lots = min(room.purchase_lots[0], top.ask_lots)
        # A single lot is what rounding leaves between a limit and the next.
        if lots > 1:
            ctx.place(0, Side.BUY, lots, top.ask_ticks, time_in_force=TimeInForce.IOC)


def book_slope(leverage: float, rise: float) -> int:
    """Lots a tick of the customers' demand."""
    return max(2, round(2 * _LOTS * rise * (leverage - 1) / _LEVELS))


def one_book(spec: TaskSpec) -> dict[str, float]:
    """Loans gain, and lose as much again: bonds bought, bonds sold, leverage after each."""
    leverage, rise = float(spec.overrides["leverage"]), float(spec.overrides["rise"])
    rich = 1 + 2 * rise  # loans are half of assets
    scenario = ladder.market(
        lots_per_tick=book_slope(leverage, rise),
        reach_ticks=3 * _LEVELS,
        dealer={"strategy": f"{HERE}:KeepsLeverage", "holdings": {"bond": _LOTS, "loan": _LOTS}},
        sheet={
            "short_term_funding": round(2 * _LOTS * ladder.PRICE * (1 - 1 / leverage)),
            "constraints": [{"kind": "slr", "params": {"minimum": 1 / leverage}}],
        },
        shocks=[
            {"instrument": "loan", "at": "5s", "size": rich - 1},
            {"instrument": "loan", "at": "65s", "size": 1 / rich - 1},
        ][: 2 if spec.overrides["bust"] else 1],
        horizon="125s",
    )
    found = ladder.run(scenario, spec.seed)
    boom = sum(deal.lots for deal in found.deals if deal.at_s < 65)
    return {"bought": boom, "sold": found.sold + boom, "after": found.assets / found.tier1, "mid": found.mid_ticks}


def book_root(leverage: float, rise: float) -> float:
    """Lots bought along the ladder until assets over equity are back where they were.

    With y lots at P + y/2s on average, E = E1 + (X + y/2)·y/s and A = A1 + y·P + (X + y)·y/s.
    """
    p, s, x = float(ladder.PRICE), float(book_slope(leverage, rise)), float(_LOTS)
    gain = 2 * x * p * rise
    missing = leverage * (2 * x * p / leverage + gain) - (2 * x * p + gain)
    roots = np.roots([(leverage / 2 - 1) / s, (leverage - 1) * x / s - p, missing])
    real = roots[np.isreal(roots)].real
    positive = real[real > 0]
    return float(positive.min()) if len(positive) else 0.0


def book_rows(leverage: float, rise: float) -> list[Row]:
    """Hold purchases and sales in the order book against the root."""
    point = {"leverage": leverage, "rise": rise}
    frame = run_cells(one_book, [point | {"bust": False}, point | {"bust": True}], 1)
    boom, bust = (frame.iloc[k] for k in (0, 1))
    textbook, root = 2 * _LOTS * rise * (leverage - 1), book_root(leverage, rise)
    # Marks are whole ticks: up to a tick on every lot of bonds and loans, levered, over what a lot more closes of the
    # gap; and the lot that is not bought.
    closed = ladder.PRICE - ((leverage - 1) * _LOTS + (leverage - 2) * root) / book_slope(leverage, rise)
    slack = 2 + leverage * (2 * _LOTS + root) / abs(closed)
    along = "root of assets = leverage · equity along the ladder"
    return [
        identical("order book: bought (lots)", boom["bought"], root, along, slack),
        exceeds("order book: bought / the textbook's purchase", boom["bought"] / textbook, 1.0, 0.0, "its own impact"),
        identical("order book: leverage after the boom", boom["after"], leverage, SOURCE,
                  leverage * slack / _LOTS),
        identical("order book: sold in the bust (lots)", bust["sold"], bust["bought"], "the way back", 2 * slack),
        identical("order book: leverage after the bust", bust["after"], leverage, SOURCE,
                  leverage * slack / _LOTS),
    ]  # fmt: skip


# --- the answer ---------------------------------------------------------------------------------------------


def run(
    assets: Annotated[float, typer.Option(help="Assets at the opening.")] = 100.0,
    equity: Annotated[float, typer.Option(help="Equity at the opening.")] = 10.0,
    rise: Annotated[float, typer.Option(help="Rise of securities, as a fraction.", min=0.001, max=0.2)] = 0.01,
    calm: Annotated[float, typer.Option(help="Volatility in the boom, of what it was.", min=0.1, max=1)] = 0.9,
    periods: Annotated[int, typer.Option(help="Periods of the random path.", min=20)] = 400,
) -> Outcome:
    """Work the example on balance sheets, along a random path, and in the order book."""
    if not 0 < assets < float("inf"):
        raise InputError(f"expected a positive amount, got {assets}", "--assets")
    if not assets / 60 <= equity <= assets / 2.5:
        told = f"expected from a sixtieth of the assets of {assets:g} to two fifths of them, got {equity:g}"
        raise InputError(f"{told}: below that it is next to failing, above it hardly borrows", "--equity")
    leverage = assets / equity
    # So small that a bank which does nothing loses a fifth of its equity, as a standard deviation, over the path.
    volatility = 0.2 / (leverage * periods**0.5)
    share = _Z * volatility * leverage
    changes = returns_of(periods, volatility)
    rules = {
        "does nothing": None,
        "keeps its leverage": leverage_limit(leverage),
        "keeps to value at risk": var_limit(share),
    }
    paths = {name: along_a_path(assets, equity, rule, changes, volatility) for name, rule in rules.items()}
    plain = {name: in_plain_numbers(assets, equity, name, changes, volatility, share) for name in rules}
    rows = textbook_rows(assets, equity, rise) + var_rows(assets, equity, rise, calm)
    rows += path_rows(paths, plain) + book_rows(leverage, rise)
    return Outcome(rows, lambda path: _draw(path, paths, assets, equity, rise), [_table(assets, equity, rise)])


def _table(assets: float, equity: float, rise: float) -> ResultTable:
    bank = ManagedBank(assets, equity, leverage_limit(assets / equity))
    rows = []

    def note(what: str, traded: float) -> None:
        rows.append([what, bank.assets, bank.equity, bank.assets - bank.equity, bank.leverage, traded])

    note("opening", 0.0)
    bank.move(rise)
    note(f"securities rise by {100 * rise:g} %", 0.0)
    note("it buys", bank.adjust())
    bank.move(-assets * rise / bank.assets)
    note("securities lose as much", 0.0)
    note("it sells", bank.adjust())
    return ResultTable("the example", ["", "assets", "equity", "debt", "leverage", "traded"], rows)


def _draw(
    path: Path, paths: dict[str, tuple[np.ndarray, np.ndarray]], assets: float, equity: float, rise: float
) -> None:
    figure, (left, right) = new_figure(2)
    for (name, (size, geared)), colour in zip(paths.items(), ("tab:gray", "tab:blue", "tab:red"), strict=True):
        label = f"{name}: slope {slope_of(size, geared).value:.2f}"
        left.plot(100 * geared, 100 * size, ".", ms=4, color=colour, alpha=0.6, label=label)
    left.set(xlabel="leverage growth (%)", ylabel="asset growth (%)", title="A random path")
    left.legend(fontsize="small")
    leverage = assets / equity
    grid = np.linspace(0.2 * rise, 2 * rise, 40)
    right.plot(100 * grid, grid * assets * (leverage - 1), "k-", lw=1, label="A·r·(A/E - 1)")
    for share in (0.5, 1.0, 1.5, 2.0):
        bank = ManagedBank(assets, equity, leverage_limit(leverage))
        bank.move(share * rise)
        bought = bank.adjust()
        bank.move(-assets * share * rise / bank.assets)
        sold = -bank.adjust()
        right.plot(
            [100 * share * rise], [bought], "^", color="tab:blue", ms=8, label="bought" if share == 0.5 else None
        )
        right.plot(
            [100 * share * rise], [sold], "v", color="tab:red", ms=5, label="sold again" if share == 0.5 else None
        )
    right.set(
        xlabel="rise of securities (%)", ylabel="traded (same unit)", title=f"Assets {assets:g}, equity {equity:g}"
    )
    right.legend()
    save(figure, path)


EXPERIMENT = Experiment(
    "procyclical_leverage", run, cases=[{}, {"equity": 4.0, "rise": 0.005}, {"equity": 40.0, "rise": 0.05, "calm": 0.5}]
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
