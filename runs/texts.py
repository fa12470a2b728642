"""Texts that lie in a file and are read a block at a time, and the few numbers that stand for each of them.

A run of a million answers holds hundreds of megabytes of text; no stage needs more than some thousands at once.
"""

import os
import tempfile
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from probes.scale import IntArray
from runs.columns import damaged
from runs.files import ROW_GROUP, explained

HELD_CHARACTERS = 32 << 20
"""Characters that are held before they go into a file."""

# Interface


class Texts(Sequence[str], ABC):
    """Texts in blocks, of which the one last asked for is kept: to be read in order, or many rows by `take`."""

    _kept: tuple[int, pa.Array] | None = None

    @property
    @abstractmethod
    def ends(self) -> IntArray:
        """Where each block ends [B]."""

    @abstractmethod
    def _read(self, number: int) -> pa.Array:
        """The texts of one block."""

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self.ends, place, side="right"))
        text: str = self._block(number)[place - self._start(number)].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self.ends)):
            yield from self._block(number).to_pylist()

    def take(self, row_R: IntArray) -> list[str]:
        """The texts of these rows, in their order; every block is read once."""
        found = [""] * len(row_R)
        block_R = np.searchsorted(self.ends, row_R, side="right")
        for number in np.unique(block_R).tolist():
            place_P = np.flatnonzero(block_R == number)
            inside = self._block(number).take(pa.array(row_R[place_P] - self._start(number)))
            for place, text in zip(place_P.tolist(), inside.to_pylist(), strict=True):
                found[place] = text
        return found

    def _start(self, number: int) -> int:
        return int(self.ends[number - 1]) if number else 0

    def _block(self, number: int) -> pa.Array:
        if self._kept is None or self._kept[0] != number:
            self._kept = None  # gone before the next one comes
            self._kept = (number, self._read(number))
        return self._kept[1]


class ColumnTexts(Texts):
    """A column of text of a Parquet file: some rows [R] in rising order, or all. A block is a row group."""

    def __init__(self, path: Path, column: str, row_R: IntArray | None = None) -> None:
        self._path, self._column, self._row_R = path, column, row_R
        with explained(path, "read"), open(path, "rb") as file:
            try:
                metadata = pq.read_metadata(file)
            except pa.ArrowException as error:
                raise damaged(path, str(error)) from error
        sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._group_ends = np.cumsum(np.asarray(sizes, dtype=np.int64))
        self._ends = self._group_ends if row_R is None else np.searchsorted(row_R, self._group_ends)

    @property
    def ends(self) -> IntArray:
        return self._ends

    def _read(self, number: int) -> pa.Array:
        with explained(self._path, "read"), open(self._path, "rb") as file:
            try:
                texts = pq.ParquetFile(file).read_row_group(number, [self._column])[self._column].combine_chunks()
            except pa.ArrowException as error:
                raise damaged(self._path, str(error)) from error
        if self._row_R is None:
            return texts
        first = int(self._group_ends[number]) - len(texts)
        return texts.take(pa.array(self._row_R[self._start(number) : int(self._ends[number])] - first))


class HeldTexts(Texts):
    """A short column in memory, a few bytes more than its characters each."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.column: pa.Array = column.combine_chunks()

    @property
    def ends(self) -> IntArray:
        return np.array([len(self.column)])

    def _read(self, number: int) -> pa.Array:
        return self.column


class SpilledTexts(Texts):
    """Texts that are appended one by one, and read when all are there.

    Where they are many they go into a file without a name in `folder`, or in the nearest one above that is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = next(one for one in (folder, *folder.parents) if one.is_dir())
        self._file: BinaryIO | None = None
        self._places: list[tuple[int, int]] = []
        self._ends: list[int] = []
        self._last: list[str] = []
        self._characters = 0

    @property
    def ends(self) -> IntArray:
        ends = [*self._ends, len(self)] if self._last else self._ends
        return np.asarray(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._last) + (self._ends[-1] if self._ends else 0)

    def append(self, text: str) -> None:
        """Adds a text that UTF-8 can hold. Raises InputError and OutsideError where the file cannot be written."""
        self._last.append(text)
        self._characters += len(text)
        if len(self._last) == ROW_GROUP or self._characters >= HELD_CHARACTERS:
            self._spill()

    def close(self) -> None:
        """Gives the disk its space back."""
        if self._file is not None:
            self._file.close()

    def _spill(self) -> None:
        data = pa.record_batch([pa.array(self._last, pa.large_string())], names=["text"]).serialize()
        with explained(self._folder, "write"):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 (see close)
            self._places.append((self._file.seek(0, os.SEEK_END), len(data)))
            view = memoryview(data)
            while view:  # unbuffered, so that a full disk is told here
                view = view[self._file.write(view) :]
        self._ends.append(len(self))
        self._last, self._characters = [], 0

    def _read(self, number: int) -> pa.Array:
        if number == len(self._ends):
            return pa.array(self._last, pa.large_string())
        assert self._file is not None
        place, size = self._places[number]
        with explained(self._folder, "read"):
            self._file.seek(place)
            data = self._file.read(size)
        return pa.ipc.read_record_batch(pa.py_buffer(data), _TEXT).column(0)


_TEXT = pa.schema([pa.field("text", pa.large_string())])


@dataclass(frozen=True, eq=False)
class TextFacts:
    """What stands for N texts. length_N: characters. blank_N: nothing but white space. digest_N2: 128 bits, by
    which equal texts are known."""

    length_N: IntArray
    blank_N: NDArray[np.bool_]
    digest_N2: NDArray[np.uint64]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "TextFacts":
        lengths, blank, digests = array("q"), bytearray(), bytearray()
        for text in texts:
            lengths.append(len(text))
            blank.append(not text or text.isspace())
            digests += blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return cls(
            np.frombuffer(lengths.tobytes(), dtype=np.int64),
            np.frombuffer(bytes(blank), dtype=np.bool_),
            np.frombuffer(bytes(digests), dtype="<u8").reshape(-1, 2),
        )


def equals(keys_NK: NDArray[np.integer[Any]]) -> IntArray:
    """The same number, from 0 on, for rows [N] with the same keys."""
    order_N, begins_N = _runs_of_equals(keys_NK)
    number_N = np.empty(len(order_N), dtype=np.int64)
    number_N[order_N] = np.cumsum(begins_N) - 1
    return number_N


def rank_among_equals(keys_NK: NDArray[np.integer[Any]]) -> IntArray:
    """How many rows before each one have the same keys [N]."""
    order_N, begins_N = _runs_of_equals(keys_NK)
    place_N = np.arange(len(order_N))
    rank_N = np.empty(len(order_N), dtype=np.int64)
    rank_N[order_N] = place_N - np.maximum.accumulate(np.where(begins_N, place_N, 0))
    return rank_N


def _runs_of_equals(keys_NK: NDArray[np.integer[Any]]) -> tuple[IntArray, NDArray[np.bool_]]:
    """An order that puts equal rows side by side, as they came, and where in it others begin."""
    order_N = np.lexsort(keys_NK.T)
    sorted_NK = keys_NK[order_N]
    begins_N = np.ones(len(order_N), dtype=bool)
    begins_N[1:] = (sorted_NK[1:] != sorted_NK[:-1]).any(axis=1)
    return order_N, begins_N
