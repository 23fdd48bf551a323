"""``lob-sim run --watch``: what is shown is what is, whoever watches changes nothing, and looking is cheap."""

from __future__ import annotations

import fcntl
import io
import itertools
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from lob_sim import open_run
from lob_sim.agents.context import WorkingOrder
from lob_sim.cli.running import run_watched
from lob_sim.desk.desk import Desk
from lob_sim.log import MemoryRecorder, Run, run_in_memory
from lob_sim.messages import (
    ConstraintBreached,
    DealerDefaulted,
    FairValue,
    ParentOrderOpened,
    PhaseChanged,
    RetreatRecord,
    ReturnRecord,
    Side,
)
from lob_sim.report.live import LOOKS_PER_S, MOST_SHARE, Listener, LiveView
from lob_sim.report.live_tables import Screen, lit_sides
from lob_sim.running import header_of, run
from lob_sim.scenario import Scenario, load_scenario, parse_scenario
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
CRISIS = str(ROOT / "experiments" / "first_market.toml")
# The shock comes early and is large, so that everything there is to show happens in the first minutes.
EARLY = ["horizon=4min", "shocks.0.at=1min", "shocks.0.size=-0.05"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def crisis() -> Scenario:
    return load_scenario(CRISIS, EARLY)


def terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=height)


def desk_of(world: World, agent_id: int) -> Desk:
    return world.desks[agent_id]


def lines_of(world: World, view: LiveView) -> list[str]:
    return view.picture().plain.split("\n")


class Watched:
    """A run that was watched, with what the view showed at every step."""

    def __init__(self, scenario: Scenario, console: Console, clock: Callable[[], float] = time.perf_counter) -> None:
        self.log = MemoryRecorder()
        self.listener = Listener(self.log)
        self.world = World(scenario, scenario.seed, self.listener)
        self.view = LiveView(self.world, console, self.listener, clock)

    def run(self) -> Run:
        with self.view:
            advance(self.world, self.view)
        return run_in_memory(self.log, header_of(self.world.plan, self.world.seed))


@pytest.fixture(scope="module")
def watched() -> tuple[Watched, Run]:
    subject = Watched(crisis(), terminal())
    return subject, subject.run()


# --- it changes nothing --------------------------------------------------------------------------------------


def test_whoever_watches_changes_nothing(watched: tuple[Watched, Run], tmp_path: Path) -> None:
    plain = run(crisis())
    assert len(plain.table("parent_order_opened")) > 0
    assert watched[1].digest == plain.digest
    assert run_watched(crisis(), 1, tmp_path / "seen", terminal()).digest == plain.digest
    # The digest would show a difference.
    assert run(crisis(), seed=2).digest != plain.digest


def in_a_terminal(arguments: list[str], cwd: Path, columns: int, lines: int) -> tuple[int, str]:
    """Exit code and output of the command line in a pseudo-terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "lob_sim.cli", *arguments],
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment | {"TERM": "xterm-256color"},
        close_fds=True,
    )
    os.close(slave)
    said = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # The other end is closed.
            break
        if not piece:
            break
        said += piece
    os.close(master)
    return process.wait(timeout=120), said.decode("utf-8")


def overrides(texts: list[str]) -> list[str]:
    return [word for text in texts for word in ("--set", text)]


def test_on_a_terminal_it_draws_and_leaves_the_same_log(tmp_path: Path) -> None:
    shown = in_a_terminal(["run", CRISIS, "--watch", "--out", "seen", *overrides(EARLY)], tmp_path, 80, 24)
    assert shown[0] == 0
    assert "shocks, limits, forced sales" in shown[1]
    assert "0:04:00 of 0:04:00" in shown[1]
    assert shown[1].count("\x1b[2K") > 20, "the picture must be drawn over itself"
    assert "\x1b[?25h" in shown[1], "the cursor must come back"
    piped = subprocess.run(
        [sys.executable, "-m", "lob_sim.cli", "run", CRISIS, "--watch", "--out", "piped", *overrides(EARLY)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Without a terminal it is quiet: the folder, and not one control code.
    assert (piped.returncode, piped.stdout, piped.stderr) == (0, "piped\n", "")
    digests = {name: open_run(tmp_path / name).digest for name in ("seen", "piped")}
    assert len(set(digests.values())) == 1


# --- what is shown is what is --------------------------------------------------------------------------------


def test_the_last_events_are_those_of_the_log(watched: tuple[Watched, Run]) -> None:
    listener, log = watched[0].listener, watched[1]
    told = (ConstraintBreached, ParentOrderOpened, DealerDefaulted, PhaseChanged, FairValue)
    crisis_events = [
        r.message for r in log.messages(*told) if not (isinstance(r.message, FairValue) and not r.message.is_shock)
    ]
    quoting = [r.message for r in log.messages(RetreatRecord, ReturnRecord)]
    assert len(crisis_events) > 20
    assert len(quoting) > 20
    assert list(listener.crisis) == crisis_events[-len(listener.crisis) :]
    assert list(listener.quoting) == quoting[-len(listener.quoting) :]
    assert listener.rows == sum(log.counts.values())


def test_every_kind_of_event_is_said_in_words() -> None:
    subject = Watched(crisis(), terminal(140, 60))
    subject.run()
    text = subject.view.picture().plain
    for words in ("is past its slr limit", "must sell", "lots of treasury (slr)", "leaves ", "is back in "):
        assert words in text
    assert re.search(r"0:0[0-4]:\d\d dealer_", text)


def shown_sides(world: World, agent_id: int, instrument_id: int) -> str:
    """What a dealer displays in a book, from the book itself."""
    orders = world.market.venues.books[instrument_id].book.orders.values()
    sides = {order.side for order in orders if order.agent_id == agent_id and order.shown_lots}
    return {2: "both", 0: "none"}.get(len(sides)) or ("bid" if Side.BUY in sides else "offer")


def test_presence_and_headroom_are_those_of_the_market() -> None:
    world = World(crisis(), 1, MemoryRecorder())
    world.start()
    same: list[bool] = []
    seen: set[str] = set()
    # Between two whole seconds, when dealers' orders are not on their way.
    for ts_ns in range(630_000_000, 240 * 10**9, 10**9):
        world.kernel.run_until(ts_ns)
        for agent_id in world.plan.dealer_ids:
            host = world.hosts[agent_id]
            desk = desk_of(world, agent_id)
            # Tier 1 / 5 % less all assets, in whole cash units.
            assert desk.headroom_cash()["slr"] == desk.sheet.tier1_cash * 20 - desk.sheet.assets_cash
            for i in range(len(world.instruments)):
                seen.add(lit_sides(host, i))
                # A forced seller's asks are in the book, and are no quotes.
                if i not in desk.sales.working:
                    same.append(lit_sides(host, i) == shown_sides(world, agent_id, i))
    # A dealer hears of its fills after a millisecond.
    assert sum(same) / len(same) > 0.995
    assert {"both", "offer"} <= seen


def test_only_accepted_quotes_count_as_lit() -> None:
    host = World(crisis(), 1, MemoryRecorder()).hosts[0]

    def with_order(side: Side, parent_order_id: int, is_accepted: bool) -> str:
        number = len(host.account.orders[0]) + 1
        host.account.orders[0][number] = WorkingOrder(number, side, 100, 5, parent_order_id, is_accepted)
        return lit_sides(host, 0)

    assert lit_sides(host, 0) == "none"
    assert with_order(Side.SELL, 7, True) == "none", "a child of a forced sale is no quote"
    assert with_order(Side.SELL, 0, False) == "none", "an order on its way is not in the book"
    assert with_order(Side.SELL, 0, True) == "offer"
    assert with_order(Side.BUY, 0, True) == "both"
    host.account.orders[0].pop(3)
    assert lit_sides(host, 0) == "bid"


def test_the_numbers_of_the_books_are_on_the_screen(watched: tuple[Watched, Run]) -> None:
    subject = Watched(crisis(), terminal())
    world = subject.world
    world.start()
    world.kernel.run_until(30 * 10**9)
    lines = lines_of(world, subject.view)
    for i, instrument in enumerate(world.instruments):
        bid, bid_lots, ask, ask_lots = world.market.venues.books[i].book.top()
        row = next(line for line in lines if line.startswith(instrument.name))
        decimals = 2 if instrument.name == "corporate" else 3
        prices = [f"{float(instrument.tick_size) * ticks:.{decimals}f}" for ticks in (bid, ask)]
        assert row.split()[1:6] == ["lit", str(bid_lots), *prices, str(ask_lots)]
        assert f"{ask - bid} tick" in row


def test_headroom_is_told_against_the_opening_and_a_breach_in_words() -> None:
    subject = Watched(crisis(), terminal(120, 40))
    world = subject.world
    assert "100%" in next(line for line in lines_of(world, subject.view) if line.startswith("dealer_a-1"))
    assert "BREACH" not in subject.view.picture().plain
    # A loss that takes the whole leverage headroom and more.
    desk = desk_of(world, 0)
    desk.sheet.mark(0, 9_500, 0)
    row = next(line for line in lines_of(world, subject.view) if line.startswith("dealer_a-1"))
    opening = 482_000 * 20 - 9_000_000
    now = (482_000 - 100 * 500 * world.instruments[0].cash_per_tick_lot) * 20 - desk.sheet.assets_cash
    assert f"BREACH {100 * now / opening:.0f}%" in row
    desk.defaulted = True
    assert "failed" in next(line for line in lines_of(world, subject.view) if line.startswith("dealer_a-1"))


# --- any terminal, any scenario ------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (40, 12), (30, 10), (140, 30), (250, 70)])
def test_it_fits_the_terminal(watched: tuple[Watched, Run], width: int, height: int) -> None:
    screen = Screen(watched[0].world, terminal(width, height))
    listener = watched[0].listener
    lines = screen.picture(listener.rows, 1.0, listener.crisis, listener.quoting).plain.split("\n")
    assert max(map(cell_len, lines)) <= width
    assert len(lines) < height
    if height >= 20:
        assert sum(line.startswith("0:") for line in lines) >= 3


def test_on_a_low_terminal_the_dealers_with_least_room_stay() -> None:
    subject = Watched(crisis(), terminal(80, 16))
    desk = desk_of(subject.world, 8)
    desk.sheet.mark(0, 9_000, 0)
    lines = lines_of(subject.world, subject.view)
    assert any(line.startswith("dealer_d-3") for line in lines)
    assert any(re.match(r"and \d more", line) for line in lines)


def market(
    name: str, instrument: str, group: str, strategy: str = "strategies.glosten_milgrom:GlostenMilgromDealer"
) -> Scenario:
    return parse_scenario(
        {
            "name": name,
            "horizon": "5s",
            "instruments": [{"name": instrument, "tick_size": 0.01, "lot_size": 1, "initial_price": 100}],
            "agents": [{"name": group, "strategy": strategy, "count": 2}],
        }
    )


HOSTILE = ("[bold]x[/]", "[red]b[/red]", "[link=http://x]d")


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    console = terminal()
    run_watched(market(*HOSTILE), 1, tmp_path / "r", console)
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    for name in ("[bold]x[/]", "[red]b[/red]", "[link=http:/"):
        assert name in drawn
    world = World(market(*HOSTILE), 1, MemoryRecorder())
    picture = LiveView(world, console, Listener(MemoryRecorder())).picture()
    assert not CONTROL.search(picture.plain)


def test_the_whole_command_with_such_names(tmp_path: Path) -> None:
    text = (
        'name = "[bold]x[/]"\nhorizon = "5s"\n[[instruments]]\nname = "[red]b[/red]"\ntick_size = 0.01\nlot_size = 1\n'
        'initial_price = 100.00\n[[agents]]\nname = "[/d]"\nstrategy = "strategies.fixed_spread:FixedSpreadDealer"\n'
    )
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    for watch in ([], ["--watch"]):
        folder = f"r{len(watch)}"
        code, said = in_a_terminal(["run", "m.toml", "--out", folder, *watch], tmp_path, 160, 24)
        assert code == 0, said
        # In the summary, and in the bar or the live view.
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
        assert "[bold]x[/], seed 1" in plain
        assert "[red]b[/red]" in plain
        assert json.loads((tmp_path / folder / "manifest.json").read_text())["status"] == "complete"


@pytest.mark.parametrize(
    ("group", "strategy", "has_dealers"),
    [
        ("maker", "strategies.glosten_milgrom:GlostenMilgromDealer", True),
        ("trader", "strategies.zero_intelligence:ZeroIntelligenceTrader", False),
    ],
)
def test_scenarios_without_sheets_or_without_dealers(group: str, strategy: str, has_dealers: bool) -> None:
    subject = Watched(market("plain", "bond", group, strategy), terminal())
    subject.run()
    text = subject.view.picture().plain
    assert ("quotes in" in text) is has_dealers
    assert "room" not in text
    assert "bond" in text


def test_a_dark_book_and_an_auction_are_told_apart() -> None:
    subject = Watched(load_scenario("dealer_market"), terminal())
    world = subject.world
    states: list[list[str]] = []
    world.start()
    for ts_s in (0, 30, 90):
        world.kernel.run_until(ts_s * 10**9)
        states.append([line.split()[1] for line in lines_of(world, subject.view)[2:4]])
    # In order of name, corporate then treasury; before anybody's first order has arrived nothing is there.
    assert states == [["auction", "dark"], ["auction", "lit"], ["lit", "lit"]]


def test_an_error_leaves_the_terminal_as_it_was_and_is_not_hidden() -> None:
    def end_with(view: LiveView, error: BaseException) -> None:
        with view:
            raise error

    for error, last_looks in ((RuntimeError("broken"), 0), (KeyboardInterrupt(), 1)):
        console = terminal()
        subject = Watched(crisis(), console)
        with pytest.raises(type(error)):
            end_with(subject.view, error)
        assert subject.view.looks == 1 + last_looks
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue().endswith("\x1b[?25h")


# --- what it costs -------------------------------------------------------------------------------------------


class Clock:
    """Wall time that passes only when a step is simulated or the world is looked at."""

    def __init__(self, view_cost_s: float) -> None:
        self.now_s = 0.0
        self.view_cost_s = view_cost_s
        self.spent_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("cost_s", [0.0, 0.005, 0.1, 3.0])
def test_looks_are_bounded_by_rate_and_by_share(cost_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(market("m", "bond", "maker"), 1, MemoryRecorder())
    clock = Clock(cost_s)
    view = LiveView(world, terminal(), Listener(MemoryRecorder()), clock)
    looks_at: list[float] = []

    def look() -> None:
        looks_at.append(clock.now_s)
        clock.now_s += cost_s

    monkeypatch.setattr(view, "_look", look)
    for _ in range(2000):
        clock.now_s += 0.05
        view(world, 0)
    assert len(looks_at) <= 1 + clock.now_s * LOOKS_PER_S
    assert cost_s * (len(looks_at) - 1) <= MOST_SHARE * clock.now_s
    # And it does look: as often as the tighter of the two bounds lets it, to within a step.
    pause_s = max(1 / LOOKS_PER_S, cost_s / MOST_SHARE)
    assert len(looks_at) >= clock.now_s / (pause_s + 0.05 + cost_s)


def test_in_a_real_run_looking_takes_its_share_and_no_more() -> None:
    # Time passes whenever it is read: by a look twice, while the world is pictured and after it, else once a step.
    step_s = 0.01
    readings = itertools.count()
    subject = Watched(crisis(), terminal(120, 40), lambda: step_s * next(readings))
    subject.run()
    run_s = step_s * next(readings)
    pause_s = 2 * step_s / MOST_SHARE
    assert pause_s > 1 / LOOKS_PER_S  # Here the share is the tighter bound.
    # The first look and the last are owed to whoever opens the view, whatever they cost.
    due = subject.view.looks - 2
    assert 2 <= due <= run_s / pause_s
    assert due >= run_s / (pause_s + 3 * step_s) - 1
