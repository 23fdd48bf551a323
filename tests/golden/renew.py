"""Make the golden log anew, when a change of behaviour is meant: ``python -m tests.golden.renew``.

It prints where the new log parts from the old one and how they differ, for the message of the commit.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from lob_sim import Run, Scenario, load_scenario, open_run, run
from lob_sim.errors import DataError
from lob_sim.log.diff import diff
from lob_sim.replay.describe import describe_diff

HERE = Path(__file__).parent
GOLDEN = HERE / "run"


def golden_scenario() -> Scenario:
    """The scenario of the golden log, wherever the file lies."""
    return msgspec.structs.replace(load_scenario(HERE / "market.toml"), folder="")


def changes(golden: Run, now: Run) -> list[str]:
    """How today's log differs from the golden one; versions of packages do not count."""
    found = diff(golden, now)
    return describe_diff(found._replace(inputs=tuple(c for c in found.inputs if not c.what.startswith("packages."))))


def renew() -> list[str]:
    """Replace the golden log; returns how the new one differs from it."""
    now = run(golden_scenario())
    try:
        lines = changes(open_run(GOLDEN), now)
    except DataError as error:
        # There is none, or it is of an older schema.
        lines = [str(error)]
    shutil.rmtree(GOLDEN, ignore_errors=True)
    run(golden_scenario(), out=GOLDEN)
    return [*lines, f"{GOLDEN.relative_to(Path.cwd())}: digest {now.digest}"]


if __name__ == "__main__":
    print("\n".join(renew()))
