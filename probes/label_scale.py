"""Scales for scores that came with the data: numbers, numbers as text, words, and all of these in one column."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probes.scale import IntArray, Outcome, Scale

Label = str | int | float | bool | None
"""A raw score as JSON has it."""

OTHER = "other"


@dataclass(frozen=True)
class LabelScale:
    """A scale, and the raw labels on each of its levels (`labels[j]` on `scale.levels[j]`).

    Nothing else is needed to measure other data with it, so a report can keep it:

    - a level that lists labels takes exactly those (of words, capitals and space around them do not matter);
    - levels that list none, the first of the scale, are those of the numbers between `scale.cuts`;
    - a level called `other` also takes words that the scale has never seen;
    - a level that lists the empty label takes absent scores.
    """

    scale: Scale
    labels: tuple[tuple[str | float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.labels) != self.scale.size:
            raise ValueError(f"labels for {len(self.labels)} levels, but the scale has {self.scale.size}")

    def levels_of(self, labels_N: Iterable[Label]) -> IntArray:
        """Levels [N] of raw labels.

        `Outcome.MISSING` for an absent score (null, empty, NaN) unless the scale has a level for it;
        `Outcome.RARE` for a label that lies on no level.
        """
        return np.fromiter((self._level_of(plain_label(label)) for label in labels_N), dtype=np.int64)

    def _level_of(self, label: str | float) -> int:
        if label in self._listed:
            return self._listed[label]
        if isinstance(label, float):
            numeric = any(not labels for labels in self.labels)
            return int(np.searchsorted(self.scale.cuts, label, side="right")) if numeric else Outcome.RARE
        return Outcome.MISSING if label == "" else self._unseen

    @cached_property
    def _listed(self) -> dict[str | float, int]:
        return {plain_label(label): level for level, labels in enumerate(self.labels) for label in labels}

    @cached_property
    def _unseen(self) -> int:
        """The level of a word that the scale has never seen."""
        names = [level.name.casefold() for level in self.scale.levels]
        return names.index(OTHER) if OTHER in names else Outcome.RARE


def plain_label(label: Label) -> str | float:
    """A number (also one given as text or as true/false), a word without capitals, or "" for an absent score."""
    if label is None:
        return ""
    if isinstance(label, str):
        word = label.strip()
        if not _NUMBER.fullmatch(word):
            return "" if word.casefold() == "nan" else word.casefold()
        label = word
    number = float(label)
    return "" if math.isnan(number) else number


_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
