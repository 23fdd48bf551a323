"""The page for those who decide: one screen with one figure and plain words, then the detail."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import lob_sim
from experiments.policy.results import LEVEL, MAIN, Finding, ranked
from experiments.policy.running import AS_IT_WAS
from experiments.policy.telling import details, family, missing, plain_name, sentences, told
from lob_sim.report.render import asset, write_page

_TEMPLATE = "board.html.j2"


class Mark(msgspec.Struct, frozen=True):
    """One cell of the figure: an interval on its episode's axis, in per cent of the axis' width.

    Attributes:
        episode: The episode, for narrow screens.
        left: Where the interval begins; None where the policy does not apply.
        width: How long it is.
        at: Where its middle is.
        zero: Where no change is.
        colour: ``good``, ``bad`` or ``muted``.
        filled: Whether the change is shown over the family.
        text: The numbers, or why there are none.
    """

    episode: str
    left: float | None
    width: float
    at: float
    zero: float
    colour: str
    filled: bool
    text: str


def write_board(findings: Sequence[Finding], path: Path, command: str) -> Path:
    """Write the page.

    Args:
        findings: One an episode.
        path: The file.
        command: What to type to get the same.

    Raises:
        OutputError: It cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content: dict[str, Any] = {
        "styles": [asset("page.css"), asset("layout.css")],
        "theme": asset("theme.js"),
        "findings": findings,
        "axes": [_axis(found) for found in findings],
        "rows": [(plain_name(name), _from_start(findings, name), _marks(findings, name)) for name in ranked(findings)],
        "said": {found.name: sentences(found) for found in findings},
        "tables": {found.name: details(found) for found in findings},
        "family": family(findings),
        "level": LEVEL,
        "command": command,
        "version": lob_sim.__version__,
    }
    return write_page(environment.get_template(_TEMPLATE).render(**content), path)


def _from_start(findings: Sequence[Finding], name: str) -> bool:
    """Whether a policy that somebody would have decided on is in force from the start instead."""
    kinds = [e.kind for found in findings for e in found.effects if e.name == name]
    return name != AS_IT_WAS and "start" in kinds


def _axis(found: Finding) -> tuple[float, float]:
    """Ends of an episode's axis, in per cent of value: round zero, all intervals on it."""
    ends = [end for e in found.effects if e.applies for end in (e.changes[MAIN].low, e.changes[MAIN].high, 0.0)]
    low, high = min(ends, default=-1.0), max(ends, default=1.0)
    room = 0.06 * ((high - low) or 1.0)
    return low - room, high + room


def _marks(findings: Sequence[Finding], name: str) -> list[Mark]:
    return [_mark(found, name) for found in findings]


def _short(found: Finding) -> str:
    """An episode in two words."""
    return found.title.partition(":")[0]


def _mark(found: Finding, name: str) -> Mark:
    effect = next((e for e in found.effects if e.name == name), None)
    low, high = _axis(found)

    def place(x: float) -> float:
        return round(100 * (x - low) / (high - low), 2)

    if effect is None or not effect.applies:
        why = missing(effect) if effect else "nothing was done" if name == AS_IT_WAS else "not asked"
        return Mark(_short(found), None, 0.0, 0.0, place(0.0), "muted", False, why)
    change = effect.changes[MAIN]
    colour = "muted" if change.low <= 0 <= change.high else "good" if change.value < 0 else "bad"
    left, right = place(change.low), place(change.high)
    return Mark(
        _short(found),
        left,
        round(right - left, 2),
        place(change.value),
        place(0.0),
        colour,
        effect.is_shown,
        told(change, signed=True),
    )
