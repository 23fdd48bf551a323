"""What share of the flow knows more than the dealer: alpha, from what the dealer itself can see.

Estimators are pluggable and small, and one object judges one stream of flow: one instrument's lit tape or,
on RFQ, one client class (:class:`ToxicityByClass`). Each keeps an unbiased raw estimate, which balanced flow
brings to zero on average, and gives alpha as that estimate held to [0, 1]. Evidence ages: without new flow
alpha halves every ``half_life_ns``, or a dealer that has retreated from a dark market would never come back.

:mod:`lob_sim.information.toxicity_estimators` has those that learn.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Annotated, Any, ClassVar

import msgspec

from lob_sim.errors import InputError
from lob_sim.messages import Side
from lob_sim.parts import NoParams, is_overridden
from lob_sim.units import Lots, Ns

_NO_PARAMS = NoParams()


class Flow(Enum):
    """What an estimator judges."""

    LIT = "lit"
    """One instrument's lit tape."""
    CLIENTS = "clients"
    """RFQ trades of one class of clients in one instrument."""


class ToxicityEstimator(ABC):
    """The seam: how informed one stream of flow is. A toxicity part of a dealer is a subclass.

    An estimator overrides the hooks whose information it uses; times never go back. A dealer makes one for each
    instrument's lit flow, and one for each class of clients that deals with it.

    Args:
        params: Its parameters.
    """

    Params: ClassVar[type[msgspec.Struct]] = NoParams

    def __init__(self, params: msgspec.Struct) -> None:
        self.params: Any = params

    @classmethod
    def of_flow(cls, params: Any, flow: Flow) -> ToxicityEstimator:
        """A fresh estimator for a stream of this kind; the same for every kind unless overridden."""
        return cls(params)

    @classmethod
    def prior_alpha(cls, params: Any, flow: Flow) -> float:
        """What alpha is before any flow of this kind was seen; that of clients is taken for RFQ trades of others."""
        return 0.0

    @classmethod
    def calm_alpha(cls, params: Any, flow: Flow) -> float:
        """What the dealer stays at where the switch ``toxicity`` is off; the prior unless overridden."""
        return cls.prior_alpha(params, flow)

    def on_trade(self, ts_ns: Ns, side: Side, qty_lots: Lots) -> None:  # noqa: B027
        """An aggressor (on RFQ: a client of this class) dealt ``qty_lots`` on ``side``."""

    def on_fill(self, ts_ns: Ns, side: Side, mid_ticks: float) -> None:  # noqa: B027
        """The dealer itself was the other side of an aggressor's ``side``.

        Args:
            ts_ns: When it learnt of the fill.
            side: The aggressor's side.
            mid_ticks: The reference price of :meth:`on_mid` once the fill has been taken into account.
        """

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:  # noqa: B027
        """The reference price, best the mean of the dealer's own belief, is now ``mid_ticks``."""

    def mid_hooks(self) -> list[Callable[[Ns, float], None]]:
        """What is to be called in place of :meth:`on_mid`: nothing where that does nothing."""
        return [self.on_mid] if is_overridden(type(self), ToxicityEstimator, "on_mid") else []

    @abstractmethod
    def alpha(self, ts_ns: Ns) -> float:
        """Perceived share of informed flow as of ``ts_ns``, in [0, 1]."""


class CombinedToxicity(ToxicityEstimator):
    """A weighted mean of other estimators' alphas.

    Args:
        parts: Pairs of an estimator and its weight, not negative, not all zero.

    Raises:
        InputError: There is no positive weight, or there is a negative one.
    """

    def __init__(self, parts: Sequence[tuple[ToxicityEstimator, float]], params: msgspec.Struct = _NO_PARAMS) -> None:
        super().__init__(params)
        total = sum(weight for _, weight in parts)
        if not total > 0 or any(weight < 0 for _, weight in parts):
            raise InputError("expected weights of at least 0 and not all 0", "toxicity")
        self._parts = [(estimator, weight / total) for estimator, weight in parts if weight > 0]
        # Dealers ask at every look: parts in front that never change are added up once.
        self._alphas = [(estimator.alpha, weight) for estimator, weight in self._parts]
        self._fixed_mean = 0.0
        for estimator, weight in self._parts:
            if type(estimator) is not FixedToxicity:
                break
            self._fixed_mean += weight * estimator.alpha(0)
            del self._alphas[0]
        # Most estimators use one kind of evidence.
        self._trade_parts, self._fill_parts, self._mid_parts = (
            [estimator for estimator, _ in self._parts if is_overridden(type(estimator), ToxicityEstimator, name)]
            for name in ("on_trade", "on_fill", "on_mid")
        )

    def on_trade(self, ts_ns: Ns, side: Side, qty_lots: Lots) -> None:
        """Tell every part that listens."""
        for estimator in self._trade_parts:
            estimator.on_trade(ts_ns, side, qty_lots)

    def on_fill(self, ts_ns: Ns, side: Side, mid_ticks: float) -> None:
        """Tell every part that listens."""
        for estimator in self._fill_parts:
            estimator.on_fill(ts_ns, side, mid_ticks)

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:
        """Tell every part that listens."""
        for estimator in self._mid_parts:
            estimator.on_mid(ts_ns, mid_ticks)

    def mid_hooks(self) -> list[Callable[[Ns, float], None]]:
        """Those of the parts: the reference price changes at every look."""
        if is_overridden(type(self), CombinedToxicity, "on_mid"):
            return [self.on_mid]
        return [hook for part in self._mid_parts for hook in part.mid_hooks()]

    def alpha(self, ts_ns: Ns) -> float:
        """The weighted mean."""
        mean = self._fixed_mean
        for alpha, weight in self._alphas:
            mean += weight * alpha(ts_ns)
        return mean


class FixedParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alpha that stays.

    Attributes:
        alpha: Share of informed flow.
    """

    alpha: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


class FixedToxicity(ToxicityEstimator):
    """An alpha that nothing changes: a dealer who knows, or fears nobody, or has been told not to learn.

    Source: the known share of informed traders of Glosten and Milgrom (1985).
    """

    Params = FixedParams

    def __init__(self, params: FixedParams) -> None:
        super().__init__(params)
        self._alpha = params.alpha

    @classmethod
    def prior_alpha(cls, params: FixedParams, flow: Flow) -> float:
        """The fixed value."""
        return params.alpha

    def alpha(self, ts_ns: Ns) -> float:
        """The fixed value."""
        return self._alpha


class ToxicityByClass:
    """One estimator for each client class, made by ``make`` when a class is first seen."""

    def __init__(self, make: Callable[[], ToxicityEstimator]) -> None:
        self._make = make
        self._by_class: dict[str, ToxicityEstimator] = {}
        self._mid_hooks: list[Callable[[Ns, float], None]] = []

    def of(self, client_class: str) -> ToxicityEstimator:
        """The estimator of a class."""
        estimator = self._by_class.get(client_class)
        if estimator is None:
            estimator = self._by_class[client_class] = self._make()
            self._mid_hooks += estimator.mid_hooks()
        return estimator

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:
        """Tell every class."""
        for on_mid in self._mid_hooks:
            on_mid(ts_ns, mid_ticks)


def aged(elapsed_ns: Ns, half_life_ns: Ns) -> float:
    """What is left of evidence after some time without any."""
    return math.exp2(-max(0, elapsed_ns) / half_life_ns)
