"""What a language model is shown of the read split: prompts with answers of both sides, cut alike.

The first round shows contrasts, half of them at random and half matched in length, so that what else changed can
be seen beside it; later rounds show the answers that the chosen set explains worst. Source: Method, section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.comparison import Comparison
from agent.reading import rows_named, unexplained_on
from agent.state import DiscoveryState
from agent.word_marks import WordMarks
from agent.workbench import Workbench
from probes.scale import FloatArray
from tools.chat.fence import annotated, fenced
from tools.judging.judge import cut_for_model, cut_pieces
from tools.layout import AFTER, BEFORE

A_SIDE = 2
"""Answers of one side that are shown of a prompt."""

MOST_PROMPTS = 24

CHARACTERS = 48_000
"""Of all prompts and answers together, some 12,000 tokens."""

FEWEST_CHARACTERS = 600
"""To which an answer may be cut before fewer prompts are shown."""

SIDE_NAMES = {BEFORE: "before", AFTER: "after"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a template sees it. text: fenced, cut, strong words marked. residual: None in round 1."""

    label: str
    side: str
    words: int
    text: str
    evidence: float | None
    residual: float | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """A prompt, by its number among the comparison's, with its answers."""

    number: int
    prompt: str
    answers: Sequence[Answer]


class Reader:
    """The read split as proposers are shown it. Rows are the comparison's."""

    def __init__(self, state: DiscoveryState, bench: Workbench, salt: str) -> None:
        self.comparison: Comparison = bench.comparison
        self._part = bench.comparison.read
        self._salt = salt
        self.marks = WordMarks(bench)
        self._generator = np.random.default_rng([bench.settings.seed, 7, state["round"]])
        self._residuals: dict[int, float] = {}
        if state.get("chosen"):
            values_N: FloatArray = unexplained_on(self._part, state, bench)
            self._residuals = dict(zip(self._part.row_N.tolist(), values_N.tolist(), strict=True))
        self._values = dict(zip(self._part.row_N.tolist(), self._part.value_N.tolist(), strict=True))
        self.rows_by_group: dict[tuple[int, int], list[int]] = {}
        layout = self.comparison.layout
        for row in self._part.row_N.tolist():
            group = int(layout.prompt_N[row]), int(layout.side_N[row])
            self.rows_by_group.setdefault(group, []).append(row)

    def contrasts(self, state: DiscoveryState, characters: int = CHARACTERS) -> list[Contrast]:
        """What opens a round, the most telling first, in at most so many characters."""
        shown = rows_named(self.comparison, state["shown"]).tolist()
        prompts = list(dict.fromkeys(int(self.comparison.layout.prompt_N[row]) for row in shown))[:MOST_PROMPTS]
        chosen = [self._rows(prompt, shown, place) for place, prompt in enumerate(prompts)]
        while True:
            limit = self._limit(chosen, characters)
            if limit >= FEWEST_CHARACTERS or len(chosen) <= 2:
                return [self.contrast(rows, max(limit, 200)) for rows in chosen]
            chosen = chosen[: len(chosen) * 3 // 4]

    def contrast(self, rows: Sequence[int], limit: int) -> Contrast:
        """Answers to one prompt, each cut to so many characters."""
        prompt = int(self.comparison.layout.prompt_N[rows[0]])
        text = cut_for_model(self.comparison.prompts_Q[prompt], limit)
        return Contrast(prompt + 1, fenced("prompt", text, self._salt), [self.answer(row, limit) for row in rows])

    def answer(self, row: int, limit: int) -> Answer:
        response = self.comparison.responses[row]
        side = SIDE_NAMES[int(self.comparison.layout.side_N[row])]
        notes = {place: f"{nats:+.1f}" for place, nats in self.marks.of(row).items()}
        return Answer(
            label_of(row),
            side,
            len(response.split()),
            _cut_with_notes(side, response, limit, self._salt, notes),
            self._values[row] if self.comparison.mode == "likelihood" else None,
            self._residuals.get(row),
        )

    def row_of_label(self, label: str) -> int | None:
        """The row of the read split that a label names."""
        number = label.strip().removeprefix("s")
        row = int(number) if number.isascii() and number.isdecimal() else -1
        return row if row in self._values else None

    def _rows(self, prompt: int, shown: Sequence[int], place: int) -> list[int]:
        """Answers to one prompt, before and after; matched in length for every other prompt of the first round."""
        sides = [self.rows_by_group.get((prompt, side), []) for side in (BEFORE, AFTER)]
        if not self._residuals and place % 2:
            return self._matched(*sides)
        first = {row: n for n, row in enumerate(shown)}
        ordered = [sorted(rows, key=lambda row: first.get(row, len(first)))[:A_SIDE] for rows in sides]
        return [row for rows in ordered for row in rows]

    def _matched(self, before: Sequence[int], after: Sequence[int]) -> list[int]:
        """The pairs of answers that are nearest in length, one of each side."""
        words = {row: len(self.comparison.responses[row].split()) for row in (*before, *after)}
        pairs = sorted(
            ((one, other) for one in before for other in after),
            key=lambda pair: (abs(np.log((1 + words[pair[0]]) / (1 + words[pair[1]]))), pair),
        )
        rows: list[int] = []
        for one, other in pairs:
            if len(rows) < 2 * A_SIDE and one not in rows and other not in rows:
                rows += [one, other]
        return sorted(rows, key=lambda row: (int(self.comparison.layout.side_N[row]), row))

    def _limit(self, chosen: Sequence[Sequence[int]], characters: int) -> int:
        """The length to which all texts are cut so that together they hold; those that are shorter stay whole."""
        sizes = [int(self.comparison.length_N[row]) for rows in chosen for row in rows]
        sizes += [len(self.comparison.prompts_Q[int(self.comparison.layout.prompt_N[rows[0]])]) for rows in chosen]
        left = characters
        for place, size in enumerate(sorted(sizes)):
            fair = left // (len(sizes) - place)
            if size > fair:
                return fair
            left -= size
        return max(sizes, default=0) + 1


def _cut_with_notes(name: str, text: str, limit: int, salt: str, notes: Mapping[int, str]) -> str:
    """The text cut and fenced, with the notes that stand in what is shown of it."""
    head, mark, tail = cut_pieces(text, limit)
    moved = len(head) + len(mark) + len(tail) - len(text)
    kept = {place: note for place, note in notes.items() if place <= len(head)}
    if mark:
        kept |= {place + moved: note for place, note in notes.items() if place > len(text) - len(tail)}
    return annotated(name, head + mark + tail, salt, kept)


def label_of(row: int) -> str:
    """How a sample is named to a proposer: nothing can be read from it."""
    return f"s{row}"
