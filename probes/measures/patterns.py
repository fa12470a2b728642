"""Measures that ask for a word, a phrase or a run of characters: what contrasts of two sides are made of."""

import hashlib
import re
from dataclasses import dataclass
from typing import Literal, get_args

from probes.errors import InputError
from probes.measures.measure import Measure
from probes.measures.text_view import view_of

PatternKind = Literal["word", "phrase", "characters"]
KINDS: tuple[str, ...] = get_args(PatternKind)

LONGEST = 200
"""Characters of a pattern at most; so the time stays linear in the text."""


def pattern_measure(kind: str, text: str) -> Measure:
    """A yes/no measure: does the answer mention the word or phrase, or contain the characters?

    Words and phrases: capitals aside, between word borders, any white space between words, straight and curly
    apostrophes alike. Characters: exactly as they are. Raises InputError for an unknown kind, an empty or too long
    text, or a word that holds white space.
    """
    if kind not in KINDS:
        raise InputError(f"pattern {kind[:40]!r}:{text[:40]!r}: the kind should be one of {', '.join(KINDS)}")
    plain = text if kind == "characters" else _flat(text)
    if not plain or len(text) > LONGEST:
        raise InputError(f"pattern {kind}:{text[:40]!r}: its text should have 1 to {LONGEST} characters")
    if kind == "word" and " " in plain:
        raise InputError(f"pattern word:{text[:40]!r}: more than one word; the kind should be phrase")
    if kind == "characters":
        return _measure(kind, plain, f"contains {plain!r}", f"Does the answer contain the characters {plain!r}?")
    shown = f'"{plain}"' if plain.isprintable() else repr(plain)
    return _measure(kind, plain, f"mentions {shown}", f"Does the answer mention the {kind} {shown}?")


def _measure(kind: str, text: str, name: str, question: str) -> Measure:
    digest = hashlib.sha256(f"{kind}:{text}".encode("utf-8", "surrogatepass")).hexdigest()[:10]
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower())[:30].strip("_")
    score = Contains(text) if kind == "characters" else MentionsText(text)
    group: Literal["typography", "content"] = "typography" if kind == "characters" else "content"
    measure_id = "_".join(filter(None, (kind, slug, digest)))
    return Measure(measure_id, name, question, group, "yes_no", score, (text, 1.0))


@dataclass(frozen=True, slots=True)
class Contains:
    """1 if the answer holds the characters, else 0."""

    text: str

    def __call__(self, prompt: str, response: str) -> float:
        return float(self.text in response)


@dataclass(frozen=True, slots=True)
class MentionsText:
    """1 if the answer holds the word or phrase (flat, lower case) between word borders, else 0."""

    text: str

    def __call__(self, prompt: str, response: str) -> float:
        flat, size = view_of(response).flat, len(self.text)
        start = flat.find(self.text)
        while start >= 0:
            if _border(flat, start) and _border(flat, start + size):
                return 1.0
            start = flat.find(self.text, start + 1)
        return 0.0


def _border(text: str, position: int) -> bool:
    """No word goes on across this position: not both the sign before and the sign after belong to words."""
    if not 0 < position < len(text):
        return True
    return not (_in_word(text[position - 1]) and _in_word(text[position]))


def _in_word(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _flat(text: str) -> str:
    return view_of(text).flat
