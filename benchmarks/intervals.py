"""The part of the coverage study that holds estimates and intervals against exact truths (Method, section 5)."""

from collections.abc import Iterator

import numpy as np

from benchmarks.tally import Key, Tallies
from benchmarks.worlds import CLAIMS, MODES, Cell, Sampled, world_of
from probes.scale import IntArray
from probes.toy_world import Contrast, joint_cells
from tools import dissimilarity, share
from tools.inference import Estimate
from tools.layout import Claim

SINGLES = {
    "D_z, 4 levels": "length",
    "D_z, 2 levels": "hedge",
    "D_z, differs by prompt only": "exclaims",  # truly 0 in the population, not on given prompts
    "D_z truly 0, 7 levels": "day",
    "D_z truly 0, one rare level": "sunday",
}
SETS = {"set of two": ("length", "hedge"), "set of three": ("length", "hedge", "closing")}
GAINS = {"gain": ("length", "hedge"), "gain, differs by prompt only": ("length", "exclaims")}
SHARES = {"share": ("length",), "share of two": SETS["set of two"], "share of three": SETS["set of three"]}

REGULAR = "regular"
FEW_HITS = "a level with fewer than 10 hits"
THIN = "few samples a cell"  # fewer than 12 in black-box mode, 5 with likelihoods
HIGH_SHARE = "share above 0.95"


def regime(levels_NJ: IntArray, sizes_J: list[int], mode: str) -> str:
    """Whether the table of levels [N, J] is claimed to be valid, or why not; sizes_J: levels of each."""
    complete_NJ = levels_NJ[np.all(levels_NJ >= 0, axis=1)]
    cells = len(np.unique(share.joint_cells(complete_NJ)))
    if len(sizes_J) > 1 and len(complete_NJ) < cells * (12 if mode == "black-box" else 5):
        return THIN
    for column_N, size in zip(complete_NJ.T, sizes_J, strict=True):
        if np.bincount(column_N, minlength=size).min() < 10:
            return FEW_HITS
    return REGULAR


def intervals(cell: Cell, world_seed: int, rng: np.random.Generator, worlds: int) -> Tallies:
    """One block: samples of one world, each with its own prompts, measured in both modes under both claims."""
    world = world_of(world_seed, cell.total, cell.alike)
    tallies = Tallies()
    for _ in range(worlds):
        sampled = cell.sample(rng, world)
        for claim in CLAIMS:
            truth = sampled.truth(claim)
            total = dissimilarity.totals(sampled.evidence_N, sampled.layout, claim)["linear"]
            tallies.add(Key("total", "likelihood", claim, REGULAR), total, truth.total())
            for mode in MODES:
                for key, estimate, true_value in _measured(sampled, mode, claim, truth):
                    tallies.add(key, estimate, true_value)
    return tallies


def _measured(sampled: Sampled, mode: str, claim: Claim, truth: Contrast) -> Iterator[tuple[Key, Estimate, float]]:
    """Every quantity of one sample in one mode under one claim, with its truth."""
    values_N, layout, levels_X = sampled.values_N(mode), sampled.layout, sampled.world.levels

    def cells_X(features: tuple[str, ...]) -> IntArray:
        return joint_cells(np.stack([levels_X(name) for name in features], axis=1))

    def key(quantity: str, features: tuple[str, ...]) -> Key:
        sizes_J = [int(levels_X(name).max()) + 1 for name in features]
        return Key(quantity, mode, claim, regime(sampled.levels_NJ(features), sizes_J, mode))

    for quantity, feature in SINGLES.items():
        levels_N = sampled.levels_NJ((feature,))[:, 0]
        estimate = share.dissimilarity(values_N, layout, levels_N, claim)
        yield key(quantity, (feature,)), estimate, truth.dissimilarity(levels_X(feature))
    for quantity, features in SETS.items():
        estimate = share.set_dissimilarity(values_N, layout, sampled.levels_NJ(features), claim)
        yield key(quantity, features), estimate, truth.dissimilarity(cells_X(features))
    for quantity, (first, second) in GAINS.items():
        first_N1, second_N = sampled.levels_NJ((first,)), sampled.levels_NJ((second,))[:, 0]
        estimate = share.gain(values_N, layout, first_N1, second_N, claim)
        yield key(quantity, (first, second)), estimate, truth.gain(levels_X(first), levels_X(second))
    if mode == "black-box" or truth.total() == 0.0:
        return
    for quantity, features in SHARES.items():
        estimate = share.share(values_N, layout, sampled.levels_NJ(features), claim)
        true_share = truth.share(cells_X(features))
        apart = {"regime": HIGH_SHARE} if true_share > 0.95 else {}
        yield key(quantity, features)._replace(**apart), estimate, true_share
