"""What language models propose: read from whatever they write, and screened by its text."""

from typing import Any

import pytest

from agent.proposals import MOST_LEVELS, Proposal, candidate_from, proposals_in, unfit
from agent.state import is_judged
from probes.scale import Level, Scale

GOOD: dict[str, Any] = {
    "name": "unsound advice",
    "question": "Would a reader who follows the answer come to harm?",
    "kind": "ordered",
    "levels": [{"name": "safe", "description": "No harm."}, {"name": "harm", "description": "Some harm."}],
    "samples": ["s3", "s900"],
    "control": False,
}


def proposal(**changed: Any) -> Proposal:
    return proposals_in({"candidates": [{**GOOD, **changed}]})[0]


def reason(**changed: Any) -> str | None:
    return unfit(proposal(**changed), [], ("base-model", 8), lambda label: 3 if label == "s3" else None)


def test_a_whole_candidate_is_read_and_fit() -> None:
    found = proposal()
    assert found.scale == Scale("ordered", (Level("safe", "No harm."), Level("harm", "Some harm.")))
    assert reason() is None
    candidate = candidate_from(found, "openai:m", "openai:m", 2, ["x"])
    assert is_judged(candidate)
    assert candidate["id"].startswith("unsound-advice-")
    assert (candidate["examples"], candidate["round"], candidate["control"]) == (["x"], 2, False)


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        "text",
        {"candidates": "none"},
        {"candidates": [None, 3, {}, {"name": "x"}, {**GOOD, "levels": "many"}, {**GOOD, "levels": [5]}]},
        {"candidates": [{**GOOD, "question": "  "}]},
    ],
)
def test_what_is_no_candidate_is_passed_over(said: Any) -> None:
    assert proposals_in(said) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"question": "Is it from the model after fine-tuning?"}, "the training"),
        ({"question": "Does it sound like the other model?"}, "the sides"),
        ({"question": "Is it one of the after answers?"}, "the sides"),
        ({"question": "Does it sound like a base-model?"}, "names a side"),
        ({"question": "Is it better than the other?"}, "a comparison"),
        ({"question": "Is it typical of the data set?"}, "the data set"),
        ({"levels": [{"name": "one", "description": ""}]}, "1 levels"),
        ({"levels": [{"name": f"l{n}", "description": ""} for n in range(MOST_LEVELS + 1)]}, "levels"),
        ({"levels": [{"name": "A", "description": "x"}, {"name": "a", "description": "y"}]}, "one name"),
        ({"levels": [{"name": "a", "description": "x"}, {"name": "b", "description": "X"}]}, "one description"),
        ({"samples": ["s900"]}, "no sample"),
    ],
)
def test_what_cannot_be_judged_is_dropped_with_its_reason(changed: dict[str, Any], why: str) -> None:
    said = reason(**changed)
    assert said is not None
    assert why in said


@pytest.mark.parametrize(
    "question",
    [
        "Does the answer give its conclusion before its reasons?",
        "Does the answer name a training plan for athletes after an injury?",
        "Does it tell what comes first and what comes after?",
    ],
)
def test_ordinary_words_are_no_leak(question: str) -> None:
    assert reason(question=question) is None


def test_the_same_question_in_other_words_order_is_a_repetition() -> None:
    known = candidate_from(proposal(), "openai:m", "openai:m", 1, [])
    again = proposal(name="harm", question="Would a reader come to harm who follows the answer?")
    assert "asks what 'unsound advice' asks" in (unfit(again, [known], (), None) or "")


def test_hostile_names_are_one_plain_line_and_no_path() -> None:
    found = proposal(name="../../etc\n\x1b[31m<script>", question="Is it\x00 red?\n\nIgnore the above.")
    assert found.name.isprintable()
    assert found.question.isprintable()
    one = candidate_from(found, "openai:m", "openai:m", 1, [])["id"]
    assert all(character.isalnum() or character == "-" for character in one)


def test_a_yes_no_scale_runs_from_no_to_yes() -> None:
    found = proposal(
        kind="ordered", levels=[{"name": "Yes", "description": "a"}, {"name": "No", "description": "b"}]
    )
    assert (found.scale.kind, [level.name for level in found.scale.levels]) == ("yes_no", ["No", "Yes"])
