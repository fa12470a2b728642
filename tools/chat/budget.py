"""Budgets of a discovery: calls, cost and time, over all its processes, judges included.

A call is let through only if the budget holds even where it takes as many tokens as it can, together with all that
are in flight: no budget is ever exceeded. Towards its end calls therefore wait for one another.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from probes.errors import InputError
from tools.chat.interface import BudgetSpent
from tools.chat.ledger import Ledger, Spent

_KEEP_TIME_EVERY = 1.0  # seconds; a kill loses no more


class Claim:
    """A call that was let through. `cost`: what it took in dollars, to be set before the claim ends."""

    def __init__(self) -> None:
        self.paid = False
        self.cost: float | None = None


class Budget:
    """What one scope may still spend. Limits are None where there is none. stopped: lets no further call through.

    Raises InputError where a limit of cost cannot be held since what was spent before has no known price.
    """

    def __init__(
        self,
        ledger: Ledger,
        scope: str,
        *,
        max_calls: int | None = None,
        max_cost: float | None = None,
        max_minutes: float | None = None,
    ) -> None:
        self.scope = scope
        self.max_calls = max_calls
        self.max_cost = max_cost
        self.max_minutes = max_minutes
        self.stopped = False
        self._ledger = ledger
        before = ledger.spent(scope)
        if max_cost is not None and before.cost is None:
            raise InputError("--max-cost cannot be held: this discovery has made calls whose price is unknown")
        self._calls = before.calls
        self._cost = before.cost
        self._seconds = before.seconds
        self._began = self._kept_at = time.monotonic()
        self._claimed_calls = 0
        self._claimed_cost = 0.0
        self._settled = asyncio.Condition()

    @property
    def spent(self) -> Spent:
        """By now, calls in flight not included."""
        return Spent(self._calls, self._cost, self._seconds + time.monotonic() - self._began)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block waits for a person, whose time is not the budget's."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - began

    @asynccontextmanager
    async def claim(self, most_cost: float | None) -> AsyncIterator[Claim]:
        """Room for one call, which costs `most_cost` dollars at most (None: unknown), for the length of the block.

        Raises BudgetSpent where there is none left, and InputError where a limit of cost meets an unknown price.
        """
        if self.max_cost is not None and most_cost is None:
            raise InputError(
                "--max-cost cannot be held: the model's price is unknown; give it in a price file, or limit calls"
            )
        most = most_cost or 0.0
        async with self._settled:
            while spent := self._over(most):
                if self.stopped or not self._claimed_calls or spent.startswith("the budget of minutes"):
                    raise BudgetSpent(spent)
                await self._settled.wait()
            self._claimed_calls += 1
            self._claimed_cost += most
        claim = Claim()
        try:
            yield claim
        finally:
            self._claimed_calls -= 1
            self._claimed_cost -= most
            if claim.paid:
                self._calls += 1
                self._cost = None if self._cost is None or claim.cost is None else self._cost + claim.cost
            if time.monotonic() - self._kept_at > _KEEP_TIME_EVERY:
                self.keep_time()
            async with self._settled:
                self._settled.notify_all()

    def keep_time(self) -> None:
        """Writes down the time that was taken, for the process that goes on with this scope."""
        self._kept_at = time.monotonic()
        self._ledger.set_clock(self.scope, self.spent.seconds)

    def _over(self, most: float) -> str | None:
        """Which budget another call would exceed, in words."""
        if self.stopped:
            return "it was stopped"
        if self.max_minutes is not None and self.spent.seconds > 60 * self.max_minutes:
            return f"the budget of minutes ({self.max_minutes:g}, --max-minutes) was spent"
        if self.max_calls is not None and self._calls + self._claimed_calls >= self.max_calls:
            return f"the budget of calls ({self.max_calls}, --max-calls) was spent"
        if self.max_cost is not None and (self._cost or 0.0) + self._claimed_cost + most > self.max_cost:
            return f"the budget of cost (${self.max_cost:g}, --max-cost) was spent"
        return None
