"""Samples of some checkpoints speak for every other: means and dissimilarities anywhere on a sweep, reweighted.

With log-likelihoods the samples of prompt q are draws from one mixture of known density, sum_j n_qj P_j. Under any
target P they are a weighted sample with w_i proportional to P(x_i) / sum_j n_qj P_j(x_i), normalised within each
prompt (the balance heuristic of multiple importance sampling; MBAR with all free energies 0). Prompts count alike,
so that with sum w = 1 a mean has the variance of 1 / sum w_i^2 samples: the effective sample size. Where that is
small, or where the mixture hardly reaches in any one prompt (the weights' sum before they are normalised, 1 in
expectation), nothing is said. Variances are those of the linearised ratio, by the delta method.
Source: Method, sections 5 and 6.
Axes: N samples, K checkpoints, S strata (prompt x checkpoint), Q prompts, P (stratum, cell) pairs, C cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from probes.scale import FloatArray, IntArray
from tools.cells import too_few
from tools.curve_sums import binned
from tools.evidence import mixture, side_mixtures, signed_evidence
from tools.inference import ZERO, Estimate, critical_value_of, interval
from tools.layout import FEWEST_PROMPTS, BoolArray, Claim
from tools.share import joint_cells

FEWEST_EFFECTIVE = 2.0
FEWEST_REACHED = 8.0
"""Effective samples that a prompt needs, on average: where every target itself was sampled, and where one is only
reached from other checkpoints. By simulation: with fewer, 95% intervals may hold no more than 50%."""

LEAST_FOUND = 0.8
LEAST_FOUND_EACH = 0.5
"""Share of the probability of a target that samples must be seen to reach: on average over the prompts where it
was not sampled itself, and in each of them. By simulation: intervals then hold 92% and more."""

LEAST_COUNTED = 1.25

# Interface


@dataclass(frozen=True, eq=False)
class Weighted:
    """Samples weighted so that they stand for a target distribution, every prompt with the same mass.

    row_N: rows of the pool that they are. weight_N: sums to 1. sampled_Q: of each prompt, whether samples of every
    target itself are among them. found_Q: share of a target's probability that was reached, by its estimate, the
    smallest over targets; 1 for those that were sampled.
    """

    row_N: IntArray
    prompt_N: IntArray
    stratum_N: IntArray
    weight_N: FloatArray
    sampled_Q: BoolArray
    found_Q: FloatArray

    @property
    def prompts(self) -> int:
        return int(self.prompt_N.max(initial=-1)) + 1

    @cached_property
    def effective(self) -> float:
        """Effective sample size, pooled over prompts: 1 / sum w_i^2."""
        return float(1 / (self.weight_N**2).sum()) if len(self.weight_N) else 0.0

    @cached_property
    def effective_Q(self) -> FloatArray:
        """Effective sample size within each prompt."""
        return 1 / (self.prompts**2 * binned(self.prompt_N, self.weight_N**2, self.prompts))

    @property
    def enough(self) -> bool:
        """Whether prompts have, on (harmonic) average, the effective samples they need."""
        needed_Q = np.where(self.sampled_Q, FEWEST_EFFECTIVE, FEWEST_REACHED)
        return float((needed_Q / self.effective_Q).mean()) <= 1 + 1e-9

    @property
    def reaches(self) -> bool:
        """Whether the samples reach the targets in every prompt."""
        found_R = self.found_Q[~self.sampled_Q]
        return not len(found_R) or bool(found_R.mean() >= LEAST_FOUND and found_R.min() >= LEAST_FOUND_EACH)

    def supports(self, claim: Claim) -> bool:
        """Whether there is enough to say a number."""
        return self.prompts >= FEWEST_PROMPTS[claim] and self.enough and self.reaches

    def proportion(self, value_N: FloatArray, claim: Claim) -> Estimate:
        """The mean of values [N] between 0 and 1, of rows `row_N`, by Wilson's interval: near the ends few samples
        show no spread.

        It counts as many samples as the variance is worth, at most the effective ones. The standard error is that
        of the interval, never 0.
        """
        value = min(max(float(self.weight_N @ value_N), 0.0), 1.0)
        unsure = max(self.variance(value_N, claim), value * (1 - value) / self.effective)
        count = max(value * (1 - value) / unsure, 1.0) if 0 < value < 1 else self.effective
        critical = critical_value_of(self.prompts, claim)
        part = critical**2 / count
        centre = (value + part / 2) / (1 + part)
        half = float(np.sqrt(part * value * (1 - value) + part**2 / 4)) / (1 + part)
        low, high = max(centre - half, 0.0), min(centre + half, 1.0)
        return Estimate(
            value, min(low, value), max(high, value), plug_in=value, standard_error=(high - low) / (2 * critical)
        )

    def variance(self, value_N: FloatArray, claim: Claim) -> float:
        """V of the weighted mean: over prompts, or for fixed prompts over samples within strata."""
        mean_Q = self.prompts * binned(self.prompt_N, self.weight_N * value_N, self.prompts)
        if claim == "random":
            return float(mean_Q.var(ddof=1)) / self.prompts
        z_N = self.weight_N * (value_N - mean_Q[self.prompt_N])
        centre_S = binned(self.stratum_N, z_N, len(self.size_S)) * self.share_S
        return float(self.factor_S[self.stratum_N] @ (z_N - centre_S[self.stratum_N]) ** 2)

    def dissimilarity(self, s_N: FloatArray, levels_NJ: IntArray, claim: Claim) -> Estimate:
        """D_S of a set with levels [N, J] >= 0, bias corrected, from the signed evidence [N] at a boundary.

        The weights must be those of the boundary's mixture of both sides.
        """
        cell_N = joint_cells(levels_NJ)
        if not len(cell_N) or cell_N.max() == 0:
            return ZERO
        table = _Table.of(self, s_N, cell_N)
        error = float(np.sqrt(self.variance(table.psi_N(s_N), claim)))
        critical = critical_value_of(self.prompts, claim)
        return interval(table.plug_in, table.bias(claim), error, table.cells - 1, critical)

    def total(self, s_N: FloatArray, claim: Claim) -> Estimate:
        """The total dissimilarity, the mean of s^2."""
        error = float(np.sqrt(self.variance(s_N**2, claim)))
        return interval(float(self.weight_N @ s_N**2), 0.0, error, 1, critical_value_of(self.prompts, claim))

    def share(self, s_N: FloatArray, levels_NJ: IntArray, claim: Claim) -> Estimate:
        """The share D_S / D of a set at a boundary."""
        cell_N = joint_cells(levels_NJ)
        whole = float(self.weight_N @ s_N**2)
        if not len(cell_N) or cell_N.max() == 0 or whole == 0:
            return ZERO
        table = _Table.of(self, s_N, cell_N)
        ratio = table.plug_in / whole
        psi_N = (table.psi_N(s_N) - ratio * (s_N**2 - whole)) / whole
        error = float(np.sqrt(self.variance(psi_N, claim)))
        critical = critical_value_of(self.prompts, claim)
        return interval(ratio, table.bias(claim) / whole, error, table.cells - 1, critical)

    # Strata

    @cached_property
    def size_S(self) -> IntArray:
        return np.bincount(self.stratum_N)

    @cached_property
    def prompt_S(self) -> IntArray:
        prompt_S = np.zeros(len(self.size_S), dtype=np.int64)
        prompt_S[self.stratum_N] = self.prompt_N
        return prompt_S

    @cached_property
    def factor_S(self) -> FloatArray:
        """n / (n - 1) of each stratum, or the same of the prompt's effective samples where these are fewer: the
        residuals of few samples are too small."""
        own_S = np.where(self.size_S > 1, self.size_S, np.inf)
        least_S = np.maximum(np.minimum(own_S, self.effective_Q[self.prompt_S]), LEAST_COUNTED)
        return np.asarray(least_S / (least_S - 1))

    @cached_property
    def share_S(self) -> FloatArray:
        """1 / n; 0 for a stratum of one sample."""
        return np.where(self.size_S > 1, 1 / np.maximum(self.size_S, 1), 0.0)


@dataclass(frozen=True, eq=False)
class Pool:
    """Samples [N] of several checkpoints with their log-likelihoods [N, K], NaN where not scored.

    prompt_N, checkpoint_N: of each. Samples enter where every one of their checkpoint is scored under the target,
    and under every other checkpoint that enters.
    """

    loglik_NK: FloatArray
    prompt_N: IntArray
    checkpoint_N: IntArray
    _mixtures: dict[tuple[int, ...], tuple[IntArray, FloatArray]] = field(default_factory=dict)

    @cached_property
    def scored_KK(self) -> BoolArray:
        """Whether all samples of a checkpoint are scored under another; true where it has none."""
        checkpoints = self.loglik_NK.shape[1]
        scored_KK = np.ones((checkpoints, checkpoints), dtype=bool)
        np.logical_and.at(scored_KK, self.checkpoint_N, ~np.isnan(self.loglik_NK))
        return scored_KK

    def sources(self, targets: Sequence[int]) -> tuple[int, ...]:
        """Checkpoints around the targets, the targets among them, all scored under all; none where that fails."""
        scored_KK = self.scored_KK
        first, last = min(targets), max(targets)
        if not scored_KK[first : last + 1, first : last + 1].all():
            return ()
        grown = True
        while grown:
            grown = False
            if first > 0 and scored_KK[first - 1 : last + 1, first - 1 : last + 1].all():
                first, grown = first - 1, True
            if last + 1 < len(scored_KK) and scored_KK[first : last + 2, first : last + 2].all():
                last, grown = last + 1, True
        return tuple(range(first, last + 1))

    def toward(self, targets: Sequence[int], keep_N: BoolArray | None = None) -> Weighted | None:
        """The samples weighted toward the equal mixture of the targets; None where nothing can be.

        keep_N: rows that have what is to be averaged; the weights of the others go to those of their prompt.
        """
        row_N, log_mixture_N = self._mixture(self.sources(targets))
        if np.isneginf(log_mixture_N).any():  # drawn where it has no probability: densities and samples disagree
            return None
        kept_N = np.ones(len(row_N), dtype=bool) if keep_N is None else keep_N[row_N]
        size_Q = np.bincount(self.prompt_N[row_N])
        row_N, log_mixture_N = row_N[kept_N], log_mixture_N[kept_N]
        if not len(row_N):
            return None
        asked_Q, prompt_N = np.unique(self.prompt_N[row_N], return_inverse=True)
        prompts, part_Q = len(asked_Q), np.bincount(prompt_N) / size_Q[asked_Q]
        ratio_NT = self.loglik_NK[row_N][:, list(targets)] - log_mixture_N[:, None]
        ratio_N = mixture(ratio_NT)
        top_Q = np.full(prompts, -np.inf)
        np.maximum.at(top_Q, prompt_N, ratio_N)
        if np.isneginf(top_Q).any():  # where no sample could be the target's, nothing is known of the prompt
            return None
        weight_N = np.exp(ratio_N - top_Q[prompt_N])
        weight_N /= prompts * binned(prompt_N, weight_N, prompts)[prompt_N]
        checkpoint_N = self.checkpoint_N[row_N]
        stratum_N = np.unique(prompt_N * self.loglik_NK.shape[1] + checkpoint_N, return_inverse=True)[1]
        sampled_QT = np.zeros((prompts, len(targets)), dtype=bool)
        found_QT = np.zeros((prompts, len(targets)))
        for place, target in enumerate(targets):
            sampled_QT[prompt_N[checkpoint_N == target], place] = True
            found_QT[:, place] = binned(prompt_N, np.exp(ratio_NT[:, place]), prompts) / part_Q
        found_Q = np.where(sampled_QT, 1.0, found_QT).min(axis=1)
        return Weighted(row_N, prompt_N, stratum_N, weight_N, np.asarray(sampled_QT.all(axis=1)), found_Q)

    def evidence(self, weighted: Weighted, before: Sequence[int], after: Sequence[int]) -> FloatArray:
        """The signed evidence of weighted samples at a boundary; 0 where they have no weight, and so no say."""
        weighs_N = weighted.weight_N > 0
        s_N = np.zeros(len(weighs_N))
        rows = weighted.row_N[weighs_N]
        s_N[weighs_N] = signed_evidence(*side_mixtures(self.loglik_NK[rows], before, after))
        return s_N

    def _mixture(self, sources: tuple[int, ...]) -> tuple[IntArray, FloatArray]:
        """Rows of these checkpoints, and log sum_j n_qj P_j of each."""
        if sources not in self._mixtures:
            checkpoints = self.loglik_NK.shape[1]
            row_N = np.flatnonzero(np.isin(self.checkpoint_N, sources))
            prompts, prompt_N = np.unique(self.prompt_N[row_N], return_inverse=True)
            key_N = prompt_N * checkpoints + self.checkpoint_N[row_N]
            count_QK = np.bincount(key_N, minlength=len(prompts) * checkpoints).reshape(-1, checkpoints)
            columns = list(sources)
            with np.errstate(divide="ignore"):
                log_count_NJ = np.log(count_QK)[prompt_N][:, columns]
            log_mixture_N = special.logsumexp(self.loglik_NK[row_N][:, columns] + log_count_NJ, axis=1)
            self._mixtures[sources] = (row_N, np.asarray(log_mixture_N))
        return self._mixtures[sources]


# The table of a set


@dataclass(frozen=True, eq=False)
class _Table:
    """Cells of a set under weights: W_c, m_c, and what their bias is made of."""

    weighted: Weighted
    cell_N: IntArray
    away_N: FloatArray  # s_i - m_c(i)
    mass_C: FloatArray
    mean_C: FloatArray

    @classmethod
    def of(cls, weighted: Weighted, s_N: FloatArray, cell_N: IntArray) -> "_Table":
        cells = int(cell_N.max()) + 1
        mass_C = binned(cell_N, weighted.weight_N, cells)
        sum_C = binned(cell_N, weighted.weight_N * s_N, cells)
        mean_C = np.divide(sum_C, mass_C, out=np.zeros(cells), where=mass_C > 0)
        return cls(weighted, cell_N, s_N - mean_C[cell_N], mass_C, mean_C)

    @property
    def cells(self) -> int:
        return len(self.mass_C)

    @property
    def plug_in(self) -> float:
        return float(self.mass_C @ self.mean_C**2)

    def psi_N(self, s_N: FloatArray) -> FloatArray:
        mean_N = self.mean_C[self.cell_N]
        psi_N: FloatArray = 2 * s_N * mean_N - mean_N**2 - self.plug_in
        return psi_N

    def bias(self, claim: Claim) -> float:
        """b = sum over cells of k_c V(phi_c); a cell with hardly any sample or prompt counts whole."""
        weighted = self.weighted
        if claim == "fixed":
            count_C = self._effective(binned(self.cell_N, weighted.weight_N**2, self.cells))
            variance_C, factor_C = self._variance_fixed(), _excess(count_C)
        else:
            prompts = weighted.prompts
            key_N = weighted.prompt_N * self.cells + self.cell_N
            mass_QC = binned(key_N, weighted.weight_N, prompts * self.cells).reshape(prompts, -1)
            count_C = self._effective((mass_QC**2).sum(axis=0))
            away_QC = binned(key_N, weighted.weight_N * self.away_N, prompts * self.cells).reshape(prompts, -1)
            variance_C = prompts / (prompts - 1) * (away_QC**2).sum(axis=0)
            factor_C = _excess(count_C) * (prompts - 1) / prompts
        usual_C = np.divide(factor_C * variance_C, self.mass_C, out=np.zeros(self.cells), where=self.mass_C > 0)
        return float(np.where(too_few(count_C, claim), self.mass_C * self.mean_C**2, usual_C).sum())

    def _effective(self, square_C: FloatArray) -> FloatArray:
        """Effective samples, or prompts, of each cell, from the sum of their squared weights in it."""
        return np.divide(self.mass_C**2, square_C, out=np.zeros(self.cells), where=square_C > 0)

    def _variance_fixed(self) -> FloatArray:
        """W_c V(phi_c) [C] for fixed prompts: sum over strata of n / (n - 1) sum (z_i - mean z)^2, where
        z_i = w_i (phi_i - mean of phi in the prompt), expanded so that only pairs that occur are summed."""
        weighted, cells = self.weighted, self.cells
        key_P, pair_N = np.unique(weighted.stratum_N * cells + self.cell_N, return_inverse=True)
        stratum_P, cell_P = np.divmod(key_P, cells)
        prompt_P = weighted.prompt_S[stratum_P]
        factor_P, share_P = weighted.factor_S[stratum_P], weighted.share_S[stratum_P]

        a_N = weighted.weight_N * self.away_N
        sum_P, square_P = (binned(pair_N, one, len(key_P)) for one in (a_N, a_N**2))
        cross_P = binned(pair_N, a_N * weighted.weight_N, len(key_P))
        mass_S = binned(weighted.stratum_N, weighted.weight_N, len(weighted.size_S))
        square_S = binned(weighted.stratum_N, weighted.weight_N**2, len(weighted.size_S))
        spread_S = weighted.factor_S * (square_S - mass_S**2 * weighted.share_S)
        spread_Q = binned(weighted.prompt_S, spread_S, weighted.prompts)

        key_of_P = prompt_P * cells + cell_P
        mean_QC = weighted.prompts * binned(key_of_P, sum_P, weighted.prompts * cells)
        own_P = factor_P * (square_P - sum_P**2 * share_P)
        crossed_P = factor_P * (cross_P - sum_P * mass_S[stratum_P] * share_P)
        variance_C = binned(cell_P, own_P - 2 * mean_QC[key_of_P] * crossed_P, cells)
        return variance_C + spread_Q @ mean_QC.reshape(-1, cells) ** 2


def _excess(count_C: FloatArray) -> FloatArray:
    """N / (N - 1), large where one sample alone fills a cell (there it is not used)."""
    return count_C / np.maximum(count_C - 1, 1e-9)
