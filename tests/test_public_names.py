"""The public namespace is what it is meant to be: a change must be meant."""

from __future__ import annotations

import lob_sim


def test_the_public_names() -> None:
    assert sorted(lob_sim.__all__) == [
        "InputError",
        "LobSimError",
        "OutputError",
        "Run",
        "Scenario",
        "ScenarioError",
        "StrategyError",
        "__version__",
        "load_scenario",
        "open_run",
        "run",
    ]
    for name in lob_sim.__all__:
        assert getattr(lob_sim, name) is not None
    assert not hasattr(lob_sim, "no_such_name")
