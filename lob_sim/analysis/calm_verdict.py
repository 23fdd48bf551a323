"""What is known of the calm of a market: verdicts that were measured once, kept in a file, found by fingerprint.

A crisis says nothing where the calm that it is measured against is not in order. Whether it is takes many runs, and so
cannot be told from the one whose page is read. ``python -m experiments.calm_facts FILE --save VERDICTS`` keeps what it
found; :func:`find_verdict` finds it again for a run of the same market.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from lob_sim.errors import DataError, InputError
from lob_sim.files import read_ordinary, write_file
from lob_sim.fingerprint import state_versions

_NOT_THE_MARKET = frozenset({"name", "description", "seed", "horizon", "shocks", "folder", "knobs"})
_SOURCES = ("lob_sim source", "strategies source")


class MeasuredFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A calm fact, and what was found.

    Attributes:
        text: What was measured.
        measured: The statistic, or null where nothing was.
        low: Lower end of its interval over seeds, or null.
        high: Upper end.
    """

    text: str
    measured: float | None
    low: float | None
    high: float | None


class CalmVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found when every calm fact of a market was measured.

    Attributes:
        fingerprint: Of the market: :func:`market_fingerprint`.
        seeds: Runs that it rests on.
        asked: Number of facts.
        failed: Those that do not hold.
        sources: Digests of the program that was run.
        held: Those that hold.
        first_seed: The first of the seeds, which are in a row.
    """

    fingerprint: str
    seeds: int
    asked: int
    failed: list[MeasuredFact]
    sources: dict[str, str]
    held: list[MeasuredFact] = []
    first_seed: int = 1

    @property
    def is_of_this_program(self) -> bool:
        """Whether the program has not changed since."""
        return self.sources == sources()


Verdicts: TypeAlias = dict[str, CalmVerdict]
"""By name of scenario. The name is for people: a verdict is found by its fingerprint."""


def sources() -> dict[str, str]:
    """Digests of this program's source, as far as a market's behaviour rests on it."""
    versions = state_versions()
    return {name: versions[name] for name in _SOURCES}


def market_fingerprint(scenario: Mapping[str, Any]) -> str:
    """Digest of a scenario in which names, seed, horizon and shocks do not count: what is left makes its calm.

    Args:
        scenario: Plain data, as from ``scenario_to_dict`` or in the header of a log.
    """
    market = {key: value for key, value in scenario.items() if key not in _NOT_THE_MARKET}
    return hashlib.sha256(msgspec.json.encode(market, order="sorted")).hexdigest()[:16]


def read_verdicts(path: Path) -> Verdicts:
    """Verdicts of a file.

    Raises:
        InputError: There is no such file.
        DataError: It cannot be read, or holds something else.
    """
    if not path.exists():
        raise InputError("does not exist", str(path))
    try:
        return msgspec.json.decode(read_ordinary(path), type=Verdicts)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DataError(f"expected verdicts on calm, as calm_facts --save writes them: {error}", str(path)) from None


def save_verdict(path: Path, name: str, verdict: CalmVerdict) -> None:
    """Put a verdict into a file, in the place of the one of that name.

    Raises:
        DataError: The file is there and holds something else.
        OutputError: It cannot be written.
    """
    kept = read_verdicts(path) if path.exists() else {}
    kept[name] = verdict
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items()))), indent=1)
    write_file(path, text + b"\n")


@functools.cache
def shipped_verdicts() -> Verdicts:
    """Verdicts that come with the package."""
    entry = resources.files("lob_sim.scenarios").joinpath("calm.json")
    return msgspec.json.decode(entry.read_bytes(), type=Verdicts) if entry.is_file() else {}


def find_verdict(scenario: Mapping[str, Any], own: Mapping[str, CalmVerdict] | None = None) -> CalmVerdict | None:
    """The verdict on a scenario's calm: of one's own, else one that is shipped; None if none is known."""
    wanted = market_fingerprint(scenario)
    for verdict in [*(own or {}).values(), *shipped_verdicts().values()]:
        if verdict.fingerprint == wanted:
            return verdict
    return None
