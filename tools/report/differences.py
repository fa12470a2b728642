"""How an example shows its two answers: the words that differ, or every token by the evidence it carries.

Source: Method, section 3 (signed evidence; the log-likelihood ratio of before to after, token by token).
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from tools.report.document import Example, Shown, cut_text
from tools.report.safe_text import visible

STEPS = (0.1, 0.5, 1.5, 4.0)
"""Evidence in nats from which on a token is shaded, lighter to darker."""

DIFFERS = "differs"
END = "⟨end⟩"
"""Stands for a token without text that ends an answer: it may carry most of the evidence."""

_LONGEST = 1400
"""Characters of an answer that are shown: a report made elsewhere may hold more than `cut_text` leaves."""

_FEWEST_IN_COMMON = 1 / 3
"""Of the shorter answer's words; with fewer, nearly all would be marked."""


@dataclass(frozen=True)
class Piece:
    """A run of text and its class in the style sheet, "" for none."""

    text: str
    style: str


def pieces_of(example: Example) -> dict[str, list[Piece]]:
    """The answers of an example in pieces, by side: shaded where the evidence is known, else marked as a pair."""
    sides = {"before": example.before, "after": example.after}
    shown = {side: one for side, one in sides.items() if one is not None}
    texts = {side: cut_text(one.response, _LONGEST) for side, one in shown.items()}
    marked = _differing(texts["before"], texts["after"]) if len(texts) == 2 else {}
    return {
        side: _shaded(one)
        if one.token_ends and len(one.response) <= _LONGEST
        else marked.get(side) or [Piece(visible(texts[side]), "")]
        for side, one in shown.items()
    }


def shading(evidence: float) -> str:
    """The class of a token: its side, and 1 to 4 for how strong it is."""
    strength = bisect_right(STEPS, abs(evidence))
    return f"{'b' if evidence > 0 else 'a'}{strength}" if strength else ""


def _shaded(one: Shown) -> list[Piece]:
    starts = [0, *one.token_ends[:-1]]
    styles = [shading(evidence) for evidence in one.token_evidence]
    pieces = []
    for style, run in groupby(zip(styles, starts, one.token_ends, strict=True), key=lambda token: token[0]):
        spans = list(run)
        pieces.append(Piece(visible(one.response[spans[0][1] : spans[-1][2]]), style))
    if starts[-1] == one.token_ends[-1] == len(one.response):
        pieces.append(Piece(END, styles[-1]))
    rest = visible(one.response[one.token_ends[-1] :])
    return [piece for piece in [*pieces, Piece(rest, "")] if piece.text]


def _differing(before: str, after: str) -> dict[str, list[Piece]]:
    """Both texts with the words that have no counterpart in the other; empty where hardly any have one."""
    texts = [re.findall(r"\S+|\s+", visible(text)) for text in (before, after)]
    words = [[word.casefold() for word in text if not word.isspace()] for text in texts]
    if not all(words):
        return {}
    blocks = SequenceMatcher(None, words[0], words[1], autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks) < _FEWEST_IN_COMMON * min(map(len, words)):
        return {}
    shared = [{block[side] + i for block in blocks for i in range(block.size)} for side in (0, 1)]
    return {
        side: list(_marked(text, kept))
        for side, text, kept in zip(("before", "after"), texts, shared, strict=True)
    }


def _marked(parts: list[str], shared: set[int]) -> Iterator[Piece]:
    """Words and the spaces between, in runs of one style; a space between two words that differ is marked too."""
    place = 0
    styles = []
    for part in parts:
        if not part.isspace():
            styles.append("" if place in shared else DIFFERS)
            place += 1
        else:
            follows = styles[-1:] == [DIFFERS] and place not in shared
            styles.append(DIFFERS if follows else "")
    if styles and parts[-1].isspace():
        styles[-1] = ""
    for style, run in groupby(zip(styles, parts, strict=True), key=lambda one: one[0]):
        yield Piece("".join(part for _, part in run), style)
