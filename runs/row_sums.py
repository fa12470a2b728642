"""Checksums of what lies in databases: SQLite notices a page that is torn, not a number that was changed in it."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence

SUM_BYTES = 8

SUMMED: Mapping[str, Sequence[str]] = {
    "calls": (
        *("key", "scope", "purpose", "model", "outcome", "reason", "request", "answer", "structured"),
        *("input_tokens", "output_tokens", "cost", "seconds", "at"),
    ),
    "judgments": ("key", "level", "quote", "expected", "call"),
}
"""The columns of a ledger's tables that its column `sum` covers."""


def row_sum(values: Sequence[object]) -> bytes:
    """The checksum of a row's values (bytes, text, numbers, None) in order, each with its type and length."""
    digest = hashlib.sha256()
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        digest.update(f"{type(value).__name__} {len(data)} ".encode() + data)
    return digest.digest()[:SUM_BYTES]


def changed_rows(database: sqlite3.Connection) -> dict[str, int]:
    """How many rows of each summed table are not what was written, of those where any is."""
    found: dict[str, int] = {}
    for table, columns in SUMMED.items():
        rows = database.execute(f"SELECT {', '.join(columns)}, sum FROM {table}")
        changed = sum(row_sum(row[:-1]) != row[-1] for row in rows)
        if changed:
            found[table] = changed
    return found


def tables_sum(database: sqlite3.Connection) -> str:
    """The checksum of how the tables and indices are laid out."""
    laid_out = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
    return row_sum([value for row in laid_out for value in row]).hex()


def sealed(data: bytes) -> bytes:
    """The bytes with their checksum behind them."""
    return data + hashlib.sha256(data).digest()[:SUM_BYTES]


def unsealed(data: bytes) -> bytes:
    """The bytes that were sealed. Raises ValueError where they are not what was written."""
    content, found = data[:-SUM_BYTES], data[-SUM_BYTES:]
    if sealed(content)[-SUM_BYTES:] != found:
        raise ValueError("it is not what was written")
    return content
