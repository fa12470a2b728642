"""The program as a process of its own, and reports that should be equal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.servers.chat import ChatServer
from tools.report.document import Report

ROOT = Path(__file__).parents[2]

MAY_DIFFER = {"usage.cached"}
"""A run that goes on finds answers in the ledger that one without kills had just been given."""


def environment() -> dict[str, str]:
    """What commands of a test inherit: no setting of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORDERPARAM_")}
    own = {"PYTHONPATH": str(ROOT), "ORDERPARAM_RESAMPLES": "199", "ORDERPARAM_PROCESSES": "1"}
    return {**kept, **own}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "orderparam", *(str(argument) for argument in arguments)]


def ended(
    arguments: list[str],
    folder: Path | None = None,
    *,
    seconds: float | None = None,
    begin: Callable[[], None] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """The command, run to its end in a folder, or here. What it says is kept.

    seconds: that it may take. begin: what its process does first.
    """
    return subprocess.run(
        arguments,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        preexec_fn=begin,
    )


def done_in(arguments: list[str]) -> float:
    """Runs a command to its good end; how many seconds that took."""
    began = time.monotonic()
    done = ended(arguments)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def killed_at(count: int, arguments: list[str], server: ChatServer) -> bool:
    """Starts a command and kills it once the server has seen so many requests; whether it still ran."""
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and sum(server.distinct.values()) < count:
            time.sleep(0.002)
        alive = process.poll() is None
        process.kill()
    return alive


def killed_after(seconds: float | None, arguments: Sequence[str], folder: Path | None = None) -> bool:
    """Runs a command and kills it after so many seconds, if it has not ended; whether it was killed.

    AssertionError where it ended badly by itself.
    """
    with subprocess.Popen(
        arguments, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _, told = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return process.returncode != 0
    assert process.returncode == 0, f"exit code {process.returncode}: {told[-300:]!r}"
    return False


def report_of(run: Path, name: str = "d1") -> Any:
    return Report.load(run / "discoveries" / name).model_dump(mode="json")


def differing(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differing(one.get(key), other.get(key), f"{place}.{key}".strip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differing(*pair, f"{place}[{number}]")
    elif one != other:
        yield place
