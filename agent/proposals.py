"""What a language model proposes: the JSON that is wanted, and which of it can be judged at all.

Decided by the text alone, before anything is judged; each refusal with its reason.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.state import CandidateState, candidate_state
from probes.order_parameter import OrderParameter
from probes.scale import Level, Scale, ScaleKind
from tools.chat.interface import Json, Schema

MOST_PROPOSED = 8
"""Candidates that one model may propose in one round, its control not counted."""

FEWEST_LEVELS, MOST_LEVELS = 2, 5
ALIKE_WORDS = 0.8
"""Share of their words that two questions have in common, from which on they are one."""

_KINDS: tuple[ScaleKind, ...] = ("yes_no", "ordered", "categories")
_LONGEST = {"name": 60, "question": 400, "level": 40, "description": 300}


def _object(**members: Json) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


_TEXT: Json = {"type": "string"}
CANDIDATE: dict[str, Any] = _object(
    name=_TEXT,
    question=_TEXT,
    kind={"type": "string", "enum": list(_KINDS)},
    levels={"type": "array", "minItems": 1, "items": _object(name=_TEXT, description=_TEXT)},
    samples={"type": "array", "items": _TEXT},
    control={"type": "boolean"},
)
PROPOSALS = Schema(  # a least number of 1 is the one limit on lists that all servers with schemas know
    "proposals",
    _object(
        differences={
            "type": "array",
            "items": _object(samples={"type": "array", "items": _TEXT}, difference=_TEXT),
        },
        candidates={"type": "array", "minItems": 1, "items": CANDIDATE},
    ),
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One candidate as it was proposed. samples: labels of samples that show it."""

    name: str
    question: str
    scale: Scale
    samples: tuple[str, ...]
    control: bool


def proposals_in(value: Any) -> list[Proposal]:
    """The candidates of an answer that are whole; what is no candidate is passed over."""
    listed = value.get("candidates") if isinstance(value, dict) else value
    found = [_proposal(one) for one in listed] if isinstance(listed, list) else []
    return [one for one in found if one is not None]


def _proposal(said: Any) -> Proposal | None:
    if not isinstance(said, dict):
        return None
    name, question = _text(said.get("name"), "name"), _text(said.get("question"), "question")
    levels = said.get("levels")
    if not name or not question or not isinstance(levels, list):
        return None
    read = [_level(one) for one in levels]
    if any(level is None for level in read):
        return None
    scale = _scale(str(said.get("kind", "")), [level for level in read if level is not None])
    samples = said.get("samples")
    labels = tuple(one for one in samples if isinstance(one, str)) if isinstance(samples, list) else ()
    return Proposal(name, question, scale, labels, said.get("control") is True)


def _level(said: Any) -> Level | None:
    if isinstance(said, str):
        said = {"name": said}
    if not isinstance(said, dict):
        return None
    name = _text(said.get("name"), "level")
    return Level(name, _text(said.get("description"), "description")) if name else None


def _scale(kind: str, levels: list[Level]) -> Scale:
    names = [level.name.casefold() for level in levels]
    if sorted(names) == ["no", "yes"]:
        return Scale("yes_no", tuple(sorted(levels, key=lambda level: level.name.casefold())))
    return Scale("categories" if kind == "categories" else "ordered", tuple(levels))


def _text(said: Any, what: str) -> str:
    """One line of printable text, cut."""
    if not isinstance(said, str):
        return ""
    printable = "".join(character if character.isprintable() else " " for character in said)
    return " ".join(printable.split())[: _LONGEST[what]].strip()


def candidate_from(
    proposal: Proposal, judge: str, origin: str, current: int, examples: Sequence[str]
) -> CandidateState:
    """The proposal as a candidate. Its id is made of its name's letters and of what is asked."""
    asked = repr((proposal.question, proposal.scale, judge))
    digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = re.sub(r"[^a-z0-9]+", "-", proposal.name.casefold()).strip("-")[:32].strip("-") or "proposed"
    parameter = OrderParameter(
        f"{plain}-{digest}",
        proposal.name,
        proposal.question,
        proposal.scale,
        judge,
        origin,
        current,
        tuple(examples),
    )
    return candidate_state(parameter, control=proposal.control)


# Screening by text

_LEAKS: dict[str, str] = {
    "the sides": r"\b(?:before|after)[- ](?:side|model|version|answers?|samples?|training)\b"
    r"|\bside [AB12]\b|\b(?:other|first|second) (?:side|model|version)\b",
    "the training": r"\bfine-?\s?tun\w*|\bcheckpoints?\b|\b(?:base|tuned|trained|original) model\b"
    r"|\btraining (?:data|set|step|run)\w*",
    "the data set": r"\b(?:the|this|these|which) data\s?sets?\b|\bsamples? s\d+"
    r"|\b(?:these|those|shown|above) (?:samples|examples|contrasts)\b",
    "a comparison": r"\b(?:than|compared (?:to|with)) (?:the )?(?:other|before|earlier|previous|original)\b",
}
"""What a question must not speak of, and how it would."""


def leak_in(proposal: Proposal, values: Sequence[object]) -> str | None:
    """What the question or a level would tell the judge. values: of the control parameter, which may be names."""
    texts = [proposal.question, *(f"{one.name} {one.description}" for one in proposal.scale.levels)]
    whole = "\n".join(texts)
    for what, pattern in _LEAKS.items():
        if found := re.search(pattern, whole, re.IGNORECASE | re.MULTILINE):
            return f"it names {what} ({found[0]!r}), which a judge must not know"
    for value in values:
        name = str(value) if isinstance(value, str) else ""
        if len(name) >= 4 and name not in {"before", "after"} and re.search(rf"\b{re.escape(name)}\b", whole):
            return f"it names a side ({name!r}), which a judge must not know"
    return None


def unfit(
    proposal: Proposal,
    known: Sequence[CandidateState],
    values: Sequence[object],
    row_of_label: Callable[[str], int | None] | None,
) -> str | None:
    """Why a proposal is not worth judging; None where it is.

    known: what was proposed before. row_of_label: tells the samples that may be named; None where none need be.
    """
    levels = proposal.scale.levels
    names = [level.name.casefold() for level in levels]
    if not FEWEST_LEVELS <= len(levels) <= MOST_LEVELS:
        return f"its scale has {len(levels)} levels; {FEWEST_LEVELS} to {MOST_LEVELS} can be told apart"
    if len(set(names)) < len(names):
        return "two levels of its scale have one name"
    described = [level.description.casefold() for level in levels if level.description]
    if len(set(described)) < len(described):
        return "two levels of its scale have one description"
    if leak := leak_in(proposal, values):
        return leak
    for one in known:
        if alike(proposal.question, one["question"]) >= ALIKE_WORDS:
            return f"it asks what {one['name']!r} asks"
    if row_of_label is None or proposal.control:
        return None
    if all(row_of_label(label) is None for label in proposal.samples):
        return "no sample was named that shows it"
    return None


def alike(one: str, other: str) -> float:
    """Share of the words of two questions that both have.

    >>> alike("Does the answer contain code?", "does the answer contain any code")
    0.8333333333333334
    """
    first, second = (set(re.findall(r"\w+", text.casefold())) for text in (one, other))
    return len(first & second) / len(first | second) if first | second else 1.0
