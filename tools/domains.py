"""Which order parameters several domains have in common, and which belong to one: claims over a whole table.

A parameter is *seen* in a domain where the test of "no change in it" is rejected there. It is *common* where it is
seen in two domains or more, and the test of "changed in one at most" is rejected. It *belongs to* one where it is
seen there alone and its dissimilarity there is separable from that of each other domain: not being seen elsewhere
may only mean too few samples.

These are three kinds of claims, and each is a family of its own in which the false discovery rate is controlled by
Benjamini and Hochberg's procedure, as for the candidates of a discovery (Method, section 5): few of the cells seen
are false, few of the parameters said to be common, and few of those said to belong to one. The cells' rate alone
would not do for the second: where each parameter changed in one domain only, every cell that is seen falsely makes
one common.

Domains are taken to have different prompts, and so independent samples. Tests within a domain share samples; they
are two-sided tests of statistics that hang together, for which the procedure holds its level (Reiner-Benaim 2007).
What would hold for any dependence whatever (Benjamini and Yekutieli 2001) divides the level by 1 + 1/2 + ... +
1/m, and would cost power for nothing.
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
    common_p, common_q: of "changed in one domain at most". contrast_p, contrast_q: of the largest against each
    other domain. All four are NaN where fewer than two were measured.
    """

    verdict: Verdict
    seen: tuple[int, ...]
    of: int | None
    q_D: FloatArray
    common_p: float
    common_q: float
    contrast_p: float
    contrast_q: float


def decide(estimates: Sequence[Sequence[Estimate | None]], p_RD: FloatArray) -> list[Decided]:
    """What is claimed of each of R parameters over D domains.

    estimates: dissimilarities [R][D], None where not measured. p_RD: p-values of the cells, NaN there.
    """
    common_R = np.array([common_p_value(p_D) for p_D in p_RD])
    contrast_R = np.array([contrast_p_value([one for one in row if one is not None]) for row in estimates])
    q_RD, common_q_R, contrast_q_R = (_q_values(p) for p in (p_RD, common_R, contrast_R))
    return [
        Decided(
            *_verdict(row, q_RD[r], float(common_q_R[r]), float(contrast_q_R[r])),
            q_D=q_RD[r],
            common_p=float(common_R[r]),
            common_q=float(common_q_R[r]),
            contrast_p=float(contrast_R[r]),
            contrast_q=float(contrast_q_R[r]),
        )
        for r, row in enumerate(estimates)
    ]


def common_p_value(p_D: FloatArray) -> float:
    """p of "changed in one domain at most", from the p-values [D] of independent domains, NaN where not measured.

    Simes' test on all but the smallest (Benjamini and Heller 2008); NaN for fewer than two.
    """
    others = np.sort(p_D[np.isfinite(p_D)])[1:]
    if not len(others):
        return float("nan")
    return float((len(others) / np.arange(1, len(others) + 1) * others).min())


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


def _q_values(p: FloatArray) -> FloatArray:
    """q of one family, NaN where p is."""
    q, known = np.full(p.shape, np.nan), np.isfinite(p)
    q[known] = q_values(p[known])
    return q


def _verdict(
    row: Sequence[Estimate | None], q_D: FloatArray, common_q: float, contrast_q: float
) -> tuple[Verdict, tuple[int, ...], int | None]:
    """The verdict, where the parameter is seen, and the domain it belongs to."""
    seen = tuple(np.flatnonzero(np.nan_to_num(q_D, nan=1.0) <= LEVEL).tolist())
    if not seen:
        return "not shown", seen, None
    if len(seen) > 1:
        return ("common" if common_q <= LEVEL else "undecided"), seen, None
    known = [(one.value, d) for d, one in enumerate(row) if one is not None]
    if contrast_q <= LEVEL and max(known)[1] == seen[0]:
        return "specific", seen, seen[0]
    return "undecided", seen, None
