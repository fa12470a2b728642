"""What a model or its server cannot do, learned once from the server's own refusal.

Nothing is asked of a model only to find out: a request says all it wants, and what is refused by name is left out
of this request and of the later ones.
"""

import re
from collections.abc import Callable, Collection
from typing import Literal

Feature = Literal[
    "temperature",
    "seed",
    "logprobs",
    "max_tokens",
    "max_completion_tokens",
    "schema",
    "object",
    "answer_tool",
    "tools",
]
"""`schema`, `object`, `answer_tool`: ways of structured output, the best first. `max_tokens` and
`max_completion_tokens`: the older and the newer name of one parameter."""

THINKS = "no_thinking"
"""Lacked by a model that thinks before it answers: it needs room for that."""

REFUSALS = frozenset({400, 422, 501})
"""HTTP statuses by which servers refuse what they cannot do."""

_STRUCTURED = r"response_format|json.?(schema|object|mode)|structured.?output|output_(config|format)|grammar"
_TOOLS = (  # tools are named, and that they are not to be had: messages about their order name them too
    r"(?s)\A(?=.*(\btool|function.?call))(?=.*(support|requires|enable|available|permitted|allowed|recogni))"
)
_NAMED: dict[Feature, str] = {
    "temperature": r"\btemperature\b",
    "seed": r"\bseed\b",
    "logprobs": r"log_?prob",
    "max_tokens": r"max_completion_tokens",
    "max_completion_tokens": r"max_completion_tokens",
    "schema": _STRUCTURED,
    "object": _STRUCTURED,
    "answer_tool": _TOOLS,
    "tools": _TOOLS,
}


class Abilities:
    """What one model lacks. `learned` is called with each new finding, so that it can be kept."""

    def __init__(self) -> None:
        self.lacking: set[str] = set()
        self.learned: Callable[[str], None] = lambda feature: None

    def learn(self, features: Collection[str]) -> None:
        """Takes up findings that proved right."""
        for feature in sorted(set(features) - self.lacking):
            self.lacking.add(feature)
            self.learned(feature)


def refused_feature(message: str, sent: Collection[Feature]) -> Feature | None:
    """The feature, of those sent, that an error message names; None where it is about something else.

    >>> refused_feature("Unsupported value: 'temperature' does not support 0 with this model.", ["temperature"])
    'temperature'
    >>> refused_feature("Use 'max_completion_tokens' instead of 'max_tokens'.", ["max_tokens", "seed"])
    'max_tokens'
    >>> refused_feature("This model's maximum context length is 4096 tokens.", ["temperature", "max_tokens"])
    """
    named = (one for one, words in _NAMED.items() if re.search(words, message, re.IGNORECASE))
    return next((one for one in named if one in sent), None)
