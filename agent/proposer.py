"""A language model proposes: it is shown samples of the read split, may look closer with tools, then submits.

Every answer is in the ledger before it is used, and nothing that it is sent depends on time or order, so that a
node that is run again after a kill finds the conversation there and pays for nothing twice. Source: Method,
section 3 (residual).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from agent.contrasts import CHARACTERS, Reader
from agent.judgments import Judgments
from agent.proposals import MOST_PROPOSED, PROPOSALS, Proposal, candidate_from, proposals_in, unfit
from agent.proposer_tools import TOOLS, Toolbox, tried
from agent.state import CandidateState, DiscoveryState, by_id, is_judged
from agent.workbench import Workbench
from probes.errors import OutsideError
from runs.files import shown
from tools.chat.asking import Asker
from tools.chat.interface import Answer, BudgetSpent, CallFailed, Lacking, Message, Request

PROPOSING = "proposing"
"""The purpose of its calls, as the usage names it."""

STEPS = 6
"""Turns in which a model may call tools before it submits."""

CHARACTERS_SHOWN = 12_000
"""Characters that one call of a tool may show."""

LOOK_TOKENS = 1_000
SUBMIT_TOKENS = 4_000
"""What a model may write in a turn with tools, and to submit."""

_FEWEST_CHARACTERS = 3_000
_FEWEST_WITH_TOOLS = CHARACTERS_SHOWN
"""Characters of samples in an opening."""

_CHARACTERS_A_TOKEN = 6
"""Characters of samples a token of what is submitted: a model that holds few samples gets less room for that."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What one model proposed in one round. said: warnings. spent: the budget that ended it, where one did."""

    candidates: tuple[CandidateState, ...] = ()
    said: tuple[str, ...] = ()
    spent: str | None = None


def proposed_by(spec: str, state: DiscoveryState, bench: Workbench, known: Sequence[CandidateState]) -> Proposed:
    """Has a model propose. known: all candidates by now. Raises OutsideError and InputError."""
    judgments = bench.judgments
    assert judgments is not None  # opened wherever a model proposes
    proposer = _Proposer(spec, state, bench, judgments)
    try:
        proposals = judgments.models.run(proposer.proposals())
    except BudgetSpent as spent:
        return Proposed(spent=str(spent))
    except CallFailed as failure:
        if failure.reason != "too long":  # a search that goes on without would be over, and the report empty
            raise OutsideError(
                f"{shown(spec, 80)} is to propose, but {failure.detail}; see that the server is up and its model "
                "and address right, then run the same command again: what was answered is kept"
            ) from None
        return Proposed(said=(f"{spec} proposed nothing in round {state['round']}: {failure}",))
    if isinstance(proposals, str):
        return Proposed(said=(f"{spec} proposed nothing in round {state['round']}: {proposals}",))
    return Proposed(tuple(proposer.screened(proposals, known)), proposer.said)


class _Proposer:
    def __init__(self, spec: str, state: DiscoveryState, bench: Workbench, judgments: Judgments) -> None:
        self._spec = spec
        self._state = state
        self._bench = bench
        self._judgments = judgments
        self._asker: Asker = judgments.models.asker(spec)
        self._reader = Reader(state, bench, judgments.models.salt)

    @property
    def said(self) -> tuple[str, ...]:
        """What it could not be shown."""
        unmarked = self._reader.marks.said
        return () if unmarked is None else (unmarked,)

    async def proposals(self) -> list[Proposal] | str:
        """The proposals, or why there are none. What does not fit into the model is shown in smaller parts."""
        characters = CHARACTERS
        while True:
            try:
                return await self._conversation(characters)
            except CallFailed as failure:
                if failure.reason != "too long" or characters <= _FEWEST_CHARACTERS:
                    raise
                characters = max(_FEWEST_CHARACTERS, characters // 2)

    async def _conversation(self, characters: int) -> list[Proposal] | str:
        try:
            turns = await self._looked(characters)
        except Lacking:
            turns = [self._opening(characters, tools=False)]
        return await self._submitted(turns, min(SUBMIT_TOKENS, characters // _CHARACTERS_A_TOKEN))

    async def _looked(self, characters: int) -> list[Message]:
        """The conversation up to where the model has seen enough. Raises Lacking where there is no room for it."""
        if characters < _FEWEST_WITH_TOOLS:
            raise Lacking("what tools show does not fit")
        turns = [self._opening(characters, tools=True)]
        toolbox = Toolbox(self._state, self._bench, self._judgments, self._reader)
        for _ in range(STEPS):
            request = Request(tuple(turns), LOOK_TOKENS, tools=TOOLS)
            answer = (await self._asker.ask(request, PROPOSING, keep_request=True)).answer
            if answer.kind != "tool_calls":
                if answer.text:
                    turns.append(Message("assistant", answer.text))
                break
            turns.append(Message("assistant", answer.text, answer.tool_calls))
            for call in answer.tool_calls:
                turns.append(Message("tool", await toolbox.result(call), call_id=call.id))
        return turns

    def _opening(self, characters: int, *, tools: bool) -> Message:
        return Message("user", opening(self._state, self._bench, self._reader, characters, tools=tools))

    async def _submitted(self, turns: list[Message], tokens: int) -> list[Proposal] | str:
        """What the model submits; asked once more where it cannot be used."""
        called = any(turn.tool_calls for turn in turns)
        problem: str | None = None
        for _ in range(2):
            told = Message("user", _template("submit.jinja", most=most_of(self._state), problem=problem))
            request = Request(
                (*turns, told),
                tokens,
                schema=PROPOSALS,
                tools=TOOLS if called else (),
                may_call=False,
            )
            asked = await self._asker.ask(request, PROPOSING, check=_unusable, keep_request=True)
            if asked.unusable is None:
                return proposals_in(asked.answer.value)
            problem = asked.unusable
        return problem or ""

    def screened(self, proposals: Sequence[Proposal], known: Sequence[CandidateState]) -> list[CandidateState]:
        """The proposals as candidates; those that are not worth judging are dropped already."""
        judge = self._judgments.models.judge.name
        values = self._bench.run.manifest.control.values
        so_far = list(known)
        found: list[CandidateState] = []
        for proposal in _at_most(proposals, most_of(self._state)):
            rows = [self._reader.row_of_label(label) for label in proposal.samples]
            examples = [self._bench.comparison.sample_ids[row] for row in rows if row is not None]
            candidate = candidate_from(proposal, judge, self._spec, self._state["round"], examples)
            if any(candidate["id"] == one["id"] for one in so_far):
                continue
            reason = unfit(proposal, so_far, values, self._reader.row_of_label)
            if reason:
                candidate["status"], candidate["dropped"] = "screened out", reason
            so_far.append(candidate)
            found.append(candidate)
        return found


def opening(state: DiscoveryState, bench: Workbench, reader: Reader, characters: int, *, tools: bool) -> str:
    """The first message of a round, with samples of at most so many characters."""
    chosen = by_id(state["candidates"], state.get("chosen", []))
    return _template(
        "propose.jinja",
        context=bench.settings.context,
        guidance=state.get("guidance", []),
        round=state["round"],
        known=[f"{one['name']} ({one['question']})" for one in chosen],
        tried=[] if state["round"] == 1 else tried(_by_models(state["candidates"])),
        contrasts=reader.contrasts(state, characters),
        likelihood=bench.comparison.mode == "likelihood",
        marked=bool(reader.marks),
        most=most_of(state),
        tools=tools,
        steps=STEPS,
    )


def _by_models(candidates: Sequence[CandidateState]) -> list[CandidateState]:
    return [one for one in candidates if one["origin"] not in ("builtin", "given") and is_judged(one)]


def most_of(state: DiscoveryState) -> int:
    """Candidates that one model may propose now, its control not counted."""
    return min(state.get("most_proposed") or MOST_PROPOSED, MOST_PROPOSED)


def _at_most(proposals: Sequence[Proposal], most: int) -> list[Proposal]:
    """The first proposals, and one control."""
    controls = [one for one in proposals if one.control][:1]
    return [one for one in proposals if not one.control][:most] + controls


def _unusable(answer: Answer) -> str | None:
    if answer.kind == "refusal":
        return "it refused"
    if answer.kind != "json":
        return "it is no JSON"
    return None if proposals_in(answer.value) else "there is no whole candidate in it"


@cache
def _environment() -> Environment:
    from jinja2 import FileSystemLoader

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "prompts"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,
    )


def _template(name: str, **values: object) -> str:
    return _environment().get_template(name).render(**values).strip() + "\n"
