"""What the tests of the chat models ask."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.servers.chat import ChatServer
from tools.chat.asking import Asker
from tools.chat.budget import Budget
from tools.chat.connect import connect
from tools.chat.interface import Message, Request, Schema, Tool
from tools.chat.ledger import Ledger
from tools.chat.prices import Price
from tools.chat.spec import parse_spec

PROVIDERS = ("openai", "anthropic")
VERDICT = Schema(
    "verdict",
    {
        "type": "object",
        "properties": {"quote": {"type": "string"}, "level": {"type": "string", "enum": ["no", "yes"]}},
        "required": ["quote", "level"],
        "additionalProperties": False,
    },
)
LOOK = Tool("look", "Looks closer.", {"type": "object", "properties": {"n": {"type": "integer", "minimum": 2}}})
CENT_A_TOKEN = Price(input=0.0, output=10_000.0)

_Result = TypeVar("_Result")


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    return asyncio.run(coroutine)


def request(text: str = "hello", **fields: Any) -> Request:
    return Request(**{"messages": (Message("user", text),), "max_tokens": 50, **fields})


def spec_text(server: ChatServer, provider: str) -> str:
    return f"{provider}:m@{server.openai if provider == 'openai' else server.anthropic}"


def client(server: ChatServer, provider: str = "openai", environ: dict[str, str] | None = None) -> Any:
    return connect(parse_spec(spec_text(server, provider)), environ or {})


def asker(server: ChatServer, folder: Path, provider: str = "openai", **limits: Any) -> Asker:
    """An asker on the ledger of the folder. Each call answered costs a cent a token."""
    ledger = Ledger.open(folder / "ledger.sqlite")
    price = limits.pop("price", CENT_A_TOKEN)
    scope = limits.pop("scope", "d1")
    return Asker(client(server, provider), ledger, Budget(ledger, scope, **limits), price)
