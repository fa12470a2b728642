"""The budget that jobs share, dealt out as they begin.

A job gets its part of what is left: that, divided by the jobs that still wait for theirs. What a job leaves over
is for those after it, once it has its report. Parts never add up to more than the whole, whatever runs at once,
and a job that goes on after a kill or a failure has the part it had.
"""

import threading
from collections.abc import Callable, Mapping

from pydantic import BaseModel, ConfigDict

from agent.batch.plan import SharedBudget
from agent.settings import DiscoverSettings
from probes.errors import InputError


class Part(BaseModel):
    """Calls and US dollars; None where there is no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_calls: int | None
    max_cost: float | None


Taken = Callable[[str], tuple[int, float]]
"""Calls and US dollars that a job has taken by now."""


class Purse:
    """dealt: parts that were dealt before. waiting: jobs that ask language models. taken: of any job.

    keep: writes parts down, before a job has its own.
    """

    def __init__(
        self,
        budget: SharedBudget,
        dealt: Mapping[str, Part],
        waiting: list[str],
        taken: Taken,
        keep: Callable[[Mapping[str, Part]], None],
    ) -> None:
        self._budget = budget
        self._dealt = dict(dealt)
        self._waiting = [one for one in waiting if one not in dealt]
        self._over: set[str] = set()
        self._taken = taken
        self._keep = keep
        self._guard = threading.Lock()

    def settings_of(self, name: str, settings: DiscoverSettings) -> DiscoverSettings:
        """The settings of a job with its part as its budget. InputError where nothing is left for it."""
        if self._budget.max_calls is None and self._budget.max_cost is None:
            return settings
        with self._guard:
            if name not in self._dealt:
                self._dealt[name] = self._next()
                self._waiting.remove(name)
                self._keep(self._dealt)
            part = self._dealt[name]
        calls = _least(part.max_calls, settings.max_calls)
        return settings.model_copy(
            update={"max_calls": calls, "max_cost": _least(part.max_cost, settings.max_cost)}
        )

    def ended(self, name: str) -> None:
        """The job has its report: what it did not take is there for others."""
        with self._guard:
            self._over.add(name)

    def _next(self) -> Part:
        calls = cost = 0.0
        for name, part in self._dealt.items():
            taken = self._taken(name)
            calls += taken[0] if name in self._over or part.max_calls is None else part.max_calls
            cost += taken[1] if name in self._over or part.max_cost is None else part.max_cost
        budget, waiting = self._budget, len(self._waiting)
        part = Part(
            max_calls=None if budget.max_calls is None else int((budget.max_calls - calls) // waiting),
            max_cost=None if budget.max_cost is None else (budget.max_cost - cost) / waiting,
        )
        if (part.max_calls is not None and part.max_calls < 1) or (
            part.max_cost is not None and part.max_cost <= 0
        ):
            raise InputError("nothing is left of the budget that the jobs share; raise it under `budget:`")
        return part


def _least(one: float | None, other: float | None) -> float | None:
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits) if limits else None
