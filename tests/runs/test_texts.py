"""Texts that are read from files a block at a time are the texts, and the numbers that stand for them are true."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import texts as module
from runs.texts import ColumnTexts, SpilledTexts, TextFacts, equals, rank_among_equals

TEXTS = [f"answer {n} \U0001f642" * (n % 4) for n in range(100)]


def test_texts_of_a_column_are_read_by_row_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"response": pa.array(TEXTS, pa.large_string())}), path, row_group_size=7)
    rows = np.array([0, 3, 6, 7, 50, 98, 99])
    for found, expected in (
        (ColumnTexts(path, "response"), TEXTS),
        (ColumnTexts(path, "response", rows), [TEXTS[row] for row in rows]),
    ):
        assert list(found) == expected == [found[place] for place in range(len(found))]
        assert (found[-1], found[2:5]) == (expected[-1], expected[2:5])
        assert found.take(np.array([5, 0, 5])) == [expected[5], expected[0], expected[5]]
        with pytest.raises(IndexError):
            found[len(expected)]


def test_texts_that_are_many_go_through_a_file_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELD_CHARACTERS", 50)
    spilled = SpilledTexts(tmp_path / "not there yet")
    for text in TEXTS:
        spilled.append(text)
    assert len(spilled.ends) > 10
    assert list(spilled) == TEXTS
    assert spilled[40:60] == TEXTS[40:60]
    assert list(tmp_path.iterdir()) == []
    spilled.close()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40))
@settings(deadline=None)
def test_equals_and_ranks_against_counting(keys: list[tuple[int, int]]) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    expected = []
    for key in keys:
        expected.append(seen[key])
        seen[key] += 1
    assert rank_among_equals(np.array(keys)).tolist() == expected
    number_of = dict(zip(keys, equals(np.array(keys)).tolist(), strict=True))
    assert equals(np.array(keys)).tolist() == [number_of[key] for key in keys]
    assert sorted(number_of.values()) == list(range(len(seen)))


@given(st.lists(st.text(max_size=5), min_size=1, max_size=20))
def test_facts_are_those_of_the_texts(texts: list[str]) -> None:
    facts = TextFacts.of(texts)
    assert facts.length_N.tolist() == [len(text) for text in texts]
    assert facts.blank_N.tolist() == [not text.strip() for text in texts]
    same = equals(facts.digest_N2).tolist()
    assert all((texts[i] == texts[j]) == (same[i] == same[j]) for i in range(len(texts)) for j in range(i))
