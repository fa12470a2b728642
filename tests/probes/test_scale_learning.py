"""Scales learned from data: cuts that move no sample, levels that are filled, names that can be read."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.label_scale import Label, LabelScale, plain_label
from probes.scale import Level, Outcome, Scale, levels_of_numbers
from probes.scale_learning import learn_label_scale, learn_numeric_scale, level_names, roundest

FLOATS = st.floats(-1e12, 1e12).map(lambda number: round(number, 9))
COUNTS = st.lists(st.integers(0, 12), min_size=0, max_size=150)

# Numbers


def steps(limit: int = 40) -> list[Fraction]:
    return [digit * Fraction(10) ** power for power in range(limit, -limit, -1) for digit in (5, 2, 1)]


@given(FLOATS, FLOATS)
def test_the_roundest_number_is_a_multiple_of_the_largest_step_that_fits(a: float, b: float) -> None:
    low, high = sorted((a, b))
    if low == high:
        return
    cut = roundest(low, high)
    assert low < cut <= high
    # Brute force: the first step with a multiple in (low, high] is floor(high / step) * step > low.
    first = next(step for step in steps() if math.floor(Fraction(high) / step) * step > Fraction(low))
    nearest = round(Fraction(cut) / first) * first
    assert abs(Fraction(cut) - nearest) <= abs(Fraction(cut)) / 2**52 or cut == high


@pytest.mark.parametrize(
    ("low", "high", "cut"),
    [
        (39, 42, 40),
        (3, 4, 4),
        (0.1234, 0.1301, 0.13),
        (-2, 3, 0),
        (79, 161, 100),
        (1.0, math.nextafter(1.0, 2), None),
    ],
)
def test_roundest_by_hand(low: float, high: float, cut: float | None) -> None:
    assert roundest(low, high) == (high if cut is None else cut)


@settings(max_examples=200)
@given(st.one_of(COUNTS, st.lists(st.floats(-5, 5), max_size=150)), st.integers(2, 5), st.integers(1, 12))
def test_levels_are_filled_and_told_apart(values: list[float], max_levels: int, min_hits: int) -> None:
    values_N = np.array(values, dtype=float)
    scale = learn_numeric_scale(values_N, "words", max_levels, min_hits)
    if scale is None:
        return
    hits = np.bincount(levels_of_numbers(scale, values_N), minlength=scale.size)
    assert 2 <= scale.size <= max_levels
    assert hits.min() >= min_hits
    assert len({level.name for level in scale.levels}) == scale.size


@given(COUNTS, st.integers(1, 12))
def test_none_is_learned_only_where_no_two_levels_can_be_filled(values: list[int], min_hits: int) -> None:
    values_N = np.array(values, dtype=float)
    possible = any(min((values_N < cut).sum(), (values_N >= cut).sum()) >= min_hits for cut in np.unique(values_N))
    scale = learn_numeric_scale(values_N, min_hits=min_hits)
    assert possible or scale is None
    if (
        len(values) >= 4 * min_hits
        and np.unique(values_N, return_counts=True)[1].max(initial=0) <= len(values) / 4
    ):
        assert scale is not None


def test_levels_of_many_different_values_are_near_fifths() -> None:
    values_N = np.random.default_rng(1).gamma(2, 40, 3000)
    scale = learn_numeric_scale(values_N, "words")
    assert scale is not None
    shares = np.bincount(levels_of_numbers(scale, values_N)) / 3000
    assert shares == pytest.approx(0.2, abs=0.061)  # each of two borders may lie 0.03 off
    assert all(len(repr(cut)) <= 5 for cut in scale.cuts)


def test_zeros_are_a_level_of_their_own() -> None:
    generator = np.random.default_rng(2)
    rates_N = np.where(generator.random(400) < 0.3, 0.0, generator.gamma(2, 1, 400))
    scale = learn_numeric_scale(rates_N, "per 100 words")
    assert scale is not None
    assert scale.levels[0].name == "none"
    assert ((levels_of_numbers(scale, rates_N) == 0) == (rates_N == 0)).all()
    assert levels_of_numbers(scale, np.array([1e-6])) == [1]
    few = learn_numeric_scale(np.where(generator.random(400) < 0.9, 0.0, 1.5), "per 100 words")
    assert few is not None
    assert [level.name for level in few.levels] == ["none", "some"]


def test_missing_and_infinite_values_are_left_out() -> None:
    values_N = np.r_[np.full(20, 1.0), np.full(20, 3.0), np.full(100, np.nan), [np.inf]]
    scale = learn_numeric_scale(values_N)
    assert scale is not None
    assert scale.cuts == (2.0,)
    assert (levels_of_numbers(scale, values_N[40:140]) == Outcome.MISSING).all()


@pytest.mark.parametrize("values", [[], [1.0] * 50, [0.0] * 50 + [1.0] * 9, [np.nan] * 50])
def test_no_scale_without_two_levels(values: list[float]) -> None:
    assert learn_numeric_scale(np.array(values)) is None


def test_names_can_be_read() -> None:
    assert level_names([40, 80], "words", whole=True) == ["under 40 words", "40 to 79 words", "80 words or more"]
    assert level_names([1, 2, 4], "questions", whole=True, has_none=True) == [
        "none",
        "1 question",
        "2 to 3 questions",
        "4 questions or more",
    ]
    assert level_names([1500], whole=True) == ["under 1,500", "1,500 or more"]
    assert level_names([-0.5, 12.5], "%") == ["under -0.5%", "-0.5 to under 12.5%", "12.5% or more"]
    assert level_names([1e-9, 2], "per 100 words", has_none=True)[1] == "some, under 2 per 100 words"


# Labels


def learned(labels: list[Label], **options: bool) -> LabelScale:
    scale = learn_label_scale(labels, **options)
    assert scale is not None
    return scale


def names(scale: LabelScale) -> list[str]:
    return [level.name for level in scale.scale.levels]


def test_numbers_and_words_in_one_column() -> None:
    column: list[Label] = [
        *range(100),
        *map(str, range(100)),
        *["REFUSAL"] * 30,
        *[None] * 12,
        *["?"] * 6,
        *["!"] * 5,
    ]
    scale = learned(column)
    assert scale.scale.kind == "categories"
    assert names(scale)[-2:] == ["REFUSAL", "other"]
    levels = scale.levels_of([5, "5", " 5.0 ", "refusal", "?", "never seen", None, "", float("nan")])
    assert levels[0] == levels[1] == levels[2] == 0
    assert list(levels[3:]) == [5, 6, 6, *[Outcome.MISSING] * 3]
    assert Counter(scale.levels_of(column).tolist()) == {**dict.fromkeys(range(5), 40), 5: 30, 6: 11, -1: 12}


def test_missing_can_be_a_level() -> None:
    column: list[Label] = [*[1] * 20, *[2] * 20, *[None] * 10]
    scale = learned(column, missing_as_level=True)
    assert names(scale) == ["1", "2", "missing"]
    assert list(scale.levels_of([1, "2", None, "", 1.5, "x"])) == [0, 1, 2, 2, 0, Outcome.RARE]
    assert names(learned(column)) == ["1", "2"]
    assert list(learned(column).levels_of([None])) == [Outcome.MISSING]


@pytest.mark.parametrize(
    ("column", "no", "yes"),
    [
        ([True, False], False, True),
        ([0, 1], "0", 1.0),
        (["no", "Yes"], "NO", " yes"),
        (["True", "False"], "false", "true"),
    ],
)
def test_questions_with_two_answers(column: list[Label], no: Label, yes: Label) -> None:
    scale = learned(column * 10)
    assert scale.scale.kind == "yes_no"
    assert names(scale) == ["no", "yes"]
    assert list(scale.levels_of([no, yes, 0.5, "maybe"])) == [0, 1, Outcome.RARE, Outcome.RARE]


def test_grades_are_in_order_and_other_words_by_number() -> None:
    grades = learned([*["High"] * 30, *["low"] * 10, *["medium"] * 20])
    assert (grades.scale.kind, names(grades)) == ("ordered", ["low", "medium", "High"])
    kinds = learned([*["tea"] * 10, *["coffee"] * 30, *["Milk", "milk"] * 10])
    assert (kinds.scale.kind, names(kinds)) == ("categories", ["coffee", "Milk", "tea"])


def test_few_different_numbers_are_levels_as_they_are() -> None:
    scale = learned([5, 1, 2, 3, 4] * 10)
    assert (scale.scale.kind, names(scale)) == ("numeric", ["1", "2", "3", "4", "5"])
    assert list(scale.levels_of([1, "3", 5, 4.9])) == [0, 2, 4, 3]


def test_a_column_of_free_text_has_no_scale() -> None:
    assert learn_label_scale([f"because of {i}" for i in range(500)]) is None
    assert learn_label_scale([]) is None
    assert learn_label_scale([None] * 50) is None
    beside = learned([*[50] * 20, *[f"because of {i}" for i in range(500)]])
    assert names(beside) == ["a number", "other"]
    assert len(beside.labels[1]) <= 50


def test_a_category_called_other_takes_rare_words_in() -> None:
    scale = learned([*["Other"] * 20, *["a"] * 30, *[f"rare {i}" for i in range(15)]])
    assert names(scale) == ["a", "other"]
    assert list(scale.levels_of(["other", "OTHER", "rare 3", "new"])) == [1, 1, 1, 1]


def test_rare_labels_that_fill_no_level_are_left_out_and_counted() -> None:
    scale = learned([*["a"] * 30, *["b"] * 30, "c", "c"])
    assert names(scale) == ["a", "b"]
    assert list(scale.levels_of(["c"])) == [Outcome.RARE]


ANY_LABEL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.floats(-2, 2),
    st.sampled_from(["a", "B", "b", "7", "", "nan", "other", "missing"]),
)


@settings(max_examples=200)
@given(st.lists(ANY_LABEL, max_size=120), st.booleans(), st.integers(1, 10))
def test_a_label_scale_fills_its_levels_and_can_be_kept(labels: list[Label], missing: bool, min_hits: int) -> None:
    learned_scale = learn_label_scale(labels, min_hits=min_hits, missing_as_level=missing)
    if learned_scale is None:
        return
    scale = learned_scale.scale
    levels_N = learned_scale.levels_of(labels)
    hits = np.bincount(levels_N[levels_N >= 0], minlength=scale.size)
    assert hits.min() >= min_hits
    assert len(set(names(learned_scale))) == scale.size >= 2
    absent = np.array([plain_label(label) == "" for label in labels])
    with_level = missing and absent.sum() >= min_hits
    assert ((levels_N == Outcome.MISSING) == (absent & ~np.bool_(with_level))).all()
    # What a report keeps of it is enough to measure with it again.
    kept = LabelScale(
        Scale(scale.kind, tuple(Level(level.name) for level in scale.levels), scale.cuts), learned_scale.labels
    )
    assert (kept.levels_of(labels) == levels_N).all()


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        (True, 1.0),
        ("1e2", 100.0),
        (" Yes ", "yes"),
        ("1_000", "1_000"),
        ("inf", "inf"),
        ("NaN", ""),
        (" ", ""),
        ("-.5", -0.5),
    ],
)
def test_plain_labels(label: Label, plain: str | float) -> None:
    assert plain_label(label) == plain
