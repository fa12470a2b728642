"""Standard errors and intervals of dissimilarities, gains and shares.

Source: Method, section 5, "Notation" and "Interval". The recipe was chosen by simulation on worlds of known
truth: bootstrap intervals fail near 0, where most candidates live.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special, stats

from probes.scale import FloatArray
from tools.cells import variance_groups
from tools.layout import Claim, Layout

NORMAL_CRITICAL = 1.96
CERTAIN = 0.9999


@dataclass(frozen=True, slots=True)
class Estimate:
    """A dissimilarity, gain or share with its 95% interval.

    value: T - b cut to [0, 1]. high is None for a lower bound, which has no upper limit. one_sided: not
    separable from 0. plug_in: T. bias: b. standard_error: SE = sqrt(V(psi)).
    """

    value: float
    low: float
    high: float | None
    one_sided: bool = False
    plug_in: float = 0.0
    bias: float = 0.0
    standard_error: float = 0.0


ZERO = Estimate(0.0, 0.0, 0.0, one_sided=True)
"""One cell only, or a gain without new cells: exactly 0."""

UNKNOWN = Estimate(np.nan, np.nan, np.nan)
"""Too few prompts with complete samples on both sides for the claim: no number can be given."""


@lru_cache(maxsize=256)
def _student(degrees: int) -> float:
    return float(stats.t.ppf(0.975, degrees))


def critical_value(layout: Layout, claim: Claim) -> float:
    """1.96 for fixed prompts, Student's t with Q - 1 degrees of freedom for random ones (needs two prompts)."""
    return critical_value_of(layout.prompts, claim)


def critical_value_of(prompts: int, claim: Claim) -> float:
    """The same from the number of prompts."""
    return NORMAL_CRITICAL if claim == "fixed" else _student(prompts - 1)


def variance_of_mean(f_N: FloatArray, layout: Layout, claim: Claim) -> float:
    """V(f): variance of the weighted mean of f [N].

    Fixed prompts: sum over strata of mass^2 var(f) / n, ddof 1; strata of one sample share the variance among
    such strata of their side, a lone one takes its squared distance from the side's mean of prompt means.
    Random prompts: variance over prompts of the prompt means, ddof 1, over Q (needs two prompts).
    """
    if claim == "random":
        mean_Q = layout.prompts * np.bincount(layout.prompt_N, weights=layout.weight_N * f_N)
        return float(mean_Q.var(ddof=1)) / layout.prompts
    groups = variance_groups(layout)
    group_N = groups.group_S[layout.stratum_N]
    grouped = group_N >= 0
    size = len(groups.size_G)
    centre_G = np.bincount(group_N[grouped], weights=f_N[grouped], minlength=size) / groups.size_G
    squared_N = (f_N[grouped] - centre_G[group_N[grouped]]) ** 2
    squared_G = np.bincount(group_N[grouped], weights=squared_N, minlength=size)
    variance = float((groups.coefficient_G * squared_G / (groups.size_G - 1)).sum())
    for stratum in groups.lone:
        side_N = layout.side_N == layout.side_S[stratum]
        side_mean = 2 * float(layout.weight_N[side_N] @ f_N[side_N])
        own = float(f_N[layout.stratum_N == stratum][0])
        variance += float(layout.mass_S[stratum]) ** 2 * (own - side_mean) ** 2
    return variance


def interval(plug_in: float, bias: float, standard_error: float, degrees: int, critical: float) -> Estimate:
    """The estimate T - b with its interval.

    plug_in: T. bias: b. degrees: C - 1 cells (C_J - C_S for a gain). critical: t. Near 0 the estimate is a
    scaled noncentral chi-square and the interval one-sided; away from it Fisher's z on r = sqrt(T - b).
    """
    # A gain is never negative; the difference of two sums may be, by rounding.
    plug_in, bias, standard_error = max(plug_in, 0.0), max(bias, 1e-12), max(standard_error, 1e-9)
    widen = (critical / NORMAL_CRITICAL) ** 2
    scale = bias / degrees
    if plug_in > bias:
        scale = max(scale, standard_error**2 / (4 * plug_in))
    scale *= widen
    freedom = max(bias / scale, 0.3)
    value = min(max(plug_in - bias, 0.0), 1.0)
    if special.chndtr(plug_in / scale, freedom, 0.0) <= 0.975:
        high = scale * float(special.chndtrinc(max(plug_in, bias) / scale, freedom, 0.025))
        return Estimate(value, 0.0, _unit(high), True, plug_in, bias, standard_error)
    root = np.sqrt(min(plug_in - bias, CERTAIN))
    half = critical * standard_error / (2 * root * (1 - root**2))
    low, high = np.tanh(np.arctanh(root) - half), np.tanh(np.arctanh(root) + half)
    if plug_in - bias > CERTAIN:
        high = 1.0
    low_squared = 0.0 if low < 0 else float(low) ** 2
    return Estimate(value, _unit(low_squared), _unit(float(high) ** 2), False, plug_in, bias, standard_error)


def _unit(limit: float) -> float:
    return min(max(limit, 0.0), 1.0)
