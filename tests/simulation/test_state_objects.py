"""How the objects of a kept market are made again: as they were, and as quick to read."""

import gc
import io
from typing import Any

import pytest

from lob_sim import Simulation, Strategy, load_scenario
from lob_sim.interactive.state import _Pickler, _Unpickler


class Plain:
    """Nothing of its own."""

    def __init__(self) -> None:
        self.position, self.name = 3, "a"


class WithSetter:
    """One of its names is settled by a property that accepts nothing."""

    def __init__(self) -> None:
        self.__dict__["limit"] = 5
        self.position = 3

    @property
    def limit(self) -> int:
        """What the dictionary holds."""
        return int(self.__dict__["limit"])

    @limit.setter
    def limit(self, value: int) -> None:
        raise AttributeError("settled at the opening")


class Closed:
    """Cannot be set once it is made."""

    def __init__(self) -> None:
        self.__dict__["position"] = 3

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class Slotted:
    """Has slots beside a dictionary."""

    __slots__ = ("__dict__", "position")

    def __init__(self) -> None:
        self.position, self.name = 3, "a"


class InItsOwnWay:
    """Pickles without its cache."""

    def __init__(self) -> None:
        self.position, self.cache = 3, [1, 2]

    def __getstate__(self) -> dict[str, Any]:
        return {"position": self.position, "cache": []}


def made_again(value: object) -> Any:
    """What comes of a value that is kept and restored."""
    file = io.BytesIO()
    _Pickler(file, object()).dump(value)
    return _Unpickler(io.BytesIO(file.getvalue()), None).load()


@pytest.mark.parametrize("kind", [Plain, WithSetter, Closed, Slotted])
def test_objects_are_as_they_were(kind: type[Any]) -> None:
    first = kind()
    again = made_again(first)
    assert type(again) is kind
    assert again.__dict__ == first.__dict__
    assert again.position == 3


def test_what_pickles_in_its_own_way_still_does() -> None:
    assert made_again(InItsOwnWay()).cache == []


def test_one_object_in_two_places_stays_one() -> None:
    first = Plain()
    one, other = made_again([first, first])
    assert one is other


def reads_through_a_dictionary(thing: object) -> bool:
    """Whether attributes of an object are in a dictionary of their own, which every look at them goes through."""
    return any(type(part) is dict and "params" in part for part in gc.get_referents(thing))


def test_a_market_made_again_reads_its_attributes_without_dictionaries() -> None:
    simulation = Simulation(load_scenario("dealer_market", ["horizon=2min"]))
    simulation.run_until("30s")
    branch = simulation.state().branch({"same": []})["same"]
    strategies = [part for host in branch.world.hosts for part in host.components if isinstance(part, Strategy)]
    assert not any(reads_through_a_dictionary(strategy) for strategy in strategies)
    touched = strategies[0]
    assert "params" in vars(touched)
    assert reads_through_a_dictionary(touched)
