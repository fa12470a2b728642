"""What both protocols have in common: what a model is asked, what it says, and how the server counts and fails."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.servers.faults import Faults, spoiled
from tests.servers.loopback import HttpReply, HttpRequest, LoopbackServer


@dataclass(frozen=True)
class Turn:
    """role: system, user, assistant or tool. calls: (id, name, arguments) of an assistant's turn."""

    role: str
    text: str
    calls: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True)
class Asked:
    """A request as a model sees it, whichever protocol it came by. tools: name to JSON schema of the arguments."""

    model: str
    turns: tuple[Turn, ...]
    max_tokens: int
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    may_call: bool = True
    schema: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All turns but the model's own."""
        return "\n\n".join(turn.text for turn in self.turns if turn.role != "assistant")


@dataclass(frozen=True)
class Said:
    """What a model says. logprobs: of each token (token, [(alternative, logprob)]) where asked for."""

    text: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    refusal: str = ""
    finish: str = "stop"
    thinking_tokens: int = 0
    logprobs: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()


class Refused(Exception):
    """The server refuses a request with this status and message, as real ones do."""

    def __init__(self, status: int, message: str, code: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


Model = Callable[[Asked], Said]


class ChatServer:
    """Both protocols on one port. model: what answers; lacking: features that are refused; key: that it wants.

    `distinct` counts requests by the hash of path and body, `served` those of them that were answered in full,
    `at_once` those under way now, `faults` what was done wrong on purpose. `headers` are those of the last
    request, `refusals` what was refused.
    """

    def __init__(
        self,
        model: Model,
        *,
        faults: Faults | None = None,
        lacking: Collection[str] = (),
        key: str | None = None,
        delay: float = 0.0,
        port: int = 0,
    ) -> None:
        self.model = model
        self.faults = faults or Faults()
        self.lacking = set(lacking)
        self.distinct: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.refusals: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.last: Mapping[str, Any] = {}
        self.most_at_once = 0
        self.redirect_to: str | None = None
        self.at_once = 0
        self._key = key
        self._delay = delay
        self._server = LoopbackServer(self._handle, port)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def openai(self) -> str:
        """Base address for OpenAI's client."""
        return f"{self._server.address}/v1"

    @property
    def anthropic(self) -> str:
        """Base address for Anthropic's client."""
        return self._server.address

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    async def _handle(self, request: HttpRequest) -> HttpReply:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._delay:
                await asyncio.sleep(self._delay)
            return await self._reply(request)
        finally:
            self.at_once -= 1

    async def _reply(self, request: HttpRequest) -> HttpReply:
        from tests.servers import anthropic_wire, openai_wire

        self.headers = request.headers
        if self.redirect_to is not None:
            return HttpReply(307, headers={"location": self.redirect_to + request.path})
        wires = {"/v1/chat/completions": openai_wire, "/v1/messages": anthropic_wire}
        wire = wires.get(request.path.partition("?")[0])
        if wire is None or request.method != "POST":
            return HttpReply(404, b'{"error": {"message": "Not Found", "type": "not_found_error"}}')
        digest = hashlib.sha256(request.path.encode() + b"\n" + request.body).hexdigest()
        self.distinct[digest] += 1
        try:
            self._authorized(request)
            body = json.loads(request.body)
            self.last = body
            asked = wire.asked(body, self.lacking)
            fault = self.faults.of(digest, self.distinct[digest])
            early = await fault.before() if fault else None
            if early is not None:
                return early
            said = self.model(asked)
            if fault and fault.spoils:
                said = spoiled(said, asked, fault.name)
            data = json.dumps(wire.reply(asked, said)).encode()
            if fault and fault.name == "half a body":
                return HttpReply(200, data, keep=len(data) // 2)
            if fault and fault.name == "no JSON":
                return HttpReply(200, b"<html>it works</html>", {"content-type": "text/html"})
            self.served[digest] += 1
            return HttpReply(200, data)
        except Refused as refused:
            self.refusals.append(refused.message)
            return HttpReply(refused.status, json.dumps(wire.error(refused)).encode())

    def _authorized(self, request: HttpRequest) -> None:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            given = request.headers.get("authorization", "none")
            raise Refused(401, f"Incorrect API key provided: {given}", "invalid_api_key")


def scripted(*answers: Said | str | Mapping[str, Any]) -> Model:
    """A model that says these, one after another, the last one over and over. A mapping is said as JSON."""
    waiting = list(answers)

    def model(asked: Asked) -> Said:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Said):
            return answer
        return Said(answer if isinstance(answer, str) else json.dumps(answer))

    return model


def tokens(text: str) -> int:
    """A count of tokens that grows with a text as real ones do."""
    return max(1, len(text.encode()) // 4)
