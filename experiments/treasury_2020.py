"""Do sales of Treasuries for cash, into dealers whose balance sheets are nearly full, look like those of March 2020?

The scenario beside this module; its market without the purchases, without redemptions, with the exemption from the
leverage ratio from the start, and in calm, with neither shocks nor flow: the same seeds in all five. What happened,
what is taken from it, what is free, and what is claimed, stated before the first run, is in
``docs/episodes/treasury_2020.md``, as is how each claim is measured. Seeds are from 101 on: the scenario was chosen by
looking at some before.

Expected, before the first run: dealers take the sales on until their leverage ratio leaves nothing, and step back;
prices then fall until slow capital buys, and who borrowed against what falls must sell too. Purchases give dealers
their room back. Corporates lose value but few must sell them, so that dealers' trades in them may have no sign; a lit
book that has once gone dark may be late to come back, so that spreads may rise by more than they did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pandas as pd
import typer

from experiments.calm_facts import Fact, Sample, judged
from experiments.drawing import COLOURS, new_figure, save
from experiments.spiral.cells import Runs, run_scenarios, without
from experiments.spiral.measure import all_flows, dealer_purchases, fair_values
from lob_sim.analysis import floats, ints, lit_state, of, value_at
from lob_sim.analysis.calm import lit_time
from lob_sim.calendar import TradingCalendar
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row
from lob_sim.experiment.over_seeds import above, below, share, within
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep import bootstrap
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

SCENARIO = Path(__file__).with_suffix(".toml")
EPISODE, NO_PURCHASES, NO_REDEMPTIONS = "episode", "no purchases", "no redemptions"
EXEMPTION, CALM = "slr exemption", "calm"
FIRST_SEED = 101
SELLERS = ("foreign", "bond_fund", "basis_fund")
"""The clients of claim E."""
BEFORE, BUYING = 5, 6
"""The last day without purchases, and the first with them."""
CRISIS = (4, 5)
"""Days of the crisis in credit, from the largest loss of value to the purchases."""
_DAYS = 9
_PARTS = 5
_CORPORATE, _TREASURY = 0, 1
_NAMES = ("corporate", "treasury")
_FR = "Fleming and Ruela (2020)"
_WESTERN = "Western Asset (2020)"
_OZ = "O'Hara and Zhou (2021)"


def scenarios(day: str = "6min", session: str = "5min") -> dict[str, Scenario]:
    """The episode and its four variants."""
    days = [f"calendar.day={day}", f"calendar.session={session}"]
    idle, kept = "agents.central_bank.params.flow=[]", "agents.foreign.params.flow=[]"
    episode = load_scenario(SCENARIO, days)
    return {
        EPISODE: episode,
        NO_PURCHASES: load_scenario(SCENARIO, [*days, idle]),
        NO_REDEMPTIONS: without(episode, "redemptions"),
        EXEMPTION: load_scenario(SCENARIO, days, overlays=["slr_exemption"]),
        CALM: load_scenario(SCENARIO, [*days, idle, kept, "shocks=[]"]),
    }


def calendar_of(scenario: Scenario) -> TradingCalendar:
    """The days of a scenario that has some."""
    assert scenario.calendar is not None
    return TradingCalendar(scenario.calendar.day, scenario.calendar.session)


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run nine days and measure them; see :func:`treasury_metrics`."""
    logged = run_once(scenario, seed, out)
    return TaskResult(treasury_metrics(logged, calendar_of(scenario)), logged.digest)


# --- measures --------------------------------------------------------------------------------------------------------


class Day(msgspec.Struct, frozen=True):
    """A session's window, in nanoseconds."""

    start: Ns
    end: Ns

    def part(self, k: int) -> Day:
        """The k-th fifth of it, from 0."""
        step = (self.end - self.start) // _PARTS
        return Day(self.start + k * step, self.start + (k + 1) * step)


def days_of(calendar: TradingCalendar) -> list[Day]:
    """The sessions of the nine days."""
    return [Day(calendar.opens_ns(day), calendar.closes_ns(day)) for day in range(1, _DAYS + 1)]


def shortfalls(logged: Run, instrument_id: int, windows: list[Day]) -> np.ndarray:
    """How far trades of each window were below value, in per cent of it, weighted by lots; NaN without trades."""
    columns = ["ts_event_ns", "price_ticks", "qty_lots"]
    dealt = pd.concat([of(logged.trades, instrument_id)[columns], of(logged.rfq_trades, instrument_id)[columns]])
    when, lots = ints(dealt, "ts_event_ns"), floats(dealt, "qty_lots")
    below_pct = 100 * (1 - floats(dealt, "price_ticks") / fair_values(logged, instrument_id, when))
    found = []
    for window in windows:
        inside = (when >= window.start) & (when < window.end)
        weight = float(lots[inside].sum())
        found.append(float((below_pct * lots)[inside].sum()) / weight if weight else math.nan)
    return np.array(found)


def treasury_metrics(logged: Run, calendar: TradingCalendar) -> dict[str, float]:
    """What the claims are of.

    ``worst_pct``: the furthest below value of any fifth of a day in Treasuries, and ``worst_day``.
    ``spread_worst`` and ``spread_mean``: quoted spread of the Treasury in ticks, the widest day and the mean of days;
    ``depth_worst`` and ``depth_mean``: lots at the touch, the thinnest day and the mean. ``cost_worst`` and
    ``cost_mean``: clients' cost of immediacy in corporates (:func:`cost_of_immediacy`), the dearest day and the mean.
    ``inventory_peak``: dealers' largest change of Treasury inventory since the opening at a close, in lots;
    ``inventory_peak_day``, and ``sales_last_day`` of those who sell. ``bought_before``, ``bought_crisis``,
    ``bought_after``: dealers' net purchases of corporates in lots. ``gap_`` and ``spread_`` each ``before`` and
    ``after``: shortfall and spread of the Treasury in the last fifth of the last day without purchases and of the
    first with them. ``sold_`` each seller: lots of Treasuries, net. ``forced``: parent orders under a constraint.
    ``lit`` and ``off_half_spreads`` of each instrument: as in the facts of calm, over the time of the sessions.
    """
    days = days_of(calendar)
    top = of(logged.quotes, _TREASURY)
    states = [lit_state(top, day.start, day.end) for day in days]
    spreads, depths = [s.quoted_spread_ticks for s in states], [s.depth_lots for s in states]
    gaps = shortfalls(logged, _TREASURY, [day.part(k) for day in days for k in range(_PARTS)])
    costs = cost_of_immediacy(logged, days)
    ends = [days[day - 1].part(_PARTS - 1) for day in (BEFORE, BUYING)]
    found: dict[str, float] = {
        "worst_pct": float(np.nanmax(gaps)),
        "worst_day": float(np.nanargmax(gaps) // _PARTS + 1),
        "spread_worst": float(np.nanmax(spreads)),
        "spread_mean": float(np.nanmean(spreads)),
        "depth_worst": min(depths),
        "depth_mean": float(np.mean(depths)),
        "cost_worst": float(np.nanmax(costs)),
        "cost_mean": float(np.nanmean(costs)),
        "forced": float(len(logged.table("parent_order_opened"))),
    }
    for name, end, gap in zip(("before", "after"), ends, shortfalls(logged, _TREASURY, ends), strict=True):
        found[f"gap_{name}"] = float(gap)
        found[f"spread_{name}"] = lit_state(top, end.start, end.end).quoted_spread_ticks
    return found | _positions(logged, days) | _order(logged, days)


def cost_of_immediacy(logged: Run, days: list[Day]) -> list[float]:
    """What clients pay for dealing in corporates at once, in basis points, a number a day.

    Half the distance between the prices, relative to value, at which they buy and sell, lit and on request, each
    weighted by lots: where price is off value both are, and that is no part of it. NaN where they do only one.
    """
    clients = [entry.agent_id for entry in logged.header.agents if entry.group == "client"]
    flows = of(all_flows(logged, 0), _CORPORATE)
    flows = flows[flows["agent_id"].isin(clients)]
    found = []
    for day in days:
        own = flows[(flows["ts_event_ns"] >= day.start) & (flows["ts_event_ns"] < day.end)]
        sides = [own[ints(own, "side") == side] for side in (1, -1)]
        means = [
            float((floats(rows, "cost_bp") * floats(rows, "qty_lots")).sum() / rows["qty_lots"].sum())
            if len(rows)
            else math.nan
            for rows in sides
        ]
        found.append(sum(means) / 2)
    return found


def _positions(logged: Run, days: list[Day]) -> dict[str, float]:
    closes = np.array([day.end for day in days])
    when, lots = dealer_purchases(logged, _TREASURY)
    held = _sum_until(when, lots, closes)
    flows = of(all_flows(logged, 0), _TREASURY)
    groups = {entry.agent_id: entry.group for entry in logged.header.agents}
    group = flows["agent_id"].map(groups)
    sold = {
        name: _sum_until(ints(rows, "ts_event_ns"), -ints(rows, "side") * ints(rows, "qty_lots"), closes)
        for name, rows in ((name, flows[group == name]) for name in SELLERS)
    }
    total = np.sum(list(sold.values()), axis=0)
    bought = np.diff(_sum_until(*dealer_purchases(logged, _CORPORATE), closes), prepend=0)
    first, last = CRISIS
    return {
        "inventory_peak": float(held.max()),
        "inventory_peak_day": float(held.argmax() + 1),
        "sales_last_day": float(total.argmax() + 1),
        "bought_before": float(bought[: first - 1].sum()),
        "bought_crisis": float(bought[first - 1 : last].sum()),
        "bought_after": float(bought[last:].sum()),
        **{f"sold_{name}": float(path[-1]) for name, path in sold.items()},
    }


def _sum_until(when: np.ndarray, lots: np.ndarray, closes: np.ndarray) -> np.ndarray:
    """Lots until each close; times are in order."""
    total = np.concatenate(([0], np.cumsum(lots)))
    return total[np.searchsorted(when, closes, side="left")]


def _order(logged: Run, days: list[Day]) -> dict[str, float]:
    grid = np.concatenate([np.arange(day.start, day.end, NS_PER_S, dtype=np.int64) for day in days])
    found = {}
    for i, name in enumerate(_NAMES):
        top = of(logged.quotes, i)
        both = (ints(top, "bid_ticks") > 0) & (ints(top, "ask_ticks") > 0)
        middle = np.where(both, (floats(top, "bid_ticks") + floats(top, "ask_ticks")) / 2, np.nan)
        off = value_at(ints(top, "ts_event_ns"), middle, grid) - fair_values(logged, i, grid)
        spread = np.nanmean([lit_state(top, day.start, day.end).quoted_spread_ticks for day in days])
        found[f"lit_{name}"] = lit_time(top, grid)
        found[f"off_half_spreads_{name}"] = float(np.sqrt(np.nanmean(off**2)) / (spread / 2))
    return found


# --- claims ----------------------------------------------------------------------------------------------------------


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each of the five markets.")] = 50,
    day: Annotated[str, typer.Option(help="Length of a day, from open to open.")] = "6min",
    session: Annotated[str, typer.Option(help="How much of a day is traded.")] = "5min",
) -> Outcome:
    """Run nine days in five markets, and measure them."""
    frames = run_scenarios(scenarios(day, session), Runs(seeds, FIRST_SEED), "treasury_2020", measure)
    return Outcome([*_rows(frames), *_control(frames[CALM])], _draw, [_table(frames)])


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[Row]:
    found, unaided, calm = frames[EPISODE], frames[NO_PURCHASES], frames[CALM]
    kept, exempt = frames[NO_REDEMPTIONS], frames[EXEMPTION]
    rises = unaided["inventory_peak"] - calm["inventory_peak"]
    lead = unaided["sales_last_day"] - unaided["inventory_peak_day"]
    paired = Sample(found.assign(kept_pct=kept["worst_pct"], calm_spread=calm["spread_mean"]))
    return [
        above(
            "A. worst Treasury price below value, less with purchases (% of price)",
            unaided["worst_pct"] - found["worst_pct"],
            0.0,
            _FR,
        ),
        within("B. Treasury's spread, worst day over calm", found["spread_worst"] / calm["spread_mean"], 3.8, 2.2, _FR),
        within("C. Treasury's depth, worst day over calm", found["depth_worst"] / calm["depth_mean"], 0.2, 0.15, _FR),
        within(
            "D. cost of immediacy in corporates, worst day over calm",
            found["cost_worst"] / calm["cost_mean"],
            5.0,
            2.0,
            "Kargar et al. (2021)",
        ),
        above("E. dealers' Treasury inventory at its peak, over calm (lots)", rises, 0.0, _WESTERN),
        above("E. days from that peak to the last of clients' sales", lead, 0.0, "He, Nagel and Song (2022)"),
        above("F. dealers' net purchases of corporates before the crisis (lots)", found["bought_before"], 0.0, _OZ),
        below("F. the same in the crisis", found["bought_crisis"], 0.0, _OZ),
        above("F. the same once purchases have begun", found["bought_after"], 0.0, _OZ),
        judged(paired, Fact("G. redemptions' share of the Treasury's fall", _redeemed, 0.2, 0.45, "Ma et al. (2022)")),
        judged(
            paired,
            Fact(
                "H. share of the price's fall undone, less that of the spread",
                _recovered,
                0.0,
                math.inf,
                "Ermolov (2020)",
            ),
        ),
        above(
            "I. worst Treasury price below value, less with the exemption (% of price)",
            found["worst_pct"] - exempt["worst_pct"],
            0.0,
            "Federal Reserve (2020)",
        ),
    ]


def _redeemed(frame: pd.DataFrame) -> float:
    return float(1 - frame["kept_pct"].mean() / frame["worst_pct"].mean())


def _recovered(frame: pd.DataFrame) -> float:
    """By how much more of its fall the price has come back after a day of purchases than the spread of its rise."""
    mean = frame.mean(numeric_only=True)
    price = 1 - mean["gap_after"] / mean["gap_before"]
    spread = 1 - (mean["spread_after"] - mean["calm_spread"]) / (mean["spread_before"] - mean["calm_spread"])
    return float(price - spread)


def _control(calm: pd.DataFrame) -> list[Row]:
    rows = [share("control: calm without a forced sale (share of seeds)", calm["forced"] == 0, 0.95, "control")]
    for name in _NAMES:
        off = calm[f"off_half_spreads_{name}"]
        rows.append(above(f"control: {name} lit in calm (share of time)", calm[f"lit_{name}"], 0.99, "control"))
        rows.append(below(f"control: {name} off value in calm (half-spreads, rms)", off, 2.0, "control"))
    return rows


_SHOWN = {
    "worst_pct": "worst below value (%)",
    "worst_day": "on day",
    "spread_worst": "widest day's spread (ticks)",
    "depth_worst": "thinnest day's depth (lots)",
    "cost_worst": "dearest day's cost in corporates (bp)",
    "inventory_peak": "dealers' inventory at its peak (lots)",
    "sold_foreign": "sold by foreign holders (lots)",
    "sold_bond_fund": "by bond funds",
    "sold_basis_fund": "by basis funds",
    "forced": "parent orders of forced sales",
}


def _table(frames: Mapping[str, pd.DataFrame]) -> ResultTable:
    lines = [[name, *(bootstrap(frame[metric]) for metric in _SHOWN)] for name, frame in frames.items()]
    return ResultTable("Nine days: mean [95 % interval] over seeds", ["market", *_SHOWN.values()], lines)


def _draw(path: Path) -> None:
    figure, axis = new_figure()
    drawn = scenarios()
    episode = drawn[EPISODE]
    windows = [day.part(k) for day in days_of(calendar_of(episode)) for k in range(_PARTS)]
    at = 1 + (np.arange(len(windows)) + 0.5) / _PARTS
    for k in range(3):
        for name, style in ((EPISODE, "-"), (NO_PURCHASES, ":")):
            gap = -shortfalls(run_once(drawn[name], FIRST_SEED + k), _TREASURY, windows)
            label = f"seed {FIRST_SEED + k}" if name == EPISODE else None
            axis.plot(at, gap, style, color=COLOURS[k], linewidth=1.2, label=label)
    axis.plot([], [], ":", color="black", linewidth=1.2, label="without purchases")
    axis.axvspan(BUYING, _DAYS + 1, color="black", alpha=0.06)
    assert episode.calendar is not None
    axis.set_xticks([day + 0.5 for day in range(1, _DAYS + 1)], [str(int(date[8:])) for date in episode.calendar.dates])
    axis.set_xlabel("day of March 2020 (shaded: the central bank buys)")
    axis.set_ylabel("Treasury's price off value (%)")
    axis.legend(frameon=False, fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("treasury_2020", run, quick={"seeds": 2, "day": "36s", "session": "30s"}, cases=[{"seeds": 6}])

if __name__ == "__main__":
    EXPERIMENT.main()
