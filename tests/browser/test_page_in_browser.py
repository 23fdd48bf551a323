"""The report page in a real browser: it runs without complaint and without a network, and shows what the log says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from browser_helpers import (
    PROGRAMS,
    Visit,
    agents_drawn,
    comes_true,
    cut_off,
    differences,
    find_browser,
    launched,
    logged_headroom,
    logged_ladders,
    logged_sheets,
    seek,
    shown_ladders,
    shown_ns,
    shown_sheets,
    time_ranges,
    unfold,
    unlinked,
)
from playwright.sync_api import Browser

from lob_sim import Run, open_run, run, trade_against
from lob_sim.analysis.summary import dealer_absence, horizon_ns, shock_ns
from lob_sim.cli.reporting import write_report
from lob_sim.report.render import write_page
from lob_sim.report.run_page import run_page
from lob_sim.scenario import parse_scenario
from lob_sim.units import NS_PER_S

pytestmark = pytest.mark.skipif(
    find_browser() is None,
    reason=f"no browser is installed: none of {', '.join(PROGRAMS)} is on the PATH (Debian: apt-get install chromium)",
)

ROOT = Path(__file__).parents[2]
MONEY_DIGIT = 0.05 + 1e-9
"""Half of the last digit shown, in millions."""
RATIO_DIGIT = 0.005 + 1e-9
EVENTS = ("constraint_breached", "parent_order_opened", "retreat")
DRAWN = "html[data-drawn=yes]"


class Report(NamedTuple):
    """A short crisis and its page."""

    run: Run
    path: Path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("report") / "short_crisis"
    scenario = ROOT / "experiments" / "first_market.toml"
    log = run(scenario, out=folder, overrides=["shocks.0.at=1min", "horizon=6min"])
    return Report(log, write_report([folder]))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def visit(browser: Browser, report: Report) -> Iterator[Visit]:
    """The page, opened once: a test leaves it zoomed, filtered and playing as it found it."""
    opened = Visit(browser, report.path)
    opened.page.wait_for_selector(DRAWN)
    unfold(opened.page)
    yield opened
    opened.close()


# --- silence ----------------------------------------------------------------------------------------------------
def test_the_page_opens_from_disk_without_network_or_complaint(visit: Visit, report: Report) -> None:
    assert visit.asked_for[0] == report.path.as_uri()
    assert visit.external == []
    assert visit.complaints == []


def test_it_does_so_on_a_narrow_dark_screen(browser: Browser, report: Report) -> None:
    opened = Visit(browser, report.path, 400, "dark")
    opened.page.wait_for_selector(DRAWN)
    assert opened.external == opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert cut_off(opened.page) == []
    # What takes much room waits until it is asked for; then nothing is cut off either.
    folded = opened.page.evaluate("document.documentElement.scrollHeight")
    unfold(opened.page)
    assert opened.page.evaluate("document.documentElement.scrollHeight") > 1.5 * folded
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
    assert cut_off(opened.page) == []
    assert opened.complaints == []
    opened.close()


def test_control_what_is_cut_off_is_noticed(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><link rel='icon' href='data:,'><main><p style='width: 900px'>wide</p></main>")
    opened = Visit(browser, page, 400)
    assert cut_off(opened.page) == ["P"]
    opened.close()


@pytest.mark.parametrize(
    ("piece", "external", "complaint"),
    [
        ("<img src='https://example.org/spy.png'>", ["https://example.org/spy.png"], "ERR_INTERNET_DISCONNECTED"),
        ("<script>nothing.like.this()</script>", [], "nothing is not defined"),
        ("<script>console.error('alas')</script>", [], "error: alas"),
        ("<p>Nothing wrong here.</p>", [], ""),
    ],
)
def test_control_what_is_wrong_with_a_page_is_noticed(
    browser: Browser, tmp_path: Path, piece: str, external: list[str], complaint: str
) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><link rel='icon' href='data:,'><title>page</title>{piece}")
    opened = Visit(browser, page)
    assert opened.external == external
    assert any(complaint in said for said in opened.complaints) if complaint else opened.complaints == []
    opened.close()


# --- the replay -------------------------------------------------------------------------------------------------
def _first_ns(report: Report, dataset: str) -> int:
    return int(report.run.table(dataset)["ts_event_ns"].min())


def test_the_replay_plays_and_pauses(visit: Visit) -> None:
    page = visit.page
    before, ladders = seek(page, 0), shown_ladders(page)
    page.locator(".replay-speed").select_option("60")
    page.locator(".replay-play").click()
    assert comes_true(page, lambda: shown_ns(page) > before + 20 * NS_PER_S)
    page.locator(".replay-play").click()
    paused = shown_ns(page)
    assert shown_ladders(page) != ladders
    page.wait_for_timeout(400)
    assert shown_ns(page) == paused


def test_control_it_stands_still_until_it_is_played(visit: Visit) -> None:
    ts_ns, before = seek(visit.page, 30 * NS_PER_S), shown_ladders(visit.page)
    visit.page.wait_for_timeout(400)
    assert shown_ns(visit.page) == ts_ns
    assert shown_ladders(visit.page) == before


def test_it_obeys_the_keyboard(visit: Visit, report: Report) -> None:
    page = visit.page
    seek(page, 0)
    page.locator(".replay-slider").focus()
    page.keyboard.press("ArrowRight")
    second = shown_ns(page)
    assert 0 < second < 2 * NS_PER_S
    page.keyboard.press("ArrowLeft")
    assert shown_ns(page) == 0
    page.keyboard.press("n")
    first = min(
        report.run.table(name)["ts_event_ns"].min()
        for name in ("constraint_breached", "parent_order_opened", "retreat")
    )
    assert shown_ns(page) == min(first, shock_ns(report.run))
    page.keyboard.press("End")
    assert shown_ns(page) == report.run.manifest.last_ts_ns
    page.keyboard.press("Home")
    page.locator(".replay-kind").select_option(label="breach")
    page.locator(".replay-next").click()
    assert shown_ns(page) == _first_ns(report, "constraint_breached")
    page.locator(".replay-play").focus()
    page.keyboard.press("Space")
    assert page.locator(".replay-play").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Space")
    assert page.locator(".replay-play").get_attribute("aria-pressed") == "false"
    page.locator(".replay-kind").select_option(label="all")


def test_a_click_on_the_slider_seeks(visit: Visit, report: Report) -> None:
    slider = visit.page.locator(".replay-slider")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    visit.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # Half of the slider is half of the run, up to the space that its knob takes and the step between two frames.
    assert abs(shown_ns(visit.page) / report.run.manifest.last_ts_ns - 0.5) < 0.02


def _moments(report: Report) -> list[int]:
    """Times to compare at: equal steps, and the first of each kind of event."""
    end_ns = report.run.manifest.last_ts_ns
    return [*range(0, end_ns + 1, end_ns // 4), *(_first_ns(report, name) for name in EVENTS)]


def test_what_the_replay_shows_is_what_the_log_says(visit: Visit, report: Report) -> None:
    for wanted_ns in _moments(report):
        ts_ns = seek(visit.page, wanted_ns)
        assert wanted_ns - NS_PER_S < ts_ns <= wanted_ns
        assert differences(shown_ladders(visit.page), logged_ladders(report.run, ts_ns)) == []
        shown, logged = shown_sheets(visit.page), logged_sheets(report.run, ts_ns) | logged_headroom(report.run, ts_ns)
        ratios = {name: logged.pop(name) for name in list(logged) if name.endswith(" of assets")}
        assert differences({name: shown.pop(name) for name in ratios}, ratios, RATIO_DIGIT) == []
        assert differences(shown, logged, MONEY_DIGIT) == []
        assert len(shown) > 9 * 5


def test_control_what_it_shows_at_another_time_is_not(visit: Visit, report: Report) -> None:
    ts_ns = seek(visit.page, 300 * NS_PER_S)
    assert differences(shown_ladders(visit.page), logged_ladders(report.run, ts_ns - 30 * NS_PER_S))
    logged = logged_sheets(report.run, ts_ns - 30 * NS_PER_S)
    assert differences({k: v for k, v in shown_sheets(visit.page).items() if k in logged}, logged, MONEY_DIGIT)


def test_control_a_number_that_is_tampered_with_is_noticed(visit: Visit, report: Report) -> None:
    ts_ns = seek(visit.page, 300 * NS_PER_S)
    lots = visit.page.locator(".replay-bid .replay-lots").first
    lots.evaluate("(cell) => { cell.textContent += '0'; }")
    assert len(differences(shown_ladders(visit.page), logged_ladders(report.run, ts_ns))) == 1
    shown, logged = shown_sheets(visit.page), logged_sheets(report.run, ts_ns)
    name = next(name for name in logged if name.endswith("Tier 1"))
    kept = {k: v for k, v in shown.items() if k in logged}
    assert differences(kept, logged, MONEY_DIGIT) == []
    assert len(differences({**kept, name: kept[name] + 0.2}, logged, MONEY_DIGIT)) == 1


def test_requests_are_shown_while_they_are_in_flight(visit: Visit, report: Report) -> None:
    opened, closed = report.run.table("rfq_opened"), report.run.table("rfq_closed")
    for wanted_ns in _moments(report):
        ts_ns = seek(visit.page, wanted_ns)
        key = ["instrument_id", "rfq_id"]
        seen = opened[opened["ts_event_ns"] <= ts_ns].merge(
            closed[[*key, "ts_event_ns"]], on=key, suffixes=("", "_end")
        )
        in_flight = (seen["ts_event_ns_end"] > ts_ns).sum()
        lately = ((seen["ts_event_ns_end"] <= ts_ns) & (seen["ts_event_ns_end"] > ts_ns - 5 * NS_PER_S)).sum()
        outcomes = visit.page.locator(".replay-requests tbody tr td:last-child").all_text_contents()
        assert outcomes.count("in flight") == in_flight
        assert len(outcomes) == in_flight + lately


# --- panels -----------------------------------------------------------------------------------------------------
def test_a_drag_in_one_panel_zooms_all(visit: Visit, report: Report) -> None:
    page = visit.page
    whole = time_ranges(page)
    assert len(whole) >= 8
    assert unlinked(whole) == []
    plot = page.locator("#price .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    # Upwards the middle of the window, away from what stays at its top.
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.25, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=5)
    page.mouse.up()
    assert comes_true(page, lambda: time_ranges(page) != whole and not unlinked(time_ranges(page)))
    zoomed = time_ranges(page)
    low, high = next(iter(zoomed.values()))
    end_ms = report.run.manifest.last_ts_ns / 1e6
    assert low == pytest.approx(0.25 * end_ms, abs=0.02 * end_ms)
    assert high == pytest.approx(0.5 * end_ms, abs=0.02 * end_ms)
    page.locator("[data-span=whole]").click()
    assert comes_true(page, lambda: time_ranges(page) == whole)


def test_control_one_axis_that_goes_its_own_way_is_noticed(visit: Visit) -> None:
    set_range = "(chart, range) => { const before = chart._fullLayout.xaxis.range; %s; return before; }"
    chart = visit.page.locator("#spread .chart")
    before = chart.evaluate(set_range % "chart._fullLayout.xaxis.range = [0, 60000]")
    assert {name.split()[0] for name in unlinked(time_ranges(visit.page))} == {"spread"}
    chart.evaluate(set_range % "chart._fullLayout.xaxis.range = range", before)
    assert unlinked(time_ranges(visit.page)) == []


def test_a_dealer_is_hidden_in_all_panels_at_once(visit: Visit, report: Report) -> None:
    page = visit.page
    before = agents_drawn(page)
    dealer = "dealer_a-2"
    with_dealer = {name for name, agents in before.items() if dealer in agents}
    assert len(with_dealer) >= 5
    group = page.locator("#agents input[data-group='dealer_a']")
    page.locator(f"#agents input[data-agent='{dealer}']").click()
    without = {name: agents - {dealer} for name, agents in before.items() if agents - {dealer}}
    assert comes_true(page, lambda: agents_drawn(page) == without)
    assert group.evaluate("(box) => box.indeterminate")
    page.locator(f"#agents input[data-agent='{dealer}']").click()
    assert comes_true(page, lambda: agents_drawn(page) == before)
    group.click()
    rest = {name: {a for a in agents if not a.startswith("dealer_a-")} for name, agents in before.items()}
    assert comes_true(page, lambda: agents_drawn(page) == {name: agents for name, agents in rest.items() if agents})
    group.click()
    assert comes_true(page, lambda: agents_drawn(page) == before)


def test_the_index_and_the_legend_stay_and_lead_to_every_section(visit: Visit) -> None:
    page = visit.page
    links = page.locator(".index a").all()
    assert len(links) >= 6
    for link in links:
        link.click()
        section = page.locator(link.get_attribute("href") or "").bounding_box()
        bar = page.locator(".bar").bounding_box()
        assert section is not None
        assert bar is not None
        assert 0 <= bar["y"] < 200
        assert section["y"] < 900
    assert page.locator(".bar").evaluate("(bar) => bar.getBoundingClientRect().top") == 0
    assert page.locator(".chart .legendtext", has_text="dealer_a-1").count() == 0


# --- the headline -----------------------------------------------------------------------------------------------
def _facts(visit: Visit) -> dict[str, str]:
    """Every figure, from the table that is folded under those at the top, and what it was before the shock."""
    rows = visit.page.locator("#figures tbody tr").all()
    cells = [[cell.text_content() or "" for cell in row.locator("td").all()] for row in rows]
    return {label: text for label, text, *_ in cells} | {f"calm: {row[0]}": row[2] for row in cells}


def test_the_figures_of_the_headline_are_those_of_the_log(visit: Visit, report: Report) -> None:
    log, facts = report.run, _facts(visit)
    lit, rfq = log.trades["qty_lots"].sum(), log.rfq_trades["qty_lots"].sum()
    absent, no_bid = dealer_absence(log, shock_ns(log), horizon_ns(log))
    orders = log.table("new_order").query("parent_order_id > 0")
    fills = log.table("order_filled").merge(orders[["agent_id", "client_order_id"]])
    asked = log.rfq_trades.query("parent_order_id > 0")
    sellers = set(fills["agent_id"]) | set(asked["agent_id"])
    assert facts["of all lots dealt by request for quote, whole run"] == f"{100 * rfq / (lit + rfq):.0f}%"
    assert facts["of the time dealers are without both sides, however wide"] == f"{100 * absent:.0f}%"
    assert facts["of the time dealers are posting no bid"] == f"{100 * no_bid:.0f}%"
    calm, _ = dealer_absence(log, 0, shock_ns(log))
    assert facts["calm: of the time dealers are without both sides, however wide"] == f"{100 * calm:.0f}%"
    sold = f"{fills['qty_lots'].sum() + asked['qty_lots'].sum():,} lots"
    assert facts[f"sold by force, whole run, from {len(sellers)} balance sheets"] == sold
    assert facts["balance sheets forced to sell"] == str(len(sellers))
    assert facts["failed"] == str(log.counts.get("dealer_defaulted", 0))
    assert log.digest in visit.page.locator("footer").inner_text()


# --- other pages ------------------------------------------------------------------------------------------------
def test_runs_side_by_side_open_as_quietly(browser: Browser, report: Report, tmp_path: Path) -> None:
    runs = [report.path.parent, ROOT / "tests" / "golden" / "run"]
    opened = Visit(browser, write_report(runs, tmp_path / "comparison.html"))
    opened.page.wait_for_selector(DRAWN)
    assert opened.external == opened.complaints == []
    assert unlinked(time_ranges(opened.page)) == []
    shown = opened.page.locator("main").inner_text()
    for path in runs:
        assert open_run(path).digest in opened.page.content()
    assert "short_crisis" in shown
    opened.close()


def test_a_recorded_day_is_told_in_times_of_day(browser: Browser, tmp_path: Path) -> None:
    day = tmp_path / "TEST_2020-01-01_0_1_message_1.csv"
    day.write_text("34200.5,1,11,100,1000000,1\n34260,1,12,70,1000300,-1\n36000,1,13,5,1000000,1\n")
    day.with_name(day.name.replace("message", "orderbook")).write_text(
        "9999999999,0,1000000,100\n1000300,70,1000000,100\n1000300,70,1000000,105\n"
    )
    trade_against(day, "strategies.buy_and_hold:BuyAndHold", out=tmp_path / "mine")
    visit = Visit(browser, write_report([tmp_path / "mine"]))
    visit.page.wait_for_selector(DRAWN)
    ends = [visit.page.locator(f"#time [name={end}]") for end in ("from", "to")]
    assert [end.input_value() for end in ends] == ["9:30:00.5", "10:00:00"]
    ticks = visit.page.locator(".xtick text").all_text_contents()
    assert ticks
    assert all(tick.startswith(("9:", "10:")) for tick in ticks)
    ends[0].fill("9:45")
    visit.page.locator("#time button[type=submit]").click()
    assert comes_true(visit.page, lambda: [end.input_value() for end in ends] == ["9:45:00", "10:00:00"])
    visit.close()


def test_an_axis_of_several_days_names_them_until_one_is_looked_at(browser: Browser, tmp_path: Path) -> None:
    run("flash_2014", out=tmp_path / "days", overrides=["calendar={day='2min', session='100s'}", "horizon=8min"])
    visit = Visit(browser, write_report([tmp_path / "days"]))
    visit.page.wait_for_selector(DRAWN)
    first = visit.page.locator(".chart").first

    def ticks() -> list[str]:
        return first.locator(".xtick text").all_text_contents()

    assert ticks() == ["day 1", "day 2", "day 3", "day 4"]
    visit.page.locator("#time [name=from]").fill("day 2 0:10")
    visit.page.locator("#time [name=to]").fill("day 2 1:10")
    visit.page.locator("#time button[type=submit]").click()
    assert comes_true(visit.page, lambda: bool(ticks()) and not any("day" in tick for tick in ticks()))
    visit.page.locator("[data-span=whole]").click()
    assert comes_true(visit.page, lambda: ticks() == ["day 1", "day 2", "day 3", "day 4"])
    visit.close()


def test_markup_in_a_scenario_stays_text(browser: Browser, tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)><b>name</b>"
    instrument = {"name": f"{evil}&amp;", "tick_size": "0.01", "lot_size": "1", "initial_price": "10"}
    dealer = {"name": f"dealer {evil}", "count": 2, "strategy": "strategies.fixed_spread:FixedSpreadDealer"}
    names = {"name": f"market {evil}", "description": evil}
    log = run(parse_scenario({**names, "horizon": "5s", "instruments": [instrument], "agents": [dealer]}))
    opened = Visit(browser, write_page(run_page(log, evil), tmp_path / "page.html"))
    opened.page.wait_for_selector(DRAWN)
    assert opened.complaints == opened.dialogs == []
    assert opened.page.locator("img[src=x], b:text-is('name')").count() == 0
    assert opened.page.locator(".replay-dealers th").nth(2).inner_text() == f"dealer {evil}-1"
    assert opened.page.locator(".replay-ladder").get_attribute("data-instrument") == f"{evil}&amp;"
    opened.close()


def test_control_markup_that_is_let_through_is_noticed(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><link rel='icon' href='data:,'><img src=x onerror=alert(1)><b>name</b>")
    opened = Visit(browser, page)
    assert comes_true(opened.page, lambda: opened.dialogs == ["1"])
    assert opened.page.locator("img[src=x], b:text-is('name')").count() == 2
    opened.close()
