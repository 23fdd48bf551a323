"""Errors in strategies, told so that their authors find the line."""

from __future__ import annotations

import inspect
import os
import re
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from traceback import walk_tb
from typing import Any

import msgspec

from lob_sim.agents.strategy import Component, Strategy
from lob_sim.errors import LobSimError, StrategyError
from lob_sim.units import Ns

_OURS = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_ITERATED = re.compile("dictionary .*changed.* during iteration")
_GROWS = (
    "what ctx.orders(i) and ctx.requests(i) show changes as the agent acts; to act while iterating, "
    "iterate over a copy, list(ctx.orders(i).values())"
)


def strategy_error(
    component: type[Component[Any]], agent: str, hook: str, ts_ns: Ns, error: BaseException
) -> StrategyError:
    """The error of a component's own code, with the last line of the author's file.

    Args:
        component: The class of the component whose hook it was.
        agent: The agent's name.
        hook: The hook.
        ts_ns: Simulated time.
        error: What it raised.
    """
    own = _own_files(component)
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    last = [f"{_shown(file)}:{line}" for file, line in frames if file in own or _is_authors(file)][-1:]
    return StrategyError(agent, hook, ts_ns, _told(error), *last)


def made_strategy(cls: type[Strategy], params: msgspec.Struct, agent: str, ts_ns: Ns) -> Strategy:
    """A strategy of an agent.

    Args:
        cls: Its class.
        params: Its parameters.
        agent: The agent's name.
        ts_ns: Simulated time.

    Raises:
        StrategyError: Its own ``__init__`` raised.
    """
    try:
        return cls(params)
    except (LobSimError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise strategy_error(cls, agent, "__init__", ts_ns, error) from error


def too_often(
    components: Sequence[Component[Any]], agent: str, hook: str, ts_ns: Ns, calls: int, within_ns: Ns
) -> StrategyError:
    """The error of an agent that is called so often that simulated time does not go on."""
    cause = (
        f"was called {calls:,} times within {within_ns:,} ns of simulated time, which does not go on: delays are in "
        "nanoseconds (NS_PER_S is a second), and without latency an answer to every event comes at the same instant"
    )
    quoting = [component for component in components if not component.manages_agent]
    code = inspect.unwrap(getattr(type((*quoting, *components)[0]), hook)).__code__
    where = "" if code.co_filename.startswith(_OURS) else f"{_shown(code.co_filename)}:{code.co_firstlineno}"
    return StrategyError(agent, hook, ts_ns, cause, where)


def _told(error: BaseException) -> str:
    try:
        told = f"{type(error).__name__}: {error}"
    except BaseException:  # an author's own class may say what it likes
        return type(error).__name__
    if isinstance(error, RuntimeError) and _ITERATED.fullmatch(str(error)):
        return f"{told}: {_GROWS}"
    return told


def _own_files(cls: type) -> set[str]:
    """Files of the class and its bases, but for those of the simulator."""
    modules = (sys.modules.get(base.__module__) for base in cls.__mro__)
    files = {getattr(module, "__file__", None) or "" for module in modules}
    return {file for file in files if file and not file.startswith(_OURS)}


def _is_authors(file: str) -> bool:
    """Whether code is neither the simulator's nor that of a library."""
    return not file.startswith((_OURS, *_LIBRARIES, "<"))


def _shown(file: str) -> str:
    """A file as seen from the current folder, if it lies there."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
