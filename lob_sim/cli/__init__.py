"""The command line: ``lob-sim``."""

from lob_sim.cli.app import main

__all__ = ["main"]
