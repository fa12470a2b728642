"""The records of chosen parameters in a report, from their levels on the rows that are reported on."""

from collections.abc import Sequence

import numpy as np

from agent.comparison import Comparison
from agent.estimates import SetNumbers, share_of_bound
from agent.examples import pairs_for
from agent.state import CandidateState, scale_of
from probes.scale import IntArray, Outcome
from tools.dissimilarity import of_cells
from tools.layout import AFTER, BEFORE, FEWEST_PROMPTS, Claim
from tools.report.document import (
    BySide,
    Interval,
    Judged,
    LevelRecord,
    Parameter,
    ScaleRecord,
    Total,
)
from tools.report.record import interval
from tools.reweight import Weighted
from tools.share import share


def parameters_of(
    comparison: Comparison,
    numbers: SetNumbers,
    chosen: Sequence[CandidateState],
    total: Total,
    q_values: dict[str, float],
    by_person: Sequence[str] = (),
) -> tuple[Parameter, ...]:
    """One record a chosen parameter, in greedy order. numbers: of these parameters, on the rows reported on.

    by_person: ids of those that a person chose.
    """
    shapley = numbers.shapley() if chosen else np.zeros(0)
    whole = total.linear.value if comparison.mode == "black-box" else numbers.total_on_complete_cases()
    records = []
    for j, candidate in enumerate(chosen):
        level_N = numbers.levels_NJ[:, j]
        part = numbers.part
        scale = scale_record(candidate)
        names = [level.name for level in scale.levels]
        before, after = level_probabilities(numbers, level_N, names)
        records.append(
            Parameter(
                id=candidate["id"],
                name=candidate["name"],
                question=candidate["question"],
                scale=scale,
                judge=candidate["judge"],
                round=candidate["round"],
                origin=candidate["origin"],
                chosen_by="person" if candidate["id"] in by_person else "search",
                dissimilarity=interval(numbers.singles[j]),
                share=_share(comparison, numbers, j, total),
                gain=interval(numbers.gains[j]),
                shapley=float(shapley[j]) / whole if whole and np.isfinite(shapley[j]) else None,
                tv=of_cells(part.value_N, part.layout, level_N[:, None], "tv"),
                p_value=candidate["p_value"],
                q_value=q_values.get(candidate["id"]),
                judged=judged(numbers, level_N),
                before=before,
                after=after,
                before_limits=level_limits(numbers, level_N, names, BEFORE, comparison.claim),
                after_limits=level_limits(numbers, level_N, names, AFTER, comparison.claim),
                examples=pairs_for(comparison, part, level_N, scale_of(candidate).levels),
            )
        )
    return tuple(records)


def _share(comparison: Comparison, numbers: SetNumbers, j: int, total: Total) -> Interval:
    if comparison.mode == "black-box":
        return share_of_bound(numbers.singles[j], total.linear)
    part = numbers.part
    return interval(share(part.value_N, part.layout, numbers.levels_NJ[:, [j]], comparison.claim))


def scale_record(candidate: CandidateState) -> ScaleRecord:
    """The scale as a report keeps it: with cut points and raw labels, so that it can measure other data."""
    scale = scale_of(candidate)
    labels = candidate["scale"]["labels"] or [[] for _ in scale.levels]
    levels = tuple(
        LevelRecord(name=level.name, description=level.description, values=tuple(values))
        for level, values in zip(scale.levels, labels, strict=True)
    )
    return ScaleRecord(kind=scale.kind, levels=levels, cuts=scale.cuts, unit=scale.unit)


def judged(numbers: SetNumbers, level_N: IntArray) -> Judged:
    """Samples with a level by side, and those without by the reason."""
    side_N = numbers.part.layout.side_N

    def by_side(chosen_N: np.ndarray) -> BySide:
        before, after = (int((chosen_N & (side_N == side)).sum()) for side in (BEFORE, AFTER))
        return BySide(before=before, after=after)

    present = by_side(level_N >= 0)
    return Judged(
        before=present.before,
        after=present.after,
        refused=by_side(level_N == Outcome.REFUSED),
        failed=by_side(level_N == Outcome.FAILED),
        missing=by_side(level_N == Outcome.MISSING),
        rare=by_side(level_N == Outcome.RARE),
    )


def level_probabilities(
    numbers: SetNumbers, level_N: IntArray, names: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """P(level) before and after by the level's name, over the rows that have one, weights renewed."""
    layout, mask_N = numbers.part.layout.rows(level_N >= 0)
    if not layout.samples:
        return {}, {}
    mass_2L = np.zeros((2, len(names)))
    np.add.at(mass_2L, (layout.side_N, level_N[mask_N]), layout.weight_N)
    mass_2L /= mass_2L.sum(axis=1, keepdims=True)  # exactly 1 where one level holds all
    before, after = (dict(zip(names, map(float, mass_L), strict=True)) for mass_L in mass_2L)
    return before, after


def level_limits(
    numbers: SetNumbers, level_N: IntArray, names: Sequence[str], side: int, claim: Claim
) -> dict[str, tuple[float, float]]:
    """95% limits of P(level) on one side by the level's name, over the rows that have one (Wilson's interval)."""
    layout, mask_N = numbers.part.layout.rows(level_N >= 0)
    if layout.prompts < FEWEST_PROMPTS[claim]:
        return {}
    here_N = layout.side_N == side
    _, stratum_R = np.unique(layout.stratum_N[here_N], return_inverse=True)
    every_Q = np.ones(layout.prompts)
    answers = Weighted(
        row_N=np.flatnonzero(here_N),
        prompt_N=layout.prompt_N[here_N],
        stratum_N=np.asarray(stratum_R, dtype=np.int64).reshape(-1),
        weight_N=2 * layout.weight_N[here_N],
        sampled_Q=every_Q.astype(bool),
        found_Q=every_Q,
    )
    level_R = level_N[mask_N][here_N]
    found = [answers.proportion((level_R == level).astype(np.float64), claim) for level in range(len(names))]
    return {name: (one.low, 1.0 if one.high is None else one.high) for name, one in zip(names, found, strict=True)}


def off_scale_warnings(parameters: Sequence[Parameter]) -> list[str]:
    """Scores that came with the data and are too rare for a level of their own: said with their counts."""
    return [
        f"{parameter.name!r}: {off.before} samples before and {off.after} after have a score that lies on no "
        "level (too rare for one of its own): they are left out where it is used"
        for parameter in parameters
        if (off := parameter.judged.rare).before + off.after > 0
    ]
