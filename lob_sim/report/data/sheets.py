"""Balance sheets, forced sales, marks and failures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import floats, ints
from lob_sim.log import Run
from lob_sim.messages import MarkSource, Side
from lob_sim.report.data.common import fair_at, once_per_run, tick_size

ASSETS = ("cash", "inventory", "other_assets")
LIABILITIES = ("short_term", "due", "repo", "short", "adjustment", "tier1")
SOURCES = {
    MarkSource.LIT_MID: "lit mid",
    MarkSource.LIT_TRADE: "lit trade",
    MarkSource.RFQ_PRINT: "RFQ print",
    MarkSource.BELIEF: "own belief",
}


def balance_sheets(run: Run) -> pd.DataFrame:
    """Every record of every balance sheet in currency units: ``ts_event_ns``, ``seq``, ``agent_id``, ``cause``,
    :data:`ASSETS` and :data:`LIABILITIES`.

    The assets equal the liabilities, exactly up to rounding; ``adjustment`` is the prudent valuation adjustment.
    """
    table = run.table("balance_sheet", money=True)
    return table[["ts_event_ns", "seq", "agent_id", "cause", *ASSETS, *LIABILITIES]]


@once_per_run
def forced_sales(run: Run) -> pd.DataFrame:
    """Every trade that sells under a forced-sale parent order, in order of ``seq``.

    Columns: ``ts_event_ns``, ``seq`` (of the fill), ``trade_seq`` (of the public print, or of the RFQ trade),
    ``cause_seq`` (of the order that traded), ``agent_id`` of the seller, ``instrument_id``, ``parent_order_id``,
    ``venue``, ``price`` in points, ``lots``, ``is_maker``. The lots add up to
    :func:`lob_sim.analysis.amplification.forced_volume_lots`.
    """
    key = ["agent_id", "parent_order_id"]
    parents = run.table("parent_order_opened")[key].drop_duplicates()
    sent = run.table("new_order")[["client_order_id", *key]].merge(parents)
    fills = run.table("order_filled")
    fills = fills[fills["side"] == int(Side.SELL)].merge(
        sent.drop_duplicates(["agent_id", "client_order_id"]), on=["agent_id", "client_order_id"]
    )
    prints = run.trades[["instrument_id", "trade_id", "seq"]].rename(columns={"seq": "trade_seq"})
    lit = fills.merge(prints, on=["instrument_id", "trade_id"]).assign(venue="lit")
    rfq = run.rfq_trades
    rfq = rfq[rfq["side"] == int(Side.SELL)].merge(parents, on=key)
    rfq = rfq.assign(venue="rfq", trade_seq=rfq["seq"], is_maker=False)
    columns = ["ts_event_ns", "seq", "trade_seq", "cause_seq", *key, "instrument_id", "venue", "price_ticks"]
    both = pd.concat([frame[[*columns, "qty_lots", "is_maker"]] for frame in (lit, rfq)])
    both = both.sort_values("seq", ignore_index=True).rename(columns={"qty_lots": "lots"})
    ticks = np.array([tick_size(run, i) for i in range(len(run.header.instruments))])
    both["price"] = floats(both, "price_ticks") * (ticks[ints(both, "instrument_id")] if len(both) else 1.0)
    return both.drop(columns="price_ticks")


def marks(run: Run, instrument_id: int) -> pd.DataFrame:
    """Every mark: ``ts_event_ns``, ``seq``, ``agent_id``, ``mark`` and ``adjustment`` in points, ``prudent`` (mark less
    adjustment), ``off_pct`` (prudent mark above, or if negative below, fair value, in per cent of that), ``source``,
    ``lots`` held."""
    table, tick = of(run.table("mark"), instrument_id), tick_size(run, instrument_id)
    prudent = floats(table, "price_ticks") - floats(table, "adjustment_ticks")
    off = 100 * (prudent / fair_at(run, instrument_id, ints(table, "ts_event_ns")) - 1)
    return pd.DataFrame(
        {
            "ts_event_ns": table["ts_event_ns"],
            "seq": table["seq"],
            "agent_id": table["agent_id"],
            "mark": floats(table, "price_ticks") * tick,
            "adjustment": floats(table, "adjustment_ticks") * tick,
            "prudent": prudent * tick,
            "off_pct": off,
            "source": [SOURCES[MarkSource(source)] for source in table["source"]],
            "lots": table["lots"],
        }
    )


def failures(run: Run) -> pd.DataFrame:
    """Who failed: ``ts_event_ns``, ``agent_id``, ``tier1``, ``assets``, ``liabilities`` in currency units at that
    moment, and what ``shareholders``, ``repo_lenders`` and ``short_term_creditors`` lost in the end."""
    failed = run.table("dealer_defaulted", money=True)[["ts_event_ns", "agent_id", "tier1", "assets", "liabilities"]]
    losses = run.table("loss_attributed", money=True)
    borne = losses.pivot_table(index="agent_id", columns="bearer", values="loss", aggfunc="sum", fill_value=0.0)
    borne = borne.reindex(columns=["shareholders", "repo_lenders", "short_term_creditors"], fill_value=0.0)
    return failed.join(borne, on="agent_id").fillna(0.0)
