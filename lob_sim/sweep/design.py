"""Which points of the parameter space are run, and with which seeds.

A point is a set of overrides, path → value. Every point is run with the same list of seeds (common random
numbers): the difference of two points, taken seed by seed, is then free of the noise that they share.
Replicate r has the seed ``SeedSequence(root, spawn_key=(r,))`` and nothing else, so it is the same whatever
the other runs are, however many there are, and whoever does them.
"""

from __future__ import annotations

import itertools
import math
import operator
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.scenario import overrides
from lob_sim.sweep.limits import Limits
from lob_sim.sweep.task import Value, plain_value, refuse_taken

Point: TypeAlias = dict[str, Value]
DesignKind: TypeAlias = Literal["grid", "sobol", "lhs"]

_DESIGN_KEY = 0x64657369
"""Spawn key of the sampler: outside the replicates, which are numbered from 0."""
_MAX_POINTS = 1_000_000
_MAX_SEEDS = 1_000_000


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One swept parameter: either listed values or a range.

    Attributes:
        path: Parameter path in the scenario.
        values: The values, or empty for a range.
        low: Lower end of the range.
        high: Upper end, included.
        levels: Number of equally spaced levels of the range; 0 is a continuum, which a grid refuses.
    """

    path: str
    values: tuple[Value, ...] = ()
    low: int | float = 0
    high: int | float = 0
    levels: int = 0

    def __post_init__(self) -> None:
        # Numbers of numpy's are no numbers to whoever writes the plan, or names the type of a column.
        force = msgspec.structs.force_setattr
        where = f"axis {self.path}"
        force(self, "values", tuple(plain_value(value, where) for value in self.values))
        for name in ("low", "high", "levels"):
            force(self, name, plain_value(getattr(self, name), where))

    @property
    def choices(self) -> tuple[Value, ...]:
        """All values in order; empty for a continuum. Levels that are all whole numbers are integers."""
        if self.values or not self.levels:
            return self.values
        grid = [float(x) for x in np.linspace(self.low, self.high, self.levels)]
        if _is_int(self.low) and _is_int(self.high) and all(x.is_integer() for x in grid):
            return tuple(int(x) for x in grid)
        return tuple(grid)

    def at(self, u: float) -> Value:
        """The value at the quantile ``u`` in [0, 1) of a continuum, or of the choices, equally likely."""
        choices = self.choices
        if choices:
            return choices[min(int(u * len(choices)), len(choices) - 1)]
        return float(self.low + (self.high - self.low) * u)


def _is_int(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def checked_axis(axis: Axis, where: str = "") -> Axis:
    """Refuse an axis that says nothing or contradicts itself.

    Raises:
        InputError: No path, no values and no range, a value twice, a range that is empty or not finite.
    """
    where = where or f"axis {axis.path}"
    if not axis.path:
        raise InputError("an axis needs a parameter path: expected path=a,b,c or path=lo:hi:n", where)
    if axis.values:
        if len({(type(v), v) for v in axis.values}) < len(axis.values):
            raise InputError(f"a value is listed twice in {list(axis.values)}: expected different values", where)
        if any(isinstance(v, float) and not math.isfinite(v) for v in axis.values):
            raise InputError(f"{list(axis.values)} has a value that is not finite", where)
        return axis
    if not (math.isfinite(axis.low) and math.isfinite(axis.high) and axis.low < axis.high):
        raise InputError(f"range {axis.low}:{axis.high} is empty: expected lo < hi, both finite", where)
    if axis.levels < 0 or axis.levels == 1:
        raise InputError(f"{axis.levels} levels do not span a range: expected 2 or more", where)
    if axis.levels > _MAX_POINTS:
        raise InputError(f"{axis.levels} levels: expected at most {_MAX_POINTS}", where)
    return axis


def parse_axis(text: str) -> Axis:
    """Read ``path=a,b,c``, ``path=lo:hi:n`` (n equally spaced levels) or ``path=lo:hi`` (a continuum).

    Values are written as in TOML; what is not TOML is text, so ``mode=none,delayed`` needs no quotes.

    Raises:
        InputError: The text is none of these, or what it says is no axis.
    """
    where = f"--over {text}"
    path, equals, rest = text.partition("=")
    path, rest = path.strip(), rest.strip()
    if not equals or not path or not rest:
        raise InputError("expected path=a,b,c or path=lo:hi:n", where)
    ends = [_number(part) for part in rest.split(":")]
    if len(ends) in (2, 3) and None not in ends:
        low, high, levels = [e for e in [*ends, 0][:3] if e is not None]
        if not _is_int(levels) or (len(ends) == 3 and levels < 2):
            raise InputError("n of lo:hi:n must be a whole number of 2 or more", where)
        return checked_axis(Axis(path, (), low, high, int(levels)), where)
    return checked_axis(Axis(path, tuple(parse_value(part) for part in rest.split(","))), where)


def parse_value(text: str) -> Value:
    """Read one value as TOML would, or as plain text where that gives no number, truth value or text.

    Raises:
        InputError: The value is empty.
    """
    text = text.strip()
    if not text:
        raise InputError("empty value: expected a number, true, false or text")
    value = overrides.parse_value(text)
    return value if isinstance(value, bool | int | float | str) else text


def _number(text: str) -> int | float | None:
    try:
        value = parse_value(text)
    except InputError:
        return None
    return None if isinstance(value, bool | str) else value


class Design(msgspec.Struct, frozen=True):
    """A rule that makes points from axes.

    Attributes:
        axes: The swept parameters, slowest first in a grid.
        kind: ``grid`` takes every combination; ``sobol`` (scrambled) and ``lhs`` sample ``n`` points.
        n: Number of sampled points; unused by a grid. A power of two keeps a Sobol sample balanced.
        root_seed: Root of the sampler (and, in a sweep, of the seeds of the runs).
        fixed: Overrides that every point has besides.
    """

    axes: tuple[Axis, ...] = ()
    kind: DesignKind = "grid"
    n: int = 0
    root_seed: int = 0
    fixed: dict[str, Value] = {}

    def __post_init__(self) -> None:
        fixed = {path: plain_value(value, f"parameter {path}") for path, value in self.fixed.items()}
        msgspec.structs.force_setattr(self, "fixed", fixed)

    def points(self) -> list[Point]:
        """The points, in a fixed order. Without axes there is one: the fixed overrides.

        The first m points of a Sobol design of n are the Sobol design of m; no such thing holds for ``lhs``.

        Raises:
            InputError: A path twice, or named like a column of the results; a continuum in a grid, no n where one is
                needed, too many points.
        """
        paths = [axis.path for axis in self.axes] + list(self.fixed)
        refuse_taken(paths)
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise InputError(f"{', '.join(twice)} is set more than once", "design")
        for axis in self.axes:
            checked_axis(axis)
        if self.kind == "grid":
            return self._grid()
        if not self.axes:
            raise InputError(f"a {self.kind} design needs at least one axis to sample", "design")
        if not 1 <= self.n <= _MAX_POINTS:
            expected = f"expected a number of points from 1 to {_MAX_POINTS}"
            raise InputError(f"a {self.kind} design cannot have n = {self.n}: {expected}", "design")
        unit = unit_sample(self.kind, len(self.axes), self.n, self.root_seed)
        return [
            {**self.fixed, **{axis.path: axis.at(float(u)) for axis, u in zip(self.axes, row, strict=True)}}
            for row in unit
        ]

    def _grid(self) -> list[Point]:
        if self.n:
            raise InputError("a grid takes every combination: n belongs to sobol and lhs designs", "design")
        for axis in self.axes:
            if not axis.choices:
                raise InputError("a grid needs the number of levels: expected path=lo:hi:n", f"axis {axis.path}")
        count = math.prod(len(axis.choices) for axis in self.axes)
        if count > _MAX_POINTS:
            raise InputError(f"the grid has {count} points: expected at most {_MAX_POINTS}", "design")
        names = [axis.path for axis in self.axes]
        rows = itertools.product(*(axis.choices for axis in self.axes))
        return [{**self.fixed, **dict(zip(names, row, strict=True))} for row in rows]


def unit_sample(kind: DesignKind, dimensions: int, n: int, root_seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A space-filling sample of the unit cube, shape (n, dimensions), from scipy.stats.qmc."""
    need_extra("sweep", "scipy")
    from scipy.stats import qmc

    rng = np.random.default_rng(np.random.SeedSequence(root_seed, spawn_key=(_DESIGN_KEY,)))
    if kind == "lhs":
        return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(n))
    exponent = max(0, (n - 1).bit_length())
    return np.asarray(qmc.Sobol(dimensions, rng=rng).random_base2(exponent)[:n])


def seed_list(seeds: Iterable[int] | int, root_seed: int = 0) -> list[int]:
    """The seeds that are listed, or, of a number, those of :func:`run_seeds`.

    Raises:
        InputError: A seed is no integer from 0 to 2**63 − 1 or is listed twice; or as of :func:`run_seeds`.
    """
    if isinstance(seeds, Integral):
        return run_seeds(int(seeds), root_seed)
    try:
        listed = [operator.index(seed) for seed in seeds]  # type: ignore[union-attr]
    except TypeError as error:
        raise InputError(f"{error}: expected integers, or their number", "seeds") from error
    for seed in listed:
        if not 0 <= seed < 2**63:
            raise InputError(f"seed {seed}: expected 0 or more, below 2**63", "seeds")
    once_each(listed, "seeds")
    return listed


def once_each(seeds: Iterable[Any], where: str) -> None:
    """Check that the runs of a sample are independent.

    Args:
        seeds: Their seeds.
        where: What the sample is, for the error.

    Raises:
        InputError: A seed twice.
    """
    seen: set[Any] = set()
    for seed in seeds:
        if seed in seen:
            raise InputError(f"seed {seed} is there twice: its runs are the same run, and no independent ones", where)
        seen.add(seed)


def run_seeds(n: int, root_seed: int = 0) -> list[int]:
    """The seeds of replicates 0 … n−1: non-negative 63-bit integers, replicate r's independent of n.

    Raises:
        InputError: ``n`` is below 1 or above 1,000,000, or the root is negative.
    """
    if n < 1:
        raise InputError(f"{n} seeds: expected 1 or more", "seeds")
    if n > _MAX_SEEDS:
        raise InputError(f"{n} seeds: expected at most {_MAX_SEEDS}", "seeds")
    if root_seed < 0:
        raise InputError(f"root seed {root_seed}: expected a non-negative integer", "root_seed")
    return [
        int(np.random.SeedSequence(root_seed, spawn_key=(r,)).generate_state(1, np.uint64)[0] >> np.uint64(1))
        for r in range(n)
    ]


class _Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    low: int | float
    high: int | float
    levels: int = 0


class SweepFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a sweep file (TOML) may say.

    Attributes:
        scenario: The scenario, a path relative to the sweep file, or the name of a scenario of the package.
        design: ``grid``, ``sobol`` or ``lhs``.
        n: Number of sampled points.
        seeds: Number of seeds per point.
        root_seed: Root of all seeds.
        over: Path → list of values, or a table with ``low``, ``high`` and, unless sampled freely, ``levels``.
        fixed: Path → value for every point.
        run_seconds: Wall time of a run, past which it is ended and counts as failed.
        run_megabytes: Resident memory of a run's process, in 10**6 bytes, past which it is.
        branch_at: The instant up to which all points are one market, such as ``"10min"``.
        overlays: Overlays over it at every point: paths relative to the sweep file, or names of packaged ones.
    """

    scenario: str
    design: DesignKind = "grid"
    n: int = 0
    seeds: int = 1
    root_seed: int = 0
    over: dict[str, list[Value] | _Range] = {}
    fixed: dict[str, Value] = {}
    run_seconds: float | None = None
    run_megabytes: float | None = None
    branch_at: str | None = None
    overlays: list[str] = []

    def to_design(self) -> Design:
        """The design that the file describes."""
        axes = tuple(
            Axis(path, (), spec.low, spec.high, spec.levels) if isinstance(spec, _Range) else Axis(path, tuple(spec))
            for path, spec in self.over.items()
        )
        return Design(axes, self.design, self.n, self.root_seed, self.fixed)


def load_sweep_file(path: str | Path) -> SweepFile:
    """Read a sweep file.

    Raises:
        InputError: The file is missing, is not TOML, or says what a sweep file may not say.
    """
    try:
        found: SweepFile = msgspec.convert(read_toml(path), SweepFile)
        for axis in found.to_design().axes:
            checked_axis(axis)
        Limits(seconds=found.run_seconds, megabytes=found.run_megabytes)
    except msgspec.ValidationError as error:
        raise InputError(str(error), str(path)) from error
    except InputError as error:
        raise (
            error if error.where.startswith(str(path)) else InputError(error.message, f"{path}: {error.where}")
        ) from error
    return found


def read_toml(path: str | Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: The file is missing, or is not TOML.
    """
    try:
        found: dict[str, Any] = tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", str(path)) from error
    except UnicodeDecodeError as error:
        raise InputError(f"is no text in UTF-8: byte {error.start} is none of it", str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not TOML: {' '.join(str(error).split())}", str(path)) from error
    return found


def runs_in_order(points: Sequence[Mapping[str, Value]], seeds: Sequence[int]) -> list[tuple[int, int, int]]:
    """(run, point, replicate) in the order of execution.

    All points get their first seed before any gets its second, so that what an interrupted sweep leaves is
    balanced.
    """
    return [(p * len(seeds) + r, p, r) for r in range(len(seeds)) for p in range(len(points))]
