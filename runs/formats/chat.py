"""Chats: a list of turns, whatever their spelling, and the prompt that is told from them.

A turn is `{"role", "content"}` or `{"from", "value"}`; content is text or a list of parts. The system message is
part of the prompt.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runs.formats.record import kind_of, refuse, shown

ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant", "developer": "system"}
"""Other names of the usual roles."""

_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("reasoning", "thinking", "redacted_thinking")


@dataclass(frozen=True)
class Turn:
    """One turn; content None where the file has null (a call of a tool has no text)."""

    role: str
    content: str | None


@dataclass(frozen=True)
class Prompt:
    """What was asked: the turns before the response. A plain prompt is one turn of the user.

    Equal prompts are the same prompt. Ends are stripped and line ends are line feeds, so that a CSV and a JSON
    file of the same prompts agree.
    """

    turns: tuple[tuple[str, str], ...]
    is_chat: bool = field(default=False, compare=False)

    @cached_property
    def text(self) -> str:
        """All turns as a reader sees them; a single turn of the user without its role."""
        if len(self.turns) == 1 and self.turns[0][0] == "user":
            return self.turns[0][1]
        return "\n\n".join(f"[{role}] {content}" for role, content in self.turns)

    @cached_property
    def system(self) -> str | None:
        """The system messages, or None."""
        found = [content for role, content in self.turns if role == "system"]
        return "\n\n".join(found) if found else None

    @cached_property
    def messages(self) -> str | None:
        """JSON list of role and content, None for a plain prompt."""
        if not self.is_chat and len(self.turns) == 1:
            return None
        return json.dumps([{"role": role, "content": content} for role, content in self.turns], ensure_ascii=False)


def plain_prompt(text: str, system: str | None = None) -> Prompt:
    """A prompt that stands in a field of its own, under a system prompt that may."""
    user = ("user", tidy(text))
    return Prompt((("system", tidy(system)), user) if system and system.strip() else (user,))


def chat_prompt(turns: Sequence[Turn], system: str | None = None) -> Prompt:
    """A prompt of several turns; a system prompt from another field stands first unless it is there already."""
    found = tuple((turn.role, tidy(turn.content or "")) for turn in turns)
    if system and system.strip() and ("system", tidy(system)) not in found:
        found = (("system", tidy(system)), *found)
    return Prompt(found, is_chat=True)


def tidy(text: str) -> str:
    """Text with line feeds as line ends and without white space at its ends."""
    return text.replace("\r\n", "\n").strip() if "\r" in text else text.strip()


def is_chat(value: object) -> bool:
    """Whether a value is a list of turns."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str | bytes)
        and len(value) > 0
        and all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in value)
    )


def chat_in_text(value: object) -> object:
    """The list of turns that a text spells as JSON (a CSV has no lists); any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] == "[":
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return parsed if is_chat(parsed) else value
    return value


def turns_of(value: Sequence[Mapping[str, Any]], place: str, field: str) -> list[Turn]:
    """The turns of a chat. InputError: a role or content that is neither text nor parts."""
    turns = []
    for index, message in enumerate(value):
        here = f"{place}, field {shown(f'{field}[{index}]')}"
        role = message.get("role", message.get("from"))
        if not isinstance(role, str):
            raise refuse(here, f"{kind_of(role)} for the role of a turn", "a role is text such as 'user'")
        content = content_text(message.get("content", message.get("value")), here)
        turns.append(Turn(ROLES.get(role.lower(), role.lower()), content))
    return turns


def content_text(content: object, place: str) -> str | None:
    """The text of a turn; parts one after another, a part that is no text as its kind in brackets.

    Parts that hold the thinking of a model are no part of its answer and are left out.
    """
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, Sequence):
        raise refuse(place, f"{kind_of(content)} for the content of a turn", "content is text or a list of parts")
    pieces: list[str] = []
    for part in content:
        if isinstance(part, str):
            pieces.append(part)
        elif not isinstance(part, Mapping):
            raise refuse(place, f"{kind_of(part)} for a part of a turn", "a part is an object with its text")
        elif part.get("type", "text") in _TEXT_PARTS and isinstance(part.get("text"), str):
            pieces.append(part["text"])
        elif part.get("type") not in _THOUGHT_PARTS:
            pieces.append(f"[{shown(part.get('type', 'a part without text'), 30)[1:-1]}]")
    return "\n".join(pieces) if pieces else None
