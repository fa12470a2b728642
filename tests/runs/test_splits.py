"""Splits against a slow implementation of Method, section 5, in exact fractions, and against what they are for."""

import hashlib
from collections import Counter, defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.splits import READ, REPORT, SELECT, assign_splits, split_counts

SHARES = {READ: Fraction(3, 10), SELECT: Fraction(3, 10), REPORT: Fraction(4, 10)}


def largest_remainder(size: int, read_before_select: bool) -> list[int]:
    """Counts by the textbook: floors, then one each by falling remainder; report first among equals."""
    quota = {split: share * size for split, share in SHARES.items()}
    counts = {split: int(quota[split]) for split in SHARES}
    preference = [REPORT, READ, SELECT] if read_before_select else [REPORT, SELECT, READ]
    order = sorted(preference, key=lambda split: -(quota[split] - counts[split]))  # stable, so ties as preferred
    for split in order[: size - sum(counts.values())]:
        counts[split] += 1
    return [counts[split] for split in (READ, SELECT, REPORT)]


@pytest.mark.parametrize("read_first", [True, False])
def test_counts_are_the_largest_remainders(read_first: bool) -> None:
    sizes = np.arange(0, 300)
    expected = [largest_remainder(int(size), read_first) for size in sizes]
    assert split_counts(sizes, np.full(300, read_first)).tolist() == expected


def test_counts_that_the_method_names() -> None:
    counts = split_counts(np.array([3, 4, 10, 1]), np.array([True, False, True, False]))
    assert counts.tolist() == [[1, 1, 1], [1, 1, 2], [3, 3, 4], [0, 0, 1]]


def key(kind: str, seed: int, text: str) -> tuple[int, int]:
    digest = hashlib.blake2b(f"{kind} {seed} {text}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def slow_splits(rows: list[tuple[str, str, int]], seed: int) -> dict[str, int]:
    """Split by sample id, rows being (sample id, prompt id, checkpoint)."""
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for sample, prompt, checkpoint in rows:
        groups[prompt, checkpoint].append(sample)
    if sum(len(group) >= 3 for group in groups.values()) * 2 > len(groups):
        splits: dict[str, int] = {}
        for (prompt, checkpoint), group in groups.items():
            counts = largest_remainder(len(group), key("group", seed, f"{checkpoint} {prompt}")[1] % 2 == 0)
            ordered = sorted(group, key=lambda sample: key("sample", seed, sample))
            places = [split for split in (READ, SELECT, REPORT) for _ in range(counts[split])]
            splits.update(zip(ordered, places, strict=True))
        return splits
    prompts = sorted({prompt for _, prompt, _ in rows}, key=lambda prompt: key("prompt", seed, prompt))
    counts = largest_remainder(len(prompts), key("group", seed, "prompts")[1] % 2 == 0)
    places = [split for split in (READ, SELECT, REPORT) for _ in range(counts[split])]
    of_prompt = dict(zip(prompts, places, strict=True))
    return {sample: of_prompt[prompt] for sample, prompt, _ in rows}


def fast_splits(rows: list[tuple[str, str, int]], seed: int, prompt_ids: list[str]) -> dict[str, int]:
    samples = [row[0] for row in rows]
    prompt_N = np.array([prompt_ids.index(row[1]) for row in rows], dtype=np.int64)
    checkpoint_N = np.array([row[2] for row in rows], dtype=np.int64)
    split_N = assign_splits(samples, prompt_N, checkpoint_N, seed, prompt_ids=prompt_ids)
    return dict(zip(samples, split_N.tolist(), strict=True))


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[str, str, int]]:
    prompts = draw(st.lists(st.text(max_size=5), min_size=1, max_size=6, unique=True))
    most = draw(st.sampled_from([2, 4, 9]))
    rows = []
    for prompt in prompts:
        for checkpoint in range(draw(st.integers(1, 3))):
            for number in range(draw(st.integers(1, most))):
                rows.append((f"{prompt}/{checkpoint}/{number}", prompt, checkpoint))
    return rows


@settings(max_examples=60, deadline=None)
@given(rows=runs(), seed=st.integers(0, 2**40), shuffling=st.randoms())
def test_splits_equal_the_slow_ones_in_any_order_of_rows_and_prompts(rows, seed, shuffling) -> None:  # type: ignore[no-untyped-def]
    prompt_ids = [*dict.fromkeys(row[1] for row in rows), "a prompt without samples"]
    expected = slow_splits(rows, seed)
    assert fast_splits(rows, seed, prompt_ids) == expected
    shuffling.shuffle(rows)
    shuffling.shuffle(prompt_ids)
    assert fast_splits(rows, seed, prompt_ids) == expected


def test_half_of_the_groups_is_not_most_of_them() -> None:
    rows = [(f"a{i}", "a", 0) for i in range(9)] + [(f"b{i}", "b", 0) for i in range(2)]
    splits = fast_splits(rows, 0, ["a", "b"])
    assert len({splits[f"a{i}"] for i in range(9)}) == 1
    three = [*rows, *((f"c{i}", "c", 0) for i in range(3))]
    assert {fast_splits(three, 0, ["a", "b", "c"])[f"c{i}"] for i in range(3)} == {READ, SELECT, REPORT}


def test_each_sample_is_as_likely_in_a_split_as_any_and_ties_are_fair() -> None:
    groups, size = 4_000, 5  # quotas 1.5, 1.5, 2: read and select tie for the fifth sample
    prompt_N = np.repeat(np.arange(groups), size)
    ids = [f"s{i}" for i in range(groups * size)]
    split_N = assign_splits(ids, prompt_N, np.zeros_like(prompt_N), 7, prompt_ids=[f"q{q}" for q in range(groups)])
    split_G5 = split_N.reshape(groups, size)
    assert ((split_G5 == REPORT).sum(axis=1) == 2).all()
    # five standard errors of a proportion over 4,000 groups
    assert np.abs((split_G5 == READ).sum(axis=1).mean() - 1.5) < 5 * 0.5 / np.sqrt(groups)
    for split, share in ((READ, 0.3), (SELECT, 0.3), (REPORT, 0.4)):
        assert np.abs((split_G5 == split).mean(axis=0) - share).max() < 5 * np.sqrt(share * (1 - share) / groups)


def test_another_seed_gives_other_splits_and_the_same_seed_the_same() -> None:
    rows = [(f"{q}-{i}", f"q{q}", 0) for q in range(40) for i in range(10)]
    prompt_ids = [f"q{q}" for q in range(40)]
    first, again, other = (fast_splits(rows, seed, prompt_ids) for seed in (1, 1, 2))
    assert first == again
    agreeing = sum(first[row[0]] == other[row[0]] for row in rows) / len(rows)
    assert abs(agreeing - 0.34) < 5 * np.sqrt(0.34 * 0.66 / len(rows))  # chance: .3^2 + .3^2 + .4^2


def test_one_response_a_prompt_and_side_divides_prompts() -> None:
    rows = [(f"{q}-{side}", f"q{q}", side) for q in range(20) for side in (0, 1)]
    splits = fast_splits(rows, 3, [f"q{q}" for q in range(20)])
    assert all(splits[f"{q}-0"] == splits[f"{q}-1"] for q in range(20))
    assert Counter(splits.values()) == {READ: 12, SELECT: 12, REPORT: 16}


def test_ids_that_repeat_are_refused_and_no_samples_are_fine() -> None:
    zeros = np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="different"):
        assign_splits(["a", "a"], zeros, zeros, 0, prompt_ids=["q"])
    with pytest.raises(ValueError, match="different"):
        assign_splits(["a", "b"], zeros, zeros, 0, prompt_ids=["q", "q"])
    assert assign_splits([], zeros[:0], zeros[:0], 0, prompt_ids=[]).shape == (0,)
