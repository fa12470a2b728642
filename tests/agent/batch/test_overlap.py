"""Which searches have read what other jobs report on: by the answers themselves, on whatever side they are."""

import json
from pathlib import Path

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


def held(name: str, before: Path, after: Path, seed: int = 0) -> Held:
    out = before.parent / f"run-{name}"
    return Held(name, name, import_pair(before, after, out, ImportOptions(seed=seed)).run, None)


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
    assert overlap_of([one, held("seeded", files[0], files[3], seed=7)]).read


def test_short_answers_of_their_own_were_not_read(tmp_path: Path) -> None:
    """Draws that agree here and there are no answers of the other job."""
    files = [answers(tmp_path / f"short{seed}.jsonl", seed, words=3) for seed in range(4)]
    one, other = held("one", files[0], files[1]), held("other", files[2], files[3], seed=3)
    assert overlap_of([one, other]).read == frozenset()
