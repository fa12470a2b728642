"""Batches whose jobs ask language models: one ledger, one limit, one budget; servers that die; Ctrl-C."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.batch.domains import rows_in, write_files, write_plan
from tests.agent.in_process import command, small
from tests.agent.read_by_models import coding, spec_of
from tests.servers.chat import Asked, ChatServer, Said
from tests.servers.faults import Faults
from tests.servers.hurry import hurry
from tests.servers.reader import ReaderWithControl
from tools.chat.ledger import Ledger


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    hurry(monkeypatch, read_seconds=2.0)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two domains in which program code comes, and a list in some answers."""
    folder = tmp_path_factory.mktemp("files")
    for seed, domain in enumerate(("art", "law")):
        write_files(folder, domain, rows_in(domain, coding, seed, prompts=6, draws=5))
    return folder


def asking(plan: Path, server: ChatServer) -> Path:
    """The plan with the server's model for all of its jobs."""
    plan.write_text(
        plan.read_text().replace('"rounds": 1', f'"rounds": 1, "model": "{spec_of(server, "openai")}"')
    )
    return plan


def settled(out: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


def test_one_ledger_serves_all_jobs(files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ChatServer(ReaderWithControl()) as server:
        plan = asking(write_plan(files, ["art", "law"]), server)
        out = tmp_path / "out"
        arguments = ("batch", str(plan), "--jobs", "2", "--transfer", "--out", str(out), "--quiet")
        code, stdout, stderr = command(capfd, *arguments)
        assert code == 0, stderr
        assert "program code: Common to both domains." in stdout
        assert set(server.served.values()) == {1}
        asked = server.served.total()
        ledger = Ledger.open_to_read(out / "ledger.sqlite")
        usage = ledger.usage()
        ledger.close()
        assert sum(one.answered for one in usage) == asked
        summary = settled(out)
        assert summary["usage"]["calls"] == asked
        # the discovery over both finds what the jobs have judged
        assert summary["pooled"]["usage"]["cached"] > 0
        assert command(capfd, *arguments)[0] == 0
        assert server.served.total() == asked
        assert (out / "summary.json").read_text() == json.dumps(summary, indent=2) + "\n"


def test_a_server_that_dies_fails_its_job_alone_and_nothing_is_paid_twice(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = ReaderWithControl()
    answered = 0

    def mortal(asked: Asked) -> Said:
        nonlocal answered
        answered += 1
        if answered == 30:
            dying.faults = Faults(1.0, ("closed connection",))
        return reader(asked)

    with ChatServer(reader) as sound, ChatServer(mortal) as dying:
        plan = files / "dying.yaml"
        jobs = [
            f"  {name}: {{before: {name}-before.jsonl, after: {name}-after.jsonl, "
            f"settings: {{model: '{spec_of(server, 'openai')}'}}}}\n"
            for name, server in (("art", dying), ("law", sound))
        ]
        plan.write_text(
            "settings: {rounds: 1, resamples: 199, processes: 1}\npooled: false\njobs:\n" + "".join(jobs)
        )
        out = tmp_path / "out"
        arguments = ("batch", str(plan), "--jobs", "2", "--out", str(out), "--quiet")
        code, _, stderr = command(capfd, *arguments)
        assert code == 1
        assert "failed: art: openai:m@" in stderr
        assert stderr.count("\n") == 1
        assert [one["status"] for one in settled(out)["domains"]] == ["failed", "done"]
        dying.faults = Faults()
        code, _, stderr = command(capfd, *arguments)
        assert code == 0, stderr
        assert settled(out)["complete"]
        assert set(sound.served.values()) == {1}
        assert set(dying.served.values()) == {1}


def test_a_job_that_failed_keeps_its_part_of_the_budget_for_when_it_goes_on(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Were it dealt out to the next one as well, both together could take more than the whole."""
    whole = 200
    with ChatServer(ReaderWithControl()) as server:
        plan = files / "kept.yaml"
        jobs = "".join(
            f"  {name}: {{before: {name}-before.jsonl, after: {name}-after.jsonl}}\n" for name in ("art", "law")
        )
        plan.write_text(
            f"settings: {{rounds: 1, resamples: 199, processes: 1, model: '{spec_of(server, 'openai')}'}}\n"
            f"budget: {{max_calls: {whole}}}\npooled: false\njobs:\n{jobs}"
        )
        server.faults = Faults(1.0, ("closed connection",))
        out = tmp_path / "out"
        code, _, stderr = command(capfd, "batch", str(plan), "--out", str(out), "--quiet")
        assert (code, stderr.count("failed: ")) == (1, 2)
        assert not sum(server.served.values())
    parts = json.loads((out / "batch.json").read_text())["parts"]
    assert {name: part["max_calls"] for name, part in parts.items()} == {"art": whole // 2, "law": whole // 2}


def test_answers_go_to_no_model_that_their_job_does_not_ask(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The shared settings name the model, and one job overrides it: it neither discovers nor measures there."""
    heard: list[str] = []
    reader = ReaderWithControl()

    def listening(asked: Asked) -> Said:
        heard.append(asked.text)
        return reader(asked)

    with ChatServer(listening) as server:
        plan = files / "alone.yaml"
        models = f"[builtin, '{spec_of(server, 'openai')}']"
        plan.write_text(
            f"settings: {{rounds: 1, resamples: 199, processes: 1, model: {models}}}\n"
            "jobs:\n"
            "  art: {before: art-before.jsonl, after: art-after.jsonl}\n"
            "  law: {before: law-before.jsonl, after: law-after.jsonl, settings: {model: builtin}}\n"
        )
        for transfer in ([], ["--transfer"]):
            code, _, stderr = command(capfd, "batch", str(plan), "--out", str(tmp_path / "out"), *transfer)
            assert code == 0, stderr
            assert "asks no language model, since the job law does not ask openai:m@" in stderr
            assert any("art: What about" in text for text in heard)
            assert not any("law: What about" in text for text in heard)
    rows = settled(tmp_path / "out")["parameters"]
    judged = [row for row in rows if row["judge"].startswith("openai:")]
    assert judged
    assert "its job does not ask openai:m@" in judged[0]["cells"]["law"]["why"]


def test_the_budget_of_all_jobs_is_kept(files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ChatServer(ReaderWithControl()) as server:
        plan = asking(write_plan(files, ["art", "law"], head="budget: {max_calls: 240}\n"), server)
        out = tmp_path / "out"
        arguments = ("batch", str(plan), "--jobs", "2", "--transfer", "--out", str(out), "--quiet")
        code, _, stderr = command(capfd, *arguments)
        assert code == 0, stderr
        asked = server.served.total()
        assert asked <= 240
        assert command(capfd, *arguments)[0] == 0  # with the parts that were dealt
        assert server.served.total() == asked
        parts = json.loads((out / "batch.json").read_text())["parts"]
        assert set(parts) == {"art", "law", "pooled", json.loads((out / "batch.json").read_text())["matrix"]}
        assert parts["art"]["max_calls"] == 60
        for name in ("art", "law", "pooled"):
            report = json.loads((out / "runs" / name / "discoveries" / name / "report.json").read_text())
            assert report["usage"]["calls"] <= parts[name]["max_calls"]


def test_a_dry_run_says_calls_and_sends_nothing(
    files: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    plan = write_plan(files, ["art", "law"], head="budget: {max_cost: 3}\n")
    plan.write_text(plan.read_text().replace('"rounds": 1', '"rounds": 1, "model": "openai:gpt-5-mini"'))
    code, stdout, _ = command(capfd, "batch", str(plan), "--dry-run", "--transfer")
    assert code == 0
    art, law, pooled, others, whole, budget = stdout.splitlines()
    calls, costs = zip(*(said(line) for line in (art, law, pooled, others, whole)), strict=True)
    assert calls[4] == sum(calls[:4]) > 0
    assert costs[4] == pytest.approx(sum(costs[:4]), abs=0.03)
    assert calls[2] == calls[0] + calls[1]
    assert whole.endswith(", second tries not counted")
    assert budget == "budget of all jobs: max-cost 3; nothing was sent"


def said(line: str) -> tuple[int, float]:
    """Calls and dollars in a line of a plan."""
    words = line.replace(",", "").split()
    price = next(word for word in words if word.startswith("$"))
    return int(words[words.index("most") + 1]), float(price.removeprefix("$"))


@pytest.mark.parametrize("by", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_process_that_is_stopped_is_followed_by_one_that_goes_on(
    by: signal.Signals, files: Path, tmp_path: Path
) -> None:
    with ChatServer(ReaderWithControl(), delay=0.03) as server:
        plan = asking(write_plan(files, ["art", "law"], head="pooled: false\n"), server)
        out = tmp_path / "out"
        arguments = [sys.executable, "-m", "orderparam", "batch", str(plan), "--jobs", "2", "--out", str(out)]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            waited(lambda: server.served.total() >= 25)
            process.send_signal(by)
            _, stderr = process.communicate(timeout=60)
        waited(lambda: not server.at_once)
        before = Counter(server.served)
        done = subprocess.run([*arguments, "--quiet"], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert settled(out)["complete"]
        again = sum(server.served[one] > 1 for one in before)
        if by == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            assert again <= server.most_at_once
        else:
            assert process.returncode == 130
            assert "stopping once what is under way is put away" in stderr
            assert "Traceback" not in stderr
            assert again == 0  # what was in flight was answered and kept


def waited(until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)
