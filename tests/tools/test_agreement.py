"""Agreement of two order parameters against other implementations and closed forms."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats.contingency import association, crosstab

from probes.scale import IntArray
from tools.agreement import Metric, cramers_v, cramers_v_within, krippendorff_alpha


def levels(low: int = -2) -> st.SearchStrategy[IntArray]:
    return hnp.arrays(np.int64, 60, elements=st.integers(low, 4))


def drawn(seed: int, samples: int = 400, missing: float = 0.1) -> tuple[IntArray, IntArray]:
    """Levels 0 to 3 of which most agree, some missing."""
    rng = np.random.default_rng(seed)
    first_N = rng.integers(0, 4, samples)
    second_N = np.where(rng.random(samples) < 0.7, first_N, rng.integers(0, 4, samples))
    return tuple(np.where(rng.random(samples) < missing, -1, one_N) for one_N in (first_N, second_N))  # type: ignore[return-value]


@pytest.mark.parametrize("metric", ["nominal", "ordinal"])
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_library(metric: Metric, seed: int) -> None:
    first_N, second_N = drawn(seed)
    data = np.where(np.array([first_N, second_N]) < 0, np.nan, [first_N, second_N])
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement=metric)
    assert krippendorff_alpha(first_N, second_N, metric) == pytest.approx(expected, abs=1e-12)


@given(levels(), levels(), st.sampled_from(["nominal", "ordinal"]))
def test_alpha_is_that_of_the_library_for_any_levels(
    first_N: IntArray, second_N: IntArray, metric: Metric
) -> None:
    present_N = (first_N >= 0) & (second_N >= 0)
    found = krippendorff_alpha(first_N, second_N, metric)
    values = np.concatenate([first_N[present_N], second_N[present_N]])
    if len(set(values.tolist())) < 2:
        assert np.isnan(found)
        return
    data = np.where(np.array([first_N, second_N]) < 0, np.nan, [first_N, second_N])
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement=metric)
    assert found == pytest.approx(expected, abs=1e-9)
    assert krippendorff_alpha(second_N, first_N, metric) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_v_is_scipys_corrected_as_bergsma_says(seed: int) -> None:
    first_N, second_N = drawn(seed)
    keep_N = (first_N >= 0) & (second_N >= 0)
    table = crosstab(first_N[keep_N], second_N[keep_N]).count
    n, (r, c) = table.sum(), table.shape
    phi_squared = association(table, method="cramer") ** 2 * (min(r, c) - 1)
    corrected = max(0.0, phi_squared - (r - 1) * (c - 1) / (n - 1))
    r_corrected, c_corrected = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    expected = np.sqrt(corrected / min(r_corrected - 1, c_corrected - 1))
    assert cramers_v(first_N, second_N) == pytest.approx(expected, abs=1e-12)


@given(levels(), st.permutations(range(5)))
def test_v_knows_no_names_of_levels(first_N: IntArray, order: list[int]) -> None:
    renamed_N = np.where(first_N < 0, first_N, np.array(order)[np.maximum(first_N, 0)])
    found = cramers_v(first_N, renamed_N)
    present = first_N[first_N >= 0].tolist()
    levels_there = len(set(present))
    if levels_there < 2 or len(present) == levels_there:  # as many samples as levels would agree by chance alone
        assert np.isnan(found)
    else:
        assert found == pytest.approx(1.0)


@given(levels(0), levels(0))
def test_v_lies_between_0_and_1_and_is_symmetric(first_N: IntArray, second_N: IntArray) -> None:
    found = cramers_v(first_N, second_N)
    if not np.isnan(found):
        assert 0 <= found <= 1
        assert cramers_v(second_N, first_N) == pytest.approx(found)


def test_unrelated_levels_have_a_v_of_nothing_where_the_plain_one_is_not() -> None:
    rng = np.random.default_rng(0)
    plain, corrected = [], []
    for _ in range(200):
        first_N, second_N = rng.integers(0, 5, (2, 60))
        corrected.append(cramers_v(first_N, second_N) ** 2)
        plain.append(association(crosstab(first_N, second_N).count, method="cramer") ** 2)
    assert np.mean(plain) > 0.05
    assert np.mean(corrected) < 0.02


def test_two_that_only_share_the_side_are_unrelated_within_it() -> None:
    rng = np.random.default_rng(1)
    side_N = np.repeat([0, 1], 400)
    first_N, second_N = ((rng.random(800) < np.where(side_N == 1, 0.9, 0.1)).astype(np.int64) for _ in range(2))
    assert cramers_v(first_N, second_N) > 0.5
    assert cramers_v_within(first_N, second_N, side_N) < 0.1
    assert cramers_v_within(first_N, first_N, side_N) == pytest.approx(1.0)


def test_groups_count_by_their_samples() -> None:
    same, opposite = np.array([0, 1] * 30), np.array([0, 0, 1, 1] * 5)
    first_N, second_N = np.concatenate([same, opposite]), np.concatenate([same, np.array([0, 1] * 10)])
    group_N = np.repeat([0, 1], [60, 20])
    assert cramers_v_within(first_N, second_N, group_N) == pytest.approx(0.75 * 1.0 + 0.25 * 0.0)


def test_what_cannot_be_said_is_nan() -> None:
    one_N, none_N, two_N = np.zeros(10, dtype=np.int64), np.full(10, -1), np.arange(10) % 2
    for other_N in (one_N, none_N):
        assert np.isnan(cramers_v(two_N, other_N))
        assert np.isnan(cramers_v_within(two_N, other_N, one_N))
    assert np.isnan(krippendorff_alpha(one_N, one_N, "nominal"))
    assert np.isnan(krippendorff_alpha(two_N, none_N, "ordinal"))
