"""Discoveries by models whose context is small: what they are shown is cut until it fits."""

from pathlib import Path

import numpy as np
import pytest

from agent.discovery import discover_run
from tests.agent.read_by_models import coding, settings
from tests.agent.worlds import rows_of, run_of, words
from tests.servers.chat import Asked, ChatServer, Refused, Said, tokens
from tests.servers.reader import ReaderWithControl


class Within:
    """A model that refuses, as vLLM does, what does not fit into its context together with the answer."""

    def __init__(self, context: int) -> None:
        self.model = ReaderWithControl()
        self.context = context
        self.answered: list[Asked] = []
        self.refused = 0

    def __call__(self, asked: Asked) -> Said:
        told = tokens(asked.text)
        if told + asked.max_tokens > self.context:
            self.refused += 1
            raise Refused(
                400,
                f"This model's maximum context length is {self.context} tokens. However, you requested "
                f"{asked.max_tokens} output tokens and your prompt contains {told} input tokens.",
            )
        self.answered.append(asked)
        return self.model(asked)


def long_winded(prompt: int, side: int, rng: np.random.Generator) -> str:
    """Every fourth answer has some 18,000 characters, most of them in the middle."""
    said = coding(prompt, side, rng)
    return f"{said}\n{words(3000, rng)}\n{said}" if rng.random() < 0.25 else said


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_texts_are_cut_until_they_fit(tmp_path: Path, provider: str) -> None:
    run = run_of(tmp_path / "run", rows_of(long_winded, prompts=10, draws=6))
    model = Within(4096)
    with ChatServer(model) as server:
        report = discover_run(run, settings(server, provider, rounds=1))
    assert model.refused > 0
    assert report.parameters[0].name == "program code"
    assert not any("too long" in one for one in report.warnings)
    judged = report.parameters[0].judged
    assert judged.failed.before == judged.failed.after == 0
    cut = [asked for asked in model.answered if "characters are not shown" in asked.text]
    assert {"You judge one answer" in asked.text for asked in cut} == {True, False}  # judge and proposer


def test_where_nothing_fits_one_line_says_why(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", rows_of(long_winded, prompts=10, draws=6))
    with ChatServer(Within(900)) as server:
        report = discover_run(run, settings(server, rounds=1))
    assert report.parameters == ()
    (said,) = [one for one in report.warnings if "proposed nothing" in one]
    assert "maximum context length is 900 tokens" in said
