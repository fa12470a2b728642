"""The language models of a discovery: opened with the run's ledger and the discovery's budget, on one event loop.

Part of the budget is kept for judging the chosen set on the report split: the search sees what is left of it.
"""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from agent.progress import Progress
from agent.settings import DiscoverSettings
from runs.directory import Run
from runs.schema import LEDGER_FILE
from tools.chat.asking import Asker
from tools.chat.budget import Budget
from tools.chat.connect import connect
from tools.chat.ledger import Ledger
from tools.chat.limiter import Limiters
from tools.chat.prices import load_prices
from tools.chat.spec import key_of, parse_spec
from tools.judging.judge import Judge
from tools.judging.template import JudgePrompt, load_template

_Result = TypeVar("_Result")

MORE_CALLS = 1.1
"""Calls kept for the report, a call wanted: some verdicts have to be asked for again."""

_STATUS_EVERY = 0.5  # seconds


def require_models(settings: DiscoverSettings, environ: Mapping[str, str] = os.environ) -> None:
    """Raises InputError for an absent key, a judge template or a price file that is none; nothing is sent."""
    for spec in {*settings.proposers, *filter(None, [settings.judge_spec])}:
        key_of(parse_spec(spec), environ)
    load_template(settings.judge_template)
    load_prices(settings.prices)


def salt_of(run: Run) -> str:
    """What tells a run in the marks of fences."""
    return f"{run.manifest.name} {run.manifest.created.isoformat()}"


class Models:
    """What is asked on behalf of one discovery. Its loop, clients and ledger are open until `close`.

    template: what judges are sent, where the settings do not say it. limiters: shared with other discoveries.
    """

    def __init__(
        self,
        run: Run,
        scope: str,
        settings: DiscoverSettings,
        progress: Progress,
        template: JudgePrompt | None = None,
        limiters: Limiters | None = None,
    ) -> None:
        self.settings = settings
        self.scope = scope
        self.salt = salt_of(run)
        self._progress = progress
        self._prices = load_prices(settings.prices)
        self.template = template or load_template(settings.judge_template)
        self.ledger = Ledger.open(run.path / LEDGER_FILE)
        self.budget = Budget(
            self.ledger,
            scope,
            max_calls=settings.max_calls,
            max_cost=settings.max_cost,
            max_minutes=settings.max_minutes,
        )
        self._limiters = limiters
        self._askers: dict[str, Asker] = {}
        self._runner = asyncio.Runner()
        self._judge: Judge | None = None
        self._working = False

    def asker(self, spec: str) -> Asker:
        """The model of this spec, connected when it is first wanted."""
        if spec not in self._askers:
            parsed = parse_spec(spec)
            model = connect(parsed, limiters=self._limiters)
            self._askers[spec] = Asker(model, self.ledger, self.budget, self._prices.of(parsed))
        return self._askers[spec]

    @property
    def judge(self) -> Judge:
        if self._judge is None:
            spec = self.settings.judge_spec
            assert spec is not None  # models are opened only where one is named
            self._judge = Judge(
                self.asker(spec),
                self.ledger,
                self.template,
                salt=self.salt,
                per_call=self.settings.criteria_per_call,
                seed=self.settings.seed,
            )
        return self._judge

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """What the work comes to; meanwhile progress says where the calls stand.

        Raises KeyboardInterrupt where `stop` was called meanwhile, or progress raised it, once the calls in flight
        are answered and kept.
        """
        self._working = True
        try:
            return self._runner.run(self._told(work))
        finally:
            self._working = False
            if self.budget.stopped:
                self.budget.stopped = False
                raise KeyboardInterrupt

    def stop(self) -> bool:
        """Lets no further call of the present work through; False where nothing is asked."""
        self.budget.stopped = self._working
        return self._working

    async def _told(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=_STATUS_EVERY)
            try:
                self._progress.status(self.status())
            except KeyboardInterrupt:
                self.stop()
        return task.result()

    @property
    def found(self) -> int:
        """Answers and judgments that this process found in the ledger."""
        return sum(asker.counts.found for asker in self._askers.values())

    def status(self) -> str:
        """Calls by now, as progress shows them."""
        counts = [asker.counts for asker in self._askers.values()]
        parts = [
            f"{sum(one.done for one in counts):,} calls",
            f"{sum(one.in_flight for one in counts)} in flight",
            f"{sum(one.found for one in counts):,} from the ledger",
        ]
        lost = sum(one.failed + one.unusable for one in counts)
        parts += [f"{lost:,} failed"] if lost else []
        cost = self.budget.spent.cost
        parts.append("cost unknown" if cost is None else f"${cost:.2f}")
        return ", ".join(parts)

    # Budget

    def keep_for_report(self, answers: int) -> str | None:
        """Keeps calls for judging the chosen set on so many answers; why nothing is left to search with, if so.

        Of money as many times the mean call by now; the limit on minutes is the search's alone, since a report is
        always written.
        """
        calls = round(MORE_CALLS * answers * self.judge.calls_for(self.settings.max_parameters))
        kept, spent = self.settings, self.budget.spent
        if kept.max_calls is not None:
            self.budget.max_calls = max(0, kept.max_calls - calls)
        if kept.max_cost is not None and spent.calls and spent.cost is not None:
            self.budget.max_cost = max(0.0, kept.max_cost - calls * spent.cost / spent.calls)
        if self.budget.max_calls is not None and spent.calls >= self.budget.max_calls:
            return (
                f"the budget of calls ({kept.max_calls}, --max-calls) was spent but for those kept for the report"
            )
        if self.budget.max_cost is not None and (spent.cost or 0.0) >= self.budget.max_cost:
            return f"the budget of cost (${kept.max_cost:g}, --max-cost) was spent but for what the report takes"
        return None

    def open_what_was_kept(self) -> None:
        """The whole budget is there for the report, without a limit of time."""
        self.budget.max_calls, self.budget.max_cost = self.settings.max_calls, self.settings.max_cost
        self.budget.max_minutes = None

    def calls_left(self) -> float:
        """Calls that the search can still make, by calls and by the mean cost of one."""
        spent, budget = self.budget.spent, self.budget
        left = float("inf") if budget.max_calls is None else budget.max_calls - spent.calls
        if budget.max_cost is not None and spent.calls and spent.cost:
            left = min(left, (budget.max_cost - spent.cost) * spent.calls / spent.cost)
        return max(0.0, left)

    def close(self) -> None:
        """Writes down what is counted and gives everything back."""
        try:
            for asker in self._askers.values():
                self._runner.run(asker.close())
        finally:
            self._runner.close()
            self.ledger.close()
