"""Scores are told from all else that stands beside the responses; those of another file are joined by id."""

import math
from pathlib import Path
from typing import Any

import pytest

from probes.errors import InputError
from runs.scores import as_score
from tests.runs.made import import_two, jsonl, rows, scores_of, text_file


@pytest.mark.parametrize(
    ("value", "score"),
    [
        (3, 3),
        (0.5, 0.5),
        ("4", 4),
        (" 4.50 ", 4.5),
        ("-2", -2),
        ("REFUSAL", "REFUSAL"),
        ("none", "none"),
        ("", None),
        ("NaN", None),
        ("N/A", None),
        (None, None),
        (math.inf, None),
        (True, "true"),
        ("9" * 400, None),
        (10**400, None),
    ],
)
def test_a_score_is_a_number_or_a_label(value: Any, score: Any) -> None:
    found = as_score(value)
    assert found == score
    assert type(found) is type(score)


def with_columns(side: str, **columns: Any) -> list[dict[str, Any]]:
    """Rows with columns, each value a function of the row's number."""
    return [
        {**row, **{name: value(number) if callable(value) else value for name, value in columns.items()}}
        for number, row in enumerate(rows(side))
    ]


def names_of(found: list[dict[str, Any] | None]) -> set[str]:
    return {name for row in found if row for name in row}


def test_scores_in_an_object_nested_and_as_text(tmp_path: Path) -> None:
    before = with_columns("b", scores=lambda n: {"harm": n % 5 if n else "REFUSAL", "tone": {"warm": str(n)}})
    after = with_columns("a", scores=lambda n: {"harm": n % 2} if n else None)
    found = scores_of(import_two(tmp_path, before, after))
    assert found[0] == {"harm": "REFUSAL", "tone.warm": 0}
    assert found[1] == {"harm": 1, "tone.warm": 1}
    assert found[12] is None
    assert found[13] == {"harm": 1}


def test_scores_in_columns_of_their_own_and_nothing_else(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "aligned": lambda n: "" if n == 3 else str(90.5 + n),
        "verdict": lambda n: ("safe", "harmful")[n % 2],
        "is_refusal": lambda n: n % 3 == 0,
        "judge": lambda n: {"value": n, "reason": "long " * 50},
        "difficulty": lambda n: n // 4,  # a property of the prompt
        "seed": lambda n: n,
        "n_output_tokens": lambda n: n,
        "temperature": 1.0,
        "category": "x",
        "comment": lambda n: f"free text {n}",
    }
    before, after = with_columns("b", model=1, **columns), with_columns("a", model=2, **columns)
    imported = import_two(tmp_path, before, after)
    found = scores_of(imported)
    assert names_of(found) == {"aligned", "verdict", "is_refusal", "judge.value"}
    assert found[1] == {"aligned": 91.5, "verdict": "harmful", "is_refusal": "false", "judge.value": 1}
    assert "aligned" not in (found[3] or {})
    told = "scores that came with the data (--use-scores takes them): 'aligned', 'verdict'"
    assert any(note.startswith(told) for note in imported.notes)


def test_scores_that_one_side_lacks_are_kept(tmp_path: Path) -> None:
    found = scores_of(import_two(tmp_path, with_columns("b", scores={"x": 1}), rows("a")))
    assert found[:12] == [{"x": 1}] * 12
    assert found[12:] == [None] * 12


def score_rows(side: str) -> list[dict[str, Any]]:
    return [{"row_id": f"{side}{n}", "judged": {"harm": n}} for n in range(12)]


def test_one_file_of_scores_for_both_sides(tmp_path: Path) -> None:
    scores = jsonl(
        tmp_path / "scores.jsonl",
        [*score_rows("b"), *score_rows("a")[:-1], {"row_id": "zz", "judged": {"harm": 9}}],
    )
    before, after = (with_columns(side, row_id=lambda n, s=side: f"{s}{n}") for side in "ba")
    imported = import_two(tmp_path, before, after, scores=(scores,))
    found = scores_of(imported)
    assert found[:12] == [{"judged.harm": n} for n in range(12)]
    assert found[23] is None
    (note,) = (note for note in imported.notes if "joined by" in note)
    assert "joined by 'row_id': 23 of 24 responses, 1 scores without a response" in note


def test_a_file_of_scores_a_side_as_csv(tmp_path: Path) -> None:
    files = [
        text_file(
            tmp_path / f"{side}.csv", "id,aligned,why\n" + "".join(f"{n},{n}.5,because\n" for n in range(12))
        )
        for side in "ba"
    ]
    before, after = (with_columns(side, id=lambda n: n) for side in "ba")
    found = scores_of(import_two(tmp_path, before, after, scores=tuple(files)))
    assert found[11] == {"aligned": 11.5, "why": "because"}
    assert found[23] == {"aligned": 11.5, "why": "because"}


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([{"id": 1, "x": 2}], "fits 2 responses .*one file of scores a side"),
        ([{"id": 1, "x": 2}, {"id": 1, "x": 3}], "line 2: 'id' '1' stands there twice"),
        ([{"id": "zz", "x": 2}], "none of its 'id' is one of the responses.*'zz', there e.g. '0'"),
        ([{"name": 1, "x": 2}], "no id that the file of responses has too.*fields here: 'name', 'x'"),
        ([{"id": 1}], "no scores beside the ids"),
        ([], "empty"),
    ],
)
def test_scores_that_cannot_be_joined_are_refused(scores: list[dict[str, Any]], said: str, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "scores.jsonl", scores)
    before, after = (with_columns(side, id=lambda n: n) for side in "ba")
    with pytest.raises(InputError, match=said):
        import_two(tmp_path, before, after, scores=(path,))
    assert not (tmp_path / "run").exists()
