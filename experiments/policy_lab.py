"""Which policy breaks a crisis, who pays, and what does it cost the public: every overlay in every episode.

Policies are the overlays that come with the package, episodes those of ``experiments/policy/episodes.py``. Each market
is run with the same seeds. Up to the moment of decision all have the same past, simulated once for each seed; there the
market goes on in as many ways as there are policies. What a branch cannot change (how a book trades, who lends, who
holds what) is in force from the start and said to be so; a standing facility opens at the moment of decision either
way. An overlay that changes nothing in an episode does not apply, and it is said why.

Policies are ranked by what they take off the overshoot: how far off value the safe asset is dealt at the worst. With
``--sizes`` the threshold is measured too, the size of shock at which half of the seeds spiral, where an episode has one
shock; by default it is not, because it takes every run once more for each size.

Expected, before the first run: the empty branch is the run from the start in every measure, gains by dealing add up to
zero, and in the flagship the exemption and the purchases take something off the overshoot, as they did in an earlier
experiment with both in force from the start. Of the others nothing is claimed.

With ``--out FOLDER`` what is done stays done; ``FOLDER/board.html`` is a page for those who decide, and
``FOLDER/tables.md`` has its tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from experiments.policy.board import write_board
from experiments.policy.episodes import chosen_episodes, chosen_overlays
from experiments.policy.results import MAIN, Finding, adjusted, finding
from experiments.policy.running import NOTHING, run_episode
from experiments.policy.telling import draw, markdown, tables
from experiments.policy.ways import has_threshold, plan_episode, policies
from experiments.spiral.threshold import parse_sizes
from lob_sim.experiment import Experiment, Outcome, Row, identical
from lob_sim.experiment.over_seeds import below
from lob_sim.files import write_file

_CLAIMED = {
    ("whole_system", "slr_exemption"): "Federal Reserve, interim final rule of April 2020",
    ("whole_system", "purchases"): "Duffie and Keane (2023)",
}


def run(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each market.")] = 12,
    episodes: Annotated[str, typer.Option(help="Episodes, with commas; all if not given.")] = "",
    overlays: Annotated[str, typer.Option(help="Policies, with commas; all if not given.")] = "",
    sizes: Annotated[str, typer.Option(help="Further sizes of shock in per cent, for thresholds, with commas.")] = "",
    horizon: Annotated[str, typer.Option(help="Simulated time of a run; the episode's own if not given.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to go on in, and for the page.")] = None,
) -> Outcome:
    """Run every policy in every episode, compare with doing nothing seed by seed, and rank them."""
    names = chosen_overlays(overlays, policies())
    overrides = [f"horizon={horizon}"] if horizon else []
    ladder = parse_sizes(sizes) if sizes else []
    found, rows = [], []
    for episode in chosen_episodes(episodes):
        plan = plan_episode(episode, names, overrides)
        own = ladder if has_threshold(plan) else []
        frames = run_episode(plan, seeds, out, own, overrides)
        found.append(finding(plan, frames, own))
        rows += [
            below(f"{episode.name}: overshoot (%), {name} less nothing", _change(frames, name), 0.0, source)
            for (of, name), source in _CLAIMED.items()
            if of == episode.name and name in frames
        ]
    findings = adjusted(found)
    if out is not None:
        write_board(findings, out / "board.html", _command(seeds, episodes, overlays, sizes, horizon))
        write_file(out / "tables.md", markdown(findings).encode())
    return Outcome([*_exact(findings), *rows], lambda path: draw(path, findings), tables(findings))


def _change(frames: Mapping[str, pd.DataFrame], name: str) -> pd.Series:
    return frames[name][MAIN] - frames[NOTHING][MAIN]


def _exact(findings: Sequence[Finding]) -> list[Row]:
    return [
        row
        for found in findings
        for row in (
            identical(
                f"{found.name}: largest difference of any measure, empty branch less run from the start",
                found.unbranched,
                0.0,
                "negative control",
            ),
            identical(
                f"{found.name}: gains by dealing of all together, the largest sum (2^-20 units of cash)",
                found.unbalanced,
                0.0,
                "conservation",
            ),
        )
    ]


def _command(seeds: int, episodes: str, overlays: str, sizes: str, horizon: str) -> str:
    given = {"episodes": episodes, "overlays": overlays, "sizes": sizes, "horizon": horizon}
    words = [f"--{name} {value}" for name, value in given.items() if value]
    return " ".join(["python -m experiments.policy_lab", f"--seeds {seeds}", *words, "--out FOLDER"])


EXPERIMENT = Experiment(
    "policy_lab",
    run,
    quick={
        "seeds": 2,
        "episodes": "whole_system,flash_2014",
        "overlays": "slr_exemption,halts,swing_pricing",
        "horizon": "12min",
    },
    # Of an hour and a half of one core; the rest of it is in docs/policy_lab.md.
    cases=[{"episodes": "whole_system", "seeds": 6}],
)

if __name__ == "__main__":
    EXPERIMENT.main()
