"""The candidates of a report: all that were tried, what each captures, and why it is not in the set.

Their numbers are of the split that decided on them, never of the report split. Source: Method, section 5.
"""

from collections.abc import Sequence

from agent.comparison import Part
from agent.estimates import share_of_bound
from agent.screening import estimates_on
from agent.selecting import q_values_of
from agent.state import CandidateState, DiscoveryState, Status, by_id
from agent.workbench import Workbench
from probes.scale import IntArray
from tools.inference import Estimate
from tools.report.document import Candidate, Interval, Total
from tools.report.record import Split, interval
from tools.share import share

DECIDED_ON: dict[Status, Split] = {
    "held back": "read",
    "racing": "read",
    "raced out": "read",
    "judged": "select",
    "set aside": "select",
}
"""The split whose samples decided on a candidate of this status."""


def candidates_of(state: DiscoveryState, bench: Workbench, total: Total) -> tuple[Candidate, ...]:
    """One record each, in the order in which they were proposed. total: what a black-box share is a share of."""
    candidates, chosen = state["candidates"], state.get("chosen", [])
    q_values = q_values_of(candidates)
    captured = _captured(candidates, bench, total)
    reasons = _reasons(candidates, chosen, bench, guided=bool(state.get("acts")))
    calls: dict[str, tuple[int, float]] = {}
    if bench.judgments is not None:
        from agent.judged_report import candidate_calls

        calls = candidate_calls(candidates, bench)
    return tuple(
        Candidate(
            id=one["id"],
            name=one["name"],
            question=one["question"],
            judge=one["judge"],
            round=one["round"],
            origin=one["origin"],
            share=captured.get(one["id"]),
            split=DECIDED_ON.get(one["status"]),
            calls=calls.get(one["id"], (0, 0.0))[0],
            calls_shared=calls.get(one["id"], (0, 0.0))[1],
            p_value=one["p_value"],
            q_value=q_values.get(one["id"]),
            dropped=reasons.get(one["id"]),
            control=one["control"],
        )
        for one in candidates
    )


def _captured(candidates: Sequence[CandidateState], bench: Workbench, total: Total) -> dict[str, Interval]:
    """The share of each candidate alone, by id."""
    comparison = bench.comparison
    captured: dict[str, Interval] = {}
    for split, part in (("read", comparison.read), ("select", comparison.select)):
        members = [one for one in candidates if DECIDED_ON.get(one["status"]) == split]
        levels_NJ = bench.levels(members, part.row_N)
        for j, one in enumerate(members):
            captured[one["id"]] = (
                share_of_bound(_alone(part, levels_NJ[:, j], bench), total.linear)
                if comparison.mode == "black-box"
                else interval(share(part.value_N, part.layout, levels_NJ[:, [j]], comparison.claim))
            )
    return captured


def _alone(part: Part, level_N: IntArray, bench: Workbench) -> Estimate:
    return estimates_on(part, level_N[:, None][:, :0], level_N[:, None], bench.comparison.claim)[0]


def _reasons(
    candidates: Sequence[CandidateState], chosen: Sequence[str], bench: Workbench, *, guided: bool
) -> dict[str, str | None]:
    """Why each candidate is not in the set, by id; None for those that are. guided: a person may have left it."""
    part = bench.comparison.select
    judged = [one for one in candidates if one["status"] == "judged" and one["id"] not in chosen]
    set_NK = bench.levels(by_id(candidates, chosen), part.row_N)
    levels_NJ = bench.levels(judged, part.row_N)
    added = estimates_on(part, set_NK, levels_NJ, bench.comparison.claim)
    reasons = {one["id"]: one["dropped"] for one in candidates}
    for j, one in enumerate(judged):
        alone = _alone(part, levels_NJ[:, j], bench)
        reason = _not_chosen(alone, added[j], bool(chosen), bench.settings.min_gain)
        reasons[one["id"]] = f"a control, never chosen; {reason}" if one["control"] else reason
    for one in candidates:
        if one["status"] in ("proposed", "racing"):
            reasons[one["id"]] = "not judged" if guided else "not judged: the budget was spent before"
    return reasons


def _not_chosen(alone: Estimate, added: Estimate, beside_a_set: bool, min_gain: float) -> str:
    """Why a candidate that was judged on select was not chosen there."""
    if alone.one_sided:
        return "on select it is not separable from no change"
    what = f"on select it adds {added.value:.3f} to the chosen set" if beside_a_set else "on select it is there"
    if added.value < min_gain:
        return f"{what}, under the minimum gain"
    return f"{what}, no more than chance shows among so many candidates"
