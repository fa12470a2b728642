"""VALUES as a person writes them (`0,2`, `20:40`), resolved against the values a run's control parameter has."""

from collections.abc import Sequence

from agent.settings import shown
from probes.errors import InputError

Value = float | int | str


def resolve_sides(
    values: Sequence[Value], before: str | None, after: str | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Indices into the control parameter's values that make up the side before and the side after.

    Of two values, a side that is not named is the one left over (before: the first). Raises `InputError` when a
    value is unknown, stands on both sides, or when of more than two values a side is not named.
    """
    left = None if before is None else resolve_values(values, before, "--before")
    right = None if after is None else resolve_values(values, after, "--after")
    if len(values) == 2:
        left = left or tuple(index for index in (0, 1) if index not in (right or (1,)))
        right = right or tuple(index for index in (0, 1) if index not in left)
    if not left or not right:
        flag = "--after" if left else "--before"
        raise InputError(f"{flag}: name the values of this side; the run has {_listed(values)}")
    if both := sorted(set(left) & set(right)):
        raise InputError(f"--before and --after: {shown(values[both[0]])} is on both sides; name it on one")
    return left, right


def resolve_values(values: Sequence[Value], text: str, flag: str) -> tuple[int, ...]:
    """Indices that VALUES names: comma-separated values, or `low:high` with both ends, in the run's order.

    A value's own name comes first, so a label may hold a comma or a colon. Raises `InputError` that lists the
    values of the run.
    """
    whole = _index(values, text)
    if whole is not None:
        return (whole,)
    chosen: set[int] = set()
    for part in text.split(","):
        found = _indices_of_part(values, part.strip())
        if not found:
            raise InputError(f"{flag}: {shown(part.strip())} names no value of the run; it has {_listed(values)}")
        chosen.update(found)
    return tuple(sorted(chosen))


def _indices_of_part(values: Sequence[Value], part: str) -> list[int]:
    index = _index(values, part)
    if index is not None:
        return [index]
    low, colon, high = part.partition(":")
    if not colon:
        return []
    first, last = _number(low), _number(high)
    numbers = [_number(value) for value in values]
    if first is not None and last is not None and None not in numbers:
        return [i for i, number in enumerate(numbers) if number is not None and first <= number <= last]
    start, end = _index(values, low), _index(values, high)
    return [] if start is None or end is None else list(range(start, end + 1))


def _index(values: Sequence[Value], text: str) -> int | None:
    """The value that is spelled so, or is the same number (`8` names 8.0)."""
    number = _number(text)
    for index, value in enumerate(values):
        if str(value) == text or (number is not None and _number(value) == number):
            return index
    return None


def _number(value: Value) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _listed(values: Sequence[Value], most: int = 12) -> str:
    names = [shown(value) if isinstance(value, str) else f"{value:g}" for value in values]
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
