"""`orderparam measure`: questions fixed beforehand, on new data."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam measure words,code RUN",
    "orderparam measure RUN/discoveries/d1/report.json new-before.jsonl new-after.jsonl",
    "orderparam measure report.json RUN --fail-if 'data:harm>0.05'",
    "orderparam measure data:harm RUN --before 0 --after 8:20",
    "orderparam measure report.json new-before.jsonl new-after.jsonl --judge openai:gpt-5.4-mini --dry-run",
)


def measure(
    context: typer.Context,
    questions: Annotated[str, typer.Argument(metavar="QUESTIONS", hidden=True)],
    sources: Annotated[list[Path], typer.Argument(metavar="RUN | BEFORE AFTER", hidden=True)],
    before: options.Before = None,
    after: options.After = None,
    by: options.By = None,
    before_column: options.BeforeColumn = None,
    after_column: options.AfterColumn = None,
    prompt_field: options.PromptField = None,
    response_field: options.ResponseField = None,
    prompt_id_field: options.PromptIdField = None,
    pair_by: options.PairBy = None,
    thinking: options.Thinking = None,
    scores: options.ScoreFiles = None,
    missing_as_level: options.MissingAsLevel = None,
    measure_files: options.MeasureFiles = None,
    domain: options.Domain = None,
    claim: options.Claim = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            "--model",
            metavar="SPEC",
            help="Who judges what a language model judged in the report.  [default: the report's judge]",
        ),
    ] = None,
    max_calls: options.MaxCalls = None,
    max_cost: options.MaxCost = None,
    max_minutes: options.MaxMinutes = None,
    prices: options.Prices = None,
    criteria_per_call: options.CriteriaPerCall = None,
    judge_template: options.JudgeTemplate = None,
    seed: options.Seed = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where files become a run.  [default: orderparam-BEFORE-AFTER]"),
    ] = None,
    name: options.Name = None,
    fail_above: options.FailAbove = None,
    fail_if: options.FailIf = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Measure QUESTIONS on a run or on two files, without a search.

    QUESTIONS is the report.json of an earlier discovery, whose chosen set is measured with its cut points on all
    rows; or measures with commas between (see `orderparam probes`, and data:NAME for a score that came with the
    data), whose cut points are learned on the read split. Scores and levels of every sample go into scores.parquet
    beside the report. It counts as a report of the run.
    What a language model judged in the report is judged by the same model with the same questions: it is sent
    prompts and answers. Where it was served elsewhere than on this machine or by its provider, name it by --judge.
    """
    from agent.cli import sources as named
    from agent.cli.gates import require_below
    from agent.cli.showing import show_plan_of_set, show_report
    from agent.gates import of_known_set
    from agent.known_set import resolved
    from agent.measure_set import measure_set
    from agent.progress import shown_on_stderr
    from agent.settings import OutputSettings, load
    from runs.directory import DISCOVERIES_FOLDER

    output = load(OutputSettings, context.params)
    source = named.given(sources, context.params)
    asked = resolved(questions)
    named.require_measures(asked if isinstance(asked, tuple) else (), source.settings.measure_files)
    if not isinstance(asked, tuple):
        for gate in output.fail_if:
            of_known_set(asked, gate)  # refused before anything is judged
    with shown_on_stderr(output.quiet) as progress:
        if dry_run:
            with source.tried(progress) as run:
                show_plan_of_set(run, asked, source.settings)
            return
        with source.opened(progress) as run:
            report = measure_set(asked, run, source.settings, progress=progress)
    folder = run.path / DISCOVERIES_FOLDER / report.name
    show_report(report, folder, as_json=as_json, quiet=output.quiet)
    require_below(report, output, lambda gate: of_known_set(report, gate))
