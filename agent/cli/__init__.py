"""The command line: it parses, calls and prints, and computes nothing.

Importing this package, and asking any command for `--help`, loads typer and what it stands on, no more; every
command imports the rooms it needs when it runs.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Threads of linear algebra. One is fastest for arrays of this size (more wait for each other where cores are
busy), and sums then do not depend on the machine's cores. Read when numpy is imported, so set before."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program `orderparam`; ends the process with the exit code of the command."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    from agent.cli.app import app
    from agent.cli.ending import end_process

    end_process(app, list(sys.argv[1:] if arguments is None else arguments), "orderparam")


def main_discover(arguments: Sequence[str] | None = None) -> NoReturn:
    """The program `discover`: the same as `orderparam discover`."""
    main(["discover", *(sys.argv[1:] if arguments is None else arguments)])
