"""Models behind the `openai` SDK: OpenAI itself, and servers that speak its chat completions (vLLM and others)."""

from typing import TYPE_CHECKING, Any

from tools.chat.abilities import Feature
from tools.chat.interface import (
    Answer,
    Finish,
    Json,
    Message,
    Request,
    Structured,
    ToolCall,
    json_instruction,
    make_answer,
)
from tools.chat.level_tokens import TokenLogprobs, level_tokens
from tools.chat.limiter import Limiter
from tools.chat.parsing import without_thinking
from tools.chat.sdk import MAX_RETRIES, PLACEHOLDER, SdkModel, count, member, members, sendable
from tools.chat.spec import Key, ModelSpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_LIKELIEST = 20  # most alternatives of a token that servers tell
_FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "refusal",
}


class OpenAIModel(SdkModel["AsyncOpenAI"]):
    """A model that is asked by chat completions."""

    def __init__(self, spec: ModelSpec, key: Key | None, limiter: Limiter | None = None) -> None:
        import openai

        super().__init__(spec, key, limiter, openai)

    def _connect(self) -> "AsyncOpenAI":
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        return AsyncOpenAI(
            api_key=PLACEHOLDER,
            base_url=self.endpoint,
            max_retries=MAX_RETRIES,
            http_client=self.gated_http(DefaultAsyncHttpxClient, _is_completion),
        )

    def _wanted(self, request: Request) -> frozenset[Feature]:
        # The older name is the one that compatible servers know; some ignore the newer one without a word.
        limit: tuple[Feature, Feature] = ("max_tokens", "max_completion_tokens")
        found: set[Feature] = {limit[1]} if self.spec.is_providers_own else set(limit)
        found |= {"temperature"} if request.temperature is not None else set()
        found |= {"seed"} if request.seed is not None else set()
        found |= {"logprobs"} if request.level_names else set()
        found |= {"schema", "object"} if request.schema is not None else set()
        found |= {"tools"} if request.tools else set()
        return frozenset(found)

    async def _send(self, request: Request, features: frozenset[Feature], max_tokens: int) -> Answer:
        limit = "max_tokens" if "max_tokens" in features else "max_completion_tokens"
        parameters: dict[str, Any] = {limit: max_tokens}
        if "temperature" in features:
            parameters["temperature"] = request.temperature
        if "seed" in features:
            parameters["seed"] = request.seed
        if "logprobs" in features:
            parameters |= {"logprobs": True, "top_logprobs": _LIKELIEST}
        if "tools" in features:
            parameters["tools"] = [_tool(tool.name, tool.description, tool.parameters) for tool in request.tools]
            parameters["tool_choice"] = "auto" if request.may_call else "none"
        way: Structured = "parsed"
        if request.schema is not None and "schema" in features:
            way = "schema"
            wanted = {"name": request.schema.name, "schema": request.schema.schema, "strict": True}
            parameters["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif request.schema is not None and "object" in features:
            way = "object"
            parameters["response_format"] = {"type": "json_object"}
        messages = [_turn(message) for message in request.messages]
        if request.schema is not None and way != "schema":
            messages.append({"role": "user", "content": json_instruction(request.schema)})
        completion = await self._post(
            "/chat/completions", {"model": self.spec.model, "messages": messages, **parameters}
        )
        return _answer(request, completion, way)


def _is_completion(body: Any) -> bool:
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list) or not body["choices"]:
        return False
    choice = body["choices"][0]
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict)


def _turn(message: Message) -> Any:
    content = sendable(message.text)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": content}
    if not message.tool_calls:
        return {"role": message.role, "content": content}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": sendable(call.text)}}
        for call in message.tool_calls
    ]
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def _tool(name: str, description: str, parameters: Json) -> Any:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _answer(request: Request, completion: Any, way: Structured) -> Answer:
    choice = completion["choices"][0]
    message = choice["message"]
    refusal = str(message.get("refusal") or "")
    text = str(message.get("content") or "")
    finish: Finish = "refusal" if refusal else _FINISHES.get(str(choice.get("finish_reason")), "other")
    usage = member(completion, "usage")
    return make_answer(
        request,
        text or refusal,
        finish,
        way=way,
        tool_calls=_calls(message),
        levels=level_tokens(without_thinking(text), _tokens(choice), request.level_names),
        input_tokens=count(usage, "prompt_tokens"),
        output_tokens=count(usage, "completion_tokens"),
        cached_tokens=count(member(usage, "prompt_tokens_details"), "cached_tokens") or 0,
    )


def _calls(message: Json) -> tuple[ToolCall, ...]:
    called = [(str(call.get("id")), member(call, "function")) for call in members(message, "tool_calls")]
    return tuple(
        ToolCall(number, str(function.get("name")), str(function.get("arguments") or ""))
        for number, function in called
        if function
    )


def _tokens(choice: Json) -> list[TokenLogprobs]:
    return [
        TokenLogprobs(str(one.get("token")), _encoded(one), _likeliest(one))
        for one in members(member(choice, "logprobs"), "content")
    ]


def _encoded(token: Json) -> bytes:
    """A token's own bytes, which may be a part of a character."""
    try:
        return bytes(token["bytes"])
    except (KeyError, TypeError, ValueError):
        return str(token.get("token")).encode("utf-8", "replace")


def _likeliest(token: Json) -> list[tuple[str, float]]:
    return [
        (str(one.get("token")), float(one["logprob"]))
        for one in members(token, "top_logprobs")
        if isinstance(one.get("logprob"), int | float)
    ]
