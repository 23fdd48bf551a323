"""Scenarios: what a market consists of, read from TOML and checked."""

from lob_sim.scenario.agent_specs import AgentGroupSpec, ConnectionSpec, LatencySpec
from lob_sim.scenario.base import Spec
from lob_sim.scenario.calendar_spec import CalendarSpec
from lob_sim.scenario.checks import check_scenario
from lob_sim.scenario.derivative_specs import ClearingSpec, DerivativeSpec, SponsorSpec, SwapSpec
from lob_sim.scenario.foreign import without_foreign
from lob_sim.scenario.inherit import merged
from lob_sim.scenario.instrument_specs import FairValueSpec, InstrumentSpec, LitSpec, RfqSpec, VenueSpec
from lob_sim.scenario.knobs import KnobSpec, fitting_knobs, knob_override, knob_value
from lob_sim.scenario.loading import (
    calendar_in,
    calendar_of,
    changed_scenario,
    errors_name,
    find_scenario,
    instrument_specs,
    load_scenario,
    open_market,
    packaged_scenarios,
    parse_scenario,
    read_scenario,
    scenario_to_dict,
)
from lob_sim.scenario.outside import Outside, OutsideRow, read_outside, with_checksums
from lob_sim.scenario.outside_specs import FileSpec, ShockSpec
from lob_sim.scenario.overlays import Overlay, apply_overlays, load_overlay, overlay_changes, packaged_overlays
from lob_sim.scenario.overrides import apply_overrides, parse_value, set_path
from lob_sim.scenario.sheet_specs import BalanceSheetSpec, ConstraintSpec, RedemptionSpec
from lob_sim.scenario.specs import Scenario, SwitchSpec
from lob_sim.scenario.toml_text import toml_document
from lob_sim.scenario.venues import change_venues, open_venues, opening_phase

__all__ = [
    "AgentGroupSpec",
    "BalanceSheetSpec",
    "CalendarSpec",
    "ClearingSpec",
    "ConnectionSpec",
    "ConstraintSpec",
    "DerivativeSpec",
    "FairValueSpec",
    "FileSpec",
    "InstrumentSpec",
    "KnobSpec",
    "LatencySpec",
    "LitSpec",
    "Outside",
    "OutsideRow",
    "Overlay",
    "RedemptionSpec",
    "RfqSpec",
    "Scenario",
    "ShockSpec",
    "Spec",
    "SponsorSpec",
    "SwapSpec",
    "SwitchSpec",
    "VenueSpec",
    "apply_overlays",
    "apply_overrides",
    "calendar_in",
    "calendar_of",
    "change_venues",
    "changed_scenario",
    "check_scenario",
    "errors_name",
    "find_scenario",
    "fitting_knobs",
    "instrument_specs",
    "knob_override",
    "knob_value",
    "load_overlay",
    "load_scenario",
    "merged",
    "open_market",
    "open_venues",
    "opening_phase",
    "overlay_changes",
    "packaged_overlays",
    "packaged_scenarios",
    "parse_scenario",
    "parse_value",
    "read_outside",
    "read_scenario",
    "scenario_to_dict",
    "set_path",
    "toml_document",
    "with_checksums",
    "without_foreign",
]
