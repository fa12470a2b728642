"""Greedy selection: what it picks, in which order, and that chance is chosen about as often as it claims."""

import numpy as np
import pytest

from probes.scale import FloatArray, IntArray
from tools.layout import Claim, Layout, layout_of
from tools.selection import greedy

CLAIMS: list[Claim] = ["fixed", "random"]


def layout_of_counts(prompts: int, draws: int) -> Layout:
    prompt_N = np.repeat(np.arange(prompts), 2 * draws)
    side_N = np.tile(np.repeat([0, 1], draws), prompts)
    return layout_of(prompt_N, side_N)[0]


def levels_that_differ(layout: Layout, rng: np.random.Generator, probability_before: float) -> IntArray:
    """A yes/no parameter with the given probability of yes before, and one minus that after."""
    yes_N = np.where(layout.side_N == 0, probability_before, 1 - probability_before)
    return (rng.random(layout.samples) < yes_N).astype(np.int64)


def noise(layout: Layout, rng: np.random.Generator, candidates: int) -> IntArray:
    return np.stack([rng.integers(0, 2 + j % 4, layout.samples) for j in range(candidates)], axis=1)


@pytest.mark.parametrize("claim", CLAIMS)
def test_takes_the_true_ones_by_gain_and_stops(claim: Claim) -> None:
    rng = np.random.default_rng(1)
    layout = layout_of_counts(24, 12)
    strong, weak = levels_that_differ(layout, rng, 0.85), levels_that_differ(layout, rng, 0.7)
    levels_NJ = np.column_stack([noise(layout, rng, 15), weak, strong, strong])
    selection = greedy(layout.label_N, layout, levels_NJ, claim, black_box=True, seed=3)
    assert selection.chosen == (16, 15)
    assert [step.candidate for step in selection.steps] == [16, 15]
    # Strong alone: (2 x 0.85 - 1)^2.
    assert selection.steps[0].gain == pytest.approx(0.49, abs=0.1)
    assert "adds more than the largest gain that chance shows" in selection.stopped_because
    assert all(step.p_value <= 0.05 for step in selection.steps)


def test_starts_from_what_is_given_and_honours_the_limits() -> None:
    rng = np.random.default_rng(2)
    layout = layout_of_counts(10, 20)
    levels_NJ = np.column_stack([levels_that_differ(layout, rng, p) for p in (0.8, 0.75, 0.7)])
    started = greedy(layout.label_N, layout, levels_NJ, "fixed", black_box=True, seed=3, start=[2])
    assert started.chosen == (2, 0, 1)
    assert [step.candidate for step in started.steps] == [0, 1]
    one = greedy(layout.label_N, layout, levels_NJ, "fixed", black_box=True, seed=3, max_parameters=1)
    assert one.chosen == (0,)
    assert "as many parameters as allowed" in one.stopped_because
    none = greedy(layout.label_N, layout, levels_NJ, "fixed", black_box=True, seed=3, min_gain=0.9)
    assert none.chosen == ()
    assert "under the minimum (0.9)" in none.stopped_because


def test_nothing_to_divide() -> None:
    layout = layout_of_counts(10, 3)
    same = np.zeros((layout.samples, 2), dtype=np.int64)
    selection = greedy(layout.label_N, layout, same, "fixed", black_box=True, seed=3)
    assert selection.chosen == ()
    assert "divide the samples further" in selection.stopped_because


def test_the_same_seed_gives_the_same_selection() -> None:
    rng = np.random.default_rng(5)
    layout = layout_of_counts(8, 10)
    levels_NJ = np.column_stack([noise(layout, rng, 6), levels_that_differ(layout, rng, 0.75)])
    runs = [greedy(layout.label_N, layout, levels_NJ, "random", black_box=True, seed=8) for _ in range(2)]
    assert runs[0] == runs[1]


def evidence_of_labels(layout: Layout, rng: np.random.Generator) -> FloatArray:
    """Signed evidence of two sides whose evidence is symmetric around 0: s has the sign of the side more often."""
    strength_N = rng.random(layout.samples)
    right_N = rng.random(layout.samples) < (1 + strength_N) / 2
    return np.where(right_N, 1.0, -1.0) * layout.label_N * strength_N


@pytest.mark.parametrize(("claim", "black_box"), [(c, b) for c in CLAIMS for b in (True, False)])
def test_chance_is_seldom_chosen(claim: Claim, black_box: bool) -> None:
    """120 nulls of 12 candidates: at 5% about 6 are expected; 15 or more has a chance of 0.1%."""
    false = 0
    for seed in range(120):
        rng = np.random.default_rng([7, seed])
        layout = layout_of_counts(12, 5)
        values_N = layout.label_N if black_box else evidence_of_labels(layout, rng)
        selection = greedy(
            values_N,
            layout,
            noise(layout, rng, 12),
            claim,
            black_box=black_box,
            seed=seed,
            min_gain=0,
            resamples=199,
        )
        false += bool(selection.chosen)
    assert 0 < false < 15
