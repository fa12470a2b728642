"""The forms in which progress is shown: bars, plain lines, nothing (`probes.progress` has the interface).

Everything here writes to stderr; stdout belongs to the report. rich is imported only where bars are drawn.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from probes.progress import Progress as Progress
from probes.progress import Silent as Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


STATUS_SECONDS = 30.0
"""How often a log is told where a long stage stands."""


@contextmanager
def shown_on_stderr(quiet: bool) -> Iterator[Progress]:
    """Bars on a terminal, a plain line a stage elsewhere, nothing when quiet."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Counts(MofNCompleteColumn):
            """How many of how many; nothing where that is unknown."""

            def render(self, task: Task) -> Text:
                return Text() if task.total is None else super().render(task)

        columns = (
            TextColumn("{task.description:<28}", markup=False),
            BarColumn(),
            Counts(),
            TimeRemainingColumn(compact=True),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
            yield Bars(bars)
    else:
        yield PlainLines(sys.stderr)


def visible(text: str) -> str:
    """One line for a terminal: control characters, line breaks and lone surrogates are shown, never obeyed."""
    shown = (
        c if c.isprintable() or c == " " else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )
    return "".join(shown)


def duration(seconds: float) -> str:
    """ "40 s", "3 min", "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# Implementations


class PlainLines:
    """One line a stage, for logs and pipes, and now and then one that says where a long stage stands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total: int | None = None
        self._done = 0
        self._began = self._said_at = time.monotonic()

    def stage(self, name: str, total: int | None = None) -> None:
        self._total, self._done = total, 0
        self._began = self._said_at = time.monotonic()
        self.note(name if total is None else f"{name} ({total:,})")

    def advance(self, steps: int = 1) -> None:
        self._done += steps
        self.status("")

    def status(self, text: str) -> None:
        now = time.monotonic()
        if now - self._said_at < STATUS_SECONDS:
            return
        said = ", ".join(part for part in (self._standing(now), text) if part)
        if said:
            self._said_at = now
            self.note(f"  {said}")

    def _standing(self, now: float) -> str:
        """Steps of the stage that are done, and how long the others will take at this pace."""
        if not self._total:
            return ""
        done = f"{self._done:,} of {self._total:,}"
        if not 0 < self._done < self._total:
            return done
        left = (now - self._began) / self._done * (self._total - self._done)
        return f"{done}, {duration(left)} left"

    def note(self, text: str) -> None:
        print(visible(text), file=self._stream, flush=True)


class Bars:
    """A bar with the time left for the present stage; one bar at a time."""

    def __init__(self, bars: "RichProgress") -> None:
        self._bars = bars
        self._stage = ""

    def stage(self, name: str, total: int | None = None) -> None:
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._stage = visible(name)
        self._bars.add_task(self._stage, total=total)

    def advance(self, steps: int = 1) -> None:
        for task in self._bars.task_ids:
            self._bars.advance(task, steps)

    def status(self, text: str) -> None:
        for task in self._bars.task_ids:
            self._bars.update(task, description=f"{self._stage}: {visible(text)}")

    def note(self, text: str) -> None:
        self._bars.console.print(visible(text), markup=False, highlight=False, soft_wrap=True)
