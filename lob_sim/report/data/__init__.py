"""The numbers of the report: every panel shows the result of one of these calls, thinned where it is drawn.

Each function takes a :class:`lob_sim.log.Run` and returns a table in human units: prices in price points, money in
currency units, shares between 0 and 1 or, where the column says ``pct``, in per cent. Times stay nanoseconds since the
start, ``ts_event_ns``. ``docs/report.md`` says which panel shows which.
"""

from lob_sim.report.data.common import thin, watched
from lob_sim.report.data.funding import borrowing, fund_values, haircuts, redemptions, squeezes
from lob_sim.report.data.headroom import headroom
from lob_sim.report.data.information import beliefs
from lob_sim.report.data.liquidity import DepthMap, dealt, depth_map, quoted_spread, spread_parts
from lob_sim.report.data.prices import (
    STATES,
    WIDEST_PCT,
    Dislocation,
    dislocations,
    fair_value,
    presence,
    quote_states,
    quoting,
    quoting_share,
    touch,
    trades,
    worst_off_pct,
    worst_trade,
)
from lob_sim.report.data.sheets import balance_sheets, failures, forced_sales, marks

__all__ = [
    "STATES",
    "WIDEST_PCT",
    "DepthMap",
    "Dislocation",
    "balance_sheets",
    "beliefs",
    "borrowing",
    "dealt",
    "depth_map",
    "dislocations",
    "failures",
    "fair_value",
    "forced_sales",
    "fund_values",
    "haircuts",
    "headroom",
    "marks",
    "presence",
    "quote_states",
    "quoted_spread",
    "quoting",
    "quoting_share",
    "redemptions",
    "spread_parts",
    "squeezes",
    "thin",
    "touch",
    "trades",
    "watched",
    "worst_off_pct",
    "worst_trade",
]
