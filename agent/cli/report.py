"""`orderparam report`: a finished report once more, in whatever form, or two of them compared."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam report RUN",
    "orderparam report RUN --open",
    "orderparam report RUN --name d2 --format markdown",
    "orderparam report RUN --json | jq .set.share",
    "orderparam report RUN --format latex --out table.tex",
    "orderparam report RUN --format samples --out scores.parquet",
    "orderparam report RUN --usage",
    "orderparam report RUN OTHER-RUN",
    "orderparam report RUN/discoveries/d1 RUN/discoveries/d2 --json",
)


def report(
    named: Annotated[list[Path], typer.Argument(metavar="REPORT | A B", hidden=True)],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Which discovery of a run.  [default: the last one]"),
    ] = None,
    in_browser: Annotated[
        bool, typer.Option("--open", help="Make the page anew, as by --rebuild, and open it in the browser.")
    ] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Write report.html, report.md and the figures anew, from report.json beside them."
        ),
    ] = False,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="html|markdown|latex|csv|samples",
            help="Hand it on: a page, the parameters as a table for a paper, all numbers, or scores and levels of "
            "every sample.",
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
    usage: Annotated[
        bool, typer.Option("--usage", help="Print what calls to language models took, instead of a report.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Print a report once more, or compare two.

    A report is named by the folder of a run (its last report, or that of the discovery named), the folder of a
    discovery, or a report.json. No model is called, whatever form it takes.
    Of two reports A and B it says which order parameters both have, with their shares side by side, how far their
    scores agree on the samples that both have, and what differs in how they were made.
    """
    from agent.cli.report_formats import require_format, write_format
    from agent.cli.showing import show_comparison, show_page, show_report
    from agent.found_report import find_report
    from probes.errors import InputError

    asked = {"--usage": usage, "--json": as_json, "--open": in_browser, "--rebuild": anew}
    others = [flag for flag, given in asked.items() if given]
    require_format(format, out, other=next(iter(others), None))
    if len(named) > 2:
        raise InputError(f"{len(named)} reports were named; one is printed, two are compared")
    if len(named) == 2:
        alone = [flag for flag in others if flag != "--json"]
        alone += [flag for flag, value in (("--format", format), ("--name", name)) if value is not None]
        if alone:
            raise InputError(
                f"{alone[0]}: is for one report; two are compared, each named by its folder (RUN/discoveries/d1)"
            )
        show_comparison(find_report(named[0]), find_report(named[1]), as_json=as_json)
        return
    if len(others) > 1 and others not in (["--usage", "--json"], ["--open", "--rebuild"]):
        raise InputError(f"{others[0]}: not together with {others[1]}; ask for one of them")
    if usage:
        from agent.cli.spending import show_usage

        show_usage(named[0], name, as_json=as_json)
        return
    found = find_report(named[0], name)
    if in_browser or anew:
        show_page(found, in_browser=in_browser, quiet=bool(quiet))
    elif format is not None:
        write_format(found, format, out)
    else:
        show_report(found.report, found.page and found.folder, as_json=as_json, quiet=bool(quiet))
