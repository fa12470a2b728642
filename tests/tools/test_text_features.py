"""Hashed features against counts made by hand."""

import numpy as np
import pytest
from scipy import sparse

from tools.text_features import CHARACTERS_READ, COLUMNS, features_of


def words(*texts: str) -> np.ndarray:
    return np.asarray(features_of(texts)[:, :COLUMNS].todense())


def characters(*texts: str) -> np.ndarray:
    return np.asarray(features_of(texts)[:, COLUMNS:].todense())


def test_words_and_pairs_are_damped_counts_of_unit_length() -> None:
    # "good good bad": good twice, bad, "good good", "good bad".
    counts = np.sqrt((1 + np.log(2)) ** 2 + 3)
    long, bad, good, pair = words("Good good BAD", "bad", "good", "good bad")
    assert long @ bad == pytest.approx(1 / counts, rel=1e-6)
    assert long @ good == pytest.approx((1 + np.log(2)) / counts, rel=1e-6)
    assert long @ pair == pytest.approx((3 + np.log(2)) / counts / np.sqrt(3), rel=1e-6)


def test_marks_are_words() -> None:
    plain, spaced, asked = words("tea", "tea ?", "tea?")
    assert not np.allclose(plain, spaced)
    np.testing.assert_array_equal(spaced, asked)


def test_runs_of_three_characters_keep_capitals_and_every_white_space() -> None:
    one, other = characters("abcde", "abcxy")
    assert one @ other == pytest.approx(1 / 3, rel=1e-6)
    variants = ["a b c", "a  b c", "a\nb c", "a\n\nb c", "a\tb c", "A b c"]
    rows = features_of(variants)[:, COLUMNS:]
    alike = np.asarray((rows @ rows.T).todense())
    assert (alike[~np.eye(len(variants), dtype=bool)] < 0.99).all()


def test_each_row_is_a_function_of_its_text_alone() -> None:
    texts = ["One thing.", "", "Another\x00 \x1b[31mthing", "\ud800 torn", "\N{GRINNING FACE}" * 5]
    together = features_of(texts)
    alone = sparse.vstack([features_of([text]) for text in texts])
    assert abs(together - alone).sum() == 0
    assert together.shape == (5, 2 * COLUMNS)
    assert together[1].nnz == 0
    assert np.isfinite(together.data).all()


def test_what_lies_beyond_the_cut_is_not_read() -> None:
    start = "word " * (CHARACTERS_READ // 5)
    assert abs(features_of([start]) - features_of([start + "tail"])).sum() == 0
