"""What a person does to the state of a discovery: each act a function from the state to what it changes there.

All acts stand in the state as lines, those that undo among them, so that nothing is undone without a trace. What
was tried and undone still counts as tried: undoing an act makes no test unmade. Source: Method, section 5 (all
candidates ever tried).
"""

from collections.abc import Sequence

from agent.screening import with_status
from agent.settings import shown
from agent.state import (
    NO_SCRIPT,
    TAKEN_OUT,
    UNDONE,
    CandidateState,
    DiscoveryState,
    Status,
    by_id,
    everything_tried,
    replaced,
)
from probes.errors import InputError

UNDO, REDO = "undo", "redo"
PERSON = "person"
"""The origin of a candidate that a person brought in."""

MOST_TOLD = 1000
"""Characters of one piece of guidance, or of one note."""


def standing(acts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of all acts, those that hold, and those that were undone and can be redone, the next one last.

    >>> standing(["add a", "add b", "undo", "undo", "redo"])
    (['add a'], ['add b'])
    """
    done: list[str] = []
    undone: list[str] = []
    for line in acts:
        if line == UNDO:
            undone.append(done.pop())
        elif line == REDO:
            done.append(undone.pop())
        else:
            done.append(line)
            undone.clear()
    return done, undone


def with_act(state: DiscoveryState, line: str, update: DiscoveryState) -> DiscoveryState:
    """The update of an act, with the act itself."""
    return {**update, "acts": [*state.get("acts", []), line]}


def found(state: DiscoveryState, wanted: str) -> CandidateState:
    """The candidate that a person names: by id, name, or the only id that begins so. InputError if none."""
    candidates = state["candidates"]
    for key in ("id", "name"):
        named = [one for one in candidates if str(one[key]).casefold() == wanted.casefold()]
        if len(named) == 1:
            return named[0]
    begins = [one for one in candidates if one["id"].casefold().startswith(wanted.casefold())]
    if len(begins) == 1:
        return begins[0]
    if begins:
        raise InputError(f"{shown(wanted)}: {len(begins)} candidates begin so: {_listed(begins)}; write more")
    near = [one for one in candidates if wanted.casefold() in f"{one['id']} {one['name']}".casefold()]
    hint = f"nearest: {_listed(near)}" if near else "`set all` lists them; `try` brings a new one in"
    raise InputError(f"{shown(wanted)}: no such candidate; {hint}")


def _listed(candidates: Sequence[CandidateState], most: int = 5) -> str:
    more = ["..."] if len(candidates) > most else []
    return ", ".join([*(one["id"] for one in candidates[:most]), *more])


def to_be_judged(one: CandidateState) -> CandidateState:
    """The candidate in the race, to be judged on select whatever the race said. InputError where it cannot be."""
    if one["status"] == "screened out":
        raise InputError(f"{shown(one['id'])} cannot be judged: {one['dropped']}")
    return one if one["status"] in ("judged", "set aside") else with_status(one, "racing", None)


def added(state: DiscoveryState, one: CandidateState, most: int) -> DiscoveryState:
    """A candidate that was judged on select joins the set, at its end. InputError where it may not.

    most: parameters that a set may have.
    """
    chosen = state.get("chosen", [])
    if one["id"] in chosen:
        raise InputError(f"{shown(one['id'])} is in the set")
    if one["control"]:
        raise InputError(f"{shown(one['id'])} is a control, expected unchanged by who proposed it: never chosen")
    if len(chosen) >= most:
        raise InputError(f"the set has {len(chosen)} parameters, as many as allowed (--max-parameters)")
    return {
        "candidates": replaced(state["candidates"], [with_status(one, "judged", None)]),
        "chosen": [*chosen, one["id"]],
        "by_person": [*state.get("by_person", []), one["id"]],
        "stopped_because": "",
    }


def dropped(state: DiscoveryState, one: CandidateState) -> DiscoveryState:
    """A candidate leaves the set, or the search where it is not in the set. InputError where it is out already."""
    if one["status"] not in ("judged", "racing", "held back", "proposed"):
        raise InputError(f"{shown(one['id'])} is out already: {one['dropped']}")
    status: Status = "set aside" if one["status"] == "judged" else "raced out"
    return {
        "candidates": replaced(state["candidates"], [with_status(one, status, TAKEN_OUT)]),
        "chosen": [other for other in state.get("chosen", []) if other != one["id"]],
        "by_person": [other for other in state.get("by_person", []) if other != one["id"]],
        "stopped_because": "",
    }


def guided(state: DiscoveryState, text: str) -> DiscoveryState:
    """Proposers are told this from the next round on."""
    return {"guidance": [*state.get("guidance", []), _one_line(text)]}


def noted(state: DiscoveryState, text: str) -> DiscoveryState:
    """A note that the report shows."""
    return {"notes": [*state.get("notes", []), _one_line(text)]}


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > MOST_TOLD:
        raise InputError(f"{len(line):,} characters where at most {MOST_TOLD:,} are wanted; say it shorter")
    return line


def ended(state: DiscoveryState) -> DiscoveryState:
    """Why the search is over, where a person asks for the report: its own reason if it had stopped."""
    return {"stopped_because": state.get("stopped_because") or f"a person ended it in round {state['round']}"}


def restored(now: DiscoveryState, then: DiscoveryState) -> DiscoveryState:
    """What brings the state of an earlier moment back.

    Time, budgets and acts go on; what was tried since stays on record as undone.
    """
    return {
        "round": then["round"],
        "shown": then.get("shown", []),
        "candidates": then["candidates"],
        "chosen": then.get("chosen", []),
        "by_person": then.get("by_person", []),
        "stopped_because": then.get("stopped_because", ""),
        "warnings": then.get("warnings", []),
        "guidance": then.get("guidance", []),
        "notes": then.get("notes", []),
        "most_proposed": then.get("most_proposed", 0),
        "script": then.get("script", NO_SCRIPT),
        "undone": _undone(now, then),
    }


def _undone(now: DiscoveryState, then: DiscoveryState) -> list[CandidateState]:
    """All that were tested by now and are not tested as far then, on the record of what was undone."""
    known = {_tested_as_far(one) for one in then["candidates"]}
    return [
        with_status(one, "raced out" if one["p_value"] is None else "set aside", UNDONE)
        for one in everything_tried(now)
        if one["status"] not in ("proposed", "screened out") and _tested_as_far(one) not in known
    ]


def _tested_as_far(one: CandidateState) -> tuple[str, bool, bool]:
    return one["id"], one["status"] in ("proposed", "screened out"), one["p_value"] is not None


def in_the_race(state: DiscoveryState) -> list[CandidateState]:
    return [one for one in state["candidates"] if one["status"] == "racing"]


def set_of(state: DiscoveryState) -> list[CandidateState]:
    """The chosen set, in order."""
    return by_id(state["candidates"], state.get("chosen", []))
