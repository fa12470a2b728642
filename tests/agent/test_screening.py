"""What is dropped before judging, and what is judged later."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.comparison import Part
from agent.screening import MIN_HITS, MOST_JUDGED, estimates_on, held_back, raced, screened, told
from agent.state import CandidateState, candidate_state
from probes.order_parameter import OrderParameter
from probes.scale import YES_NO, IntArray
from tools.inference import UNKNOWN, Estimate
from tools.layout import layout_of
from tools.share import dissimilarity, gain


def candidate(name: str) -> CandidateState:
    return candidate_state(OrderParameter(name, name, f"Is it {name}?", YES_NO, f"code:{name}"))


def columns(*levels: IntArray) -> IntArray:
    return np.column_stack(levels).astype(np.int64)


def standard(levels_NJ: IntArray) -> np.ndarray:
    centred = levels_NJ - levels_NJ.mean(axis=0)
    return np.asarray(centred / np.linalg.norm(centred, axis=0))


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_told_is_the_share_of_spread_between_levels(seed: int, sizes: int, others: int) -> None:
    rng = np.random.default_rng(seed)
    level_N = rng.integers(0, sizes, 60)
    other_N = (level_N * rng.integers(0, 2, 60) + rng.integers(0, others, 60)).astype(np.int64)
    if len(np.unique(other_N)) == 1:
        return
    between = sum(
        (level_N == a).mean() * (other_N[level_N == a].mean() - other_N.mean()) ** 2 for a in set(level_N)
    )
    found = told(level_N, standard(other_N[:, None]))
    assert found[0] == pytest.approx(between / other_N.var())


def test_rare_and_constant_levels_are_dropped_and_a_copy_of_an_earlier_one() -> None:
    rng = np.random.default_rng(1)
    good = rng.integers(0, 2, 200)
    rare = np.zeros(200, dtype=np.int64)
    rare[: MIN_HITS - 1] = 1
    enough = np.zeros(200, dtype=np.int64)
    enough[:MIN_HITS] = 1
    none = np.full(200, -1)
    levels = columns(good, np.zeros(200, dtype=np.int64), rare, enough, 1 - good, none)
    names = ["good", "constant", "rare", "enough", "opposite", "none"]
    nothing = np.zeros((200, 0), dtype=np.int64)
    reasons = screened(nothing, [], levels, [candidate(name) for name in names])
    assert [reason is None for reason in reasons] == [True, False, False, True, False, False]
    assert "'good'" in (reasons[4] or "")  # the mirror image asks the same
    assert f"{MIN_HITS - 1} samples" in (reasons[2] or "")


def test_what_was_judged_before_is_not_asked_again() -> None:
    good = np.random.default_rng(2).integers(0, 3, 100)
    reasons = screened(columns(good), [candidate("standing")], columns(good), [candidate("again")])
    assert reasons == ["told by 'standing' on the read split"]


def part(rng: np.random.Generator, prompts: int = 20, draws: int = 12) -> Part:
    prompt_N = np.repeat(np.arange(prompts), 2 * draws)
    side_N = np.tile(np.repeat([0, 1], draws), prompts)
    layout, _ = layout_of(prompt_N, side_N)
    return Part(np.arange(layout.samples), layout, layout.label_N)


def test_estimates_are_dissimilarities_first_and_gains_later() -> None:
    rng = np.random.default_rng(3)
    rows = part(rng)
    levels = columns(rng.integers(0, 3, rows.layout.samples), rng.integers(0, 2, rows.layout.samples))
    alone = estimates_on(rows, levels[:, :0], levels, "fixed")
    assert alone[1] == dissimilarity(rows.value_N, rows.layout, levels[:, 1], "fixed")
    added = estimates_on(rows, levels[:, :1], levels[:, 1:], "fixed")
    assert added[0] == gain(rows.value_N, rows.layout, levels[:, :1], levels[:, 1], "fixed")


def test_racing_drops_what_cannot_reach_the_minimum_but_nothing_given() -> None:
    low, fair = Estimate(0.001, 0.0, 0.009), Estimate(0.005, 0.0, 0.02)
    reasons = raced([low, fair, low], [False, False, True], 0.01)
    assert reasons[0] is not None
    assert reasons[1] is reasons[2] is None


def test_racing_drops_those_without_a_number_before_the_others_when_there_are_too_many() -> None:
    known = [Estimate(j / 100, 0.0, 1.0) for j in range(1, MOST_JUDGED + 1)]
    estimates = [one for pair in zip(known, [UNKNOWN] * len(known), strict=True) for one in pair]
    reasons = raced(estimates, [False] * len(estimates), 0.01)
    assert all(reason is None for reason in reasons[::2])
    assert all(reason is not None for reason in reasons[1::2])


def test_racing_keeps_the_best_when_there_are_too_many() -> None:
    estimates = [Estimate(0.1 + 0.001 * j, 0.05, 0.9) for j in range(MOST_JUDGED + 5)]
    reasons = raced(estimates, [j == 0 for j in range(len(estimates))], 0.01)
    assert [j for j, reason in enumerate(reasons) if reason is not None] == [1, 2, 3, 4, 5]


def levels_alike(rng: np.random.Generator, side_N: IntArray, noise: float) -> IntArray:
    """Two questions that go together within the sides, up to noise."""
    first = rng.integers(0, 4, len(side_N))
    second = np.where(rng.random(len(side_N)) < noise, rng.integers(0, 4, len(side_N)), first)
    return columns(first, second)


def test_likes_wait_for_the_plainest_unless_they_are_clearly_better() -> None:
    rng = np.random.default_rng(4)
    side_N = np.tile([0, 1], 200)
    levels = levels_alike(rng, side_N, noise=0.2)
    tied = [Estimate(0.5, 0.4, 0.6), Estimate(0.55, 0.45, 0.65)]
    better = [Estimate(0.1, 0.05, 0.15), Estimate(0.5, 0.4, 0.6)]
    assert held_back(side_N, levels, tied, [True, True], [True, True]) == {1: 0}
    assert held_back(side_N, levels, better, [True, True], [True, True]) == {}
    assert held_back(side_N, levels, tied, [False, True], [True, True]) == {}  # the first was raced out
    assert held_back(side_N, levels, tied, [True, True], [True, False]) == {}  # the second has waited already


def test_what_merely_changed_together_is_not_alike() -> None:
    rng = np.random.default_rng(5)
    side_N = np.tile([0, 1], 300)
    first = np.where(rng.random(600) < 0.9, side_N, 1 - side_N)
    second = np.where(rng.random(600) < 0.9, side_N, 1 - side_N)
    tied = [Estimate(0.6, 0.5, 0.7), Estimate(0.6, 0.5, 0.7)]
    assert held_back(side_N, columns(first, second), tied, [True, True], [True, True]) == {}
