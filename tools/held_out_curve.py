"""The curve along a sweep without likelihoods: at each boundary, how well a held-out reader tells answers apart.

The scores of held-out discriminators take the place of the signed evidence's squares: their means are lower bounds
of the dissimilarity. Source: Method, sections 2 and 5 ("Lower bound of D without likelihoods").
"""

from collections.abc import Callable, Sequence

import numpy as np

from probes.scale import FloatArray, IntArray
from tools.curve_sums import CurveSums, Strata, Windows
from tools.discriminator import held_out_by_text, skills
from tools.dissimilarity import KINDS
from tools.layout import AFTER, BEFORE, layout_of


def sums_of_texts(
    texts: Sequence[str],
    prompt_N: IntArray,
    checkpoint_N: IntArray,
    windows: Windows,
    seed: int,
    on_boundary: Callable[[], None] = lambda: None,
) -> CurveSums:
    """The sums of a sweep from its responses [N]; one discriminator a boundary, within which folds are drawn."""
    sums = CurveSums.empty(windows, Strata.of(prompt_N, checkpoint_N, windows.checkpoints))
    value_DON = np.zeros((len(KINDS), windows.places, len(texts)))
    for boundary in range(windows.boundaries):
        _add_skills(value_DON, boundary, windows, texts, prompt_N, checkpoint_N, seed)
        on_boundary()
    sums.add(sums.strata.stratum_N, value_DON)
    return sums


def _add_skills(
    value_DON: FloatArray,
    boundary: int,
    windows: Windows,
    texts: Sequence[str],
    prompt_N: IntArray,
    checkpoint_N: IntArray,
    seed: int,
) -> None:
    """Held-out scores at a boundary, of samples whose prompt has both sides; others keep 0 and do not count."""
    before, after = windows.sides(boundary)
    inside = np.flatnonzero(np.isin(checkpoint_N, before + after))
    side_M = np.where(np.isin(checkpoint_N[inside], before), BEFORE, AFTER).astype(np.int64)
    layout, kept_M = layout_of(prompt_N[inside], side_M, checkpoint_N[inside])
    if not layout.samples:
        return
    rows = inside[kept_M]
    eta_M = held_out_by_text([texts[row] for row in rows.tolist()], layout, seed=seed)
    place_M = checkpoint_N[rows] + windows.window - 1 - boundary
    for kind, score_M in enumerate(skills(eta_M, layout.label_N).values()):
        value_DON[kind, place_M, rows] = score_M
