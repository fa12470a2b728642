"""`report --format`: a finished report as a table for a paper, as numbers, or as scores by sample."""

from pathlib import Path
from typing import TYPE_CHECKING

from probes.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from tools.report.document import Report

FORMATS = ("latex", "csv", "samples")


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


def write_format(report: "Report", folder: Path, name: str, out: Path | None) -> None:
    """Writes the report in the folder in this format to `out`, or prints it; its alerts go to stderr.

    Raises InputError and OutsideError: scores that are not there or cannot be read, a file that cannot be written.
    """
    from agent.cli.ending import to_stdout, warn
    from runs.files import write_table_whole, write_text_whole
    from tools.report import csv_table, latex

    for alert in report.alerts:
        warn(alert)
    if name == "samples":
        table = _samples(folder)
        if out is not None and _is_parquet(out):
            write_table_whole(out, table)
            return
        text = csv_table.of_table(table)
    else:
        text = latex.render(report) if name == "latex" else csv_table.render(report)
    if out is not None:
        write_text_whole(out, text)
        return
    with to_stdout() as stdout:
        stdout.write(text)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _samples(folder: Path) -> "pa.Table":
    """What a discovery or the measuring of a set left beside its report."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from agent.scores_table import SCORES_FILE
    from runs.files import explained, shown

    path = folder / SCORES_FILE
    mended = f"remove {shown(folder / 'report.json')} and run the same command as then: it makes both again"
    if not path.is_file():
        raise InputError(f"{shown(path)}: is missing; {mended}")
    with explained(path, "read"), open(path, "rb") as file:
        try:
            return pq.read_table(file)
        except pa.ArrowException as error:
            raise InputError(f"{shown(path)}: is damaged ({shown(error)}); {mended}") from error
