"""The numbers of a set of order parameters on some rows: dissimilarities, gains, shares, Shapley values.

One place for what a discovery reports and what `measure` reports. Source: Method, sections 3 and 5.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agent.comparison import Mode, Part
from probes.scale import FloatArray, IntArray
from tools import regression
from tools.dissimilarity import Dissimilarity, of_cells
from tools.folds import folds
from tools.inference import ZERO, Estimate, critical_value, variance_of_mean
from tools.layout import FEWEST_PROMPTS, Claim
from tools.report.record import Interval
from tools.shapley import shapley
from tools.share import cell_means, complete_cases, dissimilarity, gain, joint_cells, set_dissimilarity, share


@dataclass(frozen=True, eq=False)
class SetNumbers:
    """A set with levels [N, J] on the rows of a part, in greedy order, by either estimator (Method, section 5).

    Single D_z stay with the table; D_S, gains and Shapley values come from the table where its cells are well
    filled, else from the cross-fitted regression's per-sample scores, all on the set's complete cases.
    """

    part: Part
    levels_NJ: IntArray
    mode: Mode
    claim: Claim
    seed: int

    @property
    def size(self) -> int:
        return int(self.levels_NJ.shape[1])

    @cached_property
    def complete(self) -> Part:
        """The rows on which every level is present."""
        return self.part.where(np.all(self.levels_NJ >= 0, axis=1))

    @cached_property
    def _complete_NJ(self) -> IntArray:
        return self.levels_NJ[np.isin(self.part.row_N, self.complete.row_N)]

    @cached_property
    def by_regression(self) -> bool:
        if self.size < 2 or self.complete.layout.prompts < FEWEST_PROMPTS[self.claim]:
            return False
        return regression.needs_regression(self._complete_NJ, black_box=self.mode == "black-box")

    @cached_property
    def singles(self) -> list[Estimate]:
        """D_z of each parameter alone, on its own complete cases."""
        value_N, layout = self.part.value_N, self.part.layout
        return [dissimilarity(value_N, layout, column_N, self.claim) for column_N in self.levels_NJ.T]

    @cached_property
    def whole(self) -> Estimate:
        """D_S."""
        if not self.size:
            return ZERO
        if self.by_regression:
            return mean_estimate(self.scores_N(tuple(range(self.size))), self.complete, self.claim)
        return set_dissimilarity(self.part.value_N, self.part.layout, self.levels_NJ, self.claim)

    @cached_property
    def gains(self) -> list[Estimate]:
        """What each parameter adds to those before it."""
        return [self._gain(j) for j in range(self.size)]

    def _gain(self, j: int) -> Estimate:
        if not self.by_regression:
            part, levels_NJ = self.part, self.levels_NJ
            return gain(part.value_N, part.layout, levels_NJ[:, :j], levels_NJ[:, j], self.claim)
        added_N = self.scores_N(tuple(range(j + 1))) - self.scores_N(tuple(range(j)))
        return mean_estimate(added_N, self.complete, self.claim)

    def scores_N(self, members: tuple[int, ...]) -> FloatArray:
        """l_i of the cross-fitted regression on these members, on the complete cases; 0 without members."""
        if members not in self._scores:
            self._scores[members] = (
                regression.cross_fitted(
                    self.complete.value_N,
                    self.complete.layout,
                    self._complete_NJ[:, list(members)],
                    self.claim,
                    self.seed,
                )
                if members
                else np.zeros(self.complete.layout.samples)
            )
        return self._scores[members]

    @cached_property
    def _scores(self) -> dict[tuple[int, ...], FloatArray]:
        return {}

    def shapley(self) -> FloatArray:
        """Shapley values [J] of D_S; they sum to it."""
        return shapley(self._value_of, self.size)

    def _value_of(self, members: tuple[int, ...]) -> float:
        if not members:
            return 0.0
        if self.by_regression:
            return mean_estimate(self.scores_N(members), self.complete, self.claim).value
        levels_NJ = self._complete_NJ[:, list(members)]
        return set_dissimilarity(self.complete.value_N, self.complete.layout, levels_NJ, self.claim).value

    def of_set(self, kind: Dissimilarity) -> float | None:
        """The set's plug-in dissimilarity; None where its table is too thin to be read off."""
        if self.by_regression:
            return None
        return of_cells(self.part.value_N, self.part.layout, self.levels_NJ, kind)

    def total_on_complete_cases(self) -> float:
        """The plug-in total E_m[v^2] over the set's complete cases, which its share is a share of."""
        return float(self.complete.layout.weight_N @ self.complete.value_N**2)

    def share(self) -> Estimate:
        """The set's share of the total over its complete cases (likelihood mode)."""
        if not self.by_regression:
            return share(self.part.value_N, self.part.layout, self.levels_NJ, self.claim)
        squared_N = self.complete.value_N**2
        total = self.total_on_complete_cases()
        score_N = self.scores_N(tuple(range(self.size)))
        ratio = float(self.complete.layout.weight_N @ score_N) / total
        return mean_estimate(ratio + (score_N - ratio * squared_N) / total, self.complete, self.claim)

    def residual_N(self) -> FloatArray:
        """What the set leaves of each value [N]: by its table, or by the regression's held-out predictions."""
        if not self.by_regression:
            return residual(self.part, self.levels_NJ)
        layout = self.complete.layout
        fold_N = folds(layout, self.seed, by_prompt=self.claim == "random")
        features = regression.indicators(self._complete_NJ)
        residual_N = self.part.value_N.copy()
        complete_N = np.isin(self.part.row_N, self.complete.row_N)
        residual_N[complete_N] -= regression.held_out(self.complete.value_N, layout, features, fold_N)
        return residual_N

    def beyond(self, known_N: IntArray) -> Estimate:
        """What the set adds to a parameter with levels [N]: D of both less that of the parameter."""
        if not self.size:
            return ZERO
        both = SetNumbers(self.part, np.column_stack([known_N, self.levels_NJ]), self.mode, self.claim, self.seed)
        if both.by_regression:
            added_N = both.scores_N(tuple(range(both.size))) - both.scores_N((0,))
            return mean_estimate(added_N, both.complete, self.claim)
        joint_N = np.full(len(known_N), -1, dtype=np.int64)
        complete_N = np.all(self.levels_NJ >= 0, axis=1)
        joint_N[complete_N] = joint_cells(self.levels_NJ[complete_N])
        return gain(self.part.value_N, self.part.layout, known_N[:, None], joint_N, self.claim)


def residual(part: Part, levels_NJ: IntArray) -> FloatArray:
    """v - E[v | joint level] [N]: what the set's table leaves; a row without a level keeps its whole value."""
    residual_N = part.value_N.copy()
    layout, mask_N = complete_cases(levels_NJ, part.layout)
    if levels_NJ.shape[1] and mask_N.any():
        cell_N = joint_cells(levels_NJ[mask_N])
        residual_N[mask_N] -= cell_means(part.value_N[mask_N], layout, cell_N)
    return residual_N


def mean_estimate(f_N: FloatArray, part: Part, claim: Claim) -> Estimate:
    """The weighted mean of per-sample scores with mean -+ t sqrt(V), cut to [0, 1] (Method, section 5)."""
    mean = float(part.layout.weight_N @ f_N)
    error = float(np.sqrt(variance_of_mean(f_N, part.layout, claim)))
    half = critical_value(part.layout, claim) * error
    value, low, high = (float(np.clip(x, 0.0, 1.0)) for x in (mean, mean - half, mean + half))
    return Estimate(value, low, high, low == 0.0, mean, 0.0, error)


def share_of_bound(part_of_it: Estimate, total: Interval) -> Interval:
    """A share of a total known by its lower bound: an upper bound of the share (Method, section 5).

    Its low is that of D_z, since no total exceeds 1; its high is that of D_z over the total's lower limit.
    """
    if np.isnan(part_of_it.value):
        return Interval(value=None)
    if not total.value:
        return Interval(value=None, low=part_of_it.low, high=1.0, one_sided=part_of_it.one_sided)
    high = 1.0 if part_of_it.high is None or not total.low else min(1.0, part_of_it.high / total.low)
    value = min(1.0, part_of_it.value / total.value)
    return Interval(
        value=value, low=min(part_of_it.low, value), high=max(high, value), one_sided=part_of_it.one_sided
    )
