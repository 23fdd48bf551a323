"""``python -m lob_sim.cli`` is ``lob-sim``."""

from lob_sim.cli.app import main

main()
