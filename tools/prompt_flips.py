"""Nulls for random prompts: the values of whole prompts flipped in sign, without a sum over samples.

Flipping prompt q by e_q = +-1 changes only the signed sums a_qc = sum of w v over prompt q and cell c. With
d_qc = e_q a_qc - m_c w_qc the deviations of a flipped version, T, b and the gain's b are sums over q of products
of d, and these are products of the matrices a, a w, ... with e. `tools.bias` has the same formulas for any data;
the tests hold one against the other. Source: Method, section 5, "Null and p-values", "Greedy".
Axes: B (prompt, cell) pairs that occur, C cells, Q prompts, R versions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from probes.scale import FloatArray, IntArray
from tools.bias import small_sample_factor
from tools.cells import sums_of
from tools.layout import BoolArray, Layout

DENSE = 0.1
"""Share of (prompt, cell) pairs that occur from which on a dense matrix is the faster one."""


@dataclass(frozen=True, eq=False)
class PromptTable:
    """Signed sums a and masses w of the values over (prompt, cell) pairs."""

    prompt_B: IntArray
    cell_B: IntArray
    signed_B: FloatArray
    mass_B: FloatArray
    mass_C: FloatArray
    factor_C: FloatArray  # k_c; 1 in thin cells
    thin_C: BoolArray
    prompts: int

    def sums(self, weight_B: FloatArray, sign_QR: FloatArray) -> FloatArray:
        """Sum over prompts of weight x sign [C, R]."""
        cells = len(self.mass_C)
        if len(weight_B) < DENSE * cells * self.prompts:
            shape = (cells, self.prompts)
            return np.asarray(sparse.csr_matrix((weight_B, (self.cell_B, self.prompt_B)), shape=shape) @ sign_QR)
        weight_CQ = np.zeros((cells, self.prompts))
        weight_CQ[self.cell_B, self.prompt_B] = weight_B
        return np.asarray(weight_CQ @ sign_QR)

    def over_prompts(self, value_B: FloatArray) -> FloatArray:
        """Sum over prompts [C, 1]."""
        sum_C: FloatArray = np.bincount(self.cell_B, weights=value_B, minlength=len(self.mass_C)).astype(float)
        return sum_C[:, None]


def prompt_table(values_N: FloatArray, layout: Layout, cell_N: IntArray) -> PromptTable:
    sums = sums_of(values_N, layout, cell_N)
    blocks = sums.pairs.blocks_of("random")
    return PromptTable(
        blocks.unit_B,
        blocks.cell_B,
        np.asarray(blocks.merge @ sums.sum_PR)[:, 0],
        np.asarray(blocks.merge @ sums.count_PR)[:, 0],
        sums.mass_CR[:, 0],
        small_sample_factor(sums, "random")[:, 0],
        sums.thin_CR("random")[:, 0],
        layout.prompts,
    )


@dataclass(frozen=True, eq=False)
class Flipped:
    """One table under R flips."""

    table: PromptTable
    sign_QR: FloatArray

    @cached_property
    def mean_CR(self) -> FloatArray:
        """m_c."""
        mean_CR: FloatArray = self.table.sums(self.table.signed_B, self.sign_QR) / self.table.mass_C[:, None]
        return mean_CR

    @cached_property
    def squares_CR(self) -> FloatArray:
        """Sum over prompts of d^2."""
        table, mean_CR = self.table, self.mean_CR
        crossed_CR = table.sums(table.signed_B * table.mass_B, self.sign_QR)
        constant_C1, mass_C1 = table.over_prompts(table.signed_B**2), table.over_prompts(table.mass_B**2)
        squares_CR: FloatArray = constant_C1 - 2 * mean_CR * crossed_CR + mean_CR**2 * mass_C1
        return squares_CR

    @cached_property
    def plug_in_R(self) -> FloatArray:
        """T."""
        plug_in_R: FloatArray = self.table.mass_C @ self.mean_CR**2
        return plug_in_R

    @cached_property
    def bias_R(self) -> FloatArray:
        """b."""
        table, ratio = self.table, self.table.prompts / (self.table.prompts - 1)
        mass_C1 = table.mass_C[:, None]
        spread_CR = table.factor_C[:, None] * ratio * self.squares_CR / mass_C1
        return np.asarray(np.where(table.thin_C[:, None], mass_C1 * self.mean_CR**2, spread_CR).sum(axis=0))


def corrected_dissimilarity(flipped: Flipped) -> FloatArray:
    """T - b [R], not cut at 0."""
    return np.asarray(flipped.plug_in_R - flipped.bias_R)


def corrected_gain(joint: Flipped, parent: Flipped, parent_C: IntArray) -> FloatArray:
    """T_J - T_S - b [R], not cut at 0; parent_C: the parent cell of each joint cell, same samples, same flips."""
    half_R = 0.5 * _gain_variance(joint, parent, parent_C)
    bias_R = np.maximum(joint.bias_R - parent.bias_R, half_R)
    return np.asarray(joint.plug_in_R - parent.plug_in_R - bias_R)


def _gain_variance(joint: Flipped, parent: Flipped, parent_C: IntArray) -> FloatArray:
    """Sum over joint cells of V(phi_gain) [R], as in `tools.bias`."""
    child, above = joint.table, parent.table
    cells = len(above.mass_C)
    above_B = np.searchsorted(
        above.prompt_B * cells + above.cell_B, child.prompt_B * cells + parent_C[child.cell_B]
    )
    above_signed_B, above_mass_B = above.signed_B[above_B], above.mass_B[above_B]
    mean_CR, above_mean_CR = joint.mean_CR, parent.mean_CR[parent_C]
    # Sum over prompts of d_c e_p, e the parent's deviation.
    product_CR = (
        child.over_prompts(child.signed_B * above_signed_B)
        - above_mean_CR * child.sums(child.signed_B * above_mass_B, joint.sign_QR)
        - mean_CR * child.sums(child.mass_B * above_signed_B, joint.sign_QR)
        + mean_CR * above_mean_CR * child.over_prompts(child.mass_B * above_mass_B)
    )
    of_child_R = (joint.squares_CR / child.mass_C[:, None]).sum(axis=0)
    crossed_R = (product_CR / above.mass_C[parent_C][:, None]).sum(axis=0)
    of_above_R = (parent.squares_CR / above.mass_C[:, None]).sum(axis=0)
    return np.asarray((of_child_R - 2 * crossed_R + of_above_R) * child.prompts / (child.prompts - 1))
