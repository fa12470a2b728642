"""A batch's summary as one self-contained HTML file: no script, no external resource, and a policy against both.

The single reports are linked by their place. Escaping is as in the page of a report (`tools.report.page`).
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment

from agent.batch import summary_words
from agent.batch.summary import Cell, Summary
from probes.words import count
from tools.report import html
from tools.report.numbers import listed
from tools.report.page import Own, templates

_HERE = Path(__file__).parent
_REPORT_STYLE = Path(html.__file__).with_name("report.css")


def render(summary: Summary) -> str:
    """The whole page. All text of models and users in it is escaped; nothing of it is obeyed."""
    style = Own(_REPORT_STYLE, _HERE / "summary.css")
    everything = [*summary.domains, *([summary.pooled] if summary.pooled is not None else [])]
    rows = [
        (verdict, members)
        for verdict in summary_words.VERDICTS
        if (members := [row for row in summary.parameters if row.verdict == verdict])
    ]

    return (
        _environment()
        .get_template("summary.html.jinja")
        .render(
            summary=summary,
            rows=rows,
            width=1 + len(everything),
            everything=everything,
            bounded=any(one.bound == "lower" for one in everything),
            transfers=_transfers(summary),
            regressed=any(one.estimator == "regression" for one in summary.transfers),
            alerts=[(one.label, alert) for one in everything for alert in one.warnings],
            style=style.text,
            style_hash=style.hash,
        )
    )


def _transfers(summary: Summary) -> list[tuple[str, list[tuple[Cell | None, str | None]]]]:
    """By source the cells of all columns, with what kind of bound their totals are."""
    everything = [*summary.domains, *([summary.pooled] if summary.pooled is not None else [])]
    cells = {
        (one.source, one.to): Cell(
            dissimilarity=one.dissimilarity, share=one.share, samples=one.samples, why=one.why
        )
        for one in summary.transfers
    }
    sources = [one for one in everything if any(key[0] == one.name for key in cells)]
    return [(one.label, [(cells.get((one.name, to.name)), to.bound) for to in everything]) for one in sources]


@cache
def _environment() -> Environment:
    environment = templates(_HERE)
    environment.globals.update(words=summary_words, count=count, listed=listed)
    return environment
