"""What the policies of a dealer have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.parts import NoParams


class Policy:
    """A part of a dealer that decides. One object decides for one dealer, in all of its instruments.

    Args:
        params: Its parameters.
    """

    Params: ClassVar[type[msgspec.Struct]] = NoParams

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        self.params: Any = params if params is not None else self.Params()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.params!r})"

    def on_start(self, ctx: Context) -> None:
        """The market opens; nothing has been quoted yet."""
