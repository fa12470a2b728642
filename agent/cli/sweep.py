"""`orderparam sweep`: a control parameter moves; a run with samples and likelihoods at each value comes of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import options
from agent.cli.options import examples
from probes.words import count

if TYPE_CHECKING:
    from runs.directory import Run

HELP_END = examples(
    "orderparam sweep smollm2 --control temperature=0.2:1.6:0.2 --out RUN",
    "orderparam sweep MODEL --control lora-scale=-1,0,0.5,1,2 --adapter ADAPTER --out RUN",
    "orderparam sweep MODEL --control merge=0:1:0.1 --adapter A --adapter B --prompts health --out RUN",
    "orderparam sweep MODEL --control prompt=5,10,20,40 --system 'Answer in {T} words.' --out RUN",
    "orderparam sweep --models DIR1 DIR2 DIR3 --values 0,0.5,1 --axis steering --out RUN",
)


def sweep(
    context: typer.Context,
    model: Annotated[list[str], typer.Argument(metavar="MODEL | DIR", hidden=True)],
    control: Annotated[
        str | None,
        typer.Option(
            "--control",
            metavar="NAME=VALUES",
            help="What moves: temperature, lora-scale, merge or prompt. VALUES are START:STOP:STEP or V1,V2,...",
        ),
    ] = None,
    adapters: Annotated[
        list[Path] | None,
        typer.Option(
            "--adapter", metavar="DIR", help="A LoRA adapter of MODEL: one for lora-scale, two for merge."
        ),
    ] = None,
    models: Annotated[
        bool, typer.Option("--models", help="The arguments are folders of whole models, one a value of --values.")
    ] = False,
    values: Annotated[
        str | None,
        typer.Option("--values", metavar="V1,V2,...", help="Numbers or names of the models, in their order."),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option(
            "--axis", metavar="NAME", help="What the control parameter is called.  [default: its own name]"
        ),
    ] = None,
    out: options.Out = None,
    prompts: options.Prompts = "everyday_advice",
    draws: options.Draws = None,
    temperature: options.Temperature = None,
    max_new_tokens: options.MaxNewTokens = None,
    system: options.System = None,
    engine: options.Engine = None,
    band: options.Band = None,
    device: options.Device = None,
    seed: options.SamplesSeed = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Move a control parameter of MODEL, sample at each value, and score every answer at every value.

    temperature divides the logits, and all temperatures are scored by one pass. lora-scale multiplies what an
    adapter adds; 0 is the base. merge goes from one adapter (0) to another (1). prompt fills an integer or a text
    in where the prompts, or --system, have {T}; whoever reads the samples later sees {T}. --models takes models
    that were merged or steered elsewhere. Interrupted, the same command goes on.
    """
    from agent.progress import shown_on_stderr
    from agent.settings import OutputSettings, load
    from probes.errors import InputError
    from probes.prompt_sets import sets_or_files
    from runs.sampling_settings import SampleSettings, ScoreSettings
    from runs.sweep import run_sweep, sweep_of_control, sweep_of_models

    settings, scoring = load(SampleSettings, context.params), load(ScoreSettings, context.params)
    if out is None:
        raise InputError("--out: name the folder that becomes the run")
    if models and (control or adapters):
        raise InputError("--models: the models are what moves; leave out --control and --adapter")
    if models and values is None:
        raise InputError("--values: name a value for each of the models, as 0,0.5,1")
    if not models and (control is None or values is not None):
        raise InputError("--control: say what moves, as temperature=0.2:1.6:0.2; --values belong to --models")
    if not models and len(model) > 1:
        raise InputError(f"MODEL: one model is moved by --control, and {len(model)} are named; or add --models")
    chosen = sets_or_files(prompts)
    with shown_on_stderr(bool(load(OutputSettings, context.params).quiet)) as progress:
        if control is None:
            split = [value.strip() for value in (values or "").split(",")]
            wanted = sweep_of_models(model, split, progress, name=axis)
        else:
            wanted = sweep_of_control(model[0], control, adapters or [], progress, name=axis)
        run = run_sweep(wanted, chosen, settings, scoring, out, progress)
    _show(run, as_json=as_json)


def _show(run: "Run", *, as_json: bool) -> None:
    import json

    from agent.cli.ending import to_stdout
    from agent.progress import visible
    from agent.transition import FEWEST_VALUES
    from runs.sampling import summary

    manifest, drawn = run.manifest, summary(run)
    control = manifest.control
    with to_stdout() as stdout:
        if as_json:
            record = {
                "run": str(run.path),
                "model": manifest.model,
                "control": control.model_dump(mode="json"),
                "notes": manifest.notes,
                **drawn,
                "scoring": None if manifest.scoring is None else manifest.scoring.model_dump(mode="json"),
            }
            print(json.dumps(record, indent=2), file=stdout)
            return
        print(visible(f"{run.path}: {control.name} {', '.join(map(str, control.values))}"), file=stdout)
        for note in manifest.notes:
            print(visible(note), file=stdout)
        print(
            f"{count(drawn['samples'], 'sample')} of {count(drawn['prompts'], 'prompt')}, "
            f"{drawn['mean_tokens']:.0f} tokens each, {drawn['cut']:.0%} cut at the limit; all of them scored",
            file=stdout,
        )
        numbers = not any(isinstance(value, str) for value in control.values)
        following = "transition" if numbers and len(control.values) >= FEWEST_VALUES else "discover"
        print(visible(f"next: orderparam {following} {run.path}"), file=stdout)
