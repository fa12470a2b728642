"""`orderparam score`: log-likelihoods of a run's samples under its checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runs.manifest import ControlValue

HELP_END = examples(
    "orderparam score RUN",
    "orderparam score RUN --band 8 --device cuda:1",
    "orderparam score RUN --tokens --before 0,2 --after 8:20",
)


def score(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", hidden=True)],
    band: options.Band = None,
    tokens: Annotated[
        bool,
        typer.Option(
            "--tokens",
            help="Also score two sides token by token, those of --before and --after or else of the peak.",
        ),
    ] = False,
    before: options.Before = None,
    after: options.After = None,
    device: options.Device = None,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Score every sample of RUN under its checkpoints, token by token as it was sampled.

    With these likelihoods the total is exact, and no longer a lower bound. Interrupted, the same command goes on.
    """
    import json

    from agent.cli.ending import to_stdout
    from agent.locating import sides_in
    from agent.progress import shown_on_stderr, visible
    from agent.settings import OutputSettings, load
    from probes.errors import InputError
    from runs import scoring
    from runs.directory import Run
    from runs.sampling_settings import ScoreSettings

    settings = load(ScoreSettings, context.params)
    if (before or after) and not tokens:
        raise InputError("--before and --after: say what is scored token by token; add --tokens")
    opened = Run.open(run)
    with shown_on_stderr(load(OutputSettings, context.params).quiet) as progress:
        how = scoring.score(opened, settings, progress)
        sides = sides_in(opened, before, after) if tokens else None
        if sides is not None:
            scoring.score_tokens(opened, *sides, settings, progress)
    manifest = opened.manifest
    with to_stdout() as stdout:
        if as_json:
            record = {"run": str(run), "samples": manifest.samples, **how.model_dump(mode="json")}
            if sides is not None:
                record["tokens"] = dict(
                    zip(("before", "after"), _values(sides, manifest.control.values), strict=True)
                )
            print(json.dumps(record, indent=2), file=stdout)
            return
        reach = "every checkpoint" if how.band is None else f"the checkpoints up to {how.band} from its own"
        print(visible(f"{run}: {manifest.samples:,} samples scored, each under {reach}"), file=stdout)
        at = "each at its own temperature" if how.temperature is None else f"temperature {how.temperature:g}"
        print(f"layers in {how.precision} on {how.device}, {at}", file=stdout)
        if sides is not None:
            left, right = (", ".join(map(str, side)) for side in _values(sides, manifest.control.values))
            print(visible(f"token by token: before {left}, after {right}, in token_loglik.parquet"), file=stdout)
        print(visible(f"next: orderparam discover {run}"), file=stdout)


def _values(sides: "Sequence[Sequence[int]]", values: "Sequence[ControlValue]") -> "list[list[ControlValue]]":
    return [[values[k] for k in side] for side in sides]
