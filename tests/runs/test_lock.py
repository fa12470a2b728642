"""One process owns a folder, says who it is, and is known to be gone when it is."""

import errno
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from probes.errors import InputError, OutsideError
from runs.lock import LOCK_FILE, hold, owner
from tests.runs.made_run import ROOT, child, started

HOLDER = """
import sys, time
from pathlib import Path
from runs.lock import hold
with hold(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""

TAKER = """
import sys
from pathlib import Path
from probes.errors import OutsideError
from runs.lock import hold
try:
    with hold(Path(sys.argv[1])):
        print("mine")
except OutsideError as error:
    print(error)
"""


def test_a_second_process_is_refused_by_the_owners_name_until_it_dies(tmp_path: Path) -> None:
    holder = started(HOLDER, tmp_path)
    try:
        for refusal in (child(TAKER, tmp_path).stdout, _refusal(tmp_path)):
            assert re.search(
                rf"in use by process {holder.pid} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC", refusal
            )
        seen = owner(tmp_path)
        assert seen is not None
        assert (seen.pid, seen.host, seen.is_alive()) == (holder.pid, socket.gethostname(), True)
    finally:
        holder.kill()
        holder.wait()
    assert not seen.is_alive()
    assert owner(tmp_path) is None
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == holder.pid  # it had no time to clear its name
    with hold(tmp_path):
        assert child(TAKER, tmp_path).stdout.startswith(f"{tmp_path} is in use by process {os.getpid()} since")


def _refusal(folder: Path) -> str:
    with pytest.raises(OutsideError) as caught, hold(folder):
        pass
    return str(caught.value)


def test_this_process_is_refused_too_and_keeps_its_lock(tmp_path: Path) -> None:
    assert owner(tmp_path) is None
    with hold(tmp_path) as me:
        assert f"in use by this process ({os.getpid()})" in _refusal(tmp_path)
        assert owner(tmp_path) == me
        assert child(TAKER, tmp_path).stdout != "mine\n"
    assert owner(tmp_path) is None
    assert child(TAKER, tmp_path).stdout == "mine\n"
    with hold(tmp_path):
        pass


def test_the_same_folder_by_another_path_is_the_same(tmp_path: Path) -> None:
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    with hold(folder):
        assert "in use" in _refusal(link)


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), hold(tmp_path):
        raise ZeroDivisionError
    assert child(TAKER, tmp_path).stdout == "mine\n"


def test_children_of_a_killed_owner_do_not_keep_it(tmp_path: Path) -> None:
    code = """
import os, sys, time
from pathlib import Path
from runs.lock import hold
with hold(Path(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    print("ready", flush=True)
    print(pid, flush=True)
    time.sleep(60)
"""
    holder = started(code, tmp_path)
    assert holder.stdout is not None
    grandchild = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    try:
        assert child(TAKER, tmp_path).stdout == "mine\n"
    finally:
        os.kill(grandchild, 9)


def test_a_process_id_used_again_is_not_its_owner(tmp_path: Path) -> None:
    """The lock file names a living process, this one, that never took the lock."""
    with hold(tmp_path) as me:
        written = (tmp_path / LOCK_FILE).read_text()
    assert json.loads(written)["pid"] == me.pid
    (tmp_path / LOCK_FILE).write_text(written)
    assert owner(tmp_path) is None
    assert child(TAKER, tmp_path).stdout == "mine\n"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"pid": "x"}', b"\xff\xfe"])
def test_a_lock_file_that_says_nothing_is_taken_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK_FILE).write_bytes(content)
    with hold(tmp_path) as me:
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == me.pid


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from probes.errors import OutsideError
from runs.lock import hold
print("ready", flush=True)
sys.stdin.readline()
try:
    with hold(Path(sys.argv[1])):
        print("mine", flush=True)
        time.sleep(2)
except OutsideError:
    print("refused")
"""
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in crowd:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in crowd:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = sorted(process.communicate()[0].strip() for process in crowd)
    assert answers == ["mine", "refused", "refused", "refused"]


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    assert "cannot lock files" in _refusal(tmp_path)
    (tmp_path / LOCK_FILE).touch()
    assert owner(tmp_path) is None


def test_a_link_in_the_place_of_the_lock_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("text")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / LOCK_FILE).symlink_to(precious)
    with pytest.raises(InputError, match="symbolic links"), hold(folder):
        pass
    assert precious.read_text() == "text"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"), hold(tmp_path / "nowhere"):
        pass
