"""Scales learned from data: cut points for numbers, levels for labels that came with the data.

Everything here is learned on the *read* split (Method, section 5): scales chosen on the data that they are tested
on find something in half of all nulls. At most five levels by quantile, each with at least 10 hits.
"""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from probes.label_scale import OTHER, Label, LabelScale, plain_label
from probes.scale import FloatArray, IntArray, Level, Scale, ScaleKind

MAX_LEVELS = 5
MIN_HITS = 10

NONE_SHARE = 0.1
"""From this share of zeros on, counts and rates get a border between none and some."""

LEEWAY = 0.03
"""How far from a quantile, as a share of the values, a border may lie for the sake of a round cut."""

SMALLEST_SOME = 1e-9
"""That border where values are no whole numbers: whatever is above 0 is some."""


def learn_numeric_scale(
    values_N: FloatArray, unit: str = "", max_levels: int = MAX_LEVELS, min_hits: int = MIN_HITS
) -> Scale | None:
    """A numeric scale for values [N] (NaN: left out), or None if they do not fill two levels.

    Cuts lie near the quantiles, at the roundest number between two neighbouring values, so that no sample's level
    depends on the rounding. Where a tenth of the values or more are zeros and none is negative, one border stands
    between none and some, and the quantiles are those of the rest.
    """
    values, hits = np.unique(values_N[np.isfinite(values_N)], return_counts=True)
    borders = _borders(values, hits, max_levels, min_hits)
    if not borders:
        return None
    whole = bool(np.all(values == np.round(values)))
    has_none = bool(values[0] == 0 and borders[0] == 1)
    cuts = [roundest(float(values[border - 1]), float(values[border])) for border in borders]
    if has_none:
        cuts[0] = 1.0 if whole else SMALLEST_SOME
    names = level_names(cuts, unit, whole=whole, has_none=has_none)
    return Scale("numeric", tuple(map(Level, names)), tuple(cuts), unit)


def _borders(values: FloatArray, hits: IntArray, max_levels: int, min_hits: int) -> list[int]:
    """Indices into the rising distinct values at which a new level begins."""
    total = int(hits.sum())
    if len(values) < 2 or total < 2 * min_hits:
        return []
    if values[0] == 0 and hits[0] >= max(min_hits, NONE_SHARE * total) and total - hits[0] >= min_hits:
        rest = _near_quantiles(values[1:], hits[1:], max_levels - 1)
        return _filled([1, *(1 + border for border in rest)], hits, min_hits)
    return _filled(_near_quantiles(values, hits, max_levels), hits, min_hits)


def _near_quantiles(values: FloatArray, hits: IntArray, max_levels: int) -> list[int]:
    """For each quantile the border within `LEEWAY` of it that has the roundest cut; the nearest one if none is."""
    if len(values) < 2:
        return []
    below = np.cumsum(hits)[:-1] / hits.sum()  # share of hits below the border before values[1], values[2], ...
    borders = set()
    for target in np.arange(1, max_levels) / max_levels:
        distance = np.abs(below - target)
        near = np.flatnonzero(distance <= max(LEEWAY, distance.min()))
        cut = roundest(float(values[near[0]]), float(values[near[-1] + 1]))
        borders.add(int(np.searchsorted(values, cut)))
    return sorted(borders)


def _filled(borders: list[int], hits: IntArray, min_hits: int) -> list[int]:
    """The borders left when each level with too few hits, smallest first, has joined its smaller neighbour."""
    below = np.concatenate([[0], np.cumsum(hits)])
    while borders:
        sizes = np.diff(below[[0, *borders, len(hits)]])
        smallest = int(np.argmin(sizes))
        if sizes[smallest] >= min_hits:
            break
        left = sizes[smallest - 1] if smallest > 0 else math.inf
        right = sizes[smallest + 1] if smallest + 1 < len(sizes) else math.inf
        borders = [*borders]
        borders.pop(smallest - 1 if left <= right else smallest)
    return borders


# Readable numbers


def roundest(low: float, high: float) -> float:
    """The roundest number c with low < c <= high (low < high).

    It is a multiple of the largest step of 1, 2 or 5 times a power of ten that has one there; of several the one
    nearest to the middle.
    """
    exact_low, exact_high = Decimal(low), Decimal(high)
    middle = (exact_low + exact_high) / 2
    exponent = max(exact_high.copy_abs().adjusted(), exact_low.copy_abs().adjusted()) + 1
    for power in range(exponent, exponent - 20, -1):
        for digit in (5, 2, 1):
            step = Decimal(digit).scaleb(power)
            nearest = (middle / step).to_integral_value()
            for multiple in (nearest, nearest + 1, nearest - 1):
                cut = float(multiple * step)
                if low < cut <= high:
                    return cut + 0.0  # never -0.0
    return high


def level_names(
    cuts: Sequence[float], unit: str = "", *, whole: bool = False, has_none: bool = False
) -> list[str]:
    """Readable names of the levels between cuts: "under 40 words", "40 to 79 words", "80 words or more".

    whole: values are whole numbers, so that a level between 40 and 80 ends at 79. has_none: the first level is 0.
    """
    lows = [None, *cuts]
    highs = [*cuts, None]
    names = [_level_name(low, high, unit, whole) for low, high in zip(lows, highs, strict=True)]
    if has_none:
        names[0] = "none"
        if not whole:
            names[1] = f"some, under {_with_unit(_text(cuts[1]), unit)}" if len(cuts) > 1 else "some"
    return names


def _level_name(low: float | None, high: float | None, unit: str, whole: bool) -> str:
    if low is None:
        return f"under {_with_unit(_text(high), unit)}"
    if high is None:
        return f"{_with_unit(_text(low), unit)} or more"
    if not whole:
        return f"{_text(low)} to under {_with_unit(_text(high), unit)}"
    first, last = math.ceil(low), math.ceil(high) - 1
    return _with_unit(_text(first) if first == last else f"{_text(first)} to {_text(last)}", unit)


def _with_unit(text: str, unit: str) -> str:
    if unit == "%":
        return text + unit
    if text == "1" and unit.isalpha():
        unit = unit.removesuffix("s")
    return f"{text} {unit}".rstrip()


def _text(number: float | None) -> str:
    """The shortest decimal that is the number, thousands set apart."""
    assert number is not None
    return f"{int(number):,}" if number == int(number) and abs(number) < 1e15 else f"{number!r}"


# Labels


def learn_label_scale(
    labels_N: Sequence[Label],
    *,
    max_levels: int = MAX_LEVELS,
    min_hits: int = MIN_HITS,
    missing_as_level: bool = False,
) -> LabelScale | None:
    """The scale of scores that came with the data, or None if they do not fill two levels.

    Numbers become levels by quantile (as they are, if there are at most `max_levels` different ones), words levels
    of their own, both in one column if need be; rare words join in `other`. Whatever would fill a level with fewer
    than `min_hits` is left out, and counted when the scale is used. 0 and 1, true and false, yes and no are
    a question with two answers; the usual grades (low, medium, high) are ordered. missing_as_level: absent
    scores are a level too.
    """
    plain = [plain_label(label) for label in labels_N]
    numbers = np.array([label for label in plain if isinstance(label, float)])
    words = Counter(label for label in plain if isinstance(label, str) and label)
    spelling = _spellings(labels_N)
    missing = len(plain) - len(numbers) - words.total()

    numeric, cuts = _numeric_levels(numbers, bool(words), max_levels, min_hits)
    labels: list[tuple[str | float, ...]] = [()] * len(numeric)
    names = list(numeric)
    kind: ScaleKind = "numeric" if len(numeric) > 1 else "categories"
    if set(numbers.tolist()) == {0.0, 1.0} and not words and len(numeric) == 2:
        kind, names, labels, cuts = "yes_no", ["no", "yes"], [(0.0,), (1.0,)], []
    for group in _word_levels(words, min_hits):
        names.append(spelling[group[0]] if len(group) == 1 else OTHER)
        labels.append(tuple(spelling[word] for word in group[:LISTED]))
        kind = "categories"
    if not numeric:
        kind, names, labels = _graded(names, labels)
    if missing_as_level and missing >= min_hits:
        kind, names, labels = "categories", [*names, MISSING], [*labels, ("",)]
    if len(names) < 2:
        return None
    return LabelScale(Scale(kind, tuple(map(Level, _unique(names))), tuple(cuts)), tuple(labels))


MAX_WORDS = 10
"""Levels of words at most; rarer words join the others."""

LISTED = 50
"""Labels that a level lists at most: the others of a column of free text would fill a report."""

MISSING = "missing"

_YES_NO = (("no", "yes"), ("false", "true"), ("n", "y"))
_GRADES = (
    ("none", "very low", "low", "medium", "moderate", "high", "very high"),
    ("none", "mild", "moderate", "severe"),
    ("never", "rarely", "sometimes", "often", "always"),
    ("strongly disagree", "disagree", "neutral", "agree", "strongly agree"),
    ("very poor", "poor", "fair", "good", "very good", "excellent"),
    ("negative", "neutral", "positive"),
    ("no", "partly", "partially", "partial", "yes"),
    ("a lot worse", "worse", "same", "better", "a lot better"),
)


def _spellings(labels_N: Sequence[Label]) -> dict[str, str]:
    """The first spelling of each word."""
    spelling: dict[str, str] = {}
    for label in labels_N:
        if isinstance(label, str):
            spelling.setdefault(label.strip().casefold(), label.strip())
    return spelling


def _numeric_levels(
    numbers: FloatArray, beside_words: bool, max_levels: int, min_hits: int
) -> tuple[list[str], list[float]]:
    """Names and cuts of the levels of numbers; one level beside words if the numbers cannot be told apart."""
    values, hits = np.unique(numbers, return_counts=True)
    if 2 <= len(values) <= max_levels and hits.min() >= min_hits:
        pairs = pairwise(values.tolist())
        return [_text(value) for value in values.tolist()], [roundest(low, high) for low, high in pairs]
    scale = learn_numeric_scale(numbers, max_levels=max_levels, min_hits=min_hits)
    if scale is not None:
        return [level.name for level in scale.levels], list(scale.cuts)
    return (["a number"], []) if beside_words and len(numbers) >= min_hits else ([], [])


def _word_levels(words: Counter[str], min_hits: int) -> list[list[str]]:
    """Words in groups of one level each, the most frequent first, the rare ones together at the end."""
    ranked = sorted(words, key=lambda word: (-words[word], word))
    frequent = [word for word in ranked if words[word] >= min_hits][:MAX_WORDS]
    rare = [word for word in ranked if word not in frequent]
    if sum(words[word] for word in rare) < min_hits:
        return [[word] for word in frequent]
    if OTHER in frequent:  # a category of that name takes the rare words in
        frequent.remove(OTHER)
        rare.insert(0, OTHER)
    return [*([word] for word in frequent), rare]


def _graded(
    names: list[str], labels: list[tuple[str | float, ...]]
) -> tuple[ScaleKind, list[str], list[tuple[str | float, ...]]]:
    """Words put in order where they are the two answers to a question, or known grades; else as they are."""
    plain = [name.casefold() for name in names]
    for kind, orders in (("yes_no", _YES_NO), ("ordered", _GRADES)):
        for order in orders:
            if set(plain) <= set(order) and (kind == "ordered" or len(plain) == 2):
                rank = sorted(range(len(names)), key=lambda level: order.index(plain[level]))
                ordered = [labels[level] for level in rank]
                if kind == "yes_no":
                    return "yes_no", ["no", "yes"], ordered
                return "ordered", [names[level] for level in rank], ordered
    return "categories", names, labels


def _unique(names: list[str]) -> list[str]:
    """Names of at most 60 characters, told apart by a number where two would be the same."""
    short = [name if len(name) <= 60 else f"{name[:60]}..." for name in names]
    seen: Counter[str] = Counter()
    for position, name in enumerate(short):
        seen[name] += 1
        if seen[name] > 1:
            short[position] = f"{name} ({seen[name]})"
    return short
