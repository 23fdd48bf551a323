"""The page of a strategy that traded in a recorded market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lob_sim.log.foreign import reads_logs
from lob_sim.log.manifest import COMPLETE
from lob_sim.replay.backtest import TradedAgainst
from lob_sim.replay.describe import describe_flow, describe_newcomer
from lob_sim.report.figures import market
from lob_sim.report.figures.newcomer import DEALING
from lob_sim.report.panels.drawing import panel
from lob_sim.report.render import page
from lob_sim.report.run_page import foot, settings

_MOST_FILLS = 200
COLUMNS = (
    ("fills", "fills"),
    ("position_lots", "position (lots)"),
    ("realised", "realised"),
    ("pnl_mid", "profit at mid"),
    ("pnl_value", "profit at value"),
    ("spread", "spread"),
    ("adverse_selection", "adverse selection"),
    ("inventory", "inventory"),
)
"""Columns of the profit table and what they are called."""


def against_page(traded: TradedAgainst, name: str) -> str:
    """The page: what the strategy did and made, what history could not repeat, and the market around it.

    Args:
        traded: The run and its report.
        name: What to call it, for example the name of its folder.
    """
    return _page(traded.run, traded, name)


@reads_logs
def _page(run: Any, traded: TradedAgainst, name: str) -> str:
    # Against fair value and by request there is something to see only where the log has them.
    kinds = [market.PRICE] if len(run.table("fair_value")) else []
    kinds += [market.DEPTH, market.BOOK_SPREAD, market.PRESENCE, *([market.DEALT] if len(run.rfq_trades) else [])]
    shown = [panel(run, DEALING, traded), *(panel(run, kind) for kind in kinds)]
    drawn = [own for own in shown if own.variants]
    fills = traded.fills
    dealt_in = list(fills["instrument"].value_counts().index)
    chosen = settings(run)
    return page(
        "against.html.j2",
        drawn,
        {**chosen, "instrument": dealt_in[0] if dealt_in else chosen["instrument"]},
        name=name,
        title=traded.newcomer.kind,
        description=run.header.scenario.get("description", ""),
        problems=[] if run.status == COMPLETE else run.condition(),
        sections=[("made", "What it made"), ("history", "History"), *([("market", "The market")] if drawn else [])],
        told=describe_newcomer(traded),
        history=describe_flow(traded.report),
        marked_at=traded.pnl().attrs["at"],
        tables=[("instrument", _rows(traded.pnl("instrument"))), ("role in the trade", _rows(traded.pnl("role")))],
        fills=fills.tail(_MOST_FILLS).to_dict("records"),
        n_fills=len(fills),
        **foot(run),
    )


def _rows(table: pd.DataFrame) -> dict[str, Any]:
    columns = [(key, label) for key, label in COLUMNS if key in table.columns and table[key].notna().any()]
    rows = [
        {"name": name, "cells": [_text(row[key]) for key, _ in columns]}
        for name, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    return {"labels": [label for _, label in columns], "rows": rows}


def _text(value: float) -> str:
    return "–" if np.isnan(value) else f"{round(value):,}" if round(value, 2) == round(value) else f"{value:,.2f}"
