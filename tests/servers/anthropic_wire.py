"""Anthropic's messages, as its servers check, answer and refuse them."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from tests.servers.chat import Asked, Refused, Said, Turn, tokens

_KNOWN = {
    "model",
    "messages",
    "max_tokens",
    "system",
    "temperature",
    "tools",
    "tool_choice",
    "output_config",
    "stream",
}
_STOPS = {"stop": "end_turn", "length": "max_tokens"}


def asked(body: Mapping[str, Any], lacking: Collection[str]) -> Asked:
    """What a body asks. Raises Refused for one that is invalid, or that wants what is lacking."""
    unknown = sorted(set(body) - _KNOWN)
    if "temperature" in lacking and "temperature" in body:
        unknown.append("temperature")
    if unknown:
        raise Refused(400, f"{unknown[0]}: Extra inputs are not permitted")
    if not isinstance(body.get("max_tokens"), int):
        raise Refused(400, "max_tokens: Field required")
    if "output_config" in body and "schema" in lacking:
        raise Refused(400, "output_config.format: structured outputs are not supported by this model")
    if "tools" in body and "tools" in lacking:
        raise Refused(400, "tools: this model does not support tool use")
    schema = body["output_config"]["format"]["schema"] if "output_config" in body else None
    tools = {tool["name"]: tool["input_schema"] for tool in body.get("tools", [])}
    choice = body.get("tool_choice", {"type": "auto"})
    turns = _turns(body["messages"])
    if any(turn.calls for turn in turns) and not tools:
        raise Refused(400, "Requests which include `tool_use` or `tool_result` blocks must define tools")
    system = (Turn("system", body["system"]),) if "system" in body else ()
    parameters = {name: body[name] for name in ("temperature",) if name in body}
    if choice["type"] == "tool":
        parameters["forced"] = choice["name"]
    may_call = choice["type"] != "none"
    return Asked(str(body["model"]), system + turns, body["max_tokens"], tools, may_call, schema, parameters)


def _turns(messages: list[Any]) -> tuple[Turn, ...]:
    if not messages or messages[0]["role"] != "user":
        raise Refused(400, 'messages: first message must use the "user" role')
    turns: list[Turn] = []
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] not in {"user", "assistant"}:
            raise Refused(400, f'messages: Unexpected role "{message["role"]}"')
        blocks = message["content"]
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        results = [block for block in blocks if block["type"] == "tool_result"]
        if {block["tool_use_id"] for block in results} != open_calls:
            raise Refused(400, "each `tool_use` block must have a corresponding `tool_result` in the next message")
        turns += [Turn("tool", str(block["content"])) for block in results]
        calls = tuple(
            (block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"
        )
        open_calls = {call[0] for call in calls}
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            raise Refused(400, "messages: text content blocks must contain non-whitespace text")
        if text or calls:
            turns.append(Turn(message["role"], text, calls))
    return tuple(turns)


def reply(asked: Asked, said: Said) -> Any:
    """The message."""
    content: list[Any] = [{"type": "text", "text": said.text, "citations": None}] if said.text else []
    stop = _STOPS[said.finish]
    calls = said.calls
    if forced := asked.parameters.get("forced"):
        content, stop = [], "tool_use"
        calls = ((str(forced), _object(said.text)),)
    if said.refusal:
        content, stop, calls = [], "refusal", ()
    elif calls:
        stop = "tool_use"
        content += [
            {"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": arguments}
            for n, (name, arguments) in enumerate(calls, start=len(asked.turns) * 100)
        ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": tokens(asked.text),
            "output_tokens": tokens(json.dumps(content)) + said.thinking_tokens,
        },
    }


def _object(text: str) -> Mapping[str, Any]:
    """A forced tool's input is always an object, whatever the model meant to say."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def error(refused: Refused) -> Any:
    kind = {401: "authentication_error", 404: "not_found_error"}.get(refused.status, "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": "req_1"}
