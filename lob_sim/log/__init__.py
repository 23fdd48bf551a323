"""The event log: recorders, run directories, reading and comparison."""

from lob_sim.log.directory import DirectoryRecorder
from lob_sim.log.header import AgentEntry, BranchEntry, RunHeader
from lob_sim.log.manifest import Manifest
from lob_sim.log.recorder import MemoryRecorder, NullRecorder
from lob_sim.log.run import Run, open_run, run_in_memory
from lob_sim.log.source import LogRow, Problem

__all__ = [
    "AgentEntry",
    "BranchEntry",
    "DirectoryRecorder",
    "LogRow",
    "Manifest",
    "MemoryRecorder",
    "NullRecorder",
    "Problem",
    "Run",
    "RunHeader",
    "open_run",
    "run_in_memory",
]
