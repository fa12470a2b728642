"""What an act would take of language models, so that a person can say no: judging at most, proposing about."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.contrasts import CHARACTERS, Reader
from agent.models import salt_of
from agent.plan import (
    QUESTION_LIKE,
    TOKENS_A_VERDICT,
    calls_of_round,
    judge_example,
    pilots_of_round,
    proposing,
    sending,
)
from agent.proposer import most_of, opening
from agent.state import CandidateState, DiscoveryState, by_id, is_judged
from agent.workbench import Workbench
from probes.scale import IntArray
from probes.words import at_price, count

UNPRICED_CALLS = 1000
"""Calls at an unknown price that are made without being confirmed."""


@dataclass(frozen=True, slots=True)
class Expense:
    """Calls and US dollars, second tries not counted. cost: None where a price is unknown.

    about: it is an estimate; else no more is taken, since a token is a byte at least.
    """

    calls: int
    cost: float | None
    about: bool = False

    def needs_a_word(self, limit: float) -> bool:
        """Whether a person is to confirm it."""
        return self.calls > UNPRICED_CALLS if self.cost is None else self.cost > limit

    def __str__(self) -> str:
        told = f"{count(self.calls, 'call')} to language models, {at_price(self.cost)}, second tries not counted"
        return f"{'about' if self.about else 'at most'} {told}"


NOTHING = Expense(0, 0.0)


def of_judging(bench: Workbench, candidates: Sequence[CandidateState], rows: IntArray) -> Expense:
    """Judging candidates on rows, where the ledger does not hold it."""
    judged = [one for one in candidates if is_judged(one)]
    judgments = bench.judgments
    if judgments is None or not judged:
        return NOTHING
    requests = judgments.requests_for(judged, rows)
    return Expense(len(requests), _total([judgments.models.judge.asker.most_cost(one) for one in requests]))


def of_proposing(state: DiscoveryState, bench: Workbench, *, selected: bool) -> Expense:
    """A round of proposals, tried and raced on read, where the set is judged too; selected: and survivors judged
    on select."""
    settings, judgments = bench.settings, bench.judgments
    if not settings.proposers or judgments is None or settings.judge_spec is None:
        return NOTHING
    prompt = opening(state, bench, Reader(state, bench, salt_of(bench.run)), CHARACTERS, tools=True)
    sent = [proposing(spec, 1, prompt, settings) for spec in settings.proposers]
    proposed = len(settings.proposers) * (most_of(state) + 1)
    chosen = [one for one in by_id(state["candidates"], state.get("chosen", [])) if is_judged(one)]
    on_read, on_select = calls_of_round(proposed, bench)
    calls = judgments.calls_for(chosen, bench.comparison.read.row_N) + pilots_of_round(bench) + on_read
    calls += on_select if selected else 0
    per_call = min(settings.criteria_per_call, proposed)
    example = judge_example(bench, judgments.models.template, [QUESTION_LIKE] * per_call)
    sent.append(sending("judging", settings.judge_spec, calls, example, TOKENS_A_VERDICT * per_call, settings))
    return Expense(sum(one.calls for one in sent), _total([one.cost for one in sent]), about=True)


def _total(costs: Sequence[float | None]) -> float | None:
    """None where one is unknown."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
