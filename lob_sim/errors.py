"""Every exception that lob_sim raises on purpose.

::

    LobSimError
    ├── InputError              what the user gave is wrong: names the place and what was expected (exit code 2)
    │   ├── ScenarioError       a scenario file, an override or a scenario built in Python
    │   ├── PluginError         "module:Class" that cannot be resolved, or its parameters
    │   ├── MissingExtraError   what was asked for needs an extra of the package that is not installed
    │   └── DataError           a log or a market-data file: malformed, damaged, of another schema
    │       └── MissingDataError    data that do not come with the package, and that the user has not brought
    ├── OutputError             a run directory that cannot be made or written (exists, disk full)
    ├── StrategyError           a strategy's own code raised: names agent, hook, simulated time and line
    └── InvariantError          something that must hold does not: a defect of lob_sim, never of the input

Expected refusals inside the market (a rejected order, a declined request) are events, not exceptions.

Each class keeps ``args`` equal to its constructor's arguments: SimPy rebuilds the exception of a failed
process as ``type(error)(*error.args)``, and so does pickle when an error crosses processes.
"""

from __future__ import annotations

_LONGEST_SHOWN = 80


def printable(text: str) -> str:
    """One line that a terminal shows as it is: every other character, a line break too, is escaped as Python does."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def shown(value: object) -> str:
    """A value of somebody's input as an error message shows it: on one line, and cut where it is long."""
    try:
        text = printable(repr(value) if isinstance(value, str) else str(value))
    except (ValueError, RecursionError):
        # Python writes no integer of more than a few thousand digits, and nothing that is nested as deeply.
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


class LobSimError(Exception):
    """The root: ``except LobSimError`` catches everything that lob_sim raises on purpose."""


class InputError(LobSimError):
    """What the user gave is wrong.

    Args:
        message: What is wrong and what was expected.
        where: The place as the user knows it: a file, ``file: field``, ``file:line`` or an option.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message, where)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class ScenarioError(InputError):
    """A scenario says something that a scenario may not say."""


class PluginError(InputError):
    """A plug-in named ``"module:Class"`` cannot be loaded, or its parameters do not fit."""


class MissingExtraError(InputError):
    """What was asked for needs libraries that come with an extra, and that are not installed."""


class DataError(InputError):
    """A log or a market-data file cannot be read as what it claims to be."""


class MissingDataError(DataError):
    """Market data that do not come with the package are not where they are looked for."""


class OutputError(LobSimError):
    """A place to write to cannot be used, or has failed while writing."""


class StrategyError(LobSimError):
    """A strategy's own code raised.

    Args:
        agent: The agent's stable name.
        hook: The hook that raised, for example ``on_trade``.
        ts_ns: Simulated time in nanoseconds.
        cause: The original error, as text.
        where: The last line of the strategy's own code that was at work, as ``file:line``; empty if none was.
    """

    def __init__(self, agent: str, hook: str, ts_ns: int, cause: str, where: str = "") -> None:
        super().__init__(agent, hook, ts_ns, cause, where)
        self.agent = agent
        self.hook = hook
        self.ts_ns = ts_ns
        self.cause = cause
        self.where = where

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"agent {self.agent!r} failed in {self.hook} at t={self.ts_ns / 1e9:.9f} s: {self.cause}{place}"


class InvariantError(LobSimError):
    """A broken invariant: the run must stop, because whatever follows would be meaningless."""
