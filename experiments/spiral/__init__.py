"""The parts of the flagship experiment; its entry is :mod:`experiments.information_spiral`."""
