"""Parts of :mod:`experiments.policy_lab`: every overlay in every episode, and a page for those who decide."""
