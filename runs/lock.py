"""The lock of a run: at most one process owns a folder, and the others can say which.

Ownership is a POSIX record lock on the file `.lock`, which the kernel frees when its process ends, kill -9
included: a dead owner is taken over without a guess, a process id used again cannot be mistaken for its owner,
and, unlike flock, children that outlive a killed owner do not keep the lock. What the file holds (pid, host, start
of the process, since when) is only for the message. The file is never removed, since that would race with another
opener.
"""

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from probes.errors import OutsideError
from runs.files import explained, shown

LOCK_FILE = ".lock"

_PATIENCE = 1.0  # seconds in which an owner that has just taken the lock writes down who it is
_TAKEN = {errno.EACCES, errno.EAGAIN}
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class Owner:
    """The process that owns a run. process_start: clock ticks since boot, None where the system does not tell."""

    pid: int
    host: str
    process_start: int | None
    since: str  # in UTC, for people

    def is_alive(self) -> bool:
        """Whether that very process still runs; taken to be so for another host, which cannot be asked."""
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.process_start == _process_start(self.pid)

    def __str__(self) -> str:
        if self.host != socket.gethostname():
            who = f"process {self.pid} on {shown(self.host)}"
        else:
            who = f"this process ({self.pid})" if self.pid == os.getpid() else f"process {self.pid}"
        return f"{who} since {shown(self.since)}"


# Folders this process owns, by device and inode. A second descriptor on the lock file, once closed, would free a
# POSIX lock, so the file is not opened again while its folder is in here. The pid tells a fork from the owner.
_held: dict[tuple[int, int], Owner] = {}
_held_guard = threading.Lock()


@contextmanager
def hold(folder: Path) -> Iterator[Owner]:
    """Owns `folder` for the length of the block.

    Raises OutsideError when another process, or another part of this one, owns it (named, with since when) or when
    the file system cannot lock; InputError when the folder cannot be written.
    """
    with explained(folder, "lock"):
        status = os.stat(folder)
    key = (status.st_dev, status.st_ino)
    me = _this_process()
    with _held_guard:
        other = _held.get(key)
        if other is not None and other.pid == me.pid:
            raise _refusal(folder, other)
        _held[key] = me
    try:
        descriptor = _acquire(folder, me)
        try:
            yield me
        finally:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)
    finally:
        with _held_guard:
            del _held[key]


def owner(folder: Path) -> Owner | None:
    """Who owns `folder` at this moment, or None; takes nothing and writes nothing."""
    with explained(folder, "read"):
        status = os.stat(folder)
        with _held_guard:
            mine = _held.get((status.st_dev, status.st_ino))
        if mine is not None and mine.pid == os.getpid():
            return mine
        try:
            descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return None
            if error.errno not in _TAKEN:
                raise
            return _read_owner(descriptor)
        else:
            return None
        finally:
            os.close(descriptor)


def _acquire(folder: Path, me: Owner) -> int:
    """An open descriptor that holds the lock and names `me`."""
    path = folder / LOCK_FILE
    with explained(path, "write"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            _wait_for_lock(descriptor, folder)
            if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))  # made anew meanwhile
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(me)).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _wait_for_lock(descriptor: int, folder: Path) -> None:
    """Takes the lock, or raises OutsideError as soon as a living owner is known.

    The short wait is for an owner that has not written its name yet, and for `owner`, which holds the lock for an
    instant to ask about it.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                raise OutsideError(
                    f"{shown(folder)}: its file system cannot lock files; put the run on a local disk"
                ) from error
            if error.errno not in _TAKEN:
                raise
        other = _read_owner(descriptor)
        if other is not None and other.is_alive():
            raise _refusal(folder, other)
        if time.monotonic() > deadline:
            raise _refusal(folder, None)
        time.sleep(0.02)


def _refusal(folder: Path, other: Owner | None) -> OutsideError:
    who = "another process" if other is None else str(other)
    return OutsideError(f"{shown(folder)} is in use by {who}; wait for it to end, then run the same command again")


def _read_owner(descriptor: int) -> Owner | None:
    """What the lock file says, or None when it is empty or half written."""
    try:
        values = json.loads(os.pread(descriptor, 4096, 0))
        return Owner(int(values["pid"]), str(values["host"]), values["process_start"], str(values["since"]))
    except (ValueError, KeyError, TypeError):
        return None


def _this_process() -> Owner:
    pid = os.getpid()
    since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Owner(pid, socket.gethostname(), _process_start(pid), since)


def _process_start(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (field 22 of /proc/PID/stat); None without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    return int(stat.rpartition(b")")[2].split()[19])  # the name in field 2 may itself hold spaces and parentheses
