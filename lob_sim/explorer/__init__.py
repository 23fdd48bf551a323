"""A local page on which a market is chosen, turned, run, watched and compared."""
