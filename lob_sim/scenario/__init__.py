"""Scenarios: what a market consists of, read from TOML and checked."""

from lob_sim.scenario.checks import check_scenario
from lob_sim.scenario.foreign import without_foreign
from lob_sim.scenario.loading import (
    changed_scenario,
    errors_name,
    find_scenario,
    instrument_specs,
    load_scenario,
    open_market,
    packaged_scenarios,
    parse_scenario,
    scenario_to_dict,
)
from lob_sim.scenario.overlays import Overlay, apply_overlays, load_overlay, overlay_changes, packaged_overlays
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
    RedemptionSpec,
    RfqSpec,
    Scenario,
    ShockSpec,
    Spec,
    SwitchSpec,
    VenueSpec,
)
from lob_sim.scenario.venues import open_venues, opening_phase

__all__ = [
    "AgentGroupSpec",
    "BalanceSheetSpec",
    "ConnectionSpec",
    "ConstraintSpec",
    "FairValueSpec",
    "InstrumentSpec",
    "LatencySpec",
    "LitSpec",
    "Overlay",
    "RedemptionSpec",
    "RfqSpec",
    "Scenario",
    "ShockSpec",
    "Spec",
    "SwitchSpec",
    "VenueSpec",
    "apply_overlays",
    "apply_overrides",
    "changed_scenario",
    "check_scenario",
    "errors_name",
    "find_scenario",
    "instrument_specs",
    "load_overlay",
    "load_scenario",
    "open_market",
    "open_venues",
    "opening_phase",
    "overlay_changes",
    "packaged_overlays",
    "packaged_scenarios",
    "parse_scenario",
    "parse_value",
    "scenario_to_dict",
    "set_path",
    "without_foreign",
]
