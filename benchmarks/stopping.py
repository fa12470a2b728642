"""The part of the coverage study about the stopping rule: how often greedy selection takes something false.

40 candidates that add nothing, alone or after three that do, each read with errors. The minimum gain is 0, so that
the rule alone decides. What adds nothing alone may add something to a set: a candidate whose levels tell prompts
apart, or days that gate the movement, say which evidence to expect on the set's levels. So there are

- alone: noise with level frequencies of its own on each prompt, and functions of the day;
- after three, fixed prompts: noise with the same frequencies on all prompts;
- random prompts, alone or not: a third has effects on single prompts that cancel in the population.
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
        columns += false_candidates(rng, sampled, claim, after_three=after_three)
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


def false_candidates(
    rng: np.random.Generator, sampled: Sampled, claim: Claim, *, after_three: bool
) -> list[IntArray]:
    """Levels [N] of each candidate, rare levels merged."""
    day_N, exclaims_N = sampled.levels_NJ(("day", "exclaims")).T
    spread = 0.0 if after_three and claim == "fixed" else 1.0
    columns = []
    for number in range(CANDIDATES):
        levels = int(rng.integers(2, 6))
        noise_N = _noise(rng, sampled, levels, spread)
        if number % 3 == 0 and claim == "random":
            column_N = exclaims_N
        elif number % 3 == 1 and not after_three:
            column_N = rng.integers(0, levels, size=7)[day_N]
        else:
            column_N = noise_N
        misread_N = rng.random(len(column_N)) < rng.uniform(0.0, 0.4)
        columns.append(_merged(np.where(misread_N, noise_N, column_N)))
    return columns


def _noise(rng: np.random.Generator, sampled: Sampled, levels: int, spread: float) -> IntArray:
    """Levels with random probabilities, whose logits differ between prompts by `spread`."""
    logits_QL = rng.normal(0.0, 1.0, levels) + spread * rng.normal(0.0, 1.0, (sampled.layout.prompts, levels))
    gumbel_NL = rng.gumbel(size=(sampled.layout.samples, levels))
    noise_N: IntArray = np.argmax(logits_QL[sampled.layout.prompt_N] + gumbel_NL, axis=1)
    return noise_N


def _merged(levels_N: IntArray) -> IntArray:
    """Levels with fewer than 10 hits joined to the most common one, as scales are before they are tested."""
    counts_L = np.bincount(levels_N)
    return np.where(counts_L[levels_N] < 10, int(counts_L.argmax()), levels_N)
