"""What a measure is: a question a person would ask about an answer, answered by code instead of a judge."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

MeasureGroup = Literal["form", "typography", "stance", "content", "relation to the prompt", "language"]
MeasureKind = Literal["yes_no", "number"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure in code.

    `score(prompt, response)` returns a finite number (0.0 or 1.0 for `yes_no`), or NaN where the question does
    not apply to this answer (say, the share of capitals in an answer without letters). It never raises on any
    text, and its time is linear in the length of the text.

    `example` is an answer and the number it scores; the tests hold the measure to it, and
    `orderparam probes --measures` shows it. `version` rises when the definition changes, so that stored scores
    of an older definition are not taken for the new one's.
    """

    id: str
    name: str
    question: str
    group: MeasureGroup
    kind: MeasureKind
    score: Callable[[str, str], float]
    example: tuple[str, float]
    unit: str = ""
    version: int = 1
