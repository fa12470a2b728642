"""The program's commands put together; each lives in a file of its own."""

from typing import Annotated

import typer

from agent.cli import (
    adopt,
    batch,
    check,
    demo,
    discover,
    finetune,
    importing,
    measure,
    probes,
    repl,
    report,
    sample,
    score,
    sweep,
    transition,
)
from agent.cli.ending import to_stdout
from agent.cli.options import examples

HELP_END = examples(
    "orderparam demo",
    "orderparam discover before.jsonl after.jsonl",
    "orderparam import sweep.jsonl --axis step --out RUN",
    "orderparam discover RUN --before 0,2 --after 8:20",
)

app = typer.Typer(
    name="orderparam",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=HELP_END,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        with to_stdout() as stdout:
            print(f"orderparam {version('orderparam')}", file=stdout)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def orderparam(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Find out what changed when a language model's behavior changed."""
    if context.invoked_subcommand is None:
        with to_stdout() as stdout:
            print(context.get_help(), file=stdout)


app.command("demo", epilog=demo.HELP_END)(demo.demo)
app.command("import", epilog=importing.HELP_END)(importing.import_files)
app.command("finetune", epilog=finetune.HELP_END)(finetune.finetune)
app.command("adopt", epilog=adopt.HELP_END)(adopt.adopt)
app.command("sweep", epilog=sweep.HELP_END)(sweep.sweep)
app.command("sample", epilog=sample.HELP_END)(sample.sample)
app.command("score", epilog=score.HELP_END)(score.score)
app.command("transition", epilog=transition.HELP_END)(transition.transition)
app.command("discover", epilog=discover.HELP_END)(discover.discover)
app.command("repl", epilog=repl.HELP_END)(repl.repl)
app.command("batch", epilog=batch.HELP_END)(batch.batch)
app.command("measure", epilog=measure.HELP_END)(measure.measure)
app.command("report", epilog=report.HELP_END)(report.report)
app.command("check", epilog=check.HELP_END)(check.check)
app.command("probes", epilog=probes.HELP_END)(probes.probes)
