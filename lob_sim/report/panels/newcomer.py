"""Panels of a strategy in a recorded market: where it dealt, what it held, what it made."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.log.profit import MID, reference_paths
from lob_sim.replay.backtest import TradedAgainst
from lob_sim.report import data
from lob_sim.report.data.common import thin
from lob_sim.report.panels.figure import Figure, Panel, Trace, axis, by_instrument, compact, figure, line, ms
from lob_sim.report.panels.market import price_unit

_MOST_FILLS = 4_000


def dealing(traded: TradedAgainst) -> Panel:
    """The newcomer's fills against the touch, its inventory, and its profit at the mid over time."""
    run, fills = traded.run, traded.fills

    def draw(i: int) -> Figure | None:
        instrument = run.header.instruments[i]
        own = fills[fills["instrument"] == instrument.name].reset_index(drop=True)
        if not len(own):
            return None
        top = data.touch(run, i)
        traces: list[Trace] = [
            line(run, top, side, name=f"best {side}", line={"color": "@muted", "width": 1, "dash": dash})
            for side, dash in (("bid", "solid"), ("ask", "dot"))
        ]
        for side, symbol, colour, verb in (
            ("buy", "triangle-up", "@bid", "bought"),
            ("sell", "triangle-down", "@ask", "sold"),
        ):
            rows = thin(own[own["side"] == side], "price", _MOST_FILLS // 4)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": verb,
                    "x": ms(ints(rows, "ts_event_ns")),
                    "y": compact(rows["price"]),
                    "customdata": [[int(lots)] for lots in rows["lots"]],
                    "marker": {"color": colour, "size": 6, "symbol": symbol},
                    "hovertemplate": f"{verb} %{{customdata[0]}} lots at %{{y}}",
                }
            )
        held = pd.DataFrame({"ts_event_ns": own["ts_event_ns"], "lots": own["position_lots"].astype(float)})
        look = {"color": "@0", "width": 1.2}
        text = "%{y} lots"
        traces.append(line(run, held, "lots", name="inventory", yaxis="y2", line=look, hovertemplate=text))
        made = profit_path(traded, i)
        look = {"color": "@good", "width": 1.2}
        text = "%{y:,.4~g}"
        traces.append(line(run, made, "profit", name="profit at mid", yaxis="y3", line=look, hovertemplate=text))
        axes = {
            "yaxis": axis(f"price ({price_unit(run, i)})", (0.5, 1.0)),
            "yaxis2": axis("lots held", (0.26, 0.45)),
            "yaxis3": axis("profit", (0.0, 0.21)),
        }
        return figure(traces, axes)

    return Panel(
        key="dealing",
        title="What the strategy did",
        text="Triangles are its fills, lines the best prices. Below: what it held, and what it had made, with the open "
        "position at the middle of the book.",
        how="lob_sim.replay.backtest.traded_against(run).fills, lob_sim.report.panels.newcomer.profit_path(traded, i)",
        choice="instrument",
        variants=by_instrument(run, draw),
        height=560,
        wide=True,
        empty="It had no fills.",
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
