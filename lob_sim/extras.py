"""Libraries that only some of the package needs: the extras of its installation."""

from __future__ import annotations

from importlib.util import find_spec

from lob_sim.errors import MissingExtraError


def need_extra(extra: str, *libraries: str) -> None:
    """Make sure of libraries before anything is begun that needs them.

    Args:
        extra: The extra of ``pip install "lob-sim[...]"`` that brings them.
        *libraries: Modules to be imported.

    Raises:
        MissingExtraError: One of them is not installed; names the extra.
    """
    missing = [name for name in libraries if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f'{", ".join(missing)} not installed: expected pip install "lob-sim[{extra}]"')
