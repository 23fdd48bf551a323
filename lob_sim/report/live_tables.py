"""What the live view shows of a world: books, dealers, limits, events; as lines of a terminal of any width.

Everything that a scenario names is put into :class:`rich.text.Text`, never into markup, and characters that a terminal
would obey rather than show are replaced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from lob_sim.calendar import time_text
from lob_sim.desk.desk import Desk
from lob_sim.errors import printable
from lob_sim.messages import (
    ConstraintBreached,
    DealerDefaulted,
    Event,
    FairValue,
    ParentOrderOpened,
    Phase,
    PhaseChanged,
    RetreatRecord,
    ReturnRecord,
    Side,
)
from lob_sim.simulation.host import AgentHost
from lob_sim.simulation.world import World
from lob_sim.units import MOST_CASH, NS_PER_S, Cash, Instrument, Ns, format_time

_NAME_CELLS = 14
_BAR_CELLS = 12
_FEWEST_EVENTS = 2
_HEADING = "bold dim"
_WIDE = 120
"""From this width on the two lists of events stand side by side."""
_SIDES = {(True, True): "both", (True, False): "bid", (False, True): "offer", (False, False): "none"}
_SIDE_STYLES = {"both": "green", "bid": "yellow", "offer": "yellow", "none": "red", "failed": "bold red"}


class Screen:
    """Draws a world.

    Args:
        world: Built and not yet run.
        console: The terminal: its size is asked for at every picture.
    """

    def __init__(self, world: World, console: Console) -> None:
        self._world = world
        self._console = console
        self._ascii = console.options.ascii_only
        self._overflow: Literal["crop", "ellipsis"] = "crop" if self._ascii else "ellipsis"
        self._desks = world.desks
        # Dealers, and whoever else has a balance sheet: funds.
        self._shown = sorted({*world.plan.dealer_ids, *self._desks})
        names = (c.name for i in self._shown if i in self._desks for c in self._desks[i].risk.constraints)
        self._limits = tuple(dict.fromkeys(names))
        self._opening = {i: desk.headroom_cash() for i, desk in self._desks.items()}

    # --- the whole ------------------------------------------------------------------------------------------
    def picture(self, rows: int, elapsed_s: float, crisis: Sequence[Event], quoting: Sequence[Event]) -> Text:
        """Everything, in at most one line less than the terminal has.

        Args:
            rows: Rows logged so far.
            elapsed_s: Seconds of wall time since the start.
            crisis: Events of the crisis, oldest first.
            quoting: Dealers' retreats and returns, oldest first.
        """
        width, height = self._console.size
        lines = [self._clock_line(rows, elapsed_s, width)]
        n_books = min(len(self._world.instruments), max(1, (height - 8) // 2))
        lines += self._books(n_books, width)
        left = height - 3 - n_books
        if self._shown:
            n_dealers = min(len(self._shown), max(1, left - 4 - 2 * _FEWEST_EVENTS))
            lines += self._dealers(n_dealers, width)
            left -= 1 + n_dealers + (n_dealers < len(self._shown))
        lines += self._events(crisis, quoting, left, width)
        # One text, because a terminal library spends more on many renderables than on many lines.
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def _clock_line(self, rows: int, elapsed_s: float, width: int) -> Text:
        horizon_ns = self._world.scenario.horizon
        now_ns = min(self._world.kernel.now_ns, horizon_ns)
        share = now_ns / horizon_ns
        line = Text(no_wrap=True, overflow=self._overflow)
        line.append_text(self._name(self._world.scenario.name, 24))
        days = self._world.plan.calendar
        line.append(f" seed {self._world.seed}  {time_text(now_ns, days, 0)} of {format_time(horizon_ns, 0)} ")
        line.append(self._bar(share, 12), "cyan")
        line.append(f" {100 * share:.0f}%")
        if elapsed_s > 0:
            line.append(f"  {rows / elapsed_s:,.0f} rows/s")
        line.truncate(width)
        return line

    # --- books ----------------------------------------------------------------------------------------------
    def _books(self, n: int, width: int) -> list[Text]:
        # What says least comes last, where a narrow terminal cuts.
        names = ("instrument", "lit book", "lots", "bid", "ask", "lots", "spread", "last", "value")
        rows = [[Text(name, _HEADING) for name in names]]
        data = self._world.data
        for instrument in self._world.instruments[:n]:
            i = instrument.instrument_id
            top, phase = data.tops[i].current, data.phases[i].current
            bid, ask = top.bid_ticks, top.ask_ticks
            rows.append(
                [
                    self._name(instrument.name, _NAME_CELLS),
                    book_state(bid > 0, ask > 0, phase),
                    Text(str(top.bid_lots) if bid else ""),
                    Text(price_text(instrument, bid), "green"),
                    Text(price_text(instrument, ask), "red"),
                    Text(str(top.ask_lots) if ask else ""),
                    Text(plural(ask - bid, "tick") if bid and ask else "-"),
                    Text(price_text(instrument, data.last_trades[i].current)),
                    Text(price_text(instrument, round(data.fair_values[i]))),
                ]
            )
        return self._lay_out(rows, 2, width)

    # --- dealers --------------------------------------------------------------------------------------------
    def _dealers(self, n: int, width: int) -> list[Text]:
        rooms = {i: self._room(i) for i in self._shown}
        shown = self._shown
        if n < len(shown):
            # Those with the least room are what a person must see; the order stays what it is.
            least = {i: min(room.values(), default=math.inf) for i, room in rooms.items()}
            shown = sorted(sorted(shown, key=lambda i: least[i])[:n])
        selling = any(self._desks[i].sales.working for i in shown if i in self._desks)
        taken = _NAME_CELLS + 1 + 8 * selling
        wanted = [max(6, min(10, len(i.name))) + 1 for i in self._world.instruments]
        spare = width - taken - 7 * len(self._limits)
        n_columns = sum(1 for k in range(len(wanted)) if sum(wanted[: k + 1]) <= spare) or 1
        bar = 0
        if self._limits:
            bar = max(0, min(_BAR_CELLS, (spare - sum(wanted[:n_columns])) // len(self._limits)))
        heads = ["quotes in", *(i.name for i in self._world.instruments[:n_columns])]
        cells = [self._name(head, 10) for head in heads]
        if selling:
            cells.append(Text("selling"))
        for limit in self._limits:
            cells.append(self._name(f"{limit} room" if len(limit) <= bar else limit, max(6, bar + 5)))
        for cell in cells:
            cell.stylize(_HEADING)
        rows = [cells]
        for i in shown:
            host, desk = self._world.hosts[i], self._desks.get(i)
            cells = [self._name(host.name, _NAME_CELLS)]
            cells += [self._presence(host, desk, k) for k in range(n_columns)]
            if selling:
                lots = sum(desk.sales.working.values()) if desk is not None else 0
                cells.append(Text(str(lots) if lots else "", "bold magenta"))
            rows.append([*cells, *(self._room_cell(rooms[i].get(limit), bar) for limit in self._limits)])
        lines = self._lay_out(rows, len(cells) + len(self._limits), width)
        if n < len(self._shown):
            lines.append(Text(f"and {len(self._shown) - n} more", "dim"))
        return lines

    def _presence(self, host: AgentHost, desk: Desk | None, instrument_id: int) -> Text:
        if desk is not None and desk.defaulted:
            said = "failed"
        elif host.agent_id not in self._world.plan.dealer_ids:
            return Text("")
        else:
            said = lit_sides(host, instrument_id)
        return Text(said, _SIDE_STYLES[said])

    def _room(self, agent_id: int) -> dict[str, float]:
        """Headroom under each limit as a fraction of what it was at the opening."""
        desk = self._desks.get(agent_id)
        if desk is None:
            return {}
        opening = self._opening[agent_id]
        return {name: _share(amount, opening[name]) for name, amount in desk.headroom_cash().items()}

    def _room_cell(self, share: float | None, cells: int) -> Text:
        if share is None:
            return Text("")
        if share < 0:
            # Said in words and not by a colour alone.
            return Text("BREACH" if cells + 5 < 12 else f"BREACH {100 * share:.0f}%", "bold red")
        style = "green" if share > 0.5 else "yellow" if share > 0.2 else "red"
        percent = "free" if share == math.inf else f"{min(999, 100 * share):.0f}%"
        return Text.assemble((self._bar(min(1.0, share), cells), style), f"{percent:>5}")

    # --- events ---------------------------------------------------------------------------------------------
    def _events(self, crisis: Sequence[Event], quoting: Sequence[Event], n: int, width: int) -> list[Text]:
        titles = ("shocks, limits, forced sales", "dealers' lit quotes")
        if width >= _WIDE:
            half = width // 2
            left, right = (self._list(t, e, n - 1, half - 1) for t, e in zip(titles, (crisis, quoting), strict=True))
            blank = Text("")
            pairs = zip_longest(left, right, fillvalue=blank)
            return [Text.assemble(_padded(first, half), second) for first, second in pairs]
        # What one list does not fill is the other's.
        room = max(0, n - 2)
        first = min(len(crisis), max(room - room // 3, room - len(quoting)))
        return self._list(titles[0], crisis, first, width) + self._list(titles[1], quoting, room - first, width)

    def _list(self, title: str, events: Sequence[Event], n: int, width: int) -> list[Text]:
        lines = [Text(title, "bold")]
        for event in list(events)[max(0, len(events) - n) :] if n > 0 else []:
            words, style = self._words(event)
            line = Text(f"{format_time(_time_of(event), 0)} ", "dim", overflow=self._overflow)
            line.append(self._clean(words), style)
            line.truncate(width)
            lines.append(line)
        return lines

    def _words(self, event: Event) -> tuple[str, str]:
        """What happened, and its style."""
        hosts = self._world.hosts
        if isinstance(event, FairValue):
            size = self._shock_size(event)
            value = price_text(self._instrument(event), round(event.value_ticks))
            return f"shock: {self._instrument(event).name} is worth {value}{size}", "bold red"
        if isinstance(event, ConstraintBreached):
            return f"{hosts[event.agent_id].name} is past its {event.constraint} limit", "red"
        if isinstance(event, ParentOrderOpened):
            what = f"{plural(event.qty_lots, 'lot')} of {self._instrument(event).name}"
            return f"{hosts[event.agent_id].name} must sell {what} ({event.reasons})", "magenta"
        if isinstance(event, DealerDefaulted):
            return f"{hosts[event.agent_id].name} FAILS", "bold red"
        if isinstance(event, PhaseChanged):
            until = f" until {format_time(event.until_ns, 0)}" if event.until_ns else ""
            return f"{self._instrument(event).name}: {_PHASES[event.phase]}{until}", "bold yellow"
        if isinstance(event, RetreatRecord):
            cause = event.cause.name.lower().replace("_", " ")
            return f"{hosts[event.agent_id].name} leaves {self._instrument(event).name}: {cause}", "yellow"
        assert isinstance(event, ReturnRecord)
        away = f"{event.away_ns / NS_PER_S:.0f} s"
        return f"{hosts[event.agent_id].name} is back in {self._instrument(event).name} after {away}", "green"

    def _instrument(self, event: Any) -> Instrument:
        instrument: Instrument = self._world.instruments[event.instrument_id]
        return instrument

    def _shock_size(self, event: FairValue) -> str:
        name = self._instrument(event).name
        sizes = [s.size for s in self._world.scenario.shocks if s.at == event.ts_event_ns and s.instrument == name]
        return f" ({100 * sizes[0]:+.3g} %)" if sizes else ""

    # --- lines and characters -----------------------------------------------------------------------------------------
    def _lay_out(self, rows: Sequence[Sequence[Text]], left: int, width: int) -> list[Text]:
        """Rows of cells as lines: the first ``left`` columns to the left, the others to the right."""
        widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            line = Text(overflow=self._overflow)
            for k, (cell, cells) in enumerate(zip(row, widths, strict=True)):
                line.append_text(_padded(cell, cells, k >= left)).append(" ")
            line.rstrip()
            line.truncate(width)
            lines.append(line)
        return lines

    def _clean(self, text: str) -> str:
        """A text without characters that a terminal would obey, or could not show."""
        shown = printable(text)
        return shown.encode("ascii", "replace").decode() if self._ascii else shown

    def _name(self, text: str, cells: int) -> Text:
        """A name from the scenario, cut to so many cells."""
        line = Text(self._clean(text), no_wrap=True, overflow=self._overflow)
        line.truncate(cells)
        return line

    def _bar(self, share: float, cells: int) -> str:
        full = round(share * cells)
        return ("#" if self._ascii else "█") * full + ("." if self._ascii else "░") * (cells - full)


_PHASES = {
    Phase.CLOSED: "the book is closed",
    Phase.AUCTION: "call auction",
    Phase.CONTINUOUS: "continuous trading",
    Phase.HALTED: "trading is HALTED",
}


# --- measures of a world that runs ---------------------------------------------------------------------------


def lit_sides(host: AgentHost, instrument_id: int) -> str:
    """Which sides of a lit book a dealer quotes: ``both``, ``bid``, ``offer`` or ``none``.

    As the dealer itself knows its orders. Children of parent orders, which a forced sale sends, are not quotes.
    """
    bid = ask = False
    for order in host.account.orders[instrument_id].values():
        if order.is_accepted and not order.parent_order_id:
            bid = bid or order.side is Side.BUY
            ask = ask or order.side is Side.SELL
    return _SIDES[bid, ask]


def _share(amount: Cash, opening: Cash) -> float:
    """Headroom over what it was at the opening; infinite without a limit."""
    if amount >= MOST_CASH:
        return math.inf
    if 0 < opening < MOST_CASH:
        return amount / opening
    # There was no room to begin with: what there is of it now is all or nothing.
    return math.copysign(1.0, amount) if amount else 0.0


def book_state(has_bid: bool, has_ask: bool, phase: Phase) -> Text:
    """Whether there is a lit market, in a word."""
    if phase is not Phase.CONTINUOUS:
        return Text(phase.name.lower(), "bold yellow")
    said = {"both": "lit", "bid": "no offers", "offer": "no bids", "none": "dark"}[_SIDES[has_bid, has_ask]]
    return Text(said, "green" if said == "lit" else "bold red")


def price_text(instrument: Instrument, ticks: int) -> str:
    """A price with the decimals of its tick, ``-`` for none."""
    return f"{instrument.price(ticks):.{instrument.price_decimals}f}" if ticks else "-"


def plural(n: int, unit: str) -> str:
    """A number of units in words: ``1 tick``, ``2 ticks``."""
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def _time_of(event: Any) -> Ns:
    return int(event.ts_event_ns)


def _padded(text: Text, cells: int, to_right: bool = False) -> Text:
    blank = " " * (cells - text.cell_len)
    return Text.assemble(blank, text) if to_right else Text.assemble(text, blank)
