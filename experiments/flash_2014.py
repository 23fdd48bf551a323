"""Does closing a large short position, with no news of value, make a round trip like that of 15 October 2014?

The scenario beside this module, with the purchases and without. What happened, what is taken from it, what is free,
and what is claimed, stated before the first run, is in ``docs/episodes/flash_2014.md``. The window is the twelve
minutes from the start of the purchases, calm the eight minutes before it. How far price is off value is that of the
middle of the lit book from fair value, every five seconds.

Expected, before the first run: dealers and trading firms sell what they will hold short, raise their quotes by what
they infer from one-sided flow, and are followed by those who follow prices; when the purchases end, those who know
value are left to sell, and the price comes back. Depth falls because inventory limits bind on one side. Without
purchases nothing happens.
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
from experiments.spiral.cells import run_scenarios
from lob_sim.analysis import floats, ints, lit_state, of, value_at
from lob_sim.experiment import Experiment, Outcome, ResultTable, Row
from lob_sim.experiment.over_seeds import above, below
from lob_sim.log import Run
from lob_sim.messages import Side
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep import bootstrap
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

SCENARIO = Path(__file__).with_suffix(".toml")
EPISODE, CONTROL = "episode", "no purchases"
START_NS: Ns = 600 * NS_PER_S
WINDOW_NS: Ns = 720 * NS_PER_S
_CALM_NS: Ns = 120 * NS_PER_S
_GRID_NS: Ns = 5 * NS_PER_S
_LAST_NS: Ns = 60 * NS_PER_S
"""What is left of the move is the mean over so much time at the end of the window."""
_REPORT = "joint staff report (2015)"
_FLASH = "Schaumburg and Yang (2015)"


def scenarios() -> dict[str, Scenario]:
    """The episode, and its market without the purchases."""
    return {
        EPISODE: load_scenario(SCENARIO),
        CONTROL: load_scenario(SCENARIO, ["agents.short_cover.params.flow=[]"]),
    }


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run one morning and measure it; see :func:`flash_metrics`."""
    logged = run_once(scenario, seed, out)
    return TaskResult(flash_metrics(logged), logged.digest)


def off_value(logged: Run, start_ns: Ns, end_ns: Ns) -> tuple[np.ndarray, np.ndarray]:
    """Times, and how far the middle of the lit book is off fair value, in per cent of it; NaN before there is one."""
    quotes, values = of(logged.quotes, 0), logged.table("fair_value")
    bid, ask = floats(quotes, "bid_ticks"), floats(quotes, "ask_ticks")
    both = (bid > 0) & (ask > 0)
    grid = np.arange(start_ns, end_ns, _GRID_NS, dtype=np.int64)
    mid = value_at(ints(quotes, "ts_event_ns")[both], (bid + ask)[both] / 2, grid)
    value = value_at(ints(values, "ts_event_ns"), floats(values, "value_ticks"), grid)
    return grid, 100 * (mid / value - 1)


def flash_metrics(logged: Run) -> dict[str, float]:
    """What the claims are of.

    ``peak_pct``: furthest of price from value, either way, in the window. ``undone``: share of it that is gone in the
    window's last minute. ``peak_s``: when it was, from the start. ``presence``, ``depth_ratio``, ``spread_ratio``: of
    the lit book, the ratios to calm. ``volume_up`` and ``volume_back``: lit lots a second before and after the peak,
    over calm. ``signed_up`` and ``signed_back``: lots that buyers initiated less those of sellers, over volume.
    ``net_change``: the largest net change of a class in the window, over volume, lit and on request.
    ``absence_dealers``, ``absence_makers``: share of time without an offer, and ``calm_absence_dealers``.
    """
    end_ns = START_NS + WINDOW_NS
    grid, off = off_value(logged, START_NS, end_ns)
    at = int(np.nanargmax(np.abs(off)))
    peak_ns = int(grid[at]) + 1
    left = float(np.nanmean(off[grid >= end_ns - _LAST_NS]))
    quotes = of(logged.quotes, 0)
    calm, window = lit_state(quotes, _CALM_NS, START_NS), lit_state(quotes, START_NS, end_ns)
    calm_rate, _ = _flow(logged.trades, _CALM_NS, START_NS)
    up_rate, signed_up = _flow(logged.trades, START_NS, max(peak_ns, START_NS + _GRID_NS))
    back_rate, signed_back = _flow(logged.trades, peak_ns, end_ns)
    found = {
        "peak_pct": abs(float(off[at])),
        "undone": 1 - left / float(off[at]),
        "peak_s": (peak_ns - START_NS) / NS_PER_S,
        "presence": window.presence,
        "depth_ratio": window.depth_lots / calm.depth_lots,
        "spread_ratio": window.quoted_spread_ticks / calm.quoted_spread_ticks,
        "volume_up": up_rate / calm_rate,
        "volume_back": back_rate / calm_rate,
        "signed_up": signed_up,
        "signed_back": signed_back,
        "net_change": net_change(logged, START_NS, end_ns),
        "absence_dealers": offer_absence(logged, "bank_dealer", START_NS, end_ns),
        "calm_absence_dealers": offer_absence(logged, "bank_dealer", _CALM_NS, START_NS),
        "absence_makers": offer_absence(logged, "ptf_maker", START_NS, end_ns),
    }
    return {name: float(value) for name, value in found.items()}


def _flow(trades: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> tuple[float, float]:
    """Lots a second in [start, end), and the part that buyers initiated less that of sellers."""
    own = trades[(trades["ts_event_ns"] >= start_ns) & (trades["ts_event_ns"] < end_ns)]
    lots = floats(own, "qty_lots")
    total = float(lots.sum())
    signed = float((lots * floats(own, "aggressor_side")).sum())
    return total / ((end_ns - start_ns) / NS_PER_S), signed / total if total else math.nan


def net_change(logged: Run, start_ns: Ns, end_ns: Ns) -> float:
    """The largest net change of a class's position in [start, end), over the volume of the time."""

    def inside(table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["ts_event_ns"] >= start_ns) & (table["ts_event_ns"] < end_ns)]

    groups = {entry.agent_id: entry.group for entry in logged.header.agents}
    fills, deals = inside(logged.table("order_filled")), inside(logged.table("rfq_traded"))
    changes: dict[str, float] = dict.fromkeys(groups.values(), 0.0)
    for table, who, sign in ((fills, "agent_id", 1), (deals, "agent_id", 1), (deals, "dealer_id", -1)):
        lots = floats(table, "qty_lots") * floats(table, "side") * sign
        for agent_id, change in pd.Series(lots).groupby(table[who].to_numpy()).sum().items():
            changes[groups[int(str(agent_id))]] += float(change)
    volume = float(inside(logged.trades)["qty_lots"].sum() + deals["qty_lots"].sum())
    return max(abs(change) for change in changes.values()) / volume


def offer_absence(logged: Run, group: str, start_ns: Ns, end_ns: Ns) -> float:
    """Share of the time of a group's members in [start, end) in which they have no sell order in the lit book."""
    members = [entry.agent_id for entry in logged.header.agents if entry.group == group]
    sells = logged.orders[logged.orders["side"] == int(Side.SELL)]
    shares = []
    for agent_id in members:
        own = sells[sells["agent_id"] == agent_id]
        begins, ends = ints(own, "ts_event_ns"), ints(own, "ts_end_ns")
        ends = np.clip(np.where(ends < 0, end_ns, ends), start_ns, end_ns)
        # Orders come in order of time: the part of each that no earlier one has covered.
        covered = np.maximum.accumulate(np.concatenate(([start_ns], ends)))[:-1]
        there = np.clip(ends - np.maximum(np.clip(begins, start_ns, end_ns), covered), 0, None)
        shares.append(1 - float(there.sum()) / (end_ns - start_ns))
    return float(np.mean(shares))


def run(seeds: Annotated[int, typer.Option(min=2, help="Seeds of either cell.")] = 50) -> Outcome:
    """Run mornings with the purchases and without, and measure them."""
    frames = run_scenarios(scenarios(), seeds, "flash_2014", measure)
    return Outcome(_rows(frames), _draw, [_table(frames)])


def _rows(frames: Mapping[str, pd.DataFrame]) -> list[Row]:
    found, control = frames[EPISODE], frames[CONTROL]
    absent = found["absence_dealers"]
    return [
        above("A. share of the peak that is gone after twelve minutes", found["undone"], 0.75, _REPORT),
        above("B. share of the window with both sides quoted", found["presence"], 0.9, _REPORT),
        below("C. depth at the touch, window over calm", found["depth_ratio"], 0.5, _REPORT),
        above("D. volume per second, way up over calm", found["volume_up"], 1.0, _REPORT),
        below("E. volume per second, way back over way up", found["volume_back"] / found["volume_up"], 1.0, _FLASH),
        above("F. initiated by buyers less sellers, way up (share of volume)", found["signed_up"], 0.0, _REPORT),
        below("G. initiated by buyers less sellers, way back (share of volume)", found["signed_back"], 0.0, _REPORT),
        below("H. largest net change of a class (share of volume)", found["net_change"], 0.25, _REPORT),
        above(
            "I. bank-dealers without an offer, window less calm", absent - found["calm_absence_dealers"], 0.0, _REPORT
        ),
        above("J. bank-dealers without an offer, less trading firms", absent - found["absence_makers"], 0.0, _REPORT),
        below(
            "K. furthest off value without purchases (share of the peak)",
            control["peak_pct"] / found["peak_pct"],
            0.25,
            "control",
        ),
    ]


_SHOWN = {
    "peak_pct": "furthest of price from value (%)",
    "peak_s": "time of the peak (s)",
    "undone": "share undone",
    "presence": "both sides quoted (share of time)",
    "depth_ratio": "depth over calm",
    "spread_ratio": "spread over calm",
    "volume_up": "volume on the way up, over calm",
    "volume_back": "volume on the way back, over calm",
}


def _table(frames: Mapping[str, pd.DataFrame]) -> ResultTable:
    lines = [[name, *(bootstrap(frame[metric]) for metric in _SHOWN)] for name, frame in frames.items()]
    return ResultTable("The window: mean [95 % interval] over seeds", ["cell", *_SHOWN.values()], lines)


def _draw(path: Path) -> None:
    figure, axis = new_figure()
    scenario = load_scenario(SCENARIO)
    for seed in range(1, 4):
        grid, off = off_value(run_once(scenario, seed), _CALM_NS, scenario.horizon)
        axis.plot((grid - START_NS) / (60 * NS_PER_S), off, color=COLOURS[seed - 1], linewidth=1, label=f"seed {seed}")
    axis.axvspan(0, WINDOW_NS / (60 * NS_PER_S), color="black", alpha=0.06)
    axis.set_xlabel("minutes from the first purchase")
    axis.set_ylabel("price off value (%)")
    axis.legend(frameon=False, fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment("flash_2014", run, quick={"seeds": 2}, cases=[{"seeds": 10}])

if __name__ == "__main__":
    EXPERIMENT.main()
