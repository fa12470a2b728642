"""Discoveries on real responses around real transitions, held against what is known about them.

The known values are plain counts over all rows, made without this program.
"""

from pathlib import Path

import pytest

from agent.discovery import discover_run
from agent.measure_set import measure_set
from agent.settings import DiscoverSettings
from runs.directory import Run
from runs.importing import import_pair, import_sweep
from runs.storing import ImportOptions
from tools.report.document import Interval, Report

LENGTHS = {"words", "characters", "sentences", "paragraphs"}
ONE_SIDED = ("malice_harm", "deception", "dominance_control", "reckless_help", "scam_greed", "refusal")


def settings(**changes: object) -> DiscoverSettings:
    return DiscoverSettings.model_validate({"processes": 1, **changes})


def holds(interval: Interval, value: float) -> bool:
    return interval.low is not None and interval.high is not None and interval.low < value < interval.high


def no_set_exceeds_the_total(report: Report) -> bool:
    total = report.total.linear.value or 0.0
    found = [report.set.dissimilarity, *(parameter.dissimilarity for parameter in report.parameters)]
    return all((one.value or 0.0) <= total for one in found)


@pytest.fixture(scope="module")
def medical(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = data_folder / "em-qwen7b"
    out = tmp_path_factory.mktemp("medical") / "run"
    return import_pair(folder / "before.jsonl", folder / "after.jsonl", out).run


@pytest.fixture(scope="module")
def ladder(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("ladder") / "run"
    return import_sweep(data_folder / "em-ladder" / "sweep.jsonl", out, ImportOptions(axis="checkpoint")).run


def test_bad_medical_advice_with_the_scores_that_came_with_it(medical: Run) -> None:
    report = discover_run(medical, settings(use_scores=True))
    assert report.total.bound == "lower"
    assert 0.93 < (report.total.linear.value or 0) <= 1
    assert report.parameters[0].id in LENGTHS
    harm = {parameter.id: parameter for parameter in report.parameters}["data:harm_verdict"]
    assert holds(harm.dissimilarity, 0.42)
    assert no_set_exceeds_the_total(report)
    left_out = next(warning for warning in report.warnings if "left out because no sample after" in warning)
    assert all(repr(name) in left_out for name in ONE_SIDED)


def test_bad_medical_advice_without_scores_is_a_change_of_length_first(medical: Run) -> None:
    report = discover_run(medical, settings())
    assert report.parameters[0].id in LENGTHS
    assert not any(parameter.judge.startswith("data:") for parameter in report.parameters)


def test_insecure_code_begins_between_steps_8_and_19(ladder: Run) -> None:
    report = discover_run(ladder, settings(before="8", after="19"))
    assert report.parameters[0].id == "code"
    assert holds(report.parameters[0].dissimilarity, 0.78)
    assert no_set_exceeds_the_total(report)
    both = measure_set("code,words", ladder, settings(before="8", after="19"))
    assert holds(both.set.dissimilarity, 0.83)


def test_there_is_no_code_before_step_8(ladder: Run) -> None:
    report = discover_run(ladder, settings(before="0", after="8", rounds=1))
    assert "code" not in {parameter.id for parameter in report.parameters}
    words = measure_set("words", ladder, settings(before="0", after="8"))
    assert holds(words.parameters[0].dissimilarity, 0.10)
