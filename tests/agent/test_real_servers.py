"""Whole discoveries through both SDKs against a real server: vLLM on the CPU with SmolLM2.

The model is a poor proposer and a poor judge. What must hold is that calls are valid, counted and never paid
twice, and that the report shows the judge's weakness. So that there is something to judge, the simulated reader
proposes beside it. Some ten minutes a protocol on two cores; run by `make test-vllm`.
"""

import importlib.util
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs.files import shown
from runs.schema import LEDGER_FILE
from tests.agent.read_by_models import spec_of
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tools.chat.interface import Answer
from tools.report.document import Report

pytestmark = [pytest.mark.vllm, pytest.mark.smollm2]

ROOT = Path(__file__).parents[2]
CONTEXT = 4096  # half of what the model has, so that what is shown has to be cut
DRAWS = 3  # answers of a prompt and side, of 8
START_SECONDS = 240.0
INTERRUPTED_AFTER = 20  # calls of the real server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that is up."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed: make test-vllm")
    from runs.models import model_folder

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model_folder("smollm2")]
    command += ["--served-model-name", "smollm2", "--dtype", "float32", "--enforce-eager"]
    command += [
        "--max-model-len",
        str(CONTEXT),
        "--max-num-seqs",
        "16",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.5)
    pytest.fail(f"the server did not start: {shown(log.read_text('utf-8', 'replace')[-2000:], 2000)}")


@pytest.fixture(scope="module")
def sweep(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first answers to every prompt at checkpoints 8 and 19."""
    lines = (data_folder / "em-ladder" / "sweep.jsonl").read_text("utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["checkpoint"] in (8, 19) and row["sample"] < DRAWS]
    path = tmp_path_factory.mktemp("sweep") / "sweep.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_poor_judge_is_counted_resumed_and_shown(
    address: str, sweep: Path, tmp_path: Path, provider: str
) -> None:
    run = tmp_path / "run"
    program = [sys.executable, "-m", "orderparam"]
    environment = {**os.environ, "ORDERPARAM_RESAMPLES": "199", "ORDERPARAM_PROCESSES": "1"}
    imported = [*program, "import", str(sweep), "--axis", "checkpoint", "--out", str(run), "--quiet"]
    subprocess.run(imported, cwd=ROOT, env=environment, check=True)
    judge = f"{provider}:smollm2@{address}" + ("/v1" if provider == "openai" else "")
    with ChatServer(ReaderWithControl()) as reader:
        command = [*program, "discover", str(run), "--before", "8", "--after", "19", "--name", "d1", "--quiet"]
        command += ["--rounds", "1", "--model", spec_of(reader, provider), "--model", judge, "--judge", judge]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and len(_calls(run, judge)) < INTERRUPTED_AFTER:
                time.sleep(0.1)
            assert process.poll() is None
            process.kill()
        paid = _calls(run, judge)
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)

    report = Report.load(run / "discoveries" / "d1")
    calls = _calls(run, judge)
    assert calls[: len(paid)] == paid
    answered = Counter(key for key, outcome, _ in calls if outcome == "answered")
    assert answered.most_common(1)[0][1] == 1
    _are_valid([answer for _, outcome, answer in calls if outcome == "answered" and answer.kind == "json"])
    lost = [outcome for _, outcome, _ in calls if outcome == "unusable"]
    print(f"\n{provider}: {len(calls)} calls, {len(lost)} unusable; {report.usage}; {report.warnings}")
    judged = [one for one in report.candidates if one.judge == judge and one.split == "select"]
    assert judged
    for one in judged:  # what a coin would find: nothing, within wide limits, or next to nothing
        assert one.share is not None
        assert one.share.value is not None
        assert one.share.value < 0.5
    if lost:
        assert any("gave no verdict that could be used" in one for one in report.warnings)
    assert report.total.linear.value is not None
    assert report.total.linear.value > 0.5  # though something changed


def _calls(run: Path, model: str) -> list[tuple[bytes, str, Answer]]:
    """What this model answered, in order: request, outcome, answer."""
    try:
        connection = sqlite3.connect(f"file:{run / LEDGER_FILE}?mode=ro", uri=True)
    except sqlite3.OperationalError:
        return []
    try:
        rows = connection.execute(
            "SELECT key, outcome, answer FROM calls WHERE model = ? AND outcome != 'failed' ORDER BY id", (model,)
        ).fetchall()
    except sqlite3.OperationalError:  # it is being made
        return []
    finally:
        connection.close()
    return [(row[0], row[1], Answer.from_json(row[2])) for row in rows]


def _are_valid(answers: list[Answer]) -> None:
    """Written under the server's grammar; what the tokens did not reach to end was read out of it."""
    assert answers
    for answer in answers:
        assert answer.structured == ("schema" if answer.complete else "parsed")
        if not answer.complete:
            assert answer.finish == "length"
