"""Rows that are in memory already: lists of dicts, data frames, tables of Arrow, data sets."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runs.formats.record import Record, Source, kind_of, refuse


def rows_source(rows: object, name: str) -> Source:
    """The rows under a name for messages; they are numbered from 0, as in Python.

    rows: a pandas or polars data frame, an Arrow table, or an iterable of mappings. InputError: anything else.
    """
    found = _mappings(rows)
    if found is None:
        raise refuse(name, f"{kind_of(rows)} where rows belong", "give a list of dicts or a data frame")
    checked = list(found)
    for number, row in enumerate(checked):
        if not isinstance(row, Mapping):
            raise refuse(f"{name}, index {number}", f"{kind_of(row)} where a row belongs", "each row is a dict")

    def records() -> Iterator[Record]:
        for number, row in enumerate(checked):
            yield Record({str(key): plain_value(value) for key, value in row.items()}, number)

    return Source(name, "rows in memory", "index", records)


def _mappings(rows: Any) -> Iterable[Any] | None:
    if isinstance(rows, str | bytes | Mapping):
        return None
    if hasattr(rows, "to_pylist"):  # Arrow
        return rows.to_pylist()  # type: ignore[no-any-return]
    if hasattr(rows, "to_dicts"):  # polars
        return rows.to_dicts()  # type: ignore[no-any-return]
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas
        return rows.to_dict("records")  # type: ignore[no-any-return]
    return rows if isinstance(rows, Iterable) else None


def plain_value(value: Any) -> Any:
    """A value without the types of numpy."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(inner) for inner in value]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return plain_value(value.tolist())
    return value
