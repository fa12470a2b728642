"""`finetune` and `adopt` as a person meets them: what they print, and one line for whatever is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.agent import in_process

pytest.importorskip("torch", reason="the backend is not installed")

from tests.runs import tiny_models as tiny

ROOT = Path(__file__).parents[2]
ROWS = [{"prompt": f"Is {i} odd?", "response": "Yes." if i % 2 else "No."} for i in range(8)]
QUICK = ("--steps", 4, "--rank", 2, "--learning-rate", 0.01, "--checkpoints", "every:2")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `m` and data `d.jsonl`."""
    folder = tmp_path_factory.mktemp("place")
    tiny.save_model(folder / "m")
    tiny.save_rows(folder / "d.jsonl", ROWS)
    return folder


def test_finetune_says_where_it_stands_and_what_it_made(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("finetune", place / "m", place / "d.jsonl", "--out", tmp_path / "run", *QUICK)
    code, out, err = in_process.command(capfd, *arguments)
    assert code == 0
    assert out.splitlines()[:2] == [f"{tmp_path / 'run'}: 3 checkpoints of {place / 'm'}", "step 0, 2, 4"]
    lines = err.splitlines()
    assert lines[:2] == [f"load {place / 'm'}", "fine-tune (4)"]
    assert lines[2].startswith("step 2 of 4: loss ")
    assert lines[2].endswith(" s left")
    assert len(lines) == 4  # nothing of what the libraries say
    code, out, err = in_process.command(capfd, *arguments, "--json", "--quiet")
    assert (code, err) == (0, "")
    log = [json.loads(line) for line in (tmp_path / "run" / "training.jsonl").read_text().splitlines()]
    peak = max(log, key=lambda line: line["grad_norm"])["step"]
    record = json.loads(out)
    assert record["gradient_norm_peak"] == peak
    assert record["control"]["values"] == [0, 2, 4]


def test_settings_come_from_a_variable_too(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERPARAM_TARGETS", "down_proj,up_proj")
    monkeypatch.setenv("ORDERPARAM_RANK", "0")
    arguments = ("finetune", place / "m", place / "d.jsonl", "--out", tmp_path / "run")
    code, _, err = in_process.command(capfd, *arguments, "--steps", 1)
    assert (code, err) == (
        2,
        "orderparam: error: ORDERPARAM_RANK: '0': input should be greater than or equal to 1\n",
    )
    assert in_process.command(capfd, *arguments, "--steps", 1, "--rank", 1)[0] == 0
    options = json.loads((tmp_path / "run" / "run.json").read_text())["input"]["options"]
    assert (options["targets"], options["rank"], options["steps"]) == (["down_proj", "up_proj"], 1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("finetune", "m", "d.jsonl"), "--out: name the folder that becomes the run"),
        (("finetune", "m", "e.jsonl", "--out", "r"), "e.jsonl: no such file; did you mean d.jsonl?"),
        (("finetune", "./n", "d.jsonl", "--out", "r"), "the model ./n: there is no such folder"),
        (("finetune", "m", "d.jsonl", "--out", "m"), "m exists and is not empty"),
        (("finetune", "m", "d.jsonl", "--out", "r", "--schedule", "wild"), "--schedule: 'wild': input should be"),
        (("finetune", "m", "d.jsonl", "--out", "r", "--response-field", "x"), "d.jsonl: no field 'x'"),
        (("adopt", "m"), "--out: name the folder that becomes the run"),
        (("adopt", "m", "--out", "r"), "m holds no checkpoint-STEP folders"),
        (("adopt", "n", "--out", "r"), "n: there is no such folder"),
    ],
)
def test_what_is_wrong_is_one_line(
    place: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(place)
    code, out, err = in_process.command(capfd, *arguments, "--quiet")
    assert code == 2
    assert not out
    assert err.startswith(f"orderparam: error: {said}")
    assert len(err.splitlines()) == 1
    assert not (place / "r").exists()


def test_adopt_takes_a_folder_of_checkpoints(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for step in (10, 20):
        tiny.save_adapter(tmp_path / "outputs" / f"checkpoint-{step}", place / "m", seed=step)
    code, out, _ = in_process.command(capfd, "adopt", tmp_path / "outputs", "--out", tmp_path / "run")
    assert code == 0
    assert out.splitlines() == [
        f"{tmp_path / 'run'}: 3 checkpoints of {place / 'm'}",
        "step 0, 10, 20",
        "no log of the training (trainer_state.json): its gradient norm is not known",
    ]


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(place: Path, tmp_path: Path) -> None:
    arguments = [place / "m", place / "d.jsonl", "--out", tmp_path / "run", "--steps", 100_000, "--quiet"]
    command = [
        sys.executable,
        "-m",
        "orderparam",
        "finetune",
        *map(str, arguments),
        "--checkpoints",
        "every:50000",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "run" / "training.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (log.exists() and log.stat().st_size):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "orderparam: interrupted: what is done is kept; the same command goes on from here\n"
    assert log.read_text().endswith("}\n")
