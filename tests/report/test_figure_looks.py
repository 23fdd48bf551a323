"""Static figures are readable: in colour and in grey, on a page's width, whatever the names are."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from copy import copy
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from figure_runs import drawn, panels
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from msgspec.structs import replace
from report_runs import BRIEF, SPIRAL

from lob_sim import load_scenario, run
from lob_sim.log import Run
from lob_sim.report.static import FIGURES
from lob_sim.report.static_style import COLUMN_IN, named, paper_style, save
from lob_sim.scenario import parse_scenario, scenario_to_dict

# --- any names -----------------------------------------------------------------------------------------------

HOSTILE = ("$x^2$", "<b>&]]>--><script>alert(1)</script>", "_hidden", r"a\$b $\frac{1}{2}$", "\x1b[2Jred", "W" * 80)


@pytest.fixture(scope="module")
def renamed() -> Run:
    """The crisis with instruments and groups of every hostile name."""
    plain = scenario_to_dict(load_scenario(SPIRAL, BRIEF))
    names = {"corporate": HOSTILE[0], "treasury": HOSTILE[1], "dealer_a": HOSTILE[2], "dealer_b": HOSTILE[3]}
    names |= {"dealer_d": HOSTILE[5]}

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): rename(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [rename(entry) for entry in value]
        return names.get(value, value) if isinstance(value, str) else value

    return run(parse_scenario(rename(plain)), 1)


@pytest.fixture(scope="module")
def foreign(renamed: Run) -> Run:
    """The same with a name that no scenario may have: a log that somebody else has written can."""
    source = copy(renamed.source)
    header = source.manifest.header
    agents = tuple(replace(agent, name=agent.name.replace("dealer_c", HOSTILE[4])) for agent in header.agents)
    assert agents != header.agents
    source.manifest = replace(source.manifest, header=replace(header, agents=agents))
    return Run(source)


@pytest.mark.parametrize("name", [n for n in FIGURES if n not in ("funds", "failures")])
def test_names_are_drawn_letter_by_letter(renamed: Run, foreign: Run, name: str) -> None:
    # Headroom follows from the scenario, and is that of its own agents only.
    figure = drawn(renamed if name == "headroom" else foreign, name)
    target = io.BytesIO()
    with paper_style():
        figure.savefig(target, format="svg")
    root = ElementTree.fromstring(target.getvalue())
    assert not [e for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "b")]
    texts: list[Any] = [t for t in figure.findobj(Text) if t.get_text()]
    log_ticks = "mathdefault"
    for text in texts:
        if log_ticks not in text.get_text():
            assert text._preprocess_math(text.get_text())[1] is False, text.get_text()
    said = "\n".join(text._preprocess_math(text.get_text())[0] for text in texts)
    assert "\x1b" not in said
    if name in ("price", "depth", "quotes", "share", "spread", "marks", "information"):
        assert "$x^2$" in said
        assert "<b>&]]>--><script" in said
    if name in ("quotes", "headroom"):
        assert "_hidden" in said
        assert r"a\$b $" in said
    everything_fits(figure)


def test_a_name_that_is_a_formula_would_be_one_without_escaping() -> None:
    figure: Any = Figure()
    assert figure.text(0, 0, "$x^2$")._preprocess_math("$x^2$")[1] is not False
    assert figure.text(0, 0, named("$x^2$"))._preprocess_math(named("$x^2$")) == ("$x^2$", False)


def test_long_names_keep_their_number() -> None:
    assert named("W" * 80 + "-12", 14) == "WWWWWWWW…WW-12"
    assert named("dealer-1") == "dealer-1"


def test_letters_that_the_font_has_not_got_do_no_harm(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    figure = Figure()
    figure.text(0, 0, named("債券 \U0001f4b8"))
    save(figure, tmp_path / "x.png", "png")
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


# --- readable ------------------------------------------------------------------------------------------------


def everything_fits(figure: Figure) -> None:
    """Nothing reaches beyond the page, and no legend covers an axis, a title or another legend."""
    canvas = FigureCanvasAgg(figure)
    with paper_style():
        canvas.draw()
    renderer = canvas.get_renderer()
    page = figure.bbox
    slack = 2.0
    legends: list[Any] = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    boxes = [legend.get_window_extent(renderer) for legend in legends]
    axes: list[Any] = list(figure.axes)
    texts = [t for axis in axes for t in (axis.title, axis._left_title, axis.xaxis.label, axis.yaxis.label)]
    for axis in panels(figure):
        # Labels of ticks beyond the ends of an axis exist, and are not drawn.
        texts += [t for t in axis.get_yticklabels() if within(t.get_position()[1], axis.get_ylim())]
        texts += [t for t in axis.get_xticklabels() if within(t.get_position()[0], axis.get_xlim())]
    shown = [t.get_window_extent(renderer) for t in texts if t.get_text()]
    for box in boxes + [s for s in shown if s.width]:
        assert box.x0 >= -slack, box
        assert box.x1 <= page.width + slack, box
        assert box.y0 >= -slack, box
        assert box.y1 <= page.height + slack, box
    titles = [a._left_title.get_window_extent(renderer) for a in axes if a._left_title.get_text()]
    areas = [a.get_window_extent(renderer) for a in figure.axes]
    for box in boxes:
        for other in titles + areas:
            assert not overlap(box, other), f"{box} covers {other}"
    for one, other in [*combinations(boxes, 2), *combinations(titles, 2)]:
        assert not overlap(one, other)


def within(value: float, ends: tuple[float, float]) -> bool:
    return min(ends) <= value <= max(ends)


def overlap(one: Any, other: Any) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 1.5 and height > 1.5


@pytest.fixture(scope="module")
def every_figure(crisis: Run, failing: Run, funds: Run) -> dict[str, Figure]:
    owners = {"failures": failing, "funds": funds}
    return {name: drawn(owners.get(name, crisis), name) for name in FIGURES}


def test_figures_are_a_column_wide_legible_and_labelled(every_figure: dict[str, Figure]) -> None:
    for name, figure in every_figure.items():
        assert figure.get_size_inches()[0] == COLUMN_IN
        assert figure.get_size_inches()[1] <= 8, "taller than a page"
        everything_fits(figure)
        texts: list[Any] = figure.findobj(Text)
        for text in texts:
            assert not text.get_text() or text.get_fontsize() >= 6.0
        axes = panels(figure)
        assert axes[-1].get_xlabel().startswith("minutes since the") or name == "failures"
        for axis in axes:
            assert axis.get_ylabel() or name == "quotes", f"{name}: an axis without a unit"


def looks(handle: Any) -> tuple[object, ...]:
    """All that remains of a legend's entry in grey and without its shade."""
    if isinstance(handle, Patch):
        # Fills may differ in brightness too: four steps of it are told apart.
        r, g, b, _ = to_rgba(handle.get_facecolor())
        return ("fill", handle.get_hatch() or "", round(4 * (0.299 * r + 0.587 * g + 0.114 * b)))
    style = handle.get_linestyle(), str(getattr(handle, "_dash_pattern", "")), handle.get_marker()
    return ("line", *style, handle.get_linewidth() >= 1.05)


def test_legends_need_no_colour(every_figure: dict[str, Figure]) -> None:
    compared = 0
    for name, figure in every_figure.items():
        legends: list[Any] = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
        for legend in legends:
            seen = [looks(handle) for handle in legend.legend_handles]
            if name == "depth":
                continue  # The bid is the lower of the two lines wherever they are.
            assert len(set(seen)) == len(seen), f"{name}: {seen}"
            compared += len(seen) > 1
    assert compared >= 8
