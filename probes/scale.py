"""Scales: the finitely many levels on which an order parameter is scored.

A scale turns a raw score (a number measured in code, a label that came with the data, a judge's verdict) into
a level, an integer from 0. What has no level is never a silent zero: negative codes say why (`Outcome`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ScaleKind = Literal["yes_no", "ordered", "categories", "numeric"]
IntArray = NDArray[np.signedinteger[Any]]
FloatArray = NDArray[np.float64]


class Outcome(IntEnum):
    """Why a sample has no level. Stored in place of a level, so that every count can be shown."""

    MISSING = -1  # the measure does not apply, or the score that came with the data is absent
    REFUSED = -2  # the judge refused to judge
    FAILED = -3  # the judge's answer could not be used
    RARE = -4  # the score that came with the data lies on no level: too rare for one of its own


@dataclass(frozen=True, slots=True)
class Level:
    """One level: its short name and, for judges and readers, what an answer on it does."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """Levels in order; for `numeric` also the cut points between them (`len(cuts) == len(levels) - 1`).

    A numeric value x is on level `sum(x >= cut for cut in cuts)`: a cut is the first value of the upper level.
    """

    kind: ScaleKind
    levels: tuple[Level, ...]
    cuts: tuple[float, ...] = field(default=())
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind == "numeric" and len(self.cuts) != len(self.levels) - 1:
            raise ValueError(f"a numeric scale of {len(self.levels)} levels needs {len(self.levels) - 1} cuts")
        if self.kind == "numeric" and any(a >= b for a, b in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError("the cuts of a numeric scale must rise")

    @property
    def size(self) -> int:
        return len(self.levels)


YES_NO = Scale("yes_no", (Level("no"), Level("yes")))


def levels_of_numbers(scale: Scale, values_N: FloatArray) -> IntArray:
    """Levels [N] of numeric values [N] on a `numeric` or `yes_no` scale; NaN becomes `Outcome.MISSING`."""
    cuts: Sequence[float] = scale.cuts if scale.kind == "numeric" else (0.5,)
    levels_N = np.searchsorted(np.asarray(cuts), values_N, side="right").astype(np.int64)
    levels_N[np.isnan(values_N)] = Outcome.MISSING
    return levels_N
