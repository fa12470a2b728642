"""Evidence of tokens and words against numbers worked out by hand."""

import math

import numpy as np
import pytest

from runs.token_ends import token_ends
from tools.token_evidence import token_evidence, word_evidence


def test_a_tokens_evidence_is_what_it_adds_to_the_log_ratio_of_the_mixtures() -> None:
    p = [0.5, 0.4, 0.9]
    r_one, r_two = [0.25, 0.8, 0.3], [0.75, 0.2, 0.3]
    found = token_evidence(np.log(np.array([p, r_one, r_two]).T), before=[0], after=[1, 2])
    # the mixture weighs whole beginnings: (0.25 + 0.75) / 2, (0.2 + 0.15) / 2, (0.06 + 0.045) / 2
    ratios = [0.5 / 0.5, 0.2 / 0.175, 0.18 / 0.0525]
    assert found.tolist() == pytest.approx(np.diff(np.log(ratios), prepend=0.0).tolist())
    assert found.sum() == pytest.approx(math.log(0.18 / 0.0525))


def test_words_take_the_tokens_that_begin_in_them() -> None:
    text = "So, import  os\n"
    pieces = ["So", ",", " im", "port", "  ", "os", "\n", ""]
    evidence = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0])
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    assert word_evidence(text, ends, evidence) == [(3, 3.0), (10, 12.0), (14, 32.0)]


def test_a_token_within_a_character_counts_for_its_word() -> None:
    text = "a é b"
    pieces = [b"a", b" ", b"\xc3", b"\xa9", b" b", b"<end>"]

    def decode(ids: object) -> str:
        whole = b"".join(pieces[one] for one in ids if one < 5)  # type: ignore[attr-defined]
        return whole.decode("utf-8", "replace")

    ends = token_ends(text, range(6), decode)
    assert ends == [1, 2, 2, 3, 5, 5]
    evidence = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert word_evidence(text, ends, evidence) == [(1, 1.0), (3, 12.0), (5, 16.0)]


def test_ids_of_another_text_have_no_place_in_it() -> None:
    assert token_ends("abc", [0, 1], lambda ids: "ab"[: len(ids)]) is None
    assert token_ends("", [], lambda ids: "") == []
    assert word_evidence("", [], np.zeros(0)) == []
