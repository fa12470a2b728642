"""What a judge is asked for and what it answered: criteria, the JSON that is wanted, and verdicts read from it.

A verdict that is not there, is of another type or names a level that is not on the scale is none: it is never
turned into the nearest level. Source: Method, section 8.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probes.scale import Level, Scale
from tools.chat.interface import Answer, LevelTokens, Schema
from tools.chat.ledger import Judgment
from tools.chat.parsing import Unreadable, option_in_prose

MOST_QUOTED = 8
"""Words of a quote at most."""

ABSENT = "absent"
"""What is quoted where something that does not stand there decides."""

_QUOTE_LIMIT = 400  # characters of a quote that are kept


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question about one answer, and its scale."""

    question: str
    scale: Scale

    @property
    def levels(self) -> tuple[Level, ...]:
        return self.scale.levels

    @property
    def names(self) -> list[str]:
        return [level.name for level in self.scale.levels]

    def described(self) -> dict[str, object]:
        """The scale as a judgment depends on it."""
        return {"kind": self.scale.kind, "levels": [[level.name, level.description] for level in self.levels]}


def key_of(place: int) -> str:
    """The name under which the verdict on the so-many-th criterion of a call is wanted."""
    return f"c{place + 1}"


def schema_of(criteria: Sequence[Criterion]) -> Schema:
    """The JSON that is wanted: quote, then level, of each criterion."""
    members = {key_of(place): _verdict_schema(criterion) for place, criterion in enumerate(criteria)}
    return Schema(
        "verdicts",
        {"type": "object", "properties": members, "required": list(members), "additionalProperties": False},
    )


def _verdict_schema(criterion: Criterion) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "quote": {"type": "string"},
            "level": {"type": ["string", "null"], "enum": [*criterion.names, None]},
        },
        "required": ["quote", "level"],
        "additionalProperties": False,
    }


def verdicts_in(answer: Answer, criteria: Sequence[Criterion]) -> Iterator[Judgment | None]:
    """The verdict on each criterion in turn, None where there is none that can be used."""
    for place, criterion in enumerate(criteria):
        verdict = None
        if answer.kind == "json" and isinstance(answer.value, dict):
            verdict = _verdict(answer.value.get(key_of(place)), criterion)
        elif answer.kind == "text" and len(criteria) == 1 and answer.text:
            verdict = _in_prose(answer.text, criterion)
        yield None if verdict is None else _with_expected(verdict, place, criterion, answer)


def _verdict(said: Any, criterion: Criterion) -> Judgment | None:
    quote = ""
    if isinstance(said, dict):
        if "level" not in said:
            return None
        quote = said["quote"] if isinstance(said.get("quote"), str) else ""
        said = said["level"]
        if said is None:
            return Judgment(None, quote[:_QUOTE_LIMIT])
    if not isinstance(said, str):
        return None
    level = _place(said, criterion)
    return None if level is None else Judgment(level, quote[:_QUOTE_LIMIT])


def _in_prose(text: str, criterion: Criterion) -> Judgment | None:
    try:
        return Judgment(_place(option_in_prose(text, criterion.names), criterion))
    except Unreadable:
        return None


def _place(name: str, criterion: Criterion) -> int | None:
    wanted = name.strip().casefold()
    places = [place for place, one in enumerate(criterion.names) if one.strip().casefold() == wanted]
    return places[0] if len(places) == 1 else None


def _with_expected(verdict: Judgment, place: int, criterion: Criterion, answer: Answer) -> Judgment:
    """The verdict with its expected level, where the server told the probabilities of the level's token."""
    if verdict.level is None or not answer.levels:
        return verdict
    stands = re.search(rf'"{key_of(place)}"\s*:\s*\{{.*?"level"\s*:\s*"', answer.text, re.DOTALL)
    at = next((one for one in answer.levels if stands and one.offset == stands.end()), None)
    return verdict if at is None else Judgment(verdict.level, verdict.quote, expected_level(at, criterion.names))


def expected_level(told: LevelTokens, names: Sequence[str]) -> float | None:
    """The mean level under the probabilities of the levels' names, those that were told renewed to sum 1.

    None where fewer than two were told: then nothing is known beyond the verdict.

    >>> round(expected_level(LevelTokens(0, "no", {"no": math.log(0.6), "yes": math.log(0.2)}), ["no", "yes"]), 3)
    0.25
    """
    mass = {place: math.exp(told.logprobs[name]) for place, name in enumerate(names) if name in told.logprobs}
    total = sum(mass.values())
    return sum(place * one for place, one in mass.items()) / total if len(mass) > 1 and total > 0 else None


def stands_in(quote: str, response: str) -> bool:
    """Whether a quote stands in the answer, letter by letter but for case, blanks, quotation marks and its cut."""
    wanted = _plain(quote)
    return bool(wanted) and wanted in _plain(response)


def is_sound(quote: str, response: str) -> bool:
    """Whether a quote is what was asked for: at most eight words that stand there, or the word for absence."""
    said = quote.strip().strip("\"'").casefold()
    return said == ABSENT or (len(quote.split()) <= MOST_QUOTED and stands_in(quote, response))


def _plain(text: str) -> str:
    letters = text.translate(_MARKS).strip().removesuffix("...").removesuffix("…")
    return " ".join(letters.split()).strip("\"' ").casefold()


_MARKS: Mapping[int, str] = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'"})
