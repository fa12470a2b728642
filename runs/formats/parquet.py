"""Parquet files, in batches."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from runs.formats.record import Record, name_shown, refuse, shown

BATCH_ROWS = 1024


def parquet(path: Path) -> Iterator[Record]:
    """Rows of all columns; numbers are rows from 1."""
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(row, number)
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as error:
        raise refuse(
            name_shown(path), f"a Parquet file that cannot be read ({shown(error)})", "write it again"
        ) from error
