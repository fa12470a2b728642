"""What an act would take of language models at most, so that a person can say no; by the plan's rule of thumb."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.contrasts import CHARACTERS, Reader
from agent.judgments import criterion_of
from agent.models import salt_of
from agent.plan import QUESTION_LIKE, TOKENS_A_VERDICT, Sending, calls_of_round, judge_example, sending
from agent.proposer import STEPS, most_of, opening
from agent.state import CandidateState, DiscoveryState, by_id, is_judged
from agent.workbench import Workbench
from probes.scale import IntArray
from probes.words import at_price, count

UNPRICED_CALLS = 1000
"""Calls at an unknown price that are made without being confirmed."""


@dataclass(frozen=True, slots=True)
class Expense:
    """Calls and US dollars at most; None where a price is unknown."""

    calls: int
    cost: float | None

    def needs_a_word(self, limit: float) -> bool:
        """Whether a person is to confirm it."""
        return self.calls > UNPRICED_CALLS if self.cost is None else self.cost > limit

    def __str__(self) -> str:
        return f"at most {count(self.calls, 'call')} to language models, {at_price(self.cost)}"


NOTHING = Expense(0, 0.0)


def of_judging(bench: Workbench, candidates: Sequence[CandidateState], rows: IntArray) -> Expense:
    """Judging candidates on rows, where the ledger does not hold it."""
    judged = [one for one in candidates if is_judged(one)]
    judgments, spec = bench.judgments, bench.settings.judge_spec
    if judgments is None or spec is None or not judged:
        return NOTHING
    criteria = [criterion_of(one) for one in judged[: bench.settings.criteria_per_call]]
    prompt = judge_example(bench, judgments.models.template, criteria)
    calls = judgments.calls_for(judged, rows)
    return _sum([sending("judging", spec, calls, prompt, TOKENS_A_VERDICT * len(criteria), bench.settings)])


def of_proposing(state: DiscoveryState, bench: Workbench, *, selected: bool) -> Expense:
    """A round of proposals, tried and raced on read, where the set is judged too; selected: and survivors judged
    on select."""
    settings, judgments = bench.settings, bench.judgments
    if not settings.proposers or judgments is None or settings.judge_spec is None:
        return NOTHING
    prompt = opening(state, bench, Reader(state, bench, salt_of(bench.run)), CHARACTERS, tools=True)
    sent = [sending("proposing", spec, STEPS + 1, prompt, 500, settings) for spec in settings.proposers]
    proposed = len(settings.proposers) * (most_of(state) + 1)
    chosen = [one for one in by_id(state["candidates"], state.get("chosen", [])) if is_judged(one)]
    on_read, on_select = calls_of_round(proposed, bench)
    calls = judgments.calls_for(chosen, bench.comparison.read.row_N) + on_read + (on_select if selected else 0)
    per_call = min(settings.criteria_per_call, proposed)
    example = judge_example(bench, judgments.models.template, [QUESTION_LIKE] * per_call)
    sent.append(sending("judging", settings.judge_spec, calls, example, TOKENS_A_VERDICT * per_call, settings))
    return _sum(sent)


def _sum(sent: Sequence[Sending]) -> Expense:
    costs = [one.cost for one in sent]
    known = [cost for cost in costs if cost is not None]
    return Expense(sum(one.calls for one in sent), sum(known) if len(known) == len(costs) else None)
