"""Cost of the log: its share of a run, reading, replay, finding a book, and memory over ten million rows.

Work that is compared with other work is measured in time of the process, all threads together, so that a busy
machine disturbs it less; what a person waits for is measured in seconds on the clock.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from lob_sim.log import DirectoryRecorder, NullRecorder, Run, RunHeader, open_run
from lob_sim.log.venues import venues_of
from lob_sim.messages import CancelOrder, Command, NewOrder, OrderType, Side
from lob_sim.replay import verify
from lob_sim.running import header_of
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.world import World
from lob_sim.units import Instrument

ROUNDS = 5
MILLION = 1_000_000
MOST_WRITING = 0.25
MOST_SECONDS = 2.0
LEAST_REPLAY = 1.0
MOST_MEGABYTES = 600
ROWS_IN_MEMORY_TEST = 10 * MILLION
LIVE_ORDERS = 2_000


def market() -> Scenario:
    """A hundred zero-intelligence traders and ten dealers, with latency."""
    connection = {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}}
    trader = {"limit_orders_per_s": 0.5, "market_orders_per_s": 0.1}
    groups = [
        ("dealer", "strategies.fixed_spread:FixedSpreadDealer", 10, {}),
        ("trader", "strategies.zero_intelligence:ZeroIntelligenceTrader", 100, trader),
    ]
    return parse_scenario(
        {
            "name": "bench",
            "horizon": "300s",
            "instruments": [{"name": "bond", "tick_size": 0.01, "lot_size": 1, "initial_price": 100}],
            "agents": [
                {"name": name, "strategy": strategy, "count": n, "connection": connection, "params": params}
                for name, strategy, n, params in groups
            ],
        }
    )


def run_time_s(scenario: Scenario, recorder_for: Callable[[RunHeader], Any]) -> float:
    """Work of one run until its log is closed."""
    plan = MarketPlan(scenario)
    recorder = recorder_for(header_of(plan, 1))
    world = World(plan, 1, recorder)
    started = time.process_time()
    world.start()
    world.kernel.run_until(scenario.horizon)
    if isinstance(recorder, DirectoryRecorder):
        recorder.close()
    elapsed_s = time.process_time() - started
    # What is still due would keep the whole market alive, and the garbage collector busy in what comes next.
    world.kernel.drop_rest()
    return elapsed_s


def writing_and_replay() -> tuple[float, float]:
    """Share of writing in a run's time, and how many times as fast as that run its verified replay is."""
    scenario = market()
    shares, speeds = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            bare_s = run_time_s(scenario, lambda _: NullRecorder())
            logged_s = run_time_s(scenario, lambda header, folder=folder: DirectoryRecorder(folder, header))  # type: ignore[misc]
            run = open_run(folder)
            started = time.process_time()
            assert verify(run).ok
            speeds.append(logged_s / (time.process_time() - started))
        shares.append(1 - bare_s / logged_s)
    return statistics.median(shares), statistics.median(speeds)


def steady_stream() -> Iterator[tuple[int, Command]]:
    """Half limit orders, two fifths cancels, a tenth market orders; a book of steady size, for ever."""
    dice = Random(3)
    live: deque[int] = deque()
    number = ts_ns = 0
    while True:
        ts_ns += 1_000
        what = dice.random()
        if what < 0.5 or len(live) < LIVE_ORDERS // 2:
            number += 1
            side = Side.BUY if dice.random() < 0.5 else Side.SELL
            live.append(number)
            yield ts_ns, NewOrder(0, 0, number, side, 10, 10_000 - side * dice.randint(1, 20))
        elif what < 0.9 or len(live) > LIVE_ORDERS:
            yield ts_ns, CancelOrder(0, 0, client_order_id=live.popleft())
        else:
            number += 1
            side = Side.BUY if dice.random() < 0.5 else Side.SELL
            yield ts_ns, NewOrder(0, 0, number, side, 10, order_type=OrderType.MARKET)


def write_log(folder: Path, rows: int) -> None:
    """A log of at least this many rows, from the engine alone."""
    header = RunHeader(instruments=(Instrument(0, "bond", Decimal("0.01"), Decimal(1), Decimal(1), 1, 1),))
    venues = venues_of(header)
    with DirectoryRecorder(folder, header) as recorder:
        for ts_ns, command in steady_stream():
            recorder.batch(ts_ns, command, venues.process(command, ts_ns))
            if not ts_ns % MILLION and recorder.rows >= rows:
                return


def read_all_s(folder: Path) -> float:
    """Seconds to open a log and read every dataset into pandas."""
    started = time.perf_counter()
    run = open_run(folder)
    for name in run.counts:
        run.table(name)
    return time.perf_counter() - started


def book_s(run: Run) -> float:
    """Seconds to find the book at some time, once one has been found before; the worst of several times."""
    end_ns = run.manifest.last_ts_ns
    run.book(at=0)
    seconds = []
    for part in range(1, 8):
        started = time.perf_counter()
        run.book(at=end_ns * part // 7 - 1)
        seconds.append(time.perf_counter() - started)
    return max(seconds)


def peak_megabytes(folder: Path) -> float:
    """Most memory that a process of its own has resident while it writes ten million rows."""
    done = subprocess.run([sys.executable, __file__, str(folder)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required."""
    writing, replay = writing_and_replay()
    with tempfile.TemporaryDirectory() as folder:
        million = Path(folder) / "million"
        write_log(million, MILLION)
        reading_s = statistics.median(read_all_s(million) for _ in range(ROUNDS))
        finding_s = book_s(open_run(million))
        megabytes = peak_megabytes(Path(folder) / "ten_million")
    return [
        {
            "benchmark": "share of writing the log in the time of a run of 100 traders and 10 dealers",
            "measured": f"{100 * writing:.1f} %",
            "required": f"<= {100 * MOST_WRITING:.0f} %",
            "ok": writing <= MOST_WRITING,
        },
        {
            "benchmark": "verified replay of that run, against the run itself",
            "measured": f"{replay:.2f} times as fast",
            "required": f">= {LEAST_REPLAY}",
            "ok": replay >= LEAST_REPLAY,
        },
        {
            "benchmark": "reading a log of a million rows into pandas",
            "measured": f"{reading_s:.2f} s",
            "required": f"<= {MOST_SECONDS} s",
            "ok": reading_s <= MOST_SECONDS,
        },
        {
            "benchmark": "the book at some time of a log of a million rows, after the first",
            "measured": f"{finding_s:.2f} s",
            "required": f"<= {MOST_SECONDS} s",
            "ok": finding_s <= MOST_SECONDS,
        },
        {
            "benchmark": "memory resident while writing ten million rows",
            "measured": f"{megabytes:.0f} MB",
            "required": f"<= {MOST_MEGABYTES} MB",
            "ok": megabytes <= MOST_MEGABYTES,
        },
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_log(Path(sys.argv[1]), ROWS_IN_MEMORY_TEST)
        # Not the resource usage: that one counts the memory of the parent, from which this process was
        # forked.
        status = Path("/proc/self/status").read_text()
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)  # type: ignore[index]
    else:
        for row in main():
            print(" | ".join(str(value) for value in row.values()))
