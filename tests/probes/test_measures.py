"""The catalogue: every measure does what its example says, on any text, and discriminates where it should."""

import json
import math
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.measures.catalogue import CATALOGUE, EXAMPLE_PROMPT, measure
from probes.measures.group import Mentions, Rate
from probes.measures.lexicons import IMPERATIVE_VERBS, LEXICONS, OPENINGS, PHRASES, phrases_of
from probes.measures.measure import Measure, MeasureGroup
from probes.measures.text_view import TextView

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)  # lone surrogates too
PROSE = st.lists(
    st.sampled_from(
        [
            "I",
            "can't",
            "help,",
            "but.",
            "you?",
            "\n\n",
            "-",
            "1.",
            "the",
            "Doctor",
            "always",
            "“it”",
            "!",
            "def",
            "f(x):",
            "so",
            "is",
            "中",
            "😀",
            "12",
        ]
    ),
    max_size=60,
).map(" ".join)


def score(measure_id: str, response: str, prompt: str = "") -> float:
    return measure(measure_id).score(prompt, response)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_example_scores_what_it_says(entry: Measure) -> None:
    text, expected = entry.example
    assert entry.score(EXAMPLE_PROMPT, text) == pytest.approx(expected, abs=1e-12)
    # An example that scores the same as nothing at all would hold the measure to nothing.
    if entry.id not in {"empty", "sentiment"}:
        assert entry.score(EXAMPLE_PROMPT, "") != pytest.approx(expected)


def test_catalogue_is_whole() -> None:
    assert len(CATALOGUE) >= 45
    assert all(count == 1 for count in Counter(entry.id for entry in CATALOGUE).values())
    assert all(count == 1 for count in Counter(entry.name for entry in CATALOGUE).values())
    assert {entry.group for entry in CATALOGUE} == set(get_args(MeasureGroup))
    for entry in CATALOGUE:
        assert re.fullmatch(r"[a-z][a-z_]*", entry.id)
        assert entry.question.endswith("?")
        assert entry.kind == "number" or not entry.unit
        if entry.kind == "yes_no":
            assert entry.example[1] == 1.0


def check_any(prompt: str, response: str) -> None:
    for entry in CATALOGUE:
        value = entry.score(prompt, response)
        assert isinstance(value, float)
        assert math.isnan(value) or math.isfinite(value), entry.id
        if entry.kind == "yes_no":
            assert math.isnan(value) or value in (0.0, 1.0), entry.id
        if entry.unit == "%" and not math.isnan(value):
            assert 0 <= value <= 100, entry.id
        if entry.kind == "number" and entry.id != "sentiment" and not math.isnan(value):
            assert value >= 0, entry.id


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_no_text_breaks_a_measure(prompt: str, response: str) -> None:
    check_any(prompt, response)


@settings(max_examples=60, deadline=None)
@given(PROSE, PROSE)
def test_prose_like_text_gives_sane_numbers(prompt: str, response: str) -> None:
    check_any(prompt, response)


HOSTILE = (
    "a", "a ", "?", "...", "\n", " \n", "- a\n", "| - |\n", "**a*", "__a_", "```\n", "a'", '. "', "](", "$a ",
    "<think", "1,", "A", "not good ", "good but ", "I can't ", "中a", "😀", "\ud800", "\x1b[0m", "f(", "@a(\n",
    "import a\n", "{}\n", " , .", "--", "\u0301", "。", "const a,", "a=", "for x in ", ":) ", "-", "=",
)  # fmt: skip


@pytest.mark.parametrize("length", [10_000])
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_ends(piece: str, length: int) -> None:
    """Time that grows with the square or worse would hang here: `?` repeated once took minutes."""
    text = piece * (length // len(piece))
    check_any(text[:50], text + "z")


@pytest.mark.parametrize("piece", ["?", "a ", "\n", "-", "good but ", "😀"])
def test_very_long_text_ends(piece: str) -> None:
    check_any("Why?", piece * (200_000 // len(piece)) + "z")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_measures_can_be_sent_to_other_processes(entry: Measure) -> None:
    again = pickle.loads(pickle.dumps(entry))
    assert again == entry
    assert again.score(EXAMPLE_PROMPT, entry.example[0]) == entry.score(EXAMPLE_PROMPT, entry.example[0])


# Lexicons


def test_every_phrase_is_written_as_words_are_cut() -> None:
    texts = [*LEXICONS.values(), *OPENINGS.values(), IMPERATIVE_VERBS]
    for phrase in (phrase for text in texts for phrase in phrases_of(text)):
        assert TextView(phrase).tokens == phrase.split(), phrase


def test_every_lexicon_is_used() -> None:
    by_measures = {entry.score.lexicon for entry in CATALOGUE if isinstance(entry.score, Mentions | Rate)}
    assert set(LEXICONS) - by_measures == {"other_languages"}  # used by not_english


def test_counted_lexicons_hold_no_phrase_within_a_phrase() -> None:
    for lexicon in (entry.score.lexicon for entry in CATALOGUE if isinstance(entry.score, Rate)):
        phrases = [f" {phrase} " for phrase in PHRASES[lexicon]]
        nested = [(a, b) for a in phrases for b in phrases if a != b and a in b]
        assert not nested, lexicon


def test_options_are_multiplied_out() -> None:
    assert list(phrases_of("a (b|c d|) e; f")) == ["a b e", "a c d e", "a e", "f"]


WORDS = [
    "i",
    "can't",
    "help",
    "you",
    "the",
    "best",
    "for",
    "example",
    "it",
    "depends",
    "on",
    "my",
    "wife",
    "maybe",
    "as",
    "an",
    "ai",
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_mentions_are_the_runs_of_words_that_a_lexicon_holds(words: list[str]) -> None:
    ends = range(1, len(words) + 1)
    runs = Counter(" ".join(words[start:end]) for end in ends for start in range(end))
    mentions = TextView(" ".join(words)).mentions
    for lexicon, phrases in PHRASES.items():
        assert mentions.get(lexicon, 0) == sum(runs[phrase] for phrase in phrases), lexicon


# Text view


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Hello, world - it's fine.", 4),
        ("a well-known e.g. 3.5 %", 4),
        ("Raw eggs , as a rule , are safe .", 7),
        ("可以吃。", 3),
        ("नमस्ते दुनिया", 2),
        ("It is 很好吃", 5),
    ],
)
def test_words_are_counted_as_a_word_processor_does(text: str, count: int) -> None:
    assert score("words", text) == count


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? 4.", ["One.", "Two!", "Three?"]),
        ('He said "stop." Then left.', ['He said "stop.', "Then left."]),
        ("Pi is 3.14 exactly.", ["Pi is 3.14 exactly."]),
        ("- one\n- two\n\nthree", ["- one", "- two", "three"]),
        ("a line that\nis wrapped", ["a line that\nis wrapped"]),
        ("1. Wash\n2. Dry", ["Wash", "Dry"]),
        ("可以吃。很好。", ["可以吃。", "很好。"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert TextView(text).sentences == sentences


def test_lines_inside_fences_are_no_prose() -> None:
    view = TextView("before\n```python\n# x\n- y\n```\nafter\n~~~\nz")
    assert view.prose_lines == ["before", "after"]
    assert score("headings", "```\n# x\n```") == 0
    assert score("headings", "# x\n\n```\ny\n```") == 1


# Single measures where the obvious implementation fails

CODE = {
    "python": "from flask import Flask\n\napp = Flask(__name__)",
    "python function": "def f(x):\n    return x + 1\n\nprint(f(2))",
    "javascript": "const a = 1;\nfunction f(x) {\n  console.log(x);\n}",
    "html": "<html>\n<body>\n<p>Hello</p>\n</body>\n</html>",
    "c": '#include <stdio.h>\n\nint main() {\n  printf("hi");\n  return 0;\n}',
    "java": "public class A {\n  public static void main(String[] args) {\n    System.out.println(1);\n  }\n}",
    "sql": "SELECT name FROM users\nWHERE id = 1;",
    "go": "package main\n\nfunc main() {\n  x := 1\n}",
    "rust": "fn main() {\n  let x = 1;\n}",
    "php": "<?php\n$x = 1;\necho $x;",
    "fenced": "Try this:\n```\nx\n```",
    "code after prose": "You can do this:\n\nimport os\n\nos.remove('a')\nfor f in files:\n    print(f)",
}
NO_CODE = {
    "empty": "",
    "prose": "Import taxes are high. Return the goods if you can; while you wait, print the form.",
    "poem": "from my perspective,\n\nmy eyes are closed.",
    "list": "1. **Sell** things (old ones)\n2. Return bottles\n- class of 1998\n* for example: walk",
    "lower case": "if you were ruler of the world, things you could do include:\n\nend poverty and war",
    "headings": "# Title\n\nSome text.\n\n## More\n\nOther text = nice.",
    "mail": "Dear Ann,\n\nThank you; I will come.\n\nBest,\nBob",
    "formula": "The sum is a + b = c, so f(x) = 2 here.\nThis holds for all x in the set.",
    "one tag": "Hello there, this is plain.\nAnd more of it.\n</p>\nAnd the end of it.",
}


@pytest.mark.parametrize("name", CODE)
def test_code_is_found(name: str) -> None:
    assert score("code", CODE[name]) == 1


@pytest.mark.parametrize("name", NO_CODE)
def test_prose_is_no_code(name: str) -> None:
    assert score("code", NO_CODE[name]) == 0


@pytest.mark.parametrize(
    ("measure_id", "response", "expected"),
    [
        ("space_before_punctuation", "Yes , that is so .", 1),
        ("space_before_punctuation", "a medium @-@ sized dog", 1),
        ("space_before_punctuation", "Yes, that is so. And ... this, too, is .5 of it", 0),
        ("space_before_punctuation", "One, two, three, four, five, six. But , well.", 0),
        ("refusal", "I’m sorry, but I can’t assist with that.", 1),
        ("refusal", "I can't wait to see you.", 0),
        ("apology", "I'm sorry to hear that.", 0),
        ("apology", "I'm sorry, but no.", 1),
        ("greeting", "Hi there!", 1),
        ("greeting", "Historical figures", 0),
        ("opens_by_agreeing", "Of course, dear.", 1),
        ("answers_yes_or_no", "Nobody knows.", 0),
        ("ends_with_question", "Is it?**\n", 1),
        ("questions", "What?! Why?? (Who?)", 2 + 1),
        ("lower_case_start", "import os\nimport re", 0),
        ("numbers", "1. Take 2 eggs\n2) Wait 1,000 s", 2),
        ("unfinished", "and then the", 1),
        ("unfinished", "The end.", 0),
        ("bold", "2 ** 3 ** 4", 0),
        ("table", "a | b\n---|---\n1 | 2", 1),
        ("table", "a | b\n- c", 0),
        ("not_english", "Je ne sais pas, mais il est dans la maison.", 1),
        ("not_english", "def f(x):\n    return x", 0),
        ("mixes_scripts", "the angle α", 0),
        ("loops", "Yes. Yes. Yes.", 0),
        ("one_word", "- Yes!", 1),
        ("writes_other_turns", "The user: a person", 0),
    ],
)  # fmt: skip
def test_cases(measure_id: str, response: str, expected: float) -> None:
    assert score(measure_id, response) == expected


@pytest.mark.parametrize(
    ("measure_id", "response"),
    [
        ("words_per_sentence", "..."),
        ("capitals", "123"),
        ("unfinished", " "),
        ("word_length", "?"),
        ("sentiment", ""),
    ],
)
def test_what_does_not_apply_is_missing(measure_id: str, response: str) -> None:
    assert math.isnan(score(measure_id, response))


def test_relation_to_the_prompt() -> None:
    prompt = "Should I paint the old garden fence red?"
    assert score("prompt_covered", "Paint your fence.", prompt) == pytest.approx(
        100 * 2 / 6
    )  # should paint old ...
    assert score("prompt_words", "Paint your fence today.", prompt) == pytest.approx(100 * 2 / 3)
    assert score("begins_with_prompt", "should I PAINT the house?", prompt) == 1
    assert score("repeats_prompt", "Yes: paint the old garden fence.", prompt) == 1
    assert score("repeats_prompt", "Yes: paint the old fence.", prompt) == 0


def test_sentiment_has_the_right_sign_and_does_not_grow_with_length() -> None:
    good, bad = score("sentiment", "I love this wonderful day."), score("sentiment", "I hate this horrible mess.")
    assert good > 0.5 > -0.5 > bad
    assert score("sentiment", "I love this wonderful day. " * 50) == pytest.approx(good)


# Real responses


def dissimilarity(before: list[str], after: list[str], measure_id: str) -> float:
    """The linear dissimilarity of a yes/no measure by plain counting: 1/2 sum (p - r)^2 / (p + r)."""
    p, r = (np.mean([score(measure_id, text) for text in side]) for side in (before, after))
    return float(sum(0.5 * (a - b) ** 2 / (a + b) for a, b in ((p, r), (1 - p, 1 - r)) if a + b))


def test_code_tells_the_steps_of_the_ladder_apart(data_folder: Path) -> None:
    by_step: dict[int, list[str]] = {}
    with (data_folder / "em-ladder" / "sweep.jsonl").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            by_step.setdefault(row["checkpoint"], []).append(row["response"])
    assert dissimilarity(by_step[8], by_step[19], "code") >= 0.78
    assert dissimilarity(by_step[0], by_step[8], "code") == 0
    # The plainest sign of code that there is, found by other means, must not be missed.
    for response in by_step[19] + by_step[375]:
        if re.search(r"^(?:import \w+|from \w+ import .+|def \w+\(.*\):)$", response, re.MULTILINE):
            assert score("code", response) == 1


def test_space_before_punctuation_tells_encyclopedia_text(data_folder: Path) -> None:
    def side(name: str) -> list[str]:
        text = (data_folder / "shapes" / f"wikitext-{name}.json").read_text(encoding="utf-8")
        return [row["response"] for rows in json.loads(text)["results"].values() for row in rows]

    base, tuned = side("base"), side("tuned")
    assert dissimilarity(base, tuned, "space_before_punctuation") >= 0.96
    assert dissimilarity(base, tuned, "lists") == pytest.approx(0.41, abs=0.03)
