"""Which order parameters several domains have in common, and which belong to one: claims over a whole table.

A parameter is *seen* in a domain where the test of "no change in it" is rejected there. It is *common* where it is
seen in two domains or more. It *belongs to* one where it is seen there alone and its dissimilarity there is
separable from that of each other domain: not being seen elsewhere may only mean too few samples.

All tests of a table, those of its cells and those of its contrasts, are one family, in which the false discovery
rate is controlled by Benjamini and Hochberg's procedure, as for the candidates of a discovery (Method, section 5).
Domains have different prompts, and so independent samples. Tests within a domain share samples; they are two-sided
tests of statistics that hang together, for which the procedure holds its level (Reiner-Benaim 2007). What would
hold for any dependence whatever (Benjamini and Yekutieli 2001) divides the level by 1 + 1/2 + ... + 1/m, and would
cost power for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from probes.scale import FloatArray
from tools.inference import NORMAL_CRITICAL, Estimate
from tools.nulls import q_values

LEVEL = 0.05
"""The false discovery rate."""

Verdict = Literal["common", "specific", "undecided", "not shown"]


@dataclass(frozen=True)
class Decided:
    """What is claimed of one parameter over D domains.

    q_D: NaN where it was not measured. seen: positions of the domains where it is. of: the one it belongs to.
    contrast_p, contrast_q: of the largest against each other domain; NaN where fewer than two were measured.
    """

    verdict: Verdict
    q_D: FloatArray
    seen: tuple[int, ...]
    of: int | None
    contrast_p: float
    contrast_q: float


def decide(estimates: Sequence[Sequence[Estimate | None]], p_RD: FloatArray) -> list[Decided]:
    """What is claimed of each of R parameters over D domains.

    estimates: dissimilarities [R][D], None where not measured. p_RD: p-values of the cells, NaN there.
    """
    contrast_R = np.array([contrast_p_value([one for one in row if one is not None]) for row in estimates])
    q_RD, contrast_q_R = _q_values(p_RD, contrast_R)
    return [
        _decided(row, q_RD[r], float(contrast_R[r]), float(contrast_q_R[r])) for r, row in enumerate(estimates)
    ]


def contrast_p_value(cells: Sequence[Estimate]) -> float:
    """p of the claim that the largest dissimilarity is larger than each other one; NaN for fewer than two.

    Each difference is tested with the variances that the intervals recover near their limits (Zou and Donner,
    2008); the claim has the largest of these p-values (intersection-union), two-sided, since either of the two
    largest could have come out on top.
    """
    if len(cells) < 2:
        return float("nan")
    order = sorted(cells, key=lambda one: -one.value)
    top = order[0]
    smallest = min(_standardised(top, other) for other in order[1:])
    return float(min(1.0, 2 * stats.norm.sf(smallest)))


def _standardised(top: Estimate, other: Estimate) -> float:
    """The difference in standard errors."""
    high = 1.0 if other.high is None else other.high
    error = np.hypot(top.value - top.low, high - other.value) / NORMAL_CRITICAL
    return float((top.value - other.value) / max(error, 1e-9))


def _q_values(p_RD: FloatArray, contrast_R: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = np.concatenate([p_RD.ravel(), contrast_R])
    q = np.full(len(p), np.nan)
    known = np.isfinite(p)
    q[known] = q_values(p[known])
    return q[: p_RD.size].reshape(p_RD.shape), q[p_RD.size :]


def _decided(row: Sequence[Estimate | None], q_D: FloatArray, p: float, q: float) -> Decided:
    seen = tuple(np.flatnonzero(np.nan_to_num(q_D, nan=1.0) <= LEVEL).tolist())
    if len(seen) > 1:
        return Decided("common", q_D, seen, None, p, q)
    if not seen:
        return Decided("not shown", q_D, seen, None, p, q)
    (only,) = seen
    known = [(one.value, d) for d, one in enumerate(row) if one is not None]
    if q <= LEVEL and max(known)[1] == only:
        return Decided("specific", q_D, seen, only, p, q)
    return Decided("undecided", q_D, seen, None, p, q)
