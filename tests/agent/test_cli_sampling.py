"""`sample` and `score` as a person meets them, on a run of a tiny model."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from agent.cli.ending import USAGE
from runs.directory import Run
from tests.agent import in_process
from tests.runs.sampled_run import begin_run

pytest.importorskip("torch", reason="the backend is not installed")

PROMPTS = '{"id": "a", "prompt": "yes"}\n{"id": "b", "prompt": "no, and why?"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text(PROMPTS)
    return begin_run(tmp_path).path


def test_samples_and_likelihoods_from_the_command_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("--prompts", "prompts.jsonl", "--draws", 3, "--max-new-tokens", 6, "--device", "cpu", "--seed", 2)
    code, out, err = in_process.command(capfd, "sample", folder, *flags)
    assert code == 0, err
    assert "18 samples of 2 prompts at 3 checkpoints" in out
    assert f"next: orderparam score {folder}" in out
    code, out, _ = in_process.command(capfd, "sample", folder, *flags, "--json")
    assert code == 0
    assert json.loads(out)["samples"] == 18
    code, out, err = in_process.command(capfd, "score", folder, "--device", "cpu", "--json")
    assert code == 0, err
    assert json.loads(out) == {
        "run": str(folder),
        "samples": 18,
        "engine": "transformers",
        "precision": "float32",
        "device": "cpu",
        "temperature": 1.0,
        "band": None,
    }
    loglik_SK = Run.open(folder).loglik()
    assert loglik_SK is not None
    assert loglik_SK.shape == (18, 3)
    code, _, err = in_process.command(capfd, "score", folder, "--device", "cpu", "--before", "0", "--after", "2")
    assert (code, "add --tokens" in err) == (USAGE, True)
    named = ("--tokens", "--before", "0", "--after", "2")
    code, out, err = in_process.command(capfd, "score", folder, "--device", "cpu", *named)
    assert code == 0, err
    assert "token by token: before 0, after 2, in token_loglik.parquet" in out
    table = pq.read_table(folder / "token_loglik.parquet")
    assert table.num_rows == 24  # twelve samples under two checkpoints
    row_of = {
        name: row for row, name in enumerate(Run.open(folder).samples(["sample_id"])["sample_id"].to_pylist())
    }
    for row in table.to_pylist():
        whole = loglik_SK[row_of[row["sample_id"]], row["checkpoint"]]
        assert sum(row["loglik"]) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("sample", "--draws", "0"), "--draws"),
        (("sample", "--temperature", "0"), "--temperature"),
        (("sample", "--temperature", "nan"), "--temperature"),
        (("sample", "--max-new-tokens", "some"), "--max-new-tokens"),
        (("sample", "--engine", "other"), "--engine"),
        (("sample", "--prompts", "no-such-set"), "no-such-set"),
        (("sample", "--prompts", ","), "--prompts"),
        (("score",), "no samples yet"),
        (("score", "--band", "0"), "--band"),
        (("score", "--device", "tpu"), "--device"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_flag(
    folder: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], named: str
) -> None:
    command, *flags = arguments
    code, out, err = in_process.command(capfd, command, folder, *flags)
    assert (code, out) == (USAGE, "")
    line = err.strip().splitlines()[-1]
    assert line.startswith("orderparam: error:")
    assert named in line
    assert not Run.open(folder).manifest.has_done("samples")
