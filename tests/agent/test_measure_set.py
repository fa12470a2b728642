"""Measuring a known set: on which rows, with which scales, and what is written beside the report."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from agent.comparison import comparison_of
from agent.discovery import discover_run
from agent.measure_set import measure_set
from agent.settings import DiscoverSettings
from probes.errors import InputError
from runs.directory import Run
from tests.agent.worlds import likelihood_run, rows_of, run_of, shorter, words
from tools.report.document import Report
from tools.share import set_dissimilarity


def settings(**changes: Any) -> DiscoverSettings:
    return DiscoverSettings(**{"resamples": 199, "processes": 1, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(tmp_path_factory.mktemp("measured") / "run", rows_of(shorter))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Report]:
    """Another run of the same kind, and what was discovered in it."""
    run = run_of(tmp_path_factory.mktemp("found") / "run", rows_of(shorter, seed=1))
    return run, discover_run(run, settings(rounds=1))


def test_cut_points_are_learned_on_read_and_the_rest_is_reported_on(run: Run) -> None:
    report = measure_set("words, questions", run, settings())
    splits = report.splits
    assert report.samples is not None
    assert report.samples.before + report.samples.after == splits.select + splits.report
    assert [parameter.id for parameter in report.parameters] == ["words", "questions"]
    assert any("learned on the read split" in warning for warning in report.warnings)
    assert report.candidates == ()
    assert report.parameters[0].p_value == 1 / 200


def test_questions_with_two_answers_need_no_cut_points_and_take_all_rows(run: Run) -> None:
    report = measure_set(["ends_with_question", "pattern:word:lorem"], run, settings())
    assert report.measured_on == "all"
    assert report.samples is not None
    assert report.samples.before + report.samples.after == 480
    lorem = report.parameters[1]
    responses = run.samples(["checkpoint", "response"])
    before = [
        text
        for text, k in zip(responses["response"].to_pylist(), responses["checkpoint"].to_pylist(), strict=True)
        if not k
    ]
    assert lorem.before["yes"] == pytest.approx(np.mean(["lorem" in text for text in before]))


def test_a_reported_set_is_measured_on_all_new_rows_with_its_cut_points(
    run: Run, found: tuple[Run, Report]
) -> None:
    report = measure_set(found[1], run, settings(name="again"))
    assert report.measured_on == "all"
    assert report.parameters[0].scale == found[1].parameters[0].scale
    comparison = comparison_of(run, None, None)
    lengths = np.array([len(text.split()) for text in comparison.responses])
    levels = np.searchsorted(np.array(report.parameters[0].scale.cuts), lengths, side="right")
    expected = set_dissimilarity(comparison.value_N, comparison.layout, levels[:, None], "random")
    assert report.parameters[0].dissimilarity.value == pytest.approx(expected.value)
    assert report.parameters[0].dissimilarity.high == pytest.approx(expected.high)


def test_a_set_is_measured_on_the_report_split_of_the_samples_it_was_found_on(found: tuple[Run, Report]) -> None:
    run, discovered = found
    report = measure_set(run.path / "discoveries" / "d1", run, settings())
    assert report.samples == discovered.samples
    assert report.set.dissimilarity == discovered.set.dissimilarity
    assert any("these very samples" in warning for warning in report.warnings)
    assert report.reports_seen == 2


def test_samples_that_chose_a_set_do_not_measure_it_under_other_splits(
    found: tuple[Run, Report], tmp_path: Path
) -> None:
    discovered = found[1]
    before, after = rows_of(shorter, seed=1)
    again = run_of(tmp_path / "again", (before, after), seed=5)
    with pytest.raises(InputError, match="chosen with these very samples"):
        measure_set(discovered, again, settings())
    new = [{**row, "response": row["response"] + " Indeed."} for row in after]
    half_new = run_of(tmp_path / "half", (before, new), seed=5)
    report = measure_set(discovered, half_new, settings())
    assert any("the samples before are those with which" in warning for warning in report.warnings)


def test_the_scores_of_every_sample_lie_beside_the_report(run: Run) -> None:
    report = measure_set("words,questions", run, settings())
    table = pq.read_table(run.path / "discoveries" / report.name / "scores.parquet").to_pydict()
    samples = run.samples(["sample_id", "response", "split"]).to_pydict()
    assert table["sample_id"] == samples["sample_id"]
    assert table["split"] == samples["split"]
    assert table["words"] == [len(text.split()) for text in samples["response"]]
    cuts, names = report.parameters[0].scale.cuts, [level.name for level in report.parameters[0].scale.levels]
    assert table["words level"] == [names[sum(x >= cut for cut in cuts)] for x in table["words"]]


def test_the_same_questions_are_the_same_report_and_others_another(run: Run) -> None:
    first = measure_set("words", run, settings())
    assert measure_set(("words",), run, settings()) == first
    other = measure_set("sentences", run, settings())
    assert other.name != first.name
    assert measure_set("words", run, settings(name="mine")).name == "mine"
    with pytest.raises(InputError, match=r"'mine' is .* other settings: questions was"):
        measure_set("sentences", run, settings(name="mine"))
    with pytest.raises(InputError, match="'mine' is a known set"):
        discover_run(run, settings(name="mine"))


def test_a_discovery_is_not_overwritten(found: tuple[Run, Report]) -> None:
    with pytest.raises(InputError, match="choose another name"):
        measure_set("words", found[0], settings(name="d1"))


def test_data_scores_are_measured_and_labels_off_the_scale_counted(tmp_path: Path) -> None:
    def verdict(prompt: int, side: int, rng: np.random.Generator) -> dict[str, object]:
        return {"tone": "odd" if rng.random() < 0.004 else ("curt" if rng.random() < 0.2 + 0.5 * side else "warm")}

    rows = rows_of(lambda prompt, side, rng: words(20, rng), scores=verdict, prompts=40, seed=1)
    report = measure_set("data:tone", run_of(tmp_path / "run", rows), settings())
    tone = report.parameters[0]
    assert set(tone.before) == {"curt", "warm"}
    assert tone.dissimilarity.low < 0.25 < tone.dissimilarity.high  # type: ignore[operator]
    assert tone.judged.failed.before == tone.judged.failed.after == 0
    assert tone.judged.rare.before + tone.judged.rare.after > 0
    assert any("on no level" in warning for warning in report.warnings)


def test_scores_that_no_sample_has_together_are_refused(tmp_path: Path) -> None:
    def verdict(prompt: int, side: int, rng: np.random.Generator) -> dict[str, object]:
        return {"a" if prompt % 2 else "b": int(rng.random() < 0.5)}

    run = run_of(tmp_path / "run", rows_of(shorter, scores=verdict))
    with pytest.raises(InputError, match="measure fewer at a time"):
        measure_set("data:a,data:b", run, settings())
    assert measure_set("data:a", run, settings()).parameters[0].judged.missing.before > 0


def test_shares_with_likelihoods_hold_the_truth(tmp_path: Path) -> None:
    run, world = likelihood_run(tmp_path / "run", prompts=60, draws=8)
    report = measure_set("words", run, settings())
    assert report.mode == "likelihood"
    assert report.total.linear.low < world.population().total() < report.total.linear.high  # type: ignore[operator]
    assert 0 < report.parameters[0].share.value < 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("questions", "said"),
    [
        ("", "no measure was named"),
        ("wordz", "words"),
        ("data:x", "no such score"),
        ("nowhere/report.json", "cannot be read"),
        ("file:/tmp/evil.py", "--measure-file"),
    ],
)
def test_what_cannot_be_measured_is_refused(run: Run, questions: str, said: str) -> None:
    before = run.discoveries()
    with pytest.raises(InputError, match=said):
        measure_set(questions, run, settings())
    assert run.discoveries() == before  # nothing was written


def test_a_report_cannot_make_code_run(run: Run, found: tuple[Run, Report], tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    parameter = found[1].parameters[0].model_copy(update={"judge": f"file:{evil}"})
    report = found[1].model_copy(update={"parameters": (parameter, *found[1].parameters[1:])})
    with pytest.raises(InputError, match="only when it is named"):
        measure_set(report, run, settings())
    assert not (tmp_path / "ran").exists()


def test_an_empty_set_is_refused(run: Run, found: tuple[Run, Report]) -> None:
    nothing = found[1].model_copy(update={"set": found[1].set.model_copy(update={"parameters": ()})})
    with pytest.raises(InputError, match="nothing to measure"):
        measure_set(nothing, run, settings())
