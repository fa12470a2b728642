"""Which proposals are worth judging: decided on the read split alone, each refusal with its reason.

Screening looks at how levels are spread, never at the change, so what it drops is no tested hypothesis. Racing
looks at the change, so what it drops counts with p = 1 among all that were tried. Source: Method, sections 5, 7.
"""

from collections.abc import Sequence

import numpy as np

from agent.comparison import Comparison, Part
from agent.state import CandidateState, DiscoveryState, Status, by_id, is_judged, replaced
from agent.workbench import Workbench
from probes.scale import FloatArray, IntArray
from probes.words import count
from tools.cells import summing
from tools.inference import Estimate
from tools.layout import FEWEST_PROMPTS, Claim
from tools.share import dissimilarity, gain

MIN_HITS = 10
"""Samples on read that must lie off the most common level."""

SAME = 0.95
"""Share of a candidate's spread on read that an earlier one tells, from which on both ask the same."""

ALIKE = 0.4
"""The same within the sides, from which on the earlier one is judged first and the other in the next round."""

COLUMNS_AT_ONCE = 8
"""Candidates whose standardised levels are held at once."""

MOST_JUDGED = 80
"""Candidates of one round that go on to the select split."""


def screen(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: drops candidates with too few hits and those that repeat an earlier one; lets the waiting in."""
    candidates = state["candidates"]
    waiting = [
        with_status(candidate, "racing", None) for candidate in candidates if candidate["status"] == "held back"
    ]
    proposed = [candidate for candidate in candidates if candidate["status"] == "proposed"]
    fresh = [candidate for candidate in proposed if not is_judged(candidate)]
    standing = [candidate for candidate in candidates if candidate["status"] in ("judged", "held back")]
    verdicts = verdicts_on(fresh, standing, bench)
    update: DiscoveryState = {"candidates": replaced(candidates, [*waiting, *verdicts])}
    if not any(is_judged(candidate) for candidate in proposed):
        return update
    from agent.racing import piloted

    return piloted({**state, **update}, bench)


def verdicts_on(
    fresh: Sequence[CandidateState], standing: Sequence[CandidateState], bench: Workbench
) -> list[CandidateState]:
    """Fresh candidates that code judges, in the race or screened out. standing: what they may not repeat."""
    row_N = bench.comparison.read.row_N
    reasons = screened(bench.levels(standing, row_N), standing, bench.levels(fresh, row_N), fresh)
    for j, candidate in enumerate(fresh):
        if candidate["given"]:
            reasons[j] = None
        elif reasons[j] is None:
            reasons[j] = _too_few_prompts(bench.comparison, bench.levels([candidate])[:, 0])
    return [
        with_status(candidate, "screened out" if reason else "racing", reason)
        for candidate, reason in zip(fresh, reasons, strict=True)
    ]


def screened(
    standing_NI: IntArray, standing: Sequence[CandidateState], fresh_NJ: IntArray, fresh: Sequence[CandidateState]
) -> list[str | None]:
    """Why each fresh candidate is dropped, None where it stays. Levels are those of the read split.

    Of candidates that tell each other, the first proposed stays: the catalogue begins with the plainest.
    """
    reasons = [_few_hits(level_N) for level_N in fresh_NJ.T]
    told_by: list[str | None] = [None] * len(fresh)
    for candidate, told_J in zip(standing, told_by_each(standing_NI, fresh_NJ), strict=True):
        _mark(told_by, candidate["name"], told_J)
    told_JJ = told_by_each(fresh_NJ, fresh_NJ)
    for j, candidate in enumerate(fresh):
        if reasons[j] is None and told_by[j] is not None:
            reasons[j] = f"told by {told_by[j]!r} on the read split"
        if reasons[j] is None:
            _mark(told_by, candidate["name"], told_JJ[j])
    return reasons


def _mark(told_by: list[str | None], name: str, told_J: FloatArray) -> None:
    for j in np.flatnonzero(told_J >= SAME).tolist():
        told_by[j] = told_by[j] or name


def told(level_N: IntArray, standard_NJ: FloatArray) -> FloatArray:
    """How much of each column's spread the levels [N] tell [J]: the correlation ratio, 1 for the same levels.

    standard_NJ: columns of mean 0 and length 1, so that it is the sum over levels of (sum in level)^2 / count.
    """
    place_N = level_N - level_N.min(initial=0)
    count_L = np.bincount(place_N)
    sum_LJ = np.column_stack([np.bincount(place_N, column_N) for column_N in standard_NJ.T])
    return np.asarray((sum_LJ[count_L > 0] ** 2 / count_L[count_L > 0, None]).sum(axis=0))


def told_by_each(levels_NI: IntArray, levels_NJ: IntArray, group_N: IntArray | None = None) -> FloatArray:
    """`told` [I, J] of columns J (standardised, in every group) by columns I; some columns J at a time."""
    told_IJ = np.empty((levels_NI.shape[1], levels_NJ.shape[1]))
    for start in range(0, levels_NJ.shape[1], COLUMNS_AT_ONCE):
        columns = slice(start, start + COLUMNS_AT_ONCE)
        standard_NC = standardised(levels_NJ[:, columns], group_N)
        for i, level_N in enumerate(levels_NI.T):
            told_IJ[i, columns] = told(level_N, standard_NC)
    return told_IJ


def _few_hits(level_N: IntArray) -> str | None:
    present_N = level_N[level_N >= 0]
    if not len(present_N):
        return "no sample of the read split has a level"
    off = len(present_N) - int(np.bincount(present_N).max())
    if off == 0:
        return "it does not fill two levels on the read split"
    if off < MIN_HITS:
        return f"only {count(off, 'sample')} of the read split off the most common level"
    return None


def standardised(levels_NJ: IntArray, group_N: IntArray | None = None) -> FloatArray:
    """Levels [N, J] with mean 0 (in every group) and length 1; a missing level is a value below all others."""
    group_N = np.zeros(len(levels_NJ), dtype=np.int64) if group_N is None else group_N
    value_NJ = np.where(levels_NJ < 0, -1.0, levels_NJ)
    to_groups = summing(group_N, int(group_N.max()) + 1)
    value_NJ -= (to_groups @ value_NJ / np.bincount(group_N)[:, None])[group_N]
    length_J = np.linalg.norm(value_NJ, axis=0)
    return np.asarray(value_NJ / np.where(length_J > 1e-9, length_J, 1.0))


def _too_few_prompts(comparison: Comparison, level_N: IntArray) -> str | None:
    """A level on too few prompts of a split can neither be tested nor measured there."""
    for name, part in (("read", comparison.read), ("select", comparison.select), ("report", comparison.report)):
        if part.where(level_N[part.row_N] >= 0).layout.prompts < FEWEST_PROMPTS[comparison.claim]:
            return f"too few prompts of the split {name!r} have levels on both sides"
    return None


def race(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: drops what cannot reach the minimum gain, keeps the best of the rest, and holds back their likes.

    All on read. What is held back is judged in the next round, where it must add to what was chosen.
    """
    if bench.judgments is not None:
        from agent.racing import raced_by_judge

        update = raced_by_judge(state, bench)
        return {**update, **_race({**state, **update}, bench)}
    return _race(state, bench)


def _race(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The race of those that code judges: all samples of the read split at once."""
    candidates = state["candidates"]
    racing = [one for one in candidates if one["status"] == "racing" and not is_judged(one)]
    read, claim = bench.comparison.read, bench.comparison.claim
    chosen_NK = bench.levels(by_id(candidates, state["chosen"]), read.row_N)
    levels_NJ = bench.levels(racing, read.row_N)
    given = [candidate["given"] for candidate in racing]
    estimates = estimates_on(read, chosen_NK, levels_NJ, claim)
    reasons = raced(estimates, given, bench.settings.min_gain)
    held: dict[int, int] = {}
    if state["round"] < bench.settings.rounds:
        fresh = [one["round"] == state["round"] and not one["given"] for one in racing]
        held = held_back(read.layout.side_N, levels_NJ, estimates, [reason is None for reason in reasons], fresh)
    verdicts = []
    for j, candidate in enumerate(racing):
        status: Status = "raced out" if reasons[j] else "held back" if j in held else "racing"
        waits_for = f"much like {racing[held[j]]['name']!r}, which was judged first" if j in held else None
        verdicts.append(with_status(candidate, status, reasons[j] or waits_for))
    return {"candidates": replaced(candidates, verdicts)}


def with_status(candidate: CandidateState, status: Status, dropped: str | None) -> CandidateState:
    """The candidate with what became of it."""
    changed = candidate.copy()
    changed["status"], changed["dropped"] = status, dropped
    return changed


def held_back(
    side_N: IntArray,
    levels_NJ: IntArray,
    estimates: Sequence[Estimate],
    running: Sequence[bool],
    fresh: Sequence[bool],
) -> dict[int, int]:
    """Fresh candidates that are much like an earlier one and not clearly better on read; that one by theirs.

    Lengths in words, sentences and paragraphs are one story, and whichever happens to win by a hair would shut out
    what goes with the others. The plainest of them is judged first. Alike within the sides: across them all that
    changed is alike.
    """
    alike_JJ = told_by_each(2 * levels_NJ + side_N[:, None].astype(levels_NJ.dtype), levels_NJ, side_N) >= ALIKE
    held: dict[int, int] = {}
    for i in range(len(running)):
        if running[i] and i not in held:
            for j in range(i + 1, len(running)):
                tied = estimates[j].value <= (estimates[i].high or 0.0)
                if running[j] and fresh[j] and alike_JJ[i, j] and tied:
                    held.setdefault(j, i)
    return held


def estimates_on(part: Part, chosen_NK: IntArray, levels_NJ: IntArray, claim: Claim) -> list[Estimate]:
    """D_z of each candidate on a part, or its gain over the chosen levels where there are any."""
    if not chosen_NK.shape[1]:
        return [dissimilarity(part.value_N, part.layout, column_N, claim) for column_N in levels_NJ.T]
    return [gain(part.value_N, part.layout, chosen_NK, column_N, claim) for column_N in levels_NJ.T]


def raced(estimates: Sequence[Estimate], given: Sequence[bool], min_gain: float) -> list[str | None]:
    """Why each candidate is dropped on read, None where it goes on; given ones always do."""
    reasons: list[str | None] = [
        f"raced out on read: it adds at most {estimate.high:.3f}, under the minimum gain"
        if estimate.high is not None and estimate.high < min_gain and not exempt
        else None
        for estimate, exempt in zip(estimates, given, strict=True)
    ]
    running = [j for j, reason in enumerate(reasons) if reason is None]
    # Those without a number (too few prompts with a level) come last; nan would leave the order undefined.
    running.sort(key=lambda j: (not given[j], -np.nan_to_num(estimates[j].value, nan=-1.0), j))
    for j in running[MOST_JUDGED:]:
        reasons[j] = f"raced out on read: not among the best {MOST_JUDGED}"
    return reasons
