"""Who dealt what: a row for each side of each execution, whatever the venue, and the positions that follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lob_sim.log.header import RunHeader
from lob_sim.log.schema import message_types
from lob_sim.log.source import LogRow
from lob_sim.messages import Event, Message, OrderFilled, RfqTraded
from lob_sim.units import Ns

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("taker", "maker", "asker", "dealer", "")
"""What one is in an execution: on the lit book and by request for quote; of another venue nothing is known."""
_COLUMNS = ["seq", "ts_event_ns", "cause_seq", "agent_id", "instrument_id", "side", "price_ticks", "qty_lots"]


class LoggedRun(Protocol):
    """What this module and its neighbours need of a :class:`~lob_sim.log.run.Run`."""

    @property
    def header(self) -> RunHeader: ...
    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def executions(self) -> pd.DataFrame: ...
    @property
    def quotes(self) -> pd.DataFrame: ...
    def table(self, name: str) -> pd.DataFrame: ...
    def messages(self, *types: type[Message]) -> Iterator[LogRow]: ...
    def clock(self, ts_ns: Ns) -> str: ...


def executions(run: LoggedRun) -> pd.DataFrame:
    """Both sides of every execution in order of ``seq``.

    Columns ``seq``, ``ts_event_ns``, ``cause_seq`` (the command that caused it), ``agent_id``, ``instrument_id``,
    ``side`` (1 bought, -1 sold), ``price_ticks``, ``qty_lots``, ``venue`` (``lit``, ``rfq``, or the dataset of another
    venue's executions) and ``role``, one of :data:`ROLES`.
    """
    import pandas as pd

    lit = run.table(OrderFilled.dataset)
    frames = [lit[_COLUMNS].assign(venue="lit", role=np.where(lit["is_maker"].astype(bool), "maker", "taker"))]
    rfq = run.table(RfqTraded.dataset)
    frames.append(rfq[_COLUMNS].assign(venue="rfq", role="asker"))
    other_side = rfq.assign(agent_id=rfq["dealer_id"], side=-rfq["side"])
    frames.append(other_side[_COLUMNS].assign(venue="rfq", role="dealer"))
    known = (OrderFilled.dataset, RfqTraded.dataset)
    for name, kind in message_types().items():
        if name in run.counts and name not in known and issubclass(kind, Event) and kind.legs is not Event.legs:
            frames.append(_of_legs(run, name, kind))
    found = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    # The asker's leg comes before its dealer's, as they settle.
    return found.sort_values("seq", kind="stable", ignore_index=True)


def _of_legs(run: LoggedRun, venue: str, kind: type[Event]) -> pd.DataFrame:
    """The executions of a venue of somebody's own, which says by its events' ``legs`` what settles."""
    import pandas as pd

    rows = [
        (row.seq, row.ts_ns, row.cause_seq, leg.agent_id, row.message.instrument_id, int(leg.side), *leg[2:])  # type: ignore[attr-defined]
        for row in run.messages(kind)
        for leg in (row.message.legs() if isinstance(row.message, Event) else ())
    ]
    return pd.DataFrame(rows, columns=_COLUMNS).assign(venue=venue, role="")


def opening_lots(header: RunHeader) -> dict[tuple[int, int], int]:
    """What agents hold before anybody has traded, as the scenario says: (agent, instrument) → lots, but for zeros."""
    groups = {group["name"]: group for group in header.scenario.get("agents", ())}
    found: dict[tuple[int, int], int] = {}
    for agent in header.agents:
        group = groups.get(agent.group, {})
        scale = Fraction((group.get("balance_sheet") or {}).get("scale", 1))
        for instrument in header.instruments:
            amount = Fraction(group.get("holdings", {}).get(instrument.name, 0)) * scale
            if lots := instrument.to_lots(amount):
                found[agent.agent_id, instrument.instrument_id] = lots
    return found


def position_table(dealt: pd.DataFrame, opening: dict[tuple[int, int], int]) -> pd.DataFrame:
    """Inventory over time: ``seq``, ``ts_event_ns``, ``agent_id``, ``instrument_id``, ``lots``.

    A row for each opening position (``seq`` 0) and after each execution; it holds until the next one of that agent and
    instrument.

    Args:
        dealt: The table of :func:`executions`.
        opening: That of :func:`opening_lots`.
    """
    import pandas as pd

    keys = ["agent_id", "instrument_id"]
    first = pd.DataFrame([(0, 0, *key, lots) for key, lots in sorted(opening.items())], columns=_POSITION_COLUMNS)
    moves = dealt[["seq", "ts_event_ns", *keys]].assign(lots=dealt["side"].astype(np.int64) * dealt["qty_lots"])
    both = pd.concat([frame for frame in (first, moves) if len(frame)] or [first], ignore_index=True)
    both = both.astype(np.int64)
    both["lots"] = both.groupby(keys, sort=False)["lots"].cumsum()
    return both


_POSITION_COLUMNS = ["seq", "ts_event_ns", "agent_id", "instrument_id", "lots"]


def fill_table(run: LoggedRun, dealt: pd.DataFrame, opening: dict[tuple[int, int], int]) -> pd.DataFrame:
    """Executions in the units that people use, a row for each side of each.

    Columns ``time`` (text, see :meth:`.Run.clock`), ``agent``, ``group``, ``instrument``, ``venue``, ``role``, ``side``
    (``buy``, ``sell``), ``price`` in points, ``lots``, ``amount`` (shares or face value), ``money`` (currency units:
    what was received, negative for what was paid) and ``position_lots`` after it; then ``ts_event_ns`` and ``seq``.
    """
    import pandas as pd

    header = run.header
    names = {agent.agent_id: (agent.name, agent.group) for agent in header.agents}
    of = {i.instrument_id: i for i in header.instruments}
    lots = dealt["qty_lots"].to_numpy(np.float64)
    price = _each(float(of[i].tick_size) for i in dealt["instrument_id"]) * dealt["price_ticks"].to_numpy(np.float64)
    paid = price * lots * _each(float(of[i].lot_size / of[i].price_per) for i in dealt["instrument_id"])
    after = position_table(dealt, opening)
    return pd.DataFrame(
        {
            "time": [run.clock(int(ts_ns)) for ts_ns in dealt["ts_event_ns"]],
            "agent": [names.get(i, ("", ""))[0] for i in dealt["agent_id"]],
            "group": [names.get(i, ("", ""))[1] for i in dealt["agent_id"]],
            "instrument": [of[i].name for i in dealt["instrument_id"]],
            "venue": dealt["venue"],
            "role": dealt["role"],
            "side": np.where(dealt["side"] > 0, "buy", "sell"),
            "price": np.round(price, max((i.price_decimals for i in header.instruments), default=0)),
            "lots": dealt["qty_lots"],
            "amount": lots * _each(float(of[i].lot_size) for i in dealt["instrument_id"]),
            "money": -dealt["side"] * paid,
            "position_lots": after.loc[after["seq"] > 0, "lots"].to_numpy(),
            "ts_event_ns": dealt["ts_event_ns"],
            "seq": dealt["seq"],
        }
    )


def _each(values: Iterable[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.fromiter(values, np.float64)
