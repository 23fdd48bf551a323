"""A belief that keeps the whole density of fair value, discretised."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lob_sim.information.belief import MAX_ALPHA, MIN_SD_TICKS, BayesianBelief, BayesianParams
from lob_sim.messages import Side
from lob_sim.units import Ns

_SQRT_HALF = math.sqrt(0.5)


class DensityBelief(BayesianBelief):
    """The whole density of fair value, on a grid of 401 values over ten standard deviations either side.

    An observation takes about twenty microseconds. Widening is held back until it amounts to a visible part of a grid
    step, then diffused explicitly. The grid is laid out anew when the density outgrows it, becomes too narrow for it,
    or drifts off its centre.

    Source: Das (2005), "A Learning Market-Maker in the Glosten–Milgrom Model", section 3.
    """

    __slots__ = ("_density", "_grid", "_held_var", "_mean", "_step", "_var")

    _HALF_POINTS = 200
    _REACH_SDS = 10.0

    def __init__(self, params: BayesianParams, initial_ticks: float, ts_ns: Ns = 0) -> None:
        super().__init__(params, initial_ticks, ts_ns)
        mean_ticks, sd_ticks = initial_ticks, max(params.prior_sd_ticks, MIN_SD_TICKS)
        self._held_var = 0.0
        self._lay_out(mean_ticks, sd_ticks)
        self._mean, self._var = mean_ticks, sd_ticks**2
        self._density: NDArray[np.float64] = np.exp(-0.5 * ((self._grid - mean_ticks) / sd_ticks) ** 2)
        self._settle()

    @property
    def mean_ticks(self) -> float:
        """Expected fair value, in ticks."""
        return self._mean

    @property
    def sd_ticks(self) -> float:
        """Standard deviation of fair value, in ticks."""
        return math.sqrt(self._var + self._held_var)

    def widen(self, dt_ns: Ns) -> None:
        """Hold back the variance of ``dt_ns``, and diffuse what is held once it matters."""
        self._held_var += self.volatility.variance_rate * dt_ns
        if self._held_var > 0.05 * self._step**2:
            self._diffuse()

    def on_trade(self, side: Side, price_ticks: float, alpha: float, opposite_ticks: float | None = None) -> None:
        """Multiply by the likelihood; a grid cell that holds a price counts in the proportion that is beyond
        it."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        before = self._mean
        beyond = self._beyond(side, price_ticks)
        if opposite_ticks is None:
            self._density *= 0.5 * (1 - alpha) + alpha * beyond
        else:
            self._density *= 1 + alpha * (beyond - self._beyond(side.opposite, opposite_ticks))
        self._settle()
        self.volatility.expect((self._mean - before) ** 2)

    def on_past_trade(self, side: Side, price_ticks: float, alpha: float, age_ns: Ns) -> None:
        """Multiply by the likelihood, blurred by what value has moved since."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        moved_sd = math.sqrt(self.volatility.variance_rate * age_ns)
        if moved_sd < self._step:
            self.on_trade(side, price_ticks, alpha)
            return
        before = self._mean
        away = side * (price_ticks - self._grid) / moved_sd
        beyond = np.array([0.5 * math.erfc(z * _SQRT_HALF) for z in away.tolist()])
        self._density *= 0.5 * (1 - alpha) + alpha * beyond
        self._settle()
        self.volatility.expect((self._mean - before) ** 2)

    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:
        """Multiply by the signal's likelihood, on a grid moved to where the posterior will be."""
        self._diffuse()
        gain = self._var / (self._var + noise_sd_ticks * noise_sd_ticks)
        self.volatility.expect(gain * self._var)
        mean, sd = self._mean + gain * (signal_ticks - self._mean), math.sqrt(self._var * (1 - gain))
        self._regrid(mean, math.sqrt(self._var))
        # The signal is never taken to be finer than the belief may become.
        exponent = -0.5 * ((self._grid - signal_ticks) / max(noise_sd_ticks, MIN_SD_TICKS)) ** 2
        self._density *= np.exp(exponent - exponent.max())
        self._settle(mean, sd)

    def shift(self, move_ticks: float, noise_sd_ticks: float = 0.0) -> None:
        """Move the grid under the density, and hold back the variance until it is diffused."""
        self._grid += move_ticks
        self._mean += move_ticks
        self._held_var += noise_sd_ticks * noise_sd_ticks
        if self._held_var > 0.05 * self._step**2:
            self._diffuse()

    def _beyond(self, side: Side, price_ticks: float) -> NDArray[np.float64]:
        # Share of each grid cell in which an informed trader would take this side at this price.
        return np.clip(0.5 + side * (self._grid - price_ticks) / self._step, 0.0, 1.0)

    def _lay_out(self, centre: float, sd: float) -> None:
        self._step = self._REACH_SDS * sd / self._HALF_POINTS
        self._grid: NDArray[np.float64] = centre + self._step * np.arange(
            -self._HALF_POINTS, self._HALF_POINTS + 1, dtype=np.float64
        )

    def _settle(self, mean: float | None = None, sd: float | None = None) -> None:
        """Make the density sum to one, and find its moments; one that has vanished becomes Gaussian with these."""
        total = float(self._density.sum())
        if not total > 0:
            mean = self._mean if mean is None else mean
            sd = max(MIN_SD_TICKS, math.sqrt(self._var) if sd is None else sd)
            self._lay_out(mean, sd)
            self._density = np.exp(-0.5 * ((self._grid - mean) / sd) ** 2)
            total = float(self._density.sum())
        self._density /= total
        self._mean = float(self._density @ self._grid)
        self._var = max(MIN_SD_TICKS**2, float(self._density @ (self._grid - self._mean) ** 2))
        sd = math.sqrt(self._var)
        reach = self._step * self._HALF_POINTS
        centre = float(self._grid[self._HALF_POINTS])
        if not 5 * sd < reach < 20 * sd or abs(self._mean - centre) > 0.3 * reach:
            self._regrid(self._mean, sd)

    def _regrid(self, centre: float, sd: float) -> None:
        grid, density, step = self._grid, self._density, self._step
        self._lay_out(centre, sd)
        moved: NDArray[np.float64] = np.interp(self._grid, grid, density, left=0.0, right=0.0) * self._step / step
        total = float(moved.sum())
        if total < 1e-12:
            # Next to nothing of the density is where the observation says value must be: only the moments
            # survive.
            moved = np.exp(-0.5 * ((self._grid - self._mean) / sd) ** 2) + 1e-300
            total = float(moved.sum())
        self._density = moved / total

    def _diffuse(self) -> None:
        # A three-point kernel has exactly the wanted variance as long as it moves at most a third of the
        # mass each way.
        steps = max(1, math.ceil(self._held_var / (0.6 * self._step**2)))
        if steps > 20:
            sd = math.sqrt(self._var + self._held_var)
            self._regrid(self._mean, sd)
            steps = max(1, math.ceil(self._held_var / (0.6 * self._step**2)))
        share = self._held_var / (2 * steps * self._step**2)
        for _ in range(steps):
            spread = (1 - 2 * share) * self._density
            spread[1:] += share * self._density[:-1]
            spread[:-1] += share * self._density[1:]
            self._density = spread
        self._held_var = 0.0
        self._settle()
