"""The page of the policy lab in a real browser: one screen says it all, nothing is cut, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_helpers import PROGRAMS, Visit, cut_off, find_browser, launched
from playwright.sync_api import Browser

from experiments.policy.board import write_board
from experiments.policy.episodes import EPISODES
from experiments.policy.results import CLASSES, MAIN, Effect, Finding, adjusted
from experiments.policy.telling import OUTCOMES, PUBLIC
from experiments.policy.ways import policies
from lob_sim.sweep import Estimate

pytestmark = pytest.mark.skipif(
    find_browser() is None,
    reason=f"no browser is installed: none of {', '.join(PROGRAMS)} is on the PATH (Debian: apt-get install chromium)",
)
KEYS = [m.key for m in (*OUTCOMES, *PUBLIC)] + [f"{kind}.{name}" for kind in ("gain", "held") for name in CLASSES]


def effect(name: str, change: float) -> Effect:
    told = {key: Estimate(change, change - 0.75, change + 0.75, 12, 0.95) for key in KEYS}
    return Effect(name, "branch", "", told, told, 0.001 if abs(change) > 0.75 else 0.5)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four episodes with every policy, of which one does not apply and a good many are shown."""
    nothing = {key: Estimate(-12.34, -13.45, -11.23, 12, 0.95) for key in KEYS}
    empty: dict[str, Any] = {"spirals": 0.5, "bound_pct": 0.9, "day_s": 0.0, "threshold": None, "sizes": []}
    exact: dict[str, Any] = {"unbranched": 0.0, "unbalanced": 0.0}
    effects = [effect(name, -1.5 + 0.3 * k) for k, name in enumerate(policies()[1:])]
    effects = [*sorted(effects, key=lambda e: e.changes[MAIN].value), Effect(policies()[0], "none", "no such thing")]
    found = [
        Finding(e.name, e.title, e.moment, e.side, 12, nothing, effects=effects, **empty, **exact) for e in EPISODES
    ]
    return write_board(adjusted(found), tmp_path_factory.mktemp("board") / "board.html", "python -m experiments")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.mark.parametrize("width", [400, 800, 1280])
def test_nothing_is_cut_and_nothing_is_asked_for(board: Path, browser: Browser, width: int) -> None:
    visit = Visit(browser, board, width=width)
    assert cut_off(visit.page) == []
    assert (visit.complaints, visit.external) == ([], [])
    visit.close()


def test_one_screen_has_the_figure_and_the_words(board: Path, browser: Browser) -> None:
    visit = Visit(browser, board)
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    bottom = visit.page.evaluate("() => document.querySelector('.note').getBoundingClientRect().bottom")
    assert 300 < bottom <= 800
    assert visit.page.locator(".board .row").count() == len(policies())
    visit.close()


def test_it_follows_the_reader_into_the_dark(board: Path, browser: Browser) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    shades = []
    for scheme in ("light", "dark"):
        visit = Visit(browser, board, scheme=scheme)
        shades.append(visit.page.evaluate(ground))
        visit.page.locator("[data-theme-button]").click()
        shades.append(visit.page.evaluate(ground))
        visit.close()
    assert shades[0] == shades[3] != shades[1] == shades[2]
