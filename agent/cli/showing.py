"""A report on stdout, and on stderr where its files are."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.ending import to_stdout, warn
from agent.progress import visible
from probes.words import at_price, count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from agent.found_report import FoundReport
    from agent.plan import Sending
    from agent.settings import DiscoverSettings
    from agent.workbench import Workbench
    from runs.directory import Run
    from tools.report.document import Report


def show_report(report: "Report", folder: Path | None, *, as_json: bool, quiet: bool = False) -> None:
    """Print a report; say where it lies for reading in a browser, unless that is nowhere, or quiet."""
    if as_json:
        with to_stdout() as stdout:
            stdout.write(report.to_json())
        for alert in report.alerts:
            warn(alert)
    else:
        from tools.report import terminal

        print_page(terminal.render(report))
    if folder is not None and not quiet:
        _say_where(folder / "report.html")


def show_page(found: "FoundReport", *, in_browser: bool, quiet: bool) -> None:
    """Make a report's files for people anew; open its page in the browser, or say where it lies.

    Raises OutsideError where no browser can be opened.
    """
    import webbrowser

    from agent.found_report import rebuild
    from probes.errors import OutsideError
    from runs.files import shown

    page, failed = rebuild(found)
    for sentence in failed:
        warn(sentence)
    if not quiet:
        _say_where(page)
    if in_browser and not webbrowser.open(page.resolve().as_uri()):
        raise OutsideError(f"--open: no browser could be opened here; {shown(page)} is the page")


def show_comparison(a: "FoundReport", b: "FoundReport", *, as_json: bool) -> None:
    """Print two reports side by side; what must be read before any of their numbers goes to stderr too."""
    from agent.report_pair import compare_reports

    comparison = compare_reports(a, b)
    for letter, found in (("A", a), ("B", b)):
        for alert in found.report.alerts:
            warn(f"{letter}: {alert}")
    if as_json:
        with to_stdout() as stdout:
            stdout.write(comparison.to_json())
        return
    from tools.report.comparison_terminal import render_comparison

    print_page(render_comparison(comparison, (a.report, b.report)))


def _say_where(page: Path) -> None:
    print(visible(f"the report: {page}"), file=sys.stderr)


def print_page(page: "RenderableType") -> None:
    """Print what rich lays out, on stdout."""
    from rich.console import Console

    with to_stdout() as stdout:
        console = Console(file=stdout)
        with console.capture() as laid_out:  # rich would end the process when the reader goes away
            console.print(page)
        stdout.write(laid_out.get())


def show_plan(run: "Run", settings: "DiscoverSettings") -> None:
    """What a discovery would compare, with what, and what it would send to language models."""
    from agent.discovery import open_bench
    from agent.plan import plan_of
    from agent.progress import Silent

    bench = open_bench(run, settings, Silent())
    sendings = _sendings(settings, plan_of(bench)) if settings.judge_spec else ()
    _show_plan(bench, _means(settings), sendings)


def show_plan_of_set(run: "Run", questions: "Report | tuple[str, ...]", settings: "DiscoverSettings") -> None:
    """What the measuring of a known set would compare, and what it would send to its judge."""
    from agent.measure_set import opened_set
    from agent.progress import Silent

    known = opened_set(questions, run, settings, Silent())
    names = ", ".join(f"{one['name']} ({one['judge']})" for one in known.chosen)
    sendings: Sequence[str] = ()
    if known.judging.template is not None:
        from agent.plan import plan_of_set

        planned = plan_of_set(known.bench, known.judging.template, known.chosen, known.part)
        sendings = _sendings(known.judging.settings, [planned])
    _show_plan(
        known.bench, f"measured on {known.part.layout.samples:,} samples: {names}", [*known.said, *sendings]
    )


def _show_plan(bench: "Workbench", means: str, rest: Sequence[str]) -> None:
    from runs.schema import SPLITS
    from tools.layout import ABOUT

    comparison, settings, run = bench.comparison, bench.settings, bench.run
    control = run.manifest.control
    chosen = settings.before is None and settings.after is None and comparison.located is not None
    before, after = (
        ", ".join(str(control.values[index]) for index in side) for side in (comparison.before, comparison.after)
    )
    parts = (comparison.read, comparison.select, comparison.report)
    splits = ", ".join(f"{name} {part.layout.samples:,}" for name, part in zip(SPLITS, parts, strict=True))
    lines = (
        f"{control.name}: {before} against {after}{', the two sides of the peak' if chosen else ''}, "
        f"{'with' if comparison.mode == 'likelihood' else 'without'} log-likelihoods",
        f"{count(comparison.layout.samples, 'sample')} of {count(comparison.layout.prompts, 'prompt')} "
        f"(left out, with one side only: {count(len(comparison.left_out), 'prompt')}); the claim is about "
        f"{ABOUT[comparison.claim]}",
        f"splits: {splits}",
        means,
        *run.manifest.warnings,
        *rest,
    )
    with to_stdout() as stdout:
        for line in lines:
            print(visible(line), file=stdout)


def _means(settings: "DiscoverSettings") -> str:
    """By what is searched, in one line."""
    from agent.settings import BUILTIN
    from probes.measures.catalogue import CATALOGUE

    parts = []
    if BUILTIN in settings.model:
        parts.append(f"{len(CATALOGUE) + len(settings.measure_files)} measures in code")
    if settings.use_scores:
        parts.append("scores that came with the data")
    if BUILTIN in settings.model:
        parts.append("and words, phrases and patterns that differ")
    parts += [f"what {spec} proposes" for spec in settings.proposers]
    calls = "" if settings.judge_spec else "no model calls; "
    return f"{', '.join(parts)}; {calls}at most {settings.rounds} rounds"


def _sendings(settings: "DiscoverSettings", planned: "Sequence[Sending]") -> list[str]:
    """What language models would be sent, with one full example of each kind."""
    lines = ["calls to language models, at most, second tries not counted; tokens and prices by a rule of thumb:"]
    for one in planned:
        lines.append(
            f"  {one.kind} by {one.model}: {one.calls:,} calls, {one.input_tokens:,} tokens in, "
            f"{one.output_tokens:,} out, {at_price(one.cost)}"
        )
    limits = [
        f"--{name.replace('_', '-')} {value:g}"
        for name in ("max_calls", "max_cost", "max_minutes")
        if (value := getattr(settings, name)) is not None
    ]
    lines.append(f"budget: {', '.join(limits) or 'none'}; nothing was sent")
    for one in planned:
        lines += ["", f"--- {one.kind}, an example of what {one.model} would be sent:", *one.prompt.splitlines()]
    return lines
