"""The toy world's closed forms against brute-force sums and large samples."""

import json
from collections.abc import Callable
from itertools import combinations
from math import factorial, log2
from pathlib import Path

import numpy as np
import pytest

from probes.grammar import OUTPUTS, random_grammar
from probes.scale import FloatArray, IntArray
from probes.toy_world import (
    FEATURES,
    Contrast,
    Course,
    ToyWorld,
    before_and_after,
    counts_between,
    joint_cells,
    with_effect,
    write_pair,
)

WITHOUT_EFFECT = ("day", "quarter", "weekend", "sunday")


@pytest.fixture(scope="module")
def world() -> ToyWorld:
    return before_and_after(seed=5, total=0.4, types=60)


def test_probabilities_sum_to_one_and_stay_positive(world: ToyWorld) -> None:
    probability_QKX = np.exp(world.log_probability_QKX)
    assert probability_QKX.shape == (60, 2, OUTPUTS)
    assert (probability_QKX > 0).all()
    np.testing.assert_allclose(probability_QKX.sum(axis=2), 1.0, atol=1e-12)


def test_probability_of_one_output_by_hand() -> None:
    grammar = random_grammar(seed=2, types=4)
    move, q, output = 0.7, 3, 200
    length, hedge, closing, exclaims, day = (int(level) for level in grammar.slots_XJ[output])

    def softmax(logits: FloatArray, level: int) -> float:
        return float(np.exp(logits[level]) / np.exp(logits).sum())

    step = move * grammar.gate_L[day]
    curt = 1 / (1 + np.exp(-(grammar.mode_base_Q[q] + grammar.mode_tilt_Q[q] * step)))
    expected = 0.0
    for mode, weight in ((0, 1 - curt), (1, curt)):
        product = weight * softmax(grammar.day_logit_QL[q], day)
        for slot, level in enumerate((length, hedge, closing, exclaims)):
            product *= softmax(grammar.base_HQL[slot][mode, q] + step * grammar.tilt_QL[slot][q], level)
        expected += product
    got = grammar.log_probabilities(np.array([0.0, move]))[q, 1, output]
    assert got == pytest.approx(np.log(expected), abs=1e-12)


def brute_force(contrast: Contrast, cells_X: IntArray, kind: str) -> float:
    """D between the distributions of a parameter, from the posterior of "before" (Method, section 2)."""
    before: dict[int, float] = {}
    after: dict[int, float] = {}
    for q, weight in enumerate(contrast.weight_Q):
        for x, cell in enumerate(cells_X):
            before[cell] = before.get(cell, 0.0) + weight * contrast.p_QX[q, x]
            after[cell] = after.get(cell, 0.0) + weight * contrast.r_QX[q, x]
    generators: dict[str, Callable[[float], float]] = {
        "linear": lambda u: 2 * u - 1,
        "js": lambda u: 1 + log2(u),
        "tv": lambda u: 1 - 2 * min(u, 1 - u),
    }
    generator = generators[kind]
    value = 0.0
    for cell in before:
        eta = before[cell] / (before[cell] + after[cell])
        value += 0.5 * before[cell] * generator(eta) + 0.5 * after[cell] * generator(1 - eta)
    return value


@pytest.mark.parametrize("kind", ["linear", "js", "tv"])
def test_dissimilarities_are_those_of_the_definition(world: ToyWorld, kind: str) -> None:
    contrast = world.given(np.array([3, 8, 8, 41]))
    for feature in FEATURES:
        cells_X = world.levels(feature)
        assert contrast.dissimilarity(cells_X, kind) == pytest.approx(  # type: ignore[arg-type]
            brute_force(contrast, cells_X, kind), abs=1e-12
        )
    all_outputs = np.arange(OUTPUTS)
    by_prompt = [brute_force(contrast.of_prompt(q), all_outputs, kind) for q in range(4)]
    assert contrast.total(kind) == pytest.approx(np.mean(by_prompt), abs=1e-12)  # type: ignore[arg-type]


def test_total_is_the_variance_of_the_evidence(world: ToyWorld) -> None:
    contrast = world.population()
    mixture_QX = contrast.weight_Q[:, None] * (contrast.p_QX + contrast.r_QX) / 2
    mean = (mixture_QX * contrast.evidence_QX).sum()
    assert mean == pytest.approx(0.0, abs=1e-14)
    assert contrast.total() == pytest.approx((mixture_QX * contrast.evidence_QX**2).sum(), abs=1e-12)


def test_shares_never_fall_and_never_exceed_one(world: ToyWorld) -> None:
    contrast = world.population()
    for size in (1, 2):
        for subset in combinations(range(len(FEATURES)), size):
            smaller = contrast.share(joint_cells(world.levels_XJ[:, list(subset)]))
            assert -1e-12 <= smaller <= 1.0
            for j in range(len(FEATURES)):
                larger = contrast.share(joint_cells(world.levels_XJ[:, [*subset, j]]))
                assert larger >= smaller - 1e-12
    assert contrast.share(world.levels("brief")) <= contrast.share(world.levels("length"))


def test_features_without_effect(world: ToyWorld) -> None:
    for contrast in (world.population(), world.given(np.array([0])), world.given(np.array([7, 22, 59]))):
        for feature in WITHOUT_EFFECT:
            assert contrast.dissimilarity(world.levels(feature)) == pytest.approx(0.0, abs=1e-15)
    exclaims = world.levels("exclaims")
    assert world.population().dissimilarity(exclaims) == pytest.approx(0.0, abs=1e-15)
    for beside in (["length"], ["day", "closing"], ["length", "hedge", "closing", "day"]):
        set_cells_X = joint_cells(np.stack([world.levels(name) for name in beside], axis=1))
        assert world.population().gain(set_cells_X, exclaims) == pytest.approx(0.0, abs=1e-14)
    on_single_prompts = [world.given(np.array([q])).dissimilarity(exclaims) for q in range(60)]
    assert np.mean(on_single_prompts) > 0.01
    # The size of the evidence depends on the day though its sign does not.
    contrast = world.population()
    weight_QX = contrast.weight_Q[:, None] * (contrast.p_QX + contrast.r_QX) / 2
    size_X = (weight_QX * contrast.evidence_QX**2).sum(axis=0)
    by_day = np.bincount(world.levels("day"), size_X) / np.bincount(world.levels("day"), weight_QX.sum(axis=0))
    assert by_day.max() > 2 * by_day.min()


def test_shapley_values_sum_to_the_set_and_agree_with_the_subset_formula(world: ToyWorld) -> None:
    contrast = world.population()
    levels_XJ = world.levels_XJ[:, [0, 2, 3, 6]]
    values_J = contrast.shapley(levels_XJ)
    assert values_J.sum() == pytest.approx(contrast.dissimilarity(joint_cells(levels_XJ)), abs=1e-12)

    def value(subset: tuple[int, ...]) -> float:
        return contrast.dissimilarity(joint_cells(levels_XJ[:, list(subset)])) if subset else 0.0

    for j in range(4):
        others = [i for i in range(4) if i != j]
        expected = sum(
            factorial(size) * factorial(3 - size) / factorial(4) * (value((*subset, j)) - value(subset))
            for size in range(4)
            for subset in combinations(others, size)
        )
        assert values_J[j] == pytest.approx(expected, abs=1e-12)


def test_gain_is_a_difference_of_sets(world: ToyWorld) -> None:
    contrast = world.population()
    length, hedge = world.levels("length"), world.levels("hedge")
    both = contrast.dissimilarity(length * 2 + hedge)
    assert contrast.gain(length, hedge) == pytest.approx(both - contrast.dissimilarity(length), abs=1e-14)


def test_large_sample_agrees_with_the_closed_form(world: ToyWorld) -> None:
    rng = np.random.default_rng(11)
    types_Q = np.array([3, 8, 41])
    draws = world.draw(rng, types_Q, 100_000)
    contrast = world.given(types_Q)
    loglik_NK = world.loglik(draws)
    ratio_N = np.exp(loglik_NK[:, 0] - loglik_NK[:, 1])
    evidence_N = (ratio_N - 1) / (ratio_N + 1)
    # The standard error of these means is at most 1 / sqrt(600,000) = 0.0013.
    assert np.mean(evidence_N**2) == pytest.approx(contrast.total(), abs=0.005)
    for feature in FEATURES:
        levels_N = world.levels(feature)[draws.output_N]
        label_N = np.where(draws.side_N == 0, 1.0, -1.0)
        for values_N in (evidence_N, label_N):
            means_N = (np.bincount(levels_N, values_N) / np.bincount(levels_N))[levels_N]
            assert np.mean(means_N**2) == pytest.approx(contrast.dissimilarity(world.levels(feature)), abs=0.005)


def test_draws_follow_the_counts_and_the_probabilities_of_each_prompt() -> None:
    world = ToyWorld(random_grammar(3, types=6), np.linspace(0, 1, 4), Course("sharp"), effect=1.5)
    counts_QC = np.array([[5, 0, 20_000], [1, 2, 3]])
    draws = world.draw(np.random.default_rng(0), np.array([4, 1]), counts_QC, before=(0, 1), after=(3,))
    seen = np.zeros((2, 4), dtype=int)
    np.add.at(seen, (draws.prompt_N, draws.checkpoint_N), 1)
    np.testing.assert_array_equal(seen, [[5, 0, 0, 20_000], [1, 2, 0, 3]])
    np.testing.assert_array_equal(draws.side_N, (draws.checkpoint_N == 3).astype(int))
    here = (draws.prompt_N == 0) & (draws.checkpoint_N == 3)
    frequency_X = np.bincount(draws.output_N[here], minlength=OUTPUTS) / 20_000
    expected_X = np.exp(world.log_probability_QKX[4, 3])
    assert np.abs(frequency_X - expected_X).max() < 5 * np.sqrt(expected_X.max() / 20_000)


def test_prompts_are_drawn_by_their_weight(world: ToyWorld) -> None:
    types = world.draw_prompts(np.random.default_rng(1), 200_000)
    np.testing.assert_allclose(np.bincount(types, minlength=60) / 200_000, world.grammar.weight_Q, atol=0.003)


def test_population_is_the_mean_over_prompts_drawn_from_it(world: ToyWorld) -> None:
    types = world.draw_prompts(np.random.default_rng(2), 20_000)
    drawn, population = world.given(types), world.population()
    assert drawn.total() == pytest.approx(population.total(), abs=0.01)
    hedge = world.levels("hedge")
    assert drawn.dissimilarity(hedge) == pytest.approx(population.dissimilarity(hedge), abs=0.01)


@pytest.mark.parametrize("total", [0.0, 0.04, 0.25, 0.56, 0.8])
def test_the_dial_hits_a_total(total: float) -> None:
    world = before_and_after(seed=1, total=total, types=40)
    assert world.population().total() == pytest.approx(total, abs=2e-6)


def test_the_dial_hits_any_quantity() -> None:
    def of_hedge(world: ToyWorld) -> float:
        return world.population().dissimilarity(world.levels("hedge"))

    world = with_effect(ToyWorld(random_grammar(0, types=40), np.array([0.0, 1.0])), of_hedge, 0.3)
    assert of_hedge(world) == pytest.approx(0.3, abs=2e-6)
    with pytest.raises(ValueError, match="no effect"):
        with_effect(world, lambda w: 0.1, 0.3)


def test_courses() -> None:
    control_K = np.linspace(0.0, 10.0, 101)
    assert not Course("none").progress(control_K).any()
    np.testing.assert_allclose(np.diff(Course("drift").progress(control_K)), 0.01)
    sharp_K = Course("sharp", position=4.0, width=0.1).progress(control_K)
    np.testing.assert_allclose(sharp_K[[0, -1]], [-0.5, 0.5])
    assert np.abs(sharp_K[40]) < 1e-9  # half way at its position
    two_K = Course("two", position=3.0, width=0.05, second=7.0).progress(control_K)
    np.testing.assert_allclose(two_K[[10, 50, 90]], [-0.5, 0.0, 0.5], atol=1e-9)


def test_windows_of_checkpoints_are_mixtures() -> None:
    world = ToyWorld(random_grammar(3, types=6), np.linspace(0, 1, 6), Course("sharp", width=0.1), effect=1.5)
    contrast = world.given(np.array([2]), before=(0, 1, 2), after=(4, 5))
    probability_KX = np.exp(world.log_probability_QKX[2])
    np.testing.assert_allclose(contrast.p_QX[0], probability_KX[:3].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(contrast.r_QX[0], probability_KX[4:].mean(axis=0), rtol=1e-12)


def test_texts_tell_outputs_and_prompt_types_apart(world: ToyWorld) -> None:
    grammar = world.grammar
    assert len({grammar.prompt(q) for q in range(1000)}) == 1000
    assert len({grammar.response(7, x) for x in range(OUTPUTS)}) == OUTPUTS


def test_unequal_counts_stay_within_their_range() -> None:
    counts_Q2 = counts_between(np.random.default_rng(0), 500, 2, 5)
    assert counts_Q2.shape == (500, 2)
    assert set(np.unique(counts_Q2)) == {2, 3, 4, 5}


def test_write_pair(tmp_path: Path) -> None:
    before, after = write_pair(tmp_path / "one" / "two", seed=3, draws=3, prompts=10)
    again = write_pair(tmp_path / "again", seed=3, draws=3, prompts=10)
    other = write_pair(tmp_path / "other", seed=4, draws=3, prompts=10)
    for index, path in enumerate((before, after)):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(rows) == 30
        assert set(rows[0]) == {"prompt_id", "prompt", "response"}
        assert len({row["prompt"] for row in rows}) == len({row["prompt_id"] for row in rows}) == 10
        assert path.read_bytes() == again[index].read_bytes()
        assert path.read_bytes() != other[index].read_bytes()


def test_demo_answers_are_shorter_and_hedge_less_after(tmp_path: Path) -> None:
    words, hedges = [], []
    for path in write_pair(tmp_path):
        responses = [json.loads(line)["response"] for line in path.read_text().splitlines()]
        assert len(responses) == 300
        words.append(np.mean([len(response.split()) for response in responses]))
        hedges.append(np.mean(["Perhaps" in response for response in responses]))
    assert words[1] < 0.75 * words[0]
    assert hedges[1] < 0.5 * hedges[0]
