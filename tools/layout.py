"""Where each sample sits: its prompt, its side and its stratum, and the weights that follow.

Every estimator takes its rows through a `Layout`, so that weights and strata have a single source.
Source: Method, sections 3 (weights) and 5 (notation).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.scale import FloatArray, IntArray

Claim = Literal["fixed", "random"]
ABOUT: dict[Claim, str] = {"fixed": "these prompts", "random": "prompts like these"}
"""What a claim is about, in words."""

BoolArray = NDArray[np.bool_]

BEFORE, AFTER = 0, 1

FEWEST_PROMPTS: dict[Claim, int] = {"fixed": 1, "random": 2}
"""Prompts without which a claim has no standard error, and so no estimate."""


@dataclass(frozen=True, eq=False)
class Layout:
    """N samples of Q prompts on two sides; every prompt has samples on both sides.

    prompt_N: prompt index 0..Q-1. side_N: `BEFORE` or `AFTER`. checkpoint_N: which checkpoint of its side a
    sample came from (any integers). Strata are prompt x side x checkpoint. Build with `layout_of`, which
    numbers prompts and drops those that have one side only.
    """

    prompt_N: IntArray
    side_N: IntArray
    checkpoint_N: IntArray

    @property
    def samples(self) -> int:
        return len(self.prompt_N)

    @cached_property
    def prompts(self) -> int:
        return int(self.prompt_N.max()) + 1 if self.samples else 0

    @cached_property
    def _strata(self) -> tuple[IntArray, IntArray, IntArray]:
        """Prompt and side of each stratum [S], and the stratum of each sample [N]."""
        if not self.samples:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty
        checkpoints, checkpoint_N = np.unique(self.checkpoint_N, return_inverse=True)
        key_N = (self.prompt_N * 2 + self.side_N) * len(checkpoints) + checkpoint_N.reshape(-1)
        key_S, stratum_N = np.unique(key_N, return_inverse=True)
        prompt_side_S = key_S // len(checkpoints)
        return prompt_side_S // 2, prompt_side_S % 2, np.asarray(stratum_N, dtype=np.int64).reshape(-1)

    @cached_property
    def prompt_S(self) -> IntArray:
        return self._strata[0]

    @cached_property
    def side_S(self) -> IntArray:
        return self._strata[1]

    @cached_property
    def stratum_N(self) -> IntArray:
        """Stratum index 0..S-1 of each sample, ordered by prompt, then side, then checkpoint."""
        return self._strata[2]

    @property
    def strata(self) -> int:
        return len(self.prompt_S)

    @cached_property
    def size_S(self) -> IntArray:
        return np.bincount(self.stratum_N, minlength=self.strata)

    @cached_property
    def mass_S(self) -> FloatArray:
        """Total weight of each stratum: 1 / (2 Q K), K checkpoints of that prompt on that side; sums to 1."""
        prompt_side_S = self.prompt_S * 2 + self.side_S
        checkpoints_S = np.bincount(prompt_side_S, minlength=2 * self.prompts)[prompt_side_S]
        mass_S: FloatArray = 1.0 / (2.0 * self.prompts * checkpoints_S)
        return mass_S

    @cached_property
    def weight_N(self) -> FloatArray:
        """Weight of each sample, 1 / (2 Q K n): equal mass for every prompt and both its sides; sums to 1."""
        weight_N: FloatArray = (self.mass_S / self.size_S)[self.stratum_N]
        return weight_N

    @cached_property
    def label_N(self) -> FloatArray:
        """The black-box values y: +1 before, -1 after."""
        return np.where(self.side_N == BEFORE, 1.0, -1.0)

    def rows(self, kept_N: BoolArray) -> tuple["Layout", BoolArray]:
        """The layout of some of the rows, weights renewed, and the mask [N] of the rows it holds.

        A prompt left without one side drops out, so the mask may be smaller than `kept_N`.
        """
        layout, within = layout_of(self.prompt_N[kept_N], self.side_N[kept_N], self.checkpoint_N[kept_N])
        mask_N = kept_N.copy()
        mask_N[kept_N] = within
        return layout, mask_N


def layout_of(
    prompt_N: IntArray, side_N: IntArray, checkpoint_N: IntArray | None = None
) -> tuple[Layout, BoolArray]:
    """A `Layout` of the rows whose prompt has samples on both sides, and the mask [N] of the rows kept.

    prompt_N: any integers that tell prompts apart (they are renumbered from 0 in rising order). checkpoint_N:
    defaults to one checkpoint a side. A prompt with one side only says nothing about the change: left out.
    """
    checkpoint_N = np.zeros_like(side_N) if checkpoint_N is None else checkpoint_N
    unique, inverse_N = np.unique(prompt_N, return_inverse=True)
    index_N = np.asarray(inverse_N, dtype=np.int64).reshape(-1)
    counts_Q2 = np.bincount(index_N * 2 + side_N, minlength=2 * len(unique)).reshape(-1, 2)
    kept_Q: BoolArray = np.all(counts_Q2 > 0, axis=1)
    kept_N: BoolArray = kept_Q[index_N]
    renumbered_Q = np.cumsum(kept_Q) - 1
    layout = Layout(
        np.asarray(renumbered_Q[index_N[kept_N]], dtype=np.int64),
        np.asarray(side_N[kept_N], dtype=np.int64),
        np.asarray(checkpoint_N[kept_N], dtype=np.int64),
    )
    return layout, kept_N
