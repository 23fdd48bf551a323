"""The classical step-by-step stress test: the balance sheets of a scenario, and a formula in place of a market."""
