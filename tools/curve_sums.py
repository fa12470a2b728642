"""One pass over the log-likelihoods of a sweep: what every boundary, and every resample of the curve, is made of.

A sample of checkpoint k says something about the boundaries whose window holds k, at most 2w of them. All that is
kept of it are sums over its stratum (prompt x checkpoint), so that memory is that of one block of samples and of
the strata. Source: Method, sections 1 and 2. Axes: S strata, O = 2w places in a window, B boundaries, D = 3 kinds.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from probes.scale import FloatArray, IntArray
from tools.dissimilarity import KINDS, of_evidence
from tools.evidence import has_evidence, side_mixtures, signed_evidence
from tools.layout import BoolArray

BLOCK_NUMBERS = 4_000_000
"""Log-likelihoods in one block, about."""


def binned(index_M: IntArray, value_M: FloatArray, size: int) -> FloatArray:
    """Sums [size] of values by their index."""
    return np.bincount(index_M, weights=value_M, minlength=size).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a sweep of K checkpoints: at each boundary alike in size on both sides, narrower at the ends.

    Boundary b = 0..K-2 lies between checkpoints b and b + 1. window: the widest.
    """

    checkpoints: int
    window: int

    @property
    def boundaries(self) -> int:
        return max(self.checkpoints - 1, 0)

    @cached_property
    def width_B(self) -> IntArray:
        right_B = np.arange(1, self.checkpoints)
        width_B: IntArray = np.minimum(self.window, np.minimum(right_B, self.checkpoints - right_B))
        return width_B

    def sides(self, boundary: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Checkpoints of the window left and right of a boundary."""
        right, width = boundary + 1, int(self.width_B[boundary])
        return tuple(range(right - width, right)), tuple(range(right, right + width))

    @property
    def places(self) -> int:
        return 2 * self.window

    def boundary_at(self, checkpoint_N: IntArray, place: int) -> tuple[IntArray, IntArray]:
        """The boundary [N] that sees these checkpoints at a place of the widest window, and its width; 0: none."""
        boundary_N = checkpoint_N + self.window - 1 - place
        inside_N = (boundary_N >= 0) & (boundary_N < self.boundaries)
        boundary_N = np.where(inside_N, boundary_N, 0)
        width_N = np.where(inside_N, self.width_B[boundary_N] if self.boundaries else 0, 0)
        seen_N = np.abs(2 * place + 1 - self.places) < 2 * width_N
        return boundary_N, np.where(seen_N, width_N, 0)


@dataclass(frozen=True, eq=False)
class Strata:
    """Prompt x checkpoint of N samples, as far as they occur, ordered by prompt. prompt_S: 0..Q-1."""

    stratum_N: IntArray
    prompt_S: IntArray
    checkpoint_S: IntArray
    size_S: IntArray
    prompts: int

    @classmethod
    def of(cls, prompt_N: IntArray, checkpoint_N: IntArray, checkpoints: int) -> "Strata":
        """prompt_N: numbers from 0 that tell prompts apart, not all of which need occur."""
        asked = np.bincount(prompt_N) > 0
        key_N = (np.cumsum(asked) - 1)[prompt_N] * checkpoints + checkpoint_N
        occurs = np.bincount(key_N)
        key_S = np.flatnonzero(occurs)
        stratum_N = (np.cumsum(occurs > 0) - 1)[key_N]
        return cls(stratum_N, key_S // checkpoints, key_S % checkpoints, occurs[key_S], int(asked.sum()))


@dataclass(frozen=True, eq=False)
class CurveSums:
    """Sums, and sums of products, of what the samples of each stratum contribute at each place of a window.

    sum_DSO, square_DSO: by kind. product_SOO: of the linear contributions at two places. missing_B: boundaries
    with a sample that is not scored under the whole window, or impossible under all of it.
    """

    windows: Windows
    strata: Strata
    sum_DSO: FloatArray
    square_DSO: FloatArray
    product_SOO: FloatArray
    missing_B: BoolArray

    @classmethod
    def empty(cls, windows: Windows, strata: Strata) -> "CurveSums":
        shape = (len(KINDS), len(strata.size_S), windows.places)
        product_SOO = np.zeros((shape[1], shape[2], shape[2]))
        return cls(
            windows,
            strata,
            np.zeros(shape),
            np.zeros(shape),
            product_SOO,
            np.zeros(windows.boundaries, dtype=bool),
        )

    def add(self, stratum_M: IntArray, value_DOM: FloatArray) -> None:
        """Adds samples of these strata with what they contribute at every place; 0 where no boundary sees them."""
        if not len(stratum_M):
            return
        first, last = int(stratum_M.min()), int(stratum_M.max()) + 1
        local_M = stratum_M - first

        def summed(value_M: FloatArray) -> FloatArray:
            return binned(local_M, value_M, last - first)

        for place in range(self.windows.places):
            for kind in range(len(KINDS)):
                value_M = value_DOM[kind, place]
                self.sum_DSO[kind, first:last, place] += summed(value_M)
                self.square_DSO[kind, first:last, place] += summed(value_M * value_M)
            for other in range(place):
                product_S = summed(value_DOM[0, place] * value_DOM[0, other])
                self.product_SOO[first:last, place, other] += product_S
                self.product_SOO[first:last, other, place] += product_S
            self.product_SOO[first:last, place, place] = self.square_DSO[0, first:last, place]


def sums_of_loglik(
    loglik_NK: NDArray[np.floating],
    prompt_N: IntArray,
    checkpoint_N: IntArray,
    window: int,
    row_N: IntArray | None = None,
    block_numbers: int = BLOCK_NUMBERS,
) -> CurveSums:
    """The sums of a sweep in one pass over its log-likelihoods, block by block.

    loglik_NK: log P(x_i | q_i, T_k) in nats, NaN where not scored; a memory map is read once, in its order. row_N:
    the rows that count, rising (default: all); prompt_N and checkpoint_N are of these.
    """
    checkpoints = loglik_NK.shape[1]
    windows = Windows(checkpoints, window)
    sums = CurveSums.empty(windows, Strata.of(prompt_N, checkpoint_N, checkpoints))
    rows_a_block = max(1, block_numbers // max(checkpoints, 1))
    row_N = np.arange(len(loglik_NK)) if row_N is None else row_N
    for first in range(0, len(loglik_NK), rows_a_block):
        low, high = np.searchsorted(row_N, [first, first + rows_a_block])
        block_M = slice(int(low), int(high))
        flat = loglik_NK[first : first + rows_a_block].reshape(-1)
        start_M = (row_N[block_M] - first) * checkpoints
        sums.add(sums.strata.stratum_N[block_M], _contributions(flat, start_M, checkpoint_N[block_M], sums))
    return sums


def _contributions(
    flat: NDArray[np.floating], start_M: IntArray, checkpoint_M: IntArray, sums: CurveSums
) -> FloatArray:
    """What samples contribute [D, O, M]. flat: the block's log-likelihoods, a sample's own from its start on."""
    windows = sums.windows
    value_DOM = np.zeros((len(KINDS), windows.places, len(start_M)))
    for place in range(windows.places):
        boundary_M, width_M = windows.boundary_at(checkpoint_M, place)
        first_M = start_M + boundary_M + 1 - width_M
        for width in range(1, windows.window + 1):
            rows = np.flatnonzero(width_M == width)
            first_R = first_M[rows]
            loglik_WR = np.stack([flat[first_R + column] for column in range(2 * width)], dtype=np.float64)
            if not np.isfinite(loglik_WR.sum(axis=0)).all():
                says_R = has_evidence(loglik_WR.T)
                sums.missing_B[boundary_M[rows[~says_R]]] = True
                rows, loglik_WR = rows[says_R], loglik_WR[:, says_R]
            s_R = signed_evidence(*side_mixtures(loglik_WR.T, range(width), range(width, 2 * width)))
            for kind, name in enumerate(KINDS):
                value_DOM[kind, place, rows] = of_evidence(s_R, name)
    return value_DOM
