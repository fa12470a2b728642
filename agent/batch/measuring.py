"""The chosen set of one job measured on the report split of another, or of its own.

No search has seen these samples, nor did it matter to any search what they hold: so the numbers of all jobs can be
held against each other. A parameter is measured with the cut points of the job that defined it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent.comparison import Part
from agent.discovery import with_models
from agent.estimates import SetNumbers, share_of_bound
from agent.known_judging import Judging, judged_parameters, judging_of
from agent.known_set import candidates_reported
from agent.parameters import judged, level_probabilities
from agent.reporting import by_side
from agent.settings import BUILTIN, DiscoverSettings
from agent.state import CandidateState, is_judged
from agent.workbench import Workbench
from probes.errors import InputError
from probes.scale import FloatArray, IntArray
from tools.chat.limiter import Limiters
from tools.inference import Estimate
from tools.nulls import p_values
from tools.report.document import BySide, Report
from tools.report.record import Interval, interval
from tools.share import share


@dataclass(frozen=True)
class Source:
    """A job whose set is measured. settings: those it was run with, which name its judge."""

    name: str
    report: Report
    settings: DiscoverSettings


@dataclass(frozen=True, eq=False)
class Measured:
    """One parameter on one report split. level_N: on its rows. shift: None for categories."""

    estimate: Estimate
    share: Interval
    shift: float | None
    samples: BySide
    level_N: IntArray


@dataclass(frozen=True, eq=False)
class MeasuredSet:
    """By id each parameter, or why it was not measured; and the set as a whole."""

    found: dict[str, Measured]
    why: dict[str, str]
    dissimilarity: Interval | None = None
    share: Interval | None = None
    samples: BySide | None = None
    by_regression: bool = False

    @property
    def reason(self) -> str | None:
        """Why the set as a whole was not measured."""
        return next(iter(self.why.values()), None)


@dataclass(frozen=True)
class Asking:
    """What may be asked of language models. specs: those that the column's job itself asks; its answers go to no
    other. budget: settings that say what judging may take; None where nothing is asked, and what the ledger holds
    is all there is."""

    specs: frozenset[str]
    budget: DiscoverSettings | None


def measured_on(
    bench: Workbench,
    total: Interval,
    source: Source,
    ids: Sequence[str],
    asking: Asking,
    limiters: Limiters,
) -> MeasuredSet:
    """Parameters of `source` with these ids on the report split of the bench; as a set where they are all of it.

    total: of the bench's own report, which a black-box share is a share of. What cannot be measured there is left
    out with its reason.
    """
    judging, why = _judging(source, ids, asking)
    settings = bench.settings.model_copy(update={"model": (BUILTIN,), "judge": None})
    if judging is not None:
        settings = judging.settings.model_copy(update={"seed": bench.settings.seed, **_limits(asking.budget)})
    part = bench.comparison.report
    template = None if judging is None else judging.template
    with with_models(replace(bench, settings=settings), template, limiters) as ready:
        candidates, more = _candidates(ready, source, [one for one in ids if one not in why])
        why |= more
        spent = None if asking.budget is None else _judged(ready, part, candidates)
        if spent is not None:
            why |= {one["id"]: spent for one in candidates if is_judged(one)}
            candidates = [one for one in candidates if not is_judged(one)]
        levels_NJ = ready.levels(candidates)[part.row_N]
    numbers = SetNumbers(part, levels_NJ, bench.comparison.mode, bench.comparison.claim, bench.settings.seed)
    found = {}
    for j, candidate in enumerate(candidates):
        if np.isnan(numbers.singles[j].value):
            why[candidate["id"]] = "too few prompts have answers with a level on both sides"
        else:
            found[candidate["id"]] = _measured(numbers, j, candidate, total)
    if why or not candidates or len(ids) < len(source.report.set.parameters):
        return MeasuredSet(found, why)
    whole, captured = interval(numbers.whole), _share_of_set(numbers, total)
    return MeasuredSet(found, why, whole, captured, by_side(numbers.complete), numbers.by_regression)


def p_values_of(bench: Workbench, levels: Sequence[IntArray], seed: int, resamples: int) -> FloatArray:
    """p of "no change" for each parameter, by its levels on the report split."""
    part, comparison = bench.comparison.report, bench.comparison
    if not levels:
        return np.zeros(0)
    return p_values(
        part.value_N,
        part.layout,
        np.column_stack(levels),
        comparison.claim,
        black_box=comparison.mode == "black-box",
        seed=seed,
        resamples=resamples,
    )


def _judging(source: Source, ids: Sequence[str], asking: Asking) -> tuple[Judging | None, dict[str, str]]:
    """How what a model judges is judged, None where nothing is; and why it is not, by id."""
    judged = [one.id for one in judged_parameters(source.report) if one.id in ids]
    if not judged:
        return None, {}
    try:
        judging = judging_of(source.report, source.settings)
    except InputError as error:
        return None, dict.fromkeys(judged, str(error))
    spec = judging.settings.judge_spec
    if spec not in asking.specs:
        return None, dict.fromkeys(judged, f"its job does not ask {spec}, so that its answers are not sent there")
    return judging, {}


def _limits(budget: DiscoverSettings | None) -> dict[str, object]:
    """What judging may take, as settings."""
    keys = ("max_calls", "max_cost", "prices")
    limits = {} if budget is None else {key: getattr(budget, key) for key in keys}
    return {"max_calls": None, "max_cost": None, **limits, "max_minutes": None}


def _candidates(
    bench: Workbench, source: Source, ids: Sequence[str]
) -> tuple[list[CandidateState], dict[str, str]]:
    """The parameters one by one, and why some cannot be measured here."""
    report, found, why = source.report, [], {}
    for one in ids:
        alone = report.model_copy(update={"set": report.set.model_copy(update={"parameters": (one,)})})
        try:
            (candidate,) = candidates_reported(bench.scores, alone, bench.settings.judge_spec)
            if not is_judged(candidate):
                bench.levels([candidate])
            found.append(candidate)
        except InputError as error:
            why[one] = str(error)
    return found, why


def _judged(bench: Workbench, part: Part, candidates: Sequence[CandidateState]) -> str | None:
    """Has the candidates judged on the part, where a model judges; which budget ended that, if one did."""
    if bench.judgments is None:
        return None
    from agent.racing import judge_rows

    return judge_rows(bench, candidates, part.row_N, "judging the parameters of other jobs")


def _measured(numbers: SetNumbers, j: int, candidate: CandidateState, total: Interval) -> Measured:
    part, level_N, estimate = numbers.part, numbers.levels_NJ[:, j], numbers.singles[j]
    if numbers.mode == "black-box":
        own = share_of_bound(estimate, total)
    else:
        own = interval(share(part.value_N, part.layout, level_N[:, None], numbers.claim))
    counts = judged(numbers, level_N)
    samples = BySide(before=counts.before, after=counts.after)
    return Measured(estimate, own, _shift(numbers, level_N, candidate), samples, level_N)


def _shift(numbers: SetNumbers, level_N: IntArray, candidate: CandidateState) -> float | None:
    """Of the mean level from before to after, as a part of the scale's length."""
    size = len(candidate["scale"]["levels"])
    if size < 2 or (candidate["scale"]["kind"] == "categories" and size > 2):
        return None
    names = [str(level) for level in range(size)]
    before, after = (
        sum(level * side.get(name, 0.0) for level, name in enumerate(names))
        for side in level_probabilities(numbers, level_N, names)
    )
    return (after - before) / (size - 1)


def _share_of_set(numbers: SetNumbers, total: Interval) -> Interval:
    if np.isnan(numbers.whole.value):
        return Interval(value=None)
    return share_of_bound(numbers.whole, total) if numbers.mode == "black-box" else interval(numbers.share())
