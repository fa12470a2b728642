"""Where the jobs of a batch stand: a live table on a terminal, plain lines elsewhere, nothing when quiet.

Everything here writes to stderr. Jobs report from their own threads.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TextIO

from agent.progress import STATUS_SECONDS, duration, visible

if TYPE_CHECKING:
    from rich.table import Table

State = Literal["waits", "runs", "done", "failed", "stopped"]


@dataclass
class Row:
    """One job. calls, cost: of language models by now; cost None where unknown."""

    label: str
    state: State = "waits"
    stage: str = ""
    total: int | None = None
    done: int = 0
    began: float = 0.0
    calls: int = 0
    cost: float | None = 0.0

    @property
    def left(self) -> str:
        """How long the present stage will take at its pace, "" where that is unknown."""
        if self.state != "runs" or not self.total or not 0 < self.done < self.total:
            return ""
        return duration((time.monotonic() - self.began) / self.done * (self.total - self.done))

    @property
    def standing(self) -> str:
        if self.state != "runs":
            return self.state
        return self.stage if not self.total else f"{self.stage} ({self.done:,} of {self.total:,})"

    @property
    def price(self) -> str:
        if not self.calls:
            return ""
        return "unknown" if self.cost is None else f"${self.cost:,.2f}"


class Board(Protocol):
    """What shows the rows."""

    def row(self, label: str) -> Row:
        """A new row."""

    def changed(self, row: Row) -> None:
        """A row has another state or stage."""

    def note(self, text: str) -> None:
        """One line a person should read."""

    def tick(self) -> None:
        """To be called now and then while jobs run."""


class JobProgress:
    """What a job is handed as its progress. It raises KeyboardInterrupt in the job once `stop` is set: where a
    stage begins, and where calls are in flight, which are then answered and kept."""

    def __init__(self, board: Board, row: Row, stop: threading.Event) -> None:
        self._board, self._row, self._stop = board, row, stop

    def stage(self, name: str, total: int | None = None) -> None:
        self._interrupt()
        row = self._row
        row.stage, row.total, row.done, row.began = name, total, 0, time.monotonic()
        self._board.changed(row)

    def advance(self, steps: int = 1) -> None:
        self._row.done += steps

    def status(self, text: str) -> None:
        self._interrupt()

    def note(self, text: str) -> None:
        self._board.note(f"{self._row.label}: {text}")

    def _interrupt(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt


@contextmanager
def shown_on_stderr(quiet: bool) -> Iterator[Board]:
    """The board for the length of the block."""
    if quiet:
        yield Nothing()
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        board = LiveTable(console.print)
        with Live(get_renderable=board.table, console=console, refresh_per_second=4):
            yield board
    else:
        yield PlainLines(sys.stderr)


# Implementations


class Nothing:
    """Says nothing."""

    def row(self, label: str) -> Row:
        return Row(label)

    def changed(self, row: Row) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def tick(self) -> None:
        pass


class LiveTable:
    """A table that is drawn anew. say: prints above it."""

    def __init__(self, say: Callable[..., None]) -> None:
        self._say = say
        self._rows: list[Row] = []

    def row(self, label: str) -> Row:
        row = Row(label)
        self._rows.append(row)
        return row

    def changed(self, row: Row) -> None:
        pass

    def note(self, text: str) -> None:
        self._say(visible(text), markup=False, highlight=False, soft_wrap=True)

    def tick(self) -> None:
        pass

    def table(self) -> "Table":
        return table_of(self._rows)


def table_of(rows: Sequence[Row]) -> "Table":
    """job, stage, calls, cost, time left."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("job", max_width=28, no_wrap=True)
    table.add_column("stage", max_width=60)  # the one that gives way on a narrow terminal
    for name in ("calls", "cost", "left in stage"):
        table.add_column(name, justify="right", no_wrap=True)
    styles = {"waits": "dim", "runs": "", "done": "green", "failed": "red", "stopped": "yellow"}
    for row in rows:
        calls = f"{row.calls:,}" if row.calls else ""
        cells = (row.label, row.standing, calls, row.price, row.left)
        table.add_row(*(Text(visible(cell)) for cell in cells), style=styles[row.state])
    return table


class PlainLines:
    """One line a stage, and now and then one that says where a long stage stands."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rows: list[Row] = []
        self._said_at = time.monotonic()

    def row(self, label: str) -> Row:
        row = Row(label)
        self._rows.append(row)
        return row

    def changed(self, row: Row) -> None:
        of = f" ({row.total:,})" if row.state == "runs" and row.total else ""
        self.note(f"{row.label}: {row.stage if row.state == 'runs' else row.state}{of}")

    def note(self, text: str) -> None:
        print(visible(text), file=self._stream, flush=True)

    def tick(self) -> None:
        """Says where all that runs stands, every half a minute."""
        if time.monotonic() - self._said_at < STATUS_SECONDS:
            return
        self._said_at = time.monotonic()
        for row in self._rows:
            if row.state == "runs" and row.total:
                spent = f", {row.calls:,} calls, {row.price}" if row.calls else ""
                left = f", {row.left} left" if row.left else ""
                self.note(f"  {row.label}: {row.standing}{left}{spent}")
