"""`orderparam transition`: where behavior changes along a run's sweep."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam transition RUN",
    "orderparam transition RUN --window 1 --figure curve.svg",
    "orderparam transition RUN --json | jq .transition.peaks",
)


def transition(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", hidden=True)],
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            metavar="N",
            help="Checkpoints on either side of a place.  [default: 2, or 1 with fewer than 6 checkpoints]",
        ),
    ] = None,
    claim: options.Claim = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE.svg", help="Draw the curve into this file.")
    ] = None,
    seed: Annotated[
        str | None, typer.Option("--seed", metavar="N", help="Seed of the resamples.  [default: 0]")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Show where behavior changes along the sweep of RUN, and how sure that is.

    At each place between two checkpoints, the samples of those left of it are held against those right of it. With
    log-likelihoods (`orderparam score`) the curve is their dissimilarity; without, a lower bound of it: how well a
    held-out reader tells the answers apart. A transition is a peak that stands above the median of the curve. All
    samples are used.
    """
    from agent.cli.ending import to_stdout
    from agent.cli.showing import print_page
    from agent.progress import shown_on_stderr, visible
    from agent.settings import OutputSettings, TransitionSettings, load
    from agent.transition import transition_report
    from probes.errors import InputError
    from runs.directory import Run
    from runs.files import shown

    settings = load(TransitionSettings, context.params)
    output = load(OutputSettings, context.params)
    if figure is not None and figure.suffix.lower() != ".svg":
        raise InputError(
            f"--figure {shown(repr(str(figure)))}: the curve is drawn as SVG; name a file that ends in .svg"
        )
    if figure is not None and not figure.parent.is_dir():
        raise InputError(f"--figure {shown(figure)}: there is no folder {shown(figure.parent)}")
    opened = Run.open(run)
    with shown_on_stderr(output.quiet) as progress:
        report = transition_report(opened, settings, progress)
        if figure is not None:
            from runs.files import write_text_whole
            from tools.report.curve import sweep_of_transition
            from tools.report.html import render_figure

            write_text_whole(figure, render_figure(sweep_of_transition(report)))
            progress.note(visible(f"the figure: {figure}"))
    if as_json:
        with to_stdout() as stdout:
            stdout.write(report.to_json())
        return
    from tools.report.sweep_terminal import render_sweep

    print_page(render_sweep(report))
