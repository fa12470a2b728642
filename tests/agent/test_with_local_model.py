"""Discoveries whose language models run in this process: `hf:PATH`."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.discovery import discover_run
from agent.proposals import PROPOSALS
from agent.settings import DiscoverSettings, from_keywords
from probes.errors import InputError
from runs.directory import Run
from runs.schema import LEDGER_FILE
from tests.agent.read_by_models import coding_run, spec_of
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tools.chat.interface import Answer, Json

pytest.importorskip("torch", reason="the backend is not installed")

from tests.runs.tiny_models import save_model

ROOT = Path(__file__).parents[2]
FEW = 12  # calls, those of the proposer among them


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model with random weights, whose tokens are bytes."""
    return f"hf:{save_model(tmp_path_factory.mktemp('model'), context=16_384, layers=1)}"


def settings(**given: Any) -> DiscoverSettings:
    return from_keywords(DiscoverSettings, {"processes": 1, "resamples": 199, "rounds": 1, **given})


def answers(run: Path, model: str) -> dict[str, list[Answer]]:
    """What the run's ledger holds of this model, by purpose."""
    found: dict[str, list[Answer]] = {}
    connection = sqlite3.connect(run / LEDGER_FILE)
    rows = connection.execute("SELECT purpose, answer FROM calls WHERE model = ? AND answer IS NOT NULL", (model,))
    for purpose, answer in rows.fetchall():
        found.setdefault(purpose, []).append(Answer.from_json(answer))
    connection.close()
    return found


def satisfies(value: Any, schema: Json) -> bool:
    """Whether a value is what a schema of the kinds that the program writes allows."""
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "object":
            members = schema["properties"]
            return list(value) == list(members) and all(satisfies(value[name], members[name]) for name in members)
        case "array":
            return len(value) >= schema.get("minItems", 0) and all(
                satisfies(one, schema["items"]) for one in value
            )
        case kind:
            return type(value) is {"string": str, "boolean": bool}[kind]


def test_it_proposes_json_that_satisfies_the_schema(tmp_path: Path, spec: str) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=2)
    report = discover_run(run, settings(model=[spec]))
    said = answers(run.path, spec)["proposing"]
    assert said
    for answer in said:
        assert (answer.structured, answer.complete, answer.finish) == ("guided", True, "stop")
        assert json.loads(answer.text) == answer.value
        assert satisfies(answer.value, PROPOSALS.schema)
    assert {one.origin for one in report.candidates} == {spec}
    assert report.usage.calls == sum(map(len, answers(run.path, spec).values()))
    assert report.parameters == ()
    assert report.models == {"proposer": spec, "judge": spec}


def test_it_judges_by_the_probabilities_of_levels(tmp_path: Path, spec: str) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=2)
    with ChatServer(ReaderWithControl()) as server:
        report = discover_run(run, settings(model=[spec_of(server, "openai")], judge=spec))
    said = answers(run.path, spec)["judging"]
    assert len(said) >= 16
    assert report.usage.failed == report.usage.unusable == 0
    for answer in said:
        assert (answer.structured, answer.complete) == ("guided", True)
        levels = [one["level"] for one in answer.value.values()]
        assert [level.name for level in answer.levels] == [one for one in levels if one is not None]
        for level in answer.levels:
            assert answer.text[level.offset :].startswith(f'{level.name}"')
            assert max(level.logprobs, key=level.logprobs.__getitem__) == level.name
    assert report.parameters == ()  # it judges at random


def test_interrupted_it_goes_on_and_asks_for_nothing_twice(tmp_path: Path, spec: str) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=2)
    asked = ["discover", str(run.path), "--rounds", "1", "--name", "d1", "--judge", spec]
    with ChatServer(ReaderWithControl()) as server:
        command = [sys.executable, "-m", "orderparam", *asked, "--model", spec_of(server, "openai")]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and len(_keys(run)) < FEW:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
        assert process.returncode == 130, said
        before = _keys(run)
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    after = _keys(run)
    assert after[: len(before)] == before
    assert len(set(after)) == len(after) > len(before)


def _keys(run: Run) -> list[bytes]:
    """Requests that were paid for, in order; none before there is a ledger."""
    if not (run.path / LEDGER_FILE).is_file():
        return []
    connection = sqlite3.connect(run.path / LEDGER_FILE)
    try:
        rows = connection.execute("SELECT key FROM calls WHERE outcome != 'failed' ORDER BY id").fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        connection.close()
    return [row[0] for row in rows]


def test_without_the_backend_one_line_names_what_installs_it(
    tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.backend._NEEDED", ("torch", "a_module_that_is_not_there"))
    run = coding_run(tmp_path / "run", prompts=8, draws=2)
    with pytest.raises(InputError, match=r"pip install 'orderparam\[backend\]'"):
        discover_run(run, settings(model=[spec]))


def test_a_path_without_a_model_is_one_line(tmp_path: Path) -> None:
    run = coding_run(tmp_path / "run", prompts=8, draws=2)
    with pytest.raises(InputError, match="there is no such folder"):
        discover_run(run, settings(model=[f"hf:{tmp_path / 'none'}"]))
