"""Which searches have read what other jobs report on: by the answers themselves, on whatever side they are."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from agent.batch.overlap import Held, overlap_of
from runs.importing import import_pair
from runs.schema import SPLITS
from runs.storing import ImportOptions

PROMPTS, DRAWS = 8, 10


def answers(path: Path, seed: int, words: int = 24) -> Path:
    """A file of answers of so many words of two."""
    rng = np.random.default_rng(seed)
    rows = [
        {"prompt": f"prompt {prompt}", "response": " ".join(rng.choice(["yes", "no"], words))}
        for prompt in range(PROMPTS)
        for _ in range(DRAWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def held(name: str, before: Path, after: Path, seed: int = 0, claim: Literal["fixed", "random"] = "fixed") -> Held:
    out = before.parent / f"run-{name}"
    return Held(name, name, import_pair(before, after, out, ImportOptions(seed=seed)).run, None, claim)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [answers(tmp_path / f"v{seed}.jsonl", seed) for seed in range(4)]


def test_what_was_after_in_one_and_is_before_in_the_other_was_read(files: list[Path]) -> None:
    """A chain of versions: the ids of an answer differ by its side, and so do its splits."""
    first, second = held("first", files[0], files[1]), held("second", files[1], files[2])
    found = overlap_of([first, second])
    assert found.read == {("first", "second"), ("second", "first")}
    splits = []
    for job, side in ((first, 1), (second, 0)):
        samples = job.run.samples(["checkpoint", "prompt_id", "response", "split"]).to_pylist()
        prompts = job.prompt_of
        splits.append(
            {
                (prompts[one["prompt_id"]], one["response"]): one["split"]
                for one in samples
                if one["checkpoint"] == side
            }
        )
    assert len(splits[0]) == PROMPTS * DRAWS  # no two are alike
    read = sum(split == SPLITS[-1] and splits[0][key] != SPLITS[-1] for key, split in splits[1].items())
    assert f"the search in first has read {read} answers that second reports on" in found.said[1]


def test_the_same_side_with_the_same_splits_was_not_read(files: list[Path]) -> None:
    one, other = held("one", files[0], files[1]), held("other", files[0], files[2])
    found = overlap_of([one, other])
    assert found.read == frozenset()
    assert [said.split(":")[0] for said in found.said] == ["one and other share 8 prompts"]
    assert found.tied == {frozenset(("one", "other"))}
    assert overlap_of([one, held("seeded", files[0], files[3], seed=7)]).read


def test_short_answers_of_their_own_were_not_read(tmp_path: Path) -> None:
    """Draws that agree here and there are no answers of the other job."""
    files = [answers(tmp_path / f"short{seed}.jsonl", seed, words=3) for seed in range(4)]
    one, other = held("one", files[0], files[1]), held("other", files[2], files[3], seed=3)
    assert overlap_of([one, other]).read == frozenset()


def test_what_is_not_independent_counts_as_one_and_is_said_in_one_line(files: list[Path]) -> None:
    """Three that share a version before, and one that was asked the same prompts and answered them anew."""
    jobs = [held(f"step{number}", files[0], files[number]) for number in (1, 2)]
    jobs.append(held("elsewhere", renamed(files[0]), renamed(files[1])))
    found = overlap_of(jobs)
    assert found.independent(["step1", "step2", "elsewhere"]).tolist() == [
        [True, False, True],
        [False, True, True],
        [True, True, True],
    ]
    more = overlap_of([*jobs, held("step3", files[0], files[3])])
    (said,) = more.said
    assert said.startswith(
        "step1, step2 and step3 share prompts: they count as one for what is common, are not held"
    )


def renamed(path: Path) -> Path:
    """The same answers to other prompts."""
    other = path.with_name(f"other-{path.name}")
    other.write_text(path.read_text().replace("prompt ", "question "))
    return other


@pytest.mark.parametrize("claim", ["fixed", "random"])
def test_answers_of_their_own_to_the_same_prompts_are_tied_by_claims_of_prompts_like_these(
    claim: Literal["fixed", "random"], files: list[Path]
) -> None:
    found = overlap_of([held("one", files[0], files[1]), held("other", files[2], files[3], claim=claim)])
    (said,) = found.said
    if claim == "fixed":
        assert found.tied == frozenset()
        assert "share 8 prompts: with answers of their own, they are held against each other for these" in said
    else:
        assert found.tied == {frozenset(("one", "other"))}
        assert "share 8 prompts: they count as one for what is common" in said


def test_a_part_of_the_same_answers_ties_too(files: list[Path]) -> None:
    """A fifth of the answers after are those of the other job: not the same answers, nor answers of its own."""
    mixed = files[3].with_name("mixed.jsonl")
    own, others = (path.read_text().splitlines() for path in (files[3], files[1]))
    mixed.write_text("\n".join(others[at] if at % 5 == 0 else own[at] for at in range(len(own))) + "\n")
    found = overlap_of([held("one", files[0], files[1]), held("other", files[2], mixed)])
    assert found.tied == {frozenset(("one", "other"))}
    assert not found.read
