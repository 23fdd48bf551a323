"""Where do fear and limits feed each other, and where does fear damp? A map over calibrations whose calm is in order.

Every calibration that :mod:`experiments.history_matching` has kept is run in the four cells of the factorial at a few
sizes of shock. Its *interaction* is the area between the curves of the share of spirals: by how much the two kinds of
mechanism together lower the mean threshold, within the sizes, beyond what each does alone, in per cent of value.
Positive: they are complements, and fear lowers what limits withstand. Negative: substitutes, and fear protects.

The map has three axes. *Informed share*: what of the lit book is taken by those who know value, as measured in the calm
runs of the calibration (it is an outcome of several parameters). *Dealers' headroom* over their leverage limit and
*arbitrage capital*, the size of the funds' balance sheets, are two of the design's own axes. A linear regression on the
three, each in units of its standard deviation, says which way the interaction leans, with Student's intervals over
calibrations; halves of each axis say it without a model.

Expected, before the first run. Positive in most calibrations that tell (in which some runs with limits spiral and some
do not), about 0.3 in the mean as at the default. Larger where dealers have little headroom, because there a dealer in
retreat leaves weak ones alone with what is sold. Smaller or negative where arbitrage capital is large: funds are then
who sells, and dealers who stay out keep their capital. Of the informed share the sign is open: more of it makes fear
larger, and makes it right as well.

Learnt (25 of 256 calibrations, two seeds, ``docs/map.json``). Without fear the calm of one of them, No. 170, breaks a
fact, so that 24 are compared: .24 [.08, .41] in the mean, positive in 13, negative in two. By the informed share .47
[.25, .69] up to .35 and .02 [-.18, .23] above; headroom and capital make no difference that is told. Nearest to a shock
that does what a default one should is No. 132 at 5 %: 55 % with both, 5 % with limits alone, by 20 other seeds. An
earlier map is withdrawn: its dealers without learning went by one α in every market, whatever share of flow was
informed there, and what they took clients to pay was drawn apart from what these would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from experiments import history_matching
from experiments.drawing import new_figure, save
from experiments.spiral import cells
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, Runs
from experiments.spiral.common_past import Past
from experiments.spiral.free_parameters import at, informed_share
from experiments.spiral.measure import measure_threshold
from experiments.spiral.threshold import (
    FEW,
    MANY,
    ORDER,
    SPIRAL_RMS,
    interaction_area,
    missing_of_rule,
    spared_instrument,
)
from experiments.validation.fingerprint import fingerprint
from lob_sim.analysis.tables import Bools, Floats
from lob_sim.experiment import ResultTable, Row
from lob_sim.experiment.over_seeds import share
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import Axis, Estimate, Sweep, bootstrap
from lob_sim.sweep.design import Point
from lob_sim.sweep.statistics import t_half_width
from lob_sim.sweep.task import TaskResult, TaskSpec

HEADROOM, CAPITAL = "dealers: headroom (factor)", "funds: capital (factor)"
INFORMED = "informed share"
FRESH_SEED = 601
"""Where a calibration is looked at more closely seeds begin here: those of the map have chosen it."""
AXES = (INFORMED, HEADROOM, CAPITAL)
_MOST = 0.5
"""Of the calibrations that tell, so many should have a positive interaction."""
_FEWEST = len(AXES) + 3
"""Of so few neither a regression nor an interval is told."""


class Calibration(msgspec.Struct, frozen=True):
    """A calibration whose calm is in order.

    Attributes:
        number: In the design of the history matching.
        point: Its free parameters.
        informed: Informed share in calm, mean over instruments and seeds.
        calm_rms_pct: Calm error of the instrument that no shock hits, mean over seeds.
        is_shown: Whether every calm fact is shown to hold; of the others none is shown to be broken.
        breaks_without_fear: What its calm is shown to break without the information feedback; ``None``: not asked.
    """

    number: int
    point: Point
    informed: float
    calm_rms_pct: float
    is_shown: bool
    breaks_without_fear: list[str] | None = None


class MapTask(msgspec.Struct, frozen=True):
    """A calibration in one cell at one size; its parameters are ``calibration``, ``cell`` and ``size`` (per cent).

    Attributes:
        scenario: As it is, as plain data.
        points: Calibrations by number.
        pasts: Folder for what sizes have in common, of this task alone.
    """

    scenario: dict[str, Any]
    points: dict[str, Point]
    pasts: str

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run."""
        base = parse_scenario(msgspec.to_builtins(self.scenario), "map: ")
        number, name = str(spec.overrides["calibration"]), str(spec.overrides["cell"])
        cell = cells.factorial(at(base, self.points[number]))[name]
        folder = Path(self.pasts) / f"{number} {name}"
        folder.mkdir(exist_ok=True)
        past = Past(scenario_to_dict(cell), min(shock.at for shock in cell.shocks) - 1, str(folder))
        shocked = cells.shocked(cell, -float(spec.overrides["size"]) / 100)
        return past.measured(shocked, spec, measure_threshold)


class Mapped(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        program: Fingerprint of the program that gave it.
        sizes: Falls of value in per cent.
        calibrations: In order.
        started: For each of them and each cell, in which runs a spiral started: size by size, by seed.
    """

    program: str
    sizes: list[float]
    calibrations: list[Calibration]
    started: list[dict[str, list[list[bool]]]]

    def shares(self, k: int) -> dict[str, Floats]:
        """Share of seeds in which a spiral starts in a calibration, cell by cell, by size."""
        return {cell: np.array(found, dtype=float).mean(axis=1) for cell, found in self.started[k].items()}

    @property
    def interaction(self) -> Floats:
        """Of each calibration by seed, in per cent of value: shape (calibrations, seeds)."""
        x = np.array(self.sizes)
        cells = [{cell: np.array(there, dtype=bool) for cell, there in found.items()} for found in self.started]
        return np.array([interaction_area(x, found) for found in cells])

    @property
    def tells(self) -> Bools:
        """Which calibrations tell: some of their runs with limits spiral, and some do not."""
        limited = [[*found[CONSTRAINTS_ALONE], *found[BOTH]] for found in self.started]
        return np.array([0 < np.array(runs).mean() < 1 for runs in limited], dtype=bool)


def kept_calibrations(folder: Path, scenario: Scenario, at_most: int) -> list[Calibration]:
    """What a history matching has kept, with what its calm runs measured.

    Args:
        folder: Of ``experiments.history_matching``.
        scenario: The scenario that was matched.
        at_most: So many of them, the first of the design.

    Raises:
        InputError: There is no history matching in the folder, or it has kept nothing.
        DataError: ``kept.json`` is something else.
    """
    kept = history_matching.load_kept(folder / history_matching.KEPT)
    calm = Sweep(folder / history_matching.CLOSEST).frame()
    calm = calm[calm["status"] == "ok"]
    spared = next(spec for spec in scenario.instruments if spec.name == spared_instrument(scenario))
    in_pct = 100 * float(spared.tick_size / spared.initial_price)
    found = []
    for number, point in list(kept.points.items())[:at_most]:
        rows = calm[calm[history_matching.CALIBRATION] == number]
        who = informed_share(rows, scenario.instruments)
        rms_pct = in_pct * float(rows[f"rms_ticks.{spared.name}"].mean())
        found.append(Calibration(number, point, who, rms_pct, number in kept.shown, kept.without_fear.get(number)))
    return found


def run_map(scenario: Scenario, calibrations: Sequence[Calibration], sizes: Sequence[float], runs: Runs) -> Mapped:
    """Run the factorial on every calibration at every size."""
    points = {str(c.number): c.point for c in calibrations}
    axes = [
        Axis("calibration", tuple(c.number for c in calibrations)),
        Axis("cell", ORDER),
        Axis("size", tuple(float(size) for size in sizes)),
    ]
    with TemporaryDirectory(prefix="map-") as pasts:
        task = MapTask(scenario_to_dict(scenario), points, pasts)
        frame = cells.run_axes(task, axes, runs, "map", [task.scenario, points, _program()])
    spared, started = spared_instrument(scenario), []
    for c in calibrations:
        own = frame[frame["calibration"] == c.number]
        by_cell = {cell: _by_size(own[own["cell"] == cell], spared, sizes, c.calm_rms_pct) for cell in ORDER}
        started.append({cell: found.tolist() for cell, found in by_cell.items()})
    return Mapped(_program(), list(sizes), list(calibrations), started)


def _program() -> str:
    """Fingerprint of what the runs depend on, and not of what is made of them."""
    return fingerprint(history_matching.__name__)


def _by_size(rows: pd.DataFrame, spared: str, sizes: Sequence[float], rms: float) -> Any:
    worst = [rows[rows["size"] == size].sort_values("seed")[f"worst_pct.{spared}"].to_numpy() for size in sizes]
    return np.array(worst) > SPIRAL_RMS * rms


def in_order(found: Mapped) -> Mapped:
    """Of a map those calibrations whose calm without fear, with which the factorial compares, breaks no fact."""
    return _of(found, [not c.breaks_without_fear for c in found.calibrations])


def out_of_order(found: Mapped) -> Mapped:
    """The others."""
    return _of(found, [bool(c.breaks_without_fear) for c in found.calibrations])


def _of(found: Mapped, chosen: Sequence[bool]) -> Mapped:
    return msgspec.structs.replace(
        found,
        calibrations=[c for c, is_chosen in zip(found.calibrations, chosen, strict=True) if is_chosen],
        started=[there for there, is_chosen in zip(found.started, chosen, strict=True) if is_chosen],
    )


# --- what is told ----------------------------------------------------------------------------------------------------


def coordinates(found: Mapped) -> dict[str, Floats]:
    """Where each calibration lies on the map."""
    return {
        INFORMED: np.array([c.informed for c in found.calibrations]),
        HEADROOM: np.array([float(c.point[HEADROOM]) for c in found.calibrations]),
        CAPITAL: np.array([float(c.point[CAPITAL]) for c in found.calibrations]),
    }


def map_rows(found: Mapped) -> list[Row]:
    """What is claimed of the map."""
    found = in_order(found)
    mean = found.interaction.mean(axis=1)[found.tells]
    claim = "fear and limits are complements (share of the calibrations that tell)"
    return [share(claim, mean > 0, _MOST, "the thesis")] if mean.size else []


def map_tables(found: Mapped) -> list[ResultTable]:
    """Where the interaction is positive: on the whole, by halves of each axis, by regression, and one by one.

    All but one line of it is of those calibrations whose market without fear is in order too.
    """
    found, out = in_order(found), out_of_order(found)
    mean, at = found.interaction.mean(axis=1), coordinates(found)
    lines: list[list[Any]] = [["all", *_told(mean), int(found.tells.sum())]]
    for axis, values in at.items():
        middle = float(np.median(values))
        for side, chosen in ((f"up to {middle:.3g}", values <= middle), (f"above {middle:.3g}", values > middle)):
            lines.append([f"{axis}: {side}", *_told(mean[chosen]), int(found.tells[chosen].sum())])
    if out.calibrations:
        where = "in none of these: without fear a calm fact is broken"
        lines.append([where, *_told(out.interaction.mean(axis=1)), int(out.tells.sum())])
    halves = ResultTable(
        "Interaction, both less either alone plus neither: area between curves (% of value), over kept calibrations",
        ["where", "calibrations", "mean", "positive (share)", "negative (share)", "that tell"],
        lines,
    )
    each = [
        [
            c.number,
            *(float(values[k]) for values in at.values()),
            mean_of(found.interaction[k]),
            bool(found.tells[k]),
            c.is_shown,
        ]
        for k, c in enumerate(found.calibrations)
    ]
    columns = ["number", *AXES, "interaction", "tells", "every calm fact shown"]
    return [
        pooled_shares(found),
        halves,
        *regression(mean, at),
        ResultTable("Every kept calibration", columns, each),
        nearest_sizes(found),
    ]


def pooled_shares(found: Mapped) -> ResultTable:
    """Share of runs with a spiral, cell by cell and size by size, with intervals over calibrations."""
    shares = [found.shares(k) for k in range(len(found.calibrations))]
    lines: list[list[Any]] = []
    for cell in ORDER:
        by_size = np.array([there[cell] for there in shares])
        lines.append([cell, *(mean_of(column) for column in by_size.T)])
    title = f"Share of runs with a spiral, mean over {len(shares)} kept calibrations, by fall of value"
    return ResultTable(title, ["cell", *(f"{size:g} %" for size in found.sizes)], lines)


def nearest_sizes(found: Mapped) -> ResultTable:
    """For each calibration the size at which a shock comes nearest to telling the thesis by itself.

    Nearest is where :func:`.threshold.missing_of_rule` is least.
    """
    lines = []
    for k, c in enumerate(found.calibrations):
        shares = found.shares(k)
        missing = missing_of_rule(shares)
        best = int(missing.argmin())
        at_best = [float(shares[cell][best]) for cell in (BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE)]
        lines.append([c.number, f"{found.sizes[best]:g} %", *at_best, "yes" if missing[best] <= 0 else "no"])
    seeds = len(found.started[0][BOTH][0])
    title = (
        f"Does a size spiral in {MANY:.0%} with everything on and in {FEW:.0%} with either kind alone? The nearest, "
        f"by {seeds} seeds a cell"
    )
    return ResultTable(
        title, ["calibration", "fall of value", BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, "does it"], lines
    )


def mean_of(sample: Floats) -> Estimate | float:
    """A mean, with its interval where there are enough that differ for one."""
    return bootstrap(sample) if sample.size >= _FEWEST and np.ptp(sample) > 0 else float(sample.mean())


def _told(sample: Floats) -> list[Any]:
    if not sample.size:
        return [0, "", "", ""]
    return [sample.size, mean_of(sample), float((sample > 0).mean()), float((sample < 0).mean())]


def regression(mean: Floats, at: Mapping[str, Floats]) -> list[ResultTable]:
    """Ordinary least squares of the interaction on the axes, each in its standard deviations; nothing from too few."""
    columns = np.column_stack(list(at.values()))
    if len(mean) < _FEWEST or not columns.std(axis=0).all():
        return []
    x = np.column_stack([np.ones(len(mean)), (columns - columns.mean(axis=0)) / columns.std(axis=0)])
    slopes, *_ = np.linalg.lstsq(x, mean)
    rest = mean - x @ slopes
    free = len(mean) - x.shape[1]
    errors = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * float(rest @ rest) / free)
    estimates: list[Any] = []
    for slope, error in zip(slopes.tolist(), errors.tolist(), strict=True):
        half = t_half_width(error, free + 1)
        estimates.append(Estimate(slope, slope - half, slope + half, len(mean), 0.95))
    title = "Linear regression of the interaction on the axes (% of value for a standard deviation)"
    return [ResultTable(title, ["level", *at], [estimates])]


def draw_map(path: Path, found: Mapped) -> None:
    """The map in its three planes: a point a calibration, coloured by its interaction; a small one does not tell."""
    found = in_order(found)
    at, mean = coordinates(found), found.interaction.mean(axis=1)
    figure, axes = new_figure(1, 3)
    figure.set_size_inches(13, 4.2)
    most = max(1e-9, float(np.abs(mean).max()))
    for axis, (across, up) in zip(axes, ((INFORMED, HEADROOM), (INFORMED, CAPITAL), (HEADROOM, CAPITAL)), strict=True):
        dots = axis.scatter(
            at[across],
            at[up],
            s=np.where(found.tells, 60, 15),
            c=mean,
            cmap="PuOr",
            vmin=-most,
            vmax=most,
            edgecolor="#333333",
            linewidth=0.5,
        )
        axis.set(xlabel=across, ylabel=up)
    figure.colorbar(dots, ax=axes[-1], label="interaction (% of value); positive: complements")
    save(figure, path)
