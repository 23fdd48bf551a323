"""No test depends on how fast the machine is: Hypothesis has its own clocks, which a busy machine trips."""

from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
