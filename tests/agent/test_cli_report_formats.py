"""`report --format`: what a finished discovery hands on, end to end, without a call to a model."""

import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from agent.cli.ending import USAGE
from agent.discovery import discover_run
from agent.scores_table import SCORES_FILE
from probes.toy_world import write_pair
from tests.agent.in_process import Here
from tests.agent.read_by_models import coding_run, settings
from tests.agent.test_cli_discover import files_of, orderparam
from tests.servers.chat import ChatServer
from tests.servers.reader import ReaderWithControl

D1 = "run/discoveries/d1"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_pair(folder, prompts=20, draws=8)
    orderparam("discover", "before.jsonl", "after.jsonl", "--out", "run", "--quiet", folder=folder)
    return folder


@pytest.fixture
def report(finished: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((finished / D1 / "report.json").read_text())
    return found


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def probabilities(rows: list[dict[str, str]], column: str) -> dict[str, float]:
    """Of each level: the mean over prompts of its part of the prompt's rows that have one."""
    by_prompt: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row[column]:
            by_prompt[row["prompt_id"]].append(row[column])
    levels = {row[column] for row in rows if row[column]}
    return {
        level: sum(found.count(level) / len(found) for found in by_prompt.values()) / len(by_prompt)
        for level in levels
    }


def test_samples_hold_what_the_report_was_computed_from(
    here: Here, finished: Path, report: dict[str, Any]
) -> None:
    out, err = here("report", "run", "--format", "samples", folder=finished)
    rows = rows_of(out)
    assert err == ""
    assert len(rows) == 2 * 20 * 8
    on_report = [row for row in rows if row["split"] == "report"]
    assert len(on_report) == sum(report["samples"].values())
    for parameter in report["parameters"]:
        for side in ("before", "after"):
            mine = [row for row in on_report if row["side"] == side]
            wanted = {name: value for name, value in parameter[side].items() if value}
            assert probabilities(mine, f"{parameter['id']} level") == pytest.approx(wanted)


def test_samples_go_into_parquet_or_csv_by_the_name_of_the_file(
    here: Here, finished: Path, tmp_path: Path
) -> None:
    before = files_of(finished / "run")
    printed, _ = here("report", "run", "--format", "samples", folder=finished)
    for name in ("s.parquet", "s.csv"):
        assert here("report", "run", "--format", "samples", "--out", tmp_path / name, folder=finished) == ("", "")
    assert files_of(finished / "run") == before
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.equals(pq.read_table(finished / D1 / SCORES_FILE))
    assert (tmp_path / "s.csv").read_bytes().decode() == printed
    rows = rows_of(printed)
    assert list(rows[0]) == table.column_names
    for name in table.column_names:
        for cell, value in zip((row[name] for row in rows), table[name].to_pylist(), strict=True):
            assert (
                cell == ("" if value is None else value) if not isinstance(value, float) else float(cell) == value
            )


def test_latex_and_csv_are_of_the_report_that_is_named(here: Here, finished: Path, report: dict[str, Any]) -> None:
    out, _ = here("report", "run", "--format", "csv", "--name", "d1", folder=finished)
    assert [row["name"] for row in rows_of(out)] == [one["name"] for one in report["parameters"]] + ["", ""]
    assert float(rows_of(out)[-1]["dissimilarity"]) == report["total"]["linear"]["value"]
    out, _ = here("report", "run", "--format", "latex", folder=finished)
    assert out.count(r"\begin{") == out.count(r"\end{") == 2
    assert report["parameters"][0]["name"] in out
    assert "d9" in here("report", "run", "--format", "csv", "--name", "d9", folder=finished, code=USAGE)[1]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--format", "pdf"), "--format: 'pdf' is none; there are html, markdown, latex, csv, samples"),
        (("--format", "csv", "--json"), "--format: not together with --json"),
        (("--format", "csv", "--usage"), "--format: not together with --usage"),
        (("--out", "x.csv"), "--out: is for --format"),
        (("--format", "csv", "--out", "x.parquet"), "--out: a file .parquet is for --format samples"),
        (("--format", "csv", "--out", "no/such/x.csv"), "cannot write no/such/x.csv"),
        (("--format", "csv", "--out", "run"), "cannot write run"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    here: Here, finished: Path, flags: tuple[str, ...], named: str
) -> None:
    out, err = here("report", "run", *flags, folder=finished, code=USAGE)
    assert (out, err.count("\n")) == ("", 1)
    assert named in err
    assert not (finished / "x.csv").exists()


def test_what_is_not_there_or_damaged_is_said(here: Here, tmp_path: Path) -> None:
    write_pair(tmp_path, prompts=12, draws=4)
    here("import", "before.jsonl", "after.jsonl", "--out", "run", folder=tmp_path)
    assert "no report yet" in here("report", "run", "--format", "csv", folder=tmp_path, code=USAGE)[1]
    here("measure", "words", "run", "--quiet", folder=tmp_path)
    printed, _ = here("report", "run", "--format", "samples", folder=tmp_path)
    assert printed.startswith("sample_id,prompt_id,side,split,words,words level\r\n")
    path = tmp_path / D1 / SCORES_FILE
    path.write_bytes(path.read_bytes()[:-100])
    assert "is damaged" in here("report", "run", "--format", "samples", folder=tmp_path, code=USAGE)[1]
    path.unlink()
    _, err = here("report", "run", "--format", "samples", folder=tmp_path, code=USAGE)
    assert f"{D1}/{SCORES_FILE}: is missing; remove {D1}/report.json and run the same command" in err
    (tmp_path / D1 / "report.json").unlink()  # as the line says
    here("measure", "words", "run", "--quiet", folder=tmp_path)
    assert here("report", "run", "--format", "samples", folder=tmp_path)[0] == printed


def test_what_a_model_judged_is_told_without_the_model(here: Here, tmp_path: Path) -> None:
    with ChatServer(ReaderWithControl()) as server:
        run = coding_run(tmp_path / "run", prompts=10)
        report = discover_run(run, settings(server, rounds=1))
    judged = report.parameters[0]
    assert judged.judge.startswith("openai:")
    out, _ = here("report", "run", "--format", "samples", folder=tmp_path)
    rows = [row for row in rows_of(out) if row["split"] == "report"]
    for side, wanted in (("before", judged.before), ("after", judged.after)):
        mine = [row for row in rows if row["side"] == side]
        assert probabilities(mine, f"{judged.id} level") == pytest.approx({k: v for k, v in wanted.items() if v})
    assert judged.quotes is not None
    assert sum(bool(row[f"{judged.id} quote"]) for row in rows) > 0
