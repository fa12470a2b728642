"""Sessions for tests: from lines as the command runs them, or step by step; and a reader that heeds guidance."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.discovery import begun
from agent.progress import Silent
from agent.repl.session import Session
from agent.settings import DiscoverSettings, from_keywords
from agent.state import DiscoveryState
from runs.directory import Run
from tests.agent.in_process import command
from tests.servers.chat import Asked, Said
from tests.servers.reader import ReaderWithControl, Rule

OFFLINE = from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199, "name": "d1"})


def scripted(capfd: pytest.CaptureFixture[str], folder: Path, lines: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `repl` with a script of these lines."""
    script = folder / "session.txt"
    script.write_text(lines, encoding="utf-8")
    return command(capfd, "repl", *arguments, "--script", str(script), "--quiet")


@contextmanager
def session_on(run: Path, settings: DiscoverSettings = OFFLINE) -> Iterator[Session]:
    """A session that has begun, or gone on."""
    with begun(Run.open(run), settings, Silent()) as discovery:
        session = Session(discovery)
        session.resume()
        yield session


def state_on_disk(run: Path, settings: DiscoverSettings = OFFLINE) -> DiscoveryState:
    with begun(Run.open(run), settings, Silent()) as discovery:
        return discovery.state()


class HeedingReader(ReaderWithControl):
    """The simulated reader, which looks first into what a person told it. `openings`: of all its talks."""

    def __init__(self) -> None:
        super().__init__()
        self.openings: list[str] = []

    def __call__(self, asked: Asked) -> Said:
        if "A language model's behavior changed" in asked.turns[0].text:
            self.openings.append(asked.turns[0].text)
        return super().__call__(asked)

    def _notable(self, asked: Asked) -> list[Rule]:
        rules = super()._notable(asked)
        said = re.search(r"The researcher .*?:\n(.*?)\nLook into that first", asked.text, re.DOTALL)
        if said is None:
            return rules
        heeded = [rule for rule in rules if re.search(rule.about, said[1], re.IGNORECASE)]
        return heeded + [rule for rule in rules if rule not in heeded]
