"""`orderparam import`: files become a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import options
from agent.cli.ending import to_stdout, warn
from agent.cli.options import examples
from agent.progress import visible
from probes.errors import InputError
from probes.words import count

if TYPE_CHECKING:
    from runs.storing import ImportOptions

HELP_END = examples(
    "orderparam import before.jsonl after.jsonl --out RUN",
    "orderparam import sweep.jsonl --axis step --out RUN",
    "orderparam import folder-of-checkpoints --axis step --out RUN",
    "orderparam import answers.csv --by model --before base --after tuned --out RUN",
    "orderparam import --explain before.jsonl",
)


def import_files(
    context: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="BEFORE AFTER | SWEEP", hidden=True)],
    out: options.Out = None,
    axis: Annotated[
        str | None,
        typer.Option("--axis", metavar="NAME", help="SWEEP's field that holds the control parameter."),
    ] = None,
    by: options.By = None,
    before: Annotated[str | None, typer.Option("--before", metavar="VALUE", help="Value of --by before.")] = None,
    after: Annotated[str | None, typer.Option("--after", metavar="VALUE", help="Value of --by after.")] = None,
    before_column: options.BeforeColumn = None,
    after_column: options.AfterColumn = None,
    prompt_field: options.PromptField = None,
    response_field: options.ResponseField = None,
    prompt_id_field: options.PromptIdField = None,
    pair_by: options.PairBy = None,
    thinking: options.Thinking = None,
    scores: options.ScoreFiles = None,
    seed: options.Seed = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what the files would be read as, with two rows; write nothing.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Make a run of files of responses.

    The run is the folder that every other command takes. BEFORE and AFTER are two sides (JSONL, JSON, CSV, TSV,
    Parquet, inspect logs; also compressed by gzip). SWEEP is one file, or a folder with one file a value, along a
    control parameter.
    """
    import json

    from agent.cli.sources import import_options
    from agent.progress import shown_on_stderr
    from agent.settings import DiscoverSettings, OutputSettings, load
    from runs.importing import import_pair, import_sweep

    flags = context.params
    how = import_options(flags, load(DiscoverSettings, flags))
    if explain:
        for source in sources:
            _explain(source, how, as_json=as_json)
        return
    _require(sources, flags)
    assert out is not None
    with shown_on_stderr(bool(load(OutputSettings, flags).quiet)) as progress:
        progress.stage("reading the files")
        if axis is not None:
            imported = import_sweep(sources[0], out, how)
        else:
            imported = import_pair(sources[0], sources[1] if len(sources) > 1 else None, out, how)
        for note in imported.notes:
            progress.note(note)
    for warning in imported.warnings:
        warn(warning)
    manifest = imported.run.manifest
    with to_stdout() as stdout:
        if as_json:
            record = {
                "run": str(out),
                "prompts": manifest.prompts,
                "samples": manifest.samples,
                "control": manifest.control.model_dump(mode="json"),
                "notes": imported.notes,
                "warnings": imported.warnings,
            }
            print(json.dumps(record, indent=2), file=stdout)
        else:
            values = ", ".join(str(value) for value in manifest.control.values)
            counts = f"{count(manifest.samples, 'sample')} of {count(manifest.prompts, 'prompt')}"
            print(visible(f"{out}: {counts}, {manifest.control.name} {values}"), file=stdout)


def _require(sources: list[Path], flags: Mapping[str, Any]) -> None:
    """Raises InputError unless the flags say what the files are."""
    if flags["out"] is None:
        raise InputError("--out: name the folder that becomes the run")
    axis, by, columns = flags["axis"], flags["by"], flags["before_column"] or flags["after_column"]
    if len(sources) > (2 if axis is None else 1):
        wanted = "BEFORE AFTER" if axis is None else "one SWEEP with --axis"
        raise InputError(f"{len(sources)} files where {wanted} is wanted: {', '.join(map(str, sources))}")
    if axis is not None and (by or columns):
        raise InputError("--axis: a sweep has no sides yet; leave --by, --before-column and --after-column out")
    if len(sources) > 1 or axis or by or columns:
        return
    if sources[0].is_dir():
        raise InputError(
            f"{sources[0]}: a folder; name two files, BEFORE AFTER, or give --axis NAME where it holds one file a "
            "value of a sweep"
        )
    raise InputError(
        f"{sources[0]}: one file alone; --axis NAME reads it as a sweep, --by COLUMN --before VALUE "
        "--after VALUE or --before-column A --after-column B as two sides (--explain lists its fields)"
    )


def _explain(source: Path, how: "ImportOptions", *, as_json: bool) -> None:
    """What a file would be read as, with its first rows."""
    import json
    from dataclasses import asdict

    from runs.explain import explain

    found = explain(source, how)
    with to_stdout() as stdout:
        if as_json:
            print(json.dumps(asdict(found), indent=2), file=stdout)
            return
        lines = [
            f"{found.name}: {found.format}; {count(found.responses, 'response')} to "
            f"{count(found.prompts, 'prompt')}, {found.missing:,} missing, {found.empty:,} empty",
            *(f"  {sentence}" for sentence in found.said),
            f"  fields: {', '.join(found.fields)}",
            f"  scores: {', '.join(found.scores) or 'none'}",
            f"  not read: {', '.join(found.unread) or 'nothing'}",
        ]
        for number, row in enumerate(found.rows, 1):
            named = {
                "prompt_id": row.prompt_id,
                "prompt": row.prompt,
                "response": row.response,
                "scores": row.scores,
            }
            lines.append(f"  row {number}")
            lines += [f"    {name}: {_cut(value)}" for name, value in named.items() if value is not None]
        for line in lines:
            print(visible(line), file=stdout)


def _cut(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]} [... {len(text) - limit:,} more characters]"
