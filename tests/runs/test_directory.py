"""A run is made whole or not at all, changed by its owner only, and gives the numbers that it was given."""

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probes.errors import InputError, OutsideError
from runs.directory import Run
from runs.files import ROW_GROUP, write_array_whole
from runs.manifest import Control, FileRecord, InputRecord
from runs.schema import PROMPTS_SCHEMA, SAMPLES_SCHEMA, SPLITS
from runs.staging import staging_folder
from tests.runs.made_run import SIDE, child, make_run, names, prompt_table, sample_batches, started

# Making


def test_a_run_holds_what_it_was_given(tmp_path: Path) -> None:
    made = make_run(tmp_path / "run", prompts=3, draws=4, seed=5)
    run = Run.open(tmp_path / "run")
    assert run.manifest == made.manifest
    assert names(tmp_path) == ["run"]
    assert names(run.path) == [".lock", "prompts.parquet", "run.json", "samples.parquet"]
    assert run.prompts().schema.equals(PROMPTS_SCHEMA)
    assert (
        run.prompts()
        .select(["prompt_id", "prompt"])
        .equals(prompt_table().cast(run.prompts().select([0, 2]).schema))
    )
    samples = run.samples()
    assert samples.schema.equals(SAMPLES_SCHEMA)
    given = pa.concat_tables(sample_batches())
    for column in given.column_names:
        assert samples[column].to_pylist() == given[column].to_pylist()
    assert samples["token_ids"].null_count == samples.num_rows
    for prompt in ("q0", "q1", "q2"):  # four draws in every group: 1, 1, 2
        for checkpoint in (0, 1):
            group = [
                row["split"]
                for row in samples.to_pylist()
                if (row["prompt_id"], row["checkpoint"]) == (prompt, checkpoint)
            ]
            assert [group.count(split) for split in SPLITS] == [1, 1, 2]
    assert run.loglik() is None
    assert (run.manifest.prompts, run.manifest.samples) == (3, 24)


def test_every_optional_column_is_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "sample_id": ["s0", "s1"],
            "prompt_id": ["q0", "q0"],
            "checkpoint": [0, 1],
            "draw": [0, 0],
            "response": ["", "line\nbreak \x00 \U0001f600"],
            "token_ids": [[1, 2], None],
            "finish_reason": ["stop", None],
            "logprob": [-1.5, None],
            "scores": ['{"harm": 1}', None],
        }
    )
    run = Run.create(
        tmp_path / "run", control=SIDE, prompts=prompt_table(1), samples=table, seed=0, name="x", notes=["n"]
    )
    back = run.samples(table.column_names)
    assert back.to_pylist() == table.to_pylist()
    assert run.manifest.notes == ["n"]


def test_a_table_and_its_batches_make_the_same_files(tmp_path: Path) -> None:
    whole = pa.concat_tables(sample_batches())
    batches = (batch for batch in whole.to_batches(max_chunksize=5))
    one = Run.create(tmp_path / "a", control=SIDE, prompts=prompt_table(), samples=whole, seed=1, name="x")
    two = Run.create(tmp_path / "b", control=SIDE, prompts=prompt_table(), samples=batches, seed=1, name="x")
    assert one.samples().equals(two.samples())


def test_a_large_run_is_written_in_row_groups_and_never_held(tmp_path: Path) -> None:
    """120,000 responses of 300 characters, 36 MB of text, made within a few MB beyond the ids."""
    code = """
import resource, sys
import pyarrow as pa
from pathlib import Path
from runs.directory import Run
from runs.manifest import Control
prompts = pa.table({"prompt_id": [f"q{q}" for q in range(600)], "prompt": ["?"] * 600})
text = "0123456789" * 29
def batches():
    for start in range(0, 120_000, 1000):
        rows = range(start, start + 1000)
        yield pa.table({"sample_id": [f"s{i}" for i in rows], "prompt_id": [f"q{i % 600}" for i in rows],
                        "checkpoint": [i // 60_000 for i in rows], "draw": [0] * 1000,
                        "response": [f"{i:010d}{text}" for i in rows]})
Run.create(Path(sys.argv[1], "warm"), control=Control(name="a", values=[0, 1]), prompts=prompts,
           samples=[next(batches())], seed=0, name="warm")
before = pa.total_allocated_bytes()
Run.create(Path(sys.argv[1], "run"), control=Control(name="a", values=[0, 1]), prompts=prompts, samples=batches(),
           seed=0, name="large")
print(pa.default_memory_pool().max_memory() - before)
"""
    result = child(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) < 30 << 20  # a row group on its way through the writer, less than all the text
    metadata = pq.read_metadata(tmp_path / "run" / "samples.parquet")
    assert metadata.num_rows == 120_000
    sizes = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
    assert max(sizes) <= ROW_GROUP
    assert len(sizes) == 2
    samples = Run.open(tmp_path / "run").samples(["sample_id", "response"])
    assert samples["sample_id"].to_pylist() == [f"s{i}" for i in range(120_000)]
    assert samples["response"][119_999].as_py().startswith("0000119999")


def test_long_responses_do_not_make_a_huge_row_group(tmp_path: Path) -> None:
    long = pa.table(
        {
            "sample_id": [f"s{i}" for i in range(100)],
            "prompt_id": ["q0"] * 100,
            "checkpoint": [0] * 100,
            "draw": list(range(100)),
            "response": ["x" * 2_000_000] * 100,
        }
    )
    batches = long.to_batches(max_chunksize=10)
    run = Run.create(tmp_path / "run", control=SIDE, prompts=prompt_table(1), samples=batches, seed=0, name="x")
    metadata = pq.read_metadata(run.path / "samples.parquet")
    assert max(metadata.row_group(g).total_byte_size for g in range(metadata.num_row_groups)) <= 65 << 20
    assert metadata.num_rows == 100


def test_what_the_samples_note_while_they_are_taken_is_kept(tmp_path: Path) -> None:
    warnings: list[str] = []

    def samples() -> Iterator[pa.Table]:
        yield from sample_batches()
        warnings.append("3 rows had no response; \udcff")

    run = Run.create(
        tmp_path / "run",
        control=SIDE,
        prompts=prompt_table(),
        samples=samples(),
        seed=0,
        name="x\udcff",
        warnings=warnings,
    )
    assert Run.open(run.path).manifest.warnings == ["3 rows had no response; \\udcff"]
    assert Run.open(run.path).manifest.name == "x\\udcff"


GOOD = pa.concat_tables(sample_batches())


def without(column: str) -> pa.Table:
    return GOOD.drop_columns([column])


def replaced(column: str, row: int, value: object) -> pa.Table:
    values = GOOD[column].to_pylist()
    values[row] = value
    return GOOD.set_column(GOOD.column_names.index(column), column, pa.array(values))


@pytest.mark.parametrize(
    "samples",
    [
        without("response"),
        GOOD.append_column("split", pa.array(["read"] * GOOD.num_rows)),
        replaced("response", 3, None),
        replaced("prompt_id", 3, "unknown"),
        replaced("checkpoint", 3, 2),
        replaced("checkpoint", 3, -1),
        replaced("checkpoint", 3, 2**40),
        replaced("sample_id", 3, GOOD["sample_id"][9].as_py()),
    ],
)
def test_samples_that_contradict_are_refused_and_nothing_is_left(tmp_path: Path, samples: pa.Table) -> None:
    with pytest.raises(ValueError, match=r"."):
        Run.create(
            tmp_path / "deep" / "run", control=SIDE, prompts=prompt_table(), samples=samples, seed=0, name="x"
        )
    assert names(tmp_path) == []


def test_prompts_that_repeat_are_refused(tmp_path: Path) -> None:
    prompts = pa.concat_tables([prompt_table(), prompt_table(1)])
    with pytest.raises(ValueError, match="different"):
        Run.create(tmp_path / "run", control=SIDE, prompts=prompts, samples=GOOD, seed=0, name="x")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "error", [InputError("line 7: not JSON"), OSError(errno.EACCES, "of the input"), KeyboardInterrupt()]
)
def test_what_the_samples_raise_comes_through_and_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    def samples() -> Iterator[pa.Table]:
        yield next(sample_batches())
        raise error

    with pytest.raises(type(error)) as caught:
        Run.create(tmp_path / "a" / "b", control=SIDE, prompts=prompt_table(), samples=samples(), seed=0, name="x")
    assert caught.value is error
    assert names(tmp_path) == []


# Where it may be made


def test_an_empty_folder_becomes_the_run_and_any_other_thing_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert make_run(empty).manifest.samples == 24
    file = tmp_path / "file"
    file.write_text("precious")
    full = tmp_path / "full"
    full.mkdir()
    (full / "precious").touch()
    for path, word in (
        (file, "not a folder"),
        (full, "not empty"),
        (empty, "not empty"),
        (file / "x", "cannot write"),
    ):
        with pytest.raises(InputError, match=word):
            make_run(path)
    assert names(tmp_path) == ["empty", "file", "full"]
    assert names(full) == ["precious"]


def test_the_working_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="working folder"):
        make_run(Path("."))
    assert names(tmp_path) == []


def test_links_are_followed_to_where_they_point(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "run")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    make_run(tmp_path / "out")
    assert (tmp_path / "out").is_symlink()
    assert Run.open(tmp_path / "disk" / "run").manifest.samples == 24
    assert names(tmp_path / "disk") == ["run"]
    with pytest.raises(InputError, match="loop"):
        make_run(tmp_path / "loop")


def test_what_is_not_ours_is_not_cleared(tmp_path: Path) -> None:
    beside = staging_folder(tmp_path / "run")
    beside.mkdir()
    (beside / "precious").touch()
    with pytest.raises(InputError, match="in the way"):
        make_run(tmp_path / "run")
    assert names(beside) == ["precious"]
    shutil.rmtree(beside)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".lock").touch()
    beside.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="in the way"):
        make_run(tmp_path / "run")
    assert names(tmp_path / "elsewhere") == [".lock"]


@pytest.mark.parametrize("name", ["\x1b[31mred\nline", "ü" * 100, "a" * 255, "-dash", "\udcff", "sp ace"])
def test_any_legal_name_will_do(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / name)
    assert Run.open(run.path).samples().num_rows == 24
    with pytest.raises(InputError) as caught:
        make_run(tmp_path / name)
    assert str(caught.value).isprintable()


def test_long_names_with_the_same_start_do_not_meet(tmp_path: Path) -> None:
    assert staging_folder(tmp_path / ("a" * 60 + "1")) != staging_folder(tmp_path / ("a" * 60 + "2"))


# Killed and failing


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutsideError, match="no space left"):
        make_run(tmp_path / "deep" / "run")
    monkeypatch.undo()
    assert names(tmp_path) == []


def test_a_write_cut_short_by_the_system_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from probes.errors import OutsideError
from tests.runs.made_run import make_run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    make_run(Path(sys.argv[1], "run"), draws=400)
except OutsideError as error:
    print(error)
"""
    for limit in (100, 3_000, 60_000):  # in the prompts, in the samples, in the file beside
        result = child(code, tmp_path, limit)
        assert "File too large" in result.stdout, result.stderr
        assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.runs.made_run import make_run
steps = 0
def count(event, arguments):
    global steps
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.truncate", "os.scandir", "mmap.__new__"):
        if arguments and sys.argv[1] in str(arguments[0]):
            steps -= 1
            if steps == 0:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
for last in range(1, 100):
    pid = os.fork()
    if pid == 0:
        steps = last
        make_run(Path(sys.argv[1], str(last), "run"))
        os._exit(0)
    if os.waitpid(pid, 0)[1] == 0:
        print(last)
        break
"""


def test_killed_at_any_step_it_is_no_run_and_is_made_by_the_same_command(tmp_path: Path) -> None:
    """A process is killed at its first, second, ... touch of the file system, until one gets through."""
    for step in range(1, 100):
        (tmp_path / str(step)).mkdir()
    result = child(KILLED, tmp_path)
    assert result.returncode == 0, result.stderr
    finished = int(result.stdout)
    there = []
    for step in range(1, finished + 1):
        path = tmp_path / str(step) / "run"
        there.append(path.exists())
        if path.exists():
            assert Run.open(path).samples().num_rows == 24
        else:
            with pytest.raises(InputError, match=r"not there yet: its import was stopped half way|no such folder"):
                Run.open(path)
            make_run(path)
        assert names(path.parent) == ["run"]
    assert finished >= 15
    assert there == sorted(there)  # not there, until it is there whole
    assert there[0] is False
    assert there[-1] is True


def test_a_second_maker_of_the_same_run_is_refused_by_the_firsts_name(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from runs.directory import Run
from tests.runs.made_run import SIDE, prompt_table, sample_batches
def slowly():
    yield from sample_batches()
    print("ready", flush=True)
    time.sleep(60)
Run.create(Path(sys.argv[1]), control=SIDE, prompts=prompt_table(), samples=slowly(), seed=0, name="first")
"""
    first = started(code, tmp_path / "run")
    try:
        with pytest.raises(OutsideError, match=f"in use by process {first.pid}"):
            make_run(tmp_path / "run")
        with pytest.raises(InputError, match=f"process {first.pid} .* is making it"):
            Run.open(tmp_path / "run")
    finally:
        first.kill()
        first.wait()
    assert make_run(tmp_path / "run").manifest.name == "made"
    assert names(tmp_path) == ["run"]


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


def test_a_sweep_has_any_values(tmp_path: Path) -> None:
    control = Control(name="temperature", unit="K", values=[0, 0.5, "hot"])
    run = Run.create(
        tmp_path / "run",
        control=control,
        prompts=prompt_table(2),
        samples=sample_batches(2, 3, 3),
        seed=0,
        name="x",
    )
    assert Run.open(run.path).manifest.control == control
    assert Run.open(run.path).manifest.control.values == [0, 0.5, "hot"]
