"""A report on disk: report.json for programs, report.md, report.html and figures/ for people."""

import re
from pathlib import Path

from probes.errors import InputError
from runs.files import explained, shown, write_bytes_whole, write_text_whole
from tools.report import drawing, html, markdown
from tools.report.document import Report
from tools.report.figures import figures_of
from tools.report.safe_text import markdown_inline

FIGURES_FOLDER = "figures"

_OURS = re.compile(r"(shares|transition|decomposition|parameter-\d+-(levels|along))\.(svg|pdf|png)")


def save_report(report: Report, folder: Path) -> list[str]:
    """As `save_pages`, and report.json, which comes last: where it stands, the others stand."""
    text = report.to_json()
    failed = save_pages(report, folder)
    write_text_whole(folder / "report.json", text)
    return failed


def save_pages(report: Report, folder: Path) -> list[str]:
    """Writes report.html, report.md and figures/ into `folder`, which is made if it is missing.

    All are rendered before the first is written, and each appears whole or not at all. Figures of an earlier
    report that this one lacks are removed. Returns a sentence for each figure that could not be drawn. Raises
    InputError (permission, path) and OutsideError (disk).
    """
    made = figures_of(report)
    svgs, failed = drawing.drawn(made)
    files, unmade = drawing.files_of(svgs)
    pictures = {
        one.name: markdown_inline(failed[one.name])
        if one.name in failed
        else markdown.picture(one.described, f"{FIGURES_FOLDER}/{one.name}.svg")
        for one in made
    }
    texts = {
        "report.html": html.render(report),
        "report.md": markdown.render(report, pictures),
    }
    if folder.exists() and not folder.is_dir():
        raise InputError(f"cannot write {shown(folder)}: it is a file; choose another folder")
    with explained(folder, "write"):
        (folder / FIGURES_FOLDER).mkdir(parents=True, exist_ok=True)
        for path in (folder / FIGURES_FOLDER).iterdir():
            if _OURS.fullmatch(path.name) and path.name not in files:
                path.unlink()
    for name, data in files.items():
        write_bytes_whole(folder / FIGURES_FOLDER / name, data)
    for name, text in texts.items():
        write_text_whole(folder / name, text)
    return [*failed.values(), *unmade.values()]
