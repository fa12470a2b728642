"""Limits of how often a level is seen: they hold the truth as often as they say, and stay within 0 and 1."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.parameters import level_limits, level_probabilities
from tools.layout import AFTER, BEFORE, Claim, layout_of

NAMES = ("no", "yes")


def numbers_of(prompt_N: Any, side_N: Any) -> Any:
    layout, kept_N = layout_of(prompt_N, side_N)
    assert kept_N.all()
    return SimpleNamespace(part=SimpleNamespace(layout=layout))


def design(prompts: int, draws: int) -> tuple[Any, Any]:
    return np.repeat(np.arange(prompts), 2 * draws), np.tile(np.repeat([BEFORE, AFTER], draws), prompts)


@pytest.mark.parametrize(("claim", "spread"), [("fixed", 0.0), ("random", 0.1)])
@pytest.mark.parametrize("truth", [0.05, 0.3])
def test_they_hold_the_truth(claim: Claim, spread: float, truth: float) -> None:
    """Random prompts differ in their probability; the claim is about its mean."""
    rng = np.random.default_rng(0)
    prompt_N, side_N = design(20, 6)
    numbers = numbers_of(prompt_N, side_N)
    held = 0
    for _ in range(300):
        of_prompt_Q = truth + min(spread, truth) * rng.choice([-1.0, 1.0], 20)
        level_N = (rng.random(len(prompt_N)) < of_prompt_Q[prompt_N]).astype(np.int64)
        low, high = level_limits(numbers, level_N, NAMES, AFTER, claim)["yes"]
        held += low <= truth <= high
    assert 0.91 * 300 <= held <= 300


def test_both_sides_are_apart_and_the_estimate_lies_within() -> None:
    prompt_N, side_N = design(8, 10)
    level_N = np.where(side_N == BEFORE, 0, np.tile(np.arange(20) % 3 > 0, 8)).astype(np.int64)
    level_N[0] = -1  # one that was refused
    numbers = numbers_of(prompt_N, side_N)
    before, after = (level_limits(numbers, level_N, NAMES, side, "fixed") for side in (BEFORE, AFTER))
    assert before["yes"][0] == 0.0
    assert 0.0 < before["yes"][1] < 0.1
    assert before["no"][1] == 1.0
    for limits, seen in zip((before, after), level_probabilities(numbers, level_N, NAMES), strict=True):
        for name in NAMES:
            low, high = limits[name]
            assert 0.0 <= low <= seen[name] <= high <= 1.0


def test_one_prompt_is_no_sample_of_prompts() -> None:
    prompt_N, side_N = design(1, 5)
    assert level_limits(numbers_of(prompt_N, side_N), side_N, NAMES, BEFORE, "random") == {}
