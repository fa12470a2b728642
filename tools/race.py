"""Which candidates are judged further: those that may still be among the leaders. Source: Method, section 7."""

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.inference import Estimate
from tools.layout import BoolArray, Claim, Layout
from tools.share import dissimilarity, gain

LEADERS = 3
"""Steps of a greedy choice in which a candidate may prove worth judging further."""


def survivors(
    values_N: FloatArray,
    layout: Layout,
    chosen_NK: IntArray,
    levels_NJ: IntArray,
    claim: Claim,
    *,
    min_gain: float,
    fewest: int,
) -> BoolArray:
    """Which of the candidates [J] stay in the race, on the samples that all of them were judged on.

    A greedy choice of up to three leaders is tried, beginning with the chosen levels [N, K]. At each step a
    candidate stays if the upper limit of its gain reaches the lower limit of the leader's; a step at which the
    leader itself is not separable from nothing excludes no one. Of those the better half stays, by the largest
    gain at any step (successive halving), and at least `fewest`.
    """
    count = levels_NJ.shape[1]
    keep_J = np.zeros(count, dtype=bool)
    best_J = np.full(count, -np.inf)
    taken = chosen_NK
    left = list(range(count))
    for _ in range(min(LEADERS, count)):
        found = [_gain(values_N, layout, taken, levels_NJ[:, j], claim) for j in left]
        value_J = np.array([one.value for one in found])
        value_J = np.where(np.isnan(value_J), -np.inf, value_J)
        best_J[left] = np.maximum(best_J[left], value_J)
        leader = int(np.argmax(value_J))
        low = found[leader].low
        if np.isnan(low) or low < min_gain:
            keep_J[left] = True
            break
        for j, one in zip(left, found, strict=True):
            keep_J[j] |= one.high is None or not one.high < low
        taken = np.column_stack([taken, levels_NJ[:, left[leader]]])
        left.pop(leader)
    order = np.argsort(-best_J, kind="stable")
    keep_J[order[:fewest]] = True
    most = max(fewest, (count + 1) // 2)
    keep_J[[j for j in order.tolist() if keep_J[j]][most:]] = False
    return keep_J


def _gain(values_N: FloatArray, layout: Layout, taken_NK: IntArray, level_N: IntArray, claim: Claim) -> Estimate:
    if not taken_NK.shape[1]:
        return dissimilarity(values_N, layout, level_N, claim)
    return gain(values_N, layout, taken_NK, level_N, claim)
