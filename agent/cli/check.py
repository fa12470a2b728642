"""`orderparam check`: whether a run on disk is what was written."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.ending import USAGE, to_stdout
from agent.cli.options import examples
from probes.words import count

HELP_END = examples("orderparam check RUN", "orderparam check RUN --json")


def check(
    run: Annotated[Path, typer.Argument(metavar="RUN", hidden=True)],
    as_json: options.Json = False,
) -> None:
    """Verify a run on disk.

    RUN is the folder of a run. Checksums, columns, counts, splits and reports are verified, and what a killed
    process left is named. Exits with 2 when something is damaged. Nothing is changed.
    """
    import json
    from dataclasses import asdict

    from agent.progress import visible
    from runs.check import check_run

    result = check_run(run)
    manifest = result.manifest
    with to_stdout() as stdout:
        if as_json:
            record = {
                "run": str(run),
                "sound": result.sound,
                "prompts": manifest.prompts,
                "samples": manifest.samples,
                "splits": result.splits,
                "discoveries": result.discoveries,
                "reports_seen": len(manifest.reports),
                "files": result.files,
                "findings": [asdict(finding) for finding in result.findings],
            }
            print(json.dumps(record, indent=2), file=stdout)
        else:
            splits = ", ".join(f"{name} {size:,}" for name, size in result.splits.items())
            values = ", ".join(str(value) for value in manifest.control.values)
            held = f"{count(manifest.samples, 'sample')} of {count(manifest.prompts, 'prompt')}"
            print(visible(f"{run}: {held}"), file=stdout)
            print(visible(f"control parameter {manifest.control.name}: {values}"), file=stdout)
            print(f"splits: {splits or 'unknown'}; reports made: {len(manifest.reports)}", file=stdout)
            if result.owner is not None:
                print(visible(f"in use by {result.owner}"), file=stdout)
            for finding in result.findings:
                print(visible(f"{finding.severity}: {finding.where}: {finding.message}"), file=stdout)
            print(f"{count(result.files, 'file')} verified: {'sound' if result.sound else 'DAMAGED'}", file=stdout)
    if not result.sound:
        raise typer.Exit(USAGE)
