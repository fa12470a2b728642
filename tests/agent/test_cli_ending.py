"""How commands end: exit codes, one line on stderr, signals, pipes and full disks."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from agent.cli.ending import DEFECT, GATE, INTERRUPTED, OUTSIDE, USAGE, ending_of
from probes.errors import InputError, OutsideError


def app_raising(error: BaseException | None) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def command(number: int = 0) -> None:
        if error is not None:
            raise error

    return app


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (None, 0, None),
        (typer.Exit(GATE), GATE, None),
        (InputError("a.jsonl: line 3: no field"), USAGE, "error: a.jsonl: line 3: no field"),
        (OutsideError("run is in use"), OUTSIDE, "error: run is in use"),
        (InputError("two\nlines \x1b[31m and a \u202e"), USAGE, r"error: two lines \x1b[31m and a \u202e"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), OUTSIDE, "error: x: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), USAGE, "error: x: no permission"),
        (MemoryError(), OUTSIDE, "error: out of memory"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted: what is done is kept; the same command goes on"),
        (
            ZeroDivisionError("division by zero"),
            DEFECT,
            "error: a defect of orderparam, not of your input: ZeroDiv",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), DEFECT, "error: a defect of orderparam"),
    ],
)
def test_every_ending_has_its_code_and_at_most_one_line(
    error: BaseException | None, code: int, line: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ending_of(app_raising(error), [], "orderparam") == code
    captured = capfd.readouterr()
    assert captured.out == ""
    if line is None:
        assert captured.err == ""
    else:
        assert captured.err.startswith(f"orderparam: {line}")
        assert captured.err.count("\n") == 1
        assert captured.err.rstrip("\n").isprintable()


def test_only_debug_lets_a_traceback_through() -> None:
    app = app_raising(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        ending_of(app, ["--debug"], "orderparam")
    assert ending_of(app, ["--", "--debug"], "orderparam") == USAGE  # after a bare -- it is an argument


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--number", "x"], "'--number'"),
        (["--number"], "'--number' requires an argument"),
        (["--numbers", "1"], "No such option: --numbers (Possible options: --number)"),
        (["extra"], "unexpected extra argument(s) (extra); see orderparam --help"),
    ],
)
def test_usage_errors_are_one_line_that_names_the_flag(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending_of(app_raising(None), arguments, "orderparam") == USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transition", "RUN"], "nothing of it is kept; the same command begins anew"),
        (["--debug", "transition", "RUN"], "nothing of it is kept; the same command begins anew"),
        (["import", "a", "b", "--out", "RUN"], "nothing of it is kept; the same command begins anew"),
        (["discover", "transition"], "what is done is kept; the same command goes on from here"),
    ],
)
def test_what_an_interrupted_command_keeps_is_said_as_it_is(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    for name in ("transition", "import", "discover"):

        @app.command(name, context_settings={"ignore_unknown_options": True})
        def command(words: list[str]) -> None:
            raise KeyboardInterrupt

    assert ending_of(app, arguments, "orderparam") == INTERRUPTED
    assert capfd.readouterr().err == f"orderparam: interrupted: {said}\n"


WORKING = """
import sys, time
import typer
from agent.cli.ending import end_process
app = typer.Typer(add_completion=False, rich_markup_mode=None)

@app.command()
def command() -> None:
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        print("putting away", flush=True)
        time.sleep(float(sys.argv[1]))

@app.command()
def transition() -> None:
    command()

end_process(app, [sys.argv[2]], "orderparam")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("times", "command", "said"),
    [
        (1, "command", "what is done is kept; the same command goes on from here"),
        (2, "command", "what is done is kept; the same command goes on from here"),
        (2, "transition", "nothing of it is kept; the same command begins anew"),
    ],
)
def test_a_signal_ends_with_130_and_one_line_and_a_second_one_does_not_wait(
    number: signal.Signals, times: int, command: str, said: str
) -> None:
    seconds = "0" if times == 1 else "60"
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING, seconds, command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    assert process.stdout.readline() == "putting away\n"
    if times == 2:
        process.send_signal(number)
    started = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 30
    assert process.returncode == INTERRUPTED
    assert err == f"orderparam: interrupted: {said}\n"


PRINTING = """
import sys
import typer
from agent.cli.ending import end_process, to_stdout
app = typer.Typer(add_completion=False, rich_markup_mode=None)

@app.command()
def command() -> None:
    with to_stdout() as stdout:
        for _ in range(100_000):
            print("line", file=stdout)
    print("after", file=sys.stderr)
    raise typer.Exit(3)

end_process(app, sys.argv[1:], "orderparam")
"""


def test_a_reader_that_goes_away_is_no_error_and_hides_no_exit_code() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PRINTING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.stderr.read() == "after\n"
    assert process.wait(timeout=30) == GATE


def test_help_into_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", PRINTING, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_stdout_ends_with_4_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTING], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == OUTSIDE
    assert done.stderr.startswith("orderparam: error: the output: No space left on device")
    assert done.stderr.count("\n") == 1
