"""A scenario as plain data makes the same scenario again."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.scenario import Scenario, load_scenario, packaged_scenarios, parse_scenario, scenario_to_dict

S = 1_000_000_000
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    str.isprintable
)
FRACTIONS = st.floats(0, 0.999)
DURATIONS = st.integers(0, 10**15)


def maybe(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


LATENCY = st.one_of(
    maybe(median=DURATIONS.map(lambda d: f"{d}ns")),
    st.tuples(DURATIONS, FRACTIONS).map(
        lambda t: {"distribution": "uniform", "median": f"{t[0]}ns", "spread": f"{int(t[0] * t[1])}ns"}
    ),
    maybe(distribution=st.just("lognormal"), sigma=st.floats(0, 5)),
)
INSTRUMENT = st.fixed_dictionaries(
    {
        "tick_size": st.sampled_from([1, 0.01, "0.125", Decimal("0.0001")]),
        "lot_size": st.sampled_from([1, 1_000_000, "0.5"]),
        "initial_price": st.integers(1, 10**4),
    },
    optional={
        "price_per": st.sampled_from([1, 100]),
        "liquidity_rank": st.integers(1, 9),
        "fair_value": maybe(
            daily_volatility=FRACTIONS,
            common_loading=st.floats(-1, 1),
            jumps_per_day=FRACTIONS,
            jump_sd=FRACTIONS,
        ),
        "lit": st.one_of(
            st.fixed_dictionaries({"price_band": FRACTIONS, "halt": st.just("1ms")}),
            maybe(batch_interval=DURATIONS.map(lambda d: f"{d}ns"), opening_auction=st.just("1ms")),
        ),
        "rfq": st.sampled_from([{}, {"transparency": "immediate"}, {"transparency": "delayed", "delay": 3}]),
    },
)
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
PARAMS = st.dictionaries(
    NAMES, st.one_of(WHOLE, st.booleans(), st.floats(allow_nan=False, allow_infinity=False), NAMES, st.lists(WHOLE))
)


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    groups = draw(st.lists(NAMES, max_size=3, unique=True))
    holdings = st.dictionaries(st.sampled_from(names), st.integers(-9, 9).map(lambda n: n * 1_000_000))
    sheet = maybe(
        other_assets=st.integers(0, 10**3).map(lambda n: n * 10**6),
        haircuts=st.dictionaries(st.sampled_from(names), FRACTIONS),
        constraints=st.lists(st.fixed_dictionaries({"kind": st.just("slr"), "params": PARAMS}), max_size=2),
        volatility_decay=st.floats(0.01, 0.99),
    )
    agent = st.fixed_dictionaries(
        {"strategy": NAMES},
        optional={
            "count": st.integers(1, 10**6),
            "params": PARAMS,
            "cash": st.integers(-(10**6), 10**6).map(lambda n: n * 10**6),
            "holdings": holdings,
            "connection": maybe(to_venue=LATENCY, from_venue=LATENCY),
            "sees_fair_value": st.booleans(),
        },
    )
    agents: list[dict[str, Any]] = [{"name": name, **draw(agent)} for name in groups]
    for entry in agents:
        if draw(st.booleans()):
            entry["balance_sheet"] = draw(sheet)
            entry["holdings"] = {k: abs(v) for k, v in entry.get("holdings", {}).items()}
            entry["balance_sheet"] |= {"allow_insolvent": True, "repo": dict.fromkeys(entry["holdings"], 0)}
    shock = st.fixed_dictionaries(
        {
            "instrument": st.sampled_from(names),
            "at": st.integers(0, 10 * S - 1).map(lambda d: f"{d}ns"),
            "size": st.floats(-0.99, 3),
        }
    )
    return {
        "name": draw(NAMES),
        "horizon": draw(st.sampled_from(["10s", 10.5, "1h"])),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "instruments": [{"name": name, **draw(INSTRUMENT)} for name in names],
        "agents": agents,
        "shocks": draw(st.lists(shock, max_size=3)),
        "switches": draw(maybe(slr=st.booleans(), retreat=st.booleans(), toxicity=st.booleans())),
    }


@settings(max_examples=40, deadline=None)
@given(scenarios())
def test_round_trip_also_through_json(raw: dict[str, Any]) -> None:
    scenario = parse_scenario(raw)
    plain = scenario_to_dict(scenario)
    assert parse_scenario(plain) == scenario
    assert parse_scenario(json.loads(json.dumps(plain))) == scenario
    assert scenario_to_dict(parse_scenario(plain)) == plain


@pytest.mark.parametrize("name", sorted(packaged_scenarios()))
def test_packaged_scenarios_make_the_round_trip(name: str) -> None:
    scenario = load_scenario(name)
    again = parse_scenario(json.loads(json.dumps(scenario_to_dict(scenario))))
    assert isinstance(again, Scenario)
    assert again == scenario
    # The control: a changed scenario is not the same.
    assert parse_scenario({**scenario_to_dict(scenario), "seed": scenario.seed + 1}) != scenario
