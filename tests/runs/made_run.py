"""Small runs for tests, and child processes that make or hold them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from runs.directory import Run
from runs.manifest import Control, InputRecord

ROOT = Path(__file__).parents[2]
SIDE = Control(name="side", values=["before", "after"])


def prompt_table(prompts: int = 3) -> pa.Table:
    return pa.table(
        {"prompt_id": [f"q{q}" for q in range(prompts)], "prompt": [f"Question {q}?" for q in range(prompts)]}
    )


def sample_batches(prompts: int = 3, draws: int = 4, checkpoints: int = 2) -> Iterator[pa.Table]:
    """One batch a prompt and checkpoint."""
    for checkpoint in range(checkpoints):
        for q in range(prompts):
            yield pa.table(
                {
                    "sample_id": [f"{checkpoint}-{q}-{draw}" for draw in range(draws)],
                    "prompt_id": [f"q{q}"] * draws,
                    "checkpoint": [checkpoint] * draws,
                    "draw": list(range(draws)),
                    "response": [f"Answer {draw} at {checkpoint} to {q}." for draw in range(draws)],
                }
            )


def make_run(
    path: Path, *, prompts: int = 3, draws: int = 4, seed: int = 0, fingerprint: InputRecord | None = None
) -> Run:
    return Run.create(
        path,
        control=SIDE,
        prompts=prompt_table(prompts),
        samples=sample_batches(prompts, draws),
        seed=seed,
        name="made",
        input_fingerprint=fingerprint,
    )


def child(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own, started in the root of the source."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def started(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Starts code in a process of its own and waits for the first line that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def names(folder: Path) -> Sequence[str]:
    """All that lies in the folder, dot files included."""
    return sorted(entry.name for entry in folder.iterdir())


def change_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes run.json as a person may by hand: without its checksum."""
    path = run / "run.json"
    values = json.loads(path.read_text("utf-8"))
    del values["sha256"]
    change(values)
    path.write_text(json.dumps(values), "utf-8")
