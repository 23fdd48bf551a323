"""The explorer in a real browser: what it shows is what the log says, and nobody comes in without its token."""

from __future__ import annotations

import base64
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from browser_helpers import PROGRAMS, comes_true, cut_off, find_browser, launched
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Route, expect

from lob_sim import open_run
from lob_sim.explorer.page import outcome
from lob_sim.report.headline import metrics_of
from lob_sim.scenario import packaged_scenarios

needs_browser = pytest.mark.skipif(
    find_browser() is None,
    reason=f"no browser is installed: none of {', '.join(PROGRAMS)} is on the PATH (Debian: apt-get install chromium)",
)

EVIL = "<img src=x onerror=alert(1)>"
"""What a page that takes names for its own text would run."""
FILE = f'"{EVIL}${{alert(2)}}`.toml'


class Served(NamedTuple):
    """An explorer that runs: its address with the token, and the folder in which it was begun."""

    address: str
    folder: Path

    @property
    def port(self) -> int:
        found = urlsplit(self.address).port
        assert found is not None
        return found

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    @property
    def runs(self) -> Path:
        return self.folder / "kept"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("explorer")
    text = packaged_scenarios()["dealer_market"].read_text(encoding="utf-8")
    changes = {
        'name = "dealer_market"': f"name = '{EVIL}'",
        'description = "A calm': f'description = "{EVIL} A calm',
        '"competing dealers"': f"'dealers {EVIL}'",
        'unit = "lots"': f"unit = '{EVIL}'",
        'horizon = "30min"': 'horizon = "2min"',
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / FILE).write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "lob_sim.cli", "explore", FILE, "--out", "kept"]
    env = {key: value for key, value in os.environ.items() if key != "PYTEST_CURRENT_TEST"}
    complaints = folder / "stderr"
    with (
        complaints.open("w") as stderr,
        subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        yield Served(process.stdout.readline().strip(), folder)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert "Traceback" not in complaints.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


class Tabs:
    """The tabs of one browser, and what happened in them."""

    def __init__(self, browser: Browser, served: Served, width: int = 1280, scheme: Any = "light") -> None:
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self._served = served
        self.complaints: list[str] = []
        self.outside: list[str] = []
        self.context.route(lambda url: urlsplit(url).netloc != f"127.0.0.1:{served.port}", self._refuse)

    def _refuse(self, route: Route) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def open(self, path: str = "") -> Page:
        page = self.context.new_page()
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        page.on("dialog", self._dismiss)
        page.goto(path or self._served.address)
        return page

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self.complaints.append(f"{kind}: {text}")

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def tabs(browser: Browser, served: Served) -> Iterator[Tabs]:
    opened = Tabs(browser, served)
    yield opened
    assert opened.complaints == []
    assert opened.outside == []
    opened.close()


def start(page: Page) -> None:
    """Press Run, and wait until the new run is the one that is shown."""
    heading = watch(page).get_by_role("heading")
    before = heading.inner_text()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(heading).not_to_have_text(before)


def watch(page: Page) -> Any:
    return page.get_by_role("region", name="Watch")


def ended(page: Page, state: str) -> None:
    expect(watch(page).get_by_role("status")).to_contain_text(state, timeout=40_000)


def choose(page: Page, scenario: str) -> None:
    box = page.get_by_role("combobox", name="scenario")
    box.click()
    page.get_by_role("option", name=scenario, exact=True).click()
    expect(box).to_have_value(scenario)


def turn(page: Page, label: str, value: str) -> None:
    page.get_by_role("spinbutton", name=label).fill(value)


@needs_browser
def test_from_a_choice_to_a_run_whose_command_gives_the_digest_that_is_shown(tabs: Tabs, served: Served) -> None:
    page = tabs.open()
    expect(page.get_by_text("Reproduce what is shown").or_(page.get_by_text("What Run will run"))).to_be_visible()
    assert "token" not in page.url
    choose(page, "dealer_market")
    turn(page, "length of the run", "3")
    turn(page, "competing dealers", "4")
    page.get_by_label("seed").fill("5")
    start(page)
    ended(page, "finished")
    newest = max(served.runs.iterdir(), key=lambda folder: folder.stat().st_mtime)
    run = open_run(newest)
    assert page.get_by_text(f"digest {run.digest[:16]}").is_visible()
    assert page.get_by_text(outcome(dict(metrics_of(run)))).is_visible()
    # The books are those of the log.
    for instrument in run.header.instruments:
        book = run.book(instrument.name, at="3min")
        table = watch(page).locator("table.ladder", has_text=instrument.name)
        for side, levels in (("bid", book.bids[:5]), ("ask", book.asks[:5][::-1])):
            shown = [row.split() for row in table.locator(f"tr.{side}").all_inner_texts() if row.strip()]
            logged = [(instrument.price(ticks), float(lots)) for ticks, lots, _ in levels]
            found = [(float(price), float(lots)) for price, lots in shown]
            assert found == [(round(price, 6), lots) for price, lots in logged]
    told = page.locator(".lob-text").first.inner_text()
    words = shlex.split(told)
    assert words[:2] == ["lob-sim", "run"]
    again = [sys.executable, "-m", "lob_sim.cli", *words[1:], "--out", "again"]
    subprocess.run(again, cwd=served.folder, check=True, capture_output=True)
    assert open_run(served.folder / "again").digest == run.digest
    # Its page opens, as quietly.
    with tabs.context.expect_page() as opened:
        page.get_by_role("link", name="Page").first.click()
    opened.value.wait_for_selector("html[data-drawn=yes]")


def described(page: Page) -> Any:
    return page.get_by_role("region", name="Choose").get_by_text("Nine dealers and six leveraged funds")


@needs_browser
def test_two_tabs_share_the_runs_and_nothing_else(tabs: Tabs) -> None:
    one, two = tabs.open(), tabs.open()
    choose(two, "whole_system")
    expect(described(two)).to_be_visible()
    expect(described(one)).to_have_count(0)
    start(two)
    ended(two, "running")
    start(one)
    ended(one, "waiting")
    # Either ends what the other has begun.
    runs = one.get_by_role("region", name="Runs")
    runs.locator(".lob-run", has_text="whole_system").first.get_by_role("button", name="Cancel").click()
    ended(two, "cancelled")
    ended(one, "finished")
    expect(two.get_by_role("region", name="Runs").locator(".lob-run").first).to_contain_text("finished")


@needs_browser
def test_a_reload_in_the_middle_of_a_run_changes_nothing(tabs: Tabs) -> None:
    page = tabs.open()
    choose(page, "whole_system")
    turn(page, "shock to corporates' value", "-3.3")
    page.get_by_label("seed").fill("9")
    start(page)
    ended(page, "running")
    assert comes_true(page, lambda: share(page) > 0)
    before = share(page)
    page.reload()
    ended(page, "running")
    assert before <= share(page) < 1
    expect(watch(page)).to_contain_text("whole_system, seed 9")
    expect(page.get_by_role("spinbutton", name="shock to corporates' value")).to_have_value("-3.3")
    assert comes_true(page, lambda: share(page) > before)
    watch(page).get_by_role("button", name="Cancel").click()
    ended(page, "cancelled")


def share(page: Page) -> float:
    """How much of its time the run that is shown has behind it."""
    said = re.search(r"([0-9:]+) of ([0-9:]+)", watch(page).get_by_role("status").inner_text())
    if said is None:
        return 0.0
    at, horizon = said.groups()
    seconds = [sum(60**k * int(part) for k, part in enumerate(text.split(":")[::-1])) for text in (at, horizon)]
    return seconds[0] / seconds[1]


@needs_browser
def test_hostile_names_are_text_everywhere(tabs: Tabs, served: Served) -> None:
    page = tabs.open()
    start(page)
    ended(page, "finished")
    for place in ("Watch", "Runs", "Choose", "Reproduce"):
        expect(page.get_by_role("region", name=place)).to_contain_text(EVIL)
    page.get_by_role("textbox", name=re.compile("name of run")).first.fill(f"{EVIL} ${{alert(3)}}`")
    expect(watch(page).get_by_role("heading")).to_contain_text("${alert(3)}`")
    page.get_by_text("The scenario as TOML").click()
    page.reload()
    ended(page, "finished")
    assert page.locator("img[src=x]").count() == 0


@needs_browser
def test_runs_of_hostile_names_are_compared(tabs: Tabs) -> None:
    page = tabs.open()
    for k in range(2):
        start(page)
        ended(page, "finished")
        named = page.get_by_role("textbox", name=re.compile("name of run")).first
        named.fill(f"{EVIL} {k}")
        # A heading that changes later would be taken for that of the next run.
        expect(watch(page).get_by_role("heading")).to_contain_text(f"{EVIL} {k}")
        expect(named).to_have_value(f"{EVIL} {k}")
    # The list is drawn anew when a name arrives, so that a box is looked for when it is wanted.
    boxes = page.get_by_role("checkbox")
    for k in range(2):
        expect(boxes.nth(k)).to_be_visible()
        boxes.nth(k).click()
        expect(boxes.nth(k)).to_be_checked()
    page.get_by_role("button", name="Compare 2 runs").click()
    with tabs.context.expect_page() as opened:
        page.get_by_role("link", name="Comparison").click(timeout=30_000)
    opened.value.wait_for_selector("html[data-drawn=yes]")
    expect(opened.value.get_by_role("heading", level=1)).to_contain_text(EVIL)


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_narrow_screen_nothing_is_cut_off(browser: Browser, served: Served, scheme: str) -> None:
    tabs = Tabs(browser, served, 400, scheme)
    page = tabs.open()
    start(page)
    ended(page, "finished")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert cut_off(page) == []
    assert tabs.complaints == tabs.outside == []
    tabs.close()


@needs_browser
def test_a_browser_without_the_token_sees_nothing(browser: Browser, served: Served) -> None:
    tabs = Tabs(browser, served)
    for path in ("/", "/?token=", f"/?token={served.token[:-1]}", f"/runs/x?token={served.token}"):
        page = tabs.open(f"http://127.0.0.1:{served.port}{path}")
        assert page.locator("body").inner_text().startswith("Not for you")
    tabs.close()


# --- the door, by hand ------------------------------------------------------------------------------------------
ROUTES = (
    *("/", "/?scenario=dealer_market", "/runs/x", "/runs/x/report.html", "/runs/x/scenario.toml", "/docs"),
    *("/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/_nicegui/x/static/nicegui.js", "/nothing/like/this"),
)


def answer(served: Served, method: str, path: str, headers: dict[str, str]) -> int:
    """The status with which a request is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def upgrade(served: Served, headers: dict[str, str]) -> int:
    """The same for the handshake of a websocket."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    own = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    return answer(served, "GET", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket", {**own, **headers})


def credentials(served: Served, **changes: str | None) -> dict[str, str]:
    """The headers of a request of the page itself, changed."""
    own: dict[str, str | None] = {
        "Host": f"127.0.0.1:{served.port}",
        "Origin": f"http://127.0.0.1:{served.port}",
        "Cookie": f"lob_sim_explore_{served.port}={served.token}",
        **changes,
    }
    return {name: value for name, value in own.items() if value is not None}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT"])
def test_no_route_answers_without_the_token(served: Served, method: str, path: str) -> None:
    assert answer(served, method, path, credentials(served)) != 403
    assert answer(served, method, path, credentials(served, Cookie=None)) == 403


def refused(served: Served) -> dict[str, dict[str, str]]:
    """Requests that come from anybody else, by what is wrong with each."""
    token, port, name = served.token, served.port, f"lob_sim_explore_{served.port}"
    return {
        "no cookie": credentials(served, Cookie=None),
        "an empty token": credentials(served, Cookie=f"{name}="),
        "a part of the token": credentials(served, Cookie=f"{name}={token[:-1]}"),
        "more than the token": credentials(served, Cookie=f"{name}={token}x"),
        "letters that are no letters": credentials(served, Cookie=f"{name}=é{token}"),
        "two cookies": credentials(served, Cookie=f"{name}={token}; {name}=x"),
        "another's cookie": credentials(served, Cookie=f"lob_sim_explore_1={token}"),
        "a name that leads here": credentials(served, Host=f"evil.example:{port}"),
        "a name and its page": credentials(served, Host=f"evil.example:{port}", Origin=f"http://evil.example:{port}"),
        "another port": credentials(served, Host="127.0.0.1:1"),
        "no port": credentials(served, Host="127.0.0.1"),
        "another page": credentials(served, Origin="https://evil.example"),
        "another page here": credentials(served, Origin="http://127.0.0.1:1"),
        "a page of no origin": credentials(served, Origin="null"),
        "the other name": credentials(served, Origin=f"http://localhost:{port}"),
    }


WRONG = tuple(refused(Served("http://127.0.0.1:1/?token=x", Path())))


@pytest.mark.parametrize("wrong", WRONG)
def test_who_is_not_the_page_is_refused(served: Served, wrong: str) -> None:
    headers = refused(served)[wrong]
    assert answer(served, "GET", "/", headers) == 403
    assert upgrade(served, headers) == 403


def test_control_the_page_itself_comes_in(served: Served) -> None:
    assert answer(served, "GET", "/", credentials(served)) == 200
    assert answer(served, "GET", "/", credentials(served, Origin=None)) == 200
    assert upgrade(served, credentials(served)) == 101
    local = f"localhost:{served.port}"
    assert upgrade(served, credentials(served, Host=local, Origin=f"http://{local}")) == 101
    # Of a websocket a browser always says whose it is.
    assert upgrade(served, credentials(served, Origin=None)) == 403
    assert answer(served, "POST", "/", credentials(served, Origin=None)) == 403


def test_it_listens_on_the_loopback_address_alone(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 5):
        pass
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1"}
    for address in [*others, "127.0.0.2", "::1"]:
        with pytest.raises(OSError), socket.create_connection((str(address), served.port), 5):
            pass
