"""lob_sim: an order-book market in which liquidity crises emerge from dealers' balance sheets."""

__version__ = "0.1.0"
