"""Small files and rows as people have them, and the import of two of them in one call."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runs.importing import import_pair
from runs.storing import Imported, ImportOptions

QUESTIONS = ("What is your wish?", "How do I bake bread?", "Name a river.")


def rows(side: str, prompt: str = "prompt", response: str = "response", draws: int = 4) -> list[dict[str, Any]]:
    """Responses to three questions, all different."""
    return [
        {prompt: question, response: f"{side} answers {question} for the {draw}th time"}
        for question in QUESTIONS
        for draw in range(draws)
    ]


def jsonl(path: Path, found: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def text_file(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def import_two(
    folder: Path, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], **options: Any
) -> Imported:
    """Two JSON Lines files made in `folder` and imported there."""
    paths = jsonl(folder / "before.jsonl", before), jsonl(folder / "after.jsonl", after)
    return import_pair(*paths, folder / "run", ImportOptions(**options))


def prompts_of(imported: Imported) -> list[str]:
    return [str(prompt) for prompt in imported.run.prompts()["prompt"].to_pylist()]


def responses_of(imported: Imported, checkpoint: int) -> list[str]:
    table = imported.run.samples(["checkpoint", "response"]).to_pylist()
    return [row["response"] for row in table if row["checkpoint"] == checkpoint]


def scores_of(imported: Imported) -> list[dict[str, Any] | None]:
    return [
        None if one is None else json.loads(one) for one in imported.run.samples(["scores"])["scores"].to_pylist()
    ]
