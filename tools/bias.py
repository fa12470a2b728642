"""The upward bias of R^2 tables, and the bias-corrected dissimilarity and gain, for R versions of the data.

Source: Method, section 5, "Point estimate". T is the plug-in, b its estimated bias: b = sum_c k_c V(phi_c) with
phi_ic = 1_c (v_i - m_c) / sqrt(W_c).
"""

from dataclasses import dataclass

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.cells import CellSums, summing
from tools.layout import Claim


def cell_variances(sums: CellSums, claim: Claim) -> FloatArray:
    """V(phi_c) of each cell [C, R]."""
    pairs = sums.pairs
    blocks = pairs.blocks_of(claim)
    to_cells = summing(blocks.cell_B, pairs.cells)
    deviation_BR = np.asarray(blocks.merge @ sums.deviation_PR)
    if claim == "random":
        prompts = pairs.layout.prompts
        total_CR = np.asarray(to_cells @ deviation_BR**2) * prompts / (prompts - 1)
        return np.asarray(total_CR / sums.mass_CR)
    scale_B = _unit_scale(sums)[blocks.unit_B][:, None]
    size_B = pairs.groups.size_G[blocks.unit_B][:, None]
    squared_BR = np.asarray(blocks.merge @ sums.squared_deviation_PR)
    within_CR = np.asarray(to_cells @ (scale_B * (squared_BR - deviation_BR**2 / size_B))) / sums.mass_CR
    for stratum in pairs.groups.lone:
        distance_CR = _lone_distance(sums, stratum) / np.sqrt(sums.mass_CR)
        within_CR = within_CR + pairs.layout.mass_S[stratum] ** 2 * distance_CR**2
    return within_CR


def bias(sums: CellSums, claim: Claim) -> FloatArray:
    """b [R]. A cell with too few effective samples (or prompts) adds its whole W_c m_c^2 instead."""
    factor_CR = small_sample_factor(sums, claim)
    bias_CR = np.where(
        sums.thin_CR(claim), sums.mass_CR * sums.mean_CR**2, factor_CR * cell_variances(sums, claim)
    )
    return np.asarray(bias_CR.sum(axis=0))


def small_sample_factor(sums: CellSums, claim: Claim) -> FloatArray:
    """k_c [C, R]: N / (N - 1) for fixed prompts, [K / (K - 1)] (Q - 1) / Q for random ones; 1 in thin cells."""
    count_CR = sums.effective_count_CR(claim)
    thin_CR = sums.thin_CR(claim)
    factor_CR = np.ones_like(count_CR)
    np.divide(count_CR, count_CR - 1, out=factor_CR, where=~thin_CR)
    if claim == "random":
        prompts = sums.pairs.layout.prompts
        factor_CR = np.where(thin_CR, 1.0, factor_CR * (prompts - 1) / prompts)
    return factor_CR


def corrected_dissimilarity(sums: CellSums, claim: Claim) -> FloatArray:
    """T - b [R], not cut at 0."""
    return sums.plug_in_R - bias(sums, claim)


@dataclass(frozen=True, eq=False)
class Refinement:
    """A set of cells S and the joint cells J that a further parameter splits them into, over the same samples."""

    joint: CellSums
    parent: CellSums
    parent_C: IntArray

    @property
    def plug_in_R(self) -> FloatArray:
        return np.asarray(self.joint.plug_in_R - self.parent.plug_in_R)


def gain_bias(refinement: Refinement, claim: Claim) -> FloatArray:
    """b [R] of the gain T_J - T_S: max(b_J - b_S, half of the sum of V(phi_gain) over joint cells)."""
    difference_R = bias(refinement.joint, claim) - bias(refinement.parent, claim)
    return np.maximum(difference_R, 0.5 * _gain_variance(refinement, claim))


def corrected_gain(refinement: Refinement, claim: Claim) -> FloatArray:
    """T_J - T_S - b [R], not cut at 0."""
    return np.asarray(refinement.plug_in_R - gain_bias(refinement, claim))


def _unit_scale(sums: CellSums) -> FloatArray:
    """What a group's sum of squared deviations from its mean is multiplied with: coefficient / (size - 1)."""
    groups = sums.pairs.groups
    return np.asarray(groups.coefficient_G / (groups.size_G - 1))


def _gain_variance(refinement: Refinement, claim: Claim) -> FloatArray:
    """Sum over joint cells of V(phi_gain) [R].

    phi_gain = 1_c (v - m_c) / sqrt(W_c) - 1_p (v - m_p) sqrt(W_c) / W_p, p the parent of c. Within a unit (a
    variance group, or a prompt) the squares of the sums, and the sums of squares, add up over the children of
    a parent to d_c^2 / W_c - 2 d_c e_p / W_p (over the children that occur) + e_p^2 / W_p; likewise for squares.
    """
    joint, parent, parent_C = refinement.joint, refinement.parent, refinement.parent_C
    child, above = joint.pairs.blocks_of(claim), parent.pairs.blocks_of(claim)
    key_A = above.unit_B * parent.pairs.cells + above.cell_B
    above_B = np.searchsorted(key_A, child.unit_B * parent.pairs.cells + parent_C[child.cell_B])
    child_mass_BR = joint.mass_CR[child.cell_B]
    above_mass_AR = parent.mass_CR[above.cell_B]
    above_mass_BR = above_mass_AR[above_B]

    deviation_BR = np.asarray(child.merge @ joint.deviation_PR)
    deviation_AR = np.asarray(above.merge @ parent.deviation_PR)
    of_child_BR = deviation_BR**2 / child_mass_BR - 2 * deviation_BR * deviation_AR[above_B] / above_mass_BR
    of_above_AR = deviation_AR**2 / above_mass_AR
    if claim == "random":
        prompts = joint.pairs.layout.prompts
        total_R = of_child_BR.sum(axis=0) + of_above_AR.sum(axis=0)
        return np.asarray(total_R * prompts / (prompts - 1))

    squared_BR = np.asarray(child.merge @ joint.squared_deviation_PR)
    squared_AR = np.asarray(above.merge @ parent.squared_deviation_PR)
    mean_gap_BR = joint.mean_CR[child.cell_B] - parent.mean_CR[above.cell_B][above_B]
    cross_BR = squared_BR + mean_gap_BR * deviation_BR
    squares_of_child_BR = squared_BR / child_mass_BR - 2 * cross_BR / above_mass_BR
    squares_of_above_AR = squared_AR / above_mass_AR
    scale_G, size_G = _unit_scale(joint), joint.pairs.groups.size_G
    child_BR = squares_of_child_BR - of_child_BR / size_G[child.unit_B][:, None]
    above_AR = squares_of_above_AR - of_above_AR / size_G[above.unit_B][:, None]
    total_R = scale_G[child.unit_B] @ child_BR + scale_G[above.unit_B] @ above_AR
    for stratum in joint.pairs.groups.lone:
        total_R = total_R + _lone_gain(refinement, stratum)
    return np.asarray(total_R)


def _side_sums(sums: CellSums, side: int, weight_P: FloatArray) -> FloatArray:
    """Weighted sum [C, R] over one side of v - m_c."""
    on_side_P = sums.pairs.layout.side_S[sums.pairs.stratum_P] == side
    index_P = np.where(on_side_P, sums.pairs.cell_P, -1)
    return np.asarray(summing(index_P, sums.pairs.cells, weight_P) @ sums.deviation_PR)


def _lone_distance(sums: CellSums, stratum: int) -> FloatArray:
    """1_c (v - m_c) of a lone sample less its side's mean of prompt means [C, R]."""
    layout = sums.pairs.layout
    in_stratum_P = np.where(sums.pairs.stratum_P == stratum, sums.pairs.cell_P, -1)
    own_CR = np.asarray(summing(in_stratum_P, sums.pairs.cells) @ sums.deviation_PR)
    side = int(layout.side_S[stratum])
    return np.asarray(own_CR - 2 * _side_sums(sums, side, sums.pairs.weight_P))


def _lone_gain(refinement: Refinement, stratum: int) -> FloatArray:
    """A lone stratum's part of the sum of V(phi_gain) over joint cells [R]."""
    joint, parent, parent_C = refinement.joint, refinement.parent, refinement.parent_C
    own_CR = _lone_distance(joint, stratum) / np.sqrt(joint.mass_CR)
    above_CR = (_lone_distance(parent, stratum) / parent.mass_CR)[parent_C] * np.sqrt(joint.mass_CR)
    squared_R = ((own_CR - above_CR) ** 2).sum(axis=0)
    return np.asarray(joint.pairs.layout.mass_S[stratum] ** 2 * squared_R)
