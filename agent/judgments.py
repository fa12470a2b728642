"""Levels that a language model gives: asked for where they are wanted, out of the ledger where they are known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.comparison import Comparison
from agent.models import Models
from agent.state import CandidateState, scale_of
from probes.scale import IntArray, Outcome
from tools.chat.interface import Request
from tools.chat.ledger import Judgment
from tools.judging.judge import JUDGING, Item
from tools.judging.verdicts import Criterion, is_sound
from tools.layout import BoolArray

_Key = tuple[str, str]


@dataclass(eq=False)
class _Told:
    """One criterion on the rows of a comparison. known_N: whether there is an answer, be it an outcome."""

    level_N: IntArray
    known_N: BoolArray
    quotes: dict[int, str] = field(default_factory=dict)
    calls: dict[int, int] = field(default_factory=dict)

    def take(self, row: int, verdict: Judgment | Outcome) -> None:
        self.known_N[row] = True
        if isinstance(verdict, Outcome):
            self.level_N[row] = verdict
            return
        self.level_N[row] = Outcome.MISSING if verdict.level is None else verdict.level
        self.quotes[row] = verdict.quote
        if verdict.call is not None:
            self.calls[row] = verdict.call


class Judgments:
    """Judgments on the rows of a comparison, read once and kept. A row that was never asked about is MISSING."""

    def __init__(self, comparison: Comparison, models: Models) -> None:
        self.models = models
        self._comparison = comparison
        self._told: dict[Criterion, _Told] = {}
        self._empty_N = np.array([not response.strip() for response in comparison.responses])

    @property
    def sample_ids(self) -> Sequence[str]:
        return self._comparison.sample_ids

    def levels(self, candidate: CandidateState) -> IntArray:
        """Levels [N] as far as they are known; an empty answer has none."""
        return self._of(criterion_of(candidate)).level_N

    def quotes(self, candidate: CandidateState) -> dict[int, str]:
        """The words that decided, by row."""
        return self._of(criterion_of(candidate)).quotes

    def calls(self, candidates: Iterable[CandidateState], row_N: IntArray | None = None) -> set[int]:
        """Numbers, in the ledger, of the calls that judged any of the candidates on these rows, or on any."""
        told = [self._of(criterion_of(candidate)).calls for candidate in candidates]
        rows = None if row_N is None else set(row_N.tolist())
        return {call for calls in told for row, call in calls.items() if rows is None or row in rows}

    def different(self, row_N: IntArray) -> int:
        """How many of these rows a judge is asked about: equal answers to a prompt once, empty ones not."""
        return len(set(self._items([row for row in row_N.tolist() if not self._empty_N[row]])))

    def unsound_quotes(self, candidate: CandidateState, row_N: IntArray) -> tuple[int, int]:
        """Of the quotes on these rows, how many are not what was asked for; and how many there are."""
        quotes = self.quotes(candidate)
        told = [(quotes[row], self._comparison.responses[row]) for row in row_N.tolist() if row in quotes]
        return sum(not is_sound(quote, response) for quote, response in told), len(told)

    def ensure(
        self,
        candidates: Sequence[CandidateState],
        row_N: IntArray,
        on_item: Callable[[], None] = lambda: None,
    ) -> None:
        """Has the candidates judged on these rows, where that was not done. Raises as `Judge.judge`."""
        self.models.run(self.ensured(candidates, row_N, on_item))

    async def ensured(
        self,
        candidates: Sequence[CandidateState],
        row_N: IntArray,
        on_item: Callable[[], None] = lambda: None,
    ) -> None:
        """The same where the event loop is running."""
        criteria = list(dict.fromkeys(criterion_of(candidate) for candidate in candidates))
        told = [self._of(criterion) for criterion in criteria]
        rows = self.missing(candidates, row_N).tolist()
        if not rows:
            return
        try:
            verdicts = await self.models.judge.judge(criteria, self._items(rows), on_item)
        except BaseException:
            self._look_up(criteria, rows)
            raise
        for row, given in zip(rows, verdicts, strict=True):
            for one, verdict in zip(told, given, strict=True):
                one.take(row, verdict)

    def missing(self, candidates: Sequence[CandidateState], row_N: IntArray) -> IntArray:
        """Those of the rows on which not every candidate was asked about."""
        told = [self._of(criterion_of(candidate)) for candidate in candidates]
        known_N = np.array([all(one.known_N[row] for one in told) for row in row_N.tolist()], dtype=bool)
        missing_N: IntArray = row_N[~known_N]
        return missing_N

    def requests_for(self, candidates: Sequence[CandidateState], row_N: IntArray) -> list[Request]:
        """The calls that `ensure` would make, second tries not counted."""
        criteria = list(dict.fromkeys(map(criterion_of, candidates)))
        return self.models.judge.requests(criteria, self._items(self.missing(candidates, row_N).tolist()))

    def calls_for(self, candidates: Sequence[CandidateState], row_N: IntArray) -> int:
        """Calls that `ensure` would make, verdicts asked again not counted."""
        told = [self._of(criterion) for criterion in dict.fromkeys(map(criterion_of, candidates))]
        missing = np.sum([~one.known_N[row_N] for one in told], axis=0) if told else np.zeros(0)
        return sum(self.models.judge.calls_for(int(count)) for count in missing.tolist() if count)

    def _of(self, criterion: Criterion) -> _Told:
        if criterion not in self._told:
            count = len(self._empty_N)
            self._told[criterion] = _Told(
                np.full(count, int(Outcome.MISSING), dtype=np.int64), self._empty_N.copy()
            )
            found = self._look_up([criterion], np.flatnonzero(~self._empty_N).tolist())
            self.models.judge.asker.count_reused(JUDGING, found)
        return self._told[criterion]

    def _look_up(self, criteria: Sequence[Criterion], rows: Sequence[int]) -> int:
        """Takes what the ledger holds, and returns how much that is."""
        count = 0
        for row, given in zip(rows, self.models.judge.found(criteria, self._items(rows)), strict=True):
            for criterion, judgment in zip(criteria, given, strict=True):
                if judgment is not None:
                    self._told[criterion].take(row, judgment)
                    count += 1
        return count

    def _items(self, rows: Sequence[int]) -> list[Item]:
        prompts = self._comparison.prompt_of_row
        responses = self._comparison.responses.take(np.asarray(rows, dtype=np.int64))
        return [Item(prompts[row], response) for row, response in zip(rows, responses, strict=True)]


def criterion_of(candidate: CandidateState) -> Criterion:
    """What a judge is asked of a candidate: its question and its scale, nothing else."""
    return Criterion(candidate["question"], scale_of(candidate))
