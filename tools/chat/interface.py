"""Chat models as the project uses them: one request, one answer, whoever serves it.

Who uses what, from the outside inward:

* The proposer and the judge build a `Request` and hand it to `asking.Asker.ask`, which finds the answer in the
  ledger or pays for it once, inside the budget, and says which. They never call a client themselves.
* `asking.Asker` is made of a `ChatModel` (`connect.connect(spec)`), a `ledger.Ledger` (one a run, opened by the
  agent and handed in) and a `budget.Budget` (one a discovery). Judgments are looked up and kept in the ledger by
  `ledger.judgment_key`, however criteria were grouped into calls.
* One `Asker` a model and scope: it keeps requests from being sent twice at once. All of this belongs to one
  event loop: code that is not async holds one `asyncio.Runner` as long as the model.
* A `ChatModel` is an OpenAI-compatible server (`openai_client`), an Anthropic-compatible one (`anthropic_client`)
  or a model in this process (`local_client`). What a model cannot do it says once, by its server's own error
  (`abilities`); the request is adapted, and `Answer.structured` tells which way was used.
* `parsing` reads what models write where JSON or a level was wanted; `level_tokens` reads the probabilities of a
  level's tokens; `fence` sets text that is not ours apart; `prices` turns tokens into money, or says that nobody
  knows the price.

What goes wrong is typed. `CallFailed`: this one call came to nothing, count it and go on. `Lacking`: the model
has no tool calling, ask in one prompt. `BudgetSpent`: an ordinary end. `OutsideError` (probes.errors): the server
is down or out of quota, the run can be taken up later. `InputError`: the key or the model's name is wrong.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, Protocol

from tools.chat.parsing import last_json, without_thinking

# Interfaces

Role = Literal["system", "user", "assistant", "tool"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for. text: its arguments as the model wrote them; `id` links the result to it."""

    id: str
    name: str
    text: str

    @property
    def arguments(self) -> dict[str, Any] | None:
        """The arguments, or None where what the model wrote is no complete JSON object."""
        found = last_json(self.text)
        return found.value if found and found.complete and isinstance(found.value, dict) else None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. tool_calls: of an assistant's turn. call_id: of a tool's turn, the call that it answers."""

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer. parameters: JSON schema of an object."""

    name: str
    description: str
    parameters: Json


@dataclass(frozen=True, slots=True)
class Schema:
    """JSON that is wanted. Every object in it lists all its properties as required and allows no others."""

    name: str
    schema: Json


@dataclass(frozen=True)
class Request:
    """What a model is asked. The same request has the same answer in the ledger: a `seed` tells draws apart.

    max_tokens: of the answer, room for thinking not included. may_call: whether the tools may be called, or are
    only named because earlier turns called them. level_names: where the answer writes one of these, the
    log-probabilities of all of them are wanted, if the server tells.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    schema: Schema | None = None
    tools: tuple[Tool, ...] = ()
    may_call: bool = True
    temperature: float | None = None
    seed: int | None = None
    level_names: tuple[str, ...] = ()

    @cached_property
    def canonical(self) -> str:
        """The whole request as JSON, the same for equal requests; ASCII, so that any text can be written."""
        return _CANONICAL.encode(_fields(self))


@dataclass(frozen=True, slots=True)
class LevelTokens:
    """A level that stands in an answer. offset: its first character in `Answer.text`.

    logprobs: natural logarithm of the probability of every level's name at this place, of those that the server
    told; those of names that it left out are smaller than each of these.
    """

    offset: int
    name: str
    logprobs: Mapping[str, float]


Kind = Literal["text", "json", "tool_calls", "refusal"]
Finish = Literal["stop", "length", "tool_calls", "refusal", "other"]
Structured = Literal["none", "schema", "object", "tool", "guided", "parsed"]
"""How JSON was come by: none wanted; by the server's schema, its plain JSON mode, or a forced tool; written under
guidance in process; or read out of what the model wrote."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered.

    kind: `json` where JSON was wanted and found, then in `value`; `refusal` where the server says so or nothing
    was written. text: without thinking. complete: False where the JSON was cut off; then `value` holds what stood
    there whole.
    Tokens are None where the server does not tell; cached_tokens are those of input_tokens that cost less.
    """

    kind: Kind
    text: str
    finish: Finish
    structured: Structured = "none"
    value: Any = None
    complete: bool = True
    tool_calls: tuple[ToolCall, ...] = ()
    levels: tuple[LevelTokens, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0

    @property
    def ran_dry(self) -> bool:
        """Whether the tokens ran out before a word was said: all of them went into thinking."""
        return self.finish == "length" and not self.text and not self.tool_calls

    def to_json(self) -> str:
        """As the ledger keeps it."""
        return json.dumps(_fields(self), default=_fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Answer":
        """What `to_json` wrote."""
        told: dict[str, Any] = json.loads(text)
        told["tool_calls"] = tuple(ToolCall(**one) for one in told["tool_calls"])
        told["levels"] = tuple(LevelTokens(**one) for one in told["levels"])
        return cls(**told)


class ChatModel(Protocol):
    """A model that answers. Its name and endpoint are part of the key under which an answer is kept."""

    @property
    def name(self) -> str:
        """The model's spec, as a person writes it; holds no key."""

    @property
    def endpoint(self) -> str:
        """Where it is served: the address, or what tells a model in this process from others."""

    def most_tokens(self, request: Request) -> tuple[int, int]:
        """No call for this request takes more tokens than these: input, output."""

    async def answer(self, request: Request) -> Answer:
        """Asks. Raises CallFailed, Lacking, OutsideError or InputError (see the top of this file)."""

    async def close(self) -> None:
        """Gives back connections or memory."""


FailureReason = Literal[
    "time-out", "connection", "server error", "rate limit", "too long", "rejected", "unreadable body"
]


class CallFailed(Exception):
    """One call came to nothing after all retries. unreachable: nobody listens at the address."""

    def __init__(self, reason: FailureReason, detail: str, *, unreachable: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.unreachable = unreachable


class Lacking(Exception):
    """The model cannot do what the request cannot be without (tool calling)."""


class BudgetSpent(Exception):
    """A budget is spent: an ordinary end. The text names the setting and its value."""


# Implementations


def _fields(record: Any) -> dict[str, Any]:
    """A record of this file as JSON writes it; `asdict` would copy all that is in it."""
    return {one.name: getattr(record, one.name) for one in fields(record)}


_CANONICAL = json.JSONEncoder(default=_fields, sort_keys=True, separators=(",", ":"), allow_nan=False)


def request_key(model: ChatModel, request: Request) -> bytes:
    """SHA-256 over the model, its endpoint and the whole request."""
    whole = f"{json.dumps([model.name, model.endpoint])}\n{request.canonical}"
    return hashlib.sha256(whole.encode()).digest()


def make_answer(
    request: Request,
    text: str,
    finish: Finish,
    *,
    way: Structured = "none",
    tool_calls: tuple[ToolCall, ...] = (),
    **told: Any,
) -> Answer:
    """The answer that these parts are. way: by which JSON was asked for; told: the remaining fields.

    JSON counts as come by that way only if what was written is JSON from end to end: some servers take a schema
    and ignore it.
    """
    spoken = without_thinking(text)
    if tool_calls:
        return Answer("tool_calls", spoken, finish, tool_calls=tool_calls, **told)
    if finish == "refusal" or (not spoken and finish != "length"):
        return Answer("refusal", spoken, "refusal", **told)
    if request.schema is None:
        return Answer("text", spoken, finish, **told)
    strict = _strict_json(spoken)
    if strict is not None:
        return Answer("json", spoken, finish, way, value=strict, **told)
    found = last_json(spoken)
    if found is None:
        return Answer("text", spoken, finish, "parsed", **told)
    return Answer("json", spoken, finish, "parsed", value=found.value, complete=found.complete, **told)


def json_instruction(schema: Schema) -> str:
    """What a model is told where its server has no structured output."""
    return (
        "Answer with one JSON object and nothing else. It must satisfy this JSON schema:\n"
        f"{json.dumps(schema.schema, ensure_ascii=False)}"
    )


def _strict_json(text: str) -> Any:
    """The value of a text that is JSON from end to end, an object or a list, else None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None
