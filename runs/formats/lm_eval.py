"""Sample logs of lm-evaluation-harness (`samples_*.jsonl`): documents with the model's generations and metrics.

A document stands there once for each filter of its task; its generation is taken once, with the metrics of all.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from runs.formats.record import Record, Source, refuse

_BOOKKEEPING = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}


def is_lm_eval_row(row: Mapping[str, Any]) -> bool:
    """Whether a row is of such a log."""
    return "doc_id" in row and "arguments" in row and ("resps" in row or "filtered_resps" in row)


def lm_eval_source(source: Source) -> Source:
    """The documents of a log as rows of ours. InputError: the log holds likelihoods of given answers, no text."""

    def records() -> Iterator[Record]:
        rows: dict[str, Record] = {}
        for record in source.records():
            row = record.fields
            key = str(row.get("doc_id"))
            known = rows.setdefault(key, _row(source, record))
            filter_name = row.get("filter")
            for name in _metrics(row):
                label = name if filter_name in (None, "none") else f"{name} ({filter_name})"
                known.fields["scores"][label] = row[name]
        yield from rows.values()

    notes = (f"{source.name}: a sample log of lm-eval",)
    return Source(source.name, "an lm-eval sample log", source.unit, records, source.metadata, notes)


def _row(source: Source, record: Record) -> Record:
    row = record.fields
    if not is_lm_eval_row(row):
        raise refuse(
            source.place(record.number),
            "a row without doc_id, arguments and resps in a sample log of lm-eval",
            "give the log as lm-eval wrote it",
        )
    responses = row["resps"] if "resps" in row else row["filtered_resps"]
    if _holds_number(responses):
        raise refuse(
            source.place(record.number),
            "likelihoods of given answers, no generated text",
            "log a task whose output_type is generate_until",
        )
    fields = {
        "prompt_id": row["doc_id"],
        "prompt": _context(row["arguments"]),
        "response": responses,
        "scores": {},
    }
    return Record(fields, record.number)


def _metrics(row: Mapping[str, Any]) -> list[str]:
    names = row.get("metrics")
    if isinstance(names, list):
        return [name for name in names if isinstance(name, str) and name in row]
    return [name for name in row if name not in _BOOKKEEPING and not name.endswith("_hash")]


def _context(arguments: Any) -> Any:
    """The first argument of the first request, in the older spelling ([[context, settings]]) or the newer."""
    value = arguments
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
        value = value.get("arg_0") if isinstance(value, dict) else value
    while isinstance(value, list) and value and not isinstance(value[0], dict):
        value = value[0]
    return value


def _holds_number(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_number(item) for item in value)
    return isinstance(value, int | float)
