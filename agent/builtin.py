"""The offline proposer: every measure in code, scores that came with the data, and words that tell sides apart.

It reads only the read split: scales are learned there, and so are the words, phrases and characters that the
sides use differently. Source: Method, section 5 ("Splits").
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from agent.alerts import SIDES
from agent.comparison import Comparison
from agent.contrast import patterns
from agent.reading import rows_named, unexplained_on
from agent.scoring import Scores
from agent.settings import BUILTIN, shown
from agent.state import CandidateState, DiscoveryState, candidate_state
from agent.workbench import Workbench
from probes.errors import InputError
from probes.label_scale import Label, LabelScale, plain_label
from probes.measures.catalogue import CATALOGUE
from probes.order_parameter import OrderParameter
from probes.scale import YES_NO, Level, Scale
from probes.scale_learning import learn_label_scale, learn_numeric_scale
from tools.layout import AFTER, BEFORE, BoolArray

ORIGIN = "builtin"
GIVEN = "given"

MOST_PATTERNS = 20
"""Words, phrases and characters proposed in one round: each candidate more makes the others harder to find."""

ONE_LEVEL = Scale("numeric", (Level("any"),))
"""What is learned where all answers score the same; screening then says so."""


def propose(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: measures and scores in the first round, patterns in every round.

    Where only language models propose, what is given and the scores that came with the data still stand.
    """
    update: DiscoveryState = {}
    known = state["candidates"]
    fresh: list[CandidateState] = []
    if state["round"] == 1:
        fresh, warnings = first_candidates(bench)
        given = [candidate["id"] for candidate in fresh if candidate["given"]]
        update["chosen"] = given + [one for one in state.get("chosen", []) if one not in given]
        update["warnings"] = warnings
    if BUILTIN in bench.settings.model:
        fresh.extend(pattern_candidates(bench, state))
    ids = {candidate["id"] for candidate in known}
    new = list(
        {candidate["id"]: candidate for candidate in reversed(fresh) if candidate["id"] not in ids}.values()
    )
    update["candidates"] = known + new[::-1]
    return update


def first_candidates(bench: Workbench) -> tuple[list[CandidateState], list[str]]:
    """What needs no reading to be proposed: given ones first, then measures, then scores that came with the data.

    Also the warnings about scores that are left out or missing on some samples.
    """
    settings, scores = bench.settings, bench.scores
    named = [known_judge(scores, spec) for spec in settings.given]
    catalogue = [f"code:{measure.id}" for measure in CATALOGUE] if BUILTIN in settings.model else []
    measures = catalogue + sorted(scores.files)
    bench.scores.measure([judge for judge in (*named, *measures) if not judge.startswith("data:")])
    data, warnings = usable_scores(bench) if settings.use_scores else ([], [])
    fresh = [candidate_of(bench, judge, given=True) for judge in named]
    fresh += [candidate_of(bench, judge) for judge in (*measures, *data) if judge not in named]
    return fresh, warnings


def known_judge(scores: Scores, spec: str) -> str:
    """The judge that a measure's name stands for: an id of the catalogue, or a judge written out.

    InputError where there is none, or where a score is on one side only.
    """
    if not spec.startswith("data:"):
        judge = spec if ":" in spec else f"code:{spec}"
        if judge.startswith("file:"):
            judge = f"file:{Path(judge.removeprefix('file:')).resolve()}"
        scores.measure_of(judge)
        return judge
    name = spec.removeprefix("data:")
    if name not in scores.data:
        known = ", ".join(sorted(scores.data)[:12]) or "none"
        raise InputError(f"{shown(spec)}: no such score came with the data; there are: {known}")
    if lacking := _lacking_side(scores, name):
        raise InputError(f"{shown(spec)}: no sample {lacking} has this score, so nothing can be compared")
    return spec


def usable_scores(bench: Workbench) -> tuple[list[str], list[str]]:
    """Judges `data:NAME` of the scores that both sides have, and what is said of the others and of gaps."""
    one_sided: dict[str, list[str]] = {}
    judges: list[str] = []
    warnings: list[str] = []
    for name, raw in bench.scores.data.items():
        lacking = _lacking_side(bench.scores, name)
        if lacking:
            one_sided.setdefault(lacking, []).append(name)
            continue
        judges.append(f"data:{name}")
        missing = _missing_by_side(bench.comparison, raw)
        if any(missing) and not bench.settings.missing_as_level:
            warnings.append(
                f"the score {shown(name)} is missing for {missing[BEFORE]} samples before and {missing[AFTER]} "
                "after: they are left out where it is used"
            )
    for lacking, names in one_sided.items():
        count = "1 score" if len(names) == 1 else f"{len(names)} scores"
        listed = ", ".join(shown(name) for name in names)
        warnings.insert(
            0, f"{count} left out because no sample {lacking} has {'it' if len(names) == 1 else 'them'}: {listed}"
        )
    if not bench.scores.data:
        warnings.append("no scores came with the data")
    return judges, warnings


def _present(raw: Iterable[Label]) -> BoolArray:
    return np.fromiter((plain_label(label) != "" for label in raw), dtype=bool)


def _lacking_side(scores: Scores, name: str) -> str | None:
    """The side on which no sample has this score."""
    present_N = _present(scores.data[name])
    for side, words in SIDES.items():
        if not present_N[scores.comparison.layout.side_N == side].any():
            return words
    return None


def _missing_by_side(comparison: Comparison, raw: Iterable[Label]) -> tuple[int, int]:
    counts = np.bincount(comparison.layout.side_N[~_present(raw)], minlength=2)
    return int(counts[BEFORE]), int(counts[AFTER])


def candidate_of(bench: Workbench, judge: str, current: int = 1, *, given: bool = False) -> CandidateState:
    """A candidate judged by a measure or a score of the data, its scale learned on the read split."""
    origin = GIVEN if given else ORIGIN
    read = bench.comparison.read.row_N
    if judge.startswith("data:"):
        name = judge.removeprefix("data:")
        raw = bench.scores.data[name]
        learned = learn_label_scale(
            [raw[row] for row in read.tolist()], missing_as_level=bench.settings.missing_as_level
        ) or LabelScale(ONE_LEVEL, ((),))
        question = f"What is the score {name} that came with the data?"
        parameter = OrderParameter(judge, name.replace("_", " "), question, learned.scale, judge, origin, current)
        return candidate_state(parameter, labels=learned.labels, given=given)
    measure = bench.scores.measure_of(judge)
    scale: Scale | None = YES_NO
    if measure.kind == "number":
        scale = learn_numeric_scale(bench.scores.numbers(judge)[read], measure.unit)
    one = measure.id if judge.startswith("code:") else judge
    parameter = OrderParameter(one, measure.name, measure.question, scale or ONE_LEVEL, judge, origin, current)
    return candidate_state(parameter, given=given)


def pattern_candidates(bench: Workbench, state: DiscoveryState) -> list[CandidateState]:
    """Words, phrases and characters that the samples shown use differently.

    The two groups are the sides at first, later the samples that are more of the one or of the other side than
    the chosen set predicts (the sign of the residual).
    """
    part = bench.comparison.read
    value_N = unexplained_on(part, state, bench)
    shown_N = np.searchsorted(part.row_N, rows_named(bench.comparison, state["shown"]))
    groups = [shown_N[sign * value_N[shown_N] > 0] for sign in (1, -1)]
    before, after = (bench.comparison.responses.take(part.row_N[group_N]) for group_N in groups)
    prompts_before, prompts_after = (part.layout.prompt_N[group_N].tolist() for group_N in groups)
    most = min(state.get("most_proposed") or MOST_PATTERNS, MOST_PATTERNS)
    found = patterns(before, after, prompts=(prompts_before, prompts_after), most=most)
    return [candidate_of(bench, f"pattern:{one.kind}:{one.text}", state["round"]) for one in found]
