"""What the clients of the two SDKs share: the gate that requests pass, adapting them, and saying what went wrong.

The SDKs retry by themselves (rate limits with their retry-after, server errors, broken connections). Here is what
they leave open: a body that is no answer is retried like a broken connection, no redirect is followed, and the key
is put into a request only at the gate, so that no object of an SDK, and so no repr or traceback, ever holds it.
"""

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

from probes.errors import InputError, OutsideError
from runs.files import shown
from tools.chat.abilities import REFUSALS, THINKS, Abilities, Feature, refused_feature
from tools.chat.interface import Answer, CallFailed, Lacking, Request
from tools.chat.limiter import Limiter
from tools.chat.spec import KEY_VARIABLES, OWN_SERVER_KEY, Key, ModelSpec

if TYPE_CHECKING:
    import httpx2

PLACEHOLDER = "none"
"""What the SDKs are given in the place of a key."""

MAX_RETRIES = 4
THINKING_ROOM = 8000
"""Tokens added for a model that thinks before it answers."""

_CONNECT_SECONDS, _READ_SECONDS, _CALL_SECONDS = 10.0, 300.0, 900.0
LARGEST_BODY = 16_000_000
"""Bytes of a reply that are read; the longest answers have a hundredth of that."""

_LONGEST_WAIT = 120.0  # seconds that a retry may wait; then the run ends and can be taken up later
_TOO_MUCH = {429, 503, 529}
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|\[?::1\]?")
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|max_model_len|too long|too many tokens|maximum.{0,20}tokens", re.I
)
_OUT_OF_QUOTA = re.compile(r"insufficient_quota|quota|billing|credit balance|spend.{0,10}limit", re.I)
_LEAVES_FOR_USERS_SERVER = {
    b"host",
    b"accept",
    b"accept-encoding",
    b"connection",
    b"content-type",
    b"content-length",
    b"user-agent",
    b"anthropic-version",
    b"x-stainless-retry-count",
}
"""Headers that go to a server named by address: nothing that the environment adds for a provider."""


class _Posting(Protocol):
    """What the clients of both SDKs can do."""

    async def post(self, path: str, *, cast_to: Any, body: Any) -> Any: ...

    async def close(self) -> None: ...


_Client = TypeVar("_Client", bound=_Posting)


class SdkModel(ABC, Generic[_Client]):
    """A chat model behind one of the SDKs. Subclasses say how a request is sent."""

    def __init__(self, spec: ModelSpec, key: Key | None, limiter: Limiter | None, sdk: Any) -> None:
        """sdk: the module, which names its errors as the other one does."""
        self.status_errors: tuple[type[Exception], ...] = (sdk.APIStatusError,)
        self.connection_errors: tuple[type[Exception], ...] = (sdk.APIConnectionError,)
        self.timeout_errors: tuple[type[Exception], ...] = (sdk.APITimeoutError,)
        self.spec = spec
        self.abilities = Abilities()
        self.limiter = limiter or Limiter()
        self._key = key
        self._proven: set[frozenset[Feature]] = set()
        self._first = asyncio.Lock()
        self._client = self._connect()

    @property
    def name(self) -> str:
        return str(self.spec)

    @property
    def endpoint(self) -> str:
        return self.spec.endpoint

    def most_tokens(self, request: Request) -> tuple[int, int]:
        """A token is a byte at least; what chat templates add is small against that."""
        return len(request.canonical), request.max_tokens + self._room

    async def answer(self, request: Request) -> Answer:
        """See `ChatModel.answer`. The first request that wants something new goes alone: it may be refused."""
        wanted = self._wanted(request)
        try:
            async with self.limiter.slot(), self._alone_at_first(wanted), asyncio.timeout(_CALL_SECONDS):
                answer = await self._adapted(request)
        except TimeoutError:
            raise CallFailed("time-out", f"no answer within {_CALL_SECONDS / 60:.0f} minutes") from None
        self.limiter.went_well()
        self._proven.add(wanted)
        return answer

    @property
    def _room(self) -> int:
        return THINKING_ROOM if THINKS in self.abilities.lacking else 0

    async def close(self) -> None:
        await self._client.close()

    @abstractmethod
    def _connect(self) -> _Client:
        """The SDK's client, with `PLACEHOLDER` as its key and `gated_http` as its connection."""

    @abstractmethod
    def _wanted(self, request: Request) -> frozenset[Feature]:
        """Features that a request would use of a model that lacks nothing."""

    @abstractmethod
    async def _send(self, request: Request, features: frozenset[Feature], max_tokens: int) -> Answer:
        """Asks once, using just these features."""

    def _usable(self, request: Request, lacking: set[str]) -> frozenset[Feature]:
        """Of what the request wants the best that the model does not lack. Raises Lacking."""
        left = self._wanted(request) - lacking
        if request.tools and request.may_call and "tools" in lacking:
            raise Lacking(f"{shown(self.name, 80)} cannot call tools")
        ways = [way for way in ("schema", "object", "answer_tool") if way in left]
        return frozenset(left - set(ways[1:]))

    async def _adapted(self, request: Request) -> Answer:
        """The answer, to a request without what the model refused; what it refused is believed once that helped.

        One that ran dry while thinking is handed back as it is: it was paid for. The next gets room to think.
        """
        tentative: set[str] = set()
        while True:
            features = self._usable(request, self.abilities.lacking | tentative)
            try:
                answer = await self._send(request, features, request.max_tokens + self._room)
            except self.status_errors as error:
                refused = self._refused(error, features)
                if refused is None:
                    self._explain(error)
                tentative.add(refused)
                if refused == "tools":  # no answer without them will bear that out
                    self.abilities.learn({refused})
                continue
            except (*self.connection_errors, *self.timeout_errors) as error:
                self._explain(error)
            self.abilities.learn(tentative | ({THINKS} if answer.ran_dry else set()))
            return answer

    def _refused(self, error: Exception, features: frozenset[Feature]) -> Feature | None:
        if getattr(error, "status_code", 0) not in REFUSALS:
            return None
        message = self._said(error)
        return None if _TOO_LONG.search(message) else refused_feature(message, features)

    @asynccontextmanager
    async def _alone_at_first(self, wanted: frozenset[Feature]) -> AsyncIterator[None]:
        if wanted in self._proven:
            yield
            return
        async with self._first:
            if wanted not in self._proven:
                yield
                return
        yield

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of a reply that `gated_http` let through, by the SDK's retries.

        Past its typed methods, which take a third of a call's time to copy requests and replies into types that
        they do not check: what servers send is not to be trusted either way.
        """
        return await self._client.post(path, cast_to=object, body=body)

    # The gate

    def gated_http(self, client_class: "type[httpx2.AsyncClient]", is_answer: Callable[[Any], bool]) -> Any:
        """The SDK's own kind of connection, with the gate in it. is_answer: whether a body's JSON is an answer."""
        import httpx2

        host = urlsplit(self.endpoint).hostname or ""

        async def leaving(request: "httpx2.Request") -> None:
            if not self.spec.is_providers_own:
                raw = request.headers.raw
                kept = [pair for pair in raw if pair[0].lower() in _LEAVES_FOR_USERS_SERVER]
                request.headers = httpx2.Headers(kept)
            request.headers["accept-encoding"] = "identity"  # what is packed may be of any size
            request.headers.pop("authorization", None)
            if self._key is not None:
                request.headers["authorization"] = f"Bearer {self._key.reveal()}"
                if not self.spec.is_providers_own and self.spec.provider == "anthropic":
                    request.headers["x-api-key"] = self._key.reveal()  # where such servers look for it

        class Bounded(httpx2.AsyncByteStream):
            """A body up to the largest that is read; what follows is left on the connection, which is closed."""

            def __init__(self, body: httpx2.AsyncByteStream) -> None:
                self._body = body

            async def __aiter__(self) -> AsyncIterator[bytes]:
                left = LARGEST_BODY
                async for part in self._body:
                    yield part[:left]
                    left -= len(part)
                    if left <= 0:
                        return

            async def aclose(self) -> None:
                await self._body.aclose()

        async def arriving(response: "httpx2.Response") -> None:
            assert isinstance(response.stream, httpx2.AsyncByteStream)
            response.stream = Bounded(response.stream)
            response.headers.pop("content-encoding", None)  # what was packed all the same is not unpacked
            if response.status_code in _TOO_MUCH:
                wait = _retry_after(response)
                self.limiter.too_much(wait)
                if wait is not None and wait > _LONGEST_WAIT:
                    response.headers["x-should-retry"] = "false"  # which both SDKs obey
            if response.status_code == 200:
                await response.aread()
                try:
                    sound = is_answer(json.loads(response.content))
                except (ValueError, RecursionError):
                    sound = False
                echoes_key = self._key is not None and self._key.reveal().encode() in response.content
                if not sound or echoes_key:
                    raise httpx2.RemoteProtocolError("the body is no answer", request=response.request)

        return client_class(
            base_url=self.endpoint,
            timeout=httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            follow_redirects=False,
            # a proxy that the environment names is not for this machine itself
            mounts={f"all://{host}": None} if _LOOPBACK.fullmatch(host) else {},
            event_hooks={"request": [leaving], "response": [arriving]},
        )

    # What went wrong

    def _said(self, error: Exception) -> str:
        """All that the server said, without the key if it echoes that."""
        text = str(getattr(error, "message", "") or error)
        return self._key.hidden_in(text) if self._key else text

    def _words(self, error: Exception) -> str:
        """The sentence in what the server said, or else all of it."""
        body = getattr(error, "body", None)
        told = body.get("error", body) if isinstance(body, dict) else None
        words = told.get("message") if isinstance(told, dict) else None
        if not isinstance(words, str) or not words:
            return self._said(error)
        return self._key.hidden_in(words) if self._key else words

    def _explain(self, error: Exception) -> NoReturn:
        """Raises what the caller should know, without the SDK's error, which may hold what the server echoed."""
        host = urlsplit(self.endpoint).netloc
        name = shown(self.name, 80)
        if isinstance(error, (*self.timeout_errors, *self.connection_errors)):
            raise self._connection_failure(error, host) from None
        status = int(getattr(error, "status_code", 0))
        whole = self._said(error)
        said = shown(self._words(error), 160)
        variable = KEY_VARIABLES[self.spec.provider] if self.spec.is_providers_own else OWN_SERVER_KEY
        if 300 <= status < 400:
            raise InputError(f"{name}: {host} redirects to another address; name that one instead") from None
        if status == 402 or (status in {400, 403, 429} and _OUT_OF_QUOTA.search(whole)):
            raise OutsideError(
                f"{name}: {host} says that the quota or credit is used up ({said}); once there is some again, run "
                "the same command again: what was answered is kept"
            ) from None
        if status in {401, 403}:
            what = f"refuses the key in {variable}" if self._key else f"wants a key; set {variable}"
            raise InputError(f"{name}: {host} {what} ({said})") from None
        if status in {404, 405}:
            usual = ", which usually ends in /v1" if self.spec.provider == "openai" and self.spec.address else ""
            raise InputError(f"{name}: {host} knows no such model or address{usual}: {said}") from None
        wait = _retry_after(getattr(error, "response", None))
        if wait is not None and wait > _LONGEST_WAIT:
            raise OutsideError(
                f"{name}: {host} asks to be left alone for {wait / 60:.0f} minutes; run the same command again "
                "then: what was answered is kept"
            ) from None
        if status == 429:
            raise CallFailed("rate limit", f"{host} still refuses after {MAX_RETRIES} retries: {said}") from None
        if status >= 500 or status in {408, 409}:
            raise CallFailed("server error", f"{host} answers with status {status}: {said}") from None
        if status == 413 or _TOO_LONG.search(whole):
            raise CallFailed("too long", said) from None
        raise CallFailed("rejected", f"{host} answers with status {status}: {said}") from None

    def _connection_failure(self, error: Exception, host: str) -> CallFailed:
        import httpx2

        cause = error.__cause__
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return CallFailed("connection", f"the certificate of {host} cannot be verified", unreachable=True)
        if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
            return CallFailed("connection", f"nobody answers at {host}", unreachable=True)
        if isinstance(cause, httpx2.RemoteProtocolError | httpx2.DecodingError) and "no answer" in str(cause):
            return CallFailed("unreadable body", f"what {host} sends is no answer")
        if isinstance(error, self.timeout_errors):
            return CallFailed("time-out", f"{host} did not answer in time")
        return CallFailed("connection", f"{host} broke the connection off")


def sendable(text: str) -> str:
    """Text as UTF-8 can carry it: halves of characters, which models write as escapes, become question marks."""
    return text.encode("utf-8", "replace").decode()


def member(reply: Any, name: str) -> dict[str, Any]:
    """An object within a reply, empty where it is absent or something else.

    >>> member({"usage": None}, "usage")
    {}
    """
    found = reply.get(name)
    return found if isinstance(found, dict) else {}


def members(reply: Any, name: str) -> list[dict[str, Any]]:
    """The objects in a list within a reply, none where it is absent or something else."""
    found = reply.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def count(reply: Any, name: str) -> int | None:
    """A count within a reply, None where it is not told."""
    found = reply.get(name)
    return found if isinstance(found, int) else None


def _retry_after(response: "httpx2.Response | None") -> float | None:
    """Seconds that the server asks to be left alone; None where it does not say, or names a date."""
    try:
        return max(0.0, float(response.headers.get("retry-after", ""))) if response is not None else None
    except ValueError:
        return None
