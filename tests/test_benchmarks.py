"""The benchmarks' own arithmetic: interpolated sample sizes, the plain loop that statistics are timed against."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sample_savings, speed


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
