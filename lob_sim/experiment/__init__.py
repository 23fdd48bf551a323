"""Experiments: a question put to the simulator, its answer in numbers, and the verdict that follows.

An experiment is a module with an :class:`Experiment` in ``EXPERIMENT``. Its ``run`` takes parameters, runs
the market and returns one :class:`Row` a claim: what was measured, what it should be and by whose word, the
standard error, and whether the claim holds. The options of the command line are the parameters of ``run``::

    def run(mu: float = 0.3, runs: int = 1000) -> Outcome: ...

    EXPERIMENT = Experiment("glosten_milgrom", run, quick={"runs": 100})
    main = EXPERIMENT.main

Verdicts are those of :mod:`lob_sim.experiment.verdicts`.
"""

from lob_sim.analysis.claims import STANDARD_ERRORS, Relation, Row
from lob_sim.experiment.command import Experiment, Outcome, ResultTable, show
from lob_sim.experiment.running import EventCollector, in_processes, processes, require_ok, run_cells
from lob_sim.experiment.verdicts import (
    Mean,
    agrees,
    exceeds,
    identical,
    mean_of,
    ratio_of,
    sd_of,
    stays_below,
)

__all__ = [
    "STANDARD_ERRORS",
    "EventCollector",
    "Experiment",
    "Mean",
    "Outcome",
    "Relation",
    "ResultTable",
    "Row",
    "agrees",
    "exceeds",
    "identical",
    "in_processes",
    "mean_of",
    "processes",
    "ratio_of",
    "require_ok",
    "run_cells",
    "sd_of",
    "show",
    "stays_below",
]
