"""Overlays that come with the package, each a TOML file (see :mod:`lob_sim.scenario.overlays`)."""
