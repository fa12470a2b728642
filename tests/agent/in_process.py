"""The command line in the process of the tests."""

import pytest

from agent.cli.app import app
from agent.cli.ending import ending_of


def command(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command as a person runs it."""
    capfd.readouterr()
    code = ending_of(app, [str(argument) for argument in arguments], "orderparam")
    captured = capfd.readouterr()
    return code, captured.out, captured.err
