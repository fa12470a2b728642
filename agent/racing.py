"""Spending judge calls on the read split: every proposal on a few samples, then the hopeless dropped and twice as
many samples for the rest.

What is dropped by how its levels are spread is no tested hypothesis; what is dropped by the change counts with
p = 1. Source: Method, sections 5 and 7.
"""

from collections.abc import Sequence

import numpy as np

from agent.judgments import Judgments
from agent.proposer_tools import PILOT, pilot_rows
from agent.screening import SAME, standardised, told, with_status
from agent.state import CandidateState, DiscoveryState, by_id, is_judged, replaced
from agent.workbench import Workbench
from probes.scale import IntArray
from tools.chat.interface import BudgetSpent
from tools.race import LEADERS, survivors

FEWEST_RACING = 2 * LEADERS
"""Candidates beyond which doubling goes on: the leaders, and for each one more that asks nearly the same."""

PILOT_HITS = 2
"""Samples of the pilot that must lie off the most common level."""


def piloted(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """Judges fresh proposals on the pilot's samples; drops what fills one level there, or repeats another's."""
    candidates, judgments = state["candidates"], _judgments(bench)
    fresh = [one for one in candidates if one["status"] == "proposed" and is_judged(one)]
    rows = pilot_rows(bench)[:PILOT]
    spent = _judge(bench, fresh, rows, state, f"round {state['round']}: trying {len(fresh)} candidates")
    if spent:
        return {"candidates": candidates, "spent": spent}
    standing = [
        one for one in candidates if one["status"] in ("judged", "racing", "held back") and not one["control"]
    ]
    levels_NJ = np.column_stack([judgments.levels(one)[rows] for one in fresh])
    reasons = _repeats(bench.levels(standing, rows), standing, levels_NJ, fresh)
    for j, one in enumerate(fresh):
        if not one["control"]:
            reasons[j] = _spread(levels_NJ[:, j]) or reasons[j]
    verdicts = [
        with_status(one, "screened out" if reason else "racing", reason)
        for one, reason in zip(fresh, reasons, strict=True)
    ]
    return {"candidates": replaced(candidates, verdicts)}


def _repeats(
    standing_NI: IntArray, standing: Sequence[CandidateState], fresh_NJ: IntArray, fresh: Sequence[CandidateState]
) -> list[str | None]:
    """Which earlier candidate tells each fresh one on the samples that both have; None where none does."""
    reasons: list[str | None] = [None] * len(fresh)
    earlier = list(zip(standing, standing_NI.T, strict=True))
    for j, one in enumerate(fresh):
        standard_NJ = standardised(fresh_NJ[:, [j]])
        if not one["control"]:
            telling = (known["name"] for known, level_N in earlier if told(level_N, standard_NJ)[0] >= SAME)
            same = next(telling, None)
            reasons[j] = None if same is None else f"told by {same!r} on {len(fresh_NJ)} samples of the read split"
            if same is None:
                earlier.append((one, fresh_NJ[:, j]))
    return reasons


def _spread(level_N: IntArray) -> str | None:
    """Why levels on the pilot are not worth judging on; None where they are."""
    present_N = level_N[level_N >= 0]
    if 2 * len(present_N) < len(level_N):
        return f"only {len(present_N)} of {len(level_N)} samples got a level from the judge"
    off = len(present_N) - int(np.bincount(present_N).max())
    if off < PILOT_HITS:
        return f"{off} of {len(level_N)} samples of the read split lie off the most common level"
    return None


def raced_by_judge(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """Doubles the samples on which the candidates in the race are judged, dropping who falls behind.

    Where everything is to be judged, all are, on the whole read split. A race ends once few are left, be it on
    the pilot: what is asked of read later, in which order the budget lets them on to select and what those it
    does not let on capture, is told from the samples they were judged on; a chosen set is judged on all of read.
    """
    candidates, judgments = state["candidates"], _judgments(bench)
    racing = [one for one in candidates if one["status"] == "racing" and is_judged(one)]
    if not racing:
        return {}
    if bench.settings.judge_all:
        what = f"round {state['round']}: judging {len(racing)} candidates on the whole read split"
        spent = _judge(bench, racing, bench.comparison.read.row_N, state, what)
        return {"spent": spent} if spent else {}
    order = pilot_rows(bench)
    size = PILOT
    dropped: list[CandidateState] = []
    while True:
        rows = order[:size]
        kept = _kept(racing, rows, state, bench, judgments)
        reason = f"raced out on read: behind the leaders on {len(rows)} samples"
        dropped += [
            with_status(one, "raced out", reason) for one, stays in zip(racing, kept, strict=True) if not stays
        ]
        racing = [one for one, stays in zip(racing, kept, strict=True) if stays]
        if size >= len(order) or sum(not one["control"] for one in racing) <= FEWEST_RACING:
            return {"candidates": replaced(candidates, dropped)}
        size *= 2
        what = f"round {state['round']}: racing {len(racing)} candidates on {min(size, len(order))} samples"
        spent = _judge(bench, racing, order[:size], state, what)
        if spent:
            return {"candidates": replaced(candidates, dropped), "spent": spent}


def _kept(
    racing: Sequence[CandidateState],
    rows: IntArray,
    state: DiscoveryState,
    bench: Workbench,
    judgments: Judgments,
) -> list[bool]:
    """Who stays. Controls always do: they are there to be seen."""
    part = bench.comparison.read.where(np.isin(bench.comparison.read.row_N, rows))
    trying = [one for one in racing if not one["control"]]
    if len(trying) <= FEWEST_RACING:
        return [True] * len(racing)
    chosen = by_id(state["candidates"], state.get("chosen", []))
    stays = survivors(
        part.value_N,
        part.layout,
        bench.levels(chosen, part.row_N),
        np.column_stack([judgments.levels(one)[part.row_N] for one in trying]),
        bench.comparison.claim,
        min_gain=bench.settings.min_gain,
        fewest=FEWEST_RACING,
    )
    kept = {one["id"] for one, stay in zip(trying, stays.tolist(), strict=True) if stay}
    return [one["control"] or one["id"] in kept for one in racing]


def keep_for_report(bench: Workbench) -> str | None:
    """Keeps the part of the budget that the report takes; why nothing is left to search with, if so."""
    return _judgments(bench).models.keep_for_report(bench.comparison.report.layout.samples)


def judge_on_select(
    racing: Sequence[CandidateState], state: DiscoveryState, bench: Workbench
) -> tuple[list[CandidateState], str | None]:
    """Has the survivors judged on the select split: as many, the best on read first, as the budget allows.

    Returns those that were, and which budget kept the others out.
    """
    judgments, rows = _judgments(bench), bench.comparison.select.row_N
    spent = state.get("spent") or keep_for_report(bench)
    ranked = _ranked(racing, state, bench)
    while ranked and (spent or judgments.calls_for(ranked, rows) > judgments.models.calls_left()):
        if judgments.calls_for(ranked, rows) == 0:
            break
        ranked = ranked[:-1]
    if len(ranked) < len(racing):
        spent = spent or "the budget for language models did not reach to judge all candidates"
    if not ranked:
        return [], spent
    what = f"round {state['round']}: judging {len(ranked)} candidates on the select split"
    ended = _judge(bench, ranked, rows, state, what)
    return ([], ended) if ended else (ranked, spent)


def _ranked(racing: Sequence[CandidateState], state: DiscoveryState, bench: Workbench) -> list[CandidateState]:
    """The best on read first, controls last."""
    from agent.screening import estimates_on

    read = bench.comparison.read
    chosen_NK = bench.levels(by_id(state["candidates"], state.get("chosen", [])), read.row_N)
    found = estimates_on(read, chosen_NK, bench.levels(racing, read.row_N), bench.comparison.claim)
    order = sorted(
        range(len(racing)), key=lambda j: (racing[j]["control"], -np.nan_to_num(found[j].value, nan=-1.0), j)
    )
    return [racing[j] for j in order]


def judge_rows(bench: Workbench, candidates: Sequence[CandidateState], rows: IntArray, what: str) -> str | None:
    """Has candidates of a language model judged on these rows; which budget ended that, where one did."""
    judgments = _judgments(bench)
    judged = [one for one in candidates if is_judged(one)]
    missing = judgments.missing(judged, rows)
    if not len(missing):
        return None
    bench.progress.stage(what, len(missing))
    try:
        judgments.ensure(judged, missing, bench.progress.advance)
    except BudgetSpent as spent:
        return str(spent)
    return None


def _judge(
    bench: Workbench, candidates: Sequence[CandidateState], rows: IntArray, state: DiscoveryState, what: str
) -> str | None:
    return state.get("spent") or keep_for_report(bench) or judge_rows(bench, candidates, rows, what)


def _judgments(bench: Workbench) -> Judgments:
    assert bench.judgments is not None  # opened wherever a language model judges
    return bench.judgments
