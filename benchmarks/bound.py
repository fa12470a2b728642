"""The part of the coverage study about the black-box total: how often its lower limit exceeds the truth.

As in a report: discriminators read the texts of toy-world answers, the scores of three features, and both; a set
is chosen from the features on the select split; the total is the larger of the chosen discriminator's bound and of
what the set captures on the report split, its lower limit the larger of the two lower limits. A set whose table is
thin there is left out: a report measures it by a regression, which is a lower bound itself.
"""

import numpy as np

from benchmarks.intervals import THIN, regime
from benchmarks.worlds import CLAIMS, Cell, Sampled, world_of
from probes.scale import IntArray
from tools import share
from tools.discriminator import Bounds, lower_bound
from tools.layout import BoolArray, Claim
from tools.selection import greedy

SCORES = ("length", "hedge", "closing")
READ, SELECT, REPORT = range(3)
EVENTS = (
    *(f"exceeds, {claim}" for claim in CLAIMS),
    *(f"discriminator alone, {claim}" for claim in CLAIMS),
    *(f"{kind}, {claim}" for kind in ("js", "tv") for claim in CLAIMS),
)


def bound(cell: Cell, world_seed: int, rng: np.random.Generator, worlds: int) -> dict[str, float]:
    """One block: in how many worlds lower limits exceed the truth, by claim, and two sums over worlds.

    These are of the discriminator's linear bound, and of its truth in the population.
    """
    world = world_of(world_seed, cell.total)
    counts: dict[str, float] = {"worlds": worlds, **dict.fromkeys(EVENTS, 0), "bound": 0.0, "truth": 0.0}
    for _ in range(worlds):
        sampled = cell.sample(rng, world)
        split_N = splits(rng, sampled)
        found = lower_bound(
            world.texts(sampled.draws)[1],
            sampled.levels_NJ(SCORES).astype(float),
            sampled.layout,
            split_N == REPORT,
            seed=int(rng.integers(2**31)),
        ).bounds
        for claim in CLAIMS:
            captured = captured_low(sampled, split_N, claim, seed=int(rng.integers(2**31)))
            for event, exceeds in _exceeding(found, captured, sampled, claim).items():
                counts[f"{event}, {claim}"] += exceeds
        counts["bound"] += found.linear.plug_in
        counts["truth"] += sampled.truth("random").total()
    return counts


def _exceeding(found: Bounds, captured: float, sampled: Sampled, claim: Claim) -> dict[str, bool]:
    truth = sampled.truth(claim)
    return {
        "exceeds": max(found.linear.low, captured) > truth.total(),
        "discriminator alone": found.linear.low > truth.total(),
        "js": found.js.low > truth.total("js"),
        "tv": found.tv.low > truth.total("tv"),
    }


def captured_low(sampled: Sampled, split_N: IntArray, claim: Claim, seed: int) -> float:
    """Lower limit, on report, of what the set chosen on select captures; 0 without one, or if it is thin."""
    levels_NJ = sampled.levels_NJ(SCORES)
    select, mask_N = sampled.layout.rows(split_N == SELECT)
    chosen = list(greedy(select.label_N, select, levels_NJ[mask_N], claim, black_box=True, seed=seed).chosen)
    report, mask_N = sampled.layout.rows(split_N == REPORT)
    levels_NS = levels_NJ[mask_N][:, chosen]
    sizes_S = [int(sampled.world.levels(SCORES[j]).max()) + 1 for j in chosen]
    if not chosen or regime(levels_NS, sizes_S, "black-box") == THIN:
        return 0.0
    return share.set_dissimilarity(report.label_N, report, levels_NS, claim).low


def splits(rng: np.random.Generator, sampled: Sampled) -> IntArray:
    """The split [N] of each sample: 30%, 30%, 40% of each prompt and side at random, rounded towards report."""
    stratum_N = sampled.layout.stratum_N
    order = np.lexsort((rng.random(len(stratum_N)), stratum_N))
    rank_N = np.empty(len(stratum_N), dtype=np.int64)
    rank_N[order] = np.arange(len(stratum_N)) - np.searchsorted(stratum_N[order], stratum_N[order])
    size_N = sampled.layout.size_S[stratum_N]
    reported = np.ceil(0.4 * size_N)
    selected: BoolArray = rank_N < reported + np.ceil((size_N - reported) / 2)
    return np.where(rank_N < reported, REPORT, np.where(selected, SELECT, READ))
