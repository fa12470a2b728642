"""Small domains with known truth for the tests of batches, and the command as a person runs it."""

import json
from pathlib import Path

import numpy as np

from tests.agent.worlds import Responder, Rows, rows_of, words

FAST = {"rounds": 1, "resamples": 199, "processes": 1}


def changed(*, shorter: bool = False, asks: bool = False) -> Responder:
    """Answers that become shorter, or end with a question, or neither."""

    def responder(prompt: int, side: int, rng: np.random.Generator) -> str:
        few = shorter and (side == 1) ^ bool(rng.random() < 0.1)
        text = words(int(rng.integers(5, 16) if few else rng.integers(18, 40)), rng)
        mark = asks and (side == 1) ^ bool(rng.random() < 0.1)
        return text + (" Does that help?" if mark else "")

    return responder


def rows_in(domain: str, responder: Responder, seed: int, prompts: int = 8, draws: int = 10) -> tuple[Rows, Rows]:
    """Rows whose prompts no other domain has."""
    sides = rows_of(responder, prompts=prompts, draws=draws, seed=seed)
    for row in (*sides[0], *sides[1]):
        row["prompt_id"] = f"{domain}-{row['prompt_id']}"
        row["prompt"] = f"{domain}: {row['prompt']}"
        row["domain"] = domain
    return sides


def write_files(folder: Path, domain: str, sides: tuple[Rows, Rows]) -> None:
    for side, rows in zip(("before", "after"), sides, strict=True):
        (folder / f"{domain}-{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_plan(folder: Path, domains: list[str], head: str = "") -> Path:
    path = folder / "plan.yaml"
    jobs = [f"  {one}: {{before: {one}-before.jsonl, after: {one}-after.jsonl}}\n" for one in domains]
    path.write_text(f"settings: {json.dumps(FAST)}\n{head}jobs:\n{''.join(jobs)}")
    return path
