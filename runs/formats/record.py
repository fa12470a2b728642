"""What every reader yields: a row with its place in the file, and how user text is shown in a message."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from probes.errors import InputError


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its fields by name, and its number (line, row or item, as its source counts)."""

    fields: Mapping[str, Any]
    number: int


@dataclass(frozen=True)
class Source:
    """A file (or rows in memory) that can be read again from its start.

    `records()` starts a fresh pass and raises InputError at the first row that cannot be read. unit: what
    `Record.number` counts. metadata: what the file says about all its rows (temperature, ...). notes: sentences
    about how the file was read.
    """

    name: str
    format: str
    unit: str
    records: Callable[[], Iterator[Record]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def place(self, number: int) -> str:
        return f"{self.name}, {self.unit} {number}"


DOMAIN_FIELD = "domain"
"""Where readers of nested results put the category a row came from."""


def shown(text: object, width: int = 60) -> str:
    """User text for a message: quoted, on one line, control characters escaped, cut to `width` characters."""
    text = str(text)
    cut = text[:width]
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
    return f"'{safe}{'...' if len(text) > width else ''}'"


def name_shown(text: object) -> str:
    """A file name for a message: as `shown`, without the quotes."""
    return shown(text, 200)[1:-1]


def listed(names: Iterable[object], limit: int = 20) -> str:
    """Field names or values for a message: quoted, at most `limit` of them."""
    items = [shown(name, 40) for name in names]
    rest = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + rest if items else "none"


def kind_of(value: object) -> str:
    """What a JSON value is, in a word a person uses."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def refuse(place: str, wrong: str, right: str) -> InputError:
    """The one-line error of a bad row or file: where, what is wrong, what would be right."""
    return InputError(f"{place}: {wrong}; {right}")
