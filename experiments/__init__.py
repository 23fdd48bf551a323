"""Experiments: one question each, with a verdict. Run one as ``python -m experiments.NAME``."""
