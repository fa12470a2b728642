"""`orderparam report`: print a report that was made from a run once more."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam report RUN",
    "orderparam report RUN --name d2",
    "orderparam report RUN --json | jq .set.share",
    "orderparam report RUN --usage",
    "orderparam report RUN --format latex --out table.tex",
    "orderparam report RUN --format samples --out scores.parquet",
)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", hidden=True)],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which discovery.  [default: the last one]")
    ] = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Print what calls to language models took, instead of a report.")
    ] = False,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="latex|csv|samples",
            help="The parameters as a table for a paper; all numbers; or scores and levels of every sample.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where --format goes; samples as Parquet if it ends with .parquet.  [default: printed]",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Print a report of a run once more.

    RUN is the folder of a run; its last report is printed, or that of the discovery named.
    --format hands it on instead, for a paper, a spreadsheet or a program; no model is called.
    """
    from agent.cli.report_formats import require_format, write_format
    from agent.cli.showing import show_report
    from probes.errors import InputError
    from runs.directory import DISCOVERIES_FOLDER, Run
    from tools.report.document import Report

    require_format(format, out, other="--usage" if usage else "--json" if as_json else None)
    opened = Run.open(run)
    if usage:
        from agent.cli.spending import show_usage

        if name is not None and name not in opened.discoveries():
            known = ", ".join(opened.discoveries()) or "none"
            raise InputError(f"--name: there is no discovery {name!r}; there are {known}")
        show_usage(run, name, as_json=as_json)
        return
    finished = [one for one in opened.discoveries() if (run / DISCOVERIES_FOLDER / one / "report.json").is_file()]
    if not finished:
        raise InputError(f"{run}: no report yet; `orderparam discover {run}` makes one")
    counted = [record.discovery for record in opened.manifest.reports if record.discovery in finished]
    chosen = name or (counted or finished)[-1]
    if chosen not in finished:
        raise InputError(f"--name: {chosen!r} has no report; there are {', '.join(finished)}")
    folder = run / DISCOVERIES_FOLDER / chosen
    if format is not None:
        write_format(Report.load(folder), folder, format, out)
        return
    show_report(Report.load(folder), folder, as_json=as_json, quiet=bool(quiet))
