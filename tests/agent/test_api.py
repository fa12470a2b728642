"""The Python API: what it takes, and what a report is good for."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orderparam
from agent import api
from probes.errors import InputError
from probes.toy_world import write_pair
from runs.directory import Run
from tests.agent.worlds import rows_of, run_of, shorter
from tools.report.document import Report
from tools.report.words import headline

QUICK: dict[str, Any] = {"resamples": 199, "rounds": 1, "processes": 1}


@pytest.fixture(scope="module")
def rows() -> Any:
    return rows_of(shorter, prompts=12)


@pytest.fixture(scope="module")
def report(rows: Any) -> api.DiscoveryReport:
    return orderparam.discover(*rows, **QUICK)


def test_rows_frames_and_runs_give_the_same_report(rows: Any, report: api.DiscoveryReport, tmp_path: Path) -> None:
    before, after = (pd.DataFrame(side) for side in rows)
    assert orderparam.discover(before, after, **QUICK) == report
    run = run_of(tmp_path / "run", rows)
    assert orderparam.discover(run, **QUICK) == report
    assert orderparam.discover(str(run.path), **QUICK) == report  # finished: returned as it is


def test_paths_become_a_run_where_out_says(tmp_path: Path) -> None:
    before, after = write_pair(tmp_path, prompts=10, draws=6)
    made = orderparam.discover(str(before), after, out=tmp_path / "kept", **QUICK)
    run = Run.open(tmp_path / "kept")
    assert (run.path / "discoveries" / made.name / "report.json").read_text() == made.to_json()


def test_nothing_stays_on_disk_without_out(rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    orderparam.discover(*rows, **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_one_frame_holds_both_sides(rows: Any, report: api.DiscoveryReport) -> None:
    frames = [pd.DataFrame(side).assign(model=name) for side, name in zip(rows, ("old", "new"), strict=True)]
    whole = pd.concat(frames, ignore_index=True)
    found = orderparam.discover(whole, by="model", before_values="old", after_values="new", **QUICK)
    assert found.splits == report.splits
    assert found.parameters != ()


def test_a_report_is_saved_tabled_and_shown(report: api.DiscoveryReport, tmp_path: Path) -> None:
    report.save(tmp_path / "saved")
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {
        "figures",
        "report.html",
        "report.json",
        "report.md",
    }
    assert Report.load(tmp_path / "saved").to_json() == report.to_json()
    table = report.to_pandas()
    assert table["id"].tolist() == [parameter.id for parameter in report.parameters]
    assert table.loc[0, "share_low"] == report.parameters[0].share.low
    shown = report._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert shown.count("<") == 2  # the page inside is escaped
    assert 'sandbox="allow-scripts"' in shown  # and so is of an origin of its own
    assert repr(report) == f"<DiscoveryReport d1: {' '.join(headline(report))}>"


def test_a_known_set_is_measured(rows: Any, report: api.DiscoveryReport) -> None:
    found = api.measure("ends_with_question", *rows, processes=1, resamples=199)
    assert found.measured_on == "all"
    again = api.measure(report, *rows_of(shorter, prompts=12, seed=5), processes=1, resamples=199)
    assert again.parameters[0].scale == report.parameters[0].scale


@pytest.mark.parametrize(
    ("arguments", "keywords", "said"),
    [
        (("rows", "rows"), {"min_gian": 0.1}, "min_gian.*nearest: min_gain"),
        (("rows", "rows"), {"dry_run": True}, "command line"),
        (("rows", "rows"), {"before_values": "a"}, "before_values"),
        (("rows", "path"), {}, "two paths, or rows"),
        (("rows", "rows"), {"thinking": "maybe"}, "thinking"),
        (("run",), {"prompt_field": "x"}, "prompt_field: .* this is a run"),
    ],
)
def test_wrong_use_is_refused_in_one_line(
    rows: Any, tmp_path: Path, arguments: tuple[str, ...], keywords: dict[str, Any], said: str
) -> None:
    (tmp_path / "run").mkdir()
    known = {"rows": rows[0], "path": str(tmp_path / "x.jsonl"), "run": tmp_path / "run"}
    with pytest.raises(InputError, match=said) as caught:
        orderparam.discover(*(known[one] for one in arguments), **keywords)
    assert "\n" not in str(caught.value)
