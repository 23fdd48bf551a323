"""Logs that anybody may have written: what they make code fail of is an error of theirs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from lob_sim.errors import DataError, InvariantError, LobSimError

P = ParamSpec("P")
R = TypeVar("R")


def reads_logs(function: Callable[P, R]) -> Callable[P, R]:
    """Make what a function fails of, given runs that may be anybody's, an error of their rows.

    A run's rows fit together because a program wrote them: an agent that is named is in the manifest, an order that is
    filled was accepted. A file may say anything, so that code which works with rows may fail of them in any way. The
    original error is the cause of the one raised.
    """

    @wraps(function)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            of_rows = isinstance(error, InvariantError) or not isinstance(error, LobSimError | OSError | MemoryError)
            if not of_rows:
                raise
            cause = error
        found = f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        given = [*args, *kwargs.values()]
        given += [run for each in given if isinstance(each, dict) for run in each.values()]
        sources = [each.source for each in given if hasattr(each, "source")]
        where = ", ".join(str(source.path or "the run in memory") for source in sources)
        raise DataError(f"holds rows that do not fit together ({found})", where) from cause

    return reading
