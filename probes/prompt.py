"""A prompt and a set of prompts, as sets are shipped, read from a user's file and handed to sampling."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Message = dict[str, str]
"""{"role": "system" | "user" | "assistant", "content": text}."""


@dataclass(frozen=True)
class Prompt:
    """One prompt of a set.

    id: unique in its set. text: all turns as a reader sees them. messages: the turns when the prompt is more than
    one turn of the user, else None. tags: the first is the topic, by which `sample` stratifies.
    """

    id: str
    domain: str | None
    text: str
    messages: tuple[Message, ...] | None = field(default=None, hash=False)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptSet:
    """Prompts under a name; no id and no prompt occurs twice."""

    name: str
    description: str
    licence: str
    prompts: tuple[Prompt, ...]


def text_of_turns(messages: Sequence[Message]) -> str:
    """All turns as a reader sees them; a single turn of the user without its role."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return messages[0]["content"]
    return "\n\n".join(f"[{message['role']}] {message['content']}" for message in messages)
