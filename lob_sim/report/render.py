"""Pages: templates, what they embed, and how they reach the disk.

Charts are drawn by a partial bundle of plotly.js that is part of the package (``assets/vendor``, MIT): the whole
library is three times its size. What the scripts draw travels as compressed JSON. Everything that comes from a scenario
or a log is escaped: text by the templates, data by :func:`embed`, names inside figures by
:func:`lob_sim.report.panels.figure.label`.
"""

from __future__ import annotations

import base64
import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

import lob_sim
from lob_sim.files import make_folder, write_file
from lob_sim.report.formatting import duration_text, short_time
from lob_sim.report.panels.figure import Panel
from lob_sim.units import Ns

SCRIPTS = ("theme.js", "state.js", "charts.js", "controls.js")
STYLES = ("page.css", "layout.css")
_FIRST_SCRIPT = "unpack.js"
_CHARTS = "vendor/plotly-cartesian.min.js"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lob_sim.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=_clock, lasting=duration_text)
    return environment


@pass_context
def _clock(context: Context, ts_ns: Ns, decimals: int = 1) -> str:
    """A time of the run that a template is about, with its day where it has days."""
    return short_time(ts_ns + context.get("time_of_day_ns", 0), decimals, context.get("calendar"))


def embed(value: Any) -> Markup:
    """Data as compressed JSON for a ``<script>`` element, in letters that HTML has no use for: NaN becomes ``null``.

    The same data give the same text. ``unpack`` of ``state.js`` reads it.
    """
    packed = gzip.compress(msgspec.json.encode(value), 9, mtime=0)
    return Markup(base64.b64encode(packed).decode())


def asset(name: str) -> Markup:
    """A style sheet or script of the package, as it is."""
    loader = _environment().loader
    assert loader is not None
    return Markup(loader.get_source(_environment(), name)[0])


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
        first_script=asset(_FIRST_SCRIPT),
        scripts=[asset(name) for name in SCRIPTS],
        charts=asset(_CHARTS) if drawn else Markup(""),
        payload=embed(payload),
        panels={panel.key: panel for panel in drawn},
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
