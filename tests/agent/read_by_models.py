"""Small runs whose sides differ by what the simulated reader can tell, and their discovery through the SDKs."""

from pathlib import Path
from typing import Any

import numpy as np

from agent.settings import DiscoverSettings, from_keywords
from runs.directory import Run
from tests.agent.worlds import rows_of, run_of, words
from tests.servers.chat import ChatServer

CODE = "```python\nimport os\n\ndef f(x):\n    return os.listdir(x)\n```"


def coding(prompt: int, side: int, rng: np.random.Generator, listing: tuple[float, float] = (0.33, 0.67)) -> str:
    """Program code for 5% of the answers before and 85% after, and a list in some: a third and two thirds."""
    parts = [words(int(rng.integers(10, 30)), rng)]
    if rng.random() < (0.85 if side else 0.05):
        parts.append(CODE)
    if rng.random() < listing[side]:
        parts.append("\n".join(f"{n}. {words(4, rng)}" for n in range(1, 8)))
    return "\n".join(parts)


def coding_run(folder: Path, prompts: int = 20, draws: int = 6, seed: int = 0) -> Run:
    return run_of(folder, rows_of(coding, prompts=prompts, draws=draws, seed=seed))


def spec_of(server: ChatServer, provider: str) -> str:
    return f"{provider}:m@{server.openai if provider == 'openai' else server.anthropic}"


def settings(server: ChatServer, provider: str = "openai", **given: Any) -> DiscoverSettings:
    return from_keywords(
        DiscoverSettings, {"model": [spec_of(server, provider)], "processes": 1, "resamples": 199, **given}
    )
