"""What dealers believe: how toxic the flow is, and how sure they are of fair value."""

from __future__ import annotations

import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import floats
from lob_sim.log import Run
from lob_sim.report.data.common import tick_size


def beliefs(run: Run, instrument_id: int) -> pd.DataFrame:
    """Beliefs by agent: ``ts_event_ns``, ``agent_id``, ``mean`` and ``sd`` in points, ``alpha``.

    ``alpha`` is the perceived share of informed flow, ``sd`` the standard deviation of the belief about fair value. The
    ``belief`` dataset as it is: it is thinned when it is logged (:class:`lob_sim.information.belief.BeliefThinning`).
    """
    table, tick = of(run.table("belief"), instrument_id), tick_size(run, instrument_id)
    return pd.DataFrame(
        {
            "ts_event_ns": table["ts_event_ns"],
            "agent_id": table["agent_id"],
            "mean": floats(table, "mean_ticks") * tick,
            "sd": floats(table, "sd_ticks") * tick,
            "alpha": table["alpha"],
        }
    )
