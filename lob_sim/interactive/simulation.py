"""A market under one's hands: run to any instant, look inside, act, keep, go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import msgspec

from lob_sim.account.injection import say
from lob_sim.errors import DataError, InputError, StrategyError, shown
from lob_sim.files import safe_names
from lob_sim.interactive.branching import Turn, apply_turn, turn_of
from lob_sim.interactive.opening import dry_run, header_of
from lob_sim.interactive.readings import (
    AgentReading,
    BookReading,
    Readings,
    SheetReading,
    read_agents,
    read_books,
    read_sheets,
)
from lob_sim.interactive.schedule import Looks, instant_ns, span_ns
from lob_sim.interactive.state import KeptState, keep, reseeded
from lob_sim.log import BranchEntry, DirectoryRecorder, MemoryRecorder, Run, RunHeader, open_run, run_in_memory
from lob_sim.log.source import lies_beside
from lob_sim.messages import AgentCommand
from lob_sim.rng import checked_seed
from lob_sim.scenario import Scenario, errors_name, load_scenario, parse_scenario
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.world import World
from lob_sim.units import Ns

_REFUSALS = (TypeError, ValueError, LookupError, OverflowError)
"""What an agent's context raises at what no strategy may say."""

Look: TypeAlias = "Callable[[Simulation], None]"


class Simulation:
    """A market that stops where it is told to, and whose log is as if it had never stopped.

    As a context manager it ends with the block: one that has not come to :meth:`finish` by then is ``interrupted``.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        seed: Non-negative; the scenario's own if not given.
        out: Directory for the log, new or empty; without it the log is kept in memory.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        overlays: Overlay files, or names of packaged ones, put over it before them, likewise.
        held: Whether the market stays shut until it is first run, so that who acts from outside can be told something
            before agents start.

    Attributes:
        world: Everything that there is, for reading: in integer units, and not a public interface.

    Raises:
        ScenarioError: The scenario does not hold; nothing has been written then.
        OutputError: ``out`` is not empty or cannot be written.
        StrategyError: A strategy raised as the market opened.
    """

    def __init__(
        self,
        scenario: Scenario | str | Path,
        seed: int | None = None,
        out: str | Path | None = None,
        *,
        overrides: Sequence[str] = (),
        overlays: Sequence[str | Path] = (),
        held: bool = False,
    ) -> None:
        seed = None if seed is None else checked_seed(seed)
        if isinstance(scenario, Scenario):
            self._open(scenario, seed, out, held=held)
            return
        with errors_name(scenario):
            self._open(load_scenario(scenario, overrides, overlays=overlays), seed, out, held=held)

    def _open(
        self,
        scenario: Scenario,
        seed: int | None,
        out: str | Path | None,
        branches: tuple[BranchEntry, ...] = (),
        *,
        held: bool = False,
        parent: Path | None = None,
    ) -> None:
        if out is not None:
            dry_run(scenario)
        plan = MarketPlan(scenario)
        chosen = scenario.seed if seed is None else seed
        header = msgspec.structs.replace(header_of(plan, chosen), branches=branches)
        recorder = MemoryRecorder() if out is None else DirectoryRecorder(out, header, parent)
        self._begin(World(plan, chosen, recorder), recorder, header, is_after=False)
        self._is_held = True
        if not held:
            self._start()

    def _start(self) -> None:
        self._is_held = False
        with self._going():
            self.world.start()

    def _begin(
        self, world: World, recorder: MemoryRecorder | DirectoryRecorder, header: RunHeader, is_after: bool
    ) -> None:
        self.world = world
        self._recorder = recorder
        self._header = header
        self._is_after = is_after
        self._looks: Looks[Simulation] = Looks()
        self._is_held = False
        self._end = ""
        self._result: Run | None = None

    @staticmethod
    def load(path: str | Path, out: str | Path | None = None) -> Simulation:
        """Go on from a state that was kept in a file, in this process or another, today or another day.

        The file is a program as much as it is data: load none that a stranger has made (see the page on security).

        Args:
            path: The file.
            out: Directory for the log, new or empty: it begins as the log was when the state was kept. Must be given
                where that log was in a directory; a log in memory goes on there without.

        Raises:
            DataError: It is no state, damaged, or of another version of the program; the log that it refers to is
                not there or not what it was.
            InputError: ``out`` is not given, and the log was in a directory.
            OutputError: ``out`` is not empty or cannot be written.
        """
        return Simulation.of(State.read(path), out)

    @staticmethod
    def of(
        state: State, out: str | Path | None = None, *, changes: Sequence[str] = (), seed: int | None = None
    ) -> Simulation:
        """Go on from a state; as often as one likes, each time independently. See :meth:`load`.

        Args:
            state: Where to go on from.
            out: As for :meth:`load`.
            changes: What changes at this instant, as ``"path=value"`` of the scenario.
            seed: Of all random streams from this instant on; None lets them go on as they are.

        Raises:
            ScenarioError: A change does not hold, or is none that a branch can make; nothing has been written then.
        """
        return Simulation._after(state, out, state.turn(changes, seed))

    @staticmethod
    def _after(state: State, out: str | Path | None, turn: Turn | None) -> Simulation:
        known = state.header
        if turn is None:
            world, recorder, header = state.restore(out)
        else:
            if out is not None:
                # Once for nothing, so that a limit that does not hold leaves nothing half-written.
                with suppress(StrategyError):
                    apply_turn(state.trial(), turn)
            header = msgspec.structs.replace(known.run, branches=(*known.run.branches, turn.entry))
            world, recorder, header = state.restore(out, header, refers=True)
        simulation = Simulation.__new__(Simulation)
        simulation._begin(world, recorder, header, is_after=known.is_after)
        if turn is not None:
            simulation._turn(turn)
        return simulation

    @staticmethod
    def again(header: RunHeader, out: str | Path | None = None, parent: Path | None = None) -> Simulation:
        """A run from its beginning once more, branches and all: at the instant of the last, or at 0.

        Args:
            header: What is known of the run; what somebody injected is not in it.
            out: Directory for the log, new or empty; without it the log is kept in memory.
            parent: Directory of the run that the last branch leaves: the log refers to it for the rows up to there,
                if it lies beside ``out``.

        Raises:
            ScenarioError: The scenario or a branch does not hold; nothing has been written then.
            InputError: A branch is beyond the horizon, or before another.
            DataError: The run again is not the parent's.
            OutputError: ``out`` is not empty or cannot be written.
            StrategyError: A strategy raised.
        """
        turns = [
            turn_of(msgspec.structs.replace(header, branches=header.branches[:i]), entry)
            for i, entry in enumerate(header.branches)
        ]
        scenario = parse_scenario(header.scenario, "scenario.")
        at_ns = [entry.at_ns for entry in header.branches]
        if at_ns != sorted(at_ns) or any(ts_ns > scenario.horizon for ts_ns in at_ns):
            raise InputError("are beyond the horizon or not in order of time", "branches")
        simulation = Simulation.__new__(Simulation)
        beside = parent if parent is not None and out is not None and lies_beside(parent, Path(out)) else None
        simulation._open(scenario, header.seed_entropy, out, header.branches, parent=beside)
        for i, turn in enumerate(turns, 1):
            simulation.run_until(turn.entry.at_ns)
            if turn.entry.is_after:
                simulation.step()
            if i == len(turns):
                simulation._cut()
            simulation._turn(turn)
        return simulation

    def _cut(self) -> None:
        """What follows is on this run's log alone; a log whose past is not the parent's is taken back."""
        if not isinstance(self._recorder, DirectoryRecorder):
            return
        try:
            with self._going():
                self._recorder.cut()
        except DataError:
            shutil.rmtree(self._recorder.path, ignore_errors=True)
            raise

    def _turn(self, turn: Turn) -> None:
        with self._going():
            if turn.entry.seed is not None:
                self.world = reseeded(self.world, self._recorder, turn.entry.seed)
            apply_turn(self.world, turn)

    # --- time -----------------------------------------------------------------------------------------------
    @property
    def now(self) -> Ns:
        """Simulated time in nanoseconds."""
        return self.world.kernel.now_ns

    @property
    def horizon(self) -> Ns:
        """When it ends."""
        return self.world.scenario.horizon

    def run_until(self, at: Ns | str) -> None:
        """Let everything happen that is due before an instant, and nothing that is due at it.

        Args:
            at: The instant: nanoseconds, or text such as ``"10min"``.

        Raises:
            InputError: It is past, beyond the horizon or no time; the simulation has ended.
            StrategyError: A strategy raised; that ends the simulation, and its log has failed.
        """
        self._require_open(runs=True)
        at_ns = self._instant(at)
        while True:
            look_ns = self._looks.next_ns
            stop_ns = at_ns if look_ns is None else min(at_ns, look_ns)
            if stop_ns > self.now:
                with self._going():
                    self.world.kernel.run_until(stop_ns)
                self._is_after = False
            if look_ns is None or look_ns > at_ns:
                return
            self._looks.look(self)

    def step(self) -> bool:
        """Let everything happen that is due at the next instant at which anything is.

        Returns:
            Whether there was such an instant before the horizon; else time is the horizon now.

        Raises:
            InputError: The simulation has ended.
            StrategyError: A strategy raised; that ends the simulation, and its log has failed.
        """
        self._require_open(runs=True)
        next_ns = self.world.kernel.next_ns
        if next_ns is None or next_ns >= self.horizon:
            self.run_until(self.horizon)
            return False
        # What looks at an instant looks before that instant happens.
        look_ns = self._looks.next_ns
        if look_ns is not None and look_ns <= next_ns:
            self.run_until(next_ns)
        with self._going():
            happened = self.world.kernel.step_instant(self.horizon)
        self._is_after = True
        return happened

    def observe(self, callback: Look, *, at: Ns | str | None = None, every: Ns | str | None = None) -> None:
        """Be shown the simulation at an instant or at regular ones, before what is due there happens.

        The callback may look, keep, and inject; it may not run the simulation.

        Args:
            callback: Called with the simulation.
            at: The instant.
            every: The interval, from now on; exactly one of the two.

        Raises:
            InputError: Both or neither are given, or the time or callback does not hold; the simulation has ended.
        """
        self._require_open()
        if not callable(callback):
            raise InputError(f"expected a function of the simulation, got {shown(callback)}", "observe")
        if (at is None) == (every is None):
            raise InputError("expected either at=... or every=...", "observe")
        if at is not None:
            self._looks.add(self._instant(at), 0, callback)
            return
        assert every is not None
        every_ns = span_ns(every, self.world.plan.calendar)
        if every_ns <= 0:
            raise InputError(f"expected a positive interval, got {every!r}", "observe every")
        self._looks.add(self.now + every_ns, every_ns, callback)

    def finish(self) -> Run:
        """Run to the horizon, close the market and its log, and return that; again, the same.

        Raises:
            InputError: The simulation has ended otherwise.
            StrategyError: A strategy raised; the log has failed.
            InvariantError: Cash or securities were not conserved.
        """
        if self._result is not None:
            return self._result
        self.run_until(self.horizon)
        with self._going():
            self.world.finish()
            self.world.kernel.drop_rest()
        self._end = "it has been finished"
        if isinstance(self._recorder, DirectoryRecorder):
            self._recorder.__exit__(None, None, None)
            self._result = open_run(self._recorder.path)
        else:
            self._result = run_in_memory(self._recorder, self._header)
        return self._result

    # --- looking inside -------------------------------------------------------------------------------------
    @property
    def books(self) -> Readings[BookReading]:
        """The lit books, by instrument: each a copy, made when it is asked for."""
        return read_books(self.world)

    @property
    def agents(self) -> Readings[AgentReading]:
        """The agents, by name."""
        return read_agents(self.world)

    @property
    def sheets(self) -> Readings[SheetReading]:
        """The balance sheets, by the name of the agent that has one."""
        return read_sheets(self.world)

    # --- acting ---------------------------------------------------------------------------------------------
    def inject(self, command: AgentCommand) -> int:
        """Let an agent outside say a command now. It travels with the agent's latency, like any other's.

        Args:
            command: Its ``agent_id`` is that of an agent whose strategy is ``strategies.outside:Outside`` or a
                subclass. Client numbers and time of sending are the account's, whatever the command holds.

        Returns:
            The client number of a new order or request, 0 if pre-trade limits refused it; else the number that the
            command concerns.

        Raises:
            InputError: No agent outside has that number, or the command is none that it may say; nothing happened.
        """
        self._require_open()
        hosts = self.world.hosts
        agent_id = getattr(command, "agent_id", None)
        outside = [host for host in hosts if getattr(host.components[-1], "is_outside", False)]
        host = next((host for host in outside if host.agent_id == agent_id), None)
        if host is None:
            names = ", ".join(f"{each.name} ({each.agent_id})" for each in outside) or "none"
            raise InputError(f"agent {agent_id!r} is not one that acts from outside; there are: {names}", "inject")
        try:
            with self._going(_REFUSALS):
                return host.act(lambda ctx: say(ctx, command))
        except _REFUSALS as error:
            raise InputError(str(error), "inject") from error

    # --- keeping --------------------------------------------------------------------------------------------
    def state(self) -> State:
        """Everything as it is now, to be kept, loaded and branched; the simulation itself goes on undisturbed.

        Raises:
            InputError: Something cannot be kept: a strategy that does not pickle; the simulation has ended.
        """
        self._require_open()
        return State(*keep(self.world, self._recorder, self._header, is_after=self._is_after))

    # --- ending ---------------------------------------------------------------------------------------------
    def __enter__(self) -> Simulation:
        if isinstance(self._recorder, DirectoryRecorder) and not self._end:
            self._recorder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._end:
            return
        self._abandon(kind, error, trace)

    def _abandon(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end = f"it ended with {kind.__name__}" if kind is not None else "it was left before its horizon"
        self.world.kernel.drop_rest()
        if isinstance(self._recorder, DirectoryRecorder):
            ending = KeyboardInterrupt() if error is None else error
            self._recorder.__exit__(type(ending), ending, trace)

    # --- parts ----------------------------------------------------------------------------------------------
    def _instant(self, at: Ns | str) -> Ns:
        self._require_open()
        return instant_ns(at, self.now, self.horizon, self.world.plan.calendar)

    def _require_open(self, *, runs: bool = False) -> None:
        if self._is_held and not self._end:
            self._start()
        if self._end:
            raise InputError(f"has ended: {self._end}", "simulation")
        if runs and self._looks.is_looking:
            raise InputError("a callback may look, keep and inject: it cannot run the simulation", "observe")

    @contextmanager
    def _going(self, keeps: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """What fails here ends the simulation, and its log says so; but for errors of these kinds."""
        try:
            yield
        except keeps:
            raise
        except BaseException as error:
            self._abandon(type(error), error, error.__traceback__)
            raise


class State(KeptState):
    """A market at an instant, kept, from which several ways go on."""

    __slots__ = ()

    def branch(
        self,
        changes: Mapping[str, Sequence[str]],
        seeds: Sequence[int] | None = None,
        out: str | Path | None = None,
    ) -> dict[str, Simulation]:
        """Several ways on from this instant, each as a simulation that stands there.

        Args:
            changes: By name of the branch, what changes, as ``"path=value"`` of the scenario; nothing, for the way
                on as it would have been.
            seeds: Each branch once with each of these seeds, from this instant on; without any, all random streams
                go on as they are.
            out: Folder for the branches' folders, where the log of the state is in one.

        Returns:
            By name, or by ``NAME-seedN`` where seeds are given.

        Raises:
            ScenarioError: A change does not hold, or is none that a branch can make; nothing has been written then.
        """
        chosen = [None] if seeds is None else list(seeds)
        named = {
            name if seed is None else f"{name}-seed{seed}": (tuple(changes[name]), seed)
            for name in changes
            for seed in chosen
        }
        # All are checked before any is made.
        turns = {name: self.turn(listed, seed) for name, (listed, seed) in named.items()}
        folders = dict(zip(named, safe_names(list(named)), strict=True))
        return {
            name: Simulation._after(self, None if out is None else Path(out) / folders[name], turn)
            for name, turn in turns.items()
        }

    def turn(self, changes: Sequence[str], seed: int | None) -> Turn | None:
        """What a branch changes here, checked; None if nothing.

        Raises:
            InputError: The seed is none.
            ScenarioError: A change does not hold, or is none that a branch can make.
        """
        known, seed = self.header, None if seed is None else checked_seed(seed)
        if not changes and seed is None:
            return None
        return turn_of(known.run, BranchEntry(known.now_ns, known.is_after, tuple(changes), seed))
