"""What chance alone would show: null distributions of T - b and of gains, p-values and q-values.

Source: Method, section 5, "Null and p-values" and "Greedy". Every scheme keeps what the claim takes as given:

- black box, fixed prompts: labels permuted within prompt (for a gain, also within the set's current cell);
- likelihoods, fixed prompts: the sign of each sample's value flipped (permuting is wrong where |s| depends on z);
- random prompts: the values of whole prompts flipped.

All candidates see the same draws, so that the largest of them under chance is known too. A candidate with missing
levels is measured, and resampled, on its own complete cases.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import numpy as np
from scipy import stats

from probes.scale import FloatArray, IntArray
from tools import bias, prompt_flips
from tools.cells import CellSums, Pairs, pairs_of, summing, sums_of, sums_over
from tools.layout import BEFORE, FEWEST_PROMPTS, BoolArray, Claim, Layout
from tools.share import joint_cells, parents_of

DRAWS_HELD = 8_000_000
"""Numbers of one draw matrix that are held at a time (64 MB)."""

SMALLEST_WIDTH = 1024
"""Draws are at least this wide for `DRAWS_HELD`, since joint cells may be more than prompts."""

SAME = 1e-12
"""A resample this close to the observed value counts as equal to it."""


@dataclass(frozen=True, eq=False)
class NullGains:
    """Bias-corrected gains of J candidates over one set: observed [J], and under the null [J, R].

    A candidate without new cells (or whose complete cases are too few for the claim) has `new_cells_J` 0.
    """

    observed_J: FloatArray
    null_JR: FloatArray
    new_cells_J: IntArray


def p_values(
    values_N: FloatArray,
    layout: Layout,
    levels_NJ: IntArray,
    claim: Claim,
    *,
    black_box: bool,
    seed: int,
    resamples: int = 999,
) -> FloatArray:
    """p [J] of each candidate alone: (1 + resamples with T - b at least the observed) / (1 + resamples).

    values_N: signed evidence, or labels in black-box mode. 1 where a candidate has one cell only.
    """
    nothing_NS = np.empty((layout.samples, 0), dtype=np.int64)
    cases = _cases(layout, nothing_NS, levels_NJ, claim)
    observed_J = np.full(levels_NJ.shape[1], np.nan)
    for case in cases:
        for j, cell_M in case.cells.items():
            if cell_M.max() > 0:
                sums = sums_of(values_N[case.mask_N], case.layout, cell_M)
                observed_J[j] = bias.corrected_dissimilarity(sums, claim)[0]
    reached_J = np.zeros(len(observed_J))
    for _, scheme in _schemes(layout, claim, black_box, seed, resamples):
        for case in cases:
            null = scheme(values_N[case.mask_N], case)
            for j, cell_M in case.cells.items():
                if cell_M.max() > 0:
                    reached_J[j] += (null.dissimilarity(cell_M) >= observed_J[j] - SAME).sum()
    return np.where(np.isnan(observed_J), 1.0, (1 + reached_J) / (1 + resamples))


def q_values(p_J: FloatArray) -> FloatArray:
    """Benjamini-Hochberg over all candidates ever tried: false discovery rate at which each would be kept."""
    return np.asarray(stats.false_discovery_control(p_J)) if len(p_J) else p_J


def null_gains(
    values_N: FloatArray,
    layout: Layout,
    set_levels_NS: IntArray,
    levels_NJ: IntArray,
    claim: Claim,
    *,
    black_box: bool,
    seed: int,
    resamples: int = 999,
) -> NullGains:
    """Gains of candidates with levels [N, J] over the set with levels [N, S], and what chance gives them."""
    size = levels_NJ.shape[1]
    observed_J, new_cells_J = np.zeros(size), np.zeros(size, dtype=np.int64)
    null_JR = np.zeros((size, resamples))
    cases = _cases(layout, set_levels_NS, levels_NJ, claim)
    for case in cases:
        values_M = values_N[case.mask_N]
        parent = sums_of(values_M, case.layout, case.parent_M)
        for j, cell_M in case.cells.items():
            joint = sums_of(values_M, case.layout, cell_M)
            refinement = bias.Refinement(joint, parent, parents_of(case.parent_M, cell_M))
            new_cells_J[j] = refinement.joint.pairs.cells - refinement.parent.pairs.cells
            observed_J[j] = bias.corrected_gain(refinement, claim)[0] if new_cells_J[j] else 0.0
    permutes = black_box and claim == "fixed"
    resampled = [values_N[case.mask_N] if permutes else _residual(values_N, case, claim) for case in cases]
    first = 0
    for versions, scheme in _schemes(layout, claim, black_box, seed, resamples):
        for case, values_M in zip(cases, resampled, strict=True):
            null = scheme(values_M, case)
            for j, cell_M in case.cells.items():
                if new_cells_J[j]:
                    null_JR[j, first : first + versions] = null.gain(cell_M)
        first += versions
    return NullGains(observed_J, null_JR, new_cells_J)


@dataclass(frozen=True, eq=False)
class _Case:
    """Candidates that share their complete cases M: these rows, their cells in the set, and joint cells by j."""

    layout: Layout
    mask_N: BoolArray
    parent_M: IntArray
    cells: dict[int, IntArray]


def _cases(layout: Layout, set_levels_NS: IntArray, levels_NJ: IntArray, claim: Claim) -> list[_Case]:
    """Candidates grouped by their complete cases; those that leave too few prompts are in no group."""
    set_complete_N = np.all(set_levels_NS >= 0, axis=1)
    groups: dict[bytes, list[int]] = {}
    for j, levels_N in enumerate(levels_NJ.T):
        groups.setdefault(np.packbits(set_complete_N & (levels_N >= 0)).tobytes(), []).append(j)
    cases = []
    for members in groups.values():
        sub, mask_N = layout.rows(set_complete_N & (levels_NJ[:, members[0]] >= 0))
        if sub.prompts >= FEWEST_PROMPTS[claim]:
            parent_M = joint_cells(set_levels_NS[mask_N])
            cells = {j: joint_cells(np.column_stack([parent_M, levels_NJ[mask_N, j]])) for j in members}
            cases.append(_Case(sub, mask_N, parent_M, cells))
    return cases


def _residual(values_N: FloatArray, case: _Case, claim: Claim) -> FloatArray:
    """sqrt(k) (v - m_S) [M]: what the set leaves of the values, with the variance of the errors restored."""
    values_M = values_N[case.mask_N]
    sums = sums_of(values_M, case.layout, case.parent_M)
    factor_C = bias.small_sample_factor(sums, claim)[:, 0]
    return np.asarray(np.sqrt(factor_C[case.parent_M]) * (values_M - sums.mean_CR[case.parent_M, 0]))


class _Null(Protocol):
    """R versions of one case under the null. Both results [R] are bias corrected and not cut at 0."""

    def dissimilarity(self, cell_M: IntArray) -> FloatArray: ...

    def gain(self, cell_M: IntArray) -> FloatArray:
        """Of joint cells over the case's parent cells."""
        ...


_Scheme = Callable[[FloatArray, _Case], _Null]
"""Makes the null versions of a case from its values [M]; shared draws inside."""


def _schemes(
    layout: Layout, claim: Claim, black_box: bool, seed: int, resamples: int
) -> Iterator[tuple[int, _Scheme]]:
    """The null in pieces of R versions each, with that R; all candidates of a piece share its draws."""
    generator = np.random.default_rng(seed)
    width = layout.prompts if claim == "random" else layout.samples
    piece = max(1, DRAWS_HELD // max(width, SMALLEST_WIDTH))
    for first in range(0, resamples, piece):
        versions = min(piece, resamples - first)
        if claim == "fixed" and black_box:
            yield versions, partial(_Permuted, generator.random((versions, width)))
            continue
        sign_RW = generator.choice(np.array([-1.0, 1.0]), (versions, width))
        yield (
            versions,
            partial(_PromptFlips, layout, sign_RW) if claim == "random" else partial(_SampleFlips, sign_RW),
        )


class _SampleFlips:
    """Values with the sign of each sample flipped. sign_RN: over all N rows of the layout."""

    def __init__(self, sign_RN: FloatArray, values_M: FloatArray, case: _Case) -> None:
        self._values_M, self._case = values_M, case
        self._sign_MR = np.ascontiguousarray(sign_RN[:, case.mask_N].T)

    def dissimilarity(self, cell_M: IntArray) -> FloatArray:
        return bias.corrected_dissimilarity(self._sums(cell_M), "fixed")

    def gain(self, cell_M: IntArray) -> FloatArray:
        parent_C = parents_of(self._case.parent_M, cell_M)
        return bias.corrected_gain(bias.Refinement(self._sums(cell_M), self._parent, parent_C), "fixed")

    @cached_property
    def _parent(self) -> CellSums:
        return self._sums(self._case.parent_M)

    def _sums(self, cell_M: IntArray) -> CellSums:
        pairs, pair_M = pairs_of(self._case.layout, cell_M)
        unflipped = sums_over(pairs, pair_M, self._values_M)
        sum_PR = np.asarray(summing(pair_M, len(pairs.cell_P), self._values_M) @ self._sign_MR)
        return CellSums(pairs, unflipped.count_PR, sum_PR, unflipped.square_PR)


class _Permuted:
    """Labels permuted within prompt and parent cell. key_RN: keys in [0, 1) over all N rows of the layout."""

    def __init__(self, key_RN: FloatArray, values_M: FloatArray, case: _Case) -> None:
        layout = case.layout
        self._layout, self._case = layout, case
        self._parent = sums_of(values_M, layout, case.parent_M)
        parents = self._parent.pairs.cells
        self._group_M = layout.prompt_N * parents + case.parent_M
        self._first_stratum_Q = np.searchsorted(layout.prompt_S, np.arange(layout.prompts))
        rank_M = layout.stratum_N - self._first_stratum_Q[layout.prompt_N]
        order_RM = np.argsort(self._group_M + key_RN[:, case.mask_N], axis=1)
        rank_RM = np.empty(order_RM.shape, dtype=np.int16)
        np.put_along_axis(rank_RM, order_RM, rank_M[np.argsort(self._group_M, kind="stable")][None, :], axis=1)
        rank_MR = np.ascontiguousarray(rank_RM.T)
        self._in_stratum = [(rank_MR == rank).astype(float) for rank in range(int(rank_M.max()) + 1)]
        key_T = np.unique(self._group_M * layout.strata + layout.stratum_N)
        self._group_T, self._stratum_T = key_T // layout.strata, key_T % layout.strata

    def dissimilarity(self, cell_M: IntArray) -> FloatArray:
        return bias.corrected_dissimilarity(self._sums(cell_M), "fixed")

    def gain(self, cell_M: IntArray) -> FloatArray:
        # What each stratum has in each parent cell stays the same, so the parent's sums do too.
        parent_C = parents_of(self._case.parent_M, cell_M)
        return bias.corrected_gain(bias.Refinement(self._sums(cell_M), self._parent, parent_C), "fixed")

    def _sums(self, cell_M: IntArray) -> CellSums:
        """Pairs P are all strata of a group with all cells of that group: each may occur in some version."""
        cells = int(cell_M.max()) + 1
        key_B, inverse = np.unique(self._group_M * cells + cell_M, return_inverse=True)
        to_blocks = summing(np.asarray(inverse).reshape(-1), len(key_B))
        count_KBR = np.stack([np.asarray(to_blocks @ indicator_MR) for indicator_MR in self._in_stratum])
        group_B, cell_B = key_B // cells, key_B % cells
        first_B = np.searchsorted(self._group_T, group_B)
        strata_B = np.searchsorted(self._group_T, group_B, side="right") - first_B
        block_P = np.repeat(np.arange(len(key_B)), strata_B)
        within_P = np.arange(len(block_P)) - np.repeat(np.cumsum(strata_B) - strata_B, strata_B)
        stratum_P = self._stratum_T[first_B[block_P] + within_P]
        rank_P = stratum_P - self._first_stratum_Q[self._layout.prompt_S[stratum_P]]
        count_PR = count_KBR[rank_P, block_P]
        label_P1 = np.where(self._layout.side_S[stratum_P] == BEFORE, 1.0, -1.0)[:, None]
        pairs = Pairs(self._layout, stratum_P, cell_B[block_P], cells)
        return CellSums(pairs, count_PR, label_P1 * count_PR, count_PR)


class _PromptFlips:
    """Values of whole prompts flipped. sign_RQ: over all prompts of the layout."""

    def __init__(self, layout: Layout, sign_RQ: FloatArray, values_M: FloatArray, case: _Case) -> None:
        kept = np.unique(layout.prompt_N[case.mask_N])
        self._values_M, self._case = values_M, case
        self._sign_QR = np.ascontiguousarray(sign_RQ[:, kept].T)

    def dissimilarity(self, cell_M: IntArray) -> FloatArray:
        return prompt_flips.corrected_dissimilarity(self._flipped(cell_M))

    def gain(self, cell_M: IntArray) -> FloatArray:
        parent_C = parents_of(self._case.parent_M, cell_M)
        return prompt_flips.corrected_gain(self._flipped(cell_M), self._parent, parent_C)

    @cached_property
    def _parent(self) -> prompt_flips.Flipped:
        return self._flipped(self._case.parent_M)

    def _flipped(self, cell_M: IntArray) -> prompt_flips.Flipped:
        table = prompt_flips.prompt_table(self._values_M, self._case.layout, cell_M)
        return prompt_flips.Flipped(table, self._sign_QR)
