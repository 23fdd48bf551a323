"""What the explorer runs is what its command and its file run; it can be ended; nothing of it needs a browser."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from lob_sim import load_scenario, open_run, run
from lob_sim.errors import ScenarioError
from lob_sim.explorer.choice import Choice, choice_of, command_of, offer, planned
from lob_sim.explorer.jobs import CANCELLED, DONE, FAILED, Job, Jobs
from lob_sim.explorer.views import ladder
from lob_sim.explorer.worker import LEVELS, BookFrame, Task, Told
from lob_sim.scenario import packaged_scenarios, parse_scenario

SHORT = ("horizon", Decimal(2))
FOUR = ("agents.dealer.count", Decimal(4))
NAMES = ["dealer_market", "whole_system"]


async def until(job: Job, holds: Callable[[], bool]) -> None:
    """Wait until something is true of a run."""
    for _ in range(1200):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{job.state} after a minute")


async def ends(job: Job) -> None:
    """Wait until a run has come to its end."""
    await until(job, lambda: not job.is_going)


def explored(folder: Path, do: Callable[[Jobs], Awaitable[None]]) -> Jobs:
    """What comes of doing something with the runs of an explorer."""
    jobs = Jobs(folder)

    async def together() -> None:
        try:
            await do(jobs)
        finally:
            await jobs.close()

    asyncio.run(together())
    return jobs


def test_the_command_and_the_file_that_are_shown_give_the_same_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def do(jobs: Jobs) -> None:
        await ends(jobs.ask(Choice("dealer_market", ("halts",), (SHORT, FOUR), 7)))

    (job,) = explored(tmp_path / "kept", do).all
    assert job.state == DONE, job.message
    assert job.digest == open_run(job.folder).digest
    assert job.page.is_file()
    words = shlex.split(job.plan.command)
    assert words[0] == "lob-sim"
    told = subprocess.run(
        [sys.executable, "-m", "lob_sim.cli", *words[1:], "--out", "again"], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "again"
    assert open_run("again").digest == job.digest
    Path("again.toml").write_text(job.plan.toml, encoding="utf-8")
    assert run("again.toml").digest == job.digest
    # The control: neither the seed, the overlay nor a knob is without effect or said to be what it is not.
    assert run("dealer_market", 7, overrides=["horizon=2min"]).digest != job.digest


@pytest.mark.parametrize("name", list(packaged_scenarios()))
def test_the_file_that_is_shown_is_the_scenario(name: str, tmp_path: Path) -> None:
    offered = offer(Choice(name))
    path = tmp_path / "shown.toml"
    path.write_text(planned(Choice(name), offered).toml, encoding="utf-8")
    shown = load_scenario(path)
    assert parse_scenario({**_plain(shown), "folder": offered.scenario.folder}) == offered.scenario


def test_durations_of_the_file_are_for_people_and_names_stay_names(tmp_path: Path) -> None:
    text = packaged_scenarios()["dealer_market"].read_text(encoding="utf-8").replace("treasury", "60000000000ns")
    (tmp_path / "odd.toml").write_text(text, encoding="utf-8")
    for source, said in (("dealer_market", 'horizon = "30min"'), (str(tmp_path / "odd.toml"), '"60000000000ns"')):
        offered = offer(Choice(source))
        assert said in planned(Choice(source), offered).toml


def _plain(scenario: object) -> dict[str, object]:
    from lob_sim.scenario import Scenario, scenario_to_dict

    assert isinstance(scenario, Scenario)
    return scenario_to_dict(scenario)


def test_a_run_can_be_ended_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def do(jobs: Jobs) -> None:
        long = jobs.ask(Choice("whole_system"))
        waiting = jobs.ask(Choice("dealer_market"))
        short = jobs.ask(Choice("dealer_market", (), (SHORT,)))
        await until(long, lambda: long.share > 0)
        waiting.cancel()
        long.cancel()
        await ends(long)
        await ends(short)

    long, waiting, short = explored(tmp_path, do).all
    assert [job.state for job in (long, waiting, short)] == [CANCELLED, CANCELLED, DONE]
    assert 0 < long.share < 1
    assert open_run(long.folder).status == "interrupted"
    assert not waiting.folder.exists()
    assert short.share == 1
    assert [point.at_ns for point in short.points] == [step * 120_000_000_000 // 200 for step in range(201)]


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    async def do(jobs: Jobs) -> None:
        job = jobs.ask(Choice("whole_system"))
        await until(job, lambda: job.frame is not None)

    (job,) = explored(tmp_path, do).all
    assert job.process is not None
    assert job.process.returncode is not None


def test_a_worker_whose_asker_has_died_ends(tmp_path: Path) -> None:
    task = f'{{"out": "{tmp_path / "run"}", "scenario": "whole_system", "seed": 1}}\n'
    words = [sys.executable, "-P", "-m", "lob_sim.explorer.worker"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(task)
        worker.stdin.flush()
        assert '"kind":"frame"' in worker.stdout.readline()
        worker.stdin.close()
        assert '"kind":"cancelled"' in worker.stdout.read().splitlines()[-1]
    assert open_run(tmp_path / "run").status == "interrupted"


def test_a_strategy_that_fails_or_kills_its_process_is_told_and_harms_nobody(tmp_path: Path) -> None:
    code = "from strategies.buy_and_hold import BuyAndHold\nimport os\n\n\nclass Bad(BuyAndHold):\n"
    code += "    def on_start(self, ctx):\n        print('noise on the output')\n        {what}\n"
    text = packaged_scenarios()["dealer_market"].read_text(encoding="utf-8")
    for name, what in (("raises", "raise ValueError('alas')"), ("dies", "os._exit(3)"), ("prints", "pass")):
        (tmp_path / f"{name}.py").write_text(code.format(what=what))
        market = text.replace("strategies.value_investor:ValueInvestor", f"{name}:Bad").replace('"30min"', '"2min"')
        (tmp_path / f"{name}.toml").write_text(market)

    async def do(jobs: Jobs) -> None:
        for name in ("raises", "dies", "prints"):
            await ends(jobs.ask(Choice(str(tmp_path / f"{name}.toml"))))

    raises, dies, prints = explored(tmp_path / "kept", do).all
    assert (raises.state, dies.state, prints.state) == (FAILED, FAILED, DONE)
    assert "ValueError: alas" in raises.message
    assert "its process has died" in dies.message


def test_a_strategy_that_will_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lob_sim.explorer.jobs.PATIENCE_S", 0.5)
    code = "from strategies.buy_and_hold import BuyAndHold\nimport time\n\n\nclass Deaf(BuyAndHold):\n"
    code += "    def on_start(self, ctx):\n        ctx.wake_in(1)\n\n    def on_wake(self, ctx, tag):\n"
    code += "        while True:\n            try:\n                time.sleep(9)\n            except BaseException:\n"
    code += "                pass\n"
    (tmp_path / "deaf.py").write_text(code)
    text = packaged_scenarios()["dealer_market"].read_text(encoding="utf-8")
    (tmp_path / "deaf.toml").write_text(text.replace("strategies.value_investor:ValueInvestor", "deaf:Deaf"))

    async def do(jobs: Jobs) -> None:
        job = jobs.ask(Choice(str(tmp_path / "deaf.toml")))
        await until(job, lambda: job.frame is not None)
        await asyncio.sleep(0.5)
        job.cancel()
        await ends(job)

    (job,) = explored(tmp_path / "kept", do).all
    assert job.state == CANCELLED


def test_the_books_that_are_watched_are_those_of_the_log(tmp_path: Path) -> None:
    frames: list[Told] = []

    class Listening(Jobs):
        async def _work(self, task: Task, hear: Callable[[Told], None], job: Job | None = None) -> None:
            def note(told: Told) -> None:
                frames.append(told)
                hear(told)

            await super()._work(task, note, job)

    jobs = Listening(tmp_path)

    async def do() -> None:
        await ends(jobs.ask(Choice("dealer_market", (), (("horizon", Decimal(8)),))))
        await jobs.close()

    asyncio.run(do())
    log = open_run(jobs.all[0].folder)
    looked = [told for told in frames if told.kind == "frame" and told.at_ns > 0]
    assert len(looked) > 1
    for told in looked:
        for instrument, shown in zip(log.header.instruments, told.books, strict=True):
            assert shown.name == instrument.name
            # A log says what is after everything that happened at an instant, a look what is before it.
            book = log.book(instrument.name, at=told.at_ns - 1)
            for levels, seen in ((book.bids, shown.bids), (book.asks, shown.asks)):
                logged = [(round(instrument.price(ticks), shown.decimals), lots) for ticks, lots, _ in levels[:LEVELS]]
                assert list(seen) == logged


def test_finished_runs_are_compared_and_found_again_another_day(tmp_path: Path) -> None:
    async def do(jobs: Jobs) -> None:
        for seed in (1, 2):
            job = jobs.ask(Choice("dealer_market", (), (SHORT,), seed))
            job.label = "<b>same</b>"
            await ends(job)
        await jobs.compare(jobs.all)

    jobs = explored(tmp_path, do)
    ((_, page),) = jobs.comparisons
    text = page.read_text(encoding="utf-8")
    assert "<b>same</b>" not in text
    assert "&lt;b&gt;same&lt;/b&gt;" in text
    assert f"{jobs.all[0].folder.name}/report.html" in text
    (tmp_path / "not a run").mkdir()
    (tmp_path / "not a run" / "manifest.json").write_text("{}")
    again = Jobs(tmp_path)
    again.find_kept()
    assert [job.digest for job in again.all] == [job.digest for job in jobs.all]
    assert again.all[0].plan.command == f"lob-sim rerun {shlex.quote(str(jobs.all[0].folder))}"


def test_what_does_not_hold_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with pytest.raises(ScenarioError, match="ldi_buffers: "):
        jobs.ask(Choice("dealer_market", ("ldi_buffers",)))
    assert jobs.all == []


def test_a_choice_survives_its_address_and_an_address_chooses_no_other_file() -> None:
    choice = Choice("whole_system", ("calm", "halts"), (("shocks.0.size", Decimal("-3.3")), FOUR), 12)
    assert choice_of(choice.query(), NAMES) == choice
    evil = "scenario=/etc/passwd&with=../../x&set=a=nan&set=b=1e999999999&set=c&seed=-3&seed=x" + "&set=d=1" * 3
    assert choice_of(evil, NAMES) == Choice("dealer_market", (), (("d", Decimal(1)),))


def test_knobs_take_what_they_can_and_say_nothing_where_they_stand_by_themselves() -> None:
    offered = offer(Choice("dealer_market"))
    dealers = next(knob for knob in offered.knobs if knob.spec.path == FOUR[0])
    assert [dealers.put(x) for x in (4.4, 99, -1, float("nan"))] == [4, 12, 1, 6]
    same = Choice("dealer_market", (), ((FOUR[0], Decimal(6)), ("horizon", Decimal(30))))
    assert planned(same, offered).overrides == ()
    assert planned(Choice("dealer_market", (), (FOUR,)), offered).changes == ("competing dealers 4",)


def test_words_of_a_command_are_a_shells() -> None:
    hostile = "-x; touch $(id) 'y'.toml"
    words = shlex.split(command_of(Choice(hostile, ("a b",)), ("p=[1, 2]",), 3))
    assert words == ["lob-sim", "run", "--seed", "3", "--with", "a b", "--set", "p=[1, 2]", "--", hostile]


def test_a_ladder_says_what_the_book_says_and_no_more() -> None:
    book = BookFrame("<script>", 2, "opening_auction", ((99.5, 3), (99.25, 10)), (), None, 99.4)
    text = ladder(book, 3)
    assert "<script>" not in text
    assert text.count("<tr") == 7
    assert text.index("99.50") < text.index("99.25")
    assert "no trade yet · value 99.40" in text
    assert "(opening auction)" in text


def test_the_worker_is_started_without_the_present_folder_on_its_path(tmp_path: Path) -> None:
    """A folder that holds a module of a name of ours brings it into no worker."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit('planted')")

    async def do(jobs: Jobs) -> None:
        await ends(jobs.ask(Choice("dealer_market", (), (SHORT,))))

    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        (job,) = explored(tmp_path / "kept", do).all
    finally:
        os.chdir(here)
    assert job.state == DONE, job.message
