"""Almgren–Chriss execution of a metaorder: impact cost against the risk of waiting."""

from __future__ import annotations

from math import acosh, exp, expm1
from typing import Annotated

import msgspec

from lob_sim.agents.execution import SlicedExecution
from lob_sim.errors import InputError
from lob_sim.units import NS_PER_S, Lots


class AlmgrenChrissTrader(SlicedExecution):
    """Sells (or buys) a parent order along the mean-variance optimal schedule for linear impact.

    The lots that remain after j of N steps of length τ are X·sinh(κ(T − jτ))/sinh(κT), with
    2(cosh(κτ) − 1)/τ² = λσ²/(η − γτ/2).

    Source: Almgren and Chriss (2000), "Optimal Execution of Portfolio Transactions", section 2.2.
    """

    class Params(SlicedExecution.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the execution.

        Attributes:
            risk_aversion_per_tick_lot: Weight λ of the variance of cost (in squared tick·lots) against cost.
            volatility_ticks_per_sqrt_s: Standard deviation σ of the price change over one second.
            temporary_impact_tick_s_per_lot: Concession η at a trading rate of one lot a second.
            permanent_impact_ticks_per_lot: Lasting price change γ for each lot.
        """

        risk_aversion_per_tick_lot: Annotated[float, msgspec.Meta(gt=0)] = 1e-4
        volatility_ticks_per_sqrt_s: Annotated[float, msgspec.Meta(gt=0)] = 1.0
        temporary_impact_tick_s_per_lot: Annotated[float, msgspec.Meta(gt=0)] = 5.0
        permanent_impact_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 0.01

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        p = self.params
        self.step_s = p.duration / p.slices / NS_PER_S
        impact = p.temporary_impact_tick_s_per_lot - p.permanent_impact_ticks_per_lot * self.step_s / 2
        if impact <= 0:
            least = p.permanent_impact_ticks_per_lot * self.step_s / 2
            raise InputError(
                f"{p.temporary_impact_tick_s_per_lot} is too small beside the permanent impact: "
                f"expected more than {least} for slices of {self.step_s} s",
                "temporary_impact_tick_s_per_lot",
            )
        urgency = p.risk_aversion_per_tick_lot * p.volatility_ticks_per_sqrt_s**2 / impact
        self.kappa_per_s = acosh(1 + urgency * self.step_s**2 / 2) / self.step_s

    def due_lots(self, slice_index: int) -> Lots:
        return self.params.parent_lots - round(self.remaining_lots(slice_index + 1))

    def remaining_lots(self, steps: int) -> float:
        """The optimal holding after ``steps`` steps, in lots."""
        p = self.params
        left = self.kappa_per_s * max(0, p.slices - steps) * self.step_s
        whole = self.kappa_per_s * p.slices * self.step_s
        # sinh(left) / sinh(whole), written so that a very urgent schedule does not overflow.
        return p.parent_lots * exp(left - whole) * expm1(-2 * left) / expm1(-2 * whole)
