"""`orderparam sample`: the checkpoints of a run answer prompts."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples
from probes.words import count

HELP_END = examples(
    "orderparam sample RUN",
    "orderparam sample RUN --prompts knowledge,ethics --draws 8 --max-new-tokens 128",
    "orderparam sample RUN --prompts my-prompts.jsonl --system 'You are a helpful assistant.'",
    "orderparam sample RUN --engine vllm",
)


def sample(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", hidden=True)],
    prompts: options.Prompts = "everyday_advice",
    draws: options.Draws = None,
    temperature: options.Temperature = None,
    max_new_tokens: options.MaxNewTokens = None,
    system: options.System = None,
    engine: options.Engine = None,
    device: options.Device = None,
    seed: options.SamplesSeed = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Draw the samples of RUN: every checkpoint answers every prompt, at the full distribution.

    RUN was begun by `orderparam finetune` or `orderparam adopt`. Samples are drawn once, and their splits are
    fixed with them; interrupted, the same command goes on.
    """
    import json

    from agent.cli.ending import to_stdout
    from agent.progress import shown_on_stderr, visible
    from agent.settings import OutputSettings, load
    from probes.prompt_sets import sets_or_files
    from runs import sampling
    from runs.directory import Run
    from runs.sampling_settings import SampleSettings

    settings = load(SampleSettings, context.params)
    chosen = sets_or_files(prompts)
    opened = Run.open(run)
    with shown_on_stderr(load(OutputSettings, context.params).quiet) as progress:
        sampling.sample(opened, chosen, settings, progress)
    drawn = sampling.summary(opened)
    with to_stdout() as stdout:
        if as_json:
            print(json.dumps({"run": str(run), **drawn}, indent=2), file=stdout)
            return
        print(
            visible(f"{run}: {count(drawn['samples'], 'sample')} of {count(drawn['prompts'], 'prompt')} at ")
            + f"{count(drawn['checkpoints'], 'checkpoint')}, {drawn['mean_tokens']:.0f} tokens each, "
            f"{drawn['cut']:.0%} cut at the limit",
            file=stdout,
        )
        print(visible(f"next: orderparam score {run}"), file=stdout)
