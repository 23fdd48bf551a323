"""The episodes of the policy lab: which market, when its policy is decided, and what is looked at from there on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.scenario import Scenario, load_scenario

FOLDER = Path(__file__).parent.parent


class Episode(msgspec.Struct, frozen=True, kw_only=True):
    """One episode.

    Attributes:
        name: That of its scenario, beside the experiments.
        title: What people call it.
        at: The moment of decision, from which on it is measured.
        moment: That moment in words.
        instrument: The safe asset, at whose price is looked.
        side: -1 where its price falls below value, 1 where it rises above.
        changes: What makes of the scenario the episode in which nobody does anything: ``"path=value"``.
        remove: Groups that are left out for the same reason.
        done: What was done at the time, if that is what ``changes`` and ``remove`` take away.
        classes: Group → class, where its strategy does not say it.
    """

    name: str
    title: str
    at: str
    moment: str
    instrument: str
    side: int = -1
    changes: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    done: str = ""
    classes: dict[str, str] = {}

    @property
    def path(self) -> Path:
        """Its scenario."""
        return FOLDER / f"{self.name}.toml"

    def as_it_was(self, overrides: Sequence[str] = ()) -> Scenario:
        """The episode with what was done at the time."""
        return load_scenario(self.path, list(overrides))

    def untreated(self, overrides: Sequence[str] = ()) -> Scenario:
        """The episode in which nobody does anything."""
        scenario = load_scenario(self.path, [*self.changes, *overrides])
        agents = [group for group in scenario.agents if group.name not in self.remove]
        return msgspec.structs.replace(scenario, agents=agents)


EPISODES = (
    Episode(
        name="whole_system",
        title="Flagship: corporates fall, Treasuries are sold",
        at="10min",
        moment="the instant before the shock",
        instrument="treasury",
    ),
    Episode(
        name="flash_2014",
        title="October 2014: a round trip in minutes",
        at="10min",
        moment="the instant before the purchases of the note begin",
        instrument="note",
        side=1,
        classes={"arbitrageur": "arbitrageurs"},
    ),
    Episode(
        name="treasury_2020",
        title="March 2020: everybody sells Treasuries",
        at="day 4",
        moment="the open of 12 March, before corporates' largest fall",
        instrument="treasury",
        remove=("central_bank",),
        done="purchases from the sixth day on, whatever the market does",
        classes={"basis_fund": "leveraged funds", "central_bank": "central bank"},
    ),
    Episode(
        name="gilts_2022",
        title="September 2022: gilts, and funds on repo",
        at="day 3",
        moment="the open of the day of the fiscal statement, before yields rise",
        instrument="gilt",
        remove=("bank_of_england",),
        done="bids from the sixth day on while the market did not function, bounded for each day",
    ),
)
"""All of them; one whose scenario is not there is passed over."""


def chosen_episodes(names: str) -> list[Episode]:
    """The episodes of a list with commas; all that are there if it is empty.

    Raises:
        InputError: There is no such episode.
    """
    there = {episode.name: episode for episode in EPISODES if episode.path.is_file()}
    wanted = _words(names) or list(there)
    for name in wanted:
        if name not in there:
            raise InputError(
                f"no episode {name!r}{did_you_mean(name, there)}; there are: {', '.join(there)}", "--episodes"
            )
    return [there[name] for name in wanted]


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word for part in text.split(",") if (word := part.strip())))


def chosen_overlays(names: str, there: Sequence[str]) -> list[str]:
    """The overlays of a list with commas; all if it is empty.

    Raises:
        InputError: There is no such overlay.
    """
    wanted = _words(names) or list(there)
    for name in wanted:
        if name not in there:
            raise InputError(
                f"no policy {name!r}{did_you_mean(name, there)}; there are: {', '.join(there)}", "--overlays"
            )
    return wanted
