"""What a person's act has measured or judged: a candidate brought in on read, one to be judged on select.

The nodes of the graph decide, on those candidates alone that the act is about. Source: Method, sections 5 and 7.
"""

from collections.abc import Sequence

from agent.repl.acts import to_be_judged
from agent.screening import verdicts_on
from agent.selecting import judge
from agent.state import CandidateState, DiscoveryState, by_id, is_judged, replaced
from agent.workbench import Workbench
from probes.errors import InputError


def brought_in(
    state: DiscoveryState, bench: Workbench, one: CandidateState, instead_of: str | None = None
) -> DiscoveryState:
    """A candidate tried on read, as `screen` tries proposals: in the race, or screened out with the reason.

    One that is known already stays as it is. instead_of: id of the one that it is an edition of, and may repeat.
    InputError where the budget does not reach.
    """
    if any(known["id"] == one["id"] for known in state["candidates"]):
        return {}
    candidates = [*state["candidates"], one]
    if not is_judged(one):
        standing = [
            known
            for known in state["candidates"]
            if known["status"] in ("judged", "held back") and known["id"] != instead_of
        ]
        return {"candidates": replaced(candidates, verdicts_on([one], standing, bench))}
    from agent.racing import piloted

    others = [
        known
        for known in candidates
        if known is one or (known["status"] != "proposed" and known["id"] != instead_of)
    ]
    update = piloted({**state, "candidates": others}, bench)
    if spent := update.get("spent"):
        raise InputError(f"not tried: {spent}")
    return {"candidates": replaced(candidates, update["candidates"])}


def judged(state: DiscoveryState, bench: Workbench, asked: Sequence[CandidateState]) -> DiscoveryState:
    """Candidates judged on select, where they get their p; the others in the race wait.

    InputError where one cannot be judged, or where the budget does not reach for all.
    """
    running = [to_be_judged(one) for one in asked]
    ids = {one["id"] for one in running}
    others = [one for one in state["candidates"] if one["status"] != "racing" and one["id"] not in ids]
    update = judge({**state, "candidates": [*others, *running]}, bench)
    verdicts = by_id(update["candidates"], [one["id"] for one in running])
    if any(one["p_value"] is None for one in verdicts):
        raise InputError(f"not all were judged: {update.get('spent', 'the judge gave no verdicts')}")
    return {"candidates": replaced(state["candidates"], verdicts), "stopped_because": ""}
