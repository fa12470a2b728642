"""The three dissimilarities: linear, Jensen-Shannon and total variation, from one posterior.

Source: Method, sections 2 and 3 (mixture forms, the Rao-Blackwellised estimators); arXiv 2405.17088.
"""

from typing import Literal

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.cells import sums_of
from tools.inference import Estimate, critical_value, interval, variance_of_mean
from tools.layout import Claim, Layout
from tools.share import complete_cases, joint_cells

Dissimilarity = Literal["linear", "js", "tv"]
_TINY = np.finfo(np.float64).tiny
KINDS: tuple[Dissimilarity, ...] = ("linear", "js", "tv")


def of_evidence(s_N: FloatArray, kind: Dissimilarity) -> FloatArray:
    """What a sample with signed evidence s = 2 eta - 1 contributes [N]: s^2, 1 - H2(eta) in bits, or |s|."""
    if kind == "linear":
        return np.asarray(s_N**2)
    if kind == "tv":
        return np.abs(s_N)
    eta_N = np.maximum((1 + np.clip(s_N, -1, 1)) / 2, _TINY)  # 0 log 0 = 0
    rest_N = np.maximum(1 - eta_N, _TINY)
    return np.asarray(1 + (eta_N * np.log(eta_N) + rest_N * np.log(rest_N)) / np.log(2))


def totals(s_N: FloatArray, layout: Layout, claim: Claim) -> dict[Dissimilarity, Estimate]:
    """The total by all three, with intervals (likelihood mode): means over samples, which have no bias."""
    return {kind: _mean(of_evidence(s_N, kind), layout, claim) for kind in KINDS}


def of_cells(values_N: FloatArray, layout: Layout, levels_NJ: IntArray, kind: Dissimilarity) -> float:
    """Plug-in dissimilarity of a set with levels [N, J] on its complete cases; 0 where there are none.

    values_N: signed evidence, or labels. A linear one is better taken from `tools.share`, bias corrected.
    """
    sub, mask_N = complete_cases(levels_NJ, layout)
    if not sub.samples:
        return 0.0
    sums = sums_of(values_N[mask_N], sub, joint_cells(levels_NJ[mask_N]))
    return float(sums.mass_CR[:, 0] @ of_evidence(sums.mean_CR[:, 0], kind))


def _mean(f_N: FloatArray, layout: Layout, claim: Claim) -> Estimate:
    mean = float(layout.weight_N @ f_N)
    standard_error = float(np.sqrt(variance_of_mean(f_N - mean, layout, claim)))
    return interval(mean, 0.0, standard_error, 1, critical_value(layout, claim))
