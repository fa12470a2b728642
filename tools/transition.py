"""Where behavior changes along a sweep: the windowed curve of the dissimilarity over boundaries, and its peak.

Source: Method, section 2. A boundary lies between two neighbouring checkpoints; at each, the checkpoints of a
window left of it are held against those right of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.dissimilarity import Dissimilarity, totals
from tools.evidence import side_mixtures, signed_evidence
from tools.inference import Estimate
from tools.layout import AFTER, BEFORE, FEWEST_PROMPTS, BoolArray, Claim, layout_of

WIDE_WINDOW_FROM = 6
"""Checkpoints from which on a window of 2 fits; 1 below."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """before, after: checkpoints of the window left and right of it. total: by kind, None where not measurable."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    total: dict[Dissimilarity, Estimate] | None

    @property
    def linear(self) -> float:
        """The linear dissimilarity; -inf where it could not be measured."""
        return -np.inf if self.total is None else self.total["linear"].value


def default_window(checkpoints: int) -> int:
    """2 checkpoints a side, 1 where the sweep has fewer than `WIDE_WINDOW_FROM`."""
    return 2 if checkpoints >= WIDE_WINDOW_FROM else 1


def boundaries(checkpoints: int, window: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Windows left and right of each of the K - 1 boundaries, alike in size: narrower towards the ends."""
    sides = []
    for right in range(1, checkpoints):
        width = min(window, right, checkpoints - right)
        sides.append((tuple(range(right - width, right)), tuple(range(right, right + width))))
    return sides


def windowed_curve(
    loglik_NK: FloatArray, prompt_N: IntArray, checkpoint_N: IntArray, claim: Claim, window: int | None = None
) -> list[Boundary]:
    """The total dissimilarity at each boundary, from samples of the window's own checkpoints.

    loglik_NK: log P(x_i | q_i, T_k), NaN where not scored. prompt_N, checkpoint_N: of each sample. A boundary
    whose samples are not scored under the whole window, or have too few prompts for the claim, has no total.
    """
    checkpoints = loglik_NK.shape[1]
    sides = boundaries(checkpoints, window or default_window(checkpoints))
    return [
        Boundary(before, after, _total(loglik_NK, prompt_N, checkpoint_N, claim, before, after))
        for before, after in sides
    ]


def peak(curve: Sequence[Boundary]) -> Boundary:
    """The boundary with the largest linear dissimilarity, the first of equals. ValueError if none is measured."""
    best = max(curve, key=lambda boundary: boundary.linear, default=None)
    if best is None or best.total is None:
        raise ValueError("no boundary of the sweep has samples that are scored under both its sides")
    return best


def stands_out(curve: Sequence[Boundary]) -> bool:
    """Whether the peak's lower limit is above the curve's baseline, its median over measured boundaries."""
    measured = [boundary.total["linear"] for boundary in curve if boundary.total is not None]
    highest = max(measured, key=lambda estimate: estimate.value, default=None)
    return highest is not None and highest.low > float(np.median([estimate.value for estimate in measured]))


def _total(
    loglik_NK: FloatArray,
    prompt_N: IntArray,
    checkpoint_N: IntArray,
    claim: Claim,
    before: tuple[int, ...],
    after: tuple[int, ...],
) -> dict[Dissimilarity, Estimate] | None:
    inside_N: BoolArray = np.isin(checkpoint_N, before + after)
    side_M = np.where(np.isin(checkpoint_N[inside_N], before), BEFORE, AFTER).astype(np.int64)
    layout, kept_M = layout_of(prompt_N[inside_N], side_M, checkpoint_N[inside_N])
    loglik_MK = loglik_NK[inside_N][kept_M]
    if layout.prompts < FEWEST_PROMPTS[claim] or not np.isfinite(loglik_MK[:, before + after]).all():
        return None
    return totals(signed_evidence(*side_mixtures(loglik_MK, before, after)), layout, claim)
