"""The Python API: `discover` and `measure` on paths, rows in memory or runs, and a report that a notebook shows.

The command line does the same in the same order; everything is computed below both.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.discovery import discover_run
from agent.known_set import Questions
from agent.measure_set import measure_set
from agent.settings import DiscoverSettings, ReadSettings, from_keywords
from probes.errors import InputError
from probes.progress import Progress
from runs.directory import Run
from runs.importing import import_pair, import_rows
from runs.storing import ImportOptions
from tools.report import html
from tools.report.document import Report
from tools.report.save import save_report
from tools.report.words import headline

if TYPE_CHECKING:
    import pandas

READING = frozenset(field.name for field in fields(ImportOptions)) - {"before", "after", "seed", "axis", "name"}
"""Keywords that say how files or rows become a run."""


class DiscoveryReport(Report):
    """A report and what Python users do with it; every field of report.json is an attribute."""

    def save(self, folder: str | Path) -> None:
        """Writes report.html, report.md, figures/ and report.json into `folder`.

        Raises InputError and OutsideError.
        """
        save_report(self, Path(folder))

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a parameter, in greedy order; intervals as NAME, NAME_low and NAME_high, in fractions.

        Raises InputError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise InputError("to_pandas needs pandas: pip install pandas") from error
        rows = []
        for one in self.parameters:
            row: dict[str, Any] = {key: getattr(one, key) for key in ("id", "name", "question", "judge", "round")}
            for key in ("dissimilarity", "share", "gain"):
                found = getattr(one, key)
                row |= {key: found.value, f"{key}_low": found.low, f"{key}_high": found.high}
            row |= {key: getattr(one, key) for key in ("shapley", "tv", "p_value", "q_value")}
            rows.append(row)
        return pandas.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {' '.join(headline(self))}>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own: neither its style nor the notebook's touches the other, and its script,
        which filters the examples, reaches nothing outside."""
        page = escape(html.render(self), quote=True)
        frame = 'title="What changed" sandbox="allow-scripts" style="width:100%;height:45em;border:0"'
        return f'<iframe srcdoc="{page}" {frame}></iframe>'


def discover(
    before: Any,
    after: Any = None,
    *,
    before_values: str | None = None,
    after_values: str | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> DiscoveryReport:
    """Discover what changed from `before` to `after`.

    before, after: paths of files of responses, or rows in memory (lists of dicts, a data frame, an Arrow table);
    or a run (or the path of one) alone. before_values, after_values: values of a run's control parameter (`0,2` or
    `20:40`), or of the column `by` that tells the sides of one source apart. out: folder of the run; without it
    nothing of it stays on disk. settings: as `agent.settings.DiscoverSettings`, and how files are read
    (`prompt_field`, `response_field`, `prompt_id_field`, `pair_by`, `thinking`, `by`, `before_column`,
    `after_column`, `scores`). Raises InputError and OutsideError, whose message is one line.
    """
    sides = {"before": before_values, "after": after_values}
    with _opened(before, after, out, sides, settings) as (run, chosen):
        return _for_python(discover_run(run, chosen, progress=progress))


def measure(
    questions: Questions,
    before: Any,
    after: Any = None,
    *,
    before_values: str | None = None,
    after_values: str | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> DiscoveryReport:
    """Measure a known set on what `discover` takes, without a search.

    questions: a report, the path of its report.json, or names of measures (a list, or with commas between).
    """
    sides = {"before": before_values, "after": after_values}
    with _opened(before, after, out, sides, settings) as (run, chosen):
        return _for_python(measure_set(questions, run, chosen, progress=progress))


@contextmanager
def _opened(
    before: Any, after: Any, out: str | Path | None, sides: Mapping[str, str | None], settings: Mapping[str, Any]
) -> Iterator[tuple[Run, DiscoverSettings]]:
    """The run, made where it is not there yet, and the settings that remain for it."""
    if settings.get("dry_run"):
        raise InputError("dry_run: is for the command line")
    reading = {key: value for key, value in settings.items() if key in READING}
    rest = {key: value for key, value in settings.items() if key not in READING}
    if after is None and (isinstance(before, Run) or _is_run(before)):
        if reading or out is not None:
            raise InputError(f"{next(iter(reading), 'out')}: says how files become a run, and this is a run")
        run = before if isinstance(before, Run) else Run.open(before)
        yield run, from_keywords(DiscoverSettings, {**rest, **_given(sides)})
        return
    chosen = from_keywords(DiscoverSettings, rest)
    if "by" not in reading and _given(sides):
        raise InputError("before_values and after_values are for a run, or for one source with `by`")
    options = _import_options(reading, sides, chosen.seed)
    with tempfile.TemporaryDirectory(prefix="orderparam-") as folder:
        yield _imported(before, after, Path(folder) / "run" if out is None else Path(out), options), chosen


def _import_options(reading: Mapping[str, Any], sides: Mapping[str, str | None], seed: int) -> ImportOptions:
    plain = {key: value for key, value in reading.items() if key in ReadSettings.model_fields}
    files = reading.get("scores") or ()
    return ImportOptions(
        **from_keywords(ReadSettings, plain).model_dump(),
        by=reading.get("by"),
        before=sides["before"],
        after=sides["after"],
        before_column=reading.get("before_column"),
        after_column=reading.get("after_column"),
        scores=tuple(Path(path) for path in ((files,) if isinstance(files, str | Path) else files)),
        seed=seed,
    )


def _given(sides: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in sides.items() if value is not None}


def _is_run(source: Any) -> bool:
    return isinstance(source, str | Path) and Path(source).is_dir()


def _imported(before: Any, after: Any, out: Path, options: ImportOptions) -> Run:
    paths = [isinstance(source, str | Path) for source in (before, after) if source is not None]
    if all(paths):
        return import_pair(Path(before), None if after is None else Path(after), out, options).run
    if any(paths):
        raise InputError("before and after: give two paths, or rows in memory for both")
    return import_rows(before, after, out, options).run


def _for_python(report: Report) -> DiscoveryReport:
    return DiscoveryReport.from_json(report.to_json())
