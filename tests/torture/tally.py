"""Counting what became of the cases of an attack, each in bounded time."""

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

SECONDS = 20
"""That one small case may take."""

_LONGEST_LINE = 2000
Case = TypeVar("Case")


@dataclass
class Tally:
    """What became of the cases. failures: a line each, with what makes the case again."""

    taken: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        return self.taken + self.refused + len(self.failures)


class TooSlow(BaseException):
    """The time of one case is over; no `except Exception` may swallow it."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooSlow(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tallied(cases: Iterable[Case], attempt: Callable[[Case], bool], named: Callable[[Case], str] = str) -> Tally:
    """Tries cases: `attempt` says whether what one brings was taken, or refused; what it raises is a failure."""
    tally = Tally()
    for case in cases:
        try:
            taken = attempt(case)
        except (Exception, TooSlow) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            tally.failures.append(f"{named(case)}: {type(error).__name__}: {str(error)[:300]} at {where}")
        else:
            tally.taken += taken
            tally.refused += not taken
    return tally


def assert_one_line(error: Exception) -> None:
    """A person can read the error: one line that a terminal prints as it is."""
    line = str(error)
    assert line, "an empty message"
    assert line.isprintable(), f"more than one printable line: {line!r}"
    assert len(line) < _LONGEST_LINE, f"a line of {len(line)} characters"
