"""The method paragraph: the numbers of its report, in words that agree with what they are, and its references."""

import re

import pytest

from tests.tools.report.samples import HOSTILE, empty_report, likelihood_report, report
from tools.report.citing import TITLES, method_paragraph, references
from tools.report.document import Guided


def test_numbers_and_kind_of_bound() -> None:
    said = method_paragraph(report())
    for fact in (
        "We compared the answers of before.jsonl with those of after.jsonl to 23 prompts (1,056 answers).",
        "bounded from below by held-out discriminators: D is at least 0.95 (lower limit 0.93).",
        "proposed from a read split (318 answers) and selected greedily on a select split (318)",
        "under the null of 999 resamples.",
        "On the report split, “Length in words” and “Harm verdict” capture at most 94% (87% to 100%) of D, a "
        "dissimilarity of 0.89 (0.84 to 0.93)",
        "All scores were measured in code or came with the data.",
        "the claim is about prompts like these.",
        "Computed with orderparam 0.1.0, seed 0.",
    ):
        assert fact in said, fact
    assert "D is 0.95 (0.93 to 0.97)." in method_paragraph(likelihood_report())
    assert "at most" not in method_paragraph(likelihood_report())


def test_what_was_not_done_is_not_said() -> None:
    assert "Order parameters" not in method_paragraph(empty_report())
    assert "were fixed beforehand" in method_paragraph(report(candidates=()))
    guided = Guided(acts=("drop words",))
    assert "null of 999 resamples. A person who saw both guided the search." in method_paragraph(
        report(guided=guided)
    )
    first, second = report().parameters
    parameters = (
        first.model_copy(update={"origin": "given"}),
        second.model_copy(update={"chosen_by": "person"}),
    )
    said = method_paragraph(report(parameters=parameters, guided=guided))
    assert "“Length in words” stood in the set from the start, without that test." in said
    assert "guided the search and chose “Harm verdict” without that test." in said
    assert "without that test" not in method_paragraph(report())
    judged = report().parameters[1].model_copy(update={"judge": "openai:gpt-x"})
    said = method_paragraph(report(parameters=(report().parameters[0], judged)))
    assert "Answers were judged, blind to side and hypothesis, by openai:gpt-x." in said


def test_references_are_bibtex_that_the_paragraph_names() -> None:
    text = references(report())
    assert re.findall(r"^@(\w+)\{(\w+),", text, re.MULTILINE) == [
        ("article", "arnold2025decomposing"),
        ("article", "arnold2024phase"),
        ("software", "orderparam"),
    ]
    assert text.count("{") == text.count("}")
    assert [title[:3] for title in TITLES] == ["[1]", "[2]"]
    assert all(mark in method_paragraph(report()) for mark in ("[1, 2]", "[1]"))
    assert "version = {0.1.0}" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_character_and_no_unbalanced_brace(text: str) -> None:
    said = method_paragraph(report(text)) + references(report(version=text or "0"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", said)
    own = references(report(version=text or "0"))
    assert own.count("{") == own.count("}")
