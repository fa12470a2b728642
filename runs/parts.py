"""Parts of a long stage: each written whole under a number, joined when all are there; a kill costs one part.

A part belongs to what was asked for: its file's name carries a fingerprint of that, and parts of anything else are
removed before the stage begins.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from probes.errors import OutsideError
from runs.directory import Run
from runs.files import explained, shown


class Parts:
    """Parts of the stage `what` of a run whose lock is held. asked: all that decides what the parts hold."""

    def __init__(self, run: Run, what: str, asked: Mapping[str, object], suffix: str) -> None:
        text = json.dumps(asked, sort_keys=True, default=str)
        self._folder = run.parts_folder()
        self._what = what
        self._stem = f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:16]}-"
        self._suffix = suffix

    def path(self, number: int) -> Path:
        """The file of a part."""
        return self._folder / f"{self._stem}{number:06d}{self._suffix}"

    def has(self, number: int) -> bool:
        """Whether the part is done."""
        with explained(self._folder, "read"):
            return self.path(number).is_file()

    def remove_others(self) -> int:
        """Removes parts of this stage that belong to something else asked for, and returns how many they were."""
        return self._remove(keep=self._stem)

    def remove(self) -> None:
        """Removes all parts of this stage, and the folder once nothing is left in it."""
        self._remove(keep=None)
        with explained(self._folder, "remove"):
            if not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _remove(self, keep: str | None) -> int:
        with explained(self._folder, "remove"):
            mine = [path for path in self._folder.iterdir() if path.name.startswith(f"{self._what}-")]
            others = [path for path in mine if keep is None or not path.name.startswith(keep)]
            for path in others:
                path.unlink()
        return len(others)


def read_part(path: Path) -> pa.Table:
    """A finished part. Raises OutsideError where the disk has not kept it."""
    with explained(path, "read"), open(path, "rb") as file:
        try:
            return pq.read_table(file)
        except pa.ArrowException as error:
            raise OutsideError(f"{shown(path)} is damaged; remove it, then run the same command again") from error
