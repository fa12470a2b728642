"""A run of a model's checkpoints on stdout: its values, and where the gradient norm was largest."""

import json
from typing import TYPE_CHECKING

from agent.cli.ending import to_stdout
from agent.progress import visible

if TYPE_CHECKING:
    from runs.directory import Run


def show_begun(run: "Run", *, as_json: bool) -> None:
    """Print what was made."""
    from runs.training_state import gradient_norm_peak

    manifest = run.manifest
    peak = gradient_norm_peak(run.path)
    with to_stdout() as stdout:
        if as_json:
            record = {
                "run": str(run.path),
                "model": manifest.model,
                "control": manifest.control.model_dump(mode="json"),
                "gradient_norm_peak": peak,
                "notes": manifest.notes,
            }
            print(json.dumps(record, indent=2), file=stdout)
            return
        values = ", ".join(str(value) for value in manifest.control.values)
        print(visible(f"{run.path}: {len(manifest.control.values)} checkpoints of {manifest.model}"), file=stdout)
        print(visible(f"{manifest.control.name} {values}"), file=stdout)
        for note in manifest.notes:
            print(visible(note), file=stdout)
        if peak is not None:
            print(f"largest gradient norm at step {peak}", file=stdout)
