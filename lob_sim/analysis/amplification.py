"""How much worse than its cause a crisis became: overshoot, losses, forced volume, recovery, failures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, floats, ints, require, value_at, window_ns, worst_of_known
from lob_sim.log.tables import exact_sum
from lob_sim.messages import Side
from lob_sim.units import Cash, Lots, Ns


def overshoot(prices: pd.DataFrame, fair: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> float:
    """Worst price below fair value in [start, end], as a fraction of fair value at that time; 0 if none is below.

    NaN where nothing was traded at a known price while fair value was known: how far a price would have gone is not
    known.

    Args:
        prices: ``ts_event_ns`` and ``price_ticks`` of trades, lit and RFQ together, of one instrument.
        fair: ``ts_event_ns`` and ``value_ticks``.
        start_ns: The shock.
        end_ns: End of the window, later.

    Raises:
        DataError: A column is missing, time goes back, or the window has no length.
    """
    window_ns(start_ns, end_ns)
    worst = worst_of_known(_below_fair(prices, fair, start_ns, end_ns))
    return 0.0 if worst <= 0 else worst


def _below_fair(prices: pd.DataFrame, fair: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> Floats:
    require(prices, ("ts_event_ns", "price_ticks"), "prices")
    require(fair, ("ts_event_ns", "value_ticks"), "fair values")
    times = ints(prices, "ts_event_ns")
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), times)
    inside = (times >= start_ns) & (times <= end_ns) & (value > 0)
    return 1 - floats(prices, "price_ticks")[inside] / value[inside]


def tier1_loss_cash(balance_sheets: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> dict[int, Cash]:
    """Fall of each agent's Tier 1 capital from just before ``start_ns`` to ``end_ns``, in cash units.

    Args:
        balance_sheets: ``balance_sheet`` dataset: ``ts_event_ns``, ``agent_id``, ``tier1_cash``.
        start_ns: The shock; an agent that has no balance sheet before it is left out. An opening sheet, at time 0, is
            before everything.
        end_ns: End of the window.

    Returns:
        Agent to loss; negative is a gain.
    """
    require(balance_sheets, ("ts_event_ns", "agent_id", "tier1_cash"), "balance sheets")
    window_ns(start_ns, end_ns)
    losses: dict[int, Cash] = {}
    for agent_id, sheets in balance_sheets.groupby(ints(balance_sheets, "agent_id"), sort=True):
        times, capital = ints(sheets, "ts_event_ns"), ints(sheets, "tier1_cash")
        opening = 0 if times[0] == 0 else -1
        before = max(opening, int(np.searchsorted(times, start_ns, side="left")) - 1)
        after = int(np.searchsorted(times, end_ns, side="right")) - 1
        if before >= 0:
            losses[int(str(agent_id))] = int(capital[before]) - int(capital[after])
    return losses


def forced_volume_lots(
    parents: pd.DataFrame, orders: pd.DataFrame, fills: pd.DataFrame, rfq_trades: pd.DataFrame
) -> Lots:
    """Lots sold under forced-sale parent orders, on the lit book and on RFQ.

    A fill belongs to the parent order that its order named when it was sent. Parent orders that are no
    forced sales (a client's schedule) are not in ``parents`` and do not count.

    Args:
        parents: ``parent_order_opened`` dataset: ``agent_id``, ``parent_order_id``.
        orders: ``new_order`` dataset: ``agent_id``, ``client_order_id``, ``parent_order_id``.
        fills: ``order_filled`` dataset: ``agent_id``, ``client_order_id``, ``side``, ``qty_lots``.
        rfq_trades: ``rfq_traded`` dataset: ``agent_id``, ``parent_order_id``, ``side``, ``qty_lots``.
    """
    require(parents, ("agent_id", "parent_order_id"), "parent orders")
    require(orders, ("agent_id", "client_order_id", "parent_order_id"), "orders")
    require(fills, ("agent_id", "client_order_id", "side", "qty_lots"), "fills")
    require(rfq_trades, ("agent_id", "parent_order_id", "side", "qty_lots"), "RFQ trades")
    parent, order = ["agent_id", "parent_order_id"], ["agent_id", "client_order_id"]
    forced = _whole(parents, parent).drop_duplicates()
    children = _whole(orders, [*order, "parent_order_id"]).merge(forced)[order].drop_duplicates()
    lit = _whole(fills, [*order, "side", "qty_lots"]).merge(children, on=order)
    rfq = _whole(rfq_trades, [*parent, "side", "qty_lots"]).merge(forced, on=parent)
    return sum(exact_sum(sold.loc[sold["side"] == int(Side.SELL), "qty_lots"]) for sold in (lit, rfq))


def _whole(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Columns as integers: those of a table without rows may have no type, and would join with nothing."""
    return pd.DataFrame({column: ints(table, column) for column in columns})


def failures(defaults: pd.DataFrame) -> int:
    """Number of agents that defaulted: ``dealer_defaulted`` dataset, ``agent_id``."""
    require(defaults, ("agent_id",), "defaults")
    return int(defaults["agent_id"].nunique())
