"""Discoveries by language models that are killed at any moment, and go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.agent.read_by_models import coding_run, spec_of
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl
from tools.report.document import Report

KILLS = 5


def command(run: Path, spec: str) -> list[str]:
    asked = ["discover", str(run), "--model", spec, "--quiet", "--name", "d1"]
    return [sys.executable, "-m", "orderparam", *asked]


def environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORDERPARAM_")}
    return {**kept, "PYTHONPATH": root, "ORDERPARAM_RESAMPLES": "199", "ORDERPARAM_PROCESSES": "1"}


def killed_at(count: int, run: Path, server: ChatServer) -> bool:
    """Starts the discovery and kills it once the server has seen so many requests; whether it still ran."""
    process = subprocess.Popen(
        command(run, spec_of(server, "openai")),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        while process.poll() is None and sum(server.distinct.values()) < count:
            time.sleep(0.002)
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return alive


def plain(report: Report) -> dict[str, Any]:
    """What a report says but for what the discovery took, and where its model was served."""
    said = report.model_dump(mode="json", exclude={"usage", "reports_seen", "settings", "models", "run", "input"})

    def without_address(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: without_address(one) for key, one in value.items() if key not in {"judge", "origin", "id"}
            }
        if isinstance(value, list):
            return [without_address(one) for one in value]
        return value

    del said["set"]["parameters"]
    cleaned: dict[str, Any] = without_address(said)
    return cleaned


@pytest.mark.parametrize("seed", [0])
def test_killed_at_random_calls_it_pays_for_nothing_twice(tmp_path: Path, seed: int) -> None:
    run, spared = (coding_run(tmp_path / name).path for name in ("killed", "spared"))
    rng = np.random.default_rng(seed)
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        spec = spec_of(server, "openai")
        subprocess.run(command(spared, spec), env=environment(), check=True, stdout=subprocess.DEVNULL)
        whole = len(server.distinct)
        assert whole == sum(server.distinct.values())
    with ChatServer(ReaderWithControl(), delay=0.02) as server:
        counts = sorted(rng.choice(np.arange(1, whole - 5), size=KILLS, replace=False).tolist())
        kills = sum(killed_at(count, run, server) for count in counts)
        subprocess.run(
            command(run, spec_of(server, "openai")), env=environment(), check=True, stdout=subprocess.DEVNULL
        )
        again = sum(server.distinct.values()) - len(server.distinct)
        assert kills == KILLS
        assert len(server.distinct) == whole
        assert again <= kills * server.most_at_once
    reports = [Report.load(path / "discoveries" / "d1") for path in (run, spared)]
    assert plain(reports[0]) == plain(reports[1])
    assert reports[0].parameters[0].name == "program code"
