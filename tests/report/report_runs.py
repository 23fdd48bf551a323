"""Short runs that the tests of the report share."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import re
from pathlib import Path
from typing import Any

from lob_sim import Run, run

ROOT = Path(__file__).parents[2]
SPIRAL = ROOT / "experiments" / "first_market.toml"
BRIEF = ("shocks.0.at=1min", "shocks.0.size=-0.06", "horizon=5min")


@functools.cache
def crisis() -> Run:
    """Five minutes of the flagship, with a shock that takes every thin dealer over its limits."""
    return run(SPIRAL, overrides=BRIEF)


@functools.cache
def fire_sale() -> Run:
    """Three minutes of a fire sale between dealers that do not log quotes."""
    return run(ROOT / "experiments" / "fire_sale_cascade.toml", overrides=["horizon=3min"])


@functools.cache
def funds() -> Run:
    """Two funds from which investors redeem."""
    return run(ROOT / "experiments" / "redemptions.toml")


@functools.cache
def funding_run() -> Run:
    """A dealer whose lenders do not roll."""
    return run(ROOT / "experiments" / "funding_run.toml")


@functools.cache
def calm() -> Run:
    """Three minutes without shocks and without balance sheets."""
    return run("dealer_market", overrides=["horizon=3min"])


def payload(page: str) -> dict[str, Any]:
    """The data that a page hands to its scripts."""
    return unpacked(page, 'id="report-data"')


def unpacked(page: str, attribute: str) -> dict[str, Any]:
    """The data in the script element of a page that has an attribute."""
    found = re.search(rf'<script type="application/gzip" {attribute}>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data
