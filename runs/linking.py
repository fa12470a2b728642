"""Folders of adapters and models that lie elsewhere, linked into a run: never copied, their checksums recorded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from runs.directory import Run
from runs.files import explained


def linked(run: Run, folders: Mapping[str, tuple[Path, Sequence[str]]]) -> list[str]:
    """Links each folder to its place inside the run (the key), anew where it was linked before.

    folders: with the names of the files in it that decide what the model does; returned as paths inside the run.
    """
    for place, (folder, _) in folders.items():
        link = run.path / place
        with explained(link, "write"):
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(folder.resolve(), target_is_directory=True)
    return [f"{place}/{name}" for place, (_, names) in folders.items() for name in names]
