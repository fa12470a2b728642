"""`report --format`: a finished report as a page, as a table for a paper, as numbers, or as scores by sample."""

from pathlib import Path
from typing import TYPE_CHECKING

from probes.errors import InputError

if TYPE_CHECKING:
    from agent.found_report import FoundReport

FORMATS = ("html", "markdown", "latex", "csv", "samples")


def require_format(name: str | None, out: Path | None, *, other: str | None) -> None:
    """InputError for a format that is none, and for a file that cannot hold it. other: another flag's output."""
    if name is None:
        if out is not None:
            raise InputError("--out: is for --format, which says what to write there")
        return
    if name not in FORMATS:
        raise InputError(f"--format: {name!r} is none; there are {', '.join(FORMATS)}")
    if other is not None:
        raise InputError(f"--format: not together with {other}; ask for one of them")
    if out is not None and _is_parquet(out) and name != "samples":
        raise InputError(f"--out: a file .parquet is for --format samples; {name} is text")


def write_format(found: "FoundReport", name: str, out: Path | None) -> None:
    """Writes the report in this format to `out`, or prints it; its alerts go to stderr.

    Raises InputError and OutsideError: scores that are not there or cannot be read, a file that cannot be written.
    """
    from agent.cli.ending import to_stdout, warn
    from runs.files import write_table_whole, write_text_whole

    for alert in found.report.alerts:
        warn(alert)
    if name == "samples":
        from agent.scores_table import read_scores
        from tools.report import csv_table

        table = read_scores(found.folder)
        if out is not None and _is_parquet(out):
            write_table_whole(out, table)
            return
        text = csv_table.of_table(table)
    else:
        text = _rendered(found, name)
    if out is not None:
        write_text_whole(out, text)
        return
    with to_stdout() as stdout:
        stdout.write(text)


def _rendered(found: "FoundReport", name: str) -> str:
    from tools.report import csv_table, html, latex, markdown

    renderers = {"html": html, "markdown": markdown, "latex": latex, "csv": csv_table}
    text: str = renderers[name].render(found.report)
    return text


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"
