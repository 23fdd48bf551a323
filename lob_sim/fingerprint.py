"""What can change a result without any change of its inputs: versions of packages, and digests of the source itself."""

from __future__ import annotations

import functools
import hashlib
import importlib
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np


def own_versions() -> dict[str, str]:
    """The program and what its results depend on first of all: its source, the shipped strategies, Python, numpy."""
    return {
        "lob_sim": str(importlib.import_module("lob_sim").__version__),
        "lob_sim source": _own_digest(),
        "strategies source": _strategies_digest(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
    }


def state_versions() -> dict[str, str]:
    """What must be the same where the objects of a running market are to be made again."""
    packages = {name: metadata.version(name) for name in ("simpy", "sortedcontainers", "msgspec")}
    return {**own_versions(), **packages}


def digest_files(paths: Iterable[Path]) -> str:
    """A short digest of files: their names and contents, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def _own_digest() -> str:
    # Once per process: what runs is what was loaded, even if a file is edited meanwhile.
    return _digest_package("lob_sim")


@functools.cache
def _strategies_digest() -> str:
    return _digest_package("lob_sim.strategies")


def _digest_package(name: str) -> str:
    file = importlib.import_module(name).__file__
    assert file is not None
    return digest_files(sorted(Path(file).parent.rglob("*.py")))
