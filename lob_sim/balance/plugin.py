"""What all plug-ins of this package share: typed parameters that are checked however they were made."""

from __future__ import annotations

import math
from typing import TypeVar

import msgspec

from lob_sim.errors import PluginError

ParamsT = TypeVar("ParamsT", bound=msgspec.Struct)


def checked(params: ParamsT, where: str) -> ParamsT:
    """The parameters, when they are within the bounds that their annotations give.

    Parameters read from a file have been checked already; those that a Python caller made have not.

    Raises:
        PluginError: A value of the wrong type, out of range or not finite.
    """
    values = msgspec.structs.asdict(params)
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise PluginError(f"{name} is {value}: expected a finite number", where)
    try:
        return msgspec.convert(values, type(params))
    except msgspec.ValidationError as error:
        raise PluginError(str(error), where) from None
