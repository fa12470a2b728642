"""One whole JSON document that holds rows: results by category, a table of parallel lists, rows by their id.

What is found is said; a document without rows (a summary of results) is refused by what it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runs.formats.fields import CHAT, PROMPT, RESPONSE, plain_name
from runs.formats.record import DOMAIN_FIELD, Record, Source, listed, refuse

MAX_DEPTH = 6

ROW_ID_FIELD = "id"
"""Where the key of rows in an object goes when the rows have no such field."""

Rows = list[dict[str, Any]]


def document_source(name: str, document: Mapping[str, Any], named: Sequence[str] = ()) -> Source:
    """The rows of a document. named: fields that a person named, which tell rows as the usual names do.

    InputError: it holds no rows.
    """
    found = list(_groups(document, (), {*PROMPT, *RESPONSE, *CHAT, *(name.split(".")[0] for name in named)}))
    if not found:
        raise refuse(name, _without_rows(document), "a file of responses has rows with a prompt and a response")
    rows = [row for path, group in found for row in _with_domain(group, path, len(found))]
    categories = [path[-1] for path, _ in found if path]
    said = f"{name}: {len(found)} categories of prompts as domains: {listed(categories, 6)}"
    return Source(
        name=name,
        format="a JSON document of results" if len(found) < 2 else "a JSON document of results by category",
        unit="row",
        records=lambda: (Record(row, number) for number, row in enumerate(rows, 1)),
        metadata=_metadata(document),
        notes=(said,) if len(found) > 1 else (),
    )


def _groups(value: object, path: tuple[str, ...], known: set[str]) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Every list of rows in a document with the keys that lead to it."""
    if isinstance(value, list):
        if value and all(isinstance(row, dict) for row in value) and any(_is_row(row, known) for row in value):
            yield path, value
    elif isinstance(value, dict):
        rows = _columns(value, known) or _by_key(value, known)
        if rows:
            yield path, rows
        elif _is_row(value, known) and not any(isinstance(inner, dict | list) for inner in value.values()):
            yield path, [value]
        elif len(path) < MAX_DEPTH:
            for key, inner in value.items():
                yield from _groups(inner, (*path, key), known)


def _is_row(row: Mapping[str, Any], known: set[str]) -> bool:
    return not known.isdisjoint(map(plain_name, row))


def _columns(value: Mapping[str, Any], known: set[str]) -> Rows | None:
    """Rows of parallel lists, or of the columns that data frames write: {"prompt": {"0": ..., "1": ...}}."""
    named = {key: inner for key, inner in value.items() if plain_name(key) in known}
    if not named:
        return _split_frame(value)
    lists = {key: inner for key, inner in value.items() if isinstance(inner, list)}
    if set(named) <= set(lists):
        lengths = {len(lists[key]) for key in named}
        if len(lengths) == 1 and len(named) > 1 and not _is_chat_row(named):
            length = lengths.pop()
            whole = {key: column for key, column in lists.items() if len(column) == length}
            return [dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True)]
        return None
    objects = {key: inner for key, inner in value.items() if isinstance(inner, dict)}
    if set(named) <= set(objects) and len(named) > 1:
        keys = list(objects[next(iter(named))])
        if all(list(objects[key]) == keys for key in named):
            return [{key: column.get(index) for key, column in objects.items()} for index in keys]
    return None


def _is_chat_row(named: Mapping[str, Any]) -> bool:
    """A single row whose fields are lists of turns looks like columns, too."""
    return any(isinstance(item, dict) and "role" in item for column in named.values() for item in column)


def _split_frame(value: Mapping[str, Any]) -> Rows | None:
    """A data frame written as {"columns": [names], "data": [rows]}."""
    names, data = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(data, list) or not data:
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in data]


def _by_key(value: Mapping[str, Any], known: set[str]) -> Rows | None:
    """Rows that stand in an object under their ids."""
    if len(value) < 2 or not all(isinstance(row, dict) and _is_row(row, known) for row in value.values()):
        return None
    if any(_columns(row, known) for row in value.values()):
        return None
    return [{ROW_ID_FIELD: key, **row} for key, row in value.items()]


def _with_domain(group: Rows, path: tuple[str, ...], groups: int) -> Rows:
    if groups < 2 or not path:
        return group
    return [{DOMAIN_FIELD: path[-1], **row} for row in group]


def _metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    """Single values at the top and in the objects right under it."""
    inner = [part for part in document.values() if isinstance(part, dict)]
    return {
        key: value
        for part in (*inner, document)
        for key, value in part.items()
        if isinstance(value, int | float | str)
    }


def _without_rows(document: Mapping[str, Any]) -> str:
    if "results" in document and ("n-shot" in document or "configs" in document):
        return "a summary of lm-eval, without samples (its --log_samples writes samples_*.jsonl)"
    return f"a JSON document without rows of responses (a summary, or settings); keys: {listed(document, 8)}"
