"""A folder that appears whole or not at all: filled beside its place under a lock, then renamed into it.

The name of the folder beside follows from the target, so that a second process making the same target meets the
first one's lock, and what a killed process left is found and cleared by the next attempt.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from probes.errors import InputError
from runs.files import explained, shown, sync_folder
from runs.lock import LOCK_FILE, hold

_CANNOT_REPLACE = {errno.EBUSY, errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}


def staging_folder(target: Path) -> Path:
    """Where `target` is prepared."""
    place = Path(os.path.realpath(target))
    mark = hashlib.sha256(os.fsencode(place.name)).hexdigest()[:8]
    return place.parent / f".{place.name[:40]}.{mark}.partial"


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A locked, empty folder that becomes `target` when the block ends well; otherwise nothing of it remains.

    `target` must not exist, or be an empty folder. Parents are made. Raises InputError (`target` is taken, path,
    permission) and OutsideError (another process is at it, no space).
    """
    refuse_taken(target)
    place = Path(os.path.realpath(target))
    folder = staging_folder(target)
    made = _make_parents(place.parent)
    try:
        _make(folder, target)
        with hold(folder):
            _clear(folder)
            try:
                yield folder
                _put(folder, place, target)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    except BaseException:
        for parent in made:
            with suppress(OSError):  # another process may have put something there
                parent.rmdir()
        raise


def refuse_taken(target: Path) -> None:
    """Raises InputError unless `target` can be made: nothing is there, or an empty folder."""
    with explained(target, "write"):
        if not os.path.lexists(target) or not os.path.exists(target):
            return
        if not target.is_dir():
            raise InputError(f"{shown(target)} exists and is not a folder; name a folder that does not exist yet")
        if any(target.iterdir()):
            raise InputError(f"{shown(target)} exists and is not empty; name a folder that does not exist yet")
        if os.path.samefile(target, os.curdir):
            raise InputError(f"{shown(target)} is the working folder; name a folder that does not exist yet")


def _make_parents(parent: Path) -> list[Path]:
    """Makes the folders that lack, and returns them, innermost first."""
    made: list[Path] = []
    for folder in (parent, *parent.parents):
        if os.path.lexists(folder):
            break
        made.append(folder)
    with explained(parent, "write"):
        parent.mkdir(parents=True, exist_ok=True)
    return made


def _make(folder: Path, target: Path) -> None:
    """Makes the folder, or takes over what a killed process left; anything else there is not ours to clear."""
    with explained(target, "write"):
        try:
            folder.mkdir()
        except FileExistsError:
            if folder.is_symlink() or not folder.is_dir():
                raise InputError(f"{shown(folder)} is in the way; remove it") from None
            names = os.listdir(folder)
            if names and LOCK_FILE not in names:
                raise InputError(f"{shown(folder)} is in the way; remove it") from None


def _clear(folder: Path) -> None:
    with explained(folder, "write"):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != LOCK_FILE:
                os.unlink(entry.path)


def _put(folder: Path, place: Path, target: Path) -> None:
    """Renames the folder into its place, which an empty folder may hold."""
    with explained(target, "write"):
        sync_folder(folder)
        try:
            os.rename(folder, place)
        except OSError as error:
            if error.errno not in _CANNOT_REPLACE:
                raise
            raise InputError(
                f"{shown(target)} cannot be replaced ({os.strerror(error.errno)}); "
                "name a folder that does not exist yet"
            ) from error
        sync_folder(place.parent)
