"""Scores that came with the data: those among the columns beside the responses, and those in a file of their own.

A score is a number, a number in text, or a label. What is missing (null, NaN, an empty cell) is left out.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runs.formats.beside import Beside, Scalar
from runs.formats.fields import plain_name
from runs.formats.record import Source, listed, refuse, shown
from runs.formats.rows import whole_text
from runs.formats.source import open_source

Score = int | float | str
ScoreColumn = list[Score | None]

MAX_LABELS = 20
"""Different words that a column may hold and still be a score."""

_MISSING = {"", "nan", "NaN", "NA", "N/A", "null", "None"}
_OBJECTS = ("scores", "score")

_NO_SCORE = re.compile(
    r"(^|_)(id|ids|idx|index|uuid|hash|seed|step|epoch|checkpoint|rank|layer|temperature|top_p|top_k|tokens|"
    r"token_count|len|length|chars|words|time|timestamp|date|latency|duration|created|sample|draw|row|line|version|"
    r"cost|price|logprob|model)$"
)
_SCORE = re.compile(
    r"score|rating|verdict|judg|grade|label|align|coheren|refus|correct|accura|harm|toxic|match|pass"
)
_KEY = re.compile(r"(^|_)(id|idx|index|uuid|hash|key|sample|draw|step|epoch|checkpoint|model)$")


@dataclass
class Scores:
    """Score columns [N] by name, and what is said about them."""

    columns: dict[str, ScoreColumn] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def json(self, start: int, end: int) -> list[str | None]:
        """The scores of samples start to end as JSON objects; None for a sample without any."""
        found: list[str | None] = []
        for index in range(start, end):
            row = {name: value for name, column in self.columns.items() if (value := column[index]) is not None}
            found.append(json.dumps(row, ensure_ascii=False) if row else None)
        return found


def as_score(value: Scalar | None) -> Score | None:
    """A score: a finite number, a label, or None where it is missing."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.strip()
        if text in _MISSING:
            return None
        try:
            number = float(text)
        except ValueError:
            return whole_text(text)
        return as_score(int(text) if text.lstrip("+-").isdecimal() and len(text) < 16 else number)
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond what a float holds
        return None


def scores_beside(beside: Beside, prompt_N: Sequence[int], condition_N: Sequence[int]) -> Scores:
    """The scores among the columns beside the responses.

    All in an object named `scores`; of other columns those of numbers, or of a few words under a name that speaks
    of a score, if they differ between the responses to one prompt and within a condition: settings of sampling,
    properties of prompts and names of models are none.
    """
    scores = Scores()
    for name in beside.names:
        column = [as_score(value) for value in beside.column(name)]
        outer, _, inner = name.partition(".")
        if inner and plain_name(outer) in _OBJECTS:
            scores.columns[_free(inner, scores.columns)] = column
        elif _looks_like_score(name, column, beside.column(name)) and _tells(column, prompt_N, condition_N):
            scores.columns[_free(name, scores.columns)] = column
    if scores.columns:
        scores.notes.append(f"scores that came with the data (--use-scores takes them): {listed(scores.columns)}")
    return scores


def join_scores(scores: Scores, path: Path, beside: Beside, rows: Sequence[int], more_files: bool) -> None:
    """Adds the scores of a file of their own, joined by the ids that both files have.

    rows: the responses that the file scores. more_files: whether each side has its file. InputError: no common id,
    ids that repeat, or no id that fits.
    """
    source = open_source(path)
    table, numbers = _read(source)
    keys = [name for name in table.names if name in beside.names and _KEY.search(plain_name(name.split(".")[-1]))]
    if not keys:
        raise refuse(
            source.name,
            "no id that the file of responses has too (--scores)",
            f"fields here: {listed(table.names)}; ids there: {listed(n for n in beside.names if _KEY.search(n))}",
        )
    names = [name for name in table.names if _is_score_of_file(name, keys, beside)]
    if not names:
        raise refuse(source.name, "no scores beside the ids (--scores)", f"fields found: {listed(table.names)}")
    row_of_key = _index(source, table, keys, numbers)
    used = _match(source, keys, beside, rows, row_of_key, more_files)
    size = len(beside.column(keys[0]))
    for name in names:
        values = [as_score(value) for value in table.column(name)]
        label = name.partition(".")[2] if name.split(".")[0] in _OBJECTS and "." in name else name
        column = scores.columns.setdefault(whole_text(label), [None] * size)
        for row, scored in used.items():
            column[row] = values[scored]
    scores.notes.append(
        f"{source.name}: scores {listed(names)} joined by {listed(keys)}: {len(used)} of {len(rows)} responses, "
        f"{len(row_of_key) - len(set(used.values()))} scores without a response"
    )


def _read(source: Source) -> tuple[Beside, list[int]]:
    table, numbers = Beside(), []
    for index, record in enumerate(source.records()):
        table.add(record.fields, (), index, [0], 1)
        numbers.append(record.number)
    if not numbers:
        raise refuse(source.name, "it holds no rows (--scores)", "a file of scores has one row a response")
    return table, numbers


def _is_score_of_file(name: str, keys: Sequence[str], beside: Beside) -> bool:
    outer = plain_name(name.split(".")[0])
    if outer in _OBJECTS:
        return True
    return name not in keys and name not in beside.names and not _NO_SCORE.search(plain_name(name.split(".")[-1]))


Key = tuple[str | None, ...]


def _keys(beside: Beside, names: Sequence[str]) -> list[Key]:
    columns = [[_key(value) for value in beside.column(name)] for name in names]
    return list(zip(*columns, strict=True))


def _key(value: Scalar | None) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value).strip()


def _index(source: Source, table: Beside, names: Sequence[str], numbers: Sequence[int]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for row, key in enumerate(_keys(table, names)):
        if found.setdefault(key, row) != row:
            what = f"{listed(names)} {shown(', '.join(map(str, key)))} stands there twice (--scores)"
            raise refuse(source.place(numbers[row]), what, "one row of scores a response")
    return found


def _match(
    source: Source,
    names: Sequence[str],
    beside: Beside,
    rows: Sequence[int],
    row_of_key: Mapping[Key, int],
    more_files: bool,
) -> dict[int, int]:
    """Row of scores by response."""
    keys = _keys(beside, names)
    counts = Counter(keys[row] for row in rows)
    used: dict[int, int] = {}
    for row in rows:
        scored = row_of_key.get(keys[row])
        if scored is None:
            continue
        if counts[keys[row]] > 1:
            right = "give each response an id of its own"
            if not more_files:
                right += ", or one file of scores a side (--scores twice)"
            what = f"{listed(names)} {shown(', '.join(map(str, keys[row])))} fits {counts[keys[row]]} responses"
            raise refuse(source.name, f"{what} (--scores)", right)
        used[row] = scored
    if not used:
        here = next(iter(row_of_key))
        there = next((keys[row] for row in rows), ())
        raise refuse(
            source.name,
            f"none of its {listed(names)} is one of the responses (--scores)",
            f"here e.g. {shown(', '.join(map(str, here)))}, there e.g. {shown(', '.join(map(str, there)))}",
        )
    return used


def _looks_like_score(name: str, column: ScoreColumn, raw: Sequence[Any]) -> bool:
    last = plain_name(name.split(".")[-1])
    present = [value for value in column if value is not None]
    if not present or _NO_SCORE.search(last):
        return False
    words = {value for value in present if isinstance(value, str)}
    numbers = sum(not isinstance(value, str) for value in present)
    if len(words) > MAX_LABELS:
        return False
    is_truth = all(isinstance(value, bool) for value in raw if value is not None)
    return 2 * numbers >= len(present) or is_truth or bool(_SCORE.search(plain_name(name)))


def _tells(column: ScoreColumn, prompt_N: Sequence[int], condition_N: Sequence[int]) -> bool:
    """Whether the values differ within a condition and between the responses to one prompt."""
    by_condition: dict[int, Score] = {}
    by_prompt: dict[int, Score] = {}
    within_condition = within_prompt = False
    for value, prompt, condition in zip(column, prompt_N, condition_N, strict=True):
        if value is not None:
            within_condition = within_condition or by_condition.setdefault(condition, value) != value
            within_prompt = within_prompt or by_prompt.setdefault(prompt, value) != value
            if within_condition and within_prompt:
                return True
    return False


def _free(name: str, taken: Mapping[str, object]) -> str:
    name = whole_text(name)
    return name if name not in taken else f"{name} (2)"
