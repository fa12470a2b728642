"""The command line in the process of the tests."""

import os
from pathlib import Path

import pytest

from agent.cli.app import app
from agent.cli.ending import ending_of


def command(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command as a person runs it."""
    capfd.readouterr()
    code = ending_of(app, [str(argument) for argument in arguments], "orderparam")
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings or keys of the person who tests."""
    for name in [name for name in os.environ if name.startswith("ORDERPARAM_") or name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and discoveries of one process with few resamples."""
    forget_settings(monkeypatch)
    monkeypatch.setenv("ORDERPARAM_PROCESSES", "1")
    monkeypatch.setenv("ORDERPARAM_RESAMPLES", "199")


class Here:
    """Runs the program in this process, which has imported everything already; stdout and stderr."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd = capfd
        self._monkeypatch = monkeypatch
        forget_settings(monkeypatch)

    def __call__(self, *arguments: object, folder: Path, code: int = 0) -> tuple[str, str]:
        self._monkeypatch.chdir(folder)
        ended, out, err = command(self._capfd, *arguments)
        assert ended == code, err
        return out, err
