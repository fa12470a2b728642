"""From what a person names, a run or files, to an open run; and what the import has to say on the way."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from agent.settings import DiscoverSettings, ReadSettings, flag_of, load, shown
from probes.errors import InputError
from probes.progress import Progress

if TYPE_CHECKING:
    from runs.directory import Run
    from runs.storing import ImportOptions

FILE_FLAGS = (*ReadSettings.model_fields, "by", "before_column", "after_column", "scores", "out")
"""Flags that say how files become a run; of a run they would say nothing."""


@dataclass(frozen=True)
class Given:
    """What was named: the folder of a run, or one or two files that become a run at `out`."""

    sources: tuple[Path, ...]
    out: Path
    options: "ImportOptions | None"
    settings: DiscoverSettings

    @contextmanager
    def opened(self, progress: Progress) -> Iterator["Run"]:
        """The run, made from the files where it is not there yet. Raises InputError and OutsideError.

        Where the block finds the input wrong, a run that was made for it goes again: nothing is left in the way of
        better input.
        """
        made = self.options is not None and not os.path.lexists(self.out)
        run = self._run_at(self.out, progress)
        try:
            yield run
        except InputError:
            if made:
                shutil.rmtree(run.path, ignore_errors=True)
            raise

    @contextmanager
    def tried(self, progress: Progress) -> Iterator["Run"]:
        """The run for the length of the block, with nothing left of what was made from files."""
        if self.options is None:
            yield self._run_at(self.out, progress)
            return
        with TemporaryDirectory(prefix="orderparam-") as folder:
            yield self._run_at(Path(folder) / "run", progress)

    def _run_at(self, out: Path, progress: Progress) -> "Run":
        from runs.directory import Run

        if self.options is None:
            return Run.open(out)
        from runs.importing import import_pair

        progress.stage("reading the files")
        before, *after = self.sources
        imported = import_pair(before, after[0] if after else None, out, self.options)
        for note in imported.notes:
            progress.note(note)
        return imported.run


def given(sources: Sequence[Path], flags: Mapping[str, Any]) -> Given:
    """What the arguments and flags of `discover` and `measure` name, and their settings; nothing is read yet.

    Raises InputError: more than two sources, a wrong setting, or flags that do not belong to what was named.
    """
    settings = load(DiscoverSettings, flags)
    if len(sources) > 2:
        raise InputError(f"{len(sources)} arguments where RUN or BEFORE AFTER is wanted: {_listed(sources)}")
    if len(sources) == 1 and not sources[0].is_file() and _is_run_or_nothing(sources[0]):
        for key in FILE_FLAGS:
            if flags.get(key):
                raise InputError(f"{flag_of(key)}: says how files are read, and {sources[0]} is a run")
        return Given(tuple(sources), sources[0], None, settings)
    options = import_options(flags, settings)
    if options.by is not None:  # --before and --after told the rows of the file apart
        settings = settings.model_copy(update={"before": None, "after": None})
    else:
        _require_sides(settings)
    return Given(tuple(sources), flags.get("out") or default_out(sources, options), options, settings)


def _require_sides(settings: DiscoverSettings) -> None:
    """Raises InputError for values that no two files have: their sides are called before and after."""
    for flag, values in (("--before", settings.before), ("--after", settings.after)):
        unknown = [one for one in (values or "before").split(",") if one.strip() not in ("before", "after")]
        if unknown:
            raise InputError(
                f"{flag}: {shown(unknown[0])} is no side of files: values are for a run, or for one file with "
                "--by COLUMN"
            )


def _is_run_or_nothing(path: Path) -> bool:
    """A missing file is named as such by the reader, a missing run by the run; a suffix tells which was meant."""
    return path.is_dir() or not path.suffix


def import_options(flags: Mapping[str, Any], settings: DiscoverSettings) -> "ImportOptions":
    """How files are read, from all four places of settings and the flags that are given with the files alone."""
    from runs.storing import ImportOptions

    read = load(ReadSettings, flags)
    return ImportOptions(
        **read.model_dump(),
        by=flags.get("by"),
        before=settings.before if flags.get("by") else None,
        after=settings.after if flags.get("by") else None,
        before_column=flags.get("before_column"),
        after_column=flags.get("after_column"),
        scores=tuple(flags.get("scores") or ()),
        axis=flags.get("axis"),
        seed=settings.seed,
    )


def default_out(sources: Sequence[Path], options: "ImportOptions") -> Path:
    """`orderparam-BEFORE-AFTER` in the working directory, from the names of files, values or columns."""
    if options.before_column and options.after_column:
        names: Sequence[str] = (options.before_column, options.after_column)
    elif options.by and options.before and options.after:
        names = (options.before, options.after)
    else:
        names = [Path(source.name.removesuffix(".gz")).stem for source in sources]
    return Path("-".join(["orderparam", *map(_plain, names)]))


def _plain(name: str, limit: int = 40) -> str:
    """A name as part of a folder's: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:limit] or "x"


def require_measures(names: Iterable[str], files: Iterable[Path]) -> None:
    """Raises InputError for a measure that does not exist, before anything is imported for it."""
    from probes.measures.catalogue import load_user_measure, measure_of_judge

    for path in files:
        load_user_measure(path)
    for name in names:
        if not name.startswith(("data:", "file:")):
            measure_of_judge(name if ":" in name else f"code:{name}")


def _listed(sources: Sequence[Path]) -> str:
    return ", ".join(str(source) for source in sources)
