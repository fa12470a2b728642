"""Documents that people write or move by hand, gone wrong: run.json, settings, plans, reports, prompts, prices.

Each is read, or refused in one line.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from agent.batch.checking import load_plan
from agent.discovery import discover_run
from agent.settings import KEYS, KINDS, DiscoverSettings, from_keywords, load
from probes.errors import InputError
from probes.prompt_files import load_prompt_file
from runs.check import check_run
from runs.directory import Run
from tests.agent.worlds import rows_of, run_of, shorter
from tests.torture.mutations import Random, chosen, mutated_bytes, mutated_value
from tests.torture.tally import SECONDS, Tally, assert_one_line, tallied, within
from tools.chat.prices import load_prices
from tools.judging.template import load_template
from tools.report.document import Report
from tools.report.html import render

TEMPLATE = """Judge this answer to {{ prompt }}: {{ answer }}
{% for criterion in criteria %}
{{ criterion.key }}: {{ criterion.question }} {% for level in criterion.levels %}{{ level.name }} {% endfor %}
{% endfor %}"""


@dataclass(frozen=True)
class Document:
    """name: of the file. content: what is in it, to be mutated. write: to text. read: as the program does."""

    name: str
    content: Any
    write: Callable[[Any], str]
    read: Callable[[Path], object]
    names: tuple[str, ...]


def documents(run: Path, report: Path) -> list[Document]:
    """run: the folder of a run, whose run.json is mutated in place. report: a sound report.json."""
    manifest = json.loads((run / "run.json").read_text("utf-8"))
    whole = json.loads(report.read_text("utf-8"))
    prompts = [{"id": "a", "tags": ["x"], "prompt": "Why?"}, {"messages": [{"role": "user", "content": "What?"}]}]
    prompt_set = {"name": "mine", "description": "d", "licence": "l", "domain": "d", "prompts": prompts}
    settings: dict[str, Any] = {"seed": 3, "rounds": 2, "claim": "random", "min_gain": 0.02, "model": ["builtin"]}
    prices = {"as_of": "2026-01-01", "prices": {"openai:m": {"input": 1.0, "output": 2.0, "cached": 0.5}}}
    jobs: dict[str, Any] = {
        "one": {"before": "prompts-a.jsonl", "after": "prompts-b.jsonl", "settings": {"rounds": 1}},
        "two": {"run": str(run), "domain": "d"},
    }
    plan = {"settings": {"rounds": 2, "min_gain": 0.02}, "budget": {"max_calls": 100}, "jobs": jobs}
    plan_keys = (
        "settings",
        "budget",
        "jobs",
        "before",
        "after",
        "run",
        "domain",
        "model",
        "adapter",
        "prompts",
        *KEYS,
    )
    prompt_keys = ("id", "tags", "prompt", "messages", "role", "content", "name", "prompts", "domain")
    return [
        Document("run.json", manifest, _json, _read_run, tuple(manifest)),
        Document("report.json", whole, _json, _read_report, tuple(whole)),
        Document("orderparam.toml", settings, _toml, _read_settings, KEYS),
        Document("prompts.yaml", prompt_set, _yaml, load_prompt_file, prompt_keys),
        Document("prompts.jsonl", prompts, _lines, load_prompt_file, prompt_keys),
        Document("plan.yaml", plan, _yaml, load_plan, plan_keys),
        Document("prices.yaml", prices, _yaml, load_prices, ("input", "output", "cached", "prices", "as_of")),
        Document("judge.jinja", TEMPLATE, str, load_template, ()),
    ]


def discovered(folder: Path) -> tuple[Path, Path]:
    """A run with a discovery, and its report.json."""
    run = run_of(folder, rows_of(shorter, prompts=8, draws=6))
    discover_run(run, from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199}))
    return run.path, run.path / "discoveries" / "d1" / "report.json"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(value: Any) -> str:
    return "\n".join(map(_json, value if isinstance(value, list) else [value]))


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True)


def _toml(value: Any) -> str:
    """As TOML where its values are; JSON's spelling of the rest is TOML that is refused."""
    members = value.items() if isinstance(value, dict) else []
    return "\n".join(f"{key} = {_json(one)}" for key, one in members)


def _read_run(path: Path) -> None:
    run = Run.open(path.parent)
    check_run(path.parent)
    run.prompts()
    run.samples()


def _read_report(path: Path) -> None:
    render(Report.load(path))


def _read_settings(path: Path) -> None:
    for kind in KINDS:
        load(kind, {}, {}, path.parent)


def attack(count: int, seed: int, folder: Path) -> Tally:
    """Reads so many mutated documents; those of a run beside its other files, in place."""
    run, report = discovered(folder / "run")
    sound = (run / "run.json").read_bytes()
    known = documents(run, report)
    for name in ("prompts-a.jsonl", "prompts-b.jsonl"):
        (folder / name).write_text("{}\n")

    def attempt(number: int) -> bool:
        rng = np.random.default_rng([seed, number])
        document = chosen(rng, known)
        path = (run if document.name == "run.json" else folder) / document.name
        path.write_bytes(_mutated(rng, document))
        try:
            with within(SECONDS):
                document.read(path)
        except InputError as error:
            assert_one_line(error)
            return False
        finally:
            if document.name == "run.json":
                path.write_bytes(sound)
            else:
                os.remove(path)
        return True

    return tallied(range(count), attempt, lambda number: f"document {number}")


def _mutated(rng: Random, document: Document) -> bytes:
    content = document.content
    if document.names and rng.random() < 0.8:
        for _ in range(int(rng.integers(1, 3))):
            content = mutated_value(rng, content, document.names)
    data = document.write(content).encode("utf-8", "surrogatepass")
    return mutated_bytes(rng, data) if rng.random() < 0.4 or not document.names else data
