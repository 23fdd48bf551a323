"""A headless browser on a page from disk: what it asked for and complained of, what it shows, what the log says."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from lob_sim import Run
from lob_sim.report.data.headroom import headroom
from lob_sim.report.formatting import limit_text
from lob_sim.report.replay_books import LADDER_LEVELS
from lob_sim.units import Ns

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OWN_SCHEMES = ("file", "data", "blob", "about")

Numbers: TypeAlias = dict[str, float]
"""What is shown, by what it is."""


def find_browser() -> str | None:
    """The first browser on the PATH."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=ARGS)
        yield browser
        browser.close()


class Visit:
    """A page that is open, and what happened since it was asked for.

    Args:
        browser: The browser.
        path: The page on disk.
        width: Of the window, in pixels.
        scheme: ``light`` or ``dark``.
    """

    def __init__(self, browser: Browser, path: Path, width: int = 1280, scheme: Any = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        # A page that opens from disk needs no network, and a test must not reach for one.
        context.set_offline(True)
        self.complaints: list[str] = []
        self.asked_for: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("request", lambda request: self.asked_for.append(request.url))
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.dialogs: list[str] = []
        self.page.on("dialog", self._dismiss)
        self.page.on("pageerror", lambda error: self._hear("error", str(error)))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self.complaints.append(f"{kind}: {text}")

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def external(self) -> list[str]:
        """Requests that left the machine, or tried to."""
        return [url for url in self.asked_for if urlsplit(url).scheme not in OWN_SCHEMES]

    def close(self) -> None:
        """Leave the page."""
        self.page.context.close()


def comes_true(page: Page, holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something holds. The page's policy forbids what Playwright would wait with."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        page.wait_for_timeout(50)
    return True


# --- the replay ------------------------------------------------------------------------------------------------
def shown_ns(page: Page) -> Ns:
    """The simulated time that the replay shows."""
    return int(page.locator(".replay-time").get_attribute("data-ns") or -1)


def seek(page: Page, ts_ns: Ns) -> Ns:
    """Move the replay's slider, as a script does; returns the time then shown."""
    move = "(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    page.locator(".replay-slider").evaluate(move, ts_ns)
    return shown_ns(page)


def shown_ladders(page: Page) -> Numbers:
    """Prices, displayed lots and whose they are, as the rows of the ladders say."""
    rows = page.evaluate(
        """() => [...document.querySelectorAll('.replay-ladder')].flatMap((ladder) =>
          ['bid', 'ask'].flatMap((side) => {
            const rows = [...ladder.querySelectorAll('.replay-' + side)].filter((row) => row.dataset.ticks);
            if (side === 'ask') rows.reverse();
            return rows.map((row, k) => [
              ladder.dataset.instrument + ' ' + side + ' ' + k,
              row.querySelector('th').textContent, row.querySelector('.replay-lots').textContent,
              [...row.querySelectorAll('.replay-bar span')].map((part) => part.title)]);
          }))"""
    )
    found: Numbers = {}
    for name, price, lots, parts in rows:
        found[f"{name} price"], found[f"{name} lots"] = float(price), float(lots)
        for part in parts:
            owner, _, said = part.rpartition(": ")
            found[f"{name} of {owner}"] = float(said.split()[0])
    return found


def logged_ladders(run: Run, ts_ns: Ns) -> Numbers:
    """The same from ``run.book``."""
    names = dict(zip(run.agents["agent_id"], run.agents["name"], strict=True))
    dealers = set(run.header.dealer_ids or ())
    found: Numbers = {}
    for instrument in run.header.instruments:
        book = run.book(instrument.name, at=ts_ns)
        for side, sign, levels in (("bid", 1, book.bids), ("ask", -1, book.asks)):
            for k, (ticks, lots, _) in enumerate(levels[:LADDER_LEVELS]):
                name = f"{instrument.name} {side} {k}"
                found[f"{name} price"], found[f"{name} lots"] = instrument.price(ticks), lots
                orders = book.orders[(book.orders["price_ticks"] == ticks) & (book.orders["side"] == sign)]
                for agent_id, shown in zip(orders["agent_id"], orders["shown_lots"], strict=True):
                    if shown:
                        owner = f"{name} of {names[agent_id] if agent_id in dealers else 'not dealers'}"
                        found[owner] = found.get(owner, 0.0) + shown
    return found


def shown_sheets(page: Page) -> Numbers:
    """Money in millions (per cent for ratios) from the table of balance sheets."""
    rows = page.evaluate(
        """() => { const table = document.querySelector('.replay-sheets table');
          const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
          return [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell, k) =>
            [heads[k], cell.firstChild ? cell.firstChild.textContent : '', cell.textContent])); }"""
    )
    found: Numbers = {}
    for row in rows:
        agent = row[0][2]
        for head, text, _ in row[1:]:
            plain = text.replace(",", "").replace("−", "-").replace("%", "")
            if head != "lots to be sold":
                found[f"{agent} {head}"] = float(plain)
    return found


_LINES = {
    "Cash": "cash",
    "Other assets": "other_assets_cash",
    "Short-term": "short_term_cash",
    "Due now": "due_cash",
    "Repo": "repo_cash",
    "Sold short": "short_cash",
    "Adjustment": "adjustment_cash",
    "Tier 1": "tier1_cash",
}


def logged_sheets(run: Run, ts_ns: Ns) -> Numbers:
    """The same from the tables of the log: totals from ``balance_sheet``, holdings from ``mark``."""
    table = run.table("balance_sheet")
    names = dict(zip(run.agents["agent_id"], run.agents["name"], strict=True))
    unit = float(run.header.money_unit) / 1e6
    found: Numbers = {}
    for agent_id in sorted(table["agent_id"].unique()):
        row = table[(table["agent_id"] == agent_id) & (table["ts_event_ns"] <= ts_ns)].iloc[-1]
        for head, column in _LINES.items():
            found[f"{names[agent_id]} {head}"] = float(row[column]) * unit
        assets = row["cash"] + row["inventory_cash"] + row["other_assets_cash"]
        found[f"{names[agent_id]} of assets"] = 100 * float(row["tier1_cash"] / assets)
        found |= _holdings(run, int(agent_id), names[agent_id], row)
    return found


def _holdings(run: Run, agent_id: int, name: str, sheet: Any) -> Numbers:
    """Positions at the last marks; as a check, they are worth what the sheet says."""
    unit = float(run.header.money_unit) / 1e6
    found: Numbers = {}
    for i, instrument in enumerate(run.header.instruments):
        rows = []
        for dataset in ("position", "mark"):
            table = run.table(dataset)
            own = (table["agent_id"] == agent_id) & (table["instrument_id"] == i) & (table["seq"] <= sheet["seq"])
            rows += [row for _, row in table[own].tail(1).iterrows()]
        ticks = int(max(rows, key=lambda row: row["seq"])["price_ticks"])
        found[f"{name} {instrument.name}"] = instrument.value(ticks, int(rows[0]["lots"])) * unit
    assert abs(sum(found.values()) - float(sheet["inventory_cash"]) * unit) < 1e-6
    return found


def logged_headroom(run: Run, ts_ns: Ns) -> Numbers:
    """Headroom in millions."""
    names = dict(zip(run.agents["agent_id"], run.agents["name"], strict=True))
    table = headroom(run)
    table = table[table["ts_event_ns"] <= ts_ns]
    last = table.drop_duplicates(["agent_id", "constraint"], keep="last")
    rows = zip(last["agent_id"], last["constraint"], last["headroom"], strict=True)
    return {f"{names[agent_id]} headroom, {limit_text(limit)}": value / 1e6 for agent_id, limit, value in rows}


def differences(shown: Numbers, logged: Numbers, tolerance: float = 1e-9) -> list[str]:
    """Where what is shown is not what is logged. A line that is not shown stands for 0."""
    wrong = [f"{name}: {shown[name]} is shown, and not on the log" for name in sorted(shown.keys() - logged.keys())]
    for name, value in logged.items():
        if abs(shown.get(name, 0.0) - value) > tolerance:
            wrong.append(f"{name}: {shown.get(name, 0.0)} is shown, {value} logged")
    return wrong


# --- what is folded and what is cut off ------------------------------------------------------------------------
def unfold(page: Page) -> None:
    """Open everything that is folded, and wait until its charts are drawn."""
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    undrawn = "[...document.querySelectorAll('.chart[data-panel]')].filter((c) => !c.hidden && !c._fullLayout).length"
    assert comes_true(page, lambda: page.evaluate(undrawn) == 0)


def cut_off(page: Page) -> list[str]:
    """What reaches beyond the right of the window, and is not in something that scrolls by itself."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('main *, .bar *')].filter((e) => {
          const box = e.getBoundingClientRect();
          return box.width > 0 && box.right > document.documentElement.clientWidth + 1
            && !e.closest('.wrap, .replay-scroll, svg, pre');
        }).map((e) => e.tagName)"""
    )
    return found


# --- the charts ------------------------------------------------------------------------------------------------
_AXES = """() => [...document.querySelectorAll('.chart[data-panel]')]
  .filter((chart) => chart._fullLayout && !chart.hidden && chart.dataset.time !== 'no')
  .flatMap((chart) => Object.keys(chart._fullLayout).filter((name) => /^xaxis[0-9]*$/.test(name))
    .map((name) => [chart.dataset.panel + ' ' + chart.dataset.cell + ' ' + name,
      ...chart._fullLayout[name].range.map(window.lobReport.toMs)]))"""

# A line belongs to an agent; of a heat map the rows do, by name.
_AGENTS = """() => [...document.querySelectorAll('.chart[data-panel]')].filter((chart) => chart.data && !chart.hidden)
  .map((chart) => [chart.dataset.panel + ' ' + chart.dataset.cell, [...new Set(chart.data.flatMap((trace) => {
    const { agent, rows } = trace.meta || {};
    if (agent !== undefined) return trace.visible === 'legendonly' ? [] : [agent];
    return (rows || []).filter((name) => trace.y.includes(name));
  }))]])"""


def time_ranges(page: Page) -> dict[str, tuple[float, float]]:
    """From when to when every time axis goes, in milliseconds, by panel and axis."""
    return {name: (low, high) for name, low, high in page.evaluate(_AXES)}


def unlinked(ranges: dict[str, tuple[float, float]]) -> list[str]:
    """The axes that do not show what the first one shows, to the millisecond."""
    if not ranges:
        return ["there is no time axis"]
    low, high = next(iter(ranges.values()))
    return [name for name, (a, b) in ranges.items() if abs(a - low) > 1 or abs(b - high) > 1]


def agents_drawn(page: Page) -> dict[str, set[str]]:
    """The agents that each chart shows one by one, of the charts that show any."""
    return {name: set(agents) for name, agents in page.evaluate(_AGENTS) if agents}
