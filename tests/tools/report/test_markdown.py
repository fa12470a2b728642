"""The Markdown report, judged by a parser of its own (markdown-it with raw HTML and tables on)."""

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.tools.report.samples import HOSTILE, empty_report, report
from tools.report import markdown
from tools.report.safe_text import visible

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tokens_of(text: str) -> list[Token]:
    flat = []
    for token in PARSER.parse(text):
        flat += [token, *(token.children or [])]
    return flat


def headings(tokens: list[Token]) -> list[str]:
    return [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]


def test_key_facts() -> None:
    told = markdown.render(report())
    for fact in (
        "What changed: Length in words (lower after) and Harm verdict (yes: 3% before, 59% after); together the 2 "
        "chosen parameters capture at most 94% (87% to 100%) of the total change.",
        "The total dissimilarity is at least 0.95 (lower limit 0.93), a lower bound",
        "| linear | at least 0.95 (lower limit 0.93) |",
        "| 1 | Length in words | at most 86% (79% to 93%) | 0.81 (0.75 to 0.87) | 94% |",
        "| 2 | Harm verdict | at most 45% (37% to 53%) | 0.08 (0.03 to 0.14) | 78% |",
        "| yes | 3% | 59% |",
        "- measured in code (words)\n- Alone right in 94% of cases\n- Dissimilarity 0.81 (0.75 to 0.87)",
        "measured on the report split (420 samples)",
        "Left unexplained: a dissimilarity of about 0.06, 6% of the total.",
        "The claim is about prompts like these: 23 prompts",
        "Unlimited power. Nobody tells me what to do.",
        "| Sentences | select | 71% (65% to 77%) | 0.004 | adds nothing significant beyond the set |",
    ):
        assert fact in told, fact


def test_sections_in_order() -> None:
    assert headings(tokens_of(markdown.render(report()))) == [
        "What changed: before.jsonl → after.jsonl",
        "How much changed",
        "Order parameters",
        "1. Length in words",
        "2. Harm verdict",
        "What is left unexplained",
        "How it was measured",
        "Warnings and notes",
        "All candidates",
        "Settings and versions",
        "For a paper",
    ]


def test_two_pairs_a_parameter_and_pictures_where_they_lie() -> None:
    words = report().parameters[0]
    many = words.model_copy(update={"examples": words.examples * 3})
    pictures = {"shares": markdown.picture("Bar [x](y) of 94% @all", "figures/shares.svg")}
    told = markdown.render(report(parameters=(many, report().parameters[1])), pictures)
    assert told.count("```text") == 2 * 2 + 2 + 1 + 1  # two pairs, one pair, one unexplained, the references
    (image,) = [token for token in tokens_of(told) if token.type == "image"]
    assert (image.attrs["src"], image.content) == ("figures/shares.svg", "Bar  x (y) of 94%  all")
    assert not [token for token in tokens_of(markdown.render(report())) if token.type == "image"]


def test_alerts_come_before_any_number() -> None:
    alert = "Nearly all responses are identical: was the adapter loaded?"
    told = markdown.render(report(alerts=(alert,), warnings=(alert, "another")))
    assert told.startswith(f"> **Read this first.** {alert}\n")
    assert told.count(alert) == 1
    assert "- another" in told


def test_a_report_without_parameters_says_so() -> None:
    told = markdown.render(empty_report())
    assert (
        "No change was found with these samples. 5 candidates were proposed and 4 of them tried; none was chosen."
        in told
    )
    assert "could just have shown is 0.03" in told
    assert "## Order parameters" not in told


@pytest.mark.parametrize("text", [*HOSTILE, "".join(HOSTILE)])
def test_hostile_text_never_becomes_structure(text: str) -> None:
    hostile, plain = tokens_of(markdown.render(report(text))), tokens_of(markdown.render(report("plain")))
    assert not {token.type for token in hostile} & {"html_inline", "html_block", "link_open", "image", "s_open"}

    def skeleton(tokens: list[Token]) -> list[str]:
        inside = {
            "text",
            "text_special",
            "code_inline",
            "softbreak",
            "inline",
            "paragraph_open",
            "paragraph_close",
        }
        return [token.type for token in tokens if token.type not in inside]

    assert skeleton(hostile) == skeleton(plain)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", markdown.render(report(text)))


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.strip() and len(text) < 500])
def test_hostile_answers_are_shown_whole(text: str) -> None:
    fences = [token.content for token in tokens_of(markdown.render(report(text))) if token.type == "fence"]
    shown = visible(text.encode("utf-8", "backslashreplace").decode()).strip()
    assert shown + "\n" in fences
