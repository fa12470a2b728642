"""How far two order parameters put the same samples on corresponding levels.

Krippendorff's alpha where both have the same levels; Cramér's V, which knows no names of levels, for any two. Two
parameters that each tell the sides apart are associated for that alone, so V is also taken within the sides.

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011); Bergsma, "A bias-correction for
Cramér's V and Tschuprow's T" (2013). Levels are integers from 0; negative ones are missing, and samples that lack
either are left out. NaN: too little is there, or one of the two has a single level, which agrees with anything.
"""

from typing import Literal

import numpy as np

from probes.scale import FloatArray, IntArray

Metric = Literal["nominal", "ordinal"]


def krippendorff_alpha(first_N: IntArray, second_N: IntArray, metric: Metric) -> float:
    """Alpha of levels [N] on one scale: 1 the same levels, 0 no more alike than by chance, below 0 less.

    nominal: any two different levels differ alike. ordinal: they differ by the samples on the levels between them.
    """
    table_LL = _table(first_N, second_N, square=True)
    pairs_LL = table_LL + table_LL.T  # each sample enters as both its ordered pairs
    count_L = pairs_LL.sum(axis=0)
    distance_LL = _distances(count_L, metric)
    expected = count_L @ distance_LL @ count_L
    if expected == 0:
        return float("nan")
    return float(1 - (count_L.sum() - 1) * (pairs_LL * distance_LL).sum() / expected)


def cramers_v(first_N: IntArray, second_N: IntArray) -> float:
    """Bias-corrected V of levels [N] on any two scales: 0 unrelated, 1 one tells the other."""
    table_KL = _table(first_N, second_N)
    table_KL = table_KL[table_KL.sum(axis=1) > 0][:, table_KL.sum(axis=0) > 0]
    rows, columns = table_KL.shape
    count = table_KL.sum()
    if min(rows, columns) < 2:
        return float("nan")
    expected_KL = np.outer(table_KL.sum(axis=1), table_KL.sum(axis=0)) / count
    phi_squared = float(((table_KL - expected_KL) ** 2 / expected_KL).sum()) / count
    by_chance = (rows - 1) * (columns - 1) / (count - 1)
    size = min(levels - (levels - 1) ** 2 / (count - 1) for levels in (rows, columns)) - 1
    if size <= 0:
        return float("nan")
    return float(np.sqrt(min(max(phi_squared - by_chance, 0.0) / size, 1.0)))


def cramers_v_within(first_N: IntArray, second_N: IntArray, group_N: IntArray) -> float:
    """The mean of V over groups [N], each by its samples; groups in which V is not defined are left out."""
    both_N = (first_N >= 0) & (second_N >= 0)
    members = [both_N & (group_N == group) for group in np.unique(group_N[both_N])]
    v_G = np.array([cramers_v(first_N[member_N], second_N[member_N]) for member_N in members])
    count_G = np.array([member_N.sum() for member_N in members])
    known_G = ~np.isnan(v_G)
    return float(np.average(v_G[known_G], weights=count_G[known_G])) if known_G.any() else float("nan")


def _table(first_N: IntArray, second_N: IntArray, *, square: bool = False) -> FloatArray:
    """Counts [K, L] of samples by their two levels, over those that have both."""
    both_N = (first_N >= 0) & (second_N >= 0)
    first, second = first_N[both_N], second_N[both_N]
    rows, columns = (int(levels.max(initial=-1)) + 1 for levels in (first, second))
    if square:
        rows = columns = max(rows, columns)
    table_KL = np.zeros((rows, columns))
    np.add.at(table_KL, (first, second), 1.0)
    return table_KL


def _distances(count_L: FloatArray, metric: Metric) -> FloatArray:
    """Squared differences [L, L] between levels that hold so many values."""
    if metric == "nominal":
        return 1.0 - np.eye(len(count_L))
    middle_L = np.cumsum(count_L) - count_L / 2
    between_LL: FloatArray = (middle_L[:, None] - middle_L[None, :]) ** 2
    return between_LL
