"""The curve of the dissimilarity over the boundaries of a sweep, and resamples of it, from per-stratum sums.

Nothing here looks at a sample: values, their variances and every resample come from the sums of one pass
(`tools.curve_sums`). Source: Method, sections 2, 3 (weights) and 5 (V).
Axes: T terms, a term being a stratum at a place of a window; B boundaries, Q prompts, R resamples, D kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.curve_sums import CurveSums, binned
from tools.dissimilarity import KINDS, Dissimilarity
from tools.inference import NORMAL_CRITICAL, Estimate, critical_value_of, interval
from tools.layout import FEWEST_PROMPTS, BoolArray, Claim

RESAMPLES = 999
PIECE_NUMBERS = 4_000_000
"""Counts of prompts that are held at once while prompts are drawn again."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """before, after: checkpoints of the window left and right of it. total: by kind, None where not measured."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    total: dict[Dissimilarity, Estimate] | None

    @property
    def linear(self) -> float:
        """The linear dissimilarity; -inf where it could not be measured."""
        return -np.inf if self.total is None else self.total["linear"].value


def largest(curve: Sequence[Boundary]) -> Boundary:
    """The boundary with the largest linear dissimilarity, the first of equals. ValueError if none is measured."""
    best = max(curve, key=lambda boundary: boundary.linear, default=None)
    if best is None or best.total is None:
        raise ValueError("no boundary of the sweep has samples that are scored under both its sides")
    return best


@dataclass(frozen=True, eq=False)
class WindowedCurve:
    """The curve of a sweep; every prompt with samples on both sides of a boundary has the same weight there.

    lower_bound: the sums are of held-out scores of discriminators, whose means bound the dissimilarity from below.
    """

    sums: CurveSums
    claim: Claim
    lower_bound: bool = False

    @cached_property
    def measured_B(self) -> BoolArray:
        """Boundaries all of whose samples are scored under the whole window, with prompts enough for the claim."""
        measured_B: BoolArray = (self.prompts_B >= FEWEST_PROMPTS[self.claim]) & ~self.sums.missing_B
        return measured_B

    @cached_property
    def prompts_B(self) -> IntArray:
        """Prompts with samples on both sides."""
        prompts_B: IntArray = self._used_QB.sum(axis=0)
        return prompts_B

    @cached_property
    def value_DB(self) -> FloatArray:
        """The dissimilarity of each kind; means over samples, which have no bias."""
        value_DB = [self._over_boundaries(self._mass_T * mean_T) for mean_T in self._mean_DT]
        return np.stack(value_DB)

    @cached_property
    def error_DB(self) -> FloatArray:
        """Standard errors, as the claim has it: the root of V (Method, section 5, "Notation")."""
        return self._error_fixed_DB if self.claim == "fixed" else self._error_random_DB

    def boundaries(self) -> list[Boundary]:
        """The curve, boundary by boundary, with intervals."""
        sides = [self.sums.windows.sides(boundary) for boundary in range(self.sums.windows.boundaries)]
        return [Boundary(*both, self.totals(boundary)) for boundary, both in enumerate(sides)]

    def totals(self, boundary: int) -> dict[Dissimilarity, Estimate] | None:
        """All three with their intervals; None where the boundary is not measured."""
        if not self.measured_B[boundary]:
            return None
        return {name: self._estimate(kind, boundary) for kind, name in enumerate(KINDS)}

    def _estimate(self, kind: int, boundary: int) -> Estimate:
        value, error = float(self.value_DB[kind, boundary]), float(self.error_DB[kind, boundary])
        prompts = int(self.prompts_B[boundary])
        if not self.lower_bound:
            return interval(value, 0.0, error, 1, critical_value_of(prompts, self.claim))
        half = NORMAL_CRITICAL * float(self._error_fixed_DB[kind, boundary])
        if prompts > 1:
            between = float(self._error_random_DB[kind, boundary])
            half = max(half, critical_value_of(prompts, "random") * between)
        low = max(value - half, 0.0)
        return Estimate(max(value, 0.0), low, None, low == 0.0, value, 0.0, error)

    @cached_property
    def _error_fixed_DB(self) -> FloatArray:
        return np.sqrt(np.stack([self._variance_fixed(kind) for kind in range(len(KINDS))]))

    @cached_property
    def _error_random_DB(self) -> FloatArray:
        return np.sqrt(np.stack([self._variance_random(kind) for kind in range(len(KINDS))]))

    # Resamples

    def deviations(self, resamples: int, seed: int) -> FloatArray:
        """Resampled less estimated linear dissimilarity [R, B].

        Random prompts: prompts drawn again with replacement, deviations stretched by sqrt(Q / (Q - 1)). Fixed
        prompts: samples drawn again within their strata; as the curve is a sum over strata, that is a normal draw
        with the covariance that the sums hold.
        """
        generator = np.random.default_rng(seed)
        if self.claim == "random":
            return self._prompts_drawn_again(resamples, generator)
        size = (resamples, len(self.prompts_B))
        scale_B = self.error_DB[0]
        return np.asarray(
            scale_B
            * generator.multivariate_normal(np.zeros(size[1]), self._correlation_BB, resamples, method="eigh")
        )

    def _prompts_drawn_again(self, resamples: int, generator: np.random.Generator) -> FloatArray:
        used_QB, value_QB = self._used_QB.astype(np.float64), self._prompt_QB(0)
        prompts = len(used_QB)
        sum_RB = np.empty((resamples, used_QB.shape[1]))
        present_RB = np.empty_like(sum_RB)
        piece = max(1, PIECE_NUMBERS // prompts)
        for first in range(0, resamples, piece):
            rows = min(piece, resamples - first)
            drawn = generator.integers(prompts, size=(rows, prompts)) + prompts * np.arange(rows)[:, None]
            count_RQ = (
                np.bincount(drawn.reshape(-1), minlength=rows * prompts).reshape(rows, prompts).astype(float)
            )
            present_RB[first : first + rows] = count_RQ @ used_QB
            sum_RB[first : first + rows] = count_RQ @ value_QB
        deviation_RB = sum_RB / np.maximum(present_RB, 1) - self.value_DB[0]
        for boundary in np.flatnonzero((present_RB == 0).any(axis=0) & self.measured_B):
            # a resample without any prompt of a boundary takes what another one says of it
            lacks_R = present_RB[:, boundary] == 0
            deviation_R = deviation_RB[:, boundary]
            deviation_R[lacks_R] = generator.choice(deviation_R[~lacks_R], int(lacks_R.sum()))
        stretch_B = np.sqrt(self.prompts_B / np.maximum(self.prompts_B - 1, 1))
        return np.asarray(deviation_RB * stretch_B)

    @cached_property
    def _correlation_BB(self) -> FloatArray:
        """Of the curve's points over draws of samples within strata: a sample speaks about several boundaries."""
        sums, windows = self.sums, self.sums.windows
        mass_SO, boundary_SO = self._mass_SO, self._boundary_SO
        size_S = sums.strata.size_S
        mean_SO = sums.sum_DSO[0] / size_S[:, None]
        inner_SOO = sums.product_SOO - size_S[:, None, None] * mean_SO[:, :, None] * mean_SO[:, None, :]
        # A single sample has no spread of its own: its distance from the mean of its side takes the place.
        away_SO = (
            mean_SO - self._side_mean_B2(0)[boundary_SO, (np.arange(windows.places) >= windows.window).astype(int)]
        )
        single_S = size_S == 1
        inner_SOO[single_S] = away_SO[single_S, :, None] * away_SO[single_S, None, :]
        inner_SOO /= (size_S * np.maximum(size_S - 1, 1))[:, None, None]
        inner_SOO *= mass_SO[:, :, None] * mass_SO[:, None, :]
        boundaries = windows.boundaries
        key_SOO = boundary_SO[:, :, None] * boundaries + boundary_SO[:, None, :]
        summed = binned(key_SOO.reshape(-1), inner_SOO.reshape(-1), boundaries**2)
        covariance_BB = summed.reshape(boundaries, boundaries)
        error_B = np.sqrt(np.maximum(np.diag(covariance_BB), 1e-300))
        correlation_BB = covariance_BB / error_B / error_B[:, None]
        np.fill_diagonal(correlation_BB, 1.0)
        return np.asarray(correlation_BB)

    # Terms

    @cached_property
    def _boundary_SO(self) -> IntArray:
        return self._boundary_width_SO[0]

    @cached_property
    def _boundary_width_SO(self) -> tuple[IntArray, IntArray]:
        windows, checkpoint_S = self.sums.windows, self.sums.strata.checkpoint_S
        pairs = [windows.boundary_at(checkpoint_S, place) for place in range(windows.places)]
        return np.stack([one for one, _ in pairs], axis=1), np.stack([width for _, width in pairs], axis=1)

    @cached_property
    def _terms(self) -> tuple[IntArray, IntArray]:
        """Stratum and place [T] of each term."""
        stratum_T, place_T = np.nonzero(self._boundary_width_SO[1])
        return stratum_T, place_T

    @cached_property
    def _boundary_T(self) -> IntArray:
        return self._boundary_SO[self._terms]

    @cached_property
    def _side_T(self) -> IntArray:
        return (self._terms[1] >= self.sums.windows.window).astype(np.int64)

    @cached_property
    def _prompt_T(self) -> IntArray:
        return self.sums.strata.prompt_S[self._terms[0]]

    @cached_property
    def _size_T(self) -> IntArray:
        return self.sums.strata.size_S[self._terms[0]]

    @cached_property
    def _checkpoints_QB2(self) -> IntArray:
        """Checkpoints of a prompt on either side of a boundary."""
        prompts, boundaries = self.sums.strata.prompts, self.sums.windows.boundaries
        key_T = (self._prompt_T * boundaries + self._boundary_T) * 2 + self._side_T
        return np.bincount(key_T, minlength=prompts * boundaries * 2).reshape(prompts, boundaries, 2)

    @cached_property
    def _used_QB(self) -> BoolArray:
        used_QB: BoolArray = np.all(self._checkpoints_QB2 > 0, axis=2)
        return used_QB

    @cached_property
    def _mass_T(self) -> FloatArray:
        """Weight of a stratum at a boundary: 1 / (2 Q K), K checkpoints of its prompt on its side."""
        used_T = self._used_QB[self._prompt_T, self._boundary_T]
        checkpoints_T = self._checkpoints_QB2[self._prompt_T, self._boundary_T, self._side_T]
        return np.where(used_T, 0.5 / (np.maximum(self.prompts_B, 1)[self._boundary_T] * checkpoints_T), 0.0)

    @cached_property
    def _mass_SO(self) -> FloatArray:
        mass_SO: FloatArray = np.zeros_like(self.sums.sum_DSO[0])
        mass_SO[self._terms] = self._mass_T
        return mass_SO

    @cached_property
    def _mean_DT(self) -> FloatArray:
        stratum_T, place_T = self._terms
        mean_DT: FloatArray = self.sums.sum_DSO[:, stratum_T, place_T] / self._size_T
        return mean_DT

    @cached_property
    def _side_of_boundary_T(self) -> IntArray:
        """A number for each side of each boundary, as two columns [B, 2] hold them."""
        return self._boundary_T * 2 + self._side_T

    def _side_mean_B2(self, kind: int) -> FloatArray:
        """Mean of either side of a boundary."""
        value_T = self._mass_T * self._mean_DT[kind]
        return 2 * binned(self._side_of_boundary_T, value_T, 2 * len(self.prompts_B)).reshape(-1, 2)

    def _over_boundaries(self, value_T: FloatArray) -> FloatArray:
        return binned(self._boundary_T, value_T, len(self.prompts_B))

    def _prompt_QB(self, kind: int) -> FloatArray:
        """What each prompt alone gives at each boundary; 0 where it has one side only."""
        shape = self._used_QB.shape
        weight_T = self._mass_T * self._mean_DT[kind] * self.prompts_B[self._boundary_T]
        key_T = self._prompt_T * shape[1] + self._boundary_T
        return binned(key_T, weight_T, shape[0] * shape[1]).reshape(shape)

    def _variance_random(self, kind: int) -> FloatArray:
        away_QB = np.where(self._used_QB, self._prompt_QB(kind) - self.value_DB[kind], 0.0)
        prompts_B = self.prompts_B
        return np.asarray((away_QB**2).sum(axis=0) / np.maximum(prompts_B * (prompts_B - 1), 1))

    def _variance_fixed(self, kind: int) -> FloatArray:
        stratum_T, place_T = self._terms
        size_T, mass_T, mean_T = self._size_T, self._mass_T, self._mean_DT[kind]
        square_T = self.sums.square_DSO[kind, stratum_T, place_T]
        several_T = size_T > 1
        spread_T = np.maximum(square_T - size_T * mean_T**2, 0.0) / (size_T * np.maximum(size_T - 1, 1))
        variance_B = self._over_boundaries(np.where(several_T, mass_T**2 * spread_T, 0.0))
        variance_B += self._variance_of_singles(kind, ~several_T & (mass_T > 0))
        return variance_B

    def _variance_of_singles(self, kind: int, single_T: BoolArray) -> FloatArray:
        """Strata of one sample share the variance among such strata of their side; a lone one takes its squared
        distance from the side's mean."""
        boundaries = len(self.prompts_B)
        key_T, mean_T = self._side_of_boundary_T, self._mean_DT[kind]

        def over_sides(value_T: FloatArray) -> FloatArray:
            return binned(key_T[single_T], value_T[single_T], 2 * boundaries).reshape(boundaries, 2)

        count_B2 = over_sides(np.ones_like(mean_T))
        squared_mass_B2 = over_sides(self._mass_T**2)
        mean_B2 = over_sides(mean_T) / np.maximum(count_B2, 1)
        away_T = mean_T - mean_B2.reshape(-1)[key_T]
        shared_B2 = over_sides(away_T**2) / np.maximum(count_B2 - 1, 1)
        variance_B2 = np.where(count_B2 == 1, (mean_B2 - self._side_mean_B2(kind)) ** 2, shared_B2)
        return np.asarray((squared_mass_B2 * variance_B2).sum(axis=1))
