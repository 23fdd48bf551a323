"""The figure of a strategy in a recorded market: where it dealt, what it held, what it made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.log.profit import MID, reference_paths
from lob_sim.replay.backtest import TradedAgainst
from lob_sim.report.figures import parts
from lob_sim.report.figures.market import price_unit, touch_lines


def _dealing(traded: TradedAgainst) -> Mapping[str, parts.Chart]:
    charts: dict[str, parts.Chart] = {}
    for i, instrument in enumerate(traded.run.header.instruments):
        own = traded.fills[traded.fills["instrument"] == instrument.name].reset_index(drop=True)
        if not len(own):
            continue
        touch = touch_lines(traded.run, i, "muted")
        bought = _fills("bought", own[own["side"] == "buy"], "up", "bid")
        sold = _fills("sold", own[own["side"] == "sell"], "down", "ask")
        held = parts.Line("inventory", parts.path_of(own, "position_lots"), parts.Look("blue"), " lots")
        made = parts.Line("profit at mid", parts.path_of(profit_path(traded, i), "profit"), parts.Look("good"))
        charts[instrument.name] = (
            parts.Axis(title="price", unit=price_unit(traded.run, i), items=(*touch, bought, sold), weight=2.5),
            parts.Axis(title="lots held", items=(held,)),
            parts.Axis(title="profit", items=(made,)),
        )
    return charts


def _fills(name: str, own: pd.DataFrame, marker: str, colour: str) -> parts.Points:
    beside = ((floats(own, "lots"), " lots", 0),)
    return parts.Points(name, parts.path_of(own, "price"), marker, colour, 6, beside)


DEALING = parts.FigureKind(
    key="dealing",
    title="What the strategy did",
    text="Triangles are its fills, lines the best prices. Below: what it held, and what it had made, with the open "
    "position at the middle of the book.",
    how="lob_sim.replay.backtest.traded_against(run).fills, lob_sim.report.figures.newcomer.profit_path(traded, i)",
    empty="it had no fills",
    charts=_dealing,
    choice="instrument",
    height=560,
    wide=True,
)


def profit_path(traded: TradedAgainst, instrument_id: int) -> pd.DataFrame:
    """Profit at the mid in currency units after each fill and each change of the mid: ``ts_event_ns``, ``profit``.

    The last value is ``pnl_mid`` of :meth:`.TradedAgainst.pnl`.
    """
    run, instrument = traded.run, traded.run.header.instruments[instrument_id]
    dealt = run.executions
    own = dealt[(dealt["agent_id"] == traded.newcomer.agent_id) & (dealt["instrument_id"] == instrument_id)]
    mid = reference_paths(run, instrument_id)[MID]
    times: Ints = np.unique(np.concatenate([ints(own, "ts_event_ns"), mid.times_ns]))
    signed = floats(own, "side") * floats(own, "qty_lots")
    n = np.searchsorted(ints(own, "ts_event_ns"), times, side="right")
    position = np.concatenate(([0.0], signed.cumsum()))[n]
    paid = np.concatenate(([0.0], (signed * floats(own, "price_ticks")).cumsum()))[n]
    at: Floats = mid.after(times).astype(np.float64) / (1 << 20)
    return pd.DataFrame({"ts_event_ns": times, "profit": (position * at - paid) * float(instrument.tick_value)})
