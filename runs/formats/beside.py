"""What stands beside the responses: single values by column, among which are scores and settings of sampling."""

import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

Scalar = bool | int | float | str

_SCALARS = (str, int, float, bool)

MAX_COLUMNS = 300
"""Columns that are kept; more are no scores but a mistake or an attack."""

MAX_TEXT = 100
"""Characters of a value that can still be a score's label."""

MAX_DEPTH = 4


class Beside:
    """Columns of single values, an entry a response, None where it has none; nested objects give dotted names."""

    def __init__(self) -> None:
        self._columns: dict[str, list[Scalar | None]] = {}
        self._texts: set[str] = set()
        self._rows = 0

    @property
    def names(self) -> list[str]:
        """Columns whose values are all short."""
        return list(self._columns)

    def column(self, name: str) -> list[Scalar | None]:
        """The values [N] of a column."""
        values = self._columns[name]
        return values + [None] * (self._rows - len(values))

    def add(
        self, fields: Mapping[str, Any], taken: Collection[str], first: int, kept: list[int], responses: int
    ) -> None:
        """The values beside the responses of one row, which got the indices from `first` on.

        kept: positions in the row's list of responses; a list as long as it (`responses`) gives each its own.
        """
        self._rows = first + len(kept)
        for name, value in fields.items():
            if name in taken or value is None:
                continue
            if isinstance(value, list | tuple):
                if len(value) == responses:
                    for index, position in enumerate(kept, first):
                        self._put_all(name, value[position], index)
            else:
                for index in range(first, self._rows):
                    self._put_all(name, value, index)

    def _put_all(self, name: str, value: Any, index: int) -> None:
        """A single value, or those inside an object under dotted names."""
        if type(value) in _SCALARS:
            self._put(name, value, index)
        else:
            for path, leaf in _leaves(name, value, MAX_DEPTH):
                if isinstance(leaf, Scalar):
                    self._put(path, leaf, index)

    def _put(self, name: str, value: Scalar, index: int) -> None:
        if value != value or name in self._texts:
            return
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                self._texts.add(name)
                self._columns.pop(name, None)
                return
            value = sys.intern(str(value))  # one object for the same value in many rows
        column = self._columns.get(name)
        if column is None:
            if len(self._columns) >= MAX_COLUMNS:
                return
            column = self._columns[name] = []
        if len(column) < index:
            column.extend([None] * (index - len(column)))
        if len(column) == index:
            column.append(value)


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value
    elif depth:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner, depth - 1)
