"""A report on disk: report.json for programs, report.md and report.html for people."""

from pathlib import Path

from probes.errors import InputError
from runs.files import explained, shown, write_text_whole
from tools.report import html, markdown
from tools.report.document import Report


def save_report(report: Report, folder: Path) -> None:
    """Writes report.html, report.md and report.json into `folder`, which is made if it is missing.

    All three are rendered before the first is written, each appears whole or not at all, and report.json comes
    last: where it stands, the others stand. Raises InputError (permission, path) and OutsideError (disk).
    """
    texts = {
        "report.html": html.render(report),
        "report.md": markdown.render(report),
        "report.json": report.to_json(),
    }
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write {shown(folder)}: it is a file; choose another folder")
    with explained(folder, "write"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text_whole(folder / name, text)
