"""Scenarios: what a market consists of, read from TOML and checked."""

from lob_sim.scenario.loading import (
    find_scenario,
    instrument_specs,
    load_scenario,
    open_market,
    packaged_scenarios,
    parse_scenario,
    scenario_to_dict,
)
from lob_sim.scenario.overrides import apply_overrides, parse_value, set_path
from lob_sim.scenario.specs import (
    AgentGroupSpec,
    BalanceSheetSpec,
    ConnectionSpec,
    ConstraintSpec,
    FairValueSpec,
    InstrumentSpec,
    LatencySpec,
    LitSpec,
    RfqSpec,
    Scenario,
    ShockSpec,
    Spec,
    SwitchSpec,
)

__all__ = [
    "AgentGroupSpec",
    "BalanceSheetSpec",
    "ConnectionSpec",
    "ConstraintSpec",
    "FairValueSpec",
    "InstrumentSpec",
    "LatencySpec",
    "LitSpec",
    "RfqSpec",
    "Scenario",
    "ShockSpec",
    "Spec",
    "SwitchSpec",
    "apply_overrides",
    "find_scenario",
    "instrument_specs",
    "load_scenario",
    "open_market",
    "packaged_scenarios",
    "parse_scenario",
    "parse_value",
    "scenario_to_dict",
    "set_path",
]
