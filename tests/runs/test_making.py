"""A run is made whole or not at all, whatever it is given and whenever it is stopped."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from probes.errors import InputError, OutsideError
from runs.directory import Run
from runs.files import ROW_GROUP
from runs.manifest import Control
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
