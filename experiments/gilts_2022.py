"""Do funds that owe collateral make a rise of yields into one like that of gilts in September 2022?

The scenario beside this module, and four markets that differ from it in one thing each: the funds have no repo; nobody
buys; the funds open with half of their repo, and so with buffers for 300 basis points; and the control, in which
yields do not rise. What happened, what is taken from it, what is free, and what is claimed, stated before the first
run, is in ``docs/episodes/gilts_2022.md``. Yields rise on days 3 to 6; the central bank may buy from the first minute
of day 6 on. Days 1 and 2 are calm. The price is the middle of the lit book.

Expected, before the first run: the funds whose buffers are thinnest sell on the first days; dealers and hedge funds
take on little, so that price falls below value until real money buys; that takes other funds to their minimum, and on
the third and fourth day most of them sell at once. Without repo nobody sells. The central bank finds a market that
does not function, and its bids end the fall; with larger buffers there is none to end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from experiments.drawing import COLOURS, new_figure, save
from experiments.spiral.cells import Runs, run_scenarios, with_group
from lob_sim.analysis import failures, floats, forced_volume_lots, ints, lit_state, of, value_at
from lob_sim.calendar import TradingCalendar
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row
from lob_sim.experiment.over_seeds import above, below, within
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep import bootstrap
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

SCENARIO = Path(__file__).with_suffix(".toml")
EPISODE, UNLEVERED, UNBOUGHT, BUFFERS, CALM = "episode", "no repo", "no purchases", "300 bp", "no rise"
FIRST_SEED = 151
"""Seeds below it were looked at before the claims were measured."""
DAYS, FIRST_RISE, PURCHASES = 10, 3, 6
"""How many there are, that of the first rise, and that of the first purchases."""
SINCE_OPEN_NS: Ns = 60 * NS_PER_S
"""From the open of the day of the first purchases to when they may start."""
BANK, FUNDS = "bank_of_england", ("pooled", "segregated")
_GRID_NS: Ns = 5 * NS_PER_S
_PRICE_NS: Ns = 30 * NS_PER_S
"""The price at a time is the mean over so much time before it; before purchases start, over half of that."""
_LETTER, _SALES = "Cunliffe's letter (2022)", "Pinter, Siriwardane, Walker (2024)"


def scenarios() -> dict[str, Scenario]:
    """The episode, and the markets that it is compared with."""
    episode = load_scenario(SCENARIO)
    funds = [group.name for group in episode.agents if group.name.startswith(FUNDS)]
    return {
        EPISODE: episode,
        UNLEVERED: load_scenario(SCENARIO, [f"agents.{name}.balance_sheet.repo.gilt=0" for name in funds]),
        UNBOUGHT: with_group(episode, BANK, None),
        BUFFERS: load_scenario(SCENARIO, overlays=["ldi_buffers"]),
        CALM: load_scenario(SCENARIO, overlays=["calm"]),
    }


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run ten days and measure them; see :func:`gilt_metrics`."""
    logged = run_once(scenario, seed, out)
    offered = [int(group.params["daily_lots"]) for group in scenario.agents if group.name == BANK]
    return TaskResult(gilt_metrics(logged, sum(offered) * (DAYS + 1 - PURCHASES)), logged.digest)


def days_of(logged: Run) -> TradingCalendar:
    """A run's calendar."""
    assert logged.calendar is not None
    return logged.calendar


def number_of(logged: Run, name: str) -> int:
    """An instrument's number."""
    return next(i.instrument_id for i in logged.header.instruments if i.name == name)


def members_of(logged: Run, groups: str | tuple[str, ...]) -> list[int]:
    """Numbers of the agents of all groups whose name begins so."""
    return [entry.agent_id for entry in logged.header.agents if entry.group.startswith(groups)]


def price_of(logged: Run, name: str, grid: np.ndarray) -> np.ndarray:
    """The middle of an instrument's lit book at some times, as it last was; in ticks, NaN before the first."""
    quotes = of(logged.quotes, number_of(logged, name))
    bid, ask = floats(quotes, "bid_ticks"), floats(quotes, "ask_ticks")
    both = (bid > 0) & (ask > 0)
    return value_at(ints(quotes, "ts_event_ns")[both], (bid + ask)[both] / 2, grid)


def value_of(logged: Run, name: str, grid: np.ndarray) -> np.ndarray:
    """An instrument's fair value at some times, in ticks."""
    values = of(logged.table("fair_value"), number_of(logged, name))
    return value_at(ints(values, "ts_event_ns"), floats(values, "value_ticks"), grid)


def net_sales(logged: Run, agents: list[int], name: str) -> list[float]:
    """Lots of an instrument that agents have sold on each day less what they have bought, lit and on request."""
    sold = np.zeros(DAYS)
    for table in ("order_filled", "rfq_traded"):
        deals = of(logged.table(table), number_of(logged, name))
        deals = deals[deals["agent_id"].isin(agents)]
        day = ints(deals, "ts_event_ns") // days_of(logged).day_ns
        np.subtract.at(sold, day, floats(deals, "qty_lots") * floats(deals, "side"))
    return [float(lots) for lots in sold]


def leverage(logged: Run, agents: list[int], grid: np.ndarray) -> np.ndarray:
    """Bonds that agents hold, at their marks, over the sum of their net assets, at some times."""
    sheets = logged.table("balance_sheet")
    bonds, capital = np.zeros(len(grid)), np.zeros(len(grid))
    for agent_id in agents:
        own = sheets[sheets["agent_id"] == agent_id]
        times = ints(own, "ts_event_ns")
        bonds += value_at(times, floats(own, "inventory_cash"), grid)
        capital += value_at(times, floats(own, "tier1_cash"), grid)
    return bonds / capital


def gilt_metrics(logged: Run, offered_lots: int) -> dict[str, float]:
    """What the claims are of.

    ``fall``: of the gilt's price from the end of the day before the first rise to the start of purchases, in per cent.
    ``recovered``: share of that which is gone at the end of that day. ``spread_ratio`` and ``credit_ratio``: spread of
    the worst day over the mean of the days before the first rise. ``spread_recovered``: share of the widening of the
    worst of the days before purchases start that is gone in the rest of that day. ``leverage`` and
    ``leverage_ratio``: that of all funds before the first rise, and its peak over that. ``peak_day``: that of the
    funds' largest net sales, 1 the first rise's. ``bought``: of what the central bank offered to buy. ``sellers`` and
    ``failed``: funds with a forced sale of gilts, and in default. ``forced_days``: forced sales of gilts in days of
    calm volume. ``off_value``: furthest of the gilt's price from value in any session, in per cent. ``presence``:
    share of sessions with both sides quoted.

    Args:
        logged: A run of all days.
        offered_lots: The most that the central bank could have bought in all; 0 where there is none.
    """
    days, funds, gilt = days_of(logged), members_of(logged, FUNDS), number_of(logged, "gilt")
    start_ns, calm_end_ns = days.opens_ns(PURCHASES) + SINCE_OPEN_NS, days.closes_ns(FIRST_RISE - 1)
    before, low = _price(logged, calm_end_ns, _PRICE_NS), _price(logged, start_ns, _PRICE_NS // 2)
    end = _price(logged, days.closes_ns(PURCHASES), _PRICE_NS)
    grid = np.arange(_PRICE_NS, days.opens_ns(DAYS + 1), _GRID_NS, dtype=np.int64)
    levered = leverage(logged, funds, grid)
    forced = of(logged.table("parent_order_opened"), gilt)
    calm_lots = sum(_lots(of(logged.table(table), gilt), calm_end_ns) for table in ("trade", "rfq_traded"))
    sold_lots = forced_volume_lots(
        forced, logged.table("new_order"), logged.table("order_filled"), logged.table("rfq_traded")
    )
    trading = grid[grid % days.day_ns < days.session_ns]
    off = price_of(logged, "gilt", trading) / value_of(logged, "gilt", trading) - 1
    found = {
        "fall": 100 * (1 - low / before),
        "recovered": _share(end - low, before - low),
        **_spreads(logged, start_ns),
        "leverage": levered[grid < calm_end_ns][-1],
        "leverage_ratio": levered.max() / levered[grid < calm_end_ns][-1],
        "peak_day": int(np.argmax(net_sales(logged, funds, "gilt"))) + 2 - FIRST_RISE,
        "bought": _share(-sum(net_sales(logged, members_of(logged, BANK), "gilt")), offered_lots),
        "sellers": forced["agent_id"].nunique(),
        "failed": failures(logged.table("dealer_defaulted")),
        "forced_days": sold_lots / (calm_lots / (FIRST_RISE - 1)),
        "off_value": 100 * np.abs(off).max(),
    }
    return {name: float(value) for name, value in found.items()}


def _spreads(logged: Run, start_ns: Ns) -> dict[str, float]:
    """``spread_ratio``, ``credit_ratio``, ``spread_recovered`` and ``presence``: see :func:`gilt_metrics`."""
    days = days_of(logged)
    sessions = [(days.opens_ns(day), days.closes_ns(day)) for day in range(1, DAYS + 1)]
    quotes = {name: of(logged.quotes, number_of(logged, name)) for name in ("gilt", "credit")}
    spreads = {
        name: [lit_state(rows, *session).quoted_spread_ticks for session in sessions] for name, rows in quotes.items()
    }
    calm = {name: float(np.mean(rows[: FIRST_RISE - 1])) for name, rows in spreads.items()}
    open_ns, close_ns = sessions[PURCHASES - 1]
    until = lit_state(quotes["gilt"], open_ns, start_ns).quoted_spread_ticks
    worst = max(*spreads["gilt"][FIRST_RISE - 1 : PURCHASES - 1], until)
    after = lit_state(quotes["gilt"], start_ns, close_ns).quoted_spread_ticks
    return {
        "spread_ratio": max(spreads["gilt"][FIRST_RISE - 1 :]) / calm["gilt"],
        "credit_ratio": max(spreads["credit"][FIRST_RISE - 1 :]) / calm["credit"],
        "spread_recovered": _share(worst - after, worst - calm["gilt"]),
        "presence": float(np.mean([lit_state(quotes["gilt"], *session).presence for session in sessions])),
    }


def _price(logged: Run, end_ns: Ns, over_ns: Ns) -> float:
    """The gilt's mean price in the time before a time, in ticks."""
    return float(np.mean(price_of(logged, "gilt", np.arange(end_ns - over_ns, end_ns, NS_PER_S, dtype=np.int64))))


def _lots(trades: pd.DataFrame, end_ns: Ns) -> float:
    return float(floats(trades[trades["ts_event_ns"] < end_ns], "qty_lots").sum())


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell.")] = 50,
    first: Annotated[int, typer.Option(min=1, help="The first of them.")] = FIRST_SEED,
) -> Outcome:
    """Run the ten days in each of the five markets, and measure them."""
    frames = run_scenarios(scenarios(), Runs(seeds, first), "gilts_2022", measure)
    return Outcome(_rows(frames), _draw, [_table(frames)])


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[Row]:
    found, unlevered, unbought, buffers = (frames[name] for name in (EPISODE, UNLEVERED, UNBOUGHT, BUFFERS))
    calm = frames[CALM]
    gone = 1 - unlevered["fall"] / found["fall"]
    late = found["peak_day"].isin([3, 4]).astype(float)
    return [
        within("A. share of the fall that goes without repo", gone, 0.525, 0.225, _SALES),
        within("B. spread of the gilt, worst day over calm", found["spread_ratio"], 3.8, 2.2, "ING (2022)"),
        within("C. leverage of the funds, peak over before", found["leverage_ratio"], 1.4, 0.2, "remembered (M)"),
        above("D. share of seeds: funds' sales peak on day 3 or 4 of the rise", late, 0.5, _LETTER),
        within("E. share of the fall gone on the first day of purchases", found["recovered"], 0.6, 0.25, _LETTER),
        above(
            "F. the same share of price, less that of the spread",
            found["recovered"] - found["spread_recovered"],
            0.0,
            "ING (2022)",
        ),
        below("G. bought, of what was offered to buy", found["bought"], 0.5, "Mint (2022), Times (2022)"),
        within("H. spread of credit, worst day over calm", found["credit_ratio"], 1.25, 0.25, "fi-desk"),
        above("I. funds that fail without purchases, less with", unbought["failed"] - found["failed"], 0.0, _LETTER),
        above(
            "J. funds forced to sell, less with 300 bp", found["sellers"] - buffers["sellers"], 0.0, "remembered (M)"
        ),
        below("control: funds forced to sell where yields do not rise", calm["sellers"], 0.5, "control"),
        below(
            "control: furthest off value where yields do not rise, over that of the episode",
            calm["off_value"] / found["off_value"],
            0.25,
            "control",
        ),
    ]


_SHOWN = {
    "fall": "fall of price until purchases start (%)",
    "off_value": "furthest of price from value (%)",
    "presence": "both sides quoted (share of time)",
    "spread_ratio": "spread of the gilt, worst day over calm",
    "credit_ratio": "spread of credit, worst day over calm",
    "leverage": "leverage before",
    "leverage_ratio": "leverage, peak over before",
    "forced_days": "forced sales of gilts (days of calm volume)",
    "sellers": "funds forced to sell",
    "failed": "funds that fail",
}


def _table(frames: Mapping[str, pd.DataFrame]) -> ResultTable:
    lines = [[name, *(bootstrap(frame[metric]) for metric in _SHOWN)] for name, frame in frames.items()]
    return ResultTable("The ten days: mean [95 % interval] over seeds", ["cell", *_SHOWN.values()], lines)


def _draw(path: Path) -> None:
    cells = scenarios()
    runs = {name: run_once(cells[name], FIRST_SEED) for name in (EPISODE, UNBOUGHT, BUFFERS)}
    days = days_of(runs[EPISODE])
    grid = np.arange(_GRID_NS, days.opens_ns(DAYS + 1), _GRID_NS, dtype=np.int64)
    trading = grid[grid % days.day_ns < days.session_ns]
    # Sessions are put side by side, so that a day is as long as its trading.
    clock = 1 + (trading // days.day_ns) + (trading % days.day_ns) / days.session_ns
    figure, (above_axis, below_axis) = new_figure(2, 1, sharex=True)
    tick = float(cells[EPISODE].instruments[0].tick_size)
    for number, (name, logged) in enumerate(runs.items()):
        colour = COLOURS[number]
        above_axis.plot(clock, tick * price_of(logged, "gilt", trading), color=colour, linewidth=1, label=name)
        sold = net_sales(logged, members_of(logged, FUNDS), "gilt")
        below_axis.bar(np.arange(1, DAYS + 1) + 0.26 * (number + 0.9), sold, 0.26, color=colour, label=name)
    value = value_of(runs[EPISODE], "gilt", trading)
    above_axis.plot(clock, tick * value, color="black", linewidth=1, linestyle="--", label="value")
    for axis in (above_axis, below_axis):
        axis.axvline(PURCHASES + SINCE_OPEN_NS / days.session_ns, color="black", linewidth=0.8, alpha=0.5)
    above_axis.set_ylabel("price of the gilt")
    below_axis.set_ylabel("net sales of the funds (lots)")
    below_axis.set_xlabel("trading day, from its open; the line: purchases may start")
    below_axis.set_xticks(range(1, DAYS + 1))
    above_axis.legend(frameon=False, fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("gilts_2022", run, quick={"seeds": 2}, cases=[{"seeds": 6}])

if __name__ == "__main__":
    EXPERIMENT.main()
