"""Calibration: free parameters that bring the mean of metrics over seeds to target values.

The search is optuna's tree-structured Parzen estimator; each trial is a :func:`lob_sim.sweep.run_many` with
the same seeds, so that trials differ by their parameters alone. Every finished trial is in a journal file at
once. What a trial proposes depends on the finished trials before it and on nothing else: an interrupted
calibration that is taken up again ends as if it had not been interrupted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, LobSimError, OutputError
from lob_sim.extras import need_extra
from lob_sim.sweep.design import Axis, Point, checked_axis, run_seeds, seed_list
from lob_sim.sweep.executors import Processes
from lob_sim.sweep.folder import differences, program_versions
from lob_sim.sweep.progress import Meter, ProgressCallback
from lob_sim.sweep.runner import run_many
from lob_sim.sweep.task import Task, Value, load_task, plain_point, refuse_taken, task_name

if TYPE_CHECKING:
    import optuna
    import pandas as pd

_STUDY = "calibration"


class Target(msgspec.Struct, frozen=True):
    """What a metric's mean over seeds should be.

    Attributes:
        value: The target.
        scale: A deviation that counts as 1; positive, in the metric's unit (say, its sampling error in data).
    """

    value: float
    scale: float


class Calibration(msgspec.Struct, frozen=True):
    """The outcome of a calibration.

    Attributes:
        best: Parameter values of the best trial.
        loss: Its sum of squared scaled deviations.
        metrics: Its mean of each target metric.
        trials: One row per finished trial in order: ``trial``, parameters, target metrics, ``loss``.
    """

    best: Point
    loss: float
    metrics: dict[str, float]
    trials: pd.DataFrame


def calibrate(
    task: str | Task,
    free: Sequence[Axis],
    targets: Mapping[str, Target],
    *,
    trials: int,
    seeds: Sequence[int] | int,
    journal: str | Path,
    fixed: Mapping[str, Value] | None = None,
    root_seed: int = 0,
    executor: Executor | None = None,
    progress: ProgressCallback | None = None,
) -> Calibration:
    """Search for parameters that meet targets, up to a number of finished trials in all.

    Args:
        task: As of :func:`lob_sim.sweep.run_many`.
        free: Parameters to choose, each in a range, on the levels of a range, or among values.
        targets: Metric → target.
        trials: Finished trials wanted, those of earlier sessions included.
        seeds: Seeds of every trial, or their number.
        journal: File that remembers the trials; an existing one of the same calibration is gone on with.
        fixed: Overrides of every trial.
        root_seed: Of the search.
        executor: Where to run; by default a process per core, ended before this returns.
        progress: Called after every trial. A trial counts as a failure, with infinite loss, if a run failed or a metric
            has no value, or an infinite one, with any of the seeds.

    Raises:
        InputError: Nothing to choose or to meet, a metric that the task does not give, or a journal of
            another calibration.
        LobSimError: The runs of every trial failed.
    """
    need_extra("sweep", "optuna")
    import optuna

    _check(free, targets, trials)
    loaded = load_task(task)
    listed = seed_list(seeds)
    always = plain_point(fixed or {})
    plan = _plan(loaded, free, targets, listed, always, root_seed)
    with _quiet(optuna):
        study = _open_study(optuna, Path(journal), plan)
        finished = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished() and t.values]
        meter = Meter(trials, len(finished), sum(math.isinf(t.values[0]) for t in finished))
        if len(finished) < trials:
            with nullcontext(executor) if executor is not None else Processes() as chosen:
                for number in range(len(finished), trials):
                    # The sampler of trial n is seeded by n: a later session proposes what this one would.
                    entropy = run_seeds(number + 1, root_seed)[number] >> 31  # 32 bits: all that it takes.
                    study.sampler = optuna.samplers.TPESampler(seed=entropy)
                    loss = _do_trial(study, loaded, free, targets, listed, always, chosen)
                    if progress is not None:
                        progress(meter.add(1, math.isinf(loss)))
        return _outcome(study, free, targets)


def _check(free: Sequence[Axis], targets: Mapping[str, Target], trials: int) -> None:
    if not free or not targets or trials < 1:
        found = f"{len(free)} parameters, {len(targets)} targets, {trials} trials"
        raise InputError(f"{found}: expected at least one of each", "calibration")
    # The table of trials has a column for each of these besides.
    refuse_taken((axis.path for axis in free), also=("trial", "loss", *targets))
    for name in sorted({"trial", "loss"} & set(targets)):
        raise InputError(f"a target cannot be called {name!r}: that is a column of the trials", f"target {name}")
    for axis in free:
        checked_axis(axis)
    for name, target in targets.items():
        if not (math.isfinite(target.value) and 0 < target.scale < math.inf):
            raise InputError(f"{target}: expected a finite value and a positive scale", f"target {name}")


def _plan(
    task: Task,
    free: Sequence[Axis],
    targets: Mapping[str, Target],
    seeds: list[int],
    fixed: Mapping[str, Value],
    root_seed: int,
) -> dict[str, Any]:
    plan = {
        "task": task_name(task),
        "free": list(free),
        "targets": dict(targets),
        "seeds": seeds,
        "fixed": dict(fixed),
        "root_seed": root_seed,
        "versions": program_versions(task),
    }
    loaded: dict[str, Any] = json.loads(msgspec.json.encode(plan))
    return loaded


def _open_study(optuna: Any, journal: Path, plan: dict[str, Any]) -> Any:
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
        study = optuna.create_study(study_name=_STUDY, storage=storage, load_if_exists=True)
    except OSError as error:
        raise OutputError(f"cannot write the journal {journal}: {error}") from error
    except (KeyError, ValueError) as error:
        raise InputError(f"is not a calibration's journal: {error}", str(journal)) from error
    if "plan" not in study.user_attrs:
        study.set_user_attr("plan", plan)
    differing = differences(study.user_attrs["plan"], plan)
    if differing:
        raise InputError(f"is the journal of another calibration: {'; '.join(differing)}", str(journal))
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        # Left by a session that was stopped; as a running trial it would sway what the sampler proposes.
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _do_trial(
    study: optuna.Study,
    task: Task,
    free: Sequence[Axis],
    targets: Mapping[str, Target],
    seeds: list[int],
    fixed: Mapping[str, Value],
    executor: Executor,
) -> float:
    trial = study.ask()
    chosen = {axis.path: _suggest(trial, axis) for axis in free}
    frame = run_many(task, [{**fixed, **chosen}], seeds, executor)
    failed = frame[frame["status"] == "failed"]
    loss = math.inf
    means: dict[str, float] = {}
    if failed.empty:
        for name in targets:
            if name not in frame.columns:
                near = did_you_mean(name, frame.attrs["metrics"])
                raise InputError(f"the task gives no metric {name!r}{near}", f"target {name}")
        # A seed without a value leaves the point without a mean: the others would be chosen by what they leave out.
        means = {name: float(frame[name].mean(skipna=False)) for name in targets}
        loss = sum(((means[name] - target.value) / target.scale) ** 2 for name, target in targets.items())
        loss = loss if math.isfinite(loss) else math.inf
    else:
        trial.set_user_attr("error", str(failed["error"].iloc[0]))
    trial.set_user_attr("point", chosen)
    trial.set_user_attr("metrics", means)
    study.tell(trial, loss)
    return loss


def _suggest(trial: optuna.Trial, axis: Axis) -> Value:
    if axis.values:
        return axis.values[int(trial.suggest_categorical(axis.path, list(range(len(axis.values)))))]
    if axis.levels:
        return axis.choices[trial.suggest_int(axis.path, 0, axis.levels - 1)]
    return trial.suggest_float(axis.path, axis.low, axis.high)


def _outcome(study: optuna.Study, free: Sequence[Axis], targets: Mapping[str, Target]) -> Calibration:
    import pandas as pd

    done = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished() and t.values]
    best = min(done, key=lambda t: (t.values[0], t.number))
    if math.isinf(best.values[0]):
        cause = best.user_attrs.get("error", "a metric is not finite")
        raise LobSimError(f"no trial of {len(done)} gave a finite loss; the first: {cause}")
    rows = [
        {
            "trial": i,
            **{axis.path: t.user_attrs["point"][axis.path] for axis in free},
            **{name: t.user_attrs["metrics"].get(name, math.nan) for name in targets},
            "loss": t.values[0],
        }
        for i, t in enumerate(done)
    ]
    return Calibration(best.user_attrs["point"], best.values[0], best.user_attrs["metrics"], pd.DataFrame(rows))


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep optuna from logging every trial: progress is reported through the callback."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
