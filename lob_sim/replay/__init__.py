"""What is done with a log: verify it, tell what it says, repeat it with a newcomer in it."""

from lob_sim.replay.verification import Difference, Verification, verify

__all__ = ["Difference", "Verification", "verify"]
