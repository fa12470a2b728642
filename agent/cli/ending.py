"""How a command ends: one line on stderr and an exit code, never a traceback unless `--debug`.

0 done; 1 a defect of ours; 2 the user's input or usage is wrong; 3 a gate was exceeded; 4 something outside
failed and the same command goes on; 130 interrupted, and the same command goes on, or begins anew.
"""

import errno
import io
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import NoReturn, TextIO

import typer

from agent.progress import visible
from probes.errors import OrderparamError

DEFECT, USAGE, GATE, OUTSIDE, INTERRUPTED = 1, 2, 3, 4, 130
_OUTSIDE_ERRNO = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_KEEP_NOTHING = {"check", "import", "probes", "report", "transition"}
"""Commands that are whole or not at all."""


def end_process(app: typer.Typer, arguments: Sequence[str], program: str) -> NoReturn:
    """Run a command and end the process with its exit code; SIGTERM does what Ctrl-C does."""
    _on_signals(partial(_interrupt, _interrupted_line(arguments)))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character gets its escape
    code = ending_of(app, arguments, program)
    _on_signals(lambda number, frame: os._exit(code))  # nothing but the interpreter's own end is left to interrupt
    sys.exit(code)


def ending_of(app: typer.Typer, arguments: Sequence[str], program: str) -> int:
    """Run a command to its exit code; whatever goes wrong is said in one line."""
    given, debug = _without_debug(arguments)
    try:
        return _invoke(app, given, program)
    except KeyboardInterrupt:
        _say("interrupted", _interrupted_line(given))
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            _give_up_stdout()
            return 0
        if debug:
            raise
        line, code = line_and_code(error)
        _say("error", line)
        with suppress(OSError):
            sys.stdout.flush()
            return code
        _give_up_stdout()
        return code


def line_and_code(error: Exception) -> tuple[str, int]:
    """What is said of an error, without the program's name, and the exit code."""
    if isinstance(error, OrderparamError) and error.exit_code != DEFECT:
        return str(error), error.exit_code
    if isinstance(error, typer.TyperException):
        return _usage_line(error), USAGE
    if isinstance(error, OSError) and error.errno in _OUTSIDE_ERRNO:
        where = error.filename or "the output"
        return f"{where}: {error.strerror}; the same command goes on when that is mended", OUTSIDE
    if isinstance(error, PermissionError):
        return f"{error.filename}: no permission to read or write it", USAGE
    if isinstance(error, MemoryError):
        return "out of memory; the same command goes on where there is more", OUTSIDE
    return (
        f"a defect of orderparam, not of your input: {type(error).__name__}: {error}; "
        "run the same command with --debug and report what it prints",
        DEFECT,
    )


def warn(text: str) -> None:
    """A warning on stderr; also when quiet."""
    _say("warning", text)


def say_error(text: str) -> None:
    """An error on stderr, where another one follows that ends the command."""
    _say("error", text)


@contextmanager
def to_stdout() -> Iterator[TextIO]:
    """Standard output for a result; a reader that has gone away (`| head`) is no error."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        _give_up_stdout()


def _reader_is_gone() -> bool:
    """Whether the pipe that stdout goes into has no reader any more."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _give_up_stdout() -> None:
    """The interpreter flushes once more at exit: let that go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke(app: typer.Typer, arguments: list[str], program: str) -> int:
    """The command's exit code. Not `app()`: that one turns interrupts and broken pipes into exits of its own."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(program, arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    return 0


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, which any command takes anywhere before a bare `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = [argument for argument in arguments[:end] if argument != "--debug"]
    return [*flags, *arguments[end:]], len(flags) < end


def _on_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _interrupted_line(arguments: Sequence[str]) -> str:
    """What a person may count on; the command is the first argument that is no flag."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command in _KEEP_NOTHING:
        return "nothing of it is kept; the same command begins anew"
    return "what is done is kept; the same command goes on from here"


def _interrupt(line: str, number: int, frame: FrameType | None) -> None:
    """The first signal ends the command; a second one does not wait for what is being put away."""
    _on_signals(partial(_end_at_once, line))
    raise KeyboardInterrupt


def _end_at_once(line: str, number: int, frame: FrameType | None) -> None:
    _say("interrupted", line)
    os._exit(INTERRUPTED)


def _usage_line(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    return message if context is None else f"{message}; see {context.command_path} --help"


def _say(kind: str, text: str) -> None:
    print(f"orderparam: {kind}: {visible(' '.join(text.split()))}", file=sys.stderr, flush=True)
