"""What a strategy hands to its context, as exactly what a venue takes and the log holds.

Everything here either returns the value in its one form (a member of the enumeration, Python's own whole number, a
truth value) or raises. So what a venue judges is what the log says of it, and a replay judges the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from functools import cache
from operator import index
from typing import NamedTuple, TypeVar, get_type_hints

import msgspec
import numpy as np

from lob_sim.account.ports import MarketView
from lob_sim.messages import (
    AgentCommand,
    AgentMessage,
    Event,
    Message,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    balance,
    clearing,
    funding,
    information,
)
from lob_sim.units import Ns

E = TypeVar("E", bound=IntEnum)
V = TypeVar("V")
M = TypeVar("M", bound=Message)

MOST: int = (1 << 63) - 1
"""The largest whole number that the log holds; the smallest is -``MOST`` - 1."""
MOST_NS: Ns = 1 << 62
"""The longest time that anything may last (146 years): the end of it is on the log too."""
_OBSERVED = frozenset(module.__name__ for module in (balance, clearing, funding, information))
_SHOWN = 60


def whole(value: object, what: str, kind: str = "a whole number") -> int:
    """A whole number as Python's own, and such as the log holds; numpy's become one.

    Raises:
        TypeError: It is something else; truth values and members of enumerations are.
        OverflowError: It needs more than 64 bits.
    """
    if isinstance(value, bool | Enum) or not hasattr(value, "__index__"):
        raise TypeError(f"{what} is {shown(value)}; expected {kind}")
    try:
        number = index(value)
    except TypeError:  # an array of several numbers has the method
        raise TypeError(f"{what} is {shown(value)}; expected {kind}") from None
    if not -MOST <= number + 1 <= MOST + 1:
        raise OverflowError(f"{what} is {shown(value)}; expected {kind} of at most 64 bits")
    return int(number)


def nanoseconds(value: object, what: str) -> Ns:
    """A time or duration.

    Raises:
        TypeError: It is no whole number.
        OverflowError: It is longer than ``MOST_NS``.
    """
    if type(value) is not int:
        value = whole(value, what, "a whole number of nanoseconds, for example 5 * NS_PER_S (of lob_sim.units)")
    if not -MOST_NS <= value <= MOST_NS:
        raise OverflowError(f"{what} is {shown(value)}; expected at most {MOST_NS} nanoseconds (146 years)")
    return value


def member(enumeration: type[E], value: object, what: str) -> E:
    """A member of an enumeration; its number becomes it.

    Raises:
        TypeError: It is something else: a member of another enumeration, a truth value, a text.
        ValueError: No member has the number.
    """
    if type(value) is enumeration:
        return value
    names = f"{enumeration.__name__}.{{{', '.join(m.name for m in enumeration)}}}"
    number = whole(value, what, f"one of {names}")
    try:
        return enumeration(number)
    except ValueError:
        raise ValueError(f"{what} is {number}; expected one of {names}") from None


def flag(value: object, what: str) -> bool:
    """A truth value.

    Raises:
        TypeError: It is something else; 0 and 1 are.
    """
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{what} is {shown(value)}; expected True or False")
    return bool(value)


def instrument_number(value: object, end: int) -> int:
    """The number of an instrument, where ``end`` is how many there are.

    Raises:
        TypeError: It is no whole number.
        IndexError: There is no such instrument; below 0 none is, whatever a list would say.
    """
    number = whole(value, "instrument_id")
    if not 0 <= number < end:
        raise IndexError(f"there is no instrument {number}")
    return number


def agent_number(value: object, end: int) -> int:
    """The number of an agent, where ``end`` is how many there are.

    Raises:
        TypeError: It is no whole number.
        IndexError: There is no such agent.
    """
    number = whole(value, "agent_id")
    if not 0 <= number < end:
        raise IndexError(f"there is no agent {number}")
    return number


class OrderArguments(NamedTuple):
    """What ``place`` is given, checked."""

    instrument_id: int
    side: Side
    qty_lots: int
    price_ticks: int
    order_type: OrderType
    time_in_force: TimeInForce
    stop_price_ticks: int
    display_qty_lots: int
    hidden: bool
    post_only: bool
    self_trade: SelfTradePrevention
    parent_order_id: int


def order_arguments(n_instruments: int, values: tuple[object, ...]) -> OrderArguments:
    """Check what ``place`` is given, in the order of :class:`OrderArguments`.

    Raises:
        TypeError: An argument is of the wrong kind; names it.
        ValueError: A number is of no member of its enumeration.
        OverflowError: A number needs more than 64 bits.
        IndexError: There is no such instrument.
    """
    given = OrderArguments(*values)  # type: ignore[arg-type]
    return OrderArguments(
        instrument_number(given.instrument_id, n_instruments),
        member(Side, given.side, "side"),
        whole(given.qty_lots, "qty_lots"),
        whole(given.price_ticks, "price_ticks"),
        member(OrderType, given.order_type, "order_type"),
        member(TimeInForce, given.time_in_force, "time_in_force"),
        whole(given.stop_price_ticks, "stop_price_ticks"),
        whole(given.display_qty_lots, "display_qty_lots"),
        flag(given.hidden, "hidden"),
        flag(given.post_only, "post_only"),
        member(SelfTradePrevention, given.self_trade, "self_trade"),
        whole(given.parent_order_id, "parent_order_id"),
    )


def asked_side(value: object) -> int:
    """The side of a request for quote as a number: 0 for both, which ``None`` stands for.

    Raises:
        TypeError: It is no side.
        ValueError: Likewise.
    """
    if value is None or (type(value) is int and value == 0):
        return 0
    return int(member(Side, value, "side"))


def agent_numbers(values: Iterable[object], what: str) -> tuple[int, ...]:
    """Numbers of agents, in increasing order; which agents may be named is for the venue to judge.

    Raises:
        TypeError: It is no sequence of whole numbers.
        OverflowError: One needs more than 64 bits.
    """
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise TypeError(f"{what} is {shown(values)}; expected a sequence of agents' numbers")
    return tuple(sorted(whole(value, f"one of {what}") for value in values))


def message(value: object, expected: type[V], what: str) -> V:
    """A message that the agent was handed, and hands back.

    Raises:
        TypeError: It is something else.
    """
    if type(value) is not expected:
        raise TypeError(f"{what} is {shown(value)}; expected the {expected.__name__} that the hook was handed")
    return value


def observation(event: object, now_ns: Ns) -> Event:
    """What an agent may put on the log or tell another: a message of balance sheets or of information, made now.

    What the venues and the world outside have to say, no agent says for them.

    Args:
        event: The message.
        now_ns: Simulated time, which must be the message's own.

    Returns:
        The message itself, or a copy whose fields have their one form.

    Raises:
        TypeError: It is another kind of thing, or a field is; names the field.
        ValueError: It is of another time, or a text cannot be encoded, or a number is of no member.
        OverflowError: A number needs more than 64 bits.
    """
    if not isinstance(event, Event) or type(event).__module__ not in _OBSERVED:
        raise TypeError(
            f"{shown(event)} is no observation; expected a message of lob_sim.messages about a balance sheet or "
            "about beliefs and quotes"
        )
    return _checked(event, now_ns)


def _checked(event: Event, now_ns: Ns) -> Event:
    event = _in_form(event)
    if event.ts_event_ns != now_ns:
        raise ValueError(
            f"{type(event).__name__}.ts_event_ns is {event.ts_event_ns}; expected the time of now, {now_ns}"
        )
    return event


def _in_form(given: M) -> M:
    """The message itself, or a copy whose fields have their one form."""
    kind = type(given)
    shape = _shape_of(kind)
    values = msgspec.structs.astuple(given)
    try:
        shape.pack(*values)  # refuses what needs more than 64 bits
        is_exact = tuple(map(type, values)) == shape.types
    except (struct.error, TypeError):
        is_exact = False
    if is_exact:
        return given
    forms = zip(kind.__struct_fields__, shape.types, values, strict=True)
    return kind(*(_field(value, expected, f"{kind.__name__}.{name}") for name, expected, value in forms))


class _Shape(NamedTuple):
    """Types of a message's fields, and what puts them into 64 bits each: that of one with a text puts nothing."""

    types: tuple[type, ...]
    pack: Callable[..., bytes]


@cache
def _shape_of(kind: type[Message]) -> _Shape:
    hints = get_type_hints(kind)
    types: tuple[type, ...] = tuple(hints[name] for name in kind.__struct_fields__)
    return _Shape(types, struct.Struct("".join(_format_of(t) for t in types)).pack)


def _format_of(field_type: type) -> str:
    """How a field is packed; a text, which is a number of no kind, never is."""
    return "q" if issubclass(field_type, int) else "d"


def _field(value: object, expected: type, what: str) -> object:
    if expected is float:
        if isinstance(value, bool) or not isinstance(value, float | int | np.floating | np.integer):
            raise TypeError(f"{what} is {shown(value)}; expected a number")
        return float(value)
    if expected is str:
        if not isinstance(value, str):
            raise TypeError(f"{what} is {shown(value)}; expected a text")
        value.encode()  # a lone surrogate is no text that a file could hold
        return str(value)
    return member(expected, value, what) if issubclass(expected, IntEnum) else whole(value, what)


def checked_message(message: object, now_ns: Ns) -> AgentMessage:
    """What one agent tells another, checked as an observation is.

    Raises:
        TypeError: It is no message between agents, or a field is of the wrong kind; names it.
        ValueError: It is of another time.
        OverflowError: A number needs more than 64 bits.
    """
    if not isinstance(message, AgentMessage):
        raise TypeError(f"{shown(message)} is no message between agents; expected one derived from AgentMessage")
    checked = _checked(message, now_ns)
    assert isinstance(checked, AgentMessage)
    return checked


def command_of(command: object, agent_id: int, view: MarketView) -> AgentCommand:
    """A command of a further venue, with its fields in their one form.

    Raises:
        TypeError: It is no such command, or a field is of the wrong kind; names it.
        ValueError: It is sent in another agent's name, or its instrument has no venue that takes it.
        IndexError: There is no such instrument.
        OverflowError: A number needs more than 64 bits.
    """
    if not isinstance(command, AgentCommand):
        raise TypeError(f"{shown(command)} is no command; expected one of a venue of this market")
    exact = _in_form(command)
    assert isinstance(exact, AgentCommand)
    if exact.agent_id != agent_id:
        raise ValueError(f"{type(command).__name__}.agent_id is {exact.agent_id}; expected one's own, {agent_id}")
    if not view.takes(type(exact))[instrument_number(exact.instrument_id, len(view.instruments))]:
        raise ValueError(
            f"instrument {exact.instrument_id} has no further venue that takes a {type(command).__name__}; "
            "the lit book and requests for quote have actions of their own"
        )
    return exact


def shown(value: object) -> str:
    """A value as an error message shows it: short, and whatever its own representation does."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a number of 5,000 digits, or a class of a strategy's own
        text = f"of type {type(value).__name__} and cannot be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({type(value).__name__})"
