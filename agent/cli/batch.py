"""`orderparam batch`: many discoveries at once, and what their domains have in common."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import options
from agent.cli.ending import DEFECT, line_and_code, say_error, to_stdout, warn
from agent.cli.options import examples
from agent.progress import visible
from probes.words import at_price, count

if TYPE_CHECKING:
    from agent.batch.estimating import Estimate
    from agent.batch.plan import Plan
    from agent.batch.whole import Ended

HELP_END = examples(
    "orderparam batch plan.yaml --dry-run",
    "orderparam batch plan.yaml --jobs 4 --transfer",
    "orderparam batch RUN --by domain --transfer",
    "orderparam batch RUN --by domain --model openai:gpt-5.4-mini --max-cost 5 --dry-run",
)

BY = "domain"
"""What a run can be taken apart by."""

OF_DOMAINS = (
    "before",
    "after",
    "claim",
    "use_scores",
    "measure_files",
    "given",
    "min_gain",
    "max_parameters",
    "rounds",
    "model",
    "judge",
    "context",
    "max_calls",
    "max_cost",
    "prices",
    "seed",
)
"""Flags that are for a run; a plan holds its own settings."""


def batch(
    invoked: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="PLAN.yaml | RUN", hidden=True)],
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="domain", help="Take a run apart by the domains of its prompts, a job each."),
    ] = None,
    jobs: Annotated[
        str | None,
        typer.Option("--jobs", metavar="N", help="Jobs at once; pays off where models are asked.  [default: 1]"),
    ] = None,
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Measure the parameters of each job on every other one.")
    ] = False,
    pooled: Annotated[
        bool,
        typer.Option(
            "--pooled/--no-pooled",
            help="Discover over all domains together too.  [default: --pooled]",
            show_default=False,
        ),
    ] = True,
    before: options.Before = None,
    after: options.After = None,
    claim: options.Claim = None,
    use_scores: options.UseScores = None,
    measure_files: options.MeasureFiles = None,
    given: options.Given = None,
    min_gain: options.MinGain = None,
    max_parameters: options.MaxParameters = None,
    rounds: options.Rounds = None,
    model: options.Model = None,
    judge: options.Judge = None,
    context: options.Context = None,
    max_calls: options.MaxCalls = None,
    max_cost: options.MaxCost = None,
    prices: options.Prices = None,
    seed: options.Seed = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder of the batch.  [default: orderparam-batch-NAME]"),
    ] = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = None,
) -> None:
    """Discover in many domains, and tell what they have in common from what belongs to one.

    PLAN.yaml names jobs (two files, a run, or a model with an adapter and prompts) with shared settings and
    overrides; RUN --by domain has a job for each domain of its prompts. Jobs share a ledger, the limit on calls in
    flight, and the budget in calls and cost; max_minutes, where it is set, is of each job. The answer is a matrix
    of order parameters by domains: summary.html, summary.md and summary.json in the folder of the batch, with
    links to the single reports. A job that fails does not stop the others: the command then ends with 1, and the
    same command goes on with what is missing.
    """
    from agent.batch.board import shown_on_stderr
    from agent.batch.plan_file import PlanError
    from agent.batch.whole import run_batch
    from agent.settings import OutputSettings, load

    quiet = bool(load(OutputSettings, invoked.params).quiet)
    at_once = _at_once(jobs)
    try:
        plan = _plan(source, by, invoked.params)
    except PlanError as error:
        for line in error.lines[:-1]:
            say_error(line)
        raise PlanError(error.lines[-1:]) from None
    if dry_run:
        from agent.batch.estimating import estimates_of

        _show_estimates(plan, estimates_of(plan, transfer=transfer))
        return
    folder = out or Path(f"orderparam-batch-{plan.name}")
    with shown_on_stderr(quiet) as board:
        ended = run_batch(
            plan,
            folder,
            board,
            at_once=at_once,
            transfer=transfer,
            line_of=lambda error: line_and_code(error)[0],
        )
    _show(ended, folder, as_json=as_json, quiet=quiet)


def _at_once(text: str | None) -> int:
    from probes.errors import InputError

    if text is None:
        return 1
    if text not in map(str, range(1, 65)):
        raise InputError(f"--jobs: {text[:40]!r}: a whole number from 1 to 64 is wanted")
    return int(text)


def _plan(source: Path, by: str | None, flags: Mapping[str, Any]) -> "Plan":
    from agent.batch.checking import load_plan
    from agent.batch.plan import SharedBudget, plan_of_domains
    from agent.cli.sources import require_measures
    from agent.settings import DiscoverSettings, flag_of, load
    from probes.errors import InputError

    if by is None:
        for key in OF_DOMAINS:
            if flags.get(key) not in (None, [], ()):
                raise InputError(f"{flag_of(key)}: is for RUN --by domain; a plan holds its own settings")
        if source.is_dir():
            raise InputError(f"{source} is a folder; a run is taken apart with --by domain")
        plan = load_plan(source)
        return plan if flags["pooled"] else plan.without_pooled()
    if by != BY:
        raise InputError(f"--by: {by[:40]!r}: a run is taken apart by its domains, --by domain")
    settings = load(DiscoverSettings, flags)
    require_measures(settings.given, settings.measure_files)
    if settings.judge_spec is not None:
        from agent.models import require_models

        require_models(settings)
    budget = SharedBudget(max_calls=settings.max_calls, max_cost=settings.max_cost)
    alone = settings.model_copy(update={"max_calls": None, "max_cost": None})
    return plan_of_domains(source, alone, budget, pooled=bool(flags["pooled"]))


def _show_estimates(plan: "Plan", estimates: "list[Estimate]") -> None:
    """What would be compared, and asked of language models."""
    width = max(len(visible(one.label)) for one in estimates)
    lines = []
    for one in estimates:
        parts = []
        if one.error is not None:
            parts.append(f"cannot run: {line_and_code(one.error)[0]}")
        if one.samples is not None:
            parts.append(f"{count(one.samples, 'sample')} of {count(one.prompts or 0, 'prompt')}")
        if one.left_out is not None:
            parts.append(f"will not be run: {one.left_out}")
        elif one.error is None:
            parts.append(_calls(one))
        lines.append(f"{one.label:<{width}}  {'; '.join(parts)}")
    calls = [one.calls for one in estimates]
    costs = [one.cost for one in estimates]
    known = None if None in calls else sum(one for one in calls if one is not None)
    cost = None if None in costs else sum(one for one in costs if one is not None)
    whole = "a number of calls that is not known before" if known is None else count(known, "call")
    limits = [
        f"{key.replace('_', '-')} {value:g}"
        for key, value in plan.budget.model_dump().items()
        if value is not None
    ]
    together = f"together at most {whole} {at_price(cost)}, second tries not counted"
    lines.append(together if known != 0 else "no calls to language models")
    lines.append(f"budget of all jobs: {', '.join(limits) or 'none'}; nothing was sent")
    with to_stdout() as stdout:
        for line in lines:
            print(visible(line), file=stdout)
    if any(one.error is not None for one in estimates):
        raise typer.Exit(DEFECT)


def _calls(one: "Estimate") -> str:
    if one.calls == 0:
        return "no model calls"
    if one.calls is None:
        return "calls known once there are samples"
    return f"at most {count(one.calls, 'call')} {at_price(one.cost)}"


def _show(ended: "Ended", folder: Path, *, as_json: bool, quiet: bool) -> None:
    """The summary on stdout; on stderr where it lies, and what failed. Ends with 1 where something did."""
    if as_json:
        with to_stdout() as stdout:
            stdout.write(ended.summary.to_json())
        for alert in ended.summary.alerts:
            warn(alert)
    else:
        from agent.batch.summary_terminal import render
        from agent.cli.showing import print_page

        print_page(render(ended.summary))
    for line in ended.failed:
        warn(f"failed: {line}")
    if not quiet:
        print(visible(f"the summary: {folder / 'summary.html'}"), file=sys.stderr)
    if ended.failed:
        raise typer.Exit(DEFECT)
