"""Files are there whole or not at all, whatever goes wrong while they are written."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from probes.errors import InputError, OutsideError
from runs.files import (
    explain_os_error,
    is_leftover,
    leftovers,
    remove_leftovers,
    shown,
    table_writer,
    whole_file,
    write_array_whole,
    write_bytes_whole,
    write_json_whole,
    write_table_whole,
)
from tests.runs.made_run import child, names

WRITERS: list[Callable[[Path], None]] = [
    lambda path: write_bytes_whole(path, b"new" * 1000),
    lambda path: write_json_whole(path, {"new": 1}),
    lambda path: write_array_whole(path, np.arange(1000.0)),
    lambda path: write_table_whole(path, pa.table({"new": list(range(1000))})),
]


def fails(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "kind", "word"),
    [
        (errno.ENOSPC, OutsideError, "no space left"),
        (errno.EDQUOT, OutsideError, "no space left"),
        (errno.EIO, OutsideError, "Input/output error"),
        (errno.EROFS, InputError, "read-only"),
        (errno.EACCES, InputError, "permission denied"),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path], None],
    call: str,
    number: int,
    kind: type[Exception],
    word: str,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, fails(number))
    with pytest.raises(kind, match=word) as caught:
        write(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_write_cut_short_by_the_system_leaves_nothing(tmp_path: Path) -> None:
    """A real limit on file size, met in the middle of writing."""
    code = """
import resource, sys, numpy, pyarrow
from pathlib import Path
from probes.errors import OutsideError
from runs.files import write_array_whole, write_table_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
noise = numpy.random.default_rng(0).random(100_000)
for write, value in ((write_array_whole, noise), (write_table_whole, pyarrow.table({"a": noise}))):
    try:
        write(Path(sys.argv[1], "file"), value)
    except OutsideError as error:
        print(error)
"""
    result = child(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("File too large") == 2
    assert names(tmp_path) == []


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError), whole_file(tmp_path / "file") as file:
        file.writelines([b"half", "not bytes"])  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt), table_writer(tmp_path / "file", pa.schema({"a": pa.int8()})):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_a_leftover_that_is_known_and_removed(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from runs.files import whole_file
with whole_file(Path(sys.argv[1], "deep", "file")) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    (tmp_path / "deep").mkdir()
    (tmp_path / ".lock").touch()
    (tmp_path / "outside").mkdir()
    elsewhere = tmp_path / "outside" / ".kept.partial"
    elsewhere.touch()
    (tmp_path / "deep" / "link").symlink_to(tmp_path / "outside")
    assert child(code, tmp_path).returncode == -9
    left = leftovers(tmp_path / "deep")
    assert len(left) == 1
    assert left[0].read_bytes() == b"half"
    assert is_leftover(left[0].name)
    remove_leftovers(tmp_path / "deep")
    assert names(tmp_path / "deep") == ["link"]
    assert elsewhere.exists()
    assert not is_leftover("file")
    assert not is_leftover(".lock")


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    code = """
import os, sys, tempfile
from pathlib import Path
from probes.errors import InputError
from runs.files import write_bytes_whole
with tempfile.TemporaryDirectory(dir="/tmp") as folder:
    os.chmod(folder, 0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write anywhere
    try:
        write_bytes_whole(Path(folder, "file"), b"x")
    except InputError as error:
        print(error)
    os.seteuid(user)
    print(os.listdir(folder))
    os.chmod(folder, 0o755)
"""
    result = child(code)
    assert "file: permission denied" in result.stdout, result.stderr
    assert result.stdout.endswith("[]\n")


@pytest.mark.parametrize("place", ["no/such/folder", "file/below"])
def test_a_path_that_cannot_be_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=place):
        write_bytes_whole(tmp_path / place, b"x")


def test_json_is_utf8_and_refuses_what_json_has_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {"text": 'é \u2028 "\x1b', "bytes of a file name": "\udcff", "none": None}
    write_json_whole(path, value)
    assert json.loads(path.read_bytes().decode("utf-8")) == value
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json_whole(path, {"a": float("nan")})
    assert json.loads(path.read_bytes()) == value


@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int8, np.int64]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
    ),
    turned=st.booleans(),
)
def test_arrays_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, turned: bool
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    array = array.T if turned else array
    write_array_whole(path, array)
    back = np.load(path, allow_pickle=False)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_tables_come_back_as_they_were(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array(["x", None, "z"]), "b": pa.array([[1], [], None])})
    write_table_whole(tmp_path / "t.parquet", table)
    assert pq.read_table(tmp_path / "t.parquet").equals(table)


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "\x9b", "\u202eback", "\udc80", "\u2028"])
def test_what_would_move_a_terminal_is_escaped(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(text) != text


def test_long_texts_lose_their_middle() -> None:
    assert shown("a" * 90 + "b" * 90, 20) == "a" * 10 + "..." + "b" * 10
    assert shown("plain") == "plain"


def test_every_error_is_one_line() -> None:
    for number in errno.errorcode:
        error = explain_os_error(OSError(number, "two\nlines"), Path("/a\nb"), "write")
        assert "\n" not in str(error)
        assert "/a\\nb" in str(error)
