"""A run is changed by its owner only, and gives the numbers that it was given."""

import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probes.errors import InputError, OutsideError
from runs.directory import Run
from runs.files import write_array_whole
from runs.manifest import FileRecord, InputRecord
from tests.runs.made_run import make_run, names, started

# Changing


def test_only_the_owner_changes_a_run_and_a_second_is_refused_by_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for change in (
        lambda: run.record_stage("score"),
        lambda: run.count_report("d1"),
        lambda: run.discovery_folder(),
        lambda: run.store_scores("words", np.zeros(24)),
    ):
        with pytest.raises(RuntimeError, match="lock"):
            change()
    code = """
import sys, time
from pathlib import Path
from runs.directory import Run
with Run.open(Path(sys.argv[1])).locked() as run:
    run.count_report("theirs")
    print("ready", flush=True)
    time.sleep(60)
"""
    other = started(code, run.path)
    try:
        with pytest.raises(OutsideError, match=f"in use by process {other.pid}"), run.locked():
            pass
    finally:
        other.kill()
        other.wait()
    with run.locked():  # sees what the other did before it died
        assert run.count_report("ours") == 2


def test_taking_the_lock_clears_what_a_killed_owner_left(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run.path / ".run.json.0123abcd.partial").touch()
    with run.locked():
        pass
    assert names(run.path) == [".lock", "prompts.parquet", "run.json", "samples.parquet"]


def test_log_likelihoods_count_from_the_moment_they_are_recorded(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    loglik_SK = -np.arange(48, dtype=np.float32).reshape(24, 2)
    with run.locked():
        write_array_whole(run.path / "loglik.npy", loglik_SK)
        assert run.loglik() is None
        run.record_stage("score", ["loglik.npy"])
        run.record_stage("score", [run.path / "loglik.npy"])
    opened = Run.open(run.path)
    back = opened.loglik()
    assert back is not None
    np.testing.assert_array_equal(back, loglik_SK)
    assert [stage.what for stage in opened.manifest.stages] == ["samples", "score"]
    assert opened.manifest.files["loglik.npy"].size == os.path.getsize(run.path / "loglik.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((24, 3), np.float32),
        np.zeros((23, 2), np.float32),
        np.zeros((24, 2), np.float64),
        np.array([[None]] * 24, dtype=object),
    ],
)
def test_log_likelihoods_of_another_shape_or_kind_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    run = make_run(tmp_path / "run")
    with run.locked():
        np.save(run.path / "loglik.npy", array, allow_pickle=True)
        run.record_stage("score", ["loglik.npy"])
    with pytest.raises(InputError, match=r"loglik\.npy is damaged"):
        run.loglik()


def test_reports_are_counted_once_each(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with run.locked():
        assert [run.count_report(name) for name in ("d1", "d1", "d2", "d1")] == [1, 1, 2, 2]
        assert run.count_report("d1", "another question") == 3
        assert run.count_report("d1", "another question") == 3
    with Run.open(run.path).locked() as again:
        assert again.count_report("d2") == 3


def test_discoveries_are_numbered_on_and_names_are_safe(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with run.locked():
        folders = [run.discovery_folder(name) for name in (None, None, "mine", "d9", "d9", None)]
        assert [folder.name for folder in folders] == ["d1", "d2", "mine", "d9", "d9", "d10"]
        assert all(folder.parent == run.path / "discoveries" and folder.is_dir() for folder in folders)
        assert run.discoveries() == ["d1", "d2", "d9", "d10", "mine"]
        run.count_report("d10")
        shutil.rmtree(run.path / "discoveries")
        assert run.discovery_folder().name == "d11"  # a counted number names one report for ever
        for bad in ("", ".", "..", "../x", "a/b", ".hidden", "-flag", "a b", "a\n", "x" * 65, "\x1b", "é"):
            with pytest.raises(InputError, match="--name") as caught:
                run.discovery_folder(bad)
            assert str(caught.value).isprintable()
        assert names(run.path / "discoveries") == ["d11"]


@pytest.mark.parametrize("link", ["discoveries", "discoveries/d1", "measures"])
def test_nothing_is_written_through_a_link_that_leads_out(tmp_path: Path, link: str) -> None:
    run = make_run(tmp_path / "run")
    outside = tmp_path / "outside"
    outside.mkdir()
    (run.path / link).parent.mkdir(exist_ok=True)
    (run.path / link).symlink_to(outside)
    write: Callable[[], object] = partial(run.discovery_folder, "d1")
    if link == "measures":
        write = partial(run.store_scores, "words", np.zeros(24))
    with run.locked(), pytest.raises(InputError, match="link to another place"):
        write()
    assert names(outside) == []


def test_a_run_behind_a_link_is_a_run(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with Run.open(tmp_path / "link").locked() as run:
        run.store_scores("words", np.zeros(24))
        assert run.discovery_folder().is_dir()
    assert names(tmp_path / "run" / "discoveries") == ["d1"]


def test_the_same_input_goes_on_and_other_input_is_refused(tmp_path: Path) -> None:
    mine = InputRecord(
        files={"before": FileRecord(size=1, sha256="a" * 64)}, options={"by": ["x", 1], "seed": None}
    )
    run = make_run(tmp_path / "run", fingerprint=mine)
    reopened = Run.open(run.path)
    reopened.require_input(mine.model_copy())
    for other, word in (
        (
            InputRecord(files={"before": FileRecord(size=1, sha256="b" * 64)}, options=mine.options),
            "another file before",
        ),
        (InputRecord(files=mine.files, options={"by": ["x", 2], "seed": None}), "by"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            reopened.require_input(other)
        assert "--out" in str(caught.value)
    with pytest.raises(InputError, match="not imported"):
        make_run(tmp_path / "other").require_input(mine)


# Scores


def test_scores_come_back_as_they_were_stored(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    values = np.random.default_rng(0).normal(size=24)
    values[3] = np.nan
    values[4] = np.inf
    with run.locked():
        assert run.load_scores("words-0a") is None
        run.store_scores("words-0a", values)
        np.testing.assert_array_equal(run.load_scores("words-0a"), values)
        run.store_scores("words-0a", values[::-1])
    np.testing.assert_array_equal(Run.open(run.path).load_scores("words-0a"), values[::-1])
    np.testing.assert_array_equal(np.load(run.path / "measures" / "words-0a.npy"), values[::-1])
    assert names(run.path / "measures") == ["words-0a.npy"]


def test_scores_that_are_not_this_measures_of_these_samples_are_refused(tmp_path: Path) -> None:
    run, other = make_run(tmp_path / "run"), make_run(tmp_path / "other", seed=1)
    for one in (run, other):
        with one.locked():
            one.store_scores("words", np.arange(24.0))
            one.store_scores("empty", np.zeros(24))
    path = run.path / "measures" / "words.npy"
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[150] ^= 1
    zeros = (run.path / "measures" / "empty.npy").read_bytes()
    foreign = (other.path / "measures" / "words.npy").read_bytes()
    for content in (bytes(flipped), good[:-1], good[:40], b"", zeros, foreign):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"words\.npy is damaged .*remove it"):
            run.load_scores("words")
    path.write_bytes(good)
    np.testing.assert_array_equal(run.load_scores("words"), np.arange(24.0))


def test_scores_of_another_number_of_samples_or_under_an_unsafe_key_are_a_defect(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with run.locked():
        for values in (np.zeros(23), np.zeros((24, 1)), np.zeros(())):
            with pytest.raises(ValueError, match="scores for 24 samples"):
                run.store_scores("words", values)
        for key in ("", "../x", "a/b", ".x", "a\x00", "x" * 201):
            with pytest.raises(ValueError, match="safe"):
                run.store_scores(key, np.zeros(24))


# Damaged


@pytest.mark.parametrize("name", ["prompts.parquet", "samples.parquet"])
def test_a_damaged_file_gives_no_rows(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run", draws=30)
    path = run.path / name
    good = path.read_bytes()
    read = run.prompts if name.startswith("prompts") else run.samples
    for position in range(4, len(good), max(1, len(good) // 40)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        with pytest.raises(InputError, match=f"{name} is damaged"):
            read()
    for content in (b"", good[:-1], good + b"x", b"PAR1PAR1"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            read()
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        read()


def test_a_forged_manifest_does_not_make_foreign_columns_a_run(tmp_path: Path) -> None:
    """Checksums agree, columns do not."""
    run = make_run(tmp_path / "run")
    with run.locked():
        pq.write_table(pa.table({"sample_id": ["a"]}), run.path / "samples.parquet")
        (run.path / "prompts.parquet").write_bytes(b"PAR1 no table PAR1")
        run.record_stage("forged", ["samples.parquet", "prompts.parquet"])
    with pytest.raises(InputError, match="not those of a run"):
        run.samples()
    with pytest.raises(InputError, match=r"prompts\.parquet is damaged") as caught:
        run.prompts()
    assert str(caught.value).isprintable()


def test_an_unknown_column_is_a_defect(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(ValueError, match="unknown columns"):
        run.samples(["sample_id", "side"])
    assert run.samples(["split", "draw"]).column_names == ["split", "draw"]


def test_opening_is_quick(tmp_path: Path) -> None:
    """The manifest alone is read, whatever the size of the run."""
    run = make_run(tmp_path / "run")
    (run.path / "samples.parquet").unlink()
    start = time.perf_counter()
    assert Run.open(run.path).manifest.samples == 24
    assert time.perf_counter() - start < 1
    assert json.loads((run.path / "run.json").read_text())["samples"] == 24
