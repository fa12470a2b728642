"""JSON Lines and JSON arrays, streamed; whole JSON documents parsed."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from probes.errors import InputError
from runs.formats.record import Record, kind_of, name_shown, refuse, shown
from runs.formats.stream import MAX_LINE, chunks, document, lines

MAX_DEPTH = 20_000
"""Levels of nesting that are read; what is nested deeper is refused."""

_DEEP_STACK = 64 << 20  # bytes of stack for MAX_DEPTH levels
_SPACE = " \t\r\n"

T = TypeVar("T")


class _TwiceError(ValueError):
    """An object that gives one key two different values."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        for name, value in pairs:
            if value != fields[name]:
                raise _TwiceError(f"field {shown(name)} occurs twice with different values")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def json_value(text: str, place: str) -> Any:
    """One JSON value from text; `place` names file and line in the error."""
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(error, text, place, "every line must be one whole JSON object") from error


def is_object(text: str) -> bool:
    """Whether a text is one whole JSON object."""
    try:
        return isinstance(_decode(text), dict)
    except (ValueError, RecursionError):
        return False


def json_lines(path: Path) -> Iterator[Record]:
    """One JSON object a line; blank lines are skipped."""
    name = name_shown(path)
    for number, line in lines(path):
        if line.strip():
            yield _row(json_value(line, f"{name}, line {number}"), name, number)


def json_array(path: Path) -> Iterator[Record]:
    """One array of objects, read element by element; numbers are lines where elements begin."""
    name = name_shown(path)
    for number, value in _elements(path, name):
        yield _row(value, name, number)


def json_document(path: Path) -> Any:
    """One whole JSON document."""
    name = name_shown(path)
    text = document(path)
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        place = f"{name}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else name
        raise _refusal(error, text, place, "the file must be one JSON document, or JSON Lines") from error


def _row(value: Any, name: str, line: int) -> Record:
    if not isinstance(value, dict):
        raise refuse(f"{name}, line {line}", f"{kind_of(value)} where a row belongs", "each row must be an object")
    return Record(value, line)


def _decode(text: str) -> Any:
    return _with_depth(lambda: _DECODER.decode(text))


def _with_depth(decode: Callable[[], T]) -> T:
    """What `decode` gives; where the nesting is too deep for this stack, in a thread with a larger one."""
    try:
        return decode()
    except RecursionError:
        pass
    found: list[T] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.append(decode())
        except (ValueError, RecursionError) as error:
            failed.append(error)

    limit, stack = sys.getrecursionlimit(), threading.stack_size(_DEEP_STACK)
    sys.setrecursionlimit(MAX_DEPTH)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(stack)
    if failed:
        raise failed[0]
    return found[0]


def _refusal(error: Exception, text: str, place: str, right: str) -> InputError:
    if isinstance(error, RecursionError):
        return refuse(place, "JSON nested too deeply to read", f"at most {MAX_DEPTH:,} levels are read")
    if isinstance(error, _TwiceError):
        return refuse(place, str(error), "each field must occur once")
    if isinstance(error, json.JSONDecodeError):
        what = (
            "the JSON is cut off" if _is_cut(error, text) else f"not JSON ({error.msg} at character {error.colno})"
        )
        return refuse(place, what, right)
    return refuse(place, f"JSON that cannot be read ({shown(error)})", "give ordinary numbers and text")


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether the text ends before its JSON does."""
    return error.msg.startswith("Unterminated string") or not text[error.pos :].strip()


def _elements(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    """The elements of the array and the lines where they begin; holds little more than one of them at a time."""
    pieces = chunks(path)
    buffer, position, line, ended = "", 0, 1, False
    expect, comma = "[", 1

    def refill() -> None:
        """At least doubles what is left of the buffer, so that a long element costs linear time."""
        nonlocal buffer, position, ended
        wanted = max(len(buffer) - position, 1)
        fresh: list[str] = []
        while wanted > 0 and (piece := next(pieces, None)) is not None:
            fresh.append(piece)
            wanted -= len(piece)
        ended = wanted > 0
        buffer, position = buffer[position:] + "".join(fresh), 0

    while True:
        while position < len(buffer) and buffer[position] in _SPACE:
            line += buffer[position] == "\n"
            position += 1
        if position == len(buffer):
            if ended:
                break
            refill()
            continue
        char = buffer[position]
        if expect == "end":
            raise refuse(f"{name}, line {line}", "more text after the array's end", "a JSON file holds one array")
        if expect == "[":
            position, expect = position + 1, "first"
        elif char == "]" and expect in ("first", ","):
            position, expect = position + 1, "end"
        elif expect == ",":
            if char != ",":
                raise refuse(f"{name}, line {line}", f"{shown(char)} where a comma belongs", "repair the JSON")
            position, expect, comma = position + 1, "value", line
        elif char == "]" and expect == "value":
            raise refuse(f"{name}, line {comma}", "a comma after the array's last element", "take it away")
        else:
            try:
                value, end = _with_depth(partial(_DECODER.raw_decode, buffer, position))
            except (ValueError, RecursionError) as error:
                if isinstance(error, json.JSONDecodeError) and not ended:
                    if len(buffer) - position <= MAX_LINE:
                        refill()
                        continue
                    if _is_cut(error, buffer):
                        what = f"an element of the array is longer than {MAX_LINE >> 20} MiB"
                        raise refuse(f"{name}, line {line}", what, "each element must be one row") from error
                place = f"{name}, line {line + buffer.count(chr(10), position, getattr(error, 'pos', position))}"
                raise _refusal(error, buffer, place, "the file must be one whole JSON array") from error
            yield line, value
            line += buffer.count("\n", position, end)
            position, expect = end, ","
    if expect != "end":
        raise refuse(f"{name}, line {line}", "the JSON array is cut off before its end", "the file must be whole")
