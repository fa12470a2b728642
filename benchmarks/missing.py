"""The part of the coverage study about scores with missing values.

Method, section 5, says only that a set is measured on its complete cases. With labels that is D_z between the
answers of both sides whose scores are present. With likelihoods the evidence stays that of the answer, so that
E[s | z, present] is estimated: the same, unless the side or the answer decides whether a score is present.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.intervals import regime
from benchmarks.tally import Key, Tallies
from benchmarks.worlds import CLAIMS, MODES, Cell, Sampled, world_of
from probes.scale import FloatArray, IntArray, Outcome
from probes.toy_world import Contrast
from tools import share
from tools.inference import Estimate
from tools.layout import BoolArray, Claim

OTHER_TARGET = "against the truth of all answers"

AT_RANDOM = "a fifth missing at random"
UNEVEN = "missing mostly after, on one level"
PATTERNS = (AT_RANDOM, UNEVEN)
HEDGE_PRESENT = 0.8


def length_present_2X(pattern: str, length_X: IntArray) -> FloatArray:
    """Probability that the score of length is present for each output, before and after."""
    if pattern == AT_RANDOM:
        return np.full((2, len(length_X)), 0.8)
    return np.stack([np.full(len(length_X), 0.95), np.where(length_X == 0, 0.6, 0.95)])


@dataclass(frozen=True, eq=False)
class CompleteCases:
    """The target of estimates on complete cases: sums over the outputs X whose scores are present."""

    mass_X: FloatArray
    change_X: FloatArray  # E[v 1_x]
    total: float

    def dissimilarity(self, cells_X: IntArray) -> float:
        mass_C = np.bincount(cells_X, self.mass_X)
        return float((np.bincount(cells_X, self.change_X) ** 2 / mass_C).sum())


def complete_cases(truth: Contrast, present_2X: FloatArray, mode: str) -> CompleteCases:
    """What is estimated where outputs keep their scores with probabilities [2, X]; equal mass as ever."""
    sides = (present_2X[0] * truth.p_QX, present_2X[1] * truth.r_QX)
    p_QX, r_QX = (side_QX / side_QX.sum(axis=1, keepdims=True) for side_QX in sides)
    mixture_QX = (p_QX + r_QX) / 2
    values_QX = truth.evidence_QX if mode == "likelihood" else (p_QX - r_QX) / (p_QX + r_QX)
    total = float(truth.weight_Q @ (mixture_QX * truth.evidence_QX**2).sum(axis=1))
    return CompleteCases(truth.weight_Q @ mixture_QX, truth.weight_Q @ (mixture_QX * values_QX), total)


def missing(cell: Cell, world_seed: int, rng: np.random.Generator, worlds: int) -> Tallies:
    """One block: length and hedge, the scores of both missing here and there."""
    world = world_of(world_seed, cell.total)
    tallies = Tallies()
    for _ in range(worlds):
        sampled = cell.sample(rng, world)
        complete_NJ = sampled.levels_NJ(("length", "hedge"))
        chance_NJ = rng.random(complete_NJ.shape)
        for pattern in PATTERNS:
            present_2X = length_present_2X(pattern, world.levels("length"))
            present_N = present_2X[sampled.layout.side_N, sampled.draws.output_N]
            gone_NJ = chance_NJ > np.column_stack([present_N, np.full(len(present_N), HEDGE_PRESENT)])
            levels_NJ = np.where(gone_NJ, int(Outcome.MISSING), complete_NJ)
            for claim in CLAIMS:
                for mode in MODES:
                    for key, estimate, truth in _measured(sampled, levels_NJ, present_2X, mode, claim):
                        tallies.add(key._replace(quantity=f"{key.quantity}, {pattern}"), estimate, truth)
    return tallies


def _measured(
    sampled: Sampled, levels_NJ: IntArray, present_2X: FloatArray, mode: str, claim: Claim
) -> Iterator[tuple[Key, Estimate, float]]:
    """Quantities of length alone and of both, each with its target."""
    values_N, layout = sampled.values_N(mode), sampled.layout
    length_X, hedge_X = sampled.world.levels("length"), sampled.world.levels("hedge")

    whole = _kept(sampled, claim, levels_NJ[:, 0] >= 0)
    target = complete_cases(whole, present_2X, mode)
    key = Key("D_z", mode, claim, regime(levels_NJ[:, :1], [4], mode))
    estimate = share.dissimilarity(values_N, layout, levels_NJ[:, 0], claim)
    yield key, estimate, target.dissimilarity(length_X)
    yield key._replace(regime=OTHER_TARGET), estimate, whole.dissimilarity(length_X)
    if mode == "likelihood":
        ratio = share.share(values_N, layout, levels_NJ[:, :1], claim)
        yield key._replace(quantity="share"), ratio, target.dissimilarity(length_X) / target.total

    target = complete_cases(
        _kept(sampled, claim, np.all(levels_NJ >= 0, axis=1)), present_2X * HEDGE_PRESENT, mode
    )
    key = Key("set of two", mode, claim, regime(levels_NJ, [4, 2], mode))
    both = target.dissimilarity(length_X * 2 + hedge_X)
    yield key, share.set_dissimilarity(values_N, layout, levels_NJ, claim), both
    gained = share.gain(values_N, layout, levels_NJ[:, :1], levels_NJ[:, 1], claim)
    yield key._replace(quantity="gain"), gained, both - target.dissimilarity(length_X)


def _kept(sampled: Sampled, claim: Claim, present_N: BoolArray) -> Contrast:
    """What the claim is about once prompts without present scores on one side have dropped out."""
    if claim == "random":
        return sampled.truth(claim)
    _, kept_N = sampled.layout.rows(present_N)
    return sampled.world.given(sampled.draws.types_Q[np.unique(sampled.draws.prompt_N[kept_N])])
