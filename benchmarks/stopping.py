"""The part of the coverage study about the stopping rule: how often greedy selection takes something false.

40 candidates that add nothing, alone or after three that do. Each is a function of the answer, read with errors,
or noise: as with real candidates, samples of one prompt resemble each other and the size of the evidence depends
on them. Under a random claim a third of them has effects on single prompts that cancel in the population. The
minimum gain is 0, so that the rule alone decides.
"""

import numpy as np

from benchmarks.worlds import Cell, Sampled, world_of
from probes.scale import IntArray
from tools.layout import Claim
from tools.selection import greedy

CANDIDATES = 40
TRUE_SET = ("brief", "hedge", "closing")


def stopping(
    cell: Cell,
    claim: Claim,
    mode: str,
    after_three: bool,
    world_seed: int,
    rng: np.random.Generator,
    worlds: int,
) -> dict[str, int]:
    """One block: in how many worlds anything was taken, and in how many with a gain of 0.01 or more."""
    world = world_of(world_seed, cell.total)
    taken = taken_above_minimum = 0
    for _ in range(worlds):
        sampled = cell.sample(rng, world)
        columns = [*sampled.levels_NJ(TRUE_SET).T] if after_three else []
        start = range(len(columns))
        columns += false_candidates(rng, sampled, claim)
        selection = greedy(
            sampled.values_N(mode),
            sampled.layout,
            np.column_stack(columns),
            claim,
            black_box=mode == "black-box",
            seed=int(rng.integers(2**31)),
            start=start,
            min_gain=0.0,
            max_parameters=len(start) + 1,
        )
        taken += len(selection.steps) > 0
        taken_above_minimum += any(step.gain >= 0.01 for step in selection.steps)
    return {"worlds": worlds, "taken": taken, "taken_above_minimum": taken_above_minimum}


def false_candidates(rng: np.random.Generator, sampled: Sampled, claim: Claim) -> list[IntArray]:
    """Levels [N] of each candidate, rare levels merged."""
    day_N, exclaims_N = sampled.levels_NJ(("day", "exclaims")).T
    columns = []
    for number in range(CANDIDATES):
        levels = int(rng.integers(2, 6))
        noise_N = _noise(rng, sampled, levels)
        if number % 3 == 0:
            column_N = noise_N
        elif number % 3 == 1 or claim == "fixed":
            column_N = rng.integers(0, levels, size=7)[day_N]
        else:
            column_N = exclaims_N
        misread = rng.random(len(column_N)) < rng.uniform(0.0, 0.4)
        columns.append(_merged(np.where(misread, noise_N, column_N)))
    return columns


def _noise(rng: np.random.Generator, sampled: Sampled, levels: int) -> IntArray:
    """Levels whose probabilities differ by prompt."""
    logits_QL = rng.normal(0.0, 1.0, size=(sampled.layout.prompts, levels))
    gumbel_NL = rng.gumbel(size=(sampled.layout.samples, levels))
    noise_N: IntArray = np.argmax(logits_QL[sampled.layout.prompt_N] + gumbel_NL, axis=1)
    return noise_N


def _merged(levels_N: IntArray) -> IntArray:
    """Levels with fewer than 10 hits joined to the most common one, as scales are before they are tested."""
    counts_L = np.bincount(levels_N)
    return np.where(counts_L[levels_N] < 10, int(counts_L.argmax()), levels_N)
