"""Net flow as it is known of a class of participants: so much of an instrument is bought or sold until some time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.execution import take_or_ask
from lob_sim.agents.inquiries import AsksForQuotes, Inquiries
from lob_sim.agents.quoting import traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import (
    OrderFilled,
    RfqTraded,
    Side,
)
from lob_sim.units import NS_PER_S, Duration, Instrument, Interval, Lots, Ns

_LOOK = 0


class FlowStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From some time on, until the next step of the same instrument, so much is bought.

    Source: a choice of this program.

    Attributes:
        at: From when on.
        instrument: Name of the instrument.
        amount (shares, or currency units of face value): Bought in that time; negative: sold. 0 in the last step,
            which ends the one before it.
    """

    at: Duration
    instrument: str
    amount: Decimal


class ScheduledFlow(AsksForQuotes, Strategy):
    """Buys and sells at an even pace what a schedule says of each instrument, from the touch of the lit book.

    The pace is even over the time in which the market trades: nights do not count. What nobody offers waits for the
    next look, also beyond the end of its step. Where nobody quotes its side of the book it asks dealers. The schedule
    is in ``flow``, or in a file that the scenario names.

    Source: a choice of this program, for flows that are published by class and day, as in the Financial Accounts of
    the United States.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the flow.

        Attributes:
            flow: The schedule, in order of time.
            interval: Time between two looks at the market.
            max_child_lots: Most that one order takes.
            rfq_dealers: Number of dealers asked when the book is dark; 0 means that it waits.
            rfq_patience: How long it waits for their answers.
        """

        flow: tuple[FlowStep, ...] = ()
        interval: Interval = 5 * NS_PER_S
        max_child_lots: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
        rfq_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        rfq_patience: Interval = NS_PER_S

        def __post_init__(self) -> None:
            last: dict[str, FlowStep] = {}
            for i, step in enumerate(self.flow):
                if step.instrument in last and step.at <= last[step.instrument].at:
                    raise ValueError(
                        f"flow[{i}].at: expected a later time than that of the step of {step.instrument} before"
                    )
                last[step.instrument] = step
            for name, step in last.items():
                if step.amount:
                    raise ValueError(f"flow: expected 0 in the last step of {name}, which ends the one before")

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.done_lots: dict[int, Lots] = {}
        self._steps: dict[int, list[FlowStep]] = {}
        self.inquiries = Inquiries()

    def on_start(self, ctx: Context) -> None:
        """Sort the schedule by instrument, and wait for its first step."""
        names = tuple(dict.fromkeys(step.instrument for step in self.params.flow))
        for name, instrument_id in zip(names, traded_instruments(ctx, names) if names else (), strict=True):
            self._steps[instrument_id] = [step for step in self.params.flow if step.instrument == name]
            self.done_lots[instrument_id] = 0
        if self._steps:
            ctx.wake_in(max(1, min(steps[0].at for steps in self._steps.values())), _LOOK)

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Send what is due, or decide on a dealer's answer."""
        if tag != _LOOK:
            self.inquiries.on_patience_over(ctx, tag)
            return
        p = self.params
        ctx.wake_in(p.interval, _LOOK)
        for instrument_id, steps in self._steps.items():
            # What is due at the next look is sent now: the end of a step is its end.
            due = due_lots(steps, ctx.instruments[instrument_id], ctx.now_ns + p.interval, ctx.calendar)
            orders = ctx.orders(instrument_id).values()
            missing = due - self.done_lots[instrument_id]
            under_way = sum(order.leaves_lots for order in orders)
            if abs(missing) > under_way and not self.inquiries.open:
                side = Side.BUY if missing > 0 else Side.SELL
                lots = min(abs(missing) - under_way, p.max_child_lots)
                take_or_ask(ctx, self.inquiries, instrument_id, side, lots, p.rfq_dealers, p.rfq_patience)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        """Count what is done in the lit book."""
        self.done_lots[fill.instrument_id] += fill.side * fill.qty_lots

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        """Count what is done with dealers."""
        self.done_lots[trade.instrument_id] += trade.side * trade.qty_lots


def due_lots(
    steps: Sequence[FlowStep], instrument: Instrument, ts_ns: Ns, calendar: TradingCalendar | None = None
) -> Lots:
    """What a schedule says to have been bought by a time, less what was sold: the nearest whole number of lots.

    Where there is a calendar the pace is even over the time of its sessions.
    """

    def traded_ns(at_ns: Ns) -> Ns:
        return at_ns if calendar is None else calendar.traded_ns(at_ns)

    total = Fraction(0)
    for step, following in pairwise(steps):
        if ts_ns <= step.at:
            break
        length = traded_ns(following.at) - traded_ns(step.at)
        passed = traded_ns(min(ts_ns, following.at)) - traded_ns(step.at)
        # A step that lies in a night alone is for the open after it.
        total += Fraction(step.amount) * (Fraction(passed, length) if length else 1)
    return round(total / Fraction(instrument.lot_size))
