"""How folds divide prompts and sides."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.folds import FOLDS, folds
from tools.layout import layout_of


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=9), st.integers(0, 2**32 - 1)
)
@settings(max_examples=50, deadline=None)
def test_folds_divide_each_side_of_each_prompt_evenly(counts: list[tuple[int, int]], seed: int) -> None:
    flat = np.array(counts).reshape(-1)
    layout, _ = layout_of(np.repeat(np.arange(len(flat)) // 2, flat), np.repeat(np.arange(len(flat)) % 2, flat))
    fold_N = folds(layout, seed, by_prompt=False)
    whole_N = folds(layout, seed, by_prompt=True)
    for prompt in range(layout.prompts):
        before, after = (
            np.bincount(fold_N[(layout.prompt_N == prompt) & (layout.side_N == side)], minlength=FOLDS)
            for side in (0, 1)
        )
        assert np.ptp(before) <= 1
        assert np.ptp(after) <= 1
        if before.sum() == after.sum():
            np.testing.assert_array_equal(before, after)
        assert len(set(whole_N[layout.prompt_N == prompt])) == 1
    sizes = np.bincount(whole_N[np.unique(layout.prompt_N, return_index=True)[1]], minlength=FOLDS)
    assert np.ptp(sizes) <= 1
