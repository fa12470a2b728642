"""The command line: it parses, calls and prints, and computes nothing.

Importing this package, and asking any command for `--help`, loads typer and what it stands on, no more; every
command imports the rooms it needs when it runs.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""What numpy and torch read when they are imported, unless the user has set it. One thread is fastest for arrays
as small as the statistics have. Models take a thread a core, which sleeps while it waits: where cores are busy,
threads that spin make a model four times slower."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program `orderparam`; ends the process with the exit code of the command."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from agent.cli.app import app
    from agent.cli.ending import end_process

    end_process(app, list(sys.argv[1:] if arguments is None else arguments), "orderparam")


def main_discover(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program `discover`: the same as `orderparam discover`."""
    main(["discover", *(sys.argv[1:] if arguments is None else arguments)])
