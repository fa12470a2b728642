"""`orderparam repl`: a person guides a discovery, command by command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli import options
from agent.cli.ending import to_stdout
from agent.cli.options import examples

if TYPE_CHECKING:
    from agent.repl.sitting import Script

HELP_END = examples(
    "orderparam repl before.jsonl after.jsonl",
    "orderparam repl RUN --model openai:gpt-5.4-mini --max-cost 2",
    "orderparam repl RUN --script session.txt",
    "orderparam discover RUN --name d1",
)


def repl(
    invoked: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="RUN | BEFORE AFTER", hidden=True),
    ],
    script: Annotated[
        Path | None,
        typer.Option(
            "--script", metavar="FILE", help="Take the lines from a file; a pipe into stdin does the same."
        ),
    ] = None,
    confirm_above: Annotated[
        str | None,
        typer.Option(
            "--confirm-above",
            metavar="X",
            help="Ask before an act that may cost more than so many US dollars.  [default: 1]",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm what acts may cost beforehand.")] = False,
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
    quiet: options.Quiet = None,
) -> None:
    """Guide a discovery yourself: read, propose, try, judge, choose, report.

    The same discovery as `discover` makes, with the same budget: each goes on with what the other began, under the
    same settings and --name. Everything before `report` uses the read and select splits alone. `help` in the
    session lists the commands; what is no command is guidance in plain language for proposers. All is kept after
    every act, with a transcript in the discovery's folder.

    A script stops at the first error (exit 2). Run again, it goes on behind what it did, if it was cut off,
    whatever was done by hand since. One that had come to its end does nothing again, unless something was done
    since: then it runs from its first line.
    """
    from functools import partial

    from agent.cli import sources as named
    from agent.progress import shown_on_stderr
    from agent.repl.screen import Relay, Screen
    from agent.repl.sitting import sit
    from agent.settings import OutputSettings, ReplSettings, load

    output = load(OutputSettings, invoked.params)
    how = load(ReplSettings, invoked.params)
    source = named.given(sources, invoked.params)
    named.require_measures(source.settings.given, source.settings.measure_files)
    lines = _script(script)
    progress = Relay(partial(shown_on_stderr, output.quiet))
    with source.opened(progress) as run:
        wrong = sit(run, source.settings, how, lines, Screen(sys.stdout, _write, progress), yes=yes)
    if wrong is not None:
        raise wrong


def _write(text: str) -> None:
    with to_stdout() as stdout:
        stdout.write(text)


def _script(path: Path | None) -> "Script | None":
    """The script that was named, or what is piped in; None at a terminal."""
    if path is None and sys.stdin.isatty() and sys.stdout.isatty():
        return None
    from agent.repl.script import lines_of
    from agent.repl.sitting import Script
    from agent.settings import shown
    from probes.errors import InputError
    from runs.files import explained

    if path is None:
        return Script("standard input", lines_of(sys.stdin))
    with explained(path, "read"):
        content = path.read_bytes()
    try:
        return Script(str(path), lines_of(content.decode("utf-8").splitlines()))
    except UnicodeDecodeError:
        raise InputError(f"{shown(str(path), 200)}: not UTF-8 text; save it as UTF-8") from None
