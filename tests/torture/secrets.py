"""A key that is set while everything fails: it stands in no file, no output, no traceback and no argument.

The server wants the key, does one kind of wrong at every call, or sends the key back in what it says.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.agent.read_by_models import coding_run, spec_of
from tests.servers.chat import Asked, ChatServer, Refused, Said
from tests.servers.faults import CONTENT, TRANSPORT, Faults
from tests.servers.reader import ReaderWithControl
from tests.torture.processes import command, environment
from tests.torture.tally import Tally, tallied

KEY = "sk-0123456789-very-secret-abcdef"
PROVIDERS = ("openai", "anthropic")
STATUSES = (400, 401, 402, 403, 404, 413, 429, 500)


def telling(status: int) -> object:
    """A model that refuses with the key in its words."""

    def model(asked: Asked) -> Said:
        raise Refused(status, f"the key {KEY} of Bearer {KEY} is refused")

    return model


def speaking(asked: Asked) -> Said:
    """A model whose answers hold the key."""
    return Said(text=f"your key is {KEY}")


@dataclass(frozen=True)
class Leak:
    """What the server does wrong at every call."""

    provider: str
    fault: str

    def server(self) -> ChatServer:
        if self.fault.isdecimal():
            return ChatServer(telling(int(self.fault)), key=KEY)  # type: ignore[arg-type]
        if self.fault == "speaking":
            return ChatServer(speaking, key=KEY)
        return ChatServer(ReaderWithControl(), key=KEY, faults=Faults(1.0, [self.fault]))


def leaks() -> list[Leak]:
    wrong = [*TRANSPORT, *CONTENT, *map(str, STATUSES), "speaking"]
    return [Leak(provider, fault) for provider in PROVIDERS for fault in wrong]


def attempt(leak: Leak, folder: Path) -> bool:
    """Whether the discovery came to its end all the same; AssertionError where the key is found anywhere."""
    run = coding_run(folder / f"{leak.provider} {leak.fault}", prompts=10, draws=3).path
    with leak.server() as server:
        arguments = command("discover", run, "--model", spec_of(server, leak.provider), "--rounds", 1, "--debug")
        with subprocess.Popen(
            arguments,
            env={**environment(), "ORDERPARAM_API_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            started = Path(f"/proc/{process.pid}/cmdline")
            shown = started.read_bytes() if started.exists() else b""
            told, _ = process.communicate(timeout=300)
        assert server.headers.get("authorization") == f"Bearer {KEY}", "the key did not reach the server"
    assert KEY.encode() not in told, f"in what was printed: {told[-500:]!r}"
    assert KEY.encode() not in shown, "in the list of processes"
    found = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert not found, f"in {found}"
    return process.returncode == 0


def attack(count: int, seed: int, folder: Path) -> Tally:
    """The first so many of all kinds of wrong. There is nothing to draw."""
    return tallied(leaks()[:count], lambda leak: attempt(leak, folder))
