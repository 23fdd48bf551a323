"""Headroom of every balance sheet under each of its constraints, over time, as desks log it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import floats
from lob_sim.log import Run
from lob_sim.report.data.common import once_per_run
from lob_sim.units import MOST_CASH


@once_per_run
def headroom(run: Run) -> pd.DataFrame:
    """How far each agent is from each of its limits: a row per change and constraint, in order of agent and time.

    Columns: ``ts_event_ns``, ``agent_id``, ``constraint``, ``headroom`` in currency units (negative: breached;
    infinite: nothing is limited; for ``slr`` the exposure that may still be added, for ``var`` the limit less the value
    at risk, for ``funding`` the unused borrowing capacity). Dataset ``headroom``; empty where nobody has limits.
    """
    limited = floats(run.table("headroom"), "headroom_cash") < MOST_CASH
    table = run.table("headroom", money=True)
    table = table.assign(headroom=np.where(limited, table["headroom"], np.inf))
    table = table.sort_values(["agent_id", "constraint", "seq"], ignore_index=True)
    return table[["ts_event_ns", "agent_id", "constraint", "headroom"]]
