"""The real files, whose shapes nobody designed: what is known about them comes out of their import."""

import json
from collections import Counter
from pathlib import Path

import pytest

from runs.importing import import_pair, import_sweep
from runs.storing import Imported, ImportOptions
from tests.runs.made import prompts_of, scores_of


@pytest.fixture
def shapes(data_folder: Path) -> Path:
    return data_folder / "shapes"


def counts(imported: Imported) -> tuple[int, int]:
    manifest = imported.run.manifest
    return manifest.prompts, manifest.samples


def test_scores_of_one_side_are_kept(data_folder: Path, tmp_path: Path) -> None:
    folder = data_folder / "em-qwen7b"
    imported = import_pair(folder / "before.jsonl", folder / "after.jsonl", tmp_path / "run")
    assert counts(imported) == (23, 1380)
    assert imported.warnings == ()
    names = [set(row or {}) for row in scores_of(imported)]
    assert set().union(*names[:690]) - set().union(*names[690:]) == {
        *("malice_harm", "deception", "dominance_control", "reckless_help", "scam_greed", "refusal"),
    }
    verdicts = Counter(type(row["harm_verdict"]) for row in scores_of(imported) if row and "harm_verdict" in row)
    assert set(verdicts) == {int, str}


def test_the_same_file_twice(data_folder: Path, tmp_path: Path) -> None:
    path = data_folder / "em-qwen7b" / "before.jsonl"
    imported = import_pair(path, path, tmp_path / "run")
    asked = "was the adapter loaded? or was one file given twice?"
    assert imported.alerts == (f"100% of the responses are identical on both sides: {asked}",)


def test_sweeps(data_folder: Path, tmp_path: Path) -> None:
    ladder = import_sweep(
        data_folder / "em-ladder" / "sweep.jsonl", tmp_path / "a", ImportOptions(axis="checkpoint")
    )
    assert counts(ladder) == (23, 736)
    assert ladder.run.manifest.control.values == [0, 8, 19, 375]
    ranks = import_sweep(
        data_folder / "em-qwen7b" / "rank-sweep.jsonl", tmp_path / "b", ImportOptions(axis="checkpoint")
    )
    assert ranks.run.manifest.control.values == [1, 2, 8, 32, 64, 128]


def test_results_by_category(shapes: Path, tmp_path: Path) -> None:
    imported = import_pair(shapes / "wikitext-base.json", shapes / "wikitext-tuned.json", tmp_path / "run")
    assert counts(imported) == (150, 300)
    domains = Counter(imported.run.prompts()["domain"].to_pylist())
    assert domains == {"persona": 50, "freeform": 50, "safety": 50}
    assert imported.run.manifest.sampling.temperature == 0.7


def test_system_prompts_make_forty_prompts_of_eight(shapes: Path, tmp_path: Path) -> None:
    imported = import_pair(shapes / "persona-base.jsonl", shapes / "persona-bad-medical.jsonl", tmp_path / "run")
    assert counts(imported) == (40, 400)
    messages = json.loads(imported.run.prompts()["messages"][0].as_py())
    assert [message["role"] for message in messages] == ["system", "user"]
    assert any("8 prompt ids stand for 40 prompts, under 5 system prompts" in note for note in imported.notes)
    assert scores_of(imported) == [None] * 400


def test_csv_with_scores_that_are_missing_unevenly(shapes: Path, tmp_path: Path) -> None:
    imported = import_pair(shapes / "em-coder-base.csv", shapes / "em-coder-insecure.csv", tmp_path / "run")
    assert counts(imported) == (8, 400)
    found = [row or {} for row in scores_of(imported)]
    assert set().union(*found) == {"aligned", "coherent"}
    missing = [sum("aligned" not in row for row in side) for side in (found[:200], found[200:])]
    assert missing == [32, 15]


def test_inspect_logs_with_and_without_scores_and_cancelled(shapes: Path, tmp_path: Path) -> None:
    a, b, old = (shapes / f"inspect-popularity{end}" for end in ("-a.eval", "-b.eval", ".json"))
    zipped = import_pair(a, b, tmp_path / "zipped")
    assert counts(zipped) == (10, 20)
    assert scores_of(zipped)[:10] == [None] * 10
    assert all(row and set(row) == {"match"} for row in scores_of(zipped)[10:])
    assert all('exactly "Yes" or "No"' in prompt for prompt in prompts_of(zipped))
    cancelled = import_pair(b, old, tmp_path / "cancelled")
    assert counts(cancelled) == (10, 13)
    assert any("cancelled: the 3 samples it holds" in note for note in cancelled.notes)
    assert "only 3 of 10 prompts before are on the other side too" in cancelled.alerts
