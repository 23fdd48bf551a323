"""``lob-sim explore`` refuses what does not hold before it serves anything."""

from __future__ import annotations

import socket
from importlib import util
from pathlib import Path

import pytest

from lob_sim.cli.app import app
from lob_sim.errors import InputError, MissingExtraError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["no_such_market"], "no_such_market: no such file or packaged scenario"),
        (["--out", "file"], "--out file: cannot be made: File exists"),
        (["--port", "{taken}"], "--port {taken}: cannot be listened on: Address already in use"),
    ],
)
def test_what_does_not_hold_is_one_line(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(InputError) as caught:
            app(["explore", *(word.format(taken=port) for word in words)], standalone_mode=False)
    assert str(caught.value).startswith(expected.format(taken=port))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = util.find_spec
    monkeypatch.setattr("lob_sim.extras.find_spec", lambda name: None if name == "nicegui" else found(name))
    with pytest.raises(MissingExtraError) as caught:
        app(["explore"], standalone_mode=False)
    assert str(caught.value) == 'nicegui not installed: expected pip install "lob-sim[app]"'
    assert list(tmp_path.iterdir()) == []
