"""A run, or a file, that lies where it should not: under an odd name, moved, linked, on somebody else's rights.

Either the command does its work, or it ends with one line; what lies outside the run is as it was in the end.
"""

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from runs.check import check_run
from tests.torture.disk import NoMount, made, small_disk
from tests.torture.processes import MAY_DIFFER, command, differing, ended, report_of
from tests.torture.tally import SECONDS, Tally, tallied

NAMES = (
    "two\nlines",
    "\x1b[31mred\x1b[0m",
    'it\'s "quoted" $(touch pwned) `touch pwned`',
    "-rf",
    "ünïcödé 中文 \u202eback",
    "not\udcffutf-8",
    "a" * 200,
    " spaces around ",
    "..two dots",
    "<script>alert(1)</script>",
    "%s %n {0} \\x00",
    "a;b|c&d",
    "run.json",
)
_PR_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2  # of Linux: what it lets root pass over
DONE, REFUSED = (0,), (2, 4)


@dataclass(frozen=True)
class Place:
    """arranged: puts a copy of a run into an empty folder and gives a command. codes: how that may end."""

    name: str
    arranged: Callable[[Path, Path], list[Any]]
    codes: tuple[int, ...]

    def __str__(self) -> str:
        return self.name


def _bound_by_rights() -> None:
    """What follows may not go past the rights of files, even as root."""
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def bound(arguments: list[Any], folder: Path) -> "subprocess.CompletedProcess[str]":
    """The command, run to its end within the rights of files."""
    return ended(command(*arguments), folder, seconds=4 * SECONDS, begin=_bound_by_rights)


# Where a run may lie


def _beside(source: Path, folder: Path, name: str = "run") -> Path:
    return shutil.copytree(source, folder / name, symlinks=True)


def _named(name: str, what: str, source: Path, folder: Path) -> list[Any]:
    return [*what.split(), _beside(source, folder, name)]


def _moved(what: str, source: Path, folder: Path) -> list[Any]:
    (folder / "elsewhere").mkdir()
    return [*what.split(), _beside(source, folder).rename(folder / "elsewhere" / "moved")]


def _through_a_link(what: str, source: Path, folder: Path) -> list[Any]:
    link = folder / "link"
    link.symlink_to(_beside(source, folder), target_is_directory=True)
    return [*what.split(), link]


def _linked_out(inside: str, what: str, source: Path, folder: Path) -> list[Any]:
    """Something of the run lies in `outside`, where a link leads."""
    path = _beside(source, folder) / inside
    outside = folder / "outside" / path.name
    outside.parent.mkdir()
    path.rename(outside)
    path.symlink_to(outside)
    return [*what.split(), folder / "run"]


def _led_astray(inside: str, what: str, source: Path, folder: Path) -> list[Any]:
    """A link in the run leads to a file that is none of it."""
    path = _beside(source, folder) / inside
    outside = folder / "outside" / "passwords"
    outside.parent.mkdir()
    outside.write_text("root:x:0:0\n")
    path.unlink(missing_ok=True)
    path.symlink_to(outside)
    return [*what.split(), folder / "run"]


def _with_rights(mode: int, what: str, source: Path, folder: Path) -> list[Any]:
    run = _beside(source, folder)
    for path in (run, *run.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)
    return [*what.split(), run]


# What may be brought instead of a file of answers


def _brought(kind: str, source: Path, folder: Path) -> list[Any]:
    path = folder / "before.jsonl"
    if kind.startswith("/"):
        path = Path(kind)
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a link to nothing":
        path.symlink_to(folder / "nothing")
    elif kind == "a link to itself":
        path.symlink_to(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path))
    elif kind == "a file that may not be read":
        path.write_text('{"prompt": "a", "response": "b"}\n')
        path.chmod(0)
    else:
        raise ValueError(kind)
    return ["import", path, path, "--out", folder / "imported", "--quiet"]


BROUGHT = (
    *("a pipe", "a folder", "a link to nothing", "a link to itself", "a socket", "a file that may not be read"),
    *("/dev/zero", "/dev/null", "/dev/urandom", "/dev/tty", "/proc/self/mem", "/proc/self/environ"),
)
WORK = ("check", "report --rebuild", "discover --quiet --name d2")


def places() -> Iterator[Place]:
    """All of them. There is nothing to draw."""
    for what in WORK:
        for name in NAMES:
            yield Place(f"{what}: a run named {name!r}"[:120], partial(_named, name, what), DONE)
        yield Place(f"{what}: a run that was moved", partial(_moved, what), DONE)
        yield Place(f"{what}: through a link", partial(_through_a_link, what), DONE)
        for inside in ("samples.parquet", "run.json", "discoveries/d1/report.json", "discoveries/d1/state.sqlite"):
            yield Place(f"{what}: {inside} lies elsewhere", partial(_linked_out, inside, what), DONE)
        for inside in ("discoveries", "discoveries/d1", "measures"):
            yield Place(f"{what}: {inside} lies elsewhere", partial(_linked_out, inside, what), REFUSED)
        for inside in ("samples.parquet", "run.json", "ledger.sqlite"):
            yield Place(f"{what}: {inside} leads astray", partial(_led_astray, inside, what), (*DONE, *REFUSED))
        yield Place(f"{what}: no rights", partial(_with_rights, 0, what), REFUSED)
        codes = DONE if what == "check" else REFUSED
        yield Place(f"{what}: only to be read", partial(_with_rights, 0o555, what), codes)
    yield Place("report: only to be read", partial(_with_rights, 0o555, "report"), DONE)
    for kind in BROUGHT:
        yield Place(f"import: {kind}", partial(_brought, kind), REFUSED)


def attempt(place: Place, source: Path, spared: Any, folder: Path) -> bool:
    """Whether the command did its work; AssertionError where it did something else than that, or refuse."""
    for parent, names, _ in os.walk(folder):
        for name in names:
            if not os.path.islink(os.path.join(parent, name)):
                os.chmod(os.path.join(parent, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arguments = place.arranged(source, folder)
    before = {path: _content(path) for path in _others(folder)}
    end = bound(arguments, folder)
    assert end.returncode in place.codes, f"exit code {end.returncode}: {end.stderr[-400:]!r}"
    assert "Traceback" not in end.stderr + end.stdout, end.stderr[-400:]
    assert all(mark not in end.stderr + end.stdout for mark in ("\x1b", "\u202e")), (
        "not escaped where it was printed"
    )
    if end.returncode in REFUSED and not end.stdout:  # `check` says what is damaged on its own page
        assert end.stderr.count("\n") == 1, f"more than one line: {end.stderr[-400:]!r}"
    after = {path: _content(path) for path in _others(folder)}
    assert after == before, f"changed outside the run: {before.items() ^ after.items()}"
    if end.returncode == 0 and arguments[0] == "discover":
        damaged = [one.where for one in check_run(arguments[-1]).findings if one.severity == "damaged"]
        assert not damaged or "ledger" in place.name, f"damaged: {damaged}"
        differ = set(differing(report_of(arguments[-1], "d2"), spared)) - MAY_DIFFER
        assert not differ, f"the report differs in {differ}"
    return end.returncode == 0


def _others(folder: Path) -> list[Path]:
    """What lies beside the run, and what a name that was executed would leave."""
    return [*(folder / "outside").rglob("*"), *folder.glob("pwned")]


def _content(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else "a folder"


def read_only(source: Path, folder: Path) -> Tally:
    """Commands on a run whose disk may only be read."""
    with small_disk(folder / "disk") as disk:
        run = shutil.copytree(source, disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        return tallied(("check", "report", *WORK[1:]), lambda what: _on_read_only(what, run))


def _on_read_only(what: str, run: Path) -> bool:
    end = bound([*what.split(), run], run.parent)
    assert end.returncode in (DONE if what in ("check", "report") else REFUSED), (
        f"exit code {end.returncode}: {end.stderr!r}"
    )
    if end.returncode != 0:
        assert end.stderr.count("\n") == 1, f"more than one line: {end.stderr[-400:]!r}"
    return end.returncode == 0


def attack(count: int, seed: int, folder: Path) -> Tally:
    """The first so many of all places, and a disk that may only be read, where one can be mounted."""
    source = made(folder / "made")
    for name in ("d1", "d2"):
        done = bound(["discover", source, "--quiet", "--name", name], folder)
        assert done.returncode == 0, done.stderr
    spared = report_of(source, "d2")
    shutil.rmtree(source / "discoveries" / "d2")
    found = tallied(list(places())[:count], lambda one: attempt(one, source, spared, folder / "place"))
    try:
        more = read_only(source, folder)
    except NoMount:
        return found
    return Tally(found.taken + more.taken, found.refused + more.refused, found.failures + more.failures)
