"""The Parquet files of a run: written from a stream with their splits, read with their checksums.

Splits need the size of every group before the first row can be written, so that samples first go into an Arrow
file beside; from there they are written again with their split.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probes.errors import InputError
from probes.scale import IntArray
from runs.files import PARTIAL, ROW_GROUP, explained, shown, table_writer
from runs.manifest import FileRecord, file_record
from runs.schema import SAMPLES_SCHEMA, SPLITS
from runs.splits import SplitArray, assign_splits

Batches = Iterable[pa.Table | pa.RecordBatch]

_GROUP_BYTES = 64 << 20
"""A row group is also ended here, so that long responses do not make it huge."""

WITHOUT_SPLIT = pa.schema([field for field in SAMPLES_SCHEMA if field.name != "split"])
_SPLIT_POSITION = SAMPLES_SCHEMA.get_field_index("split")


def conform(rows: pa.Table | pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """The rows with exactly the schema's columns and types; an optional column that lacks is null.

    Raises ValueError: a required column lacks or holds null, a column is unknown or of another kind.
    """
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    unknown = set(table.column_names) - set(schema.names)
    if unknown:
        raise ValueError(f"unknown columns: {sorted(unknown)}")
    columns = []
    for field in schema:
        if field.name not in table.column_names and field.nullable:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name].cast(field.type) if field.name in table.column_names else None
        if column is None or (column.null_count and not field.nullable):
            raise ValueError(f"column {field.name!r} is required")
        columns.append(column)
    return pa.table(columns, schema=schema)


def write_samples(
    path: Path,
    batches: Batches,
    prompt_ids: Sequence[str],
    checkpoints: int,
    seed: int,
    split_N: SplitArray | None = None,
) -> int:
    """Writes samples (without their split) as `path`, split assigned, and returns how many they are.

    split_N: the splits that they have already, where they come from other runs. Holds a few batches in memory, and
    the ids. Raises ValueError where samples are not as `SAMPLES_SCHEMA` says,
    an id repeats, or a sample names a prompt or a checkpoint that there is not; InputError and OutsideError as
    `files`.
    """
    spill = path.with_name(f".{path.name}.arrow{PARTIAL}")  # a leftover, should the process be killed
    try:
        sample_ids, prompt_N, checkpoint_N = _spill(spill, batches, prompt_ids, checkpoints)
        if split_N is None:
            ids = (one for chunk in sample_ids.chunks for one in chunk.to_pylist())
            split_N = assign_splits(ids, prompt_N, checkpoint_N, seed, prompt_ids=prompt_ids)
        _write_with_split(spill, path, split_N)
    finally:
        with explained(spill, "remove"):
            spill.unlink(missing_ok=True)
    return len(prompt_N)


def _spill(
    path: Path, batches: Batches, prompt_ids: Sequence[str], checkpoints: int
) -> tuple[pa.ChunkedArray, IntArray, IntArray]:
    """Writes the samples to an Arrow file; their ids, prompts (index) and checkpoints [N]."""
    known = pa.array(prompt_ids, pa.string())
    id_parts: list[pa.Array] = []
    prompt_parts: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    checkpoint_parts: list[IntArray] = [np.zeros(0, dtype=np.int64)]
    with explained(path, "write"):
        file = open(path, "xb")  # noqa: SIM115 (closed below; what `batches` raises is not an error of this file)
    try:
        with explained(path, "write"):
            writer = pa.ipc.new_file(file, WITHOUT_SPLIT)
        for rows in batches:
            table = conform(rows, WITHOUT_SPLIT)
            prompt_parts.append(places_of(table["prompt_id"], known))
            checkpoint_parts.append(_within(table["checkpoint"], checkpoints))
            id_parts += table["sample_id"].chunks
            with explained(path, "write"):
                writer.write_table(table)
        with explained(path, "write"):
            writer.close()
            file.flush()
    finally:
        with suppress(OSError):  # after a flush that failed, which was reported
            file.close()
    ids = pa.chunked_array(id_parts, pa.string())
    return ids, np.concatenate(prompt_parts), np.concatenate(checkpoint_parts)


def places_of(column: pa.ChunkedArray, known: pa.Array) -> IntArray:
    """Index into `known` of every value of a column. Raises ValueError for one that is not there."""
    index = pc.index_in(column, value_set=known)
    if index.null_count:
        raise ValueError("a value of a column is none of those that it may have")
    return np.asarray(index.to_numpy(), dtype=np.int64)


def _within(checkpoints: pa.ChunkedArray, count: int) -> IntArray:
    checkpoint_N = np.asarray(checkpoints.to_numpy(), dtype=np.int64)
    if checkpoint_N.size and not 0 <= checkpoint_N.min() <= checkpoint_N.max() < count:
        raise ValueError("a sample names a checkpoint that the control parameter has not")
    return checkpoint_N


def _write_with_split(spill: Path, path: Path, split_N: SplitArray) -> None:
    field = SAMPLES_SCHEMA.field("split")
    names = pa.array(SPLITS, field.type)
    start = 0
    with explained(spill, "read"):
        file = open(spill, "rb")  # noqa: SIM115 (closed below; what writing raises is not an error of this file)
    with file, pa.ipc.open_file(file) as reader, table_writer(path, SAMPLES_SCHEMA) as writer:
        for table in _row_groups(reader):
            split = names.take(pa.array(split_N[start : start + table.num_rows]))
            writer.write_table(table.add_column(_SPLIT_POSITION, field, split))
            start += table.num_rows


def _row_groups(reader: pa.RecordBatchFileReader) -> Iterator[pa.Table]:
    """The rows in pieces that make good row groups, whatever the batches they came in."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        for start in range(0, batch.num_rows, ROW_GROUP):
            piece = batch.slice(start, ROW_GROUP)
            if held and (rows + piece.num_rows > ROW_GROUP or size + piece.nbytes > _GROUP_BYTES):
                yield pa.Table.from_batches(held)
                held, rows, size = [], 0, 0
            held.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if held:
        yield pa.Table.from_batches(held)


def read_parquet(
    path: Path, schema: pa.Schema, expected: FileRecord | None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Columns (all by default) of a finished file of a run.

    expected: what the manifest says of the file. Raises InputError: it lacks or is not what was written;
    ValueError for a column that the schema does not have.
    """
    unknown = set(columns or ()) - set(schema.names)
    if unknown:
        raise ValueError(f"unknown columns: {sorted(unknown)}")
    require_unchanged(path, expected)
    with explained(path, "read"), open(path, "rb") as file:
        try:
            parquet = pq.ParquetFile(file)
            if not parquet.schema_arrow.equals(schema):
                raise damaged(path, "its columns are not those of a run")
            return parquet.read(None if columns is None else list(columns))
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise damaged(path, str(error)) from error


def require_unchanged(path: Path, expected: FileRecord | None) -> None:
    """Raises InputError unless the file is the one that the manifest records."""
    if expected is None or file_record(path) != expected:
        raise damaged(path, "it is not the file that was written")


def damaged(path: Path, reason: str) -> InputError:
    """The error for a file of a run that is not as it was written."""
    return InputError(
        f"{shown(path)} is damaged ({shown(' '.join(reason.split()))}); `orderparam check` says what else is, "
        "and the run must be made anew"
    )
