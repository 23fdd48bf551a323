"""A process of its own for what takes time: it runs one market, or writes one page, and ends.

So a run can be ended at once, and a page stays alive whatever a strategy does. What is asked for is one line of JSON on
the standard input, what is told are lines of JSON on the standard output. SIGTERM interrupts a run as Ctrl-C does; so
does the end of the input, which is that of who asked.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import msgspec

from lob_sim.errors import LobSimError
from lob_sim.interactive.readings import BookReading
from lob_sim.interactive.simulation import Simulation
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c
from lob_sim.log import open_run
from lob_sim.report.compare_page import compare_page
from lob_sim.report.headline import metrics_of
from lob_sim.report.render import write_page
from lob_sim.report.run_page import run_page
from lob_sim.scenario import errors_name, load_scenario
from lob_sim.simulation.runner import PROGRESS_STEPS
from lob_sim.units import Instrument

FRAMES_PER_S = 4.0
"""The most looks at a market in a second of wall time."""
LEVELS = 5
PAGE = "report.html"
METRICS = ("overshoot_pct", "spread_pct", "quote_absence", "forced_lots", "failures")
"""What is told of a run that has come to its end, as its page tells it."""

Tell: TypeAlias = Callable[["Told"], None]


class Task(msgspec.Struct, frozen=True):
    """What is asked for: a run with its page, or a comparison of runs.

    Attributes:
        out: The run's folder, or the comparison's page.
        scenario: A file, or the name of a packaged scenario; none for a comparison.
        overlays: Put over it.
        overrides: Put over that.
        seed: Its seed.
        label: What the run is called on its page.
        runs: What is to be compared: folders by label.
    """

    out: str
    scenario: str = ""
    overlays: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    seed: int = 0
    label: str = ""
    runs: dict[str, str] = {}


class BookFrame(msgspec.Struct, frozen=True):
    """A lit book at an instant: prices in points, displayed amounts in lots, best level first."""

    name: str
    decimals: int
    phase: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    last_trade: float | None
    fair_value: float


class Point(msgspec.Struct, frozen=True):
    """A point of the curves: when, in nanoseconds, and by instrument the middle and the fair value in points."""

    at_ns: int
    mids: tuple[float | None, ...]
    values: tuple[float, ...]


class Told(msgspec.Struct, frozen=True):
    """What a worker tells.

    Attributes:
        kind: ``frame`` of a run that goes on, ``page`` while pages are made, ``done``, ``cancelled`` or ``failed``.
        at_ns: Simulated time.
        horizon_ns: When the run ends.
        books: The books, by name.
        points: Of the curves, since the last frame.
        limits: Balance sheets, those with a breached limit, those that sell under one, those that have defaulted.
        digest: The run's digest.
        metrics: How it came out.
        message: What went wrong.
    """

    kind: str
    at_ns: int = 0
    horizon_ns: int = 0
    books: tuple[BookFrame, ...] = ()
    points: tuple[Point, ...] = ()
    limits: tuple[int, int, int, int] = (0, 0, 0, 0)
    digest: str = ""
    metrics: dict[str, float | None] = {}
    message: str = ""


def main() -> None:
    """Do what the input asks for."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a strategy prints is nothing that was asked for.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    end_by_sigterm_as_by_ctrl_c()

    def tell(told: Told) -> None:
        out.write(msgspec.json.encode(told) + b"\n")
        out.flush()

    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        _compare(task) if task.runs else _run(task, tell)
        tell(Told("done"))
    except KeyboardInterrupt:
        tell(Told("cancelled"))
    except LobSimError as error:
        tell(Told("failed", message=str(error)))


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _run(task: Task, tell: Tell) -> None:
    with errors_name(task.scenario):
        scenario = load_scenario(task.scenario, task.overrides, overlays=task.overlays)
        with Simulation(scenario, task.seed, task.out) as simulation:
            _watch(simulation, tell)
            run = simulation.finish()
    found = metrics_of(run)
    metrics = {name: found[name] if isfinite(found[name]) else None for name in METRICS}
    tell(Told("page", digest=run.digest, metrics=metrics))
    folder = Path(task.out)
    write_page(run_page(open_run(folder), folder.name, task.label), folder / PAGE)


def _watch(simulation: Simulation, tell: Tell) -> None:
    """Run to the horizon, and tell of it as often as somebody can look."""
    next_s, points = 0.0, []
    for step in range(PROGRESS_STEPS + 1):
        simulation.run_until(simulation.horizon * step // PROGRESS_STEPS)
        books = list(simulation.books.values())
        points.append(_point(simulation.now, books))
        now_s = time.monotonic()
        if now_s >= next_s or step == PROGRESS_STEPS:
            tell(_frame(simulation, books, points))
            next_s, points = now_s + 1 / FRAMES_PER_S, []


def _point(at_ns: int, books: Sequence[BookReading]) -> Point:
    return Point(at_ns, tuple(book.mid for book in books), tuple(book.fair_value for book in books))


def _frame(simulation: Simulation, books: Sequence[BookReading], points: Sequence[Point]) -> Told:
    sheets = list(simulation.sheets.values())
    breached = sum(any(room < 0 for room in sheet.headroom.values()) for sheet in sheets)
    limits = (len(sheets), breached, *(sum(getattr(s, key) for s in sheets) for key in ("is_selling", "has_defaulted")))
    return Told(
        "frame",
        simulation.now,
        simulation.horizon,
        tuple(_book(book, simulation.world.instruments[book.instrument_id]) for book in books),
        tuple(points),
        (limits[0], limits[1], limits[2], limits[3]),
    )


def _book(book: BookReading, instrument: Instrument) -> BookFrame:
    lot, decimals = float(instrument.lot_size), instrument.price_decimals
    bids, asks = (
        tuple((round(level.price, decimals), round(level.amount / lot, 6)) for level in side[:LEVELS])
        for side in (book.bids, book.asks)
    )
    return BookFrame(book.name, decimals, book.phase.name.lower(), bids, asks, book.last_trade, book.fair_value)


def _compare(task: Task) -> None:
    target = Path(task.out)
    folders = {label: Path(folder) for label, folder in task.runs.items()}
    links = {
        label: quote(f"{folder.name}/{PAGE}") for label, folder in folders.items() if folder.parent == target.parent
    }
    write_page(compare_page({label: open_run(folder) for label, folder in folders.items()}, links), target)


if __name__ == "__main__":
    main()
