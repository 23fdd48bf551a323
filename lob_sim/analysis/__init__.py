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
``amplification``   overshoot, losses of capital, forced volume, failures
``quality``         the textbook measures of a run, a row per instrument
``trading_time``    the time in which a market trades, which all measures of a run go by: its closed nights are left out
``regression``      regressors as a least-squares fit takes them
``tables``          what the measures need of their inputs
==================  ==================================================================================

What they give is offered from here, and loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lob_sim._lazy import lazy_names

if TYPE_CHECKING:
    from lob_sim.analysis.amplification import failures as failures
    from lob_sim.analysis.amplification import forced_volume_lots as forced_volume_lots
    from lob_sim.analysis.amplification import overshoot as overshoot
    from lob_sim.analysis.amplification import tier1_loss_cash as tier1_loss_cash
    from lob_sim.analysis.flow import pin as pin
    from lob_sim.analysis.flow import vpin as vpin
    from lob_sim.analysis.flow import vpin_null as vpin_null
    from lob_sim.analysis.liquidity import amihud as amihud
    from lob_sim.analysis.liquidity import lit_share as lit_share
    from lob_sim.analysis.liquidity import lit_state as lit_state
    from lob_sim.analysis.liquidity import resilience_half_life_ns as resilience_half_life_ns
    from lob_sim.analysis.liquidity import sale_impact_ticks as sale_impact_ticks
    from lob_sim.analysis.liquidity import spread_parts as spread_parts
    from lob_sim.analysis.liquidity import trade_spreads as trade_spreads
    from lob_sim.analysis.liquidity import volume_weighted as volume_weighted
    from lob_sim.analysis.price_discovery import dispersion as dispersion
    from lob_sim.analysis.price_discovery import excess_write_down as excess_write_down
    from lob_sim.analysis.price_discovery import information_share as information_share
    from lob_sim.analysis.quality import market_quality as market_quality
    from lob_sim.analysis.spread_models import huang_stoll as huang_stoll
    from lob_sim.analysis.spread_models import kyle_lambda as kyle_lambda
    from lob_sim.analysis.spread_models import roll_spread as roll_spread
    from lob_sim.analysis.summary import crisis_metrics as crisis_metrics
    from lob_sim.analysis.summary import dealer_absence as dealer_absence
    from lob_sim.analysis.summary import fear_withdrawals as fear_withdrawals
    from lob_sim.analysis.summary import horizon_ns as horizon_ns
    from lob_sim.analysis.summary import lit_quotes as lit_quotes
    from lob_sim.analysis.summary import lit_state_of as lit_state_of
    from lob_sim.analysis.summary import of as of
    from lob_sim.analysis.summary import shock_ns as shock_ns
    from lob_sim.analysis.summary import summarise as summarise
    from lob_sim.analysis.tables import floats as floats
    from lob_sim.analysis.tables import held_for as held_for
    from lob_sim.analysis.tables import ints as ints
    from lob_sim.analysis.tables import row_at as row_at
    from lob_sim.analysis.tables import value_at as value_at
    from lob_sim.analysis.trading_time import trading_clock as trading_clock

_HOMES = {
    "amplification": (
        "failures",
        "forced_volume_lots",
        "overshoot",
        "tier1_loss_cash",
    ),
    "flow": ("pin", "vpin", "vpin_null"),
    "liquidity": (
        "amihud",
        "lit_share",
        "lit_state",
        "resilience_half_life_ns",
        "sale_impact_ticks",
        "spread_parts",
        "trade_spreads",
        "volume_weighted",
    ),
    "price_discovery": ("dispersion", "excess_write_down", "information_share"),
    "quality": ("market_quality",),
    "spread_models": ("huang_stoll", "kyle_lambda", "roll_spread"),
    "summary": (
        "crisis_metrics",
        "dealer_absence",
        "fear_withdrawals",
        "horizon_ns",
        "lit_quotes",
        "lit_state_of",
        "of",
        "shock_ns",
        "summarise",
    ),
    "tables": ("floats", "held_for", "ints", "row_at", "value_at"),
    "trading_time": ("trading_clock",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)  # noqa: PLE0605  # as the imports above

__getattr__ = lazy_names(__name__, _HOMES)
