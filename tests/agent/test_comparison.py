"""The comparison: which samples enter, with which values and weights, and what is said of the others."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.alerts import few_prompts_warnings
from agent.comparison import READ, REPORT, SELECT, comparison_of
from probes.errors import InputError
from runs.directory import Run
from runs.files import write_array_whole
from runs.importing import import_sweep
from runs.schema import LOGLIK_FILE, SPLITS
from runs.storing import ImportOptions
from tests.agent.worlds import likelihood_run, rows_of, run_of, same, shorter


def test_labels_are_the_values_without_likelihoods(tmp_path: Path) -> None:
    comparison = comparison_of(run_of(tmp_path / "run", rows_of(shorter)), None, None)
    assert comparison.mode == "black-box"
    assert (comparison.before, comparison.after) == ((0,), (1,))
    assert comparison.claim == "random"
    np.testing.assert_array_equal(comparison.value_N, np.where(comparison.layout.side_N == 0, 1.0, -1.0))
    assert comparison.layout.samples == 480
    assert comparison.layout.weight_N.sum() == pytest.approx(1)


def test_the_claim_is_fixed_under_twenty_prompts_and_as_asked_otherwise(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", rows_of(shorter, prompts=19))
    assert comparison_of(run, None, None).claim == "fixed"
    assert comparison_of(run, None, None, "random").claim == "random"


def scored_again(run: Run, loglik_SK: NDArray[np.float32]) -> Run:
    """The run with other log-likelihoods."""
    with run.locked():
        write_array_whole(run.path / LOGLIK_FILE, loglik_SK)
        run.record_stage("score", [LOGLIK_FILE])
    return Run.open(run.path)


def test_signed_evidence_is_the_value_with_likelihoods(tmp_path: Path) -> None:
    run, _ = likelihood_run(tmp_path / "run")
    comparison = comparison_of(run, None, None)
    assert comparison.mode == "likelihood"
    loglik_NK = np.asarray(run.loglik(), dtype=float)[comparison.run_row_N]
    p_N, r_N = np.exp(loglik_NK).T
    np.testing.assert_allclose(comparison.value_N, (p_N - r_N) / (p_N + r_N), atol=1e-9)


def test_an_impossible_answer_is_certain_evidence_and_one_that_neither_side_gives_is_none(tmp_path: Path) -> None:
    run, _ = likelihood_run(tmp_path / "run")
    loglik_SK = np.array(run.loglik())
    checkpoint_S = run.samples(["checkpoint"])["checkpoint"].to_numpy()
    rows = np.flatnonzero(checkpoint_S == 0)[:3]
    loglik_SK[rows, 1] = -np.inf
    comparison = comparison_of(scored_again(run, loglik_SK), None, None)
    assert comparison.mode == "likelihood"
    assert comparison.value_N[np.isin(comparison.run_row_N, rows)].tolist() == [1.0, 1.0, 1.0]
    loglik_SK[rows[0], 0] = -np.inf
    comparison = comparison_of(scored_again(run, loglik_SK), None, None)
    assert comparison.mode == "black-box"
    assert any(one.startswith("1 of 480 samples") for one in comparison.warnings)


def test_parts_are_the_runs_splits_with_weights_renewed(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", rows_of(shorter))
    comparison = comparison_of(run, None, None)
    splits = np.array([SPLITS.index(name) for name in run.samples(["split"])["split"].to_pylist()])
    for split, part in ((READ, comparison.read), (SELECT, comparison.select), (REPORT, comparison.report)):
        assert set(part.row_N.tolist()) == set(np.flatnonzero(splits[comparison.run_row_N] == split).tolist())
        assert part.layout.weight_N.sum() == pytest.approx(1)
        np.testing.assert_array_equal(part.value_N, comparison.value_N[part.row_N])
    assert comparison.part().layout.samples == comparison.layout.samples


def test_prompts_on_one_side_are_left_out_by_name_and_count(tmp_path: Path) -> None:
    before, after = rows_of(shorter, prompts=12)
    lonely = [{**row, "prompt_id": "lonely", "prompt": "Anybody there?"} for row in before[:7]]
    comparison = comparison_of(run_of(tmp_path / "run", (before + lonely, after)), None, None)
    assert comparison.left_out == ("lonely",)
    assert comparison.layout.samples == 240
    said = " ".join(comparison.warnings)
    assert "1 prompt " in said
    assert "'lonely'" in said
    assert "7 samples" in said


def test_a_sweep_takes_the_values_named(tmp_path: Path) -> None:
    lines = []
    for step in (0, 10, 20):
        before, _ = rows_of(same, prompts=10, draws=6, seed=step)
        lines += [{**row, "step": step, "prompt_id": None} for row in before]
    import json

    file = tmp_path / "sweep.jsonl"
    file.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in lines))
    run = import_sweep(file, tmp_path / "run", ImportOptions(axis="step")).run
    comparison = comparison_of(run, "0,10", "20")
    assert (comparison.before, comparison.after) == ((0, 1), (2,))
    assert comparison.layout.strata == 30
    # a side of two checkpoints: each has half its mass
    mass_S = comparison.layout.mass_S
    np.testing.assert_allclose(np.sort(np.unique(mass_S)), [1 / 40, 1 / 20])
    with pytest.raises(InputError, match="--after"):
        comparison_of(run, "0", None)


def test_too_few_samples_are_refused_with_the_counts(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", rows_of(shorter, prompts=1, draws=4))
    with pytest.raises(InputError, match="too few samples"):
        comparison_of(run, None, None)


def test_identical_files_are_an_alert(tmp_path: Path) -> None:
    before, _ = rows_of(same, prompts=10)
    comparison = comparison_of(run_of(tmp_path / "run", (before, before)), None, None)
    assert any("identical" in alert for alert in comparison.alerts)


def test_one_prompt_is_said_in_the_singular() -> None:
    (said,) = few_prompts_warnings(1, "fixed")
    assert said.startswith("1 prompt: the intervals were not tested")


def test_a_domain_is_compared_alone_in_the_splits_of_its_run(tmp_path: Path) -> None:
    sides = rows_of(shorter, prompts=12)
    for row in (*sides[0], *sides[1]):
        row["domain"] = "even" if int(row["prompt_id"][1:]) % 2 == 0 else "odd"
    run = run_of(tmp_path / "run", sides)
    whole = comparison_of(run, None, None)
    even = comparison_of(run, None, None, domain="even")
    assert even.prompt_ids_Q == [f"p{q}" for q in range(0, 12, 2)]
    split_of = dict(zip(whole.sample_ids, whole.split_N.tolist(), strict=True))
    assert [split_of[one] for one in even.sample_ids] == even.split_N.tolist()
    assert even.claim == "fixed"
    with pytest.raises(InputError, match=r"--domain.*'odder'.*domains are 'even', 'odd'"):
        comparison_of(run, None, None, domain="odder")
