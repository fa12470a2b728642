"""The typed state of a discovery: all that a killed process needs to go on from its last node.

It is small and plain (numbers, text, lists, dicts): definitions, decisions and counts, never arrays and never
texts of samples. What must be measured lies in the run; what can be computed again is computed again.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypedDict

from probes.order_parameter import OrderParameter
from probes.scale import Level, Scale, ScaleKind

Status = Literal["proposed", "screened out", "raced out", "held back", "racing", "judged", "set aside"]
"""`screened out`: not worth measuring; `raced out`: dropped on read, counts with p = 1; `held back`: much like an
earlier one, judged in the next round; `set aside`: judged, then taken out by a person, counts with its p."""

TAKEN_OUT, UNDONE = "dropped by a person", "undone by a person"
"""Why a candidate went, where a person took it out; that it was tried still counts."""


class ScaleState(TypedDict):
    kind: ScaleKind
    levels: list[list[str]]  # name and description of each
    labels: list[list[str | float]]  # raw labels on each, for scores that came with the data; else empty
    cuts: list[float]
    unit: str


class CandidateState(TypedDict):
    """A candidate and what became of it. `dropped` says why it went, None while it is in the running.

    `given`: taken as known, so never dropped. `examples`: ids of the samples that inspired it. `control`: expected
    unchanged by who proposed it; judged like the others, never chosen.
    """

    id: str
    name: str
    question: str
    scale: ScaleState
    judge: str
    origin: str
    round: int
    given: bool
    status: Status
    dropped: str | None
    p_value: float | None
    examples: list[str]
    control: bool


class ScriptState(TypedDict):
    """The script that acted last. did: its acts that were done, as lines; of: how many it has; standing: how many
    acts of the discovery, whoever did them, stood after its last one."""

    did: list[str]
    of: int
    standing: int


NO_SCRIPT = ScriptState(did=[], of=0, standing=0)


class DiscoveryState(TypedDict, total=False):
    """What the graph carries from node to node.

    fingerprint: the settings and the input that this discovery answers. shown: ids of the samples the proposer
    reads this round, the most telling first. chosen: ids of the set in greedy order. warnings: what the proposer
    had to leave out. spent: which budget of language models is spent, where one is: what needs no call is still
    done. seconds: wall time spent so far, over all processes that worked on it.

    Where a person guides it (`agent.repl`): acts: all that was done, undoing included, as lines. guidance: what
    proposers are told, in a person's words. notes: for the report. by_person: ids that a person added to the set.
    undone: candidates that were tried and then undone, which still count as tried. most_proposed: how many
    candidates one model may propose next, 0 for as many as without a person. script: where a script stands.
    """

    fingerprint: dict[str, Any]
    round: int
    shown: list[str]
    candidates: list[CandidateState]
    chosen: list[str]
    spent: str
    stopped_because: str
    warnings: list[str]
    seconds: float
    acts: list[str]
    guidance: list[str]
    notes: list[str]
    by_person: list[str]
    undone: list[CandidateState]
    most_proposed: int
    script: ScriptState


def candidate_state(
    parameter: OrderParameter,
    *,
    labels: Sequence[Sequence[str | float]] = (),
    given: bool = False,
    control: bool = False,
) -> CandidateState:
    """A fresh candidate. labels: the raw labels that were put on each level of the scale, if labels they are."""
    scale = parameter.scale
    return CandidateState(
        id=parameter.id,
        name=parameter.name,
        question=parameter.question,
        scale=ScaleState(
            kind=scale.kind,
            levels=[[level.name, level.description] for level in scale.levels],
            labels=[list(group) for group in labels],
            cuts=list(scale.cuts),
            unit=scale.unit,
        ),
        judge=parameter.judge,
        origin=parameter.origin,
        round=parameter.round,
        given=given,
        status="proposed",
        dropped=None,
        p_value=None,
        examples=list(parameter.examples),
        control=control,
    )


JUDGES = ("openai:", "anthropic:", "hf:")
"""How the spec of a language model begins."""


def is_judged(candidate: CandidateState) -> bool:
    """Whether a language model gives it its levels."""
    return candidate["judge"].startswith(JUDGES)


def scale_of(candidate: CandidateState) -> Scale:
    """The candidate's scale, cut points included."""
    scale = candidate["scale"]
    return Scale(
        scale["kind"],
        tuple(Level(name, description) for name, description in scale["levels"]),
        tuple(scale["cuts"]),
        scale["unit"],
    )


def replaced(candidates: Sequence[CandidateState], changed: Sequence[CandidateState]) -> list[CandidateState]:
    """The candidates, those that changed in place of what they were."""
    new = {candidate["id"]: candidate for candidate in changed}
    return [new.get(candidate["id"], candidate) for candidate in candidates]


def everything_tried(state: DiscoveryState) -> list[CandidateState]:
    """The candidates, and those that were tried and undone: undoing makes no test unmade, and forgets no p."""
    undone = {candidate["id"]: candidate for candidate in state.get("undone", [])}
    tried = []
    for one in state["candidates"]:
        before = undone.pop(one["id"], one)
        tried.append(before if one["p_value"] is None and before["p_value"] is not None else one)
    return [*tried, *undone.values()]


def by_id(candidates: Sequence[CandidateState], ids: Sequence[str]) -> list[CandidateState]:
    """The candidates with these ids, in the order of the ids."""
    index = {candidate["id"]: candidate for candidate in candidates}
    return [index[one] for one in ids]
