"""The part of the coverage study about the black-box total: how often its lower limit exceeds the truth.

Discriminators read the texts of toy-world answers, the scores of three features, and both. As in a report, the
total is the larger of the chosen discriminator's bound and of what the set captures, and so is its lower limit.
"""

import numpy as np

from benchmarks.worlds import CLAIMS, Cell, Sampled, world_of
from tools import share
from tools.discriminator import lower_bound
from tools.layout import BoolArray

SCORES = ("length", "hedge", "closing")
SET = ("length", "hedge")


def bound(cell: Cell, world_seed: int, rng: np.random.Generator, worlds: int) -> dict[str, float]:
    """One block: in how many worlds lower limits exceed the truth, and sums of the linear bound and its truth.

    The linear one by claim, the other two by either claim; the truth that is summed is that in the population.
    """
    world = world_of(world_seed, cell.total)
    counts: dict[str, float] = {"worlds": worlds}
    for name in (*(f"exceeds, {claim}" for claim in CLAIMS), "exceeds, js", "exceeds, tv", "bound", "truth"):
        counts[name] = 0
    for _ in range(worlds):
        sampled = cell.sample(rng, world)
        report_N = report_rows(rng, sampled)
        found = lower_bound(
            sampled.world.texts(sampled.draws)[1],
            sampled.levels_NJ(SCORES).astype(float),
            sampled.layout,
            report_N,
            seed=int(rng.integers(2**31)),
        ).bounds
        sub, mask_N = sampled.layout.rows(report_N)
        for claim in CLAIMS:
            truth = sampled.truth(claim)
            captured = share.set_dissimilarity(sub.label_N, sub, sampled.levels_NJ(SET)[mask_N], claim)
            counts[f"exceeds, {claim}"] += max(found.linear.low, captured.low) > truth.total()
        counts["exceeds, js"] += any(found.js.low > sampled.truth(claim).total("js") for claim in CLAIMS)
        counts["exceeds, tv"] += any(found.tv.low > sampled.truth(claim).total("tv") for claim in CLAIMS)
        counts["bound"] += found.linear.plug_in
        counts["truth"] += sampled.truth("random").total()
    return counts


def report_rows(rng: np.random.Generator, sampled: Sampled) -> BoolArray:
    """Two fifths of the samples of each prompt and side, rounded up."""
    stratum_N = sampled.layout.stratum_N
    order = np.lexsort((rng.random(len(stratum_N)), stratum_N))
    rank_N = np.empty(len(stratum_N), dtype=np.int64)
    rank_N[order] = np.arange(len(stratum_N)) - np.searchsorted(stratum_N[order], stratum_N[order])
    report_N: BoolArray = rank_N < np.ceil(0.4 * sampled.layout.size_S[stratum_N])
    return report_N
