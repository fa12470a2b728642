"""How a file goes wrong: in its values, in its fields, in its bytes. Everything is drawn from a generator."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Random = np.random.Generator

HOSTILE_TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b]0;title\x07\x1b[31mred",
    "\r\n\r\n",
    "\u2028\u2029\x85\x0b\x0c",
    "\u202eright to left\u202c",
    "zero\u200bwidth\ufeff",
    "\ud800",
    "a\udfffb",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "$\\input{/etc/passwd}$ \\write18{id} %",
    "{{ 7 * 7 }} {% raw %} ${7*7} %(x)s {0}",
    "```\n````\n# head\n[a](javascript:alert(1))",
    "../../etc/passwd",
    "/dev/zero",
    "a\nb",
    'quote " and \\" and \'',
    "-1",
    "1e999",
    "NaN",
    "true",
    "null",
    "REFUSAL",
    "I cannot help with that.",
    "<think>no end",
    "<think></think>",
    "\U0001f600" * 50,
    "e\u0301" * 40,
    "x" * 5000,
)

ODD_NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.1, -0.0, 1e308, float("nan"), float("inf"))


def odd_value(rng: Random) -> Any:
    """Anything but what was there."""
    deep: Any = []
    for _ in range(int(rng.integers(1, 200))):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    odd: Sequence[Callable[[], Any]] = (
        lambda: None,
        lambda: bool(rng.random() < 0.5),
        lambda: chosen(rng, ODD_NUMBERS),
        lambda: chosen(rng, HOSTILE_TEXTS),
        lambda: chosen(rng, HOSTILE_TEXTS),
        lambda: [],
        lambda: {},
        lambda: [chosen(rng, HOSTILE_TEXTS), chosen(rng, ODD_NUMBERS), None],
        lambda: {chosen(rng, HOSTILE_TEXTS): chosen(rng, ODD_NUMBERS)},
        lambda: deep,
    )
    return chosen(rng, odd)()


def chosen(rng: Random, among: Sequence[Any]) -> Any:
    return among[int(rng.integers(len(among)))]


def mutated_value(rng: Random, value: Any, names: Sequence[str]) -> Any:
    """A JSON value with one thing in it changed: a value, a field's name, a member more or fewer, or two swapped.

    names: of fields that have a meaning.
    """
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return odd_value(rng)
    holder, key = chosen(rng, places)
    match int(rng.integers(7)):
        case 0 | 1:
            holder[key] = odd_value(rng)
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            name = chosen(rng, names) if rng.random() < 0.7 else chosen(rng, HOSTILE_TEXTS)
            holder[name] = holder.pop(key)
        case 4 if isinstance(holder, dict):
            holder[chosen(rng, names)] = odd_value(rng)
        case 3 | 4:
            holder.insert(int(rng.integers(len(holder) + 1)), copy.deepcopy(holder[key]))
        case 5:
            other, place = chosen(rng, places)
            if place in other if isinstance(other, dict) else place < len(other):
                holder[key] = copy.deepcopy(other[place])
        case _:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"text": holder[key]}
    return value


def _places(value: Any, depth: int = 0) -> Any:
    """Every member of every object and list in it."""
    if depth > 20:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner, depth + 1)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield value, place
            yield from _places(inner, depth + 1)


INSERTED = (
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b'"',
    b"'",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b",,",
    b":",
    b"\n",
    b"\r",
    b"\n\n",
    b"\t",
    b";",
    b"NaN",
    b"-",
    b"//",
    b"#",
    b"\x1b[2J",
)


def mutated_bytes(rng: Random, content: bytes) -> bytes:
    """The bytes with one piece flipped, cut, doubled, moved or put in between."""
    if not content:
        return bytes(rng.integers(0, 256, size=4, dtype=np.uint8))
    start = int(rng.integers(len(content)))
    end = min(len(content), start + 1 + int(rng.integers(60)))
    match int(rng.integers(7)):
        case 0:
            flipped = content[start] ^ (1 << int(rng.integers(8)))
            return content[:start] + bytes([flipped]) + content[start + 1 :]
        case 1:
            return content[:start]
        case 2:
            return content[:start] + content[end:]
        case 3:
            return content[:end] + content[start:]
        case 4:
            return content[:start] + bytes(chosen(rng, INSERTED)) + content[start:]
        case 5:
            return content[end:] + content[start:end]
        case _:
            old, new = chosen(rng, ((b"\n", b"\r\n"), (b"\n", b"\r"), (b",", b";"), (b'"', b"'"), (b" ", b"\xa0")))
            return content.replace(bytes(old), bytes(new))
