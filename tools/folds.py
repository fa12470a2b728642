"""Folds for held-out predictions: within prompt and side, or by whole prompts.

Source: Method, section 5 ("Lower bound of D without likelihoods").
"""

from itertools import combinations_with_replacement

import numpy as np

from probes.scale import IntArray
from tools.layout import Layout

FOLDS = 5

LEFT_OUT: tuple[tuple[int, int], ...] = tuple(combinations_with_replacement(range(FOLDS), 2))
"""Pairs of folds left out of a fit. (k, k) predicts fold k; (j, k) tunes that fit on fold j, as it saw neither."""


def folds(layout: Layout, seed: int, *, by_prompt: bool) -> IntArray:
    """The fold 0..FOLDS-1 [N] of each sample: drawn within prompt and side, or the same for a whole prompt.

    Both sides of a prompt are dealt out from the same fold on, so that a training set holds about as much of
    either side of each prompt: else a prompt's topic would point to the side that the held-out fold lacks.
    """
    place_N, rank_N = places(layout, seed)
    return (place_N if by_prompt else place_N + rank_N) % FOLDS


def places(layout: Layout, seed: int) -> tuple[IntArray, IntArray]:
    """The place of each sample's prompt in a random order of prompts, and its own within prompt and side."""
    generator = np.random.default_rng(seed)
    place_N = generator.permutation(layout.prompts)[layout.prompt_N]
    key_N = layout.prompt_N * 2 + layout.side_N
    order = np.lexsort((generator.permutation(layout.samples), key_N))
    start_N = np.searchsorted(key_N[order], key_N[order])
    rank_N = np.empty(layout.samples, dtype=np.int64)
    rank_N[order] = np.arange(layout.samples) - start_N
    return place_N, rank_N
