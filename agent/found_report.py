"""A finished report where it lies on disk: found by what a person names, and its files for people made again."""

from dataclasses import dataclass
from pathlib import Path

from probes.errors import InputError
from runs.directory import DISCOVERIES_FOLDER, Run
from runs.files import explained, shown
from runs.manifest import MANIFEST_FILE
from runs.schema import REPORT_FILE
from tools.report.document import Report

PAGE_FILE = "report.html"


@dataclass(frozen=True)
class FoundReport:
    """A report and the file it was read from."""

    report: Report
    file: Path

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def page(self) -> Path | None:
        """The page beside it, where there is one."""
        page = self.folder / PAGE_FILE
        return page if self.file.name == REPORT_FILE and page.is_file() else None


def find_report(path: Path, name: str | None = None) -> FoundReport:
    """The report of a run's folder (its last one, or that of the discovery named), of a discovery's folder, or of
    a report.json.

    Raises InputError: there is none, or it cannot be read.
    """
    with explained(path, "read"):
        is_run = (path / MANIFEST_FILE).is_file()
        inside = path / REPORT_FILE
        file = path if path.is_file() else inside if inside.is_file() and not is_run else None
    if file is None:
        file = _in_run(path, name)
    elif name is not None:
        raise InputError(f"--name: is for the folder of a run, and {shown(path)} is a report already")
    return FoundReport(Report.load(file), file)


def _in_run(path: Path, name: str | None) -> Path:
    run = Run.open(path)
    finished = [one for one in run.discoveries() if (path / DISCOVERIES_FOLDER / one / REPORT_FILE).is_file()]
    if not finished:
        raise InputError(f"{shown(path)}: no report yet; `orderparam discover {shown(path)}` makes one")
    counted = [record.discovery for record in run.manifest.reports if record.discovery in finished]
    chosen = name or (counted or finished)[-1]
    if chosen not in finished:
        raise InputError(f"--name: {chosen!r} has no report; there are {', '.join(finished)}")
    return path / DISCOVERIES_FOLDER / chosen / REPORT_FILE


def rebuild(found: FoundReport) -> tuple[Path, list[str]]:
    """Writes all files of the report anew from its report.json; nothing is computed and no model is called.

    The page's path, and what could not be drawn. Raises InputError and OutsideError.
    """
    from tools.report.save import save_pages

    if found.file.name != REPORT_FILE:
        raise InputError(
            f"{shown(found.file)}: pages are made beside a file that is called {REPORT_FILE}; rename it, or use "
            "--format html --out FILE"
        )
    failed = save_pages(found.report, found.folder)
    return found.folder / PAGE_FILE, failed
