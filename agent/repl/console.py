"""A session at a terminal: history, completion, and what Ctrl-C and Ctrl-D do.

Ctrl-C at the prompt clears the line; while an act is at work it stops it, once the calls in flight are kept, and
twice at once. Ctrl-D ends the session. Everything is on disk after every act.
"""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.shortcuts import confirm

from agent.progress import visible
from agent.repl.commands import COMMANDS, Quit, do
from agent.repl.desk import Desk
from probes.errors import OrderparamError
from probes.measures.catalogue import CATALOGUE

HISTORY_FILE = "history"
_INTERRUPTED = 130


class Names(Completer):
    """Commands first; after one, what it is about."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        word, blank, rest = document.text_before_cursor.lstrip().partition(" ")
        names = self._names(word) if blank else [*COMMANDS]
        typed = rest.lstrip() if blank else word
        for name in names:
            if name.casefold().startswith(typed.casefold()):
                yield Completion(visible(name), start_position=-len(typed))

    def _names(self, command: str) -> list[str]:
        desk = self._desk
        candidates = desk.state["candidates"]
        match command:
            case "try":
                return [f"data:{name}" for name in desk.bench.scores.data] + [one.id for one in CATALOGUE]
            case "add" | "curve" | "edit":
                return [one["id"] for one in candidates if one["status"] != "screened out"]
            case "judge":
                return [one["id"] for one in candidates if one["status"] in ("racing", "held back", "raced out")]
            case "drop":
                return [one["id"] for one in candidates if one["status"] in ("judged", "racing", "held back")]
            case "compare":
                return list(desk.bench.comparison.prompt_ids_Q)
            case "help":
                return [*COMMANDS]
            case "set":
                return ["all"]
        return []


def run_console(desk: Desk) -> None:
    """Reads lines and does them until the person ends it."""
    folder: Path = desk.session.discovery.folder
    prompt: PromptSession[str] = PromptSession(
        history=FileHistory(str(folder / HISTORY_FILE)),
        completer=Names(desk),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=False,
    )
    signal.signal(signal.SIGTERM, _end)
    _at_work(desk, _resume(desk))
    desk.greet()
    desk.say("`help` lists the commands; anything else you write is guidance for proposers")
    while True:
        try:
            with desk.waiting():
                line = prompt.prompt("> ")
        except KeyboardInterrupt:
            desk.say("Ctrl-D ends the session; everything is kept")
            continue
        except EOFError:
            break
        if not line.strip():
            continue
        desk.screen.typed(line, echoed=False)
        try:
            _at_work(desk, partial(do, desk, line))
        except Quit:
            break
    desk.say(f"kept: `repl` and `discover` go on with {desk.bench.name}")


def _resume(desk: Desk) -> Callable[[], None]:
    line = desk.session.cut_off
    if line is not None:
        desk.say(f"going on with what was cut off: {line}")
    return desk.session.resume


def _at_work(desk: Desk, work: Callable[[], None]) -> None:
    """Does one thing; what goes wrong is said, and what was stopped in the middle is undone."""
    with _stopped_by_interrupt(desk):
        try:
            work()
        except KeyboardInterrupt:
            _given_up(desk, "stopped")
        except OrderparamError as error:
            _given_up(desk, str(error))


def _given_up(desk: Desk, why: str) -> None:
    desk.say(why)
    if desk.session.give_up():
        desk.say("all is as it was before that line; what was paid for is kept, if it is given again")


@contextmanager
def _stopped_by_interrupt(desk: Desk) -> Iterator[None]:
    """Ctrl-C lets no further call through, and raises KeyboardInterrupt where none is made, or the second time."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        judgments = desk.bench.judgments
        if judgments is None or not judgments.models.stop():
            raise KeyboardInterrupt
        print("stopping once the calls in flight are answered; Ctrl-C again does not wait", file=sys.stderr)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_INTERRUPTED)


def confirmed(question: str) -> bool:
    """Asks yes or no; Ctrl-D is no."""
    try:
        return confirm(question)
    except EOFError:
        return False
