"""One text, taken apart once for all measures: words, sentences, lines, and the phrases of lexicons it holds.

Every measure takes (prompt, response) and asks `view_of` for the shared work. Each step is linear in the length
of the text: the patterns have no two ways to match the same characters, and phrases are found by walking a
prefix tree over the words, at most as deep as the longest phrase.
"""

import re
from bisect import bisect_right
from functools import cached_property, lru_cache

from probes.measures.lexicons import LEXICONS, PHRASES

# Interface


@lru_cache(maxsize=4)
def view_of(text: str) -> "TextView":
    """The view of a text; the last few are kept, since all measures ask for the same ones in turn."""
    return TextView(text)


class TextView:
    """What measures share about one text. Words in `tokens` are lower case, with straight apostrophes."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        return self.text.replace("’", "'").lower()

    @cached_property
    def flat(self) -> str:
        """`lower` on one line, one space between pieces."""
        return " ".join(self.lower.split())

    @cached_property
    def tokens(self) -> list[str]:
        """Runs of letters and digits; an apostrophe inside belongs to its word (`don't`)."""
        return _TOKEN.findall(self.lower)

    @cached_property
    def words(self) -> int:
        """Words as a word processor counts them.

        Pieces between white space that hold a letter or a digit; in scripts written without spaces (Chinese,
        Japanese, Thai, ...) each sign counts, as is usual there.
        """
        pieces = sum(piece[0].isalnum() or any(map(str.isalnum, piece)) for piece in self.text.split())
        if self.text.isascii():
            return pieces
        return pieces + sum(len(run) - 1 for run in _UNSPACED.findall(self.text))

    @cached_property
    def lines(self) -> list[str]:
        """Lines that are not blank, without what stands around them."""
        return [line for line in map(str.strip, self.text.split("\n")) if line]

    @cached_property
    def prose_lines(self) -> list[str]:
        """`lines` outside fenced code blocks."""
        if "```" not in self.text and "~~~" not in self.text:
            return self.lines
        kept, fence = [], ""
        for line in self.lines:
            if not fence and line.startswith(_FENCES):
                fence = line[:3]
            elif fence:
                fence = "" if line.startswith(fence) else fence
            else:
                kept.append(line)
        return kept

    @property
    def holds_fences(self) -> bool:
        return len(self.prose_lines) < len(self.lines)

    @cached_property
    def paragraphs(self) -> int:
        """Blocks of text between blank lines."""
        return sum(1 for block in _BLANK_LINE.split(self.text) if block and not block.isspace())

    @cached_property
    def sentences(self) -> list[str]:
        """Pieces with a letter that end with a full stop, question or exclamation mark, or with their line.

        A line that begins with a small letter goes on with the sentence of the line before.
        """
        pieces = _SENTENCE_END.split(self.text)
        return [piece for piece in pieces if piece and (piece[0].isalpha() or any(map(str.isalpha, piece)))]

    @cached_property
    def scripts(self) -> dict[str, int]:
        """Letters of each script that occurs; those of rarer scripts count as "other"."""
        if self.text.isascii():
            latin = sum(map(str.isalpha, self.text))
            return {"Latin": latin} if latin else {}
        counts: dict[str, int] = {}
        for letter in filter(str.isalpha, self.text):
            script = _SCRIPTS[bisect_right(_SCRIPT_STARTS, letter) - 1]
            counts[script] = counts.get(script, 0) + 1
        return counts

    @cached_property
    def first_words(self) -> list[str]:
        """The first word of each sentence, list markers and markup skipped."""
        found = (_LETTERS.search(sentence) for sentence in self.sentences)
        return [match[0].lower().replace("’", "'") for match in found if match]

    @cached_property
    def mentions(self) -> dict[str, int]:
        """How often each lexicon is mentioned (its phrases, overlaps counted each); absent where not at all."""
        counts: dict[str, int] = {}
        tokens = self.tokens
        for start, token in enumerate(tokens):
            node = _TREE.get(token)
            if node is not None:
                _walk(node, tokens, start + 1, counts)
        return counts

    def per_100_words(self, count: int) -> float:
        """A count per 100 words; 0 for a text without words, which mentions nothing."""
        return 100.0 * count / len(self.tokens) if self.tokens else 0.0


# Implementation

_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LINE_END = r"(?<!\s)[^\S\n]*+\n(?:[^\S\n]*+\n\s*+|[^\S\n]*+(?![a-z\s]))"  # a blank line, or a line begins anew
_SENTENCE_END = re.compile(rf"(?<=[.!?…])[\"'”’)\]*_]*\s+|{_LINE_END}|(?<=[。！？])")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+"
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*(?=\n)")
# Blocks of letters by their first code point. Chinese, Japanese and Korean are one script here, since one text
# of theirs mixes kana, hangul and ideographs.
_BLOCKS = (
    ("\0", "Latin"), ("\u0370", "Greek"), ("\u0400", "Cyrillic"), ("\u0530", "other"), ("\u0590", "Hebrew"),
    ("\u0600", "Arabic"), ("\u0780", "other"), ("\u0900", "Indic"), ("\u0e00", "Thai"), ("\u0e80", "other"),
    ("\u1100", "East Asian"), ("\u1200", "other"), ("\u1d00", "Latin"), ("\u1f00", "Greek"), ("\u2000", "other"),
    ("\u2e80", "East Asian"), ("\ua000", "other"), ("\uac00", "East Asian"), ("\ud800", "other"),
    ("\uf900", "East Asian"), ("\ufb00", "other"), ("\uff21", "Latin"), ("\uff66", "East Asian"),
    ("\uffe0", "other"), ("\U00020000", "East Asian"), ("\U00040000", "other"),
)  # fmt: skip
_SCRIPT_STARTS = [start for start, _ in _BLOCKS]
_SCRIPTS = [script for _, script in _BLOCKS]
_FENCES = ("```", "~~~")


class _Node(dict[str, "_Node"]):
    """A node of the prefix tree: the next words, and the lexicons with a phrase that ends here."""

    __slots__ = ("ends",)

    def __init__(self) -> None:
        super().__init__()
        self.ends: tuple[str, ...] = ()


def _walk(node: _Node, tokens: list[str], position: int, counts: dict[str, int]) -> None:
    while True:
        for lexicon in node.ends:
            counts[lexicon] = counts.get(lexicon, 0) + 1
        if not node or position == len(tokens):
            return
        following = node.get(tokens[position])
        if following is None:
            return
        node, position = following, position + 1


def _tree() -> _Node:
    root = _Node()
    for lexicon in LEXICONS:
        for phrase in PHRASES[lexicon]:
            node = root
            for word in phrase.split():
                node = node.setdefault(word, _Node())
            node.ends = (*node.ends, lexicon)
    return root


_TREE = _tree()
