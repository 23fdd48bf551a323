"""Thousands of runs: designs, seeds, executors, results that can be resumed, and what to make of them.

Names are loaded when they are first used: a worker process needs none of the libraries that analysis does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lob_sim._lazy import lazy_names

if TYPE_CHECKING:
    from lob_sim.sweep.calibration import Calibration as Calibration
    from lob_sim.sweep.calibration import Target as Target
    from lob_sim.sweep.calibration import calibrate as calibrate
    from lob_sim.sweep.coalitions import all_coalitions as all_coalitions
    from lob_sim.sweep.coalitions import coalition_points as coalition_points
    from lob_sim.sweep.coalitions import coalition_values as coalition_values
    from lob_sim.sweep.coalitions import contrasts as contrasts
    from lob_sim.sweep.coalitions import sampled_orders as sampled_orders
    from lob_sim.sweep.coalitions import shapley as shapley
    from lob_sim.sweep.coalitions import shapley_sampled as shapley_sampled
    from lob_sim.sweep.design import Axis as Axis
    from lob_sim.sweep.design import Design as Design
    from lob_sim.sweep.design import load_sweep_file as load_sweep_file
    from lob_sim.sweep.design import parse_axis as parse_axis
    from lob_sim.sweep.design import run_seeds as run_seeds
    from lob_sim.sweep.executors import Cluster as Cluster
    from lob_sim.sweep.executors import Processes as Processes
    from lob_sim.sweep.executors import Serial as Serial
    from lob_sim.sweep.executors import open_executor as open_executor
    from lob_sim.sweep.folder import Sweep as Sweep
    from lob_sim.sweep.folder import SweepPlan as SweepPlan
    from lob_sim.sweep.folder import run_sweep as run_sweep
    from lob_sim.sweep.groups import compare_groups as compare_groups
    from lob_sim.sweep.limits import Limits as Limits
    from lob_sim.sweep.progress import Progress as Progress
    from lob_sim.sweep.progress import progress_bar as progress_bar
    from lob_sim.sweep.runner import run_many as run_many
    from lob_sim.sweep.sobol import sobol_indices as sobol_indices
    from lob_sim.sweep.sobol import sobol_points as sobol_points
    from lob_sim.sweep.statistics import Estimate as Estimate
    from lob_sim.sweep.statistics import bootstrap as bootstrap
    from lob_sim.sweep.statistics import paired_difference as paired_difference
    from lob_sim.sweep.statistics import point_means as point_means
    from lob_sim.sweep.statistics import samples as samples
    from lob_sim.sweep.task import TaskResult as TaskResult
    from lob_sim.sweep.task import TaskSpec as TaskSpec

_HOMES = {
    "calibration": ("Calibration", "Target", "calibrate"),
    "coalitions": (
        "all_coalitions",
        "coalition_points",
        "coalition_values",
        "contrasts",
        "sampled_orders",
        "shapley",
        "shapley_sampled",
    ),
    "design": ("Axis", "Design", "load_sweep_file", "parse_axis", "run_seeds"),
    "executors": ("Cluster", "Processes", "Serial", "open_executor"),
    "folder": ("Sweep", "SweepPlan", "run_sweep"),
    "groups": ("compare_groups",),
    "limits": ("Limits",),
    "progress": ("Progress", "progress_bar"),
    "runner": ("run_many",),
    "sobol": ("sobol_indices", "sobol_points"),
    "statistics": (
        "Estimate",
        "bootstrap",
        "paired_difference",
        "point_means",
        "samples",
    ),
    "task": ("TaskResult", "TaskSpec"),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # noqa: PLE0605  # as the imports above

__getattr__ = lazy_names(__name__, _HOMES)
