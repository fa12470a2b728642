"""What a file would be read as is said before it is imported."""

import json
from pathlib import Path

import pytest

from probes.errors import InputError
from runs.explain import explain
from runs.storing import ImportOptions
from tests.runs.made import jsonl, rows


def test_fields_counts_and_two_rows(tmp_path: Path) -> None:
    made = [
        {**row, "question_id": "q", "domain": "d", "scores": {"x": n}, "model": "m", "finish_reason": "stop"}
        for n, row in enumerate(rows("b", "question", "answer"))
    ]
    made[5]["answer"] = None
    made[6]["answer"] = ""
    found = explain(jsonl(tmp_path / "a.jsonl", made))
    assert found.format == "JSON Lines"
    assert found.fields == ("question", "answer", "question_id", "domain", "scores", "model", "finish_reason")
    assert found.unread == ("model",)
    assert found.scores == ("x",)
    assert (found.responses, found.prompts, found.missing, found.empty) == (11, 3, 1, 1)
    assert len(found.rows) == 2
    assert found.rows[1].response == made[1]["answer"]
    assert json.loads(found.rows[1].scores or "") == {"x": 1}
    assert "prompt from 'question', response from 'answer', prompt id from 'question_id'" in found.said[0]


def test_named_fields_are_taken(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", [{"q": "p", "out": {"text": "r"}}])
    found = explain(path, ImportOptions(prompt_field="q", response_field="out.text"))
    assert (found.rows[0].prompt, found.rows[0].response) == ("p", "r")
    assert found.unread == ()
    wide = explain(path, ImportOptions(prompt_field="q", before_column="out.text"))
    assert wide.rows[0].response == "r"


def test_what_cannot_be_imported_is_refused_here_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2, field 'response': a number"):
        explain(jsonl(tmp_path / "a.jsonl", [{"prompt": "p", "response": "r"}, {"prompt": "p", "response": 1}]))


def test_explaining_writes_nothing(tmp_path: Path) -> None:
    explain(jsonl(tmp_path / "a.jsonl", rows("b")))
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]
