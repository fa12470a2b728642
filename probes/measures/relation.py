"""Relation to the prompt: what the answer takes from the question."""

import math

from probes.measures.group import Group
from probes.measures.lexicons import PHRASES
from probes.measures.text_view import TextView, view_of

RELATION = Group("relation to the prompt")


@RELATION.number(
    "words of the prompt",
    "What share of the answer's words stands in the prompt?",
    ("Raw eggs carry germs.", 50.0),
    "%",
)
def prompt_words(prompt: str, response: str) -> float:
    """Of its distinct words other than function words; NaN without such words."""
    answer, asked = content_words(view_of(response)), content_words(view_of(prompt))
    return 100.0 * len(answer & asked) / len(answer) if answer else math.nan


@RELATION.number(
    "takes up the prompt",
    "What share of the prompt's words does the answer use?",
    ("Raw eggs carry germs.", 50.0),
    "%",
)
def prompt_covered(prompt: str, response: str) -> float:
    """Of the prompt's distinct words other than function words; NaN for a prompt without such words."""
    answer, asked = content_words(view_of(response)), content_words(view_of(prompt))
    return 100.0 * len(answer & asked) / len(asked) if asked else math.nan


@RELATION.yes_no(
    "begins with the prompt", "Does the answer begin with the prompt's first words?", ("Is it safe to try?", 1.0)
)
def begins_with_prompt(prompt: str, response: str) -> float:
    """The first four words are the same, or as many as the prompt has if it has two or three."""
    asked = view_of(prompt).tokens[:_OPENING]
    return float(len(asked) >= 2 and view_of(response).tokens[: len(asked)] == asked)


@RELATION.yes_no(
    "repeats the prompt",
    "Does it repeat five words of the prompt in a row?",
    ("To eat raw eggs: is it safe to eat?", 1.0),
)
def repeats_prompt(prompt: str, response: str) -> float:
    return float(not _runs(view_of(prompt)).isdisjoint(_runs(view_of(response))))


@RELATION.yes_no("other script", "Is the answer in another script than the prompt?", ("可以吃。", 1.0))
def other_script(prompt: str, response: str) -> float:
    """By the script of most letters; NaN where prompt or answer has no letters."""
    asked, answered = view_of(prompt).scripts, view_of(response).scripts
    if not asked or not answered:
        return math.nan
    return float(max(asked, key=asked.__getitem__) != max(answered, key=answered.__getitem__))


_OPENING = 4
_RUN = 5
_FUNCTION_WORDS = frozenset(PHRASES["function_words"])


def content_words(view: TextView) -> set[str]:
    return set(view.tokens) - _FUNCTION_WORDS


def _runs(view: TextView) -> set[tuple[str, ...]]:
    return set(zip(*(view.tokens[start:] for start in range(_RUN)), strict=False))
