"""The smallest visible dissimilarity: a parameter of that size is seen in about 80% of simulated worlds."""

import numpy as np
import pytest

from tools.layout import Claim, Layout, layout_of
from tools.share import dissimilarity
from tools.visibility import smallest_visible


def layout(prompts: int, draws: int) -> Layout:
    prompt_N = np.repeat(np.arange(prompts), 2 * draws)
    side_N = np.tile(np.repeat([0, 1], draws), prompts)
    return layout_of(prompt_N, side_N)[0]


def test_it_is_the_closed_form_for_equal_counts() -> None:
    # (1.96 + 0.8416)^2 / N
    assert smallest_visible(layout(10, 20), "fixed") == pytest.approx(2.8016**2 / 400, rel=1e-4)
    assert smallest_visible(layout(10, 20), "fixed", 0.25) == pytest.approx(2.8016**2 / 1600, rel=1e-4)


def test_random_prompts_and_fewer_samples_show_less() -> None:
    assert smallest_visible(layout(10, 20), "random") > smallest_visible(layout(10, 20), "fixed")
    assert smallest_visible(layout(2, 1), "random") == 1


@pytest.mark.parametrize("claim", ["fixed", "random"])
def test_a_change_of_that_size_is_separated_from_zero_in_about_four_of_five_worlds(claim: Claim) -> None:
    rng, rows = np.random.default_rng(0), layout(24, 8)
    size = np.sqrt(smallest_visible(rows, claim))
    seen = 0
    for _ in range(300):
        right_N = rng.random(rows.samples) < (1 + size) / 2
        level_N = np.where(right_N, rows.side_N, 1 - rows.side_N).astype(np.int64)
        seen += not dissimilarity(rows.label_N, rows, level_N, claim).one_sided
    assert 0.7 < seen / 300 < 0.9
