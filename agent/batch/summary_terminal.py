"""A batch's summary on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.batch.summary import Summary
from agent.batch.summary_words import headline, is_seen, rule_sentences, share_cell, usage_sentence
from tools.report.safe_text import one_line


def render(summary: Summary) -> RenderableType:
    """Sentences, the matrix, and how it was decided."""
    parts: list[RenderableType] = [Text(one_line(alert, 600), style="bold red") for alert in summary.alerts]
    parts += [Text(sentence) for sentence in headline(summary)]
    for one in summary.domains:
        if one.status == "failed":
            parts.append(Text(f"{one_line(one.label, 40)}: {one_line(one.error or 'failed', 400)}", style="red"))
    parts += [Text(one_line(warning, 400), style="red") for warning in summary.warnings]
    if summary.parameters:
        parts += [Text(), _matrix(summary), Text()]
        parts += [Text(f"{one_line(row.name, 40)}: {row.says}") for row in summary.parameters]
    parts += [Text(), *(Text(sentence, style="dim") for sentence in rule_sentences(summary))]
    parts.append(Text(usage_sentence(summary), style="dim"))
    return Group(*parts)


def _matrix(summary: Summary) -> Table:
    everything = [*summary.domains, *([summary.pooled] if summary.pooled is not None else [])]
    table = Table(
        title="share of each domain's change; * seen there",
        title_justify="left",
        title_style="dim",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    table.add_column("parameter", max_width=30)
    for one in everything:
        table.add_column(Text(one_line(one.label, 40)), justify="right", max_width=14)
    for row in summary.parameters:
        cells = [Text(one_line(row.name, 40))]
        for one in everything:
            cell = row.pooled if one is summary.pooled else row.cells[one.name]
            mark = "*" if is_seen(cell, summary.level) else " "
            cells.append(Text(f"{share_cell(cell, one.bound)}{mark}"))
        table.add_row(*cells)
    return table
