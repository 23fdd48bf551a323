"""Balance sheets, the limits that bind them, how they are marked and funded, and how they sell.

``sheet`` holds exact integers; ``view`` is what the ``constraints`` judge; ``risk_manager`` turns what binds
into sales in a ``liquidation_sequence``; ``liquidation`` works them. ``marking`` and ``volatility`` measure,
``funding`` lends, ``fund`` redeems, ``resolution`` ends a default. :mod:`lob_sim.stress_test` runs the same sheets as a
classical stress test, without an order book.
"""
