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

Both claims rest on samples that are independent from domain to domain. Which are is handed in: domains that are
not, directly or by way of others, count as one for what is common, and are not held against each other for what
belongs to one. Tests within a domain share samples; they are two-sided tests of statistics that hang together,
for which the procedure holds its level (Reiner-Benaim 2007). What would hold for any dependence whatever
(Benjamini and Yekutieli 2001) divides the level by 1 + 1/2 + ... + 1/m, and would cost power for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.sparse.csgraph import connected_components

from probes.scale import FloatArray, IntArray
from tools.inference import NORMAL_CRITICAL, Estimate
from tools.nulls import q_values

LEVEL = 0.05
"""The false discovery rate."""

BoolArray = NDArray[np.bool_]

Verdict = Literal["common", "specific", "undecided", "not shown"]


@dataclass(frozen=True)
class Decided:
    """What is claimed of one parameter over D domains.

    q_D: NaN where it was not measured. seen: positions of the domains where it is. of: the one it belongs to.
    tied: those it was measured in that count as one with others where it is seen, the latter included. common_p,
    common_q: of "changed in one domain at most", NaN where no two independent ones were measured. contrast_p,
    contrast_q: of the largest against each other domain, NaN where none could be held against each other one.
    """

    verdict: Verdict
    seen: tuple[int, ...]
    of: int | None
    tied: tuple[int, ...]
    q_D: FloatArray
    common_p: float
    common_q: float
    contrast_p: float
    contrast_q: float


def decide(
    estimates: Sequence[Sequence[Estimate | None]], p_RD: FloatArray, independent_DD: BoolArray
) -> list[Decided]:
    """What is claimed of each of R parameters over D domains.

    estimates: dissimilarities [R][D], None where not measured. p_RD: p-values of the cells, NaN there.
    independent_DD: whether the samples of two domains are independent; symmetric, its diagonal says nothing.
    """
    group_RD = np.array([_groups_measured(row, independent_DD) for row in estimates]).reshape(p_RD.shape)
    common_R = np.array([common_p_value(p_D, group_D) for p_D, group_D in zip(p_RD, group_RD, strict=True)])
    contrast_R = np.array([_contrast_of(row, independent_DD) for row in estimates])
    q_RD, common_q_R, contrast_q_R = (_q_values(p) for p in (p_RD, common_R, contrast_R))
    decided = []
    for r, row in enumerate(estimates):
        seen = tuple(np.flatnonzero(np.nan_to_num(q_RD[r], nan=1.0) <= LEVEL).tolist())
        verdict = _verdict(row, seen, group_RD[r], float(common_q_R[r]), float(contrast_q_R[r]))
        decided.append(
            Decided(
                verdict=verdict,
                seen=seen,
                of=seen[0] if verdict == "specific" else None,
                tied=_tied(seen, group_RD[r]),
                q_D=q_RD[r],
                common_p=float(common_R[r]),
                common_q=float(common_q_R[r]),
                contrast_p=float(contrast_R[r]),
                contrast_q=float(contrast_q_R[r]),
            )
        )
    return decided


def groups_of(independent_DD: BoolArray) -> IntArray:
    """By domain the number of its group: domains that are not independent, directly or by way of others."""
    _, group_D = connected_components(~independent_DD, directed=False)
    return np.asarray(group_D, dtype=np.int64)


def _groups_measured(row: Sequence[Estimate | None], independent_DD: BoolArray) -> IntArray:
    """Groups among the domains it was measured in; each other domain is a group of its own."""
    known_D = np.array([one is not None for one in row], dtype=bool)
    return groups_of(independent_DD | ~np.outer(known_D, known_D))


def common_p_value(p_D: FloatArray, group_D: IntArray) -> float:
    """p of "changed in one domain at most", from the p-values [D] of the domains, NaN where not measured.

    A group of domains that are not independent counts as one, with Bonferroni's p of "changed in none of them",
    which holds whatever their dependence. Simes' test on all groups but the smallest (Benjamini and Heller 2008);
    NaN for fewer than two.
    """
    known_D = np.isfinite(p_D)
    by_group = [p_D[known_D & (group_D == group)] for group in np.unique(group_D[known_D])]
    others = np.sort([min(1.0, len(p) * p.min()) for p in by_group])[1:]
    if not len(others):
        return float("nan")
    return float((len(others) / np.arange(1, len(others) + 1) * others).min())


def contrast_p_value(cells: Sequence[Estimate], independent_CC: BoolArray) -> float:
    """p of the claim that the largest of C dissimilarities is larger than each other one; NaN for fewer than two.

    Each difference is tested with the variances that the intervals recover near their limits (Zou and Donner,
    2008), which holds for independent samples; the claim has the largest of these p-values (intersection-union),
    two-sided, since either of the two largest could have come out on top. Where the largest is not independent of
    each other one nothing can be shown, and p is 1; NaN where that is so of all of them.
    """
    apart_C: BoolArray = np.all(independent_CC | np.eye(len(cells), dtype=bool), axis=1)
    if len(cells) < 2 or not apart_C.any():
        return float("nan")
    order = sorted(range(len(cells)), key=lambda c: -cells[c].value)
    if not apart_C[order[0]]:
        return 1.0
    smallest = min(_standardised(cells[order[0]], cells[other]) for other in order[1:])
    return min(1.0, 2 * float(stats.norm.sf(smallest)))


def _contrast_of(row: Sequence[Estimate | None], independent_DD: BoolArray) -> float:
    known = [d for d, one in enumerate(row) if one is not None]
    return contrast_p_value([one for one in row if one is not None], independent_DD[np.ix_(known, known)])


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
    row: Sequence[Estimate | None], seen: Sequence[int], group_D: IntArray, common_q: float, contrast_q: float
) -> Verdict:
    if not seen:
        return "not shown"
    if len({group_D[d] for d in seen}) > 1:
        return "common" if common_q <= LEVEL else "undecided"
    largest = max((one.value, d) for d, one in enumerate(row) if one is not None)[1]
    return "specific" if contrast_q <= LEVEL and list(seen) == [largest] else "undecided"


def _tied(seen: Sequence[int], group_D: IntArray) -> tuple[int, ...]:
    """All of those groups of several domains in which it is seen."""
    groups = [np.flatnonzero(group_D == group) for group in np.unique(group_D[np.array(seen, dtype=np.int64)])]
    return tuple(sorted(int(d) for group in groups if len(group) > 1 for d in group))
