"""Asking a model: out of the ledger where the answer is there, else once, inside the budget, and recorded."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from probes.errors import OutsideError
from tools.chat.budget import Budget
from tools.chat.interface import Answer, CallFailed, ChatModel, Request, request_key
from tools.chat.ledger import Call, Ledger
from tools.chat.prices import Price

DOWN_AFTER = 10
"""Failed calls in a row after which the server counts as down; one at which nobody listens is enough."""

Check = Callable[[Answer], str | None]
"""Tells why an answer cannot be used, or None where it can."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer with its call's number in the ledger. found: it was there. unusable: why it cannot be used."""

    answer: Answer
    call: int
    found: bool
    unusable: str | None = None


@dataclass(slots=True)
class Counts:
    """Where asking stands, for progress: of this process and model."""

    done: int = 0
    in_flight: int = 0
    found: int = 0
    failed: int = 0
    unusable: int = 0


class Asker:
    """One model, asked on behalf of one scope. price: None where unknown."""

    def __init__(self, model: ChatModel, ledger: Ledger, budget: Budget, price: Price | None) -> None:
        self.model = model
        self.counts = Counts()
        self._ledger = ledger
        self._budget = budget
        self._price = price
        self._flights: dict[bytes, asyncio.Future[Asked]] = {}
        self._reused: Counter[tuple[str, str]] = Counter()
        self._failed_in_a_row = 0
        abilities = getattr(model, "abilities", None)
        if abilities is not None:
            name = f"{model.name} {model.endpoint}"
            abilities.lacking |= ledger.lacking(name)
            abilities.learned = lambda feature: ledger.remember_lacking(name, feature)

    async def ask(
        self, request: Request, purpose: str, *, check: Check | None = None, keep_request: bool = False
    ) -> Asked:
        """The answer to a request. The same request at the same time is one call.

        check: decides whether an answer can be used; one that cannot is handed back, marked, and asked for anew by
        the next who asks. keep_request: keep the request's text too (judgments can be told from the run; what a
        proposer was shown cannot). Raises CallFailed, Lacking, BudgetSpent, OutsideError, InputError.
        """
        key = request_key(self.model, request)
        while key in self._flights:
            flight = self._flights[key]
            await asyncio.wait([flight])
            if not flight.cancelled():
                return self._again(flight.result(), purpose)
        found = self._find(key, check)
        if found is not None:
            return self._again(found, purpose)
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        text = request.canonical if keep_request else None
        try:
            asked = await self._pay(key, request, purpose, check, text)
            if asked.answer.ran_dry:  # by now the model is known to think, and gets room for it
                self._ledger.reject(asked.call, "all tokens went into thinking")
                asked = await self._pay(key, request, purpose, check, text)
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except BaseException as error:
            flight.set_exception(error)
            flight.exception()  # others may be waiting for it or not
            raise
        else:
            flight.set_result(asked)
            return asked
        finally:
            del self._flights[key]

    def most_cost(self, request: Request) -> float | None:
        """US dollars that a call can cost at most; None where the price is unknown."""
        return self._price.most(*self.model.most_tokens(request)) if self._price else None

    def count_reused(self, purpose: str, count: int) -> None:
        """Counts judgments that were found in the ledger, so that no call was needed."""
        self._reused[purpose, self.model.name] += count
        self.counts.found += count

    async def close(self) -> None:
        """Writes down what is counted, and closes the model; the ledger stays open."""
        self._ledger.add_reused(self._budget.scope, self._reused)
        self._reused.clear()
        self._budget.keep_time()
        await self.model.close()

    def _again(self, asked: Asked, purpose: str) -> Asked:
        self.count_reused(purpose, 1)
        return Asked(asked.answer, asked.call, True, asked.unusable)

    def _find(self, key: bytes, check: Check | None) -> Asked | None:
        """An answer from the ledger. One that was recorded but not checked before a kill is checked now."""
        while found := self._ledger.find(key):
            number, answer = found
            reason = check(answer) if check else None
            if reason is None:
                return Asked(answer, number, True)
            self._ledger.reject(number, reason)
        return None

    async def _pay(
        self, key: bytes, request: Request, purpose: str, check: Check | None, text: str | None
    ) -> Asked:
        async with self._budget.claim(self.most_cost(request)) as claim:
            began = time.monotonic()
            self.counts.in_flight += 1
            try:
                answer = await self.model.answer(request)
            except CallFailed as failure:
                self._failed(key, purpose, failure, time.monotonic() - began)
                raise
            finally:
                self.counts.in_flight -= 1
            seconds = time.monotonic() - began
            claim.paid = True
            claim.cost = self._price.cost(answer) if self._price else None
            call = Call(
                key,
                self._budget.scope,
                purpose,
                self.model.name,
                "answered",
                seconds,
                answer=answer,
                request=text,
                cost=claim.cost,
            )
            number = self._ledger.record(call)
        self._failed_in_a_row = 0
        self.counts.done += 1
        reason = check(answer) if check else None
        if reason is not None:
            self._ledger.reject(number, reason)
            self.counts.unusable += 1
        return Asked(answer, number, False, reason)

    def _failed(self, key: bytes, purpose: str, failure: CallFailed, seconds: float) -> None:
        """Records a call that came to nothing. Raises OutsideError where the server must be down."""
        scope, name = self._budget.scope, self.model.name
        self._ledger.record(Call(key, scope, purpose, name, "failed", seconds, reason=str(failure)))
        self.counts.failed += 1
        if failure.reason == "too long":
            return  # which says nothing of the server
        self._failed_in_a_row += 1
        if failure.unreachable or self._failed_in_a_row >= DOWN_AFTER:
            raise OutsideError(
                f"{name}: {failure.detail}; see that the server is up and its address right, then run the same "
                "command again: what was answered is kept"
            ) from None
