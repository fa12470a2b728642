"""The smallest change that given counts could just have shown.

Source: Method, section 5 (notation, claims); the power of a two-sided test of one contrast.
"""

from statistics import NormalDist

from tools.inference import critical_value
from tools.layout import Claim, Layout

POWER = 0.8


def smallest_visible(layout: Layout, claim: Claim, mean_square: float = 1.0) -> float:
    """The dissimilarity of a yes/no parameter, true of half the samples, that is separated from 0 in 80% of cases.

    mean_square: mean of v^2, the total with likelihoods, 1 for labels. For E[v | z] = +-d the contrast's mean is d
    with variance mean_square x sum of w^2 (no effect differs by prompt), so that d = (t + z_0.8) SE and D_z = d^2.
    At most 1.
    """
    variance = mean_square * float((layout.weight_N**2).sum())
    return min(1.0, (critical_value(layout, claim) + NormalDist().inv_cdf(POWER)) ** 2 * variance)
