"""Tables as CSV (RFC 4180): the numbers of a report, and scores by sample.

Spreadsheets run text that begins like a formula: such a cell gets an apostrophe in front. What cannot be seen is
shown as an escape, as everywhere.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from tools.report.document import BySide, Interval, Parameter, Report
from tools.report.safe_text import visible

if TYPE_CHECKING:
    import pyarrow as pa

Cell = str | int | float | None

_INTERVALS = ("dissimilarity", "share", "gain", "tv", "js")
COLUMNS = (
    *("row", "id", "name", "question", "judge", "round", "dissimilarity_bound", "share_bound"),
    *(f"{name}{end}" for name in _INTERVALS for end in ("", "_low", "_high", "_one_sided")),
    *("shapley", "p_value", "q_value", "samples_before", "samples_after", "before", "after"),
)
"""Columns of the numbers, named as in report.json. A bound is "exact", "lower", "upper", or "unknown" where two
bounds pull both ways. before, after: the probability of each level by its name, as JSON."""

_ROWS = 10_000  # of a table that are Python objects at a time

_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def render(report: Report) -> str:
    """The numbers in full precision: a row a parameter in greedy order, then the set and the total."""
    rows = [*(_parameter(report, one) for one in report.parameters), _set(report), _total(report)]
    return csv_text(COLUMNS, ([row.get(name) for name in COLUMNS] for row in rows))


def of_table(table: "pa.Table") -> str:
    """A table of texts and numbers."""
    rows = (row for batch in table.to_batches(_ROWS) for row in zip(*batch.to_pydict().values(), strict=True))
    return csv_text(table.column_names, rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Lines that end in CR LF, the header first. A number has all its digits; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([harmless(name) for name in header])
    writer.writerows([harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula; a text that is a number stays one.

    >>> harmless("=1+1"), harmless("-5"), harmless("a-b")
    ("'=1+1", '-5', 'a-b')
    """
    begins_one = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{visible(text)}" if begins_one else visible(text)


def _parameter(report: Report, parameter: Parameter) -> dict[str, Cell]:
    judged = BySide(before=parameter.judged.before, after=parameter.judged.after)
    return {
        "row": "parameter",
        "id": parameter.id,
        "name": parameter.name,
        "question": parameter.question,
        "judge": parameter.judge,
        "round": parameter.round,
        "dissimilarity_bound": "exact",
        "share_bound": "upper" if report.total.bound == "lower" else "exact",
        **_interval("dissimilarity", parameter.dissimilarity),
        **_interval("share", parameter.share),
        **_interval("gain", parameter.gain),
        "tv": parameter.tv,
        "shapley": parameter.shapley,
        "p_value": parameter.p_value,
        "q_value": parameter.q_value,
        **_samples(judged),
        "before": json.dumps(parameter.before),
        "after": json.dumps(parameter.after),
    }


def _set(report: Report) -> dict[str, Cell]:
    regression, below = report.set.estimator == "regression", report.total.bound == "lower"
    bounds = {(True, True): "unknown", (True, False): "lower", (False, True): "upper", (False, False): "exact"}
    return {
        "row": "set",
        "dissimilarity_bound": "lower" if regression else "exact",
        "share_bound": bounds[regression, below],
        **_interval("dissimilarity", report.set.dissimilarity),
        **_interval("share", report.set.share),
        "tv": report.set.tv,
        "js": report.set.js,
        **_samples(report.set.samples),
    }


def _total(report: Report) -> dict[str, Cell]:
    total = report.total
    return {
        "row": "total",
        "dissimilarity_bound": total.bound,
        **_interval("dissimilarity", total.linear),
        **_interval("tv", total.tv),
        **_interval("js", total.js),
        **_samples(report.samples),
    }


def _interval(name: str, interval: Interval) -> Mapping[str, Cell]:
    return {
        name: interval.value,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_one_sided": "true" if interval.one_sided else "false",
    }


def _samples(samples: BySide | None) -> Mapping[str, Cell]:
    return {} if samples is None else {"samples_before": samples.before, "samples_after": samples.after}
