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
from tools.chat.sdk import MAX_RETRIES, PLACEHOLDER, SdkModel, sendable
from tools.chat.spec import Key, ModelSpec

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion
    from openai.types.chat.chat_completion import Choice

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
        completion: ChatCompletion = await self._client.chat.completions.create(
            model=self.spec.model,
            messages=messages,
            extra_body=parameters,  # as they are: the SDK would walk through schemas and find nothing to change
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


def _answer(request: Request, completion: "ChatCompletion", way: Structured) -> Answer:
    choice = completion.choices[0]
    message = choice.message
    refusal = message.refusal or ""
    text = str(message.content or "")
    finish: Finish = "refusal" if refusal else _FINISHES.get(str(choice.finish_reason), "other")
    usage = completion.usage
    details = usage.prompt_tokens_details if usage is not None else None
    return make_answer(
        request,
        text or refusal,
        finish,
        way=way,
        tool_calls=_calls(message.tool_calls),
        levels=level_tokens(without_thinking(text), _tokens(choice), request.level_names),
        input_tokens=usage.prompt_tokens if usage is not None else None,
        output_tokens=usage.completion_tokens if usage is not None else None,
        cached_tokens=(details.cached_tokens or 0) if details is not None else 0,
    )


def _calls(calls: Any) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(str(call.id), str(call.function.name), str(call.function.arguments or ""))
        for call in calls or []
        if getattr(call, "function", None) is not None
    )


def _tokens(choice: "Choice") -> list[TokenLogprobs]:
    told = choice.logprobs.content if choice.logprobs is not None else None
    return [
        TokenLogprobs(
            one.token,
            bytes(one.bytes) if one.bytes is not None else one.token.encode("utf-8", "replace"),
            [(other.token, other.logprob) for other in one.top_logprobs or []],
        )
        for one in told or []
    ]
