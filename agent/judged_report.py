"""What a report says of language models: the judging of its own split, usage, refusals, quotes and controls."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from agent.comparison import Part
from agent.judgments import Judgments
from agent.racing import judge_rows
from agent.state import CandidateState, is_judged
from agent.workbench import Workbench
from tools.judging.judge import ALONE, JUDGING
from tools.report.document import Example, Parameter, Quotes, Shown, Usage


def judge_for_report(part: Part, chosen: Sequence[CandidateState], bench: Workbench) -> list[str]:
    """Has the chosen set judged on the part with the budget that was kept for it; warnings where it fell short."""
    if bench.judgments is not None:
        bench.judgments.models.open_what_was_kept()
    return judge_part(part, chosen, bench)


def judge_part(part: Part, chosen: Sequence[CandidateState], bench: Workbench) -> list[str]:
    """Has a set judged on the part as far as the budget allows; warnings where it fell short.

    Without likelihoods the discriminators read the set's levels on all rows, so that the rest is judged too where
    the budget allows.
    """
    judgments = bench.judgments
    judged = [one for one in chosen if is_judged(one)]
    if judgments is None or not judged:
        return []
    spent = judge_rows(bench, judged, part.row_N, "judging the set on the report split")
    left = judgments.missing(judged, part.row_N)
    if spent and len(left):
        return [f"{len(left)} answers that are reported on could not be judged: {spent}"]
    rows = bench.comparison.part().row_N
    if bench.comparison.mode == "black-box" and judgments.calls_for(judged, rows) <= judgments.models.calls_left():
        judge_rows(bench, judged, rows, "judging the set on the other splits")
    return []


def with_quotes(
    parameters: Sequence[Parameter], chosen: Sequence[CandidateState], part: Part, judgments: Judgments
) -> tuple[Parameter, ...]:
    """The parameters that a model judged, with the quotes of their examples, and how many quotes do not stand."""
    row_of = {judgments.sample_ids[row]: row for row in part.row_N.tolist()}
    records = []
    for parameter, candidate in zip(parameters, chosen, strict=True):
        if is_judged(candidate):
            quotes = judgments.quotes(candidate)
            unsound, count = judgments.unsound_quotes(candidate, part.row_N)
            examples = tuple(_quoted(example, quotes, row_of) for example in parameter.examples)
            parameter = parameter.model_copy(
                update={"examples": examples, "quotes": Quotes(given=count, unsound=unsound)}
            )
        records.append(parameter)
    return tuple(records)


def _quoted(example: Example, quotes: dict[int, str], row_of: dict[str, int]) -> Example:
    def quoted(shown: Shown | None) -> Shown | None:
        if shown is None:
            return None
        return shown.model_copy(update={"quote": quotes.get(row_of[shown.sample_id]) or None})

    return example.model_copy(update={"before": quoted(example.before), "after": quoted(example.after)})


def lost_warnings(parameters: Sequence[Parameter], chosen: Sequence[CandidateState]) -> list[str]:
    """Answers that the judge refused to judge, or judged unusably, by side: they are not missing at random."""
    said = []
    for parameter, candidate in zip(parameters, chosen, strict=True):
        if not is_judged(candidate):
            continue
        if parameter.quotes is not None and parameter.quotes.unsound:
            said.append(
                f"{parameter.name!r}: {parameter.quotes.unsound} of {parameter.quotes.given} quotes by which the "
                "judge decided do not stand in the answer, or are longer than asked for"
            )
        for what, lost in (
            ("the judge refused", parameter.judged.refused),
            ("the judge's answer could not be used for", parameter.judged.failed),
        ):
            if lost.before + lost.after:
                said.append(
                    f"{parameter.name!r}: {what} {lost.before} answers before and {lost.after} after: they are "
                    "left out where it is used"
                )
    return said


def judge_sentences(judgments: Judgments) -> list[str]:
    """In how many calls a judge's answer was of no use, whatever it was asked about: how far it can be trusted.

    Calls that a server never answered say nothing of the judge; the usage counts them.
    """
    lost: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for one in judgments.models.ledger.usage(judgments.models.scope):
        if one.purpose in (JUDGING, ALONE):
            lost[one.model] += one.unusable
            asked[one.model] += one.answered + one.unusable
    return [
        f"the judge {model} gave no verdict that could be used in {lost[model]:,} of {calls:,} calls"
        for model, calls in asked.items()
        if lost[model]
    ]


def control_sentences(candidates: Sequence[CandidateState]) -> list[str]:
    """How the traits came out that proposers expected unchanged, and which rounds had none."""
    said = []
    rounds = {one["round"] for one in candidates if is_judged(one)}
    for current in sorted(rounds - {one["round"] for one in candidates if one["control"]}):
        said.append(f"what models proposed in round {current} came without a control, a trait expected unchanged")
    for one in filter(lambda one: one["control"], candidates):
        p = one["p_value"]
        if p is None:
            why = one["dropped"] or "the budget was spent"
            said.append(f"the control {one['name']!r} was not judged on select: {why}")
        else:
            came = "did change" if p <= 0.05 else "did not visibly change"
            said.append(
                f"the control {one['name']!r}, which its proposer expected unchanged, {came} on select "
                f"(p = {p:.3f})"
            )
    return said


def candidate_calls(tried: Sequence[CandidateState], bench: Workbench) -> dict[str, tuple[int, float]]:
    """By id of each candidate that a model judged: the discovery's calls that judged it, and its part of these.

    A call that judged several counts for each of them, and is parted among them evenly.
    """
    judgments = bench.judgments
    if judgments is None:
        return {}
    judged_by = judgments.models.ledger.judged_by(judgments.models.scope)
    found: dict[str, tuple[int, float]] = {}
    for one in filter(is_judged, tried):
        calls = [judged_by[call] for call in judgments.calls([one]) if call in judged_by]
        found[one["id"]] = len(calls), float(np.sum([1 / count for count in calls]))
    return found


def _racing(tried: Sequence[CandidateState], bench: Workbench) -> tuple[int, int] | None:
    """Calls that judged what was tried on read and select, and those that all on all of both would have taken."""
    judgments, comparison = bench.judgments, bench.comparison
    if judgments is None:
        return None
    rows = np.concatenate([comparison.read.row_N, comparison.select.row_N])
    rounds = Counter(one["round"] for one in tried if is_judged(one) and judgments.calls([one], rows))
    if not rounds:
        return None
    each = sum(judgments.models.judge.calls_for(count) for count in rounds.values())
    return len(judgments.calls(filter(is_judged, tried), rows)), judgments.different(rows) * each


def usage_of(bench: Workbench, tried: Sequence[CandidateState]) -> Usage:
    """What the discovery's calls took by now, this process's included. tried: all that it proposed."""
    judgments = bench.judgments
    if judgments is None:
        return Usage()
    models = judgments.models
    rows = models.ledger.usage(models.scope)
    costs = [one.cost for one in rows]
    racing, without_racing = _racing(tried, bench) or (None, None)
    return Usage(
        calls=sum(one.answered + one.unusable for one in rows),
        cached=sum(one.reused for one in rows) + models.found,
        input_tokens=sum(one.input_tokens for one in rows),
        output_tokens=sum(one.output_tokens for one in rows),
        cost=None if None in costs else float(np.sum([cost for cost in costs if cost is not None])),
        unusable=sum(one.unusable for one in rows),
        failed=sum(one.failed for one in rows),
        racing=racing,
        without_racing=without_racing,
    )
