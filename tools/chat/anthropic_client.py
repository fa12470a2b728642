"""Models behind the `anthropic` SDK: Anthropic itself, and servers that speak its messages (vLLM and others)."""

import json
from typing import TYPE_CHECKING, Any

from tools.chat.abilities import Feature
from tools.chat.interface import (
    Answer,
    Finish,
    Message,
    Request,
    Structured,
    ToolCall,
    json_instruction,
    make_answer,
)
from tools.chat.limiter import Limiter
from tools.chat.sdk import MAX_RETRIES, PLACEHOLDER, SdkModel, count, member, members, sendable
from tools.chat.spec import Key, ModelSpec

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_FINISHES: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


class AnthropicModel(SdkModel["AsyncAnthropic"]):
    """A model that is asked by messages. The protocol has neither seeds nor log-probabilities."""

    def __init__(self, spec: ModelSpec, key: Key | None, limiter: Limiter | None = None) -> None:
        import anthropic

        super().__init__(spec, key, limiter, anthropic)

    def _connect(self) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

        return AsyncAnthropic(
            api_key=PLACEHOLDER,
            base_url=self.endpoint,
            max_retries=MAX_RETRIES,
            open_telemetry=False,  # what is asked goes to the model's server and nowhere else
            http_client=self.gated_http(DefaultAsyncHttpxClient, _is_reply),
        )

    def _wanted(self, request: Request) -> frozenset[Feature]:
        found: set[Feature] = {"temperature"} if request.temperature is not None else set()
        found |= {"tools"} if request.tools else set()
        if request.schema is not None:
            found |= {"schema"} if request.tools else {"schema", "answer_tool"}
        return frozenset(found)

    async def _send(self, request: Request, features: frozenset[Feature], max_tokens: int) -> Answer:
        parameters: dict[str, Any] = {}
        if "temperature" in features:
            parameters["temperature"] = request.temperature
        if "tools" in features:
            parameters["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in request.tools
            ]
            parameters["tool_choice"] = {"type": "auto" if request.may_call else "none"}
        turns = list(request.messages)
        way: Structured = "parsed"
        if request.schema is not None and "schema" in features:
            way = "schema"
            parameters["output_config"] = {"format": {"type": "json_schema", "schema": request.schema.schema}}
        elif request.schema is not None and "answer_tool" in features:
            way = "tool"
            described = "Takes your answer."
            parameters["tools"] = [
                {"name": request.schema.name, "description": described, "input_schema": request.schema.schema}
            ]
            parameters["tool_choice"] = {"type": "tool", "name": request.schema.name}
        elif request.schema is not None:
            turns.append(Message("user", json_instruction(request.schema)))
        system = "\n\n".join(sendable(turn.text) for turn in turns if turn.role == "system")
        if system:
            parameters["system"] = system
        body = {"model": self.spec.model, "max_tokens": max_tokens, "messages": _turns(turns), **parameters}
        return _answer(request, await self._post("/v1/messages", body), way)


def _is_reply(body: Any) -> bool:
    blocks = body.get("content") if isinstance(body, dict) else None
    return isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks)


def _turns(turns: list[Message]) -> list[Any]:
    """The turns but the system's, those of one role joined: tools' results are the user's in this protocol."""
    joined: list[Any] = []
    for turn in turns:
        if turn.role == "system":
            continue
        role = "user" if turn.role == "tool" else turn.role
        if not joined or joined[-1]["role"] != role:
            joined.append({"role": role, "content": []})
        joined[-1]["content"] += _blocks(turn)
    return joined


def _blocks(turn: Message) -> list[Any]:
    text = sendable(turn.text)
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": turn.call_id, "content": text}]
    blocks: list[Any] = [{"type": "text", "text": text}] if text.strip() else []
    for call in turn.tool_calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments or {}})
    return blocks


def _answer(request: Request, reply: Any, way: Structured) -> Answer:
    blocks = members(reply, "content")
    text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    calls = tuple(
        ToolCall(str(block.get("id")), str(block.get("name")), json.dumps(block.get("input")))
        for block in blocks
        if block.get("type") == "tool_use"
    )
    finish = _FINISHES.get(str(reply.get("stop_reason")), "other")
    if way == "tool":
        text, calls = (calls[0].text if calls else text), ()
        finish = "stop" if finish == "tool_calls" else finish
    usage = member(reply, "usage")
    cached = count(usage, "cache_read_input_tokens") or 0
    sent = count(usage, "input_tokens")
    if sent is not None:  # which leaves out what was read from a cache, or written to one
        sent += cached + (count(usage, "cache_creation_input_tokens") or 0)
    return make_answer(
        request,
        text,
        finish,
        way=way,
        tool_calls=calls,
        input_tokens=sent,
        output_tokens=count(usage, "output_tokens"),
        cached_tokens=cached,
    )
