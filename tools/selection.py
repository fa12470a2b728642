"""Greedy choice of a set: forward selection in a regression of the signed evidence, with a stop of known level.

Source: Method, section 5, "Greedy, and when to stop". A step takes, of the candidates whose gain stands out from
the largest that chance shows among all candidates, the one with the largest gain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.layout import Claim, Layout
from tools.nulls import NullGains, null_gains

LEVEL = 0.05
"""Chance of a false first step where no candidate has anything to add."""


@dataclass(frozen=True, slots=True)
class Step:
    """One parameter that was added: its index, its bias-corrected gain (a dissimilarity), z_j and p of that z.

    p: share of resamples (the observed row included) in which the largest z of all candidates reaches z_j; with
    candidates that a race dropped, of as many as were tried (Sidak).
    admissible: candidates that stood out at this step.
    """

    candidate: int
    gain: float
    z: float
    p_value: float
    admissible: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The set in greedy order, `start` first, the steps that grew it and why it grew no further."""

    chosen: tuple[int, ...]
    steps: tuple[Step, ...]
    stopped_because: str


def greedy(
    values_N: FloatArray,
    layout: Layout,
    levels_NJ: IntArray,
    claim: Claim,
    *,
    black_box: bool,
    seed: int,
    start: Sequence[int] = (),
    min_gain: float = 0.01,
    max_parameters: int = 6,
    resamples: int = 999,
    raced_out: int = 0,
) -> Selection:
    """Grow a set of at most `max_parameters` columns of levels [N, J] from `start`, on the select split.

    values_N: signed evidence, or labels in black-box mode. min_gain: dissimilarity below which nothing is added.
    raced_out: candidates that have no column because a race dropped them as the worst on read, or a person who saw
    them. They count in the largest that chance shows, and there are as many resamples as these would need: read
    may share its prompts with select, and what is best there by chance of the prompts is best here too.
    """
    chosen = list(start)
    steps: list[Step] = []
    while len(chosen) < max_parameters:
        rest = [j for j in range(levels_NJ.shape[1]) if j not in chosen]
        stands_for = 1 + raced_out / max(len(rest), 1)
        gains = null_gains(
            values_N,
            layout,
            levels_NJ[:, chosen],
            levels_NJ[:, rest],
            claim,
            black_box=black_box,
            seed=_step_seed(seed, len(chosen)),
            resamples=math.ceil(resamples * stands_for),
        )
        best, reason = _best(gains, rest, min_gain, stands_for)
        if best is None:
            return Selection(tuple(chosen), tuple(steps), reason)
        chosen.append(best.candidate)
        steps.append(best)
    return Selection(tuple(chosen), tuple(steps), f"the set has as many parameters as allowed ({max_parameters})")


def _best(
    gains: NullGains, candidates: Sequence[int], min_gain: float, stands_for: float
) -> tuple[Step | None, str]:
    """The step to take, or None and why there is none. stands_for: candidates tried for each that is there."""
    all_JR = np.column_stack([gains.observed_J, gains.null_JR])
    spread_J = all_JR.std(axis=1)
    able = np.flatnonzero((gains.new_cells_J > 0) & (spread_J > 0))
    if not len(able):
        return None, "no candidate is left that could divide the samples further"
    z_JR = (all_JR[able] - all_JR[able].mean(axis=1, keepdims=True)) / spread_J[able][:, None]
    largest_R = z_JR.max(axis=0)
    p_J = (largest_R[None, :] >= z_JR[:, :1]).mean(axis=1)
    if stands_for > 1:
        p_J = 1 - (1 - p_J) ** stands_for
    admissible = np.flatnonzero(p_J <= LEVEL)
    if not len(admissible):
        return None, f"none of {len(able)} remaining candidates adds more than the largest gain that chance shows"
    i = admissible[np.argmax(gains.observed_J[able[admissible]])]
    gain = float(gains.observed_J[able[i]])
    if gain < min_gain:
        return None, f"the largest gain that is not chance ({gain:.4f}) is under the minimum ({min_gain:g})"
    return Step(candidates[able[i]], gain, float(z_JR[i, 0]), float(p_J[i]), len(admissible)), ""


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
