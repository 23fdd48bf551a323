"""Pages: templates, what they embed, and how they reach the disk.

Everything that comes from a scenario or a log is escaped: text by the templates, data by :func:`embed`, names inside
figures by :func:`lob_sim.report.panels.figure.label`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

import lob_sim
from lob_sim.files import make_folder, write_file
from lob_sim.report.formatting import duration_text, money_text, time_text
from lob_sim.report.panels.figure import Panel
from lob_sim.units import Ns

SCRIPTS = ("theme.js", "state.js", "charts.js", "controls.js")
STYLES = ("page.css", "layout.css")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lob_sim.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=_clock, lasting=duration_text, money=money_text)
    return environment


@pass_context
def _clock(context: Context, ts_ns: Ns, decimals: int = 1) -> str:
    """A time of the run that a template is about, with its day where it has days."""
    return time_text(ts_ns, decimals, context.get("calendar"))


def embed(value: Any) -> Markup:
    """Data as JSON that may stand inside a ``<script>`` element whatever it says: NaN becomes ``null``."""
    text = msgspec.json.encode(value).decode()
    # Nothing that HTML could take for a tag, an entity or the script's end, nor what ends a line in old JavaScript.
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def asset(name: str) -> Markup:
    """A style sheet or script of the package, as it is."""
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0])


@cache
def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())


def fill(template: str, **content: Any) -> Markup:
    """Fill a template of ``assets``: HTML in which what is not markup by type is escaped."""
    return Markup(_environment().get_template(template).render(**content))


def page(template: str, panels: list[Panel], settings: dict[str, Any], **content: Any) -> str:
    """Fill a template.

    Args:
        template: Its file in ``assets``.
        panels: The panels, which the template places by their keys.
        settings: What the scripts need besides: ``horizon_ms``, ``shocks_ms``, ``agents``.
        content: What the template shows.
    """
    drawn = [panel for panel in panels if panel.variants]
    payload = {**settings, "panels": {panel.key: _payload(panel) for panel in drawn}}
    return fill(
        template,
        styles=[asset(name) for name in STYLES],
        scripts=[asset(name) for name in SCRIPTS],
        plotly=_plotly() if drawn else Markup(""),
        payload=embed(payload),
        panels={panel.key: panel for panel in panels},
        settings=settings,
        version=lob_sim.__version__,
        **content,
    )


def _payload(panel: Panel) -> dict[str, Any]:
    return {
        "choice": panel.choice,
        "first": panel.first or next(iter(panel.variants)),
        "height": panel.height,
        "empty": panel.empty,
        "variants": {name: [cell.figure for cell in cells] for name, cells in panel.variants.items()},
    }


def write_page(text: str, path: Path) -> Path:
    """Write a page whole or not at all; makes the folder.

    Raises:
        OutputError: It cannot be written; nothing appears under its name.
    """
    make_folder(path.parent)
    write_file(path, text.encode())
    return path
