"""Reports found by what a person names, and two compared on the samples that both have."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats.contingency import association, crosstab

from agent.discovery import discover_run
from agent.found_report import FoundReport, find_report, rebuild
from agent.measure_set import measure_set
from agent.report_pair import compare_reports
from agent.scores_table import SCORES_FILE
from agent.settings import DiscoverSettings
from probes.errors import InputError
from runs.directory import Run
from tests.agent.worlds import rows_of, run_of, shorter

QUICK: dict[str, Any] = {"resamples": 199, "rounds": 1, "processes": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with two discoveries and a measured set."""
    run = run_of(tmp_path_factory.mktemp("pair") / "run", rows_of(shorter, prompts=10))
    for seed in (1, 2):
        discover_run(run, DiscoverSettings(name=f"d{seed}", seed=seed, **QUICK))
    measure_set(("words", "ends_with_question", "sentences"), run, DiscoverSettings(name="m", **QUICK))
    return Run.open(run.path)


def found(run: Run, name: str) -> FoundReport:
    return find_report(run.path / "discoveries" / name)


def frame(one: FoundReport) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(one.folder / SCORES_FILE).to_pandas()
    return table


def test_a_report_is_found_by_run_discovery_and_file(run: Run) -> None:
    folder = run.path / "discoveries" / "d1"
    assert find_report(run.path).report.name == "m"  # the last one
    assert find_report(run.path, "d1") == find_report(folder) == find_report(folder / "report.json")
    for path, name, said in (
        (folder, "d2", "is a report already"),
        (run.path, "d9", "'d9' has no report; there are d1, d2, m"),
        (run.path / "run.json", None, "run.json.: .run.: Field required"),
        (run.path / "no\nsuch", None, r"no\\nsuch.*no such folder"),
        (run.path / "measures", None, "is not a run"),
        (Path("x" * 300), None, "cannot read"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            find_report(path, name)
        assert "\n" not in str(caught.value)


def test_the_agreement_is_that_of_the_levels_in_the_two_tables(run: Run) -> None:
    a, b = found(run, "d1"), found(run, "m")
    by_scores = compare_reports(a, b).by_scores
    joined = frame(a).merge(frame(b), on="sample_id", suffixes=("_a", "_b"))
    assert by_scores.samples == len(joined) == run.manifest.samples
    assert [(one.a, one.b) for one in by_scores.pairs] == [
        (one.id, other.id) for one in a.report.parameters for other in b.report.parameters
    ]
    for pair in by_scores.pairs:
        first, second = (
            joined[name] if name in joined else joined[f"{name}_{side}"]
            for name, side in ((f"{pair.a} level", "a"), (f"{pair.b} level", "b"))
        )
        there = first.notna() & second.notna()
        assert pair.samples == int(there.sum())
        if first[there].nunique() < 2 or second[there].nunique() < 2:
            assert pair.cramers_v is None
            continue
        plain = association(crosstab(first[there], second[there]).count, method="cramer")
        assert pair.cramers_v == pytest.approx(plain, abs=0.05)  # the correction is small among so many samples


def test_a_scale_that_is_the_same_has_an_alpha(run: Run) -> None:
    a, b = found(run, "d1"), found(run, "d2")
    same = [one for one in compare_reports(a, b).by_scores.pairs if one.a == one.b]
    assert same
    for one in same:
        assert [one.cramers_v, one.alpha, one.within_sides] == pytest.approx([1.0, 1.0, 1.0])


def test_the_same_answers_in_another_run_are_the_same_samples(run: Run, tmp_path: Path) -> None:
    sides = rows_of(shorter, prompts=10)
    other = run_of(tmp_path / "other", (sides[0][:-20], sides[1][:-20]), seed=9)
    measure_set("words", other, DiscoverSettings(name="m", **QUICK))
    by_scores = compare_reports(found(run, "m"), found(other, "m")).by_scores
    assert by_scores.samples == len(sides[0]) + len(sides[1]) - 40
    strange = run_of(tmp_path / "strange", rows_of(shorter, prompts=10, seed=5))
    measure_set("words", strange, DiscoverSettings(name="m", **QUICK))
    assert compare_reports(found(run, "m"), found(strange, "m")).by_scores.samples == 0


def saved(folder: Path, like: FoundReport, table: pa.Table | None, **changes: Any) -> FoundReport:
    folder.mkdir()
    (folder / "report.json").write_text(like.report.model_copy(update=changes).to_json())
    if table is not None:
        pq.write_table(table, folder / SCORES_FILE)
    return find_report(folder)


def test_numbers_of_samples_are_not_taken_for_samples_of_another_run(run: Run, tmp_path: Path) -> None:
    like = found(run, "m")
    table = pq.read_table(like.folder / SCORES_FILE)
    numbered = table.set_column(0, "sample_id", pa.array([f"p{row}-0-1" for row in range(table.num_rows)]))
    a = saved(tmp_path / "a", like, numbered)
    assert compare_reports(a, a).by_scores.samples == table.num_rows  # one file of samples
    settings = {**like.report.settings, "samples": {"file": "another", "before": "x", "after": "y"}}
    b = saved(tmp_path / "b", like, numbered, settings=settings)
    by_scores = compare_reports(a, b).by_scores
    assert by_scores.samples is None
    assert "numbered by their runs" in str(by_scores.why_not)
    c = saved(tmp_path / "c", like, None)
    assert "scores.parquet is missing" in str(compare_reports(a, c).by_scores.why_not)


def test_scores_of_another_report_are_refused(run: Run, tmp_path: Path) -> None:
    like = found(run, "m")
    table = pq.read_table(like.folder / SCORES_FILE)
    wrong = saved(tmp_path / "a", like, table.drop_columns(["words level"]))
    with pytest.raises(InputError, match="is not of the report beside it: it has no column 'words level'"):
        compare_reports(wrong, like)


def test_files_for_people_are_made_anew_and_the_report_stays(run: Run) -> None:
    one = found(run, "d1")
    before = {path: path.read_bytes() for path in one.folder.iterdir() if path.is_file()}
    (one.folder / "report.md").unlink()
    (one.folder / "report.html").write_text("old")
    page, _ = rebuild(one)
    assert page == one.folder / "report.html"
    assert {path: path.read_bytes() for path in before} == before


def test_files_are_made_only_beside_a_report_json(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(found(run, "d1").report.to_json())
    mine = find_report(path)
    assert mine.page is None
    with pytest.raises(InputError, match=r"is called report\.json"):
        rebuild(mine)
    assert list(tmp_path.iterdir()) == [path]


def test_sides_that_differ_between_the_reports_are_kept_apart_within_sides(run: Run, tmp_path: Path) -> None:
    like = found(run, "m")
    table = pq.read_table(like.folder / SCORES_FILE)
    rng = np.random.default_rng(0)
    mixed = table.set_column(
        table.column_names.index("side"), "side", pa.array(rng.permutation(table["side"].to_pylist()))
    )
    other = saved(tmp_path / "a", like, mixed)
    same = [one for one in compare_reports(like, other).by_scores.pairs if one.a == one.b]
    assert [one.a for one in same] == [one.id for one in like.report.parameters]
    changed = [one.within_sides for one in same if one.within_sides is not None]
    assert changed
    assert changed == pytest.approx([1.0] * len(changed))
