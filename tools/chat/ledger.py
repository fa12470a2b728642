"""The ledger of a run: every call to a model that was paid for, and every judgment, in `ledger.sqlite`.

A call is recorded before its answer is used, so that no kill makes it be paid again. An answer that could not be
used stays as a record with its reason, and is asked for again. Judgments have a table of their own: they are found
again by what was judged, in whatever calls criteria were grouped.

Each record is a transaction of its own. It outlives the process at once; after a power cut the last few may be
missing, and are asked for again.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from probes.errors import InputError, OutsideError
from runs.files import explain_full, shown
from runs.row_sums import SUMMED, row_sum
from runs.schema import LEDGER_FORMAT
from tools.chat.interface import Answer
from tools.chat.ledger_tables import TABLES

_CALL, _JUDGMENT = ", ".join(SUMMED["calls"]), ", ".join(SUMMED["judgments"])
_ANSWER = SUMMED["calls"].index("answer")

_AT_ONCE = 500  # keys in one query
_PATIENCE_SECONDS = 30.0  # with others that record something
_LACKING_DAYS = 1  # then a server may have been started with other options

_CHECKPOINT_PAGES = 4000  # 16 MB of WAL between two waits for the disk
_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)

Outcome = Literal["answered", "unusable", "failed"]


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it is recorded. key: `request_key`. scope: the discovery that paid; purpose: for what.

    reason: why the answer could not be used, or why there is none. request: the request's text, where it is to be
    kept. cost: US dollars, None where unknown.
    """

    key: bytes
    scope: str
    purpose: str
    model: str
    outcome: Outcome
    seconds: float
    answer: Answer | None = None
    reason: str | None = None
    request: str | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """A verdict. level: index on the scale, or None where the judge says that the scale does not apply.

    quote: the words that decided. expected: mean level under the probabilities of the level's token, where told.
    """

    level: int | None
    quote: str = ""
    expected: float | None = None
    call: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one purpose took of one model. cost: US dollars; None where that of any call is unknown.

    answered, unusable: paid for; failed: came to nothing; reused: found in the ledger instead of asked.
    """

    purpose: str
    model: str
    answered: int
    unusable: int
    failed: int
    reused: int
    input_tokens: int
    output_tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a scope took by now. calls: those that were paid for. cost: None where that of any call is unknown."""

    calls: int
    cost: float | None
    seconds: float


def judgment_key(
    *, judge: str, template: str, question: str, scale: Mapping[str, object], prompt: str, response: str
) -> bytes:
    """What a judgment is found again by: SHA-256 over all that it depends on.

    judge: model, endpoint and parameters; template: the judge prompt's text or its hash; scale: kind and levels
    with their descriptions. prompt, response: as the judge is shown them.
    """
    whole = _ENCODER.encode([judge, template, question, scale, prompt, response])
    return hashlib.sha256(whole.encode()).digest()


class Ledger:
    """One run's ledger, open, or that of a batch, which its jobs have open at the same time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """Opens or begins a ledger. Raises InputError for what is none, OutsideError where the disk refuses."""
        with explained(path):
            # one thread at a time uses it, though not always the same: graphs run their nodes where they like
            connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_SECONDS
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            ledger = cls(path, connection)
            if ledger._version() == 0 and not ledger._tables():
                connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {LEDGER_FORMAT}; COMMIT;")
            ledger._require_version()
        return ledger

    @classmethod
    def open_to_read(cls, path: Path) -> "Ledger":
        """Opens a ledger that may be in use by another process; nothing can be recorded."""
        with explained(path):
            ledger = cls(path, sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True))
            ledger._require_version()
        return ledger

    def close(self) -> None:
        self._connection.close()

    # Calls

    def find(self, key: bytes) -> tuple[int, Answer] | None:
        """Number and answer of the call for this request that was answered, if there is one."""
        with explained(self.path):
            row = self._connection.execute(
                f"SELECT {_CALL}, sum, id FROM calls WHERE key = ? AND outcome = 'answered' ORDER BY id LIMIT 1",
                (key,),
            ).fetchone()
        if row is None:
            return None
        self._require_sound(row[:-1])
        return int(row[-1]), Answer.from_json(row[_ANSWER])

    def record(self, call: Call) -> int:
        """Records a call, and returns its number."""
        answer = call.answer
        values = (
            call.key,
            call.scope,
            call.purpose,
            call.model,
            call.outcome,
            _storable(call.reason),
            call.request,
            answer.to_json() if answer else None,
            answer.structured if answer else None,
            answer.input_tokens if answer else None,
            answer.output_tokens if answer else None,
            call.cost,
            call.seconds,
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
        with explained(self.path):
            number = self._connection.execute(
                f"INSERT INTO calls ({_CALL}, sum) VALUES ({', '.join('?' * (len(values) + 1))})",
                (*values, row_sum(values)),
            ).lastrowid
        assert number is not None
        return number

    def reject(self, number: int, reason: str) -> None:
        """Marks an answer as one that could not be used: it is not found again."""
        with explained(self.path), self._transaction():
            row = self._connection.execute(f"SELECT {_CALL}, sum FROM calls WHERE id = ?", (number,)).fetchone()
            self._require_sound(row)
            call = dict(zip(SUMMED["calls"], row[:-1], strict=True))
            call |= {"outcome": "unusable", "reason": _storable(reason)}
            self._connection.execute(
                "UPDATE calls SET outcome = ?, reason = ?, sum = ? WHERE id = ?",
                (call["outcome"], call["reason"], row_sum(list(call.values())), number),
            )

    # Judgments

    def judgments(self, keys: Iterable[bytes]) -> dict[bytes, Judgment]:
        """Those of the judgments that are there."""
        wanted = list(keys)
        found: dict[bytes, Judgment] = {}
        with explained(self.path):
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = self._connection.execute(
                    f"SELECT {_JUDGMENT}, sum FROM judgments WHERE key IN ({marks})", part
                )
                for row in rows:
                    self._require_sound(row)
                    found[row[0]] = Judgment(*row[1:-1])
        return found

    def store_judgments(self, judgments: Mapping[bytes, Judgment]) -> None:
        """Keeps verdicts, all or none. Raises ValueError for a level below 0: an outcome is no verdict."""
        if any(one.level is not None and one.level < 0 for one in judgments.values()):
            raise ValueError("a judgment that was refused or failed is not kept as one")
        rows = [
            (key, one.level, _storable(one.quote) or "", one.expected, one.call) for key, one in judgments.items()
        ]
        summed = [(*row, row_sum(row)) for row in rows]
        with explained(self.path), self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO judgments VALUES (?, ?, ?, ?, ?, ?)", summed)

    def take_judgments(self, other: Path) -> None:
        """Takes the judgments of another ledger that this one lacks; the calls they came of stay there."""
        ledger = Ledger.open_to_read(other)
        try:
            with explained(other):
                rows = ledger._connection.execute("SELECT key FROM judgments").fetchall()
            found = ledger.judgments(key for (key,) in rows)
        finally:
            ledger.close()
        known = self.judgments(found)
        self.store_judgments({key: replace(one, call=None) for key, one in found.items() if key not in known})

    # What models lack

    def lacking(self, model: str) -> set[str]:
        """What the model was lately found to lack (`tools.chat.abilities`)."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT feature FROM lacking WHERE model = ? AND at > datetime('now', ?)",
                (model, f"-{_LACKING_DAYS} day"),
            ).fetchall()
        return {str(row[0]) for row in rows}

    def remember_lacking(self, model: str, feature: str) -> None:
        with explained(self.path):
            self._connection.execute(
                "INSERT OR REPLACE INTO lacking (model, feature) VALUES (?, ?)", (model, feature)
            )

    # What was spent

    def spent(self, scope: str) -> Spent:
        """What a scope took by now."""
        with explained(self.path):
            calls, priced, cost = self._connection.execute(
                "SELECT count(*), count(cost), total(cost) FROM calls WHERE scope = ? AND outcome != 'failed'",
                (scope,),
            ).fetchone()
            clock = self._connection.execute("SELECT seconds FROM clocks WHERE scope = ?", (scope,)).fetchone()
        return Spent(calls, cost if priced == calls else None, clock[0] if clock else 0.0)

    def set_clock(self, scope: str, seconds: float) -> None:
        """Wall time that a scope took by now."""
        with explained(self.path):
            self._connection.execute("INSERT OR REPLACE INTO clocks VALUES (?, ?)", (scope, seconds))

    def add_reused(self, scope: str, counts: Mapping[tuple[str, str], int]) -> None:
        """Counts answers and judgments that were found instead of asked for, by purpose and model."""
        rows = [(scope, purpose, model, count) for (purpose, model), count in counts.items() if count]
        with explained(self.path), self._transaction():
            self._connection.executemany(
                "INSERT INTO reused VALUES (?, ?, ?, ?)"
                " ON CONFLICT (scope, purpose, model) DO UPDATE SET count = count + excluded.count",
                rows,
            )

    def usage(self, scope: str | None = None) -> list[Usage]:
        """What was spent on what, of one scope or the whole run, by purpose and model."""
        where, values = ("WHERE scope = ?", (scope,)) if scope is not None else ("", ())
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT purpose, model, sum(outcome = 'answered'), sum(outcome = 'unusable'),"
                " sum(outcome = 'failed'), total(input_tokens), total(output_tokens), total(cost),"
                " sum(outcome != 'failed' AND cost IS NULL)"
                f" FROM calls {where} GROUP BY purpose, model",
                values,
            ).fetchall()
            reused = {
                (row[0], row[1]): int(row[2])
                for row in self._connection.execute(
                    f"SELECT purpose, model, sum(count) FROM reused {where} GROUP BY purpose, model", values
                )
            }
        by_kind = {(row[0], row[1]): row[2:] for row in rows}
        empty = (0, 0, 0, 0.0, 0.0, 0.0, 0)
        found = []
        for purpose, model in sorted(by_kind.keys() | reused.keys()):
            kind = (purpose, model)
            answered, unusable, failed, tokens_in, tokens_out, cost, unpriced = by_kind.get(kind, empty)
            price = None if unpriced else float(cost)
            counts = (int(answered), int(unusable), int(failed), reused.get(kind, 0))
            found.append(Usage(purpose, model, *counts, int(tokens_in), int(tokens_out), price))
        return found

    def judged_by(self, scope: str) -> dict[int, int]:
        """The calls of a scope that judged something, by number, and how many judgments came of each."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT call, count(*) FROM judgments JOIN calls ON calls.id = call WHERE scope = ? GROUP BY call",
                (scope,),
            ).fetchall()
        return {int(call): int(count) for call, count in rows}

    def ways(self, scope: str) -> dict[tuple[str, str], int]:
        """By model and way how often JSON was come by in that way (`interface.Structured`)."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT model, structured, count(*) FROM calls WHERE scope = ? AND structured != 'none'"
                " GROUP BY model, structured",
                (scope,),
            ).fetchall()
        return {(model, way): int(count) for model, way, count in rows}

    def requests(self, scope: str, purpose: str) -> list[tuple[str, Answer | None]]:
        """Requests whose text was kept, in order, with their answers."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT request, answer FROM calls WHERE scope = ? AND purpose = ? AND request IS NOT NULL"
                " ORDER BY id",
                (scope, purpose),
            ).fetchall()
        return [(row[0], Answer.from_json(row[1]) if row[1] else None) for row in rows]

    # The file

    def _require_sound(self, row: Sequence[object]) -> None:
        """Raises InputError unless a row, its checksum last, is what was written."""
        if row_sum(row[:-1]) != row[-1]:
            raise InputError(
                f"{shown(self.path)} is damaged (a row was changed in it); move it away (what was answered is "
                "then asked again)"
            )

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _tables(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    def _require_version(self) -> None:
        version = self._version()
        if version != LEDGER_FORMAT:
            raise InputError(
                f"{shown(self.path)} is a ledger of format {version}, this program knows format {LEDGER_FORMAT}; "
                "use the program's version that wrote it, or move the file away (answers are then asked for again)"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into the one line that a person reads."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = shown(path)
        if full := explain_full(error, path):
            raise full from error
        match error.sqlite_errorcode & 0xFF:
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                raise InputError(
                    f"{name} is damaged ({error}); move it away (what was answered is then asked again)"
                ) from error
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                raise OutsideError(f"{name} is in use by another program; close it, then try again") from error
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
                raise OutsideError(f"cannot open or write {name}: {error}") from error
        raise


def _storable(text: str | None) -> str | None:
    """Text as SQLite can hold it: halves of characters, which models write as escapes, stay visible escapes."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
