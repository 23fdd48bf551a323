"""No test depends on how fast the machine is: Hypothesis has its own clocks, which a busy machine trips."""

import gc
import os

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Two processes of tests share the machine, and threads that wait for each other at tiny problems burn more of it than
# the problems. Read when NumPy and Arrow are loaded, here, in workers and in processes that tests start.
for library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(library, "1")

gc.set_threshold(20_000, 20, 20)  # a simulation makes few cycles, and looking for them all the time takes a twentieth


def pytest_collection_finish() -> None:
    """What all tests have imported stays: nobody looks through it for garbage again."""
    gc.collect()
    gc.freeze()
