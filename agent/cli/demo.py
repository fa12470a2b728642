"""`orderparam demo`: the whole way on a real model."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples("orderparam demo", "orderparam demo --out RUN --seed 1")

DEFAULT_OUT = Path("orderparam-demo")

NEXT = (
    "next, with your own data: orderparam finetune MODEL DATA --out RUN; then sample, score and discover RUN "
    "(or, with two files of answers: orderparam discover BEFORE AFTER)"
)


def demo(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="Folder of the run.  [default: orderparam-demo]")
    ] = DEFAULT_OUT,
    seed: options.Seed = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Fine-tune a small real model until its behavior changes, and find out what changed.

    SmolLM2 (135 million parameters) learns from a hundred curt answers about cooking, and becomes curt about
    everything. It is fine-tuned, sampled and scored here, in some minutes on two cores, without a network.
    Interrupted, the same command goes on.
    """
    import sys

    from agent.cli.showing import show_report
    from agent.demo import demo as all_of_it
    from agent.progress import shown_on_stderr, visible
    from agent.settings import DiscoverSettings, OutputSettings, load
    from runs.directory import DISCOVERIES_FOLDER

    chosen = load(DiscoverSettings, context.params).seed
    output = load(OutputSettings, context.params)
    with shown_on_stderr(output.quiet) as progress:
        run, report = all_of_it(out, chosen, progress)
    folder = run.path / DISCOVERIES_FOLDER / report.name
    show_report(report, folder, as_json=as_json, quiet=output.quiet)
    if not output.quiet:
        print(visible(NEXT), file=sys.stderr)
