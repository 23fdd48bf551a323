"""The moments that a replay shows: everything of interest that happened, and equal steps of time between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from lob_sim.log.run import Run
from lob_sim.messages import WithdrawalCause
from lob_sim.report.data.common import table_rows
from lob_sim.units import Ns

STEPS = 960
"""Equal steps into which a run is cut, if the frames of its events leave room for them."""
MAX_EVENTS = 1_000
"""Most events of interest that a replay shows; of the least important kinds some are left out beyond that."""

WITHDRAWAL_TEXTS = {
    WithdrawalCause.ADVERSE_SELECTION: "adverse selection",
    WithdrawalCause.RISK_APPETITE: "risk appetite",
    WithdrawalCause.CAPITAL: "no headroom",
    WithdrawalCause.FORCED_SALE: "forced sale",
    WithdrawalCause.DEFAULT: "failed",
}
"""Why a dealer does not quote, in words."""


class MomentKind(IntEnum):
    """Kinds of event at which a replay stops, the most important first."""

    SHOCK = 0
    FAILURE = 1
    BREACH = 2
    FORCED_SALE = 3
    RETREAT = 4


class Moment(NamedTuple):
    """An event of interest.

    Attributes:
        ts_ns: When.
        seq: Its row of the log.
        kind: What it is.
        agent_id: Whose, or -1.
        instrument_id: The instrument concerned, or -1.
        text: What happened, in words, without agent and instrument.
    """

    ts_ns: Ns
    seq: int
    kind: MomentKind
    agent_id: int
    instrument_id: int
    text: str


class Frames(NamedTuple):
    """What a replay shows, and when.

    Attributes:
        times_ns: Times of the frames, increasing, from 0 to the end of the log.
        moments: The events of interest, each at the time of a frame.
        left_out: Number of events of interest that are not among them, by kind.
    """

    times_ns: tuple[Ns, ...]
    moments: tuple[Moment, ...]
    left_out: dict[MomentKind, int]


def moments_of(run: Run) -> list[Moment]:
    """Every event of interest on the log, in order: shocks, failures, breaches, forced sales, retreats.

    Raises:
        DataError: The log cannot be read.
    """
    found = [
        *_shocks(run),
        *(_moment(row, MomentKind.FAILURE, "Tier 1 is gone") for row in table_rows(run.table("dealer_defaulted"))),
        *(
            _moment(row, MomentKind.BREACH, f"limit {row.constraint} is breached")
            for row in table_rows(run.table("constraint_breached"))
        ),
        *(
            _moment(row, MomentKind.FORCED_SALE, f"{row.qty_lots} lots must be sold: {row.reasons}")
            for row in table_rows(run.table("parent_order_opened"))
        ),
        *(
            _moment(row, MomentKind.RETREAT, f"leaves the lit book: {WITHDRAWAL_TEXTS[WithdrawalCause(row.cause)]}")
            for row in table_rows(run.table("retreat"))
        ),
    ]
    return sorted(found, key=lambda moment: moment.seq)


def choose_frames(moments: Sequence[Moment], end_ns: Ns) -> Frames:
    """Times to show: 0, the end, each event of interest, and :data:`STEPS` equal steps.

    Of more than :data:`MAX_EVENTS` events, those of the most important kinds are kept, and of the first kind
    that does not fit an evenly spaced part. Shocks and failures always stay.

    Args:
        moments: From :func:`moments_of`.
        end_ns: Time of the last row.
    """
    kept: list[Moment] = []
    left_out: dict[MomentKind, int] = {}
    for kind in MomentKind:
        of_kind = [moment for moment in moments if moment.kind is kind]
        room = len(of_kind) if kind <= MomentKind.FAILURE else max(0, MAX_EVENTS - len(kept))
        chosen = _evenly(of_kind, room)
        if len(chosen) < len(of_kind):
            left_out[kind] = len(of_kind) - len(chosen)
        kept += chosen
    times = {moment.ts_ns for moment in kept} | {end_ns * k // STEPS for k in range(STEPS + 1)}
    return Frames(tuple(sorted(times)), tuple(sorted(kept, key=lambda moment: moment.seq)), left_out)


def frames_of(run: Run) -> Frames:
    """The frames of a run: :func:`choose_frames` of its events of interest."""
    return choose_frames(moments_of(run), run.manifest.last_ts_ns)


def rule_in_words(frames: Frames) -> str:
    """How the frames were chosen, to be read beside the replay."""
    text = (
        f"{len(frames.times_ns)} moments are kept: every breach, forced sale, failure, shock and retreat, and {STEPS} "
        "equal steps of time between them. Each shows the state of the log after everything up to that time."
    )
    if frames.left_out:
        names = ", ".join(f"{n} of kind {kind.name.lower().replace('_', ' ')}" for kind, n in frames.left_out.items())
        text += f" There are too many events to stop at each: left out are {names}, evenly over time."
    return text


def _moment(row: Any, kind: MomentKind, text: str) -> Moment:
    return Moment(row.ts_event_ns, row.seq, kind, row.agent_id, getattr(row, "instrument_id", -1), text)


def _shocks(run: Run) -> Iterator[Moment]:
    values = run.table("fair_value")
    for row in table_rows(values[values["is_shock"].astype(bool)]):
        price = run.header.instruments[row.instrument_id].price(row.value_ticks)
        yield Moment(
            row.ts_event_ns, row.seq, MomentKind.SHOCK, -1, row.instrument_id, f"fair value jumps to {price:.2f}"
        )


def _evenly(moments: Sequence[Moment], room: int) -> list[Moment]:
    n = len(moments)
    return list(moments) if n <= room else [moments[k * n // room] for k in range(room)]
