"""Sums over strata and cells: what every estimate, and every resample of it, is made of.

An order parameter (or a set of them) puts each sample into a cell. All of Method, section 5, needs only, for
each stratum and cell, the number of samples, the sum and the sum of squares of their values. `CellSums` holds
these for R versions of the data at once (R = 1: the data; R = 999: a null), so that the estimate and its null
run through the same code. Axes: P (stratum, cell) pairs that occur, C cells, R versions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from probes.scale import FloatArray, IntArray
from tools.layout import BoolArray, Claim, Layout

MIN_COUNT_FIXED = 1.5
MIN_COUNT_RANDOM = 1.2


def too_few(count_C: FloatArray, claim: Claim) -> BoolArray:
    """Whether cells with so many effective samples (fixed) or prompts (random) are too thin for a variance."""
    return count_C < MIN_COUNT_FIXED if claim == "fixed" else count_C <= MIN_COUNT_RANDOM


@dataclass(frozen=True, eq=False)
class VarianceGroups:
    """Samples that share one variance in V(f) for fixed prompts (Method, section 5, notation).

    A stratum of two samples or more is a group of its own; strata of one sample are pooled by side. A lone
    stratum of one sample on its side has no group: it takes its squared distance from the side's mean.
    V(f) = sum over groups of coefficient x variance, plus the lone strata's mass^2 x distance^2.
    """

    group_S: IntArray  # -1 for a lone stratum
    size_G: IntArray
    coefficient_G: FloatArray
    lone: tuple[int, ...]  # strata, at most one a side


def variance_groups(layout: Layout) -> VarianceGroups:
    single_S = layout.size_S == 1
    group_S = np.cumsum(~single_S) - 1
    group_S[single_S] = -1
    sizes = [layout.size_S[~single_S]]
    coefficients = [(layout.mass_S**2 / layout.size_S)[~single_S]]
    groups = int((~single_S).sum())
    lone: list[int] = []
    for side in (0, 1):
        singles = np.flatnonzero(single_S & (layout.side_S == side))
        if len(singles) == 1:
            lone.append(int(singles[0]))
        elif len(singles) > 1:
            group_S[singles] = groups
            groups += 1
            sizes.append(np.array([len(singles)]))
            coefficients.append(np.array([(layout.mass_S[singles] ** 2).sum()]))
    return VarianceGroups(group_S, np.concatenate(sizes), np.concatenate(coefficients), tuple(lone))


def summing(index_P: IntArray, size: int, weight_P: FloatArray | None = None) -> sparse.csr_matrix:
    """The matrix [size, P] that sums rows P into their `index_P`, weighted; a negative index is left out."""
    kept = np.flatnonzero(index_P >= 0)
    data = np.ones(len(kept)) if weight_P is None else weight_P[kept]
    return sparse.csr_matrix((data, (index_P[kept], kept)), shape=(size, len(index_P)))


@dataclass(frozen=True, eq=False)
class Pairs:
    """The (stratum, cell) pairs that occur in a layout whose samples sit in cells 0..C-1, and how they add up."""

    layout: Layout
    stratum_P: IntArray
    cell_P: IntArray
    cells: int

    @cached_property
    def groups(self) -> VarianceGroups:
        return variance_groups(self.layout)

    @cached_property
    def weight_P(self) -> FloatArray:
        """Weight of one sample of the pair."""
        weight_P: FloatArray = (self.layout.mass_S / self.layout.size_S)[self.stratum_P]
        return weight_P

    @cached_property
    def prompt_P(self) -> IntArray:
        prompt_P: IntArray = self.layout.prompt_S[self.stratum_P]
        return prompt_P

    @cached_property
    def to_cells(self) -> sparse.csr_matrix:
        return summing(self.cell_P, self.cells)

    @cached_property
    def to_cells_weighted(self) -> sparse.csr_matrix:
        return summing(self.cell_P, self.cells, self.weight_P)

    @cached_property
    def to_cells_weighted_twice(self) -> sparse.csr_matrix:
        return summing(self.cell_P, self.cells, self.weight_P**2)

    @cached_property
    def blocks(self) -> dict[Claim, "Blocks"]:
        return {}

    def blocks_of(self, claim: Claim) -> "Blocks":
        """Pairs merged into (group, cell) for fixed prompts or (prompt, cell) for random ones."""
        if claim not in self.blocks:
            if claim == "fixed":
                unit_P = self.groups.group_S[self.stratum_P]
                weight_P = np.ones(len(unit_P))
            else:
                unit_P, weight_P = self.prompt_P, self.weight_P
            self.blocks[claim] = _blocks(unit_P, self.cell_P, self.cells, weight_P)
        return self.blocks[claim]


@dataclass(frozen=True, eq=False)
class Blocks:
    """(unit, cell) blocks B; a unit is a variance group or a prompt. `merge` [B, P] sums pairs into blocks."""

    unit_B: IntArray
    cell_B: IntArray
    merge: sparse.csr_matrix


def _blocks(unit_P: IntArray, cell_P: IntArray, cells: int, weight_P: FloatArray) -> Blocks:
    key_P = np.where(unit_P >= 0, unit_P * cells + cell_P, -1)
    key_B, inverse = np.unique(key_P[key_P >= 0], return_inverse=True)
    block_P = np.full(len(key_P), -1, dtype=np.int64)
    block_P[key_P >= 0] = np.asarray(inverse).reshape(-1)
    return Blocks(key_B // cells, key_B % cells, summing(block_P, len(key_B), weight_P))


@dataclass(frozen=True, eq=False)
class CellSums:
    """Counts, sums and sums of squares of the values over (stratum, cell) pairs, for R versions of the data.

    count_PR and square_PR may have a single column where they are the same in all versions.
    """

    pairs: Pairs
    count_PR: FloatArray
    sum_PR: FloatArray
    square_PR: FloatArray

    @cached_property
    def mass_CR(self) -> FloatArray:
        """W_c: total weight of each cell."""
        return np.asarray(self.pairs.to_cells_weighted @ self.count_PR)

    @cached_property
    def mean_CR(self) -> FloatArray:
        """m_c: weighted mean of the values in each cell."""
        mean_CR: FloatArray = np.asarray(self.pairs.to_cells_weighted @ self.sum_PR) / self.mass_CR
        return mean_CR

    @cached_property
    def plug_in_R(self) -> FloatArray:
        """T = sum of W_c m_c^2."""
        plug_in_R: FloatArray = (self.mass_CR * self.mean_CR**2).sum(axis=0)
        return plug_in_R

    @cached_property
    def deviation_PR(self) -> FloatArray:
        """Sum over the pair's samples of v - m_c."""
        deviation_PR: FloatArray = self.sum_PR - self.mean_CR[self.pairs.cell_P] * self.count_PR
        return deviation_PR

    @cached_property
    def squared_deviation_PR(self) -> FloatArray:
        """Sum over the pair's samples of (v - m_c)^2."""
        mean_PR = self.mean_CR[self.pairs.cell_P]
        squared_PR: FloatArray = self.square_PR - 2 * mean_PR * self.sum_PR + mean_PR**2 * self.count_PR
        return squared_PR

    @cached_property
    def _effective_counts(self) -> dict[Claim, FloatArray]:
        return {}

    def effective_count_CR(self, claim: Claim) -> FloatArray:
        """N (fixed: effective samples) or K (random: effective prompts) of each cell."""
        if claim not in self._effective_counts:
            self._effective_counts[claim] = self._counted(claim)
        return self._effective_counts[claim]

    def thin_CR(self, claim: Claim) -> BoolArray:
        """Cells with too few effective samples or prompts for a variance."""
        return too_few(self.effective_count_CR(claim), claim)

    def _counted(self, claim: Claim) -> FloatArray:
        if claim == "fixed":
            squares_CR = np.asarray(self.pairs.to_cells_weighted_twice @ self.count_PR)
            return np.asarray(self.mass_CR**2 / squares_CR)
        blocks = self.pairs.blocks_of(claim)
        mass_BR = np.asarray(blocks.merge @ self.count_PR)
        squares_CR = np.asarray(summing(blocks.cell_B, self.pairs.cells) @ mass_BR**2)
        return np.asarray(self.mass_CR**2 / squares_CR)


def sums_of(values_N: FloatArray, layout: Layout, cell_N: IntArray) -> CellSums:
    """The sums of the data themselves (R = 1); cells 0..C-1, each of which occurs."""
    return sums_over(*pairs_of(layout, cell_N), values_N)


def sums_over(pairs: Pairs, pair_N: IntArray, values_N: FloatArray) -> CellSums:
    """The sums over pairs [P] of values whose pair [N] is known (R = 1)."""

    def over_pairs(weight_N: FloatArray) -> FloatArray:
        sums_P: FloatArray = np.bincount(pair_N, weights=weight_N, minlength=len(pairs.cell_P)).astype(float)
        return sums_P[:, None]

    return CellSums(pairs, over_pairs(np.ones_like(values_N)), over_pairs(values_N), over_pairs(values_N**2))


def pairs_of(layout: Layout, cell_N: IntArray) -> tuple[Pairs, IntArray]:
    """The pairs that occur, and the pair [N] of each sample."""
    cells = int(cell_N.max(initial=-1)) + 1
    key_P, inverse = np.unique(layout.stratum_N * cells + cell_N, return_inverse=True)
    pairs = Pairs(layout, key_P // cells, key_P % cells, cells)
    return pairs, np.asarray(inverse, dtype=np.int64).reshape(-1)
