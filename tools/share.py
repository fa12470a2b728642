"""Dissimilarity, gain and share of an order parameter or a set: the R^2 of the signed evidence on its levels.

Source: Method, sections 3-5; arXiv 2508.20015 for the share. `values_N` are the signed evidence s (likelihood
mode) or the labels y = `layout.label_N` (black box). Levels are integers from 0; negative ones are missing: a
set is measured on its complete cases, weights renewed within prompt and side. Where these leave fewer prompts than
the claim needs (`FEWEST_PROMPTS`), estimates are `UNKNOWN`.
"""

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.bias import Refinement, bias, gain_bias
from tools.cells import CellSums, sums_of
from tools.inference import UNKNOWN, ZERO, Estimate, critical_value, interval, variance_of_mean
from tools.layout import FEWEST_PROMPTS, BoolArray, Claim, Layout


def joint_cells(levels_NJ: IntArray) -> IntArray:
    """The joint cell [N], numbered from 0 without gaps, of levels [N, J] >= 0 (J = 0: one cell)."""
    cell_N = np.zeros(len(levels_NJ), dtype=np.int64)
    for column_N in levels_NJ.T:
        _, inverse = np.unique(cell_N * (int(column_N.max(initial=0)) + 1) + column_N, return_inverse=True)
        cell_N = np.asarray(inverse, dtype=np.int64).reshape(-1)
    return cell_N


def complete_cases(levels_NJ: IntArray, layout: Layout) -> tuple[Layout, BoolArray]:
    """The layout of the rows on which every level is present, and their mask [N]."""
    return layout.rows(np.all(levels_NJ >= 0, axis=1))


def cell_means(values_N: FloatArray, layout: Layout, cell_N: IntArray) -> FloatArray:
    """E[v | cell] for each sample [N]: what the table predicts. The residual is `values_N` less this."""
    mean_N: FloatArray = sums_of(values_N, layout, cell_N).mean_CR[cell_N, 0]
    return mean_N


def dissimilarity(values_N: FloatArray, layout: Layout, levels_N: IntArray, claim: Claim) -> Estimate:
    """D_z of one order parameter with levels [N], bias corrected, with its interval."""
    return set_dissimilarity(values_N, layout, levels_N[:, None], claim)


def set_dissimilarity(values_N: FloatArray, layout: Layout, levels_NJ: IntArray, claim: Claim) -> Estimate:
    """D_S of a set of order parameters with levels [N, J]: its joint table on its complete cases."""
    sub, mask_N = complete_cases(levels_NJ, layout)
    if sub.prompts < FEWEST_PROMPTS[claim]:
        return UNKNOWN
    cell_N = joint_cells(levels_NJ[mask_N])
    if cell_N.max() == 0:
        return ZERO
    sums = sums_of(values_N[mask_N], sub, cell_N)
    standard_error = np.sqrt(variance_of_mean(_psi(values_N[mask_N], sums, cell_N), sub, claim))
    return interval(
        float(sums.plug_in_R[0]),
        float(bias(sums, claim)[0]),
        float(standard_error),
        sums.pairs.cells - 1,
        critical_value(sub, claim),
    )


def gain(
    values_N: FloatArray, layout: Layout, set_levels_NJ: IntArray, levels_N: IntArray, claim: Claim
) -> Estimate:
    """D_J - D_S: what the parameter with levels [N] adds to the set with levels [N, J], on complete cases."""
    joint_NJ = np.column_stack([set_levels_NJ, levels_N])
    sub, mask_N = complete_cases(joint_NJ, layout)
    if sub.prompts < FEWEST_PROMPTS[claim]:
        return UNKNOWN
    values_N, joint_NJ = values_N[mask_N], joint_NJ[mask_N]
    parent_N, child_N = joint_cells(joint_NJ[:, :-1]), joint_cells(joint_NJ)
    refinement = refine(values_N, sub, parent_N, child_N)
    new_cells = refinement.joint.pairs.cells - refinement.parent.pairs.cells
    if new_cells == 0:
        return ZERO
    psi_N = _psi(values_N, refinement.joint, child_N) - _psi(values_N, refinement.parent, parent_N)
    return interval(
        float(refinement.plug_in_R[0]),
        float(gain_bias(refinement, claim)[0]),
        float(np.sqrt(variance_of_mean(psi_N, sub, claim))),
        new_cells,
        critical_value(sub, claim),
    )


def share(values_N: FloatArray, layout: Layout, levels_NJ: IntArray, claim: Claim) -> Estimate:
    """The set's share of the total, D_S / D with D over the same complete cases (likelihood mode)."""
    sub, mask_N = complete_cases(levels_NJ, layout)
    if sub.prompts < FEWEST_PROMPTS[claim]:
        return UNKNOWN
    s_N, cell_N = values_N[mask_N], joint_cells(levels_NJ[mask_N])
    whole = float(sub.weight_N @ s_N**2)
    if cell_N.max() == 0 or whole == 0:
        return ZERO
    sums = sums_of(s_N, sub, cell_N)
    ratio = float(sums.plug_in_R[0]) / whole
    psi_N = (_psi(s_N, sums, cell_N) - ratio * (s_N**2 - whole)) / whole
    return interval(
        ratio,
        float(bias(sums, claim)[0]) / whole,
        float(np.sqrt(variance_of_mean(psi_N, sub, claim))),
        sums.pairs.cells - 1,
        critical_value(sub, claim),
    )


def refine(values_N: FloatArray, layout: Layout, parent_N: IntArray, child_N: IntArray) -> Refinement:
    """Sums over parent cells and over the child cells that refine them, for the same complete samples."""
    joint, parent = sums_of(values_N, layout, child_N), sums_of(values_N, layout, parent_N)
    return Refinement(joint, parent, parents_of(parent_N, child_N))


def parents_of(parent_N: IntArray, child_N: IntArray) -> IntArray:
    """The parent cell [C] of each child cell."""
    parent_C = np.zeros(int(child_N.max()) + 1, dtype=np.int64)
    parent_C[child_N] = parent_N
    return parent_C


def _psi(values_N: FloatArray, sums: CellSums, cell_N: IntArray) -> FloatArray:
    """psi_i = 2 v_i m_c(i) - m_c(i)^2 - T."""
    mean_N = sums.mean_CR[cell_N, 0]
    psi_N: FloatArray = 2 * values_N * mean_N - mean_N**2 - sums.plug_in_R[0]
    return psi_N
