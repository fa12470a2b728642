"""The cross-fitted regression against scikit-learn, brute force and worlds of known dissimilarity."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from probes.scale import FloatArray, IntArray
from probes.toy_world import ToyWorld, before_and_after, joint_cells
from tools.folds import folds
from tools.layout import Claim, Layout, layout_of
from tools.regression import PENALTIES_A, cross_fitted, held_out, indicators, needs_regression, ridge, score


def uneven_sample(seed: int) -> tuple[Layout, IntArray, FloatArray]:
    """Six prompts with 1 to 9 samples a side, levels of three parameters and values between -1 and 1."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 10, size=12)
    layout, _ = layout_of(np.repeat(np.arange(12) // 2, counts), np.repeat(np.arange(12) % 2, counts))
    levels_NJ = np.stack([rng.integers(0, size, layout.samples) for size in (2, 3, 4)], axis=1)
    return layout, levels_NJ, rng.uniform(-1, 1, layout.samples)


def test_indicators_are_the_levels_and_the_pairs_that_occur() -> None:
    _, levels_NJ, _ = uneven_sample(0)
    expected: set[bytes] = set()
    for size in (1, 2):
        for members in combinations(range(3), size):
            for level in {tuple(row) for row in levels_NJ[:, members]}:
                expected.add((levels_NJ[:, members] == level).all(axis=1).tobytes())
    dense = np.asarray(indicators(levels_NJ).todense()) == 1
    assert {column.tobytes() for column in dense.T} == expected
    assert (dense.sum(axis=1) == 3 + 3).all()


def test_ridge_is_that_of_scikit_learn() -> None:
    layout, levels_NJ, values_N = uneven_sample(1)
    train_N = np.arange(layout.samples) % 4 > 0
    features = indicators(levels_NJ)
    sub, mask_N = layout.rows(train_N)
    found_FA = ridge(values_N, layout, features, train_N)
    for penalty, found_F in zip(PENALTIES_A, found_FA.T, strict=True):
        other = Ridge(alpha=penalty, fit_intercept=False, solver="svd")
        other.fit(features[mask_N].toarray(), values_N[mask_N], sample_weight=sub.weight_N * sub.samples)
        np.testing.assert_allclose(found_F, other.coef_, atol=1e-9)


def test_no_value_is_predicted_from_its_own_fold() -> None:
    layout, levels_NJ, values_N = uneven_sample(2)
    features, fold_N = indicators(levels_NJ), folds(layout, 0, by_prompt=False)
    g_N = held_out(values_N, layout, features, fold_N)
    for fold in range(5):
        changed_N = np.where(fold_N == fold, -values_N, values_N)
        g_changed_N = held_out(changed_N, layout, features, fold_N)
        np.testing.assert_array_equal(g_changed_N[fold_N == fold], g_N[fold_N == fold])
        assert not np.array_equal(g_changed_N, g_N)


def test_for_random_prompts_no_value_is_predicted_from_its_own_prompt() -> None:
    layout, levels_NJ, values_N = uneven_sample(3)
    score_N = cross_fitted(values_N, layout, levels_NJ, "random", 7)
    mine_N = layout.prompt_N == 2
    changed_N = np.where(mine_N, -values_N, values_N)
    g_N, g_changed_N = (
        held_out(v_N, layout, indicators(levels_NJ), folds(layout, 7, by_prompt=True))
        for v_N in (values_N, changed_N)
    )
    np.testing.assert_array_equal(g_changed_N[mine_N], g_N[mine_N])
    np.testing.assert_allclose(score_N, 1 - (1 - g_N) ** 2 + 2 * (values_N - 1) * g_N, atol=1e-12)


def test_mean_score_is_what_a_predictor_explains() -> None:
    rng = np.random.default_rng(0)
    values_N, g_N = rng.normal(size=50), rng.normal(size=50)
    explained = np.mean(values_N**2) - np.mean((values_N - g_N) ** 2)
    assert score(values_N, g_N).mean() == pytest.approx(explained)


@pytest.mark.parametrize(("black_box", "enough"), [(True, 48), (False, 20)])
def test_regression_is_needed_where_cells_are_thin(black_box: bool, enough: int) -> None:
    levels_NJ = np.stack([np.arange(enough) % 2, np.arange(enough) // 2 % 2], axis=1)
    assert not needs_regression(levels_NJ, black_box=black_box)
    assert needs_regression(levels_NJ[1:], black_box=black_box)


FEATURES = ("length", "hedge", "closing", "day")


def drawn(world: ToyWorld, types_Q: IntArray, samples: int, seed: int) -> tuple[Layout, FloatArray, IntArray]:
    """Layout, labels and levels of `FEATURES` of samples drawn from a world."""
    draws = world.draw(np.random.default_rng(seed), types_Q, samples)
    layout, _ = layout_of(draws.prompt_N, draws.side_N)
    levels_XJ = np.stack([world.levels(name) for name in FEATURES], axis=1)
    return layout, layout.label_N, levels_XJ[draws.output_N]


def test_with_many_samples_it_comes_near_the_truth() -> None:
    world = before_and_after(3, total=0.5, types=40)
    types_Q = np.arange(20)
    layout, label_N, levels_NJ = drawn(world, types_Q, 400, 0)
    levels_XJ = np.stack([world.levels(name) for name in FEATURES], axis=1)
    for size in range(1, 5):
        truth = world.given(types_Q).dissimilarity(joint_cells(levels_XJ[:, :size]))
        found = layout.weight_N @ cross_fitted(label_N, layout, levels_NJ[:, :size], "fixed", 0)
        assert found == pytest.approx(truth, abs=0.02)


@pytest.mark.parametrize("claim", ["fixed", "random"])
def test_it_is_a_lower_bound_where_prompts_differ(claim: Claim) -> None:
    # Effects that differ much between few prompts: the prompts drawn look more alike than the population is.
    world = before_and_after(1, total=0.3, types=200, spread=2.0)
    rng = np.random.default_rng(5)
    levels_XJ = np.stack([world.levels(name) for name in ("exclaims", *FEATURES[1:])], axis=1)
    cells_X = joint_cells(levels_XJ)
    gaps = []
    for seed in range(25):
        types_Q = world.draw_prompts(rng, 8)
        draws = world.draw(rng, types_Q, 20)
        layout, _ = layout_of(draws.prompt_N, draws.side_N)
        levels_NJ = levels_XJ[draws.output_N]
        assert needs_regression(levels_NJ, black_box=True)
        found = layout.weight_N @ cross_fitted(layout.label_N, layout, levels_NJ, claim, seed)
        truth = world.given(types_Q) if claim == "fixed" else world.population()
        gaps.append(truth.dissimilarity(cells_X) - found)
    assert np.mean(gaps) > -2 * np.std(gaps, ddof=1) / np.sqrt(len(gaps))
    assert np.mean(gaps) > 0.005


def test_nothing_to_find_gives_next_to_nothing() -> None:
    world = before_and_after(2, total=0.0, types=40)
    means = []
    for seed in range(20):
        layout, label_N, levels_NJ = drawn(world, np.arange(10), 10, seed)
        means.append(layout.weight_N @ cross_fitted(label_N, layout, levels_NJ, "fixed", seed))
    assert -0.03 < np.mean(means) < 0.003


def test_one_level_and_one_sample_a_side_predict_nothing() -> None:
    layout, _ = layout_of(np.zeros(2, dtype=np.int64), np.array([0, 1]))
    np.testing.assert_array_equal(
        cross_fitted(layout.label_N, layout, np.array([[0, 1], [1, 0]]), "fixed", 0), np.zeros(2)
    )
    layout = uneven_sample(4)[0]
    constant_NJ = np.zeros((layout.samples, 1), dtype=np.int64)
    assert np.abs(cross_fitted(layout.label_N, layout, constant_NJ, "fixed", 0)).max() < 1e-9
