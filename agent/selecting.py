"""Judging on the select split, greedy selection there, and when a discovery stops.

Source: Method, section 5 ("Greedy, and when to stop", "Null and p-values").
"""

from collections.abc import Sequence

import numpy as np

from agent.settings import DiscoverSettings
from agent.state import TAKEN_OUT, UNDONE, CandidateState, DiscoveryState, everything_tried, is_judged, replaced
from agent.workbench import Workbench
from tools.nulls import p_values, q_values
from tools.selection import greedy

P_VALUES, GREEDY = 1, 2
"""Streams of randomness derived from the settings' seed."""


def judge(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: gives every survivor of the race its levels on select, and its p-value there."""
    candidates = state["candidates"]
    racing = [candidate for candidate in candidates if candidate["status"] == "racing"]
    select = bench.comparison.select
    update: DiscoveryState = {}
    by_model = [candidate for candidate in racing if is_judged(candidate)]
    if by_model:
        from agent.racing import judge_on_select

        judged, spent = judge_on_select(by_model, state, bench)
        left_out = {one["id"] for one in by_model} - {one["id"] for one in judged}
        racing = [one for one in racing if one["id"] not in left_out]
        update = {"spent": spent} if spent else {}
    bench.progress.stage(f"round {state['round']}: judging {len(racing)} candidates on the select split")
    p_J = (
        p_values(
            select.value_N,
            select.layout,
            bench.levels(racing, select.row_N),
            bench.comparison.claim,
            black_box=bench.comparison.mode == "black-box",
            seed=seed_of(bench, P_VALUES, state["round"]),
            resamples=bench.settings.resamples,
        )
        if racing
        else np.ones(0)
    )
    verdicts = [candidate.copy() for candidate in racing]
    for verdict, p in zip(verdicts, p_J.tolist(), strict=True):
        verdict["status"], verdict["p_value"] = "judged", p
    return {**update, "candidates": replaced(candidates, verdicts)}


def select(state: DiscoveryState, bench: Workbench) -> DiscoveryState:
    """The node: grows the set greedily from all that were judged, and says whether this was the last round."""
    judged = [one for one in state["candidates"] if one["status"] == "judged" and not one["control"]]
    position = {candidate["id"]: j for j, candidate in enumerate(judged)}
    chosen = state["chosen"]
    part = bench.comparison.select
    bench.progress.stage(f"round {state['round']}: selecting")
    if len(judged) > len(chosen):
        selection = greedy(
            part.value_N,
            part.layout,
            bench.levels(judged, part.row_N),
            bench.comparison.claim,
            black_box=bench.comparison.mode == "black-box",
            seed=seed_of(bench, GREEDY, state["round"]),
            start=[position[one] for one in chosen],
            min_gain=bench.settings.min_gain,
            max_parameters=bench.settings.max_parameters,
            resamples=bench.settings.resamples,
            raced_out=left_behind(everything_tried(state)),
        )
        grown, ended = [judged[j]["id"] for j in selection.chosen], selection.stopped_because
    else:
        grown, ended = chosen, "there was nothing to select from"
    update: DiscoveryState = {"chosen": grown}
    empty = len(grown) == len(chosen)
    reason = state.get("spent") or stop_reason(state["round"], empty, len(grown), ended, bench.settings)
    return {**update, "stopped_because": reason} if reason else update


def left_behind(candidates: Sequence[CandidateState]) -> int:
    """How many candidates were looked at and are not among those that are selected from: those of language models
    that were found worse on read, by a race or for want of budget, and all that a person saw and took out."""
    return sum(
        not one["control"]
        and (
            one["dropped"] in (TAKEN_OUT, UNDONE) or (is_judged(one) and one["status"] in ("raced out", "racing"))
        )
        for one in candidates
    )


def stop_reason(current: int, empty: bool, size: int, ended: str, settings: DiscoverSettings) -> str | None:
    """Why no further round follows, in words; None where one does."""
    if size >= settings.max_parameters:
        return f"the set has as many parameters as allowed ({settings.max_parameters})"
    if empty:
        return f"round {current} added nothing: {ended}"
    if current >= settings.rounds:
        return f"all {settings.rounds} rounds are done" if settings.rounds > 1 else "the one round is done"
    return None


def q_values_of(candidates: list[CandidateState]) -> dict[str, float]:
    """q by id over all candidates ever tried: those without a test (the race) count with p = 1."""
    tried = [one for one in candidates if one["status"] not in ("proposed", "screened out")]
    if not tried:
        return {}
    p_J = np.asarray([1.0 if one["p_value"] is None else one["p_value"] for one in tried])
    return {one["id"]: float(q) for one, q in zip(tried, q_values(p_J), strict=True)}


def seed_of(bench: Workbench, stream: int, current: int) -> int:
    """A seed for one use in one round, the same in every process."""
    words = np.random.SeedSequence([bench.settings.seed, stream, current]).generate_state(1, dtype=np.uint32)
    return int(words[0])
