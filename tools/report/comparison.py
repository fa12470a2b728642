"""Two reports side by side as records: which order parameters both have, their numbers, and what differs.

Nothing is computed anew from samples here: agreement by scores is handed in. Keys may be added, never changed.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import JsonValue

from tools.report.document import BySide, Parameter, Report, Total
from tools.report.record import Interval, Record, Text
from tools.report.words import measured_split, side_names

Matched = Literal["question", "id"]


class OneReport(Record):
    """One of the two. before, after: what its sides are called. samples: those its numbers come from."""

    path: Text
    run: Text
    name: Text
    version: str
    mode: Literal["likelihood", "black-box"]
    before: Text
    after: Text
    samples: BySide | None
    total: Total
    set_share: Interval
    set_dissimilarity: Interval


class Numbers(Record):
    """An order parameter as one report has it."""

    id: Text
    name: Text
    question: Text
    judge: Text
    dissimilarity: Interval
    share: Interval
    gain: Interval
    shapley: float | None
    q_value: float | None


class Pairing(Record):
    """An order parameter of either report, or of both: `matched` says by what; null where one side lacks it."""

    a: Numbers | None
    b: Numbers | None
    matched: Matched | None


class PairAgreement(Record):
    """How far a parameter of A and one of B, by their ids, agree on the samples on which both have a level.

    cramers_v: 0 unrelated, 1 one tells the other. within_sides: the same within the sides, so that having changed
    alike does not count. alpha: Krippendorff's, where both have the same levels. Null where nothing can be said.
    """

    a: Text
    b: Text
    samples: int
    cramers_v: float | None
    within_sides: float | None
    alpha: float | None


class ByScores(Record):
    """Agreement on the same samples. samples: how many both reports have; null, and why, where that is unknown."""

    samples: int | None
    why_not: Text | None = None
    pairs: tuple[PairAgreement, ...] = ()


class Difference(Record):
    """Something of how the reports were made that is not the same."""

    what: Text
    a: JsonValue
    b: JsonValue


class Comparison(Record):
    """What `report A B` prints as JSON. same_report: the two do not differ in anything."""

    format: Literal[1] = 1
    version: str
    same_report: bool
    a: OneReport
    b: OneReport
    parameters: tuple[Pairing, ...]
    by_scores: ByScores
    differences: tuple[Difference, ...]

    def to_json(self) -> str:
        """The record with two spaces of indent, ASCII only."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def compared(
    reports: tuple[Report, Report], paths: tuple[str, str], by_scores: ByScores, version: str
) -> Comparison:
    """Both reports in one record. paths: where they were read from. version: of the program that compares."""
    a, b = reports
    pairings = pairings_of(a.parameters, b.parameters)
    return Comparison(
        version=version,
        same_report=a == b,
        a=_one(a, paths[0]),
        b=_one(b, paths[1]),
        parameters=tuple(
            Pairing(a=_numbers(one), b=_numbers(other), matched=matched) for one, other, matched in pairings
        ),
        by_scores=by_scores,
        differences=tuple(_differences(a, b, pairings)),
    )


Paired = tuple[Parameter | None, Parameter | None, Matched | None]


def pairings_of(a: Sequence[Parameter], b: Sequence[Parameter]) -> list[Paired]:
    """Parameters of A in their order, each beside that of B with the same question, or else the same id; then
    what only B has."""
    left = list(b)
    partners: dict[str, tuple[Parameter, Matched]] = {}
    keys: tuple[Matched, ...] = ("question", "id")
    for matched in keys:
        for one in a:
            other = next((other for other in left if _key(other, matched) == _key(one, matched)), None)
            if other is not None and one.id not in partners:
                partners[one.id] = other, matched
                left.remove(other)
    found: list[Paired] = [(one, *partners.get(one.id, (None, None))) for one in a]
    return found + [(None, other, None) for other in left]


def _key(parameter: Parameter, matched: Matched) -> str:
    """Questions are the same whatever their case and white space."""
    return " ".join(parameter.question.casefold().split()) if matched == "question" else parameter.id


def _one(report: Report, path: str) -> OneReport:
    before, after = side_names(report)
    return OneReport(
        path=path,
        run=report.run,
        name=report.name,
        version=report.version,
        mode=report.mode,
        before=before,
        after=after,
        samples=report.samples,
        total=report.total,
        set_share=report.set.share,
        set_dissimilarity=report.set.dissimilarity,
    )


def _numbers(parameter: Parameter | None) -> Numbers | None:
    if parameter is None:
        return None
    return Numbers(**{key: getattr(parameter, key) for key in Numbers.model_fields})


# What differs


def _differences(a: Report, b: Report, pairings: Sequence[Paired]) -> Iterator[Difference]:
    """Everything that the numbers may depend on and that is not the same, the weightiest first."""
    told_a, told_b = _made_how(a), _made_how(b)
    for what in dict.fromkeys([*told_a, *told_b]):
        if told_a.get(what) != told_b.get(what):
            yield Difference(what=what, a=told_a.get(what), b=told_b.get(what))
    for one, other, _ in pairings:
        if one is None or other is None:
            continue
        if one.judge != other.judge:
            yield Difference(what=f"judge of {one.name}", a=one.judge, b=other.judge)
        levels = [_levels(one), _levels(other)]
        if levels[0] != levels[1]:
            yield Difference(what=f"levels of {one.name}", a=levels[0], b=levels[1])


def _levels(parameter: Parameter) -> JsonValue:
    return [level.name for level in parameter.scale.levels]


def _made_how(report: Report) -> dict[str, JsonValue]:
    """How a report was made, by what a person would call each part of it."""
    control, splits, template = report.control, report.splits, report.judge_template
    settings = dict(report.settings)
    samples = settings.pop("samples", None)
    known = samples if isinstance(samples, dict) else {}
    return {
        "mode": report.mode,
        "control parameter": control.name,
        "values before": list(control.before),
        "values after": list(control.after),
        "samples before (checksum)": known.get("before"),
        "samples after (checksum)": known.get("after"),
        "prompts": report.prompts.used,
        "claim": report.prompts.claim,
        "splits": {"read": splits.read, "select": splits.select, "report": splits.report, "by": splits.by},
        "measured on": measured_split(report),
        "reports seen": report.reports_seen,
        "likelihoods": None if report.scored is None else report.scored.model_dump(mode="json"),
        **{f"model: {name}": value for name, value in report.models.items()},
        "judge prompt": None if template is None else hashlib.sha256(template.encode()).hexdigest()[:16],
        "guided by a person": report.guided is not None,
        "seed": report.seed,
        **{
            f"setting: {name}": value for name, value in settings.items() if name not in ("seed", "model", "judge")
        },
        "orderparam": report.version,
        **{f"version: {name}": value for name, value in report.versions.items()},
    }
