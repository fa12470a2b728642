"""Files that appear whole or not at all: written beside their place, synced, then renamed into it.

A writer that is killed leaves only a file whose name `is_leftover` recognises; whoever next opens the run under
its lock removes those with `remove_leftovers`.
"""

import errno
import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from probes.errors import InputError, OrderparamError, OutsideError

ROW_GROUP = 65_536
"""Rows of one Parquet row group: what a streaming writer or reader holds at a time."""

PARTIAL = ".partial"
"""End of the name of a file that is being written; it begins with a dot."""

_NAME_KEPT = 40  # characters of the final name that a temporary name repeats, so that it stays a legal file name

_HARDLY_SPACE = 1 << 17  # bytes; what SQLite keeps beside a database takes 32 KB at once
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NOT_OURS = {errno.EROFS, errno.EACCES, errno.EPERM}
_BAD_PATH = {
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.ELOOP,
}


def shown(text: object, limit: int = 200) -> str:
    """A path or another text of the user's for a one-line message: control characters escaped, the middle cut."""
    plain = str(text)
    if not plain.isprintable():
        plain = ascii(plain)
    if len(plain) <= limit:
        return plain
    return f"{plain[: limit // 2]}...{plain[-limit // 2 :]}"


def explain_os_error(error: OSError, path: Path, verb: str) -> OrderparamError:
    """The one-line error that a person reads when `verb` ("write", "read") of `path` failed with `error`."""
    what = f"cannot {verb} {shown(path)}"
    if error.errno in _FULL:
        return OutsideError(f"{what}: no space left on the disk; free some space, then run the same command again")
    if error.errno in _NOT_OURS:
        reason = "the disk is read-only" if error.errno == errno.EROFS else "permission denied"
        return InputError(f"{what}: {reason}; choose a folder that you may {verb}")
    if error.errno in _BAD_PATH:
        return InputError(f"{what}: {os.strerror(error.errno)}; choose another path")
    reason = error.strerror or str(error) or type(error).__name__
    return OutsideError(f"{what}: {shown(reason)}; once that is mended, run the same command again")


def explain_full(error: sqlite3.Error, path: Path) -> OrderparamError | None:
    """The same for a database at `path` that failed for want of space; None where that was not why.

    SQLite calls it so, or an error of the disk.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (
        code == sqlite3.SQLITE_IOERR and shutil.disk_usage(path.parent).free < _HARDLY_SPACE
    ):
        return explain_os_error(OSError(errno.ENOSPC, ""), path, "write")
    return None


@contextmanager
def explained(path: Path, verb: str) -> Iterator[None]:
    """Turns an OSError of the block into an `InputError` (permission, path) or `OutsideError` (space, disk)."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, path, verb) from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well, and of which nothing remains otherwise.

    The block should do nothing but write: an OSError in it is taken for one of writing `path`.
    Raises InputError (permission, path) and OutsideError (no space, disk).
    """
    temporary = path.with_name(f".{path.name[:_NAME_KEPT]}.{secrets.token_hex(4)}{PARTIAL}")
    with explained(path, "write"):
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Makes renames in `folder` last through a power cut, where the file system can promise that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder; the rename stands
            raise
    finally:
        os.close(descriptor)


def write_bytes_whole(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all."""
    with whole_file(path) as file:
        file.write(data)


def write_text_whole(path: Path, text: str) -> None:
    """Writes UTF-8 text; a lone surrogate, which UTF-8 cannot hold, is written as its visible escape."""
    write_bytes_whole(path, text.encode("utf-8", "backslashreplace"))


def write_json_whole(path: Path, value: object) -> None:
    """Writes indented UTF-8 JSON. Raises ValueError for NaN and infinities: a number without value is null."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    write_text_whole(path, text + "\n")  # the escape of a lone surrogate is the one JSON uses


def write_array_whole(path: Path, array: NDArray[Any]) -> None:
    """Writes a .npy file of numbers (C order), a memory map included, without a copy of it in memory."""
    ordered = np.ascontiguousarray(array)
    with whole_file(path) as file:
        header = np.lib.format.header_data_from_array_1_0(ordered)
        np.lib.format.write_array_header_1_0(file, header)
        # not ndarray.tofile: when the disk is full it raises an OSError that does not say so
        file.write(ordered.reshape(-1).view(np.uint8).data)


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A Parquet writer for tables or batches one after another; `path` appears when the block ends well."""
    with whole_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield writer


def write_table_whole(path: Path, table: pa.Table) -> None:
    """Writes `table` as one Parquet file."""
    with table_writer(path, table.schema) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP)


def refuse_links(folders: Iterable[Path]) -> None:
    """Raises InputError for the first that is a symbolic link: what is written there would land somewhere else."""
    for folder in folders:
        with explained(folder, "read"):
            linked = folder.is_symlink()
        if linked:
            raise InputError(
                f"{shown(folder)} is a link to another folder, into which a run does not write; put the folder "
                "itself in its place"
            )


def is_leftover(name: str) -> bool:
    """Whether a file of this name is what a killed writer left behind."""
    return name.startswith(".") and name.endswith(PARTIAL)


def leftovers(folder: Path) -> list[Path]:
    """Unfinished files of killed writers anywhere under `folder`, in order; links are not followed."""
    with explained(folder, "read"):
        return sorted(
            Path(parent, name) for parent, _, names in os.walk(folder) for name in names if is_leftover(name)
        )


def remove_leftovers(folder: Path) -> None:
    """Removes them. Only for the owner of `folder` (who holds its lock): a writer at work has such files too."""
    for path in leftovers(folder):
        with explained(path, "remove"):
            path.unlink(missing_ok=True)
