"""Measures of a market, from its log: each states its definition and source, and works on any table of the
right columns.

==================  ==================================================================================
module              what it measures
==================  ==================================================================================
``liquidity``       quoted, effective and realised spread, impact of trades and of a sale that is none, depth,
                    presence, resilience, Amihud
``spread_models``   Roll, Kyle's lambda, Huang and Stoll's components
``price_discovery`` Hasbrouck's information share, dispersion of beliefs and marks, excess write-down
``flow``            VPIN and its null, PIN
``amplification``   overshoot, loss amplification, forced volume, time to recovery, failures
``tables``          what the measures need of their inputs
==================  ==================================================================================
"""
