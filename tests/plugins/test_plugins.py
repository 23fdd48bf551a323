"""Plug-ins by name, their parameters, and what a person is told when either is wrong."""

from __future__ import annotations

import pickle
import sys
from abc import ABC, abstractmethod
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from lob_sim.convert import convert_strict
from lob_sim.errors import InputError, LobSimError, PluginError, ScenarioError
from lob_sim.parts import NoParams
from lob_sim.plugin_params import build_params, describe, params_type
from lob_sim.plugins import find_plugins, load_class
from lob_sim.units import Duration

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Policy(IntEnum):
    CASH_FIRST = 0
    PRO_RATA = 1


class Style(Enum):
    FAST = "quick"
    SLOW = "unhurried"


class Leg(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: Annotated[float, msgspec.Meta(gt=0)]
    wait: Duration = 0


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stop"):
    after: Duration


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="cut"):
    share: Share


class Thing:
    """What the tests load."""


class Tool(Thing):
    """A tool with one parameter of each kind.

    More is said here.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            gamma: Aversion to risk,
                per tick and lot.
            pause: Time between looks.
        """

        gamma: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        count: int = 3
        price: Decimal = Decimal("99.5")
        eager: bool = False
        label: str = ""
        pause: Duration = 250_000_000
        hold: Annotated[Duration, msgspec.Meta(gt=0)] = 1
        policy: Policy = Policy.PRO_RATA
        style: Style = Style.SLOW
        legs: tuple[Leg, ...] = ()
        pair: tuple[int, Duration] = (0, 0)
        shares: dict[str, Share] = msgspec.field(default_factory=dict)
        limit: Duration | None = None
        exit: Stop | Cut | None = None


class Bare(Thing):
    """No parameters."""


class Derived(Tool):
    """Inherits its parameters."""


class Needy(Thing):
    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        must: float


def build(**raw: object) -> Tool.Params:
    params = build_params(Tool, raw, "m.toml: agents.a")
    assert isinstance(params, Tool.Params)
    return params


def refused(**raw: object) -> PluginError:
    with pytest.raises(PluginError) as caught:
        build_params(Tool, raw, "m.toml: agents.a")
    return caught.value


# --- parameters --------------------------------------------------------------------------------------------


def test_defaults_and_none() -> None:
    assert build() == Tool.Params()
    assert params_type(Bare) is NoParams
    assert build_params(Bare, {}, "x") == NoParams()
    assert params_type(Derived) is Tool.Params


def test_every_kind_of_value() -> None:
    params = build(
        gamma=Decimal("0.1"),
        count=7,
        price=Decimal("100.25"),
        eager=True,
        label="x",
        pause="1.5s",
        hold=Decimal("0.25"),
        policy="Cash_First",
        style="fast",
        legs=[{"weight": 1}, {"weight": Decimal("2.5"), "wait": "3ms"}],
        pair=[4, "2us"],
        shares={"a": Decimal("0.5")},
        limit="1h",
        exit={"type": "stop", "after": "48h"},
    )
    assert params == Tool.Params(
        gamma=0.1,
        count=7,
        price=Decimal("100.25"),
        eager=True,
        label="x",
        pause=1_500_000_000,
        hold=250_000_000,
        policy=Policy.CASH_FIRST,
        style=Style.FAST,
        legs=(Leg(1.0), Leg(2.5, 3_000_000)),
        pair=(4, 2_000),
        shares={"a": 0.5},
        limit=3600 * 10**9,
        exit=Stop(2 * 86_400 * 10**9),
    )
    assert type(params.gamma) is float
    assert type(params.price) is Decimal
    assert params.policy is Policy.CASH_FIRST
    assert type(params.pause) is int


@pytest.mark.parametrize(("raw", "ns"), [(2, 2 * 10**9), (Decimal("0.1"), 10**8), (0.1, 10**8), ("0", 0)])
def test_a_bare_duration_is_in_seconds(raw: object, ns: int) -> None:
    assert build(pause=raw).pause == ns


@pytest.mark.parametrize(
    ("raw", "place", "words"),
    [
        ({"gama": 1.0}, "gama", ["unknown key 'gama'", "did you mean 'gamma'?"]),
        ({"GAMMA": 1.0}, "GAMMA", ["did you mean 'gamma'?"]),
        ({"zzz": 1}, "zzz", ["unknown key 'zzz'"]),
        ({"gamma": Decimal(0)}, "gamma", ["expected float > 0.0, got 0"]),
        ({"gamma": "much"}, "gamma", ["expected float, got str"]),
        ({"gamma": Decimal("nan")}, "gamma", ["expected a finite number, got NaN"]),
        ({"gamma": True}, "gamma", ["expected float, got bool"]),
        ({"count": Decimal("3.0")}, "count", ["expected int, got decimal"]),
        ({"eager": 1}, "eager", ["expected bool, got int"]),
        ({"label": 1}, "label", ["expected str, got int"]),
        ({"pause": "3 weeks"}, "pause", ["no known unit of time"]),
        ({"pause": "-3s"}, "pause", ["non-negative"]),
        ({"pause": True}, "pause", ["expected a duration", "got True"]),
        ({"pause": "0.1ns"}, "pause", ["whole"]),
        ({"hold": "0s"}, "hold", ["expected int >= 1, got '0s'"]),
        ({"policy": "cash-frist"}, "policy", ["cash_first, pro_rata", "did you mean 'cash_first'?"]),
        ({"policy": 1}, "policy", ["expected one of cash_first, pro_rata, got 1"]),
        ({"legs": [{"weight": 1}, {"weight": -1}]}, "legs[1].weight", ["expected float > 0.0, got -1"]),
        ({"legs": [{"wait": 1}]}, "legs[0]", ["missing required field weight"]),
        ({"legs": [{"weight": 1, "wiat": 1}]}, "legs[0].wiat", ["did you mean 'wait'?"]),
        ({"legs": [{"weight": 1, "wait": "x"}]}, "legs[0].wait", ["expected a duration"]),
        ({"legs": {"weight": 1}}, "legs", ["expected array, got object"]),
        ({"pair": [1, 2, 3]}, "pair", ["expected array of length 2"]),
        ({"shares": {"a": 2}}, "shares[...]", ["expected float <= 1.0"]),
        ({"exit": {"type": "cut", "share": 3}}, "exit.share", ["expected float <= 1.0, got 3"]),
        ({"exit": {"type": "cut", "after": 3}}, "exit.after", ["unknown key 'after'"]),
        ({"exit": {"type": "cute"}}, "exit.type", ["invalid value 'cute'"]),
    ],
)
def test_a_wrong_parameter_names_place_and_expectation(raw: dict[str, object], place: str, words: list[str]) -> None:
    error = refused(**raw)
    assert error.where == f"m.toml: agents.a.{place}"
    for word in words:
        assert word in error.message


def test_an_error_lists_the_parameters() -> None:
    text = str(refused(nothing=1))
    assert "Parameters of Tool: gamma (float > 0, default 0.5); count (int, default 3);" in text
    assert "pause (duration, default 0.25s)" in text
    assert "policy (cash_first | pro_rata, default pro_rata)" in text
    with pytest.raises(PluginError, match=r"missing required field must.*must \(float, required\)"):
        build_params(Needy, {}, "here")
    with pytest.raises(PluginError, match="Parameters of Bare: none"):
        build_params(Bare, {"x": 1}, "here")


def test_where_may_be_a_bare_file_or_nothing() -> None:
    for where, place in [("m.toml: ", "m.toml: gama"), ("", "gama")]:
        with pytest.raises(PluginError) as caught:
            build_params(Tool, {"gama": 1}, where)
        assert caught.value.where == place


def test_params_not_a_table() -> None:
    with pytest.raises(PluginError, match="expected object, got array"):
        build_params(Tool, [1], "here")  # type: ignore[arg-type]


def test_params_must_be_a_strict_frozen_struct() -> None:
    class Loose(Thing):
        class Params(msgspec.Struct, frozen=True):
            x: int = 0

    class Mutable(Thing):
        class Params(msgspec.Struct, forbid_unknown_fields=True):
            x: int = 0

    class NotStruct(Thing):
        Params = {"x": 0}  # noqa: RUF012

    for cls in (Loose, Mutable, NotStruct):
        with pytest.raises(PluginError, match="frozen=True, forbid_unknown_fields=True"):
            params_type(cls)


def test_own_validation_of_a_struct_is_reported() -> None:
    with pytest.raises(PluginError, match="low must be below high"):
        convert_strict({"low": 2, "high": 1}, Ordered, "here")


class Ordered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError("low must be below high")


def test_convert_strict_raises_the_class_asked_for() -> None:
    with pytest.raises(ScenarioError) as caught:
        convert_strict({"weight": 1, "w": 2}, Leg, "s.toml: ", ScenarioError)
    assert caught.value.where == "s.toml: w"
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_describe() -> None:
    info = describe(Tool)
    assert info.spec == f"{__name__}:Tool"
    assert info.summary == "A tool with one parameter of each kind."
    rows = {p.name: (p.type, p.default, p.doc) for p in info.params}
    assert rows["gamma"] == ("float > 0", "0.5", "Aversion to risk, per tick and lot.")
    assert rows["pause"] == ("duration", "0.25s", "Time between looks.")
    assert rows["price"] == ("Decimal", "99.5", "")
    assert rows["limit"] == ("duration or none", "None", "")
    assert rows["legs"][0] == "list of table {weight (float > 0, required), wait (duration, default 0s)}"
    assert rows["shares"] == ("dict of str, float >= 0 and <= 1", "{}", "")
    assert [p.name for p in info.params] == list(Tool.Params.__struct_fields__)
    assert describe(Bare).params == ()
    assert describe(Needy).params[0].default == ""


# --- classes -----------------------------------------------------------------------------------------------


def test_a_class_of_a_package() -> None:
    assert load_class("lob_sim.errors:PluginError", LobSimError) is PluginError


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lob_sim.errors.PluginError", ['expected "module:Class"']),
        ("lob_sim.errors:", ['expected "module:Class"']),
        (":PluginError", ['expected "module:Class"']),
        ("lob_sim.errors:Plug in", ['expected "module:Class"']),
        ("lob_sim.erors:PluginError", ["no module named 'lob_sim.erors'", "did you mean 'lob_sim.errors'?"]),
        ("lob_sim.errors.deep:X", ["no module named"]),
        ("lob_sym.errors:X", ["no module named 'lob_sym.errors'"]),
        ("..x:X", ["no module named"]),
        ("lob_sim.errors:PlugInError", ["did you mean 'PluginError'?", "DataError"]),
        ("lob_sim.units:Instrument", ["not a subclass of lob_sim.errors.LobSimError"]),
        ("lob_sim.units:NS_PER_S", ["not a subclass"]),
        ("lob_sim.units:Zzz", ["its LobSimError classes: none"]),
        ("nowhere.py:X", ["no such file"]),
        ("n" * 300 + ":X", ["no module named"]),
        ("n" * 300 + ".py:X", ["no such file"]),
    ],
)
def test_a_wrong_name_is_answered(spec: str, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(PluginError) as caught:
        load_class(spec, LobSimError, tmp_path)
    assert caught.value.where == f"plug-in {spec!r}"
    for word in words:
        assert word in caught.value.message


def test_an_abstract_class_is_refused() -> None:
    with pytest.raises(PluginError, match="Unfinished is abstract: it must define act"):
        load_class(f"{__name__}:Unfinished", Unfinished)


class Unfinished(ABC):
    @abstractmethod
    def act(self) -> None: ...


SOURCE = """
from __future__ import annotations
from typing import Annotated
import msgspec
from lob_sim.errors import InputError
from neighbour import NUMBER
from lob_sim.units import Duration

class Mine(InputError):
    '''Mine.'''
    number = NUMBER

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        wait: Annotated[Duration, msgspec.Meta(gt=0)] = 5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "neighbour.py").write_text("NUMBER = 42\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.py").write_text(SOURCE)
    return tmp_path


@pytest.mark.parametrize("module", ["mine.py", "mine", "sub/deep.py", "sub.deep", "{folder}/mine.py"])
def test_a_users_file(module: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(sys.path)
    monkeypatch.delitem(sys.modules, "neighbour", raising=False)
    cls = load_class(f"{module.format(folder=folder)}:Mine", InputError, folder)
    assert cls.number == 42
    assert build_params(cls, {"wait": "1ms"}, "x").wait == 1_000_000
    assert load_class(f"{module.format(folder=folder)}:Mine", InputError, folder) is cls
    assert sys.path == before
    assert pickle.loads(pickle.dumps(cls("a", "b"))).args == ("a", "b")
    assert not (folder / "__pycache__" / "mine.cpython-311.pyc").exists()


def test_the_current_folder_is_searched_by_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert load_class("mine:Mine", InputError).__name__ == "Mine"


def test_an_edited_file_is_read_again_and_equal_names_do_not_clash(tmp_path: Path) -> None:
    values = []
    for place, value in [("a", 1), ("b", 2), ("a", 3)]:
        (tmp_path / place).mkdir(exist_ok=True)
        text = f"from lob_sim.errors import InputError\nclass X(InputError):\n    value = {value}\n"
        (tmp_path / place / "same.py").write_text(text)
        values.append(load_class("same.py:X", InputError, tmp_path / place).value)
    assert values == [1, 2, 3]


def test_a_plain_name_means_the_file_next_to_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("from lob_sim.errors import InputError\nclass X(InputError): ...\n")
    assert load_class("queue:X", InputError, tmp_path).__module__ != "queue"


def test_a_misspelt_file_is_suggested(folder: Path) -> None:
    with pytest.raises(PluginError, match=r"did you mean 'mine\.py'\?"):
        load_class("mine_.py:Mine", InputError, folder)
    with pytest.raises(PluginError, match=r"did you mean 'mine'\?"):
        load_class("mien:Mine", InputError, folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("a = 1\nb = = 2\n", "broken.py, line 2 cannot be imported: SyntaxError"),
        ("raise SystemError('odd')\n", "SystemError: odd"),
    ],
)
def test_a_file_that_fails_to_load(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(text)
    for _ in range(2):  # the second attempt must not find a half-loaded module
        with pytest.raises(PluginError) as caught:
            load_class("broken.py:X", InputError, tmp_path)
        assert words in caught.value.message


def test_unresolvable_annotation_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from __future__ import annotations\nimport msgspec\nfrom lob_sim.errors import InputError\n"
        "class X(InputError):\n"
        "    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):\n        a: Nowhere = 1\n"
    )
    cls = load_class("odd.py:X", InputError, tmp_path)
    with pytest.raises(PluginError, match="annotation cannot be resolved: name 'Nowhere'"):
        build_params(cls, {}, "x")


def test_contradictory_annotation_is_reported() -> None:
    with pytest.raises(PluginError, match=r"Contradiction has a field .* cannot be read: Cannot set both"):
        convert_strict({"x": 1}, Contradiction, "here")


class Contradiction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    x: Annotated[int, msgspec.Meta(gt=0), msgspec.Meta(ge=0)]


def test_find_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "found_pkg_for_test"
    (package / "low").mkdir(parents=True)
    (package / "__init__.py").write_text("from lob_sim.errors import InputError, DataError\n")
    (package / "one.py").write_text(
        "from abc import ABC, abstractmethod\nfrom lob_sim.errors import InputError, DataError\n"
        "class B(InputError): ...\nclass A(DataError): ...\nclass _Hidden(InputError): ...\n"
        "class Other: ...\n"
    )
    (package / "low" / "__init__.py").write_text("")
    (package / "low" / "two.py").write_text("from found_pkg_for_test.one import B\nclass C(B): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    name = "found_pkg_for_test"
    assert find_plugins(name, InputError) == [f"{name}.low.two:C", f"{name}.one:A", f"{name}.one:B"]
    assert find_plugins(name, PluginError) == []
    (package / "three.py").write_text("oops\n")
    with pytest.raises(PluginError, match=r"found_pkg_for_test\.three cannot be imported: NameError"):
        find_plugins(name, InputError)
