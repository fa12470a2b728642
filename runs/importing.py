"""Import of what people bring into a run: two sides, or a sweep along an axis, from files or from memory.

Everything is read and checked before anything is written, so that nothing is half-imported. What was decided is
said in notes, which the run keeps.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from probes.errors import InputError
from runs import observations
from runs.columns import places_of
from runs.directory import Run
from runs.formats.fields import Plan, path_in, plan_of
from runs.formats.memory import rows_source
from runs.formats.record import Record, Source, listed, name_shown, refuse, shown
from runs.formats.rows import Responses, read_responses
from runs.formats.source import SUFFIXES, open_source
from runs.manifest import Control, ControlValue, FileRecord, InputRecord, file_record
from runs.storing import Imported, ImportOptions, create_run
from runs.texts import SpilledTexts, TextFacts

SIDES = ("before", "after")


@dataclass(frozen=True)
class Part:
    """A source and the condition its rows are under. keep: field and value of the rows that are taken."""

    source: Source
    label: str
    response_field: str | None = None
    keep: tuple[str, str] | None = None


def import_pair(before: Path, after: Path | None, out: Path, options: ImportOptions | None = None) -> Imported:
    """Imports two sides into a run at `out`: two files, or one file whose sides the options tell apart.

    A run that is at `out` already and was made from the same input is opened. InputError: a file that cannot be
    read as it is, by line and field; sides without a common prompt; `out` taken by anything else.
    """
    options = options or ImportOptions()
    sources = [open_source(path, options.names) for path in (before, after) if path is not None]
    parts = _two_parts(sources, options)
    files = {"before": before} if after is None else {"before": before, "after": after}
    fingerprint = _of_files(files, options)
    return _opened(out, fingerprint, options) or _import_parts(parts, out, options, fingerprint)


def import_rows(
    before_rows: object, after_rows: object | None, out: Path, options: ImportOptions | None = None
) -> Imported:
    """Imports rows in memory (lists of dicts, data frames, Arrow tables) as `import_pair` does files."""
    options = options or ImportOptions()
    given = [before_rows] if after_rows is None else [before_rows, after_rows]
    sources = [rows_source(rows, name) for rows, name in zip(given, SIDES, strict=False)]
    parts = _two_parts(sources, options)
    files = {source.name: _of_rows(source) for source in sources}
    fingerprint = InputRecord(files={**files, **_of_scores(options)}, options=_told(options))
    return _opened(out, fingerprint, options) or _import_parts(parts, out, options, fingerprint)


def import_sweep(file: Path, out: Path, options: ImportOptions) -> Imported:
    """Imports a sweep along `options.axis` into a run at `out`.

    file: one file whose field of that name holds the values, or a folder with one file a value, told by what
    differs in their names. Errors as `import_pair`.
    """
    if options.axis is None:
        raise InputError(f"{name_shown(file)}: a sweep needs --axis, the field that holds the control parameter")
    if file.is_dir() and not (file / "run.json").is_file():
        paths = sorted(path for path in file.iterdir() if path.name.lower().endswith(SUFFIXES))
        if len(paths) < 2:
            raise refuse(name_shown(file), f"{len(paths)} files of responses", "a sweep has one file a value")
        values = _values_of_names(paths)
        sources = [open_source(path, options.names) for path in paths]
        parts = [Part(source, value) for source, value in zip(sources, values, strict=True)]
        fingerprint = _of_files({path.name: path for path in paths}, options)
        return _opened(out, fingerprint, options) or _import_parts(parts, out, options, fingerprint)
    source = open_source(file, options.names)
    fingerprint = _of_files({"sweep": file}, options)
    return _opened(out, fingerprint, options) or _import_axis(source, out, options, fingerprint)


# Parts: what is read under which condition


def _two_parts(sources: Sequence[Source], options: ImportOptions) -> list[Part]:
    by = (options.by, options.before, options.after)
    columns = (options.before_column, options.after_column)
    if len(sources) == 2:
        if any(by) or any(columns):
            raise InputError("--by and --before-column are for one file that holds both sides; two were given")
        return [Part(source, label) for source, label in zip(sources, SIDES, strict=True)]
    source = sources[0]
    if all(columns) and not any(by):
        return [Part(source, label, response_field=column) for label, column in zip(SIDES, columns, strict=True)]
    if options.by and options.before is not None and options.after is not None and not any(columns):
        if options.before == options.after:
            raise InputError(
                f"--before and --after are both {shown(options.before)}; name two values of {options.by}"
            )
        values = (options.before, options.after)
        return [Part(source, label, keep=(options.by, value)) for label, value in zip(SIDES, values, strict=True)]
    raise refuse(
        source.name,
        "one file alone",
        "say which rows are which with --by COLUMN --before VALUE --after VALUE, or which column holds which "
        f"responses with --before-column A --after-column B{_columns_that_tell(source)}",
    )


def _columns_that_tell(source: Source) -> str:
    """Fields with a few values, which may tell the sides apart, for a message."""
    values: dict[str, set[str]] = defaultdict(set)
    for record in source.records():
        for name, value in record.fields.items():
            if isinstance(value, str | int) and len(values[name]) < 10:
                values[name].add(_condition_label(value))
    few = [f"{shown(name)} ({listed(sorted(found), 4)})" for name, found in values.items() if 1 < len(found) < 10]
    return f"; columns with few values: {', '.join(few[:4])}" if few else f"; columns found: {listed(values)}"


def _condition_label(value: object) -> str:
    """A value as it is compared with what a person typed: 8.0 and "8" are one."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _values_of_names(paths: Sequence[Path]) -> list[str]:
    """What differs in the file names: their number where each has its own, else the whole stem."""
    stems = [path.name.split(".")[0] if path.suffix == ".gz" else path.stem for path in paths]
    numbers = [re.findall(r"\d+(?:\.\d+)?", stem) for stem in stems]
    width = min(map(len, numbers))
    for position in range(width):
        column = [found[position] for found in numbers]
        if len(set(column)) == len(column):
            return column
    return stems


# Reading


def _import_parts(parts: Sequence[Part], out: Path, options: ImportOptions, fingerprint: InputRecord) -> Imported:
    """Imports one part a condition."""
    with closing(SpilledTexts(out.resolve().parent)) as texts:
        responses = Responses(response_N=texts)
        labels, control, metadata, notes = _read_parts(parts, responses, options)
        return create_run(control, labels, responses, metadata, notes, out, options, fingerprint)


def _read_parts(
    parts: Sequence[Part], responses: Responses, options: ImportOptions
) -> tuple[list[str], Control, list[Mapping[str, object]], list[str]]:
    """Labels of the conditions, the control parameter, what the files say of their rows, and notes."""
    notes = list(dict.fromkeys(note for part in parts for note in part.source.notes))
    for index, part in enumerate(parts):
        named = options.named
        if part.response_field:
            named = replace(named, response=part.response_field, response_flag=f"--{part.label}-column")
        plan = plan_of(part.source, named)
        notes += [f"{part.label}: {said}" if part.response_field else said for said in plan.said]
        notes += _read_part(part, plan, index, responses, options)
        if index not in responses.condition_N[-1:]:
            raise refuse(part.source.name, f"no response {part.label} (all are missing)", "each side needs some")
    labels = [part.label for part in parts]
    metadata = [part.source.metadata for part in parts]
    control = Control(name="side", values=list(SIDES))
    if options.axis is not None:
        labels, control = _in_order(labels, responses, options.axis)
        metadata = [metadata[[part.label for part in parts].index(label)] for label in labels]
    return labels, control, metadata, list(dict.fromkeys(notes))


def _read_part(part: Part, plan: Plan, index: int, into: Responses, options: ImportOptions) -> list[str]:
    if part.keep is None:
        read_responses(part.source, plan, into, lambda _: index, options.thinking)
        return []
    column, value = part.keep
    path = path_in(column, plan.found)
    if path is None:
        raise refuse(part.source.name, f"no field {shown(column)} (--by)", f"fields found: {listed(plan.found)}")
    seen: Counter[str] = Counter()

    def condition_of(record: Record) -> int | None:
        label = _condition_label(path.of(record.fields))
        seen[label] += 1
        return index if label == value else None

    read_responses(part.source, plan, into, condition_of, options.thinking)
    if not seen[value]:
        what = f"no row whose {shown(column)} is {shown(value)} (--{part.label})"
        raise refuse(part.source.name, what, f"values found: {listed(seen)}")
    others = [label for label in seen if label not in (options.before, options.after)]
    left_out = sum(seen[label] for label in others)
    rest = f"; {left_out} rows of other values left out ({listed(others, 4)})" if others else ""
    return [f"{part.label}: {seen[value]} rows whose {shown(column)} is {shown(value)}{rest}"]


def _import_axis(source: Source, out: Path, options: ImportOptions, fingerprint: InputRecord) -> Imported:
    """Imports one source whose field tells the condition."""
    axis = options.axis or ""
    plan = plan_of(source, options.named)
    path = path_in(axis, plan.found)
    if path is None:
        raise refuse(source.name, f"no field {shown(axis)} (--axis)", f"fields found: {listed(plan.found)}")
    index: dict[str, int] = {}

    def condition_of(record: Record) -> int:
        value = path.of(record.fields)
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value != value or value == "":
            raise refuse(
                f"{source.place(record.number)}, field {shown(axis)}",
                f"{shown(value)} for a value of the axis",
                "a value is a number or a name",
            )
        return index.setdefault(_condition_label(value), len(index))

    with closing(SpilledTexts(out.resolve().parent)) as texts:
        responses = Responses(response_N=texts)
        read_responses(source, plan, responses, condition_of, options.thinking)
        if len(set(responses.condition_N)) < 2:
            what = f"{shown(axis)} has one value only ({listed(index)})" if index else "no response"
            raise refuse(source.name, what, "a sweep has at least two values of its axis")
        labels, control = _in_order(list(index), responses, axis)
        return create_run(control, labels, responses, [], [*source.notes, *plan.said], out, options, fingerprint)


def _in_order(labels: Sequence[str], responses: Responses, axis: str) -> tuple[list[str], Control]:
    """The labels in the order of the axis, the conditions of the responses renumbered to it, and the control.

    Numbers by size, names by the number they hold where they differ in it alone, else as they came.
    """
    used = sorted(set(responses.condition_N))
    found = [labels[index] for index in used]
    numbers = [_number(label) for label in found]
    control_values: list[ControlValue]
    if None not in numbers:
        order = sorted(range(len(found)), key=lambda i: numbers[i] or 0)
        control_values = [number for i in order if (number := numbers[i]) is not None]
    else:
        stems = {re.sub(r"\d+", "", label) for label in found}
        inner = [int(match[0]) if (match := re.search(r"\d+", label)) else -1 for label in found]
        order = sorted(range(len(found)), key=lambda i: inner[i]) if len(stems) == 1 else list(range(len(found)))
        control_values = [found[i] for i in order]
    rank = {used[old]: new for new, old in enumerate(order)}
    responses.condition_N[:] = [rank[index] for index in responses.condition_N]
    for counts in (responses.missing, responses.thinking):
        renumbered = {rank[index]: count for index, count in counts.items() if index in rank}
        counts.clear()
        counts.update(renumbered)
    return [found[i] for i in order], Control(name=axis, values=control_values)


def _number(label: str) -> int | float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    if number != number or number in (float("inf"), -float("inf")):
        return None
    return int(label) if re.fullmatch(r"[+-]?\d+", label) else number


# The same input again


def _of_files(files: Mapping[str, Path], options: ImportOptions) -> InputRecord:
    records = {role: file_record(path) for role, path in files.items()}
    return InputRecord(files={**records, **_of_scores(options)}, options=_told(options))


def _of_scores(options: ImportOptions) -> dict[str, FileRecord]:
    for path in options.scores:
        open_source(path)  # a missing file is named before any checksum is taken
    return {f"scores {number}": file_record(path) for number, path in enumerate(options.scores, 1)}


def _of_rows(source: Source) -> FileRecord:
    digest, size = hashlib.sha256(), 0
    for record in source.records():
        data = json.dumps(record.fields, sort_keys=True, default=str).encode()
        digest.update(data + b"\n")
        size += len(data) + 1
    return FileRecord(size=size, sha256=digest.hexdigest())


def _told(options: ImportOptions) -> dict[str, JsonValue]:
    """The options that change what is read; scores count as files, and a run keeps the seed of its splits."""
    others = ("name", "scores", "seed")
    given = {one.name: getattr(options, one.name) for one in fields(options) if one.name not in others}
    return {name: value for name, value in given.items() if value is not None}


def _opened(out: Path, fingerprint: InputRecord, options: ImportOptions) -> Imported | None:
    """The run at `out` if made from this input, None where nothing is. InputError: anything else is there."""
    run = Run.of_input(out, fingerprint)
    if run is None:
        return None
    manifest = run.manifest
    samples = run.samples(["prompt_id", "checkpoint"])
    alerts = observations.alerts(
        [str(value) for value in manifest.control.values],
        places_of(samples["prompt_id"], run.prompts()["prompt_id"].combine_chunks()),
        np.asarray(samples["checkpoint"], dtype=np.int64),
        TextFacts.of(run.responses()),
    )
    notes = tuple(manifest.notes)
    if options.seed != manifest.seed:
        notes += (f"the run keeps its splits, which were made with seed {manifest.seed}",)
    return Imported(run, notes, tuple(manifest.warnings), alerts)
