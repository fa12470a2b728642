"""What stands beside the responses: single values by column, among which are scores and settings of sampling."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runs.formats.fields import is_missing

Scalar = bool | int | float | str

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

    @property
    def texts(self) -> list[str]:
        """Columns left out because they hold long text."""
        return sorted(self._texts)

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
            if name in taken:
                continue
            if isinstance(value, list | tuple):
                if len(value) == responses:
                    for index, position in enumerate(kept, first):
                        self._put(name, value[position], index)
            else:
                for index in range(first, self._rows):
                    self._put(name, value, index)

    def _put(self, name: str, value: Any, index: int) -> None:
        for path, leaf in _leaves(name, value, MAX_DEPTH):
            if is_missing(leaf) or path in self._texts or not isinstance(leaf, Scalar):
                continue
            if isinstance(leaf, str) and len(leaf) > MAX_TEXT:
                self._texts.add(path)
                self._columns.pop(path, None)
                continue
            column = self._columns.get(path)
            if column is None:
                if len(self._columns) >= MAX_COLUMNS:
                    continue
                column = self._columns[path] = []
            if len(column) == index:
                column.append(leaf)
            elif len(column) < index:
                column.extend([None] * (index - len(column)))
                column.append(leaf)


def _leaves(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield name, value
    elif depth:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner, depth - 1)
