"""The set's dissimilarity without a table: a cross-fitted ridge regression on the joint levels.

Where a set's table has many thin cells, T - b is not to be trusted. Any predictor g that did not see sample i
gives l_i = 2 v_i g_i - g_i^2 with a mean of at most D_S: an honest lower bound, of which D_S, gains and Shapley
values are then made. Source: Method, sections 3 ("Set share without a table") and 5 ("Point estimate").
"""

from itertools import combinations

import numpy as np
from scipy import linalg, sparse
from sklearn.preprocessing import OneHotEncoder

from probes.scale import FloatArray, IntArray
from tools.folds import FOLDS, LEFT_OUT, folds
from tools.layout import BoolArray, Claim, Layout
from tools.share import joint_cells

SAMPLES_PER_CELL_BLACK_BOX = 12
SAMPLES_PER_CELL_LIKELIHOOD = 5

PENALTIES_A: FloatArray = np.geomspace(0.3, 3000.0, 9)
"""In samples: a level with as many samples as the penalty is shrunk to half."""


def needs_regression(levels_NJ: IntArray, *, black_box: bool) -> bool:
    """Whether the table of complete levels [N, J] is too thin: too few samples a nonempty cell, on average."""
    least = SAMPLES_PER_CELL_BLACK_BOX if black_box else SAMPLES_PER_CELL_LIKELIHOOD
    return len(levels_NJ) < least * (int(joint_cells(levels_NJ).max(initial=-1)) + 1)


def cross_fitted(values_N: FloatArray, layout: Layout, levels_NJ: IntArray, claim: Claim, seed: int) -> FloatArray:
    """Per-sample scores l_i = 2 v_i g_i - g_i^2 [N] of a set with complete levels [N, J] >= 0.

    Their weighted mean is the estimate of D_S, with interval mean -+ t sqrt(V(l)); a gain is the mean of a
    difference. Folds depend on layout and seed alone, so the scores of all sets of a report are of one kind.
    Fixed prompts: five folds within prompt and side. Random: five folds of whole prompts, since samples of one
    prompt share what is its own: with folds within prompts and effects that differ by prompt, the mean came out
    at 0.07 to 0.08 where the population's D_S was 0.04 (8 prompts, 30 samples a side).
    """
    fold_N = folds(layout, seed, by_prompt=claim == "random")
    return score(values_N, held_out(values_N, layout, indicators(levels_NJ), fold_N))


def score(values_N: FloatArray, predicted_N: FloatArray) -> FloatArray:
    """l_i = 2 v_i g_i - g_i^2; also for predictions [N, A] with values [N, 1]."""
    return np.asarray(2 * values_N * predicted_N - predicted_N**2)


def indicators(levels_NJ: IntArray) -> sparse.csr_matrix:
    """One indicator [N, F] for each level of each parameter and for each pair of levels of two that occurs."""
    columns = [
        *levels_NJ.T,
        *(joint_cells(levels_NJ[:, pair]) for pair in combinations(range(levels_NJ.shape[1]), 2)),
    ]
    return sparse.csr_matrix(OneHotEncoder(dtype=np.float64).fit_transform(np.column_stack(columns)))


def held_out(values_N: FloatArray, layout: Layout, features: sparse.csr_matrix, fold_N: IntArray) -> FloatArray:
    """g [N]: each fold predicted from the others, with the penalty that does best among those others."""
    coefficients = {(j, k): ridge(values_N, layout, features, (fold_N != j) & (fold_N != k)) for j, k in LEFT_OUT}
    g_N = np.zeros(layout.samples)
    for k in range(FOLDS):
        skill_A = np.zeros(len(PENALTIES_A))
        for j in range(FOLDS):
            if j != k:
                mine = np.flatnonzero(fold_N == j)
                predicted_NA = np.asarray(features[mine] @ coefficients[min(j, k), max(j, k)])
                skill_A += layout.weight_N[mine] @ score(values_N[mine, None], predicted_NA)
        mine = np.flatnonzero(fold_N == k)
        g_N[mine] = features[mine] @ coefficients[k, k][:, int(np.argmax(skill_A))]
    return g_N


def ridge(values_N: FloatArray, layout: Layout, features: sparse.csr_matrix, train_N: BoolArray) -> FloatArray:
    """Coefficients [F, A] for all penalties, without intercept (the values have mean 0), from some rows.

    Weights are renewed within prompt and side of those rows and sum to their number; zeros where no prompt has
    both sides.
    """
    sub, mask_N = layout.rows(train_N)
    rows = features[mask_N]
    weighted = sparse.csr_matrix(rows.T @ sparse.diags_array(sub.weight_N * sub.samples))
    eigenvalue_E, vector_FE = linalg.eigh((weighted @ rows).toarray())
    moment_E = vector_FE.T @ (weighted @ values_N[mask_N])
    return np.asarray(vector_FE @ (moment_E[:, None] / (eigenvalue_E[:, None] + PENALTIES_A)))
