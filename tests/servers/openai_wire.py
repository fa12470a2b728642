"""OpenAI's chat completions, as its servers check, answer and refuse them."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from tests.servers.chat import Asked, Refused, Said, Turn, tokens

_REFUSALS = {
    "temperature": (
        "temperature",
        "Unsupported value: 'temperature' does not support {value} with this model. Only the default (1) value is "
        "supported.",
    ),
    "seed": ("seed", "Unsupported parameter: 'seed' is not supported with this model."),
    "logprobs": ("logprobs", "You are not allowed to request logprobs from this model."),
    "tools": ("tools", "This model does not support tools."),
    "max_tokens": (
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead.",
    ),
}


def asked(body: Mapping[str, Any], lacking: Collection[str]) -> Asked:
    """What a body asks. Raises Refused for one that is invalid, or that wants what is lacking."""
    for feature, (parameter, message) in _REFUSALS.items():
        if feature in lacking and parameter in body:
            raise Refused(400, message.format(value=body[parameter]), "unsupported_parameter")
    wanted = body.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_schema" and "schema" in lacking:
        raise Refused(400, "This model does not support response format `json_schema`.")
    if wanted["type"] == "json_object" and "object" in lacking:
        raise Refused(400, "'response_format.type' : value is not one of the allowed values ['text']")
    if wanted["type"] == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        raise Refused(400, "'messages' must contain the word 'json' in some form, to use 'response_format'.")
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools", [])}
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    if not isinstance(limit, int) or limit < 1:
        raise Refused(400, "max_tokens is too small")
    schema = wanted["json_schema"]["schema"] if wanted["type"] == "json_schema" else None
    known = ("temperature", "seed", "logprobs", "top_logprobs")
    return Asked(
        str(body["model"]),
        _turns(body["messages"]),
        limit,
        tools,
        body.get("tool_choice", "auto") != "none",
        schema,
        {name: body[name] for name in known if name in body},
    )


def _turns(messages: list[Any]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    open_calls: set[str] = set()
    for message in messages:
        calls = tuple(
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
            for call in message.get("tool_calls", [])
        )
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Refused(400, "messages with role 'tool' must be a response to a preceding 'tool_calls'")
            open_calls.discard(message["tool_call_id"])
        elif open_calls:
            raise Refused(400, "an assistant message with 'tool_calls' must be followed by tool messages")
        open_calls |= {call[0] for call in calls}
        if message["role"] not in {"system", "user", "assistant", "tool"}:
            raise Refused(400, f"Invalid value: {message['role']!r}")
        turns.append(Turn(message["role"], message["content"] or "", calls))
    return tuple(turns)


def reply(asked: Asked, said: Said) -> Any:
    """The completion."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": said.refusal or None}
    finish = said.finish
    if said.calls:
        finish = "tool_calls"
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(said.calls, start=len(asked.turns) * 100)
        ]
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    if asked.parameters.get("logprobs"):
        choice["logprobs"] = {"content": [_token(token, likeliest) for token, likeliest in said.logprobs]}
    written = json.dumps(message)
    spent = (tokens(asked.text), tokens(written) + said.thinking_tokens)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": asked.model,
        "choices": [choice],
        "usage": {"prompt_tokens": spent[0], "completion_tokens": spent[1], "total_tokens": sum(spent)},
    }


def _token(token: str, likeliest: Any) -> Any:
    def told(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    own = dict(likeliest).get(token, 0.0)
    return {**told(token, own), "top_logprobs": [told(*one) for one in likeliest]}


def error(refused: Refused) -> Any:
    return {
        "error": {"message": refused.message, "type": "invalid_request_error", "param": None, "code": refused.code}
    }
