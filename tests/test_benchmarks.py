"""The benchmarks' own arithmetic: interpolated sample sizes, the plain loop that statistics are timed against."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import curve, sample_savings, speed, transitions
from tools.curve_sums import sums_of_loglik


def test_samples_needed_on_a_power_law() -> None:
    sizes = (4, 8, 16, 32)
    errors = 0.4 / np.sqrt(sizes)
    assert sample_savings.samples_needed(sizes, errors, 0.4 / np.sqrt(11.0)) == pytest.approx(11.0)
    assert sample_savings.samples_needed(sizes, errors, float(errors[2])) == pytest.approx(16.0)
    assert sample_savings.samples_needed(sizes, errors, 1.0) == 4.0
    assert sample_savings.samples_needed(sizes, errors, 0.01) is None


def test_signed_evidence_needs_fewer_samples_than_labels() -> None:
    found = sample_savings.errors_at(0.3, "fixed", 8, worlds=40, seed=1)
    error_E = np.sqrt(found.squared_WE["set of three"].mean(axis=0))
    assert error_E[0] < error_E[2] < error_E[1]  # evidence, corrected counts, plain counts


def test_statistics_agree_with_the_plain_loop_and_beat_it() -> None:
    ratios = {row["what"]: row["ratio"] for row in speed.statistics(candidates=8, resamples=99)}
    assert len(ratios) == 4
    assert ratios["p-values, random prompts"] > 5


def test_rows_have_their_length_and_their_number(tmp_path: Path) -> None:
    before, after = speed.write_rows(tmp_path, rows=400, prompts=10)
    for path in (before, after):
        lines = path.read_text().splitlines()
        assert len(lines) == 200
        assert 300 < np.mean([len(line) for line in lines]) < 500


def test_the_plain_curve_is_the_curve() -> None:
    loglik_NK, prompt_N, checkpoint_N = curve.sweep(samples=3000, checkpoints=12, prompts=20)
    for window in (1, 2):
        ours = curve.curve_of(sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, window))
        plain_B = curve.plain_curve(loglik_NK, prompt_N, checkpoint_N, window)
        assert ours.value_DB[0] == pytest.approx(plain_B, abs=1e-12)
    drawn_RB = curve.plain_resamples(loglik_NK, prompt_N, checkpoint_N, 100)
    ours = curve.curve_of(sums_of_loglik(loglik_NK, prompt_N, checkpoint_N, 1))
    spread_B = ours.deviations(400, seed=0).std(axis=0) * np.sqrt(19 / 20)  # without the stretch
    assert drawn_RB.std(axis=0) == pytest.approx(spread_B, rel=0.35)
    assert np.median(drawn_RB.std(axis=0) / spread_B) == pytest.approx(1.0, abs=0.1)


SMALL = {
    "a drift is none": (transitions.Cell("drift", 11, 24, 4, "random"), "said", 0),
    "nothing is none": (transitions.Cell("none", 11, 8, 4, "fixed"), "said", 0),
    "one is one": (transitions.Cell("sharp", 21, 8, 4, "fixed"), "right_number", 12),
    "its place is within": (transitions.Cell("sharp", 21, 24, 2, "random"), "planted", 12),
    "two are two": (transitions.Cell("two", 41, 8, 4, "fixed", total=0.5), "right_number", 12),
    "their tops are within": (transitions.Cell("two", 41, 24, 4, "random", total=0.5), "exact", 12),
}


@pytest.mark.parametrize(("cell", "counted", "expected"), SMALL.values(), ids=SMALL)
def test_transitions_of_twelve_worlds(cell: transitions.Cell, counted: str, expected: int) -> None:
    """The small version of the study: at most one world in twelve may be wrong."""
    counts, rng = transitions.Counts(), np.random.default_rng(7)
    for _ in range(12):
        transitions.one_world(cell, counts, rng)
    assert abs(getattr(counts, counted) - expected) <= 1


def test_memory_of_children_is_seen_and_stages_are_timed() -> None:
    held = 200_000_000
    child = f"import time; block = b'x' * {held}; time.sleep(0.5)"
    parent = (
        "import subprocess, sys, time; print('one', file=sys.stderr, flush=True); time.sleep(0.3);"
        f"print('two', file=sys.stderr, flush=True); subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    found = speed.measured([sys.executable, "-c", parent])
    assert held < found.proportional <= found.resident < 2 * held
    assert list(found.stages)[-2:] == ["one", "two"]
    assert 0.3 <= found.stages["one"] < found.stages["two"] < found.seconds
