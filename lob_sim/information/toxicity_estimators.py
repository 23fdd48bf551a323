"""Estimators of toxicity that learn from flow.

- :class:`ImbalanceToxicity`: bucketed order-flow imbalance, the idea of VPIN (Easley, Lopez de Prado &
  O'Hara 2012, Review of Financial Studies 25), without its null bias.
- :class:`MarkoutToxicity`: how far the price went the aggressor's way after the dealer's own fills.
- :class:`LearningToxicity`: a prior, and either of them as flow shows.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Annotated

import msgspec

from lob_sim.errors import InputError
from lob_sim.information.toxicity import CombinedToxicity, FixedParams, FixedToxicity, Flow, ToxicityEstimator, aged
from lob_sim.messages import Side
from lob_sim.units import NEVER_NS, NS_PER_S, Interval, Lots, Ns


class ImbalanceParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How flow is bucketed.

    Source: Easley, López de Prado and O'Hara (2012), "Flow Toxicity and Liquidity in a High-Frequency World".

    Attributes:
        bucket_lots: A bucket is complete once it holds this many lots; no trade is split between buckets.
        memory_buckets (buckets): Number of buckets over which the exponential average extends; a bucket that is one
            memory old counts 1/e.
        noise_margin_se: So many standard errors of balanced flow are taken off before alpha is read, so that
            noise alone seldom shows as alpha.
        half_life_ns: Ageing without new buckets.
    """

    bucket_lots: Annotated[int, msgspec.Meta(ge=2)] = 50
    memory_buckets: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    noise_margin_se: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    half_life_ns: Interval = 600 * NS_PER_S


class ImbalanceToxicity(ToxicityEstimator):
    """Alpha from the imbalance of buckets of flow, squared.

    In a bucket of trades of q_1 ... q_n lots let a share alpha, informed of the same thing, take one side
    and the others either side at random. The imbalance X = sum(q_i d_i) then has
    ``E[X^2] = alpha^2 (sum q)^2 + (1 - alpha^2) sum q^2``, so ``(X^2 - sum q^2) / ((sum q)^2 - sum q^2)`` is
    an unbiased estimate of alpha^2 whatever the sizes, zero in the mean under balanced flow. (VPIN is the
    mean of abs(X) / sum q, which pure noise leaves at C(N, N/2) / 2^N: .112 for 50 unit trades.) Numerators
    and denominators are averaged apart.

    Source: Easley, López de Prado and O'Hara (2012), "Flow Toxicity and Liquidity in a High-Frequency World".
    """

    Params = ImbalanceParams

    def __init__(self, params: ImbalanceParams) -> None:
        super().__init__(params)
        self._params = params
        self._keep = math.exp(-1 / params.memory_buckets)
        self._signed = self._total = self._squares = self._fourths = 0
        self._excess = self._scale = self._null_var = 0.0
        self._fresh_alpha = 0.0
        self._last_ns = 0

    @property
    def alpha_squared(self) -> float:
        """The raw, unbiased estimate of alpha squared, negative half of the time when there is nothing; 0
        before data."""
        return self._excess / self._scale if self._scale else 0.0

    @property
    def null_se(self) -> float:
        """Standard deviation of :attr:`alpha_squared` under balanced flow of the sizes seen; 0 before
        data."""
        return math.sqrt(self._null_var) / self._scale if self._scale else 0.0

    def on_trade(self, ts_ns: Ns, side: Side, qty_lots: Lots) -> None:
        """Put the trade in the bucket, and close it when full."""
        self._signed += side * qty_lots
        self._total += qty_lots
        self._squares += qty_lots * qty_lots
        self._fourths += qty_lots**4
        if self._total >= self._params.bucket_lots:
            self._close(ts_ns)

    def alpha(self, ts_ns: Ns) -> float:
        """Square root of the estimate less its noise margin, aged."""
        if not self._fresh_alpha:
            return 0.0
        return self._fresh_alpha * aged(ts_ns - self._last_ns, self._params.half_life_ns)

    def _close(self, ts_ns: Ns) -> None:
        keep = self._keep
        scale = self._total * self._total - self._squares
        # A bucket of one single trade has no imbalance to tell (scale 0), and weighs nothing.
        self._excess = keep * self._excess + self._signed * self._signed - self._squares
        self._scale = keep * self._scale + scale
        # X^2 - sum q^2 is twice the sum of q_i q_j d_i d_j over pairs, with uncorrelated terms under
        # balanced flow.
        null_var = 2 * (self._squares * self._squares - self._fourths)
        self._null_var = keep * keep * self._null_var + null_var
        self._signed = self._total = self._squares = self._fourths = 0
        self._last_ns = ts_ns
        # Dealers ask at every requote; a new answer takes a new bucket.
        squared = self.alpha_squared - self._params.noise_margin_se * self.null_se
        self._fresh_alpha = min(1.0, math.sqrt(max(0.0, squared)))


class MarkoutParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How own fills are followed up.

    Source: price moves after a trade as evidence of information, Hasbrouck (1991), "Measuring the Information
    Content of Stock Trades".

    Attributes:
        horizons_ns: Times after a fill at which the price is looked at; each in its own right, averaged.
        memory_fills (fills): Number of fills over which the exponential average extends.
        half_life_ns: Ageing without new fills.
    """

    horizons_ns: tuple[Interval, ...] = (5 * NS_PER_S, 30 * NS_PER_S)
    memory_fills: Annotated[float, msgspec.Meta(gt=0)] = 40.0
    half_life_ns: Interval = 600 * NS_PER_S


class MarkoutToxicity(ToxicityEstimator):
    """Alpha from the price moves that followed the dealer's own fills.

    Let a share alpha of aggressors know the sign of the price move M over the horizon and the others deal at
    random: ``E[d M] = alpha E[abs(M)]`` with d the aggressor's side, so the ratio of the two averages
    estimates alpha,
    with mean zero if fills tell nothing. The dealer's half-spread is no part of M, and neither is its own
    reaction to the fill: M starts from the reference *after* that. Measured from before it, a dealer that
    fears informed flow moves its price with every fill, sees the price move the aggressor's way, and finds
    its fear confirmed by noise. What is left is what the dealer had not yet allowed for: the estimate comes
    on top of the alpha that it has acted on.

    Source: Hasbrouck (1991), "Measuring the Information Content of Stock Trades".
    """

    Params = MarkoutParams

    def __init__(self, params: MarkoutParams) -> None:
        super().__init__(params)
        if not params.horizons_ns:
            raise InputError("expected at least one horizon", "horizons_ns")
        self._params = params
        self._keep = math.exp(-1 / params.memory_fills)
        self._pending: list[deque[tuple[Ns, Side, float]]] = [deque() for _ in params.horizons_ns]
        self._toward = [0.0] * len(params.horizons_ns)
        self._moved = [0.0] * len(params.horizons_ns)
        self._next_due_ns = NEVER_NS
        self._last_ns = 0
        self._mid_ticks = 0.0

    @property
    def raw_alpha(self) -> float:
        """The unbiased estimate, in [-1, 1]: mean over the horizons that have evidence; 0 before any."""
        total, count = 0.0, 0
        for toward, moved in zip(self._toward, self._moved, strict=True):
            if moved > 0:
                total += toward / moved
                count += 1
        return total / count if count else 0.0

    def on_fill(self, ts_ns: Ns, side: Side, mid_ticks: float) -> None:
        """Note the fill, to be looked at after each horizon."""
        for horizon_ns, pending in zip(self._params.horizons_ns, self._pending, strict=True):
            pending.append((ts_ns + horizon_ns, side, mid_ticks))
            self._next_due_ns = min(self._next_due_ns, ts_ns + horizon_ns)

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:
        """Judge the fills that have come due before now, at the price that stood when they did."""
        if ts_ns > self._next_due_ns:
            self._judge(ts_ns)
        self._mid_ticks = mid_ticks

    def alpha(self, ts_ns: Ns) -> float:
        """The estimate held to [0, 1], aged."""
        raw = self.raw_alpha
        return raw * aged(ts_ns - self._last_ns, self._params.half_life_ns) if raw > 0 else 0.0

    def _judge(self, ts_ns: Ns) -> None:
        self._next_due_ns = NEVER_NS
        for i, pending in enumerate(self._pending):
            while pending and pending[0][0] < ts_ns:
                due_ns, side, then_ticks = pending.popleft()
                move = self._mid_ticks - then_ticks
                self._toward[i] = self._keep * self._toward[i] + side * move
                self._moved[i] = self._keep * self._moved[i] + abs(move)
                self._last_ns = max(self._last_ns, due_ns)
            if pending:
                self._next_due_ns = min(self._next_due_ns, pending[0][0])


class LearningParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prior, and what is learnt beside it.

    Attributes:
        prior_alpha: Share of informed flow that it expects before it has seen any.
        rfq_prior_alpha (probability): The same of those who ask for quotes, whose class it knows, and of RFQ trades
            that are published; none: ``prior_alpha``.
        calm_alpha (probability): The informed share of lit flow that it goes by where learning is switched off: what
            it would have learnt in calm; none: ``prior_alpha``.
        learning_weight: Weight of what it has seen against the prior; 0 keeps α at the prior.
        markout_share: Part of that weight which goes to the markouts of its own lit fills, the rest to
            order-flow imbalance.
        imbalance: How lit flow is measured.
        markout: How own trades are followed up.
    """

    prior_alpha: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
    rfq_prior_alpha: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    calm_alpha: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    learning_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    markout_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    imbalance: ImbalanceParams = ImbalanceParams()
    markout: MarkoutParams = MarkoutParams()


class LearningToxicity(CombinedToxicity):
    """A weighted mean of a prior and what flow shows: on the lit book its imbalance, of clients the markouts.

    Source: a choice of this program; the parts are those of Easley, López de Prado and O'Hara (2012) and of
    Hasbrouck (1991).
    """

    Params = LearningParams

    def __init__(self, params: LearningParams, flow: Flow = Flow.LIT) -> None:
        weight = params.learning_weight
        on_markouts = weight * params.markout_share if flow is Flow.LIT else weight
        on_imbalance = weight * (1 - params.markout_share) if flow is Flow.LIT else 0.0
        prior = FixedToxicity(FixedParams(self.prior_alpha(params, flow)))
        imbalance, markouts = ImbalanceToxicity(params.imbalance), MarkoutToxicity(params.markout)
        super().__init__([(prior, 1 - weight), (imbalance, on_imbalance), (markouts, on_markouts)], params)

    @classmethod
    def of_flow(cls, params: LearningParams, flow: Flow) -> ToxicityEstimator:
        """The mean for a stream of this kind."""
        return cls(params, flow)

    @classmethod
    def prior_alpha(cls, params: LearningParams, flow: Flow) -> float:
        """The prior, of clients one of their own if there is one."""
        own = params.rfq_prior_alpha
        return params.prior_alpha if flow is Flow.LIT or own is None else own

    @classmethod
    def calm_alpha(cls, params: LearningParams, flow: Flow) -> float:
        """What it would have learnt in calm, where that is known."""
        known = params.calm_alpha
        return cls.prior_alpha(params, flow) if flow is Flow.CLIENTS or known is None else known
