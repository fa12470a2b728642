"""How many calls may be in flight: more while all goes well, half as many when the server says it is too much.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989), with a quick start until the
first complaint. A server that names a time to wait is left alone until then.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_LONGEST_PAUSE = 120.0  # seconds; a server that asks for more makes its call fail instead
_ONE_COMPLAINT = 1.0  # seconds in which complaints are one: those calls were all sent before it was heard


class Limiter:
    """A limit on calls in flight that adapts. `limit` is the present one, `in_flight` how many there are."""

    def __init__(self, first: int = 8, most: int = 64) -> None:
        self.limit = float(first)
        self.in_flight = 0
        self._most = float(most)
        self._quick = True
        self._resume_at = 0.0
        self._deaf_until = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for a place, and holds it for the length of the block."""
        await self._enter()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._wake()

    def went_well(self) -> None:
        """A call was answered."""
        self.limit = min(self._most, self.limit + (1.0 if self._quick else 1.0 / self.limit))

    def too_much(self, retry_after: float | None) -> None:
        """The server complained. retry_after: seconds that it asks to be left alone."""
        now = time.monotonic()
        self._resume_at = max(self._resume_at, now + min(retry_after or 0.0, _LONGEST_PAUSE))
        if now < self._deaf_until:
            return
        self._quick = False
        self.limit = max(1.0, self.limit / 2)
        self._deaf_until = now + max(_ONE_COMPLAINT, min(retry_after or 0.0, _LONGEST_PAUSE))

    async def _enter(self) -> None:
        while True:
            pause = self._resume_at - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            elif self.in_flight < int(self.limit):
                self.in_flight += 1
                return
            else:
                await self._turn()

    async def _turn(self) -> None:
        """Waits until a place may have become free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake()  # the place was for this one; it goes to the next
            raise

    def _wake(self) -> None:
        free = int(self.limit) - self.in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
