"""`report` end to end: a page made anew and opened, two reports compared, and what does not go together."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.cli.ending import OUTSIDE, USAGE
from agent.measure_set import measure_set
from agent.settings import DiscoverSettings, from_keywords
from probes.toy_world import write_pair
from runs.importing import import_pair
from runs.storing import ImportOptions
from tests.agent.in_process import Here
from tests.agent.test_cli_discover import command, environ, files_of
from tools.report.document import Report

D1, D2 = "run/discoveries/d1", "run/discoveries/d2"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has two reports."""
    folder = tmp_path_factory.mktemp("two")
    write_pair(folder, prompts=12, draws=5)
    run = import_pair(folder / "before.jsonl", folder / "after.jsonl", folder / "run", ImportOptions()).run
    measure_set("words,questions", run, from_keywords(DiscoverSettings, {}))
    measure_set("words,sentences", run, from_keywords(DiscoverSettings, {"seed": 3}))
    return folder


def test_two_reports_stand_side_by_side(here: Here, two: Path) -> None:
    out, err = here("report", D1, D2, folder=two)
    assert err == ""
    a, b = (Report.load(two / one) for one in (D1, D2))
    both = {one.name for one in a.parameters} & {one.name for one in b.parameters}
    assert both == {"length in words"}
    assert "Both chose length in words." in out
    assert "samples are in both" in out
    assert "seed" in out.partition("What differs")[2]
    record = json.loads(here("report", D1, D2, "--json", folder=two)[0])
    assert record["a"]["total"] == json.loads(a.to_json())["total"]
    assert record["by_scores"]["samples"] == 2 * 12 * 5
    assert {one["what"]: (one["a"], one["b"]) for one in record["differences"]}["seed"] == (0, 3)
    same, _ = here("report", "run", D2, folder=two)  # the last report of the run is d2
    assert "Both are the same report." in same


def test_a_report_is_printed_wherever_it_lies(here: Here, two: Path, tmp_path: Path) -> None:
    printed, err = here("report", "run", "--name", "d1", folder=two)
    assert err == f"the report: {D1}/report.html\n"
    assert here("report", D1, folder=two) == (printed, err)
    shutil.copy(two / D1 / "report.json", tmp_path / "line\nbreak.json")
    assert here("report", tmp_path / "line\nbreak.json", folder=two) == (printed, "")
    told, _ = here("report", tmp_path / "line\nbreak.json", D2, folder=two)
    assert "line ↵ break.json" in " ".join(told.split())
    before = files_of(two)
    for form in ("html", "markdown"):
        page, err = here("report", D1, "--format", form, folder=two)
        assert err == ""
        assert "length in words" in page
    assert files_of(two) == before


def test_pages_are_made_anew_from_the_report_alone(here: Here, two: Path, tmp_path: Path) -> None:
    shutil.copytree(two / D1, tmp_path / "kept")
    for path in (tmp_path / "kept").iterdir():
        if path.name != "report.json":
            path.unlink() if path.is_file() else shutil.rmtree(path)
    assert here("report", "kept", folder=tmp_path)[1] == ""
    _, err = here("report", "kept", "--format", "samples", folder=tmp_path, code=USAGE)
    assert "scores.parquet: is missing; it lies beside the report in the run" in err
    out, err = here("report", "kept", "--rebuild", folder=tmp_path)
    assert (out, err) == ("", "the report: kept/report.html\n")
    for name in ("report.html", "report.md", "report.json"):
        assert (tmp_path / "kept" / name).read_bytes() == (two / D1 / name).read_bytes()
    assert here("report", "kept", "--rebuild", "--quiet", folder=tmp_path) == ("", "")


def test_the_page_is_opened_in_the_browser_that_the_system_names(two: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    page = two / D1 / "report.html"
    page.write_text("old")
    done = subprocess.run(
        command("report", D1, "--open"),
        cwd=two,
        env=environ(BROWSER=f"{browser} %s"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    assert (tmp_path / "opened").read_text() == f"{page.resolve().as_uri()}\n"
    assert "length in words" in page.read_text()


def test_a_browser_that_cannot_be_opened_is_said(here: Here, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    out, err = here("report", D1, "--open", "--quiet", folder=two, code=OUTSIDE)
    assert out == ""
    assert err == f"orderparam: error: --open: no browser could be opened here; {D1}/report.html is the page\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((D1, D2, "run"), "3 reports were named"),
        ((D1, D2, "--open"), "--open: is for one report"),
        ((D1, D2, "--format", "csv"), "--format: is for one report"),
        (("run", "run", "--name", "d1"), "--name: is for one report"),
        ((D1, "--open", "--json"), "--json: not together with --open"),
        ((D1, "--rebuild", "--format", "csv"), "--format: not together with --rebuild"),
        ((D1, "--usage"), "is not a run"),
        (("run", "--usage", "--name", "d7"), "there is no discovery 'd7'; there are d1, d2"),
        ((D1, "nowhere"), "nowhere: there is no such folder"),
        ((D1, "before.jsonl"), "before.jsonl': not JSON"),
        ((D1, "other.json"), "other.json': format '2'; this version of orderparam reads format 1"),
        ((D1, "no\nsuch"), r"no\nsuch"),
        ((), "Missing argument"),
    ],
)
def test_wrong_use_is_refused_in_one_line(here: Here, two: Path, arguments: tuple[str, ...], said: str) -> None:
    (two / "other.json").write_text('{"format": 2}')
    out, err = here("report", *arguments, folder=two, code=USAGE)
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_reader_that_goes_away_is_no_error(two: Path) -> None:
    line = " ".join(command("report", D1, D2))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{line} | head -1"],
        cwd=two,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Two reports compared\n"
