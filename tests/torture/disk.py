"""No space left on the disk, at any byte of what a command writes: one line, exit code 4, and the same in the end.

The run lies on a small disk in memory, which needs the right to mount one. A ballast leaves so many bytes; once
the command has failed the ballast goes, and the same command must come to the same report.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from runs.check import check_run
from tests.agent.worlds import rows_of, run_of, shorter
from tests.torture.processes import MAY_DIFFER, command, differing, ended, report_of
from tests.torture.tally import Tally, tallied

DISK = 64 << 20
_LEAST = 4096  # bytes that a file of the ballast takes away at least


class NoMount(Exception):
    """This process may not mount a disk."""


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder], capture_output=True
        )
    except FileNotFoundError as error:
        raise NoMount(str(error)) from error
    if mounted.returncode != 0:
        raise NoMount(mounted.stderr.decode("utf-8", "replace").strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def made(folder: Path) -> Path:
    """A run in which `discover` finds something."""
    return run_of(folder, rows_of(shorter, prompts=8, draws=6)).path


def attack(count: int, seed: int, folder: Path) -> Tally:
    """So many discoveries, each with another number of bytes left."""
    source = made(folder / "made")
    spared = shutil.copytree(source, folder / "spared")
    assert ended(discover(spared)).returncode == 0
    needed = _size(spared) - _size(source) + (1 << 16)
    with small_disk(folder / "disk") as disk:
        sizes = np.random.default_rng(seed).integers(0, needed, size=count).tolist()
        return tallied(sizes, lambda left: attempt(source, spared, disk, left), lambda left: f"{left} bytes left")


def discover(run: Path) -> list[str]:
    return command("discover", run, "--quiet", "--name", "d1")


def attempt(source: Path, spared: Path, disk: Path, left: int) -> bool:
    """Whether the command came to its end with so many bytes; if not, it must have said why, and go on later."""
    run = shutil.copytree(source, disk / "run")
    ballast = disk / "ballast"
    try:
        with open(ballast, "wb") as file:
            file.write(bytes(max(_LEAST, shutil.disk_usage(disk).free - left)))
        first = ended(discover(run))
        ballast.unlink()
        if first.returncode != 0:
            assert first.returncode == 4, f"exit code {first.returncode}: {first.stderr[-300:]!r}"
            assert first.stderr.count("\n") == 1, f"more than one line: {first.stderr[-300:]!r}"
            assert "no space left on the disk" in first.stderr, first.stderr
            again = ended(discover(run))
            assert again.returncode == 0, f"exit code {again.returncode} later: {again.stderr[-300:]!r}"
        checked = check_run(run)
        assert checked.findings == (), f"{checked.findings}"
        differ = set(differing(report_of(run), report_of(spared))) - MAY_DIFFER
        assert not differ, f"the report differs in {differ}"
        return first.returncode == 0
    finally:
        ballast.unlink(missing_ok=True)
        shutil.rmtree(run)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
