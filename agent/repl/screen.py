"""Where a session is seen: on the terminal, and in a transcript beside the discovery."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType

from agent.progress import Progress, Silent
from agent.repl.reading_views import View
from runs.files import explained
from tools.report.paper import WIDEST, Paper
from tools.report.safe_text import visible

TRANSCRIPT_WIDTH = 100


class Screen:
    """Prints views in both places. write: puts finished text on standard output.

    progress: ended before anything is printed.
    """

    def __init__(self, stdout: TextIO, write: Callable[[str], None], progress: "Relay") -> None:
        self.progress = progress
        self._write = write
        self._transcript: TextIO = StringIO()
        self._on_screen = Console(file=stdout)
        self._on_paper = Console(file=self._transcript, width=TRANSCRIPT_WIDTH, color_system=None)

    @contextmanager
    def kept_in(self, path: Path) -> Iterator[None]:
        """Adds all that is printed in the block to a transcript. Raises as `runs.files.explained`."""
        with explained(path, "write"):
            transcript = path.open("a", encoding="utf-8", errors="backslashreplace")
        with transcript:
            self._transcript = transcript
            self._on_paper = Console(file=transcript, width=TRANSCRIPT_WIDTH, color_system=None)
            yield

    def show(self, view: View) -> None:
        self.progress.end()
        for console, put in ((self._on_screen, self._write), (self._on_paper, self._keep)):
            with console.capture() as laid_out:  # rich would end the process when the reader goes away
                console.print(view(Paper(min(console.width, WIDEST), console.encoding)))
            put("\n".join(line.rstrip(" ") for line in laid_out.get().split("\n")))

    def typed(self, line: str, *, echoed: bool) -> None:
        """A line as it was given; echoed: on the terminal too, where nobody typed it."""
        said = f"\n> {visible(line)}\n"
        if echoed:
            self._write(said)
        self._keep(said)

    def _keep(self, text: str) -> None:
        self._transcript.write(text)
        self._transcript.flush()


class Relay:
    """Progress that begins with the first it is told and ends before anything else is printed."""

    def __init__(self, shown: Callable[[], AbstractContextManager[Progress]]) -> None:
        self._shown = shown
        self._open = ExitStack()
        self._to: Progress = Silent()

    def stage(self, name: str, total: int | None = None) -> None:
        self._begin()
        self._to.stage(name, total)

    def advance(self, steps: int = 1) -> None:
        self._to.advance(steps)

    def status(self, text: str) -> None:
        self._to.status(text)

    def note(self, text: str) -> None:
        self._begin()
        self._to.note(text)

    def _begin(self) -> None:
        if isinstance(self._to, Silent):
            self._to = self._open.enter_context(self._shown())

    def end(self) -> None:
        self._open.close()
        self._to = Silent()


def page(renderable: RenderableType) -> View:
    """Something that fits itself to the console."""
    return lambda paper: renderable
