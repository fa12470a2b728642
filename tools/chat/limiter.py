"""How many calls may be in flight: more while all goes well, half as many when the server says it is too much.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989), with a quick start until the
first complaint. A server that names a time to wait is left alone until then.
"""

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

_LONGEST_PAUSE = 120.0  # seconds; a server that asks for more makes its call fail instead
_ONE_COMPLAINT = 1.0  # seconds in which complaints are one: those calls were all sent before it was heard


class Limiter:
    """A limit on calls in flight that adapts. `limit` is the present one, `in_flight` how many there are.

    Event loops of several threads may share it.
    """

    def __init__(self, first: int = 8, most: int = 64) -> None:
        self.limit = float(first)
        self.in_flight = 0
        self._most = float(most)
        self._quick = True
        self._resume_at = 0.0
        self._deaf_until = 0.0
        self._guard = threading.Lock()
        self._waiting: deque[_Turn] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for a place, and holds it for the length of the block."""
        await self._enter()
        try:
            yield
        finally:
            with self._guard:
                self.in_flight -= 1
            self._wake()

    def went_well(self) -> None:
        """A call was answered."""
        with self._guard:
            self.limit = min(self._most, self.limit + (1.0 if self._quick else 1.0 / self.limit))

    def too_much(self, retry_after: float | None) -> None:
        """The server complained. retry_after: seconds that it asks to be left alone."""
        now = time.monotonic()
        with self._guard:
            self._resume_at = max(self._resume_at, now + min(retry_after or 0.0, _LONGEST_PAUSE))
            if now < self._deaf_until:
                return
            self._quick = False
            self.limit = max(1.0, self.limit / 2)
            self._deaf_until = now + max(_ONE_COMPLAINT, min(retry_after or 0.0, _LONGEST_PAUSE))

    async def _enter(self) -> None:
        while True:
            with self._guard:
                pause = self._resume_at - time.monotonic()
                if pause <= 0 and self.in_flight < int(self.limit):
                    self.in_flight += 1
                    return
                turn = None if pause > 0 else _Turn.of_this_loop()
                if turn is not None:
                    self._waiting.append(turn)
            if turn is None:
                await asyncio.sleep(pause)
            else:
                await self._wait(turn)

    async def _wait(self, turn: "_Turn") -> None:
        """Waits until a place may have become free."""
        try:
            await turn.future
        except asyncio.CancelledError:
            with self._guard:
                waits = turn in self._waiting
                if waits:
                    self._waiting.remove(turn)
            if not waits:
                self._wake()  # the place was for this one; it goes to the next
            raise

    def _wake(self) -> None:
        with self._guard:
            free = int(self.limit) - self.in_flight
            turns = [self._waiting.popleft() for _ in range(min(free, len(self._waiting)))]
        for turn in turns:
            turn.come()


class Limiters:
    """The limiters of a process that several clients of one model share, by the model's name."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._limiters: defaultdict[str, Limiter] = defaultdict(Limiter)

    def of(self, model: str) -> Limiter:
        with self._guard:
            return self._limiters[model]


@dataclass(frozen=True, eq=False)
class _Turn:
    """One that waits, in its event loop."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[None]"

    @classmethod
    def of_this_loop(cls) -> Self:
        loop = asyncio.get_running_loop()
        return cls(loop, loop.create_future())

    def come(self) -> None:
        """Ends the waiting, from any thread. A loop that has been closed has nobody who waits."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._came)

    def _came(self) -> None:
        if not self.future.done():
            self.future.set_result(None)
