"""The simulator held against the literature: each module reproduces one published result, or fails to.

``python -m experiments.validation.NAME --help`` lists the parameters; ``python -m
experiments.validation.report`` runs all of them and writes ``docs/validation.md``."""
