"""`orderparam discover`: what changed between two sides, from a run or straight from files."""

from pathlib import Path
from typing import Annotated

import typer

from agent.cli import options
from agent.cli.options import examples

HELP_END = examples(
    "orderparam discover before.jsonl after.jsonl",
    "orderparam discover before.csv after.csv --use-scores --out RUN",
    "orderparam discover answers.csv --by model --before base --after tuned",
    "orderparam discover wide.csv --before-column base --after-column tuned",
    "orderparam discover before.jsonl after.jsonl --fail-above 0.3 --fail-if 'words>0.1'",
    "orderparam discover RUN --before 0,8 --after 19:375 --json > report.json",
    "orderparam discover RUN --model builtin --model openai:gpt-5.4-mini --max-cost 2 --dry-run",
)


def discover(
    invoked: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN | BEFORE AFTER", hidden=True),
    ],
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
    use_scores: options.UseScores = None,
    missing_as_level: options.MissingAsLevel = None,
    measure_files: options.MeasureFiles = None,
    given: options.Given = None,
    domain: options.Domain = None,
    claim: options.Claim = None,
    min_gain: options.MinGain = None,
    max_parameters: options.MaxParameters = None,
    rounds: options.Rounds = None,
    model: options.Model = None,
    judge: options.Judge = None,
    context: options.Context = None,
    max_calls: options.MaxCalls = None,
    max_cost: options.MaxCost = None,
    max_minutes: options.MaxMinutes = None,
    prices: options.Prices = None,
    criteria_per_call: options.CriteriaPerCall = None,
    judge_all: options.JudgeAll = None,
    judge_template: options.JudgeTemplate = None,
    seed: options.Seed = None,
    out: options.MadeRun = None,
    name: options.Name = None,
    fail_above: options.FailAbove = None,
    fail_if: options.FailIf = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Find what changed between two sides.

    The answer is a short list of order parameters, each with the share of the change that it captures. RUN is a
    folder made by `orderparam import`, `score` or an earlier `discover`; where its samples are scored at more than
    two checkpoints, the sides are those of the largest change along them, unless named. BEFORE and AFTER are files
    of responses (JSONL, JSON, CSV, TSV, Parquet); one file holds both sides with --by, or with --before-column and
    --after-column.
    Nothing leaves this machine unless --model or --judge names a server: then it is sent prompts and answers. Keys
    come from OPENAI_API_KEY, ANTHROPIC_API_KEY, and ORDERPARAM_API_KEY for a server named by its address.
    """
    from agent.cli import sources as named
    from agent.cli.gates import require_below
    from agent.cli.showing import show_plan, show_report
    from agent.discovery import discover_run
    from agent.gates import of_discovery
    from agent.progress import shown_on_stderr
    from agent.settings import OutputSettings, load
    from runs.directory import DISCOVERIES_FOLDER

    output = load(OutputSettings, invoked.params)
    source = named.given(sources, invoked.params)
    settings = source.settings
    named.require_measures(settings.given, settings.measure_files)
    with shown_on_stderr(output.quiet) as progress:
        if dry_run:
            with source.tried(progress) as run:
                show_plan(run, settings)
            return
        with source.opened(progress) as run:
            report = discover_run(run, settings, progress=progress)
    folder = run.path / DISCOVERIES_FOLDER / report.name
    show_report(report, folder, as_json=as_json, quiet=output.quiet)
    require_below(report, output, lambda gate: of_discovery(report, gate, run, settings))
