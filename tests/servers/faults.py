"""What goes wrong with servers and models in practice, done on command and the same way every time.

Whether a request is answered wrongly depends on the request, on how often it was sent, and on a seed alone: not on
order or timing.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.servers.loopback import HttpReply

if TYPE_CHECKING:
    from tests.servers.chat import Asked, Said

TRANSPORT = ("rate limit", "server error", "time-out", "closed connection", "half a body", "no JSON")
"""Faults that are no answer: clients try again."""

CONTENT = ("wrong JSON", "refusal", "off the scale", "too few verdicts", "echo", "empty", "fenced", "prose around")
"""Faults that are an answer, and were paid for."""

HARMLESS = ("fenced", "prose around")
"""Of those the ones that lose nothing: a reader copes."""

_HANGS = 2.0  # seconds of a time-out; clients in tests wait for less


@dataclass(frozen=True)
class Fault:
    name: str

    @property
    def spoils(self) -> bool:
        return self.name in CONTENT

    async def before(self) -> HttpReply | None:
        """What is sent instead of asking the model, where that is so."""
        match self.name:
            case "rate limit":
                error = b'{"error": {"type": "rate_limit_error", "message": "Rate limit reached"}}'
                return HttpReply(429, error, {"retry-after": "0.02"})
            case "server error":
                return HttpReply(500, b'{"error": {"message": "internal"}}', {"retry-after-ms": "10"})
            case "time-out":
                await asyncio.sleep(_HANGS)
                return HttpReply(silent=True)
            case "closed connection":
                return HttpReply(silent=True)
        return None


@dataclass
class Faults:
    """A share of all requests that get a fault, one of the kinds. `done` counts them.

    first: faults of the first requests in order, whatever the share.
    """

    share: float = 0.0
    kinds: Sequence[str] = (*TRANSPORT, *CONTENT)
    seed: int = 0
    first: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def of(self, digest: str, time: int) -> Fault | None:
        """The fault of a request that is sent for the so-many-th time."""
        if self.first:
            return self._done(self.first.pop(0))
        told = hashlib.sha256(f"{self.seed} {digest} {time}".encode()).digest()
        if int.from_bytes(told[:4], "big") >= self.share * 2**32:
            return None
        return self._done(self.kinds[int.from_bytes(told[4:8], "big") % len(self.kinds)])

    def _done(self, name: str) -> Fault | None:
        if name == "none":
            return None
        self.done[name] += 1
        return Fault(name)


def spoiled(said: "Said", asked: "Asked", fault: str) -> "Said":
    """What a model says when it misbehaves. Tool calls are left alone."""
    if said.calls:
        return said
    match fault:
        case "wrong JSON":
            return replace(said, text=said.text.replace(":", "", 1))
        case "refusal":
            return replace(said, text="", refusal="I'm sorry, but I can't help with that.")
        case "echo":
            return replace(said, text=asked.text)
        case "empty":
            return replace(said, text="")
        case "fenced":
            return replace(said, text=f"Here you are:\n```json\n{said.text}\n```")
        case "prose around":
            return replace(said, text=f"For instance {{}} would be wrong. Mine: {said.text}. There are 5 reasons.")
        case "off the scale" | "too few verdicts":
            try:
                value = json.loads(said.text)
            except ValueError:
                return said
            wrong = _off_scale(value) if fault == "off the scale" else _fewer(value)
            return replace(said, text=json.dumps(wrong))
    raise ValueError(fault)


def _off_scale(value: Any) -> Any:
    """Every level, and every other number, is one that no scale has."""
    if isinstance(value, dict):
        return {key: 85 if key in {"level", "verdict"} else _off_scale(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_off_scale(one) for one in value]
    return 85 if isinstance(value, int) else value


def _fewer(value: Any) -> Any:
    """Without the last member of each list or object of several."""
    if isinstance(value, dict) and len(value) > 1:
        return dict(list(value.items())[:-1])
    if isinstance(value, dict):
        return {key: _fewer(one) for key, one in value.items()}
    return value[:-1] if isinstance(value, list) else value
