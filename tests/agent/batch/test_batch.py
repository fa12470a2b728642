"""Batches end to end and offline: what is common and what is not, failures, and going on."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from agent.batch.pooled import Part, pooled_run
from agent.cli.app import app
from agent.cli.ending import ending_of
from agent.comparison import comparison_of
from agent.measure_set import measure_set
from runs.check import check_run
from runs.directory import Run
from runs.schema import SPLITS
from tests.agent.batch.domains import changed, rows_in, write_files, write_plan
from tests.agent.in_process import command, small
from tests.agent.test_measure_set import settings
from tests.agent.worlds import likelihood_run, rows_of, run_of, shorter


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)


WORLD = {"cooking": changed(shorter=True), "law": changed(shorter=True, asks=True), "money": changed(shorter=True)}


@pytest.fixture(scope="module")
def of_domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose answers become shorter in all three domains and ask back in one."""
    before, after = [], []
    for seed, (domain, responder) in enumerate(WORLD.items()):
        sides = rows_in(domain, responder, seed)
        before += sides[0]
        after += sides[1]
    return run_of(tmp_path_factory.mktemp("domains") / "RUN", (before, after)).path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as files, and a domain with too few samples."""
    folder = tmp_path_factory.mktemp("files")
    for seed, (domain, responder) in enumerate(WORLD.items()):
        write_files(folder, domain, rows_in(domain, responder, seed))
    write_files(folder, "tiny", rows_in("tiny", changed(), 9, prompts=1, draws=1))
    return folder


@pytest.fixture(scope="module")
def done(files: Path) -> Path:
    """A finished batch of two jobs, and the folder of its plan."""
    plan = write_plan(files, ["cooking", "law"], head="pooled: false\n").rename(files / "done.yaml")
    with pytest.MonkeyPatch.context() as monkeypatch:
        small(monkeypatch)
        assert ending_of(app, ["batch", str(plan), "--out", str(files / "done"), "--quiet"], "orderparam") == 0
    return files / "done"


def test_a_run_by_domain_tells_the_common_from_what_is_of_one_domain(
    of_domains: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("batch", str(of_domains), "--by", "domain", "--rounds", "1", "--transfer", "--out", str(out))
    code, stdout, stderr = command(capfd, *arguments, "--json", "--quiet")
    assert (code, stderr) == (0, "")
    summary = json.loads(stdout)
    assert stdout == (out / "summary.json").read_text()
    rows = summary["parameters"]
    length = next(row for row in rows if row["judge"] == "code:words")
    assert length["verdict"] == "common"
    assert length["everywhere"]
    assert length["seen_in"] == list(WORLD)
    asking = [row for row in rows if row["verdict"] == "specific"]
    assert {row["of"] for row in asking} == {"law"}
    for row in asking:
        cells = {name: cell["dissimilarity"] for name, cell in row["cells"].items()}
        assert cells["law"]["low"] > max(cells["cooking"]["high"], cells["money"]["high"])
        assert row["cells"]["law"]["shift"] > 0.5
    assert summary["tests"] == len(rows) * (3 + 2)  # of each cell, "in one at most", and the contrast
    for domain in summary["domains"]:
        assert (out / domain["report"]).is_file()
        report = json.loads((out / domain["report"]).with_name("report.json").read_text())
        for row in rows:
            if row["source"] == domain["name"]:  # where it was found a cell is the report's own number
                own = next(one for one in report["parameters"] if one["id"] == row["id"])
                cell = row["cells"][domain["name"]]
                assert cell["dissimilarity"] == own["dissimilarity"]
                assert cell["share"] == own["share"]
    page = (out / "summary.html").read_text()
    assert f'<a href="{summary["domains"][0]["report"]}">' in page
    assert "<script" not in page
    seen = len(Run.open(of_domains).manifest.reports)
    assert seen == 4 + 4  # four reports, and four looks at report splits for the parameters of others
    code, again, _ = command(capfd, *arguments, "--json", "--quiet")
    assert (code, again) == (0, stdout)
    assert len(Run.open(of_domains).manifest.reports) == seen


def test_without_transfer_parameters_are_measured_where_they_were_found(
    of_domains: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, stdout, _ = command(
        capfd, "batch", str(of_domains), "--by", "domain", "--rounds", "1", "--out", str(tmp_path / "o"), "--json"
    )
    assert code == 0
    for row in json.loads(stdout)["parameters"]:
        for name, cell in row["cells"].items():
            assert (cell["dissimilarity"] is not None) == (name in row["found_in"])


def test_a_failed_job_does_not_stop_the_others_and_the_same_command_completes_it(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = write_plan(files, ["cooking", "tiny", "law"])
    arguments = ("batch", str(plan), "--jobs", "2", "--out", str(tmp_path / "out"))
    code, stdout, stderr = command(capfd, *arguments)
    assert code == 1
    assert "warning: failed: tiny: too few samples" in stderr
    assert "tiny: failed" in stderr  # a plain line of its own
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert not summary["complete"]
    assert summary["pooled"] is None
    assert [one["status"] for one in summary["domains"]] == ["done", "failed", "done"]
    assert any(row["seen_in"] for row in summary["parameters"])
    assert "Not complete" in stdout
    assert "too few samples" in (tmp_path / "out" / "summary.md").read_text()
    write_files(files, "tiny", rows_in("tiny", changed(), 9))
    code, stdout, stderr = command(capfd, *arguments)
    assert code == 0, stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["complete"]
    assert summary["pooled"]["status"] == "done"
    assert check_run(tmp_path / "out" / "runs" / "pooled").sound
    assert os.path.samefile(
        tmp_path / "out" / "ledger.sqlite", tmp_path / "out" / "runs" / "law" / "ledger.sqlite"
    )


def test_jobs_at_once_find_what_jobs_in_turn_find(
    done: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "done"
    code, _, _ = command(capfd, "batch", str(done) + ".yaml", "--jobs", "2", "--out", str(out), "--quiet")
    assert code == 0
    at_once, in_turn = (json.loads((folder / "summary.json").read_text()) for folder in (out, done))
    assert at_once == in_turn


def test_what_was_begun_otherwise_is_not_gone_on_with(
    done: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(done, tmp_path / "out", symlinks=True)
    plan = done.with_name("otherwise.yaml")
    plan.write_text(done.with_suffix(".yaml").read_text().replace('"rounds": 1', '"rounds": 2'))
    code, _, stderr = command(capfd, "batch", str(plan), "--out", str(out))
    assert code == 2
    assert "holds a batch whose job 'cooking' had rounds 1, not 2; name another folder by --out" in stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    code, _, stderr = command(capfd, "batch", str(plan), "--out", str(tmp_path / "full"))
    assert code == 2
    assert "is not empty" in stderr
    (out / "batch.json").write_text('{"format": 2}')
    code, _, stderr = command(capfd, "batch", str(plan), "--out", str(out))
    assert code == 2
    assert "is no batch of this version" in stderr


def test_jobs_of_the_same_answers_are_not_held_against_each_other(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same files with other splits: what one search has read, the other job reports on. And the same before
    with an after of its own: nothing was read, but both are one domain."""
    _, after = rows_in("cooking", WORLD["cooking"], 7)
    write_files(files, "later", ([], after))
    plan = write_plan(files, ["cooking"])
    again = "  again: {before: cooking-before.jsonl, after: cooking-after.jsonl, settings: {seed: 5}}\n"
    later = "  later: {before: cooking-before.jsonl, after: later-after.jsonl}\n"
    plan.write_text(plan.read_text() + again + later)
    code, stdout, _ = command(capfd, "batch", str(plan), "--dry-run")
    assert code == 0
    assert stdout.splitlines()[3] == "pooled   will not be run: cooking and again share 8 prompts"
    out = tmp_path / "out"
    code, stdout, _ = command(capfd, "batch", str(plan), "--transfer", "--out", str(out), "--quiet")
    assert code == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["pooled"] is None
    assert summary["alerts"][0].startswith("cooking, again and later share prompts: they count as one for")
    assert "Read this first" in (out / "summary.html").read_text()
    assert "cooking, again and later share prompts" in stdout
    rows = summary["parameters"]
    length = next(row for row in rows if row["judge"] == "code:words")
    assert length["source"] == "cooking"
    assert length["seen_in"] == ["cooking", "later"]
    assert length["says"].endswith("cannot tell; cooking and later count as one where they share prompts.")
    for row in rows:
        others = {"cooking": ["again"], "again": ["cooking", "later"], "later": ["again"]}[row["source"]]
        for other in others:
            assert row["cells"][other]["why"].startswith("answers of its report split were read by the search")
        assert row["verdict"] not in ("common", "specific")
        assert row["common_p"] is None
        assert row["contrast_p"] is None


def test_a_dry_run_says_what_would_be_and_leaves_nothing(
    files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = write_plan(files, ["cooking", "law"])
    code, stdout, _ = command(capfd, "batch", str(plan), "--dry-run", "--transfer")
    assert code == 0
    assert stdout.splitlines()[0] == "cooking        160 samples of 8 prompts; no model calls"
    assert "no calls to language models" in stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["PLAN", "--rounds", "3"], "--rounds: is for RUN --by domain; a plan holds its own settings"),
        (["PLAN", "--jobs", "none"], "--jobs: 'none': a whole number from 1 to 64 is wanted"),
        (["PLAN", "--jobs", "0"], "--jobs: '0'"),
        (["PLAN", "--jobs", 5000 * "9"], "9': a whole number from 1 to 64 is wanted"),
        (["RUN"], "is a folder; a run is taken apart with --by domain"),
        (["RUN", "--by", "prompt"], "--by: 'prompt': a run is taken apart by its domains"),
        (["NOWHERE.yaml"], "there is no such file; name a plan, or a run with --by domain"),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    arguments: list[str], said: str, files: Path, of_domains: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = write_plan(files, ["cooking"])
    given = [{"PLAN": str(plan), "RUN": str(of_domains)}.get(one, one) for one in arguments]
    code, stdout, stderr = command(capfd, "batch", *given)
    assert (code, stdout) == (2, "")
    assert said in stderr
    assert stderr.count("\n") == 1


def test_a_plan_with_several_mistakes_is_refused_in_as_many_lines(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = write_plan(files, ["cooking", "nowhere"], head="budgit: {}\n")
    code, _, stderr = command(capfd, "batch", str(plan))
    assert code == 2
    lines = stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"orderparam: error: {plan}, line ") for line in lines)


# The samples of all jobs together


def test_samples_keep_their_splits_in_the_whole(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / name, rows_of(shorter, prompts=4, draws=draws)) for name, draws in (("a", 6), ("b", 1))
    ]
    report = measure_set(["words"], runs[0], settings())
    parts = [Part(name, name, run, report) for name, run in zip("ab", runs, strict=True)]
    whole = pooled_run(parts, tmp_path / "whole", seed=0)
    assert (whole.before, whole.after) == (None, None)
    expected = {
        f"{part.name}/{sample}": split
        for part in parts
        for sample, split in zip(
            *(part.run.samples()[key].to_pylist() for key in ("sample_id", "split")), strict=True
        )
    }
    samples = whole.run.samples()
    assert dict(zip(samples["sample_id"].to_pylist(), samples["split"].to_pylist(), strict=True)) == expected
    assert set(whole.run.prompts()["domain"].to_pylist()) == {"a", "b"}
    assert check_run(whole.run.path).sound
    assert pooled_run(parts, tmp_path / "whole", seed=0).run.manifest.created == whole.run.manifest.created


def test_likelihoods_stay_with_their_samples_in_the_whole(tmp_path: Path) -> None:
    made = [likelihood_run(tmp_path / name, prompts=6, draws=5, seed=seed)[0] for seed, name in enumerate("ab")]
    parts = [
        Part(name, name, run, measure_set(["words"], run, settings()))
        for name, run in zip("ab", made, strict=True)
    ]
    whole = pooled_run(parts, tmp_path / "whole", seed=0).run
    loglik_SK = whole.loglik()
    assert loglik_SK is not None
    row_of = {one: row for row, one in enumerate(whole.samples()["sample_id"].to_pylist())}
    for part in parts:
        own_SK = part.run.loglik()
        assert own_SK is not None
        ids = part.run.samples()["sample_id"].to_pylist()
        rows = [row_of[f"{part.name}/{one}"] for one in ids]
        assert np.array_equal(loglik_SK[rows], own_SK)
    assert comparison_of(whole, None, None).mode == "likelihood"


def test_a_part_may_be_one_domain_of_a_run(of_domains: Path, tmp_path: Path) -> None:
    run = Run.open(of_domains)
    report = measure_set(["words"], run, settings(domain="law", name="alone"))
    parts = [Part("x", "law", run, report, "law"), Part("y", "y", run, report, "money")]
    whole = pooled_run(parts, tmp_path / "whole", seed=0).run
    assert whole.manifest.prompts == 16
    assert whole.manifest.samples == 320
    assert set(whole.samples()["split"].to_pylist()) == set(SPLITS)
