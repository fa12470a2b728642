"""`discover` and the commands around it, end to end on the toy world: reports, resume, signals, gates."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.cli.ending import GATE, INTERRUPTED, OUTSIDE, USAGE
from probes.toy_world import write_pair
from runs.directory import Run
from tests.agent.in_process import Here

DISCOVER = ("discover", "before.jsonl", "after.jsonl", "--out", "run")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "orderparam", *map(str, arguments)]


def environ(**changes: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORDERPARAM_")}
    return {**inherited, "ORDERPARAM_PROCESSES": "2", **changes}


def orderparam(*arguments: object, folder: Path, code: int = 0) -> tuple[str, str]:
    """Runs the program in a process of its own; stdout and stderr."""
    done = subprocess.run(
        command(*arguments), cwd=folder, env=environ(), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of all files, by path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two toy files and a finished discovery in `run`."""
    folder = tmp_path_factory.mktemp("toy")
    write_pair(folder)
    out, err = orderparam(*DISCOVER, folder=folder)
    (folder / "stdout").write_text(out)
    (folder / "stderr").write_text(err)
    return folder


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((finished / "run/discoveries/d1/report.json").read_text())
    return found


def test_the_report_is_printed_and_written(finished: Path, report: dict[str, Any]) -> None:
    out = (finished / "stdout").read_text()
    assert report["parameters"], "the toy world's change is large enough to be found"
    for parameter in report["parameters"]:
        assert parameter["name"].lower() in out.lower()
    folder = finished / "run/discoveries/d1"
    assert {"report.html", "report.md", "report.json", "state.sqlite"} <= {path.name for path in folder.iterdir()}
    err = (finished / "stderr").read_text()
    assert "paired by prompt" in err
    assert err.splitlines()[-1] == "the report: run/discoveries/d1/report.html"


def test_the_same_command_again_returns_the_same_report_and_changes_nothing(here: Here, finished: Path) -> None:
    before = files_of(finished / "run")
    out, _ = here(*DISCOVER, folder=finished)
    assert out == (finished / "stdout").read_text()
    after = files_of(finished / "run")
    for name in before.keys() | after.keys():
        if not name.endswith((".lock", "state.sqlite", "-wal", "-shm", "run.json")):
            assert before[name] == after[name]
    assert json.loads((finished / "run/run.json").read_text())["reports"][1:] == []


def test_json_is_the_report_and_nothing_else(here: Here, finished: Path, report: dict[str, Any]) -> None:
    out, _ = here(*DISCOVER, "--json", folder=finished)
    assert json.loads(out) == report
    again, _ = here("report", "run", "--json", folder=finished)
    assert again == out
    printed, _ = here("report", "run", "--name", "d1", folder=finished)
    assert printed == (finished / "stdout").read_text()
    assert "d9" in here("report", "run", "--name", "d9", folder=finished, code=USAGE)[1]


def test_quiet_leaves_only_the_report(here: Here, finished: Path) -> None:
    out, err = here(*DISCOVER, "--quiet", folder=finished)
    assert (out, err) == ((finished / "stdout").read_text(), "")


def test_other_input_in_the_same_folder_is_refused(here: Here, finished: Path) -> None:
    _, err = here(
        "discover", "after.jsonl", "before.jsonl", "--out", "run", "--quiet", folder=finished, code=USAGE
    )
    assert "other input" in err
    assert err.count("\n") == 1


def test_a_gate_exits_with_3_after_the_report(here: Here, finished: Path, report: dict[str, Any]) -> None:
    low = report["total"]["linear"]["low"]
    out, err = here(*DISCOVER, "--quiet", "--fail-above", low - 0.01, folder=finished, code=GATE)
    assert out == (finished / "stdout").read_text()
    assert err.startswith("orderparam: warning: --fail-above")
    here(*DISCOVER, "--fail-above", low + 0.01, folder=finished)


def test_a_dry_run_says_what_would_be_compared_and_writes_nothing(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=20, draws=5)
    out, _ = here("discover", "before.jsonl", "after.jsonl", "--dry-run", folder=tmp_path)
    assert "200 samples of 20 prompts" in out
    assert "prompts like these" in out
    assert {path.name for path in tmp_path.iterdir()} == {"before.jsonl", "after.jsonl"}
    out, _ = here("discover", "before.jsonl", "after.jsonl", "--dry-run", "--claim", "fixed", folder=tmp_path)
    assert "about these prompts" in out


def test_check_finds_the_run_sound_and_then_damaged(here: Here, finished: Path, tmp_path: Path) -> None:
    out, _ = here("check", "run", folder=finished)
    assert out.endswith("sound\n")
    found = json.loads(here("check", "run", "--json", folder=finished)[0])
    assert (found["sound"], found["reports_seen"], found["discoveries"]) == (True, 1, ["d1"])
    run = tmp_path / "run"
    subprocess.run(["cp", "-r", finished / "run", run], check=True)
    data = bytearray((run / "samples.parquet").read_bytes())
    data[len(data) // 2] ^= 1
    (run / "samples.parquet").write_bytes(data)
    out, _ = here("check", "run", folder=tmp_path, code=USAGE)
    assert "damaged: samples.parquet" in out


def test_named_measures_and_a_report_are_measured_on_other_data(
    here: Here, finished: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    write_pair(tmp_path, seed=1)
    asked = finished / "run/discoveries/d1/report.json"
    out, err = here("measure", asked, "before.jsonl", "after.jsonl", "--json", folder=tmp_path)
    found = json.loads(out)
    assert (tmp_path / "orderparam-before-after/discoveries/d1/scores.parquet").is_file()
    assert found["measured_on"] == "all"
    assert found["samples"] == {"before": 300, "after": 300}
    assert [one["scale"] for one in found["parameters"]] == [one["scale"] for one in report["parameters"]]
    assert err.splitlines()[-1] == "the report: orderparam-before-after/discoveries/d1/report.html"

    out, _ = here("measure", "words,code", "orderparam-before-after", "--quiet", "--json", folder=tmp_path)
    assert [one["id"] for one in json.loads(out)["parameters"]] == ["words", "code"]
    assert json.loads(out)["reports_seen"] == 2
    last, _ = here("report", "orderparam-before-after", "--json", folder=tmp_path)
    assert last == out


def test_a_measure_of_ones_own_is_tried_and_can_be_asked_by_its_file(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=12, draws=5)
    (tmp_path / "own.py").write_text(
        'def odd_length(prompt: str, response: str) -> bool:\n    """Is its length odd?"""\n'
        "    return len(response) % 2 > 0\n"
    )
    out, _ = here(*DISCOVER, "--measure-file", "own.py", "--rounds", 1, "--json", folder=tmp_path)
    assert "odd length" in {candidate["name"] for candidate in json.loads(out)["candidates"]}
    out, _ = here("measure", "file:own.py", "run", "--measure-file", "own.py", "--json", folder=tmp_path)
    assert json.loads(out)["parameters"][0]["question"] == "Is its length odd?"
    _, err = here("measure", "file:own.py", "run", "--quiet", folder=tmp_path, code=USAGE)
    assert "--measure-file" in err


def test_settings_come_from_flags_then_variables_then_the_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(tmp_path, prompts=12, draws=5)
    (tmp_path / "orderparam.toml").write_text("seed = 1\nmax_parameters = 1\nrounds = 1\nquiet = true\n")
    monkeypatch.setenv("ORDERPARAM_MAX_PARAMETERS", "2")
    monkeypatch.setenv("ORDERPARAM_ROUNDS", "2")
    out, err = here("discover", "before.jsonl", "after.jsonl", "--rounds", 3, "--json", folder=tmp_path)
    found = json.loads(out)
    assert found["seed"] == 1
    assert (found["settings"]["max_parameters"], found["settings"]["rounds"]) == (2, 3)
    assert "reading" not in err


def test_one_file_with_both_sides_by_a_column_or_as_two_columns(here: Here, tmp_path: Path) -> None:
    paths = write_pair(tmp_path, prompts=10, draws=1)
    sides = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    with open(tmp_path / "long.jsonl", "w") as long:
        for model, side in zip(("base 7b", "tuned"), sides, strict=True):
            long.writelines(json.dumps({**row, "model": model}) + "\n" for row in side)
    with open(tmp_path / "wide.jsonl", "w") as wide:
        for row, other in zip(*sides, strict=True):
            both = {"prompt": row["prompt"], "base 7b": row["response"], "tuned": other["response"]}
            wide.write(json.dumps(both) + "\n")
    by = ("--by", "model", "--before", "base 7b", "--after", "tuned")
    columns = ("--before-column", "base 7b", "--after-column", "tuned")
    for arguments in (("long.jsonl", *by), ("wide.jsonl", *columns)):
        out, _ = here("discover", *arguments, "--dry-run", "--quiet", folder=tmp_path)
        assert out.startswith("side: before against after, without log-likelihoods\n20 samples of 10 prompts")
    here("discover", "wide.jsonl", *columns, "--quiet", folder=tmp_path)
    assert (tmp_path / "orderparam-base-7b-tuned" / "run.json").is_file()


def test_a_sweep_is_imported_and_two_groups_of_its_values_compared(here: Here, tmp_path: Path) -> None:
    before, after = write_pair(tmp_path, prompts=10, draws=6)
    with open(tmp_path / "sweep.jsonl", "w") as sweep:
        for step, path in ((0, before), (10, before), (20, after), (30, after)):
            for line in path.read_text().splitlines()[step % 20 // 10 :: 2]:
                sweep.write(json.dumps({**json.loads(line), "step": step}) + "\n")
    out, _ = here("import", "sweep.jsonl", "--axis", "step", "--out", "run", folder=tmp_path)
    assert out == "run: 120 samples of 10 prompts, step 0, 10, 20, 30\n"
    out, _ = here("discover", "run", "--before", "0,10", "--after", "20:30", "--dry-run", folder=tmp_path)
    assert out.startswith("step: 0, 10 against 20, 30")
    for flags, said in (((), "0, 10, 20, 30"), (("--before", "5", "--after", "20"), "'5' names no value")):
        assert said in here("discover", "run", *flags, folder=tmp_path, code=USAGE)[1]
    assert "is a run" in here("discover", "run", "--by", "step", folder=tmp_path, code=USAGE)[1]


@pytest.mark.parametrize(
    ("prompts", "arguments", "said"),
    [
        (2, ("discover", "before.jsonl", "after.jsonl"), "too few samples"),
        (10, ("discover", "before.jsonl", "after.jsonl", "--before", "base"), "'base' is no side of files"),
        (10, ("discover", "before.jsonl", "after.jsonl", "--given", "data:harm"), "data:harm"),
        (10, ("measure", "data:harm", "before.jsonl", "after.jsonl"), "data:harm"),
    ],
)
def test_input_that_turns_out_wrong_after_its_import_leaves_nothing(
    here: Here, tmp_path: Path, prompts: int, arguments: tuple[str, ...], said: str
) -> None:
    write_pair(tmp_path, prompts=prompts, draws=2)
    files = {path.name for path in tmp_path.iterdir()}
    _, err = here(*arguments, "--quiet", folder=tmp_path, code=USAGE)
    assert said in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == files


def test_values_that_no_two_files_have_are_refused_before_the_import(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path)
    before, after = sorted(path.name for path in tmp_path.iterdir())
    _, err = here("discover", before, after, "--before", "0", folder=tmp_path, code=USAGE)
    assert err.startswith("orderparam: error: --before: '0' is no side of files")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_report_printed_again_can_be_quiet(here: Here, finished: Path) -> None:
    out, err = here("report", "run", "--quiet", folder=finished)
    assert "What changed from" in out
    assert err == ""


def test_no_stage_is_said_twice_in_one_discovery(here: Here, finished: Path, tmp_path: Path) -> None:
    for path in finished.glob("*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    names = sorted(path.name for path in tmp_path.iterdir())
    _, err = here("discover", *reversed(names), "--rounds", "1", folder=tmp_path)
    stages = [line.split(" (")[0] for line in err.splitlines()]
    assert stages.count("measuring the answers") == 1
    assert stages.count("looking for words and phrases") == 1


def test_a_run_that_is_in_use_is_left_alone(here: Here, finished: Path) -> None:
    with Run.open(finished / "run").locked():
        _, err = here(*DISCOVER, "--quiet", folder=finished, code=OUTSIDE)
    assert "in use by" in err
    assert err.count("\n") == 1


def test_explain_shows_what_would_be_read_and_writes_nothing(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=3, draws=2)
    out, err = here("import", "--explain", "before.jsonl", folder=tmp_path)
    assert err == ""
    assert "before.jsonl: JSON Lines; 6 responses to 3 prompts, 0 missing, 0 empty" in out
    assert "prompt from 'prompt', response from 'response'" in out
    assert out.count("  row ") == 2
    found = json.loads(here("import", "--explain", "before.jsonl", "--json", folder=tmp_path)[0])
    assert (found["responses"], len(found["rows"])) == (6, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"before.jsonl", "after.jsonl"}


def test_identical_files_are_said_first(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=10, draws=3)
    out, _ = here("discover", "before.jsonl", "before.jsonl", "--quiet", folder=tmp_path)
    assert "identical" in out[: out.index("How much changed")]
    _, err = here("discover", "before.jsonl", "before.jsonl", "--quiet", "--json", folder=tmp_path)
    assert err.startswith("orderparam: warning: ")


def test_control_characters_of_answers_reach_no_terminal(here: Here, tmp_path: Path) -> None:
    for name, answer in (("a", "\x1b[31mred\x1b[0m"), ("b", "\x9b2Jx\u202egnp")):
        rows = [{"prompt": f"\x1b]0;{n}\x07?", "response": answer + f" {n}"} for n in range(12)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = [
        *here("import", "--explain", "a.jsonl", folder=tmp_path),
        *here("discover", "a.jsonl", "b.jsonl", folder=tmp_path),
    ]
    for text in texts:
        assert not set(text) & set("\x1b\x07\x9b\u202e")


def stopped(folder: Path, stage: str, number: signal.Signals) -> tuple[int, str]:
    """Starts the discovery and sends it a signal when it says that `stage` begins; exit code and last line."""
    with subprocess.Popen(
        command(*DISCOVER), cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.startswith(stage):
                process.send_signal(number)
                break
        else:
            pytest.fail(f"no stage {stage!r}: {said}")
        rest = process.stderr.read()
        process.wait(timeout=60)
    return process.returncode, (rest.splitlines() or [""])[-1]


STAGES = ("reading the files", "measuring the answers", "bounding the total")
"""Stages that begin before, in and after the graph's rounds."""


@pytest.mark.parametrize("stage", STAGES)
def test_after_kill_9_the_same_command_makes_the_same_report_and_does_nothing_twice(
    here: Here, stage: str, tmp_path: Path, report: dict[str, Any]
) -> None:
    write_pair(tmp_path)
    code, _ = stopped(tmp_path, stage, signal.SIGKILL)
    assert code == -signal.SIGKILL
    run = tmp_path / "run"
    assert not (run / "discoveries/d1/report.json").exists()
    kept = {name: found for name, found in files_of(run).items() if name.endswith((".parquet", ".npy"))}
    assert (len(kept) > 2) == (stage == STAGES[-1])  # scores of measures, once all are measured
    here(*DISCOVER, folder=tmp_path)
    assert json.loads((run / "discoveries/d1/report.json").read_text()) == report
    after = files_of(run)
    assert {name: after[name] for name in kept} == kept
    assert json.loads((run / "run.json").read_text())["reports"][1:] == []
    assert here("check", "run", folder=tmp_path)[0].endswith("sound\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_discovery_says_so_in_one_line_and_goes_on(
    here: Here, number: signal.Signals, tmp_path: Path, report: dict[str, Any]
) -> None:
    write_pair(tmp_path)
    code, line = stopped(tmp_path, "measuring the answers", number)
    assert code == INTERRUPTED
    assert line == "orderparam: interrupted: what is done is kept; the same command goes on from here"
    here(*DISCOVER, "--quiet", folder=tmp_path)
    assert json.loads((tmp_path / "run/discoveries/d1/report.json").read_text()) == report


def test_a_reader_that_goes_away_changes_nothing(finished: Path) -> None:
    shell = " ".join(command(*DISCOVER, "--quiet")) + " | head -n 1; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=finished,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
