"""Keeping what one has: the asset manager between two redemptions."""

from __future__ import annotations

from lob_sim.agents.strategy import Strategy


class BuyAndHold(Strategy):
    """Trades nothing of its own accord.

    The strategy of a fund whose sales are all forced by redemptions (give its group a ``balance_sheet`` with
    ``redemptions``), and a control in experiments.

    Source: the passive investor of Sharpe (1991), "The Arithmetic of Active Management".
    """
