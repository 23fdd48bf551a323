"""What ``lob-sim sweep`` and ``lob-sim sweep-report`` do, as functions without a command line."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

import msgspec

from lob_sim.analysis.metric_names import main_metrics
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.files import make_folder, own_folder, write_file
from lob_sim.scenario import find_scenario, load_scenario
from lob_sim.sweep.branch_task import BranchTask
from lob_sim.sweep.design import Design, DesignKind, SweepFile, load_sweep_file, parse_axis, read_toml
from lob_sim.sweep.executors import open_executor
from lob_sim.sweep.folder import Sweep, SweepPlan, run_sweep
from lob_sim.sweep.limits import Limits
from lob_sim.sweep.progress import progress_bar
from lob_sim.sweep.report import summary_table
from lob_sim.sweep.runner import refuse_limits_on_cluster
from lob_sim.sweep.scenario_task import Measure, ScenarioTask, plan_scenario_sweep
from lob_sim.sweep.tables import summarise
from lob_sim.units import parse_duration_ns

if TYPE_CHECKING:
    from rich.console import Console


class SweepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``lob-sim sweep``; what is None is left to the sweep file or its default.

    Attributes:
        over: Axes as ``path=a,b,c`` or ``path=lo:hi:n``.
        overrides: Changes for every point, as ``path=value``.
        overlays: Overlays for every point, by name or file.
        seeds: Number of seeds per point.
        design: ``grid``, ``sobol`` or ``lhs``.
        n: Number of sampled points.
        root_seed: Root of all seeds.
        cluster: ``"local"`` or a scheduler's address; None for processes of this machine.
        workers: Number of processes.
        resume: Go on with the sweep that the folder holds.
        retry_failed: Repeat failed runs of it.
        keep_logs: Keep the event log of every run.
        run_seconds: Wall time of a run, past which it is ended and counts as failed.
        run_megabytes: Resident memory of its process, in 10**6 bytes, past which it is.
        branch_at: The instant up to which all points are one market, run once for each seed, such as ``10min``.
    """

    over: Sequence[str] = ()
    overrides: Sequence[str] = ()
    overlays: Sequence[str] = ()
    seeds: int | None = None
    design: str | None = None
    n: int | None = None
    root_seed: int | None = None
    cluster: str | None = None
    workers: int | None = None
    resume: bool = False
    retry_failed: bool = False
    keep_logs: bool = False
    run_seconds: float | None = None
    run_megabytes: float | None = None
    branch_at: str | None = None


def sweep(source: str, out: Path, options: SweepOptions, measure: str | Measure, console: Console) -> Sweep:
    """Do the sweep of a scenario or of a sweep file, with a progress bar, and show its summary.

    Args:
        source: A scenario (file or packaged name) or a sweep file (TOML with a key ``scenario``).
        out: The sweep's folder.
        options: What the command line says; it wins over the sweep file.
        measure: Runs the scenario and measures it.
        console: Where to show progress and summary.

    Raises:
        InputError: Anything that :func:`lob_sim.sweep.run_sweep`, the scenario or an option refuses.
    """
    need_extra("sweep", "scipy", "filelock")  # Of the summary too: not after an hour of runs.
    file, scenario_source = _read_source(source)
    design = merge_design(file, options)
    limits = merge_limits(file, options)
    refuse_limits_on_cluster(limits, options.cluster is not None)
    scenario = load_scenario(scenario_source, options.overrides, overlays=(*file.overlays, *options.overlays))
    seeds = options.seeds if options.seeds is not None else file.seeds
    plan, task = plan_scenario_sweep(scenario, design, seeds, measure, options.keep_logs)
    branch_at = options.branch_at if options.branch_at is not None else file.branch_at
    if branch_at is not None and options.cluster is not None:
        told = "the past is kept on this machine, where a cluster does not see it: expected processes of this machine"
        raise InputError(told, f"--branch-at {branch_at}")
    with ExitStack() as stack:
        # New, and of this user alone: states are programs as much as data.
        pasts = stack.enter_context(TemporaryDirectory(prefix="lob_sim-")) if branch_at is not None else ""
        plan = _checked(plan, task, branch_at, pasts)
        executor = stack.enter_context(open_executor(options.cluster, options.workers))
        bar = stack.enter_context(progress_bar(f"sweep {out.name}", console))
        done = run_sweep(
            plan,
            out,
            executor=executor,
            resume=options.resume,
            retry_failed=options.retry_failed,
            progress=bar,
            limits=limits,
        )
    frame = done.frame()
    axes = [axis.path for axis in design.axes]
    summary = summarise(frame)
    shown = summary[summary["metric"].isin(main_metrics(summary))]
    console.print(summary_table(shown, axes, f"{out.name}: {len(frame)} runs"))
    return done


def _checked(plan: SweepPlan, task: ScenarioTask, branch_at: str | None, pasts: str) -> SweepPlan:
    """The plan, with points that are branches if so, once every point has been checked."""
    found: ScenarioTask | BranchTask = task
    if branch_at is not None:
        at_ns = parse_duration_ns(branch_at)
        found = BranchTask(task.scenario, task.measure, at_ns, pasts)
        plan = msgspec.structs.replace(plan, task=found, scenario={**plan.scenario, "branch at": at_ns})
    for point in plan.design.points():
        found.validate(point)  # Before a cluster is asked for, which may take longer than the refusal.
    return plan


def sweep_report(directory: Path, metrics: Sequence[str], console: Console) -> Path:
    """Show the summary of a sweep, complete or not, and write ``summary.csv``; returns its folder, ``figures``.

    Args:
        directory: The sweep's folder.
        metrics: Which metrics are shown; the best known ones if none are given. The file has these, or all.
        console: Where to show them.

    Raises:
        InputError: No sweep in the folder, or a metric that it does not have.
        DataError: No run has finished yet.
    """
    need_extra("sweep", "scipy")
    found = Sweep(directory)
    frame = found.frame()
    axes = [axis.path for axis in found.manifest.design.axes]
    title = f"{directory.name}: {len(frame)} of {found.total} runs"
    summary = summarise(frame, metrics or None)
    shown = summary[summary["metric"].isin(list(metrics) or main_metrics(summary))]
    console.print(summary_table(shown, axes, title))
    folder = make_folder(own_folder(directory, "figures"))
    write_file(folder / "summary.csv", summary.to_csv(index=False).encode("utf-8", "backslashreplace"))
    return folder


def _read_source(source: str) -> tuple[SweepFile, str]:
    path = find_scenario(source)
    # A sweep file names its scenario at the top level; a scenario has no such key.
    if "scenario" not in read_toml(path):
        return SweepFile(scenario=source), source
    file = load_sweep_file(path)

    def found(name: str) -> str:
        beside = path.parent / name
        return str(beside) if beside.is_file() else name

    return msgspec.structs.replace(file, overlays=[found(name) for name in file.overlays]), found(file.scenario)


def merge_limits(file: SweepFile, options: SweepOptions) -> Limits:
    """The limits of a run that a sweep file sets, with the options of a command line over them.

    Raises:
        InputError: A limit is not positive.
    """
    return Limits(
        seconds=options.run_seconds if options.run_seconds is not None else file.run_seconds,
        megabytes=options.run_megabytes if options.run_megabytes is not None else file.run_megabytes,
    )


def merge_design(file: SweepFile, options: SweepOptions) -> Design:
    """The design of a sweep file with the options of a command line over it: an axis replaces its namesake.

    Raises:
        InputError: An axis or a kind of design that there is not.
    """
    base = file.to_design()
    given = tuple(parse_axis(text) for text in options.over)
    paths = {axis.path for axis in given}
    kind = options.design if options.design is not None else base.kind
    kinds: dict[str, DesignKind] = {name: name for name in get_args(DesignKind)}
    if kind not in kinds:
        raise InputError(f"expected one of {', '.join(kinds)}{did_you_mean(kind, kinds)}", f"--design {kind}")
    return Design(
        tuple(axis for axis in base.axes if axis.path not in paths) + given,
        kinds[kind],
        options.n if options.n is not None else base.n,
        options.root_seed if options.root_seed is not None else base.root_seed,
        {path: value for path, value in base.fixed.items() if path not in paths},
    )
