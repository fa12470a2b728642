"""A batch's summary as Markdown, for a repository or a pull request."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from agent.batch.summary import Domain, RowRecord, Summary
from agent.batch.summary_words import (
    VERDICTS,
    captured_cell,
    found_words,
    headline,
    is_seen,
    limits_cell,
    rule_sentences,
    share_cell,
    total_cell,
    usage_sentence,
)
from tools.report.safe_text import markdown_cell, markdown_inline


def render(summary: Summary) -> str:
    """The whole document."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: Summary) -> Iterator[str]:
    everything = [*summary.domains, *([summary.pooled] if summary.pooled is not None else [])]
    yield f"# What changed in {len(summary.domains)} domains: {markdown_inline(summary.name, 80)}"
    yield ""
    for alert in summary.alerts:
        yield f"**Read this first**: {markdown_inline(alert, 600)}"
        yield ""
    for sentence in headline(summary):
        yield markdown_inline(sentence)
        yield ""
    if not summary.complete:
        yield from _missing(summary)
    yield "## Order parameters by domain"
    yield ""
    yield from _matrix(summary, everything)
    yield "## Each domain by itself"
    yield ""
    yield from _table(
        ["domain", "total dissimilarity", "its own set captures", "parameters", "report"],
        [_domain(one) for one in everything],
    )
    yield "## How this was decided"
    yield ""
    for sentence in (*rule_sentences(summary), usage_sentence(summary)):
        yield f"- {sentence}"


def _missing(summary: Summary) -> Iterator[str]:
    yield "**Not complete.** The same command goes on with what is missing."
    yield ""
    for one in summary.domains:
        if one.status == "failed":
            yield f"- {markdown_inline(one.label, 60)}: {markdown_inline(one.error or 'failed', 600)}"
    for warning in summary.warnings:
        yield f"- {markdown_inline(warning, 600)}"
    yield ""


def _matrix(summary: Summary, everything: Sequence[Domain]) -> Iterator[str]:
    if not summary.parameters:
        yield "No job chose an order parameter."
        yield ""
        return
    yield "The share of the domain's own change that a parameter captures there, alone; bold where it was seen."
    yield ""
    head = ["parameter", *(one.label for one in everything)]
    yield from _table(head, [_row(summary, row, everything) for row in summary.parameters])
    for verdict, title in VERDICTS.items():
        for row in summary.parameters:
            if row.verdict == verdict:
                yield (
                    f"- {markdown_inline(row.name, 60)} ({title.lower()}): {markdown_inline(row.says)} Found in "
                    f"{markdown_inline(found_words(summary, row))}."
                )
    yield ""


def _row(summary: Summary, row: RowRecord, everything: Sequence[Domain]) -> list[str]:
    cells = [row.name]
    for one in everything:
        cell = row.pooled if one is summary.pooled else row.cells[one.name]
        limits = limits_cell(cell)
        shown = f"{share_cell(cell, one.bound)} ({limits})" if limits else share_cell(cell, one.bound)
        cells.append(f"**{shown}**" if is_seen(cell, summary.level) else shown)
    return cells


def _domain(one: Domain) -> list[str]:
    if one.status == "failed":
        return [one.label, f"failed: {markdown_cell(one.error or '', 300)}", "", "", ""]
    report = f"[report]({quote(one.report)})" if one.report else ""
    return [one.label, total_cell(one), captured_cell(one), str(len(one.parameters)), report]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first cell of a row is somebody's text, the others are ours."""
    yield f"| {' | '.join(markdown_cell(one, 60) for one in head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for first, *rest in rows:
        yield f"| {markdown_cell(first, 60)} | {' | '.join(rest)} |"
    yield ""
