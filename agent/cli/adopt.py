"""`orderparam adopt`: the checkpoints that a Trainer left become a run."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam adopt outputs --out RUN",
    "orderparam adopt outputs --model /models/base --out RUN",
)


def adopt(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="TRAINER_FOLDER", hidden=True)],
    out: options.Out = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="The base model, where the checkpoints do not name it or it has moved.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Make a run of the checkpoint-* folders in TRAINER_FOLDER, written by Trainer, TRL, Axolotl or Unsloth.

    Checkpoints are adapters or whole models, as safetensors; they are linked, not copied. Loss and gradient norm
    are taken from trainer_state.json. Step 0 is the base model.
    """
    from agent.cli.begun import show_begun
    from agent.progress import shown_on_stderr
    from agent.settings import OutputSettings, load
    from probes.errors import InputError
    from runs.adopt import adopt as begin

    if out is None:
        raise InputError("--out: name the folder that becomes the run")
    with shown_on_stderr(bool(load(OutputSettings, context.params).quiet)) as progress:
        run = begin(folder, out, progress, base=model)
    show_begun(run, as_json=as_json)
