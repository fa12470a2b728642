"""Input files of every shape that people bring, gone wrong in one to three ways.

Each is imported, in one process, and some by the real command: either it is read, and the run is sound, or it is
refused in one line and nothing of a run is left. Never anything else, in bounded time and memory.
"""

import csv
import gzip
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from probes.errors import InputError
from runs.check import check_run
from runs.importing import import_pair, import_sweep
from runs.storing import ImportOptions
from tests.torture.mutations import Random, chosen, mutated_bytes, mutated_value, odd_value
from tests.torture.processes import command, environment
from tests.torture.tally import SECONDS, Tally, assert_one_line, tallied, within

FIELDS = (
    *("prompt", "question", "instruction", "input", "probe", "response", "answer", "output", "completion"),
    *("generation", "messages", "conversation", "system_prompt", "id", "prompt_id", "scores", "score", "domain"),
    *("sample", "epoch", "finish_reason", "logprob", "role", "content", "from", "value", "samples", "status"),
    *("eval", "doc_id", "arguments", "resps", "choices", "message", "text", "checkpoint", "model", "data"),
)


def _row(prompt: int, draw: int, side: str = "x") -> dict[str, Any]:
    return {
        "prompt": f"Question {prompt}?",
        "response": f"{side} answer {draw} to it,\nwith a second line",
        "prompt_id": f"p{prompt}",
        "sample": draw,
        "scores": {"aligned": float(draw), "label": "REFUSAL" if draw else "fine"},
    }


ROWS = [_row(prompt, draw) for prompt in range(3) for draw in range(2)]
AFTER = [_row(prompt, draw, "y") for prompt in range(3) for draw in range(2)]


def _chat(row: dict[str, Any]) -> dict[str, Any]:
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": row["prompt"]}]},
        {"role": "assistant", "content": row["response"]},
    ]
    return {"messages": turns}


def _inspect_sample(row: dict[str, Any], number: int) -> dict[str, Any]:
    answer = {"message": {"role": "assistant", "content": row["response"]}, "stop_reason": "stop"}
    return {
        "id": row["prompt_id"],
        "epoch": 1 + number % 2,
        "input": [{"role": "user", "content": row["prompt"]}],
        "messages": [{"role": "user", "content": row["prompt"]}, answer["message"]],
        "output": {"choices": [answer]},
        "scores": {"match": {"value": "C"}},
    }


_LOG: dict[str, Any] = {
    "status": "success",
    "eval": {"model": "m", "model_generate_config": {"temperature": 1.0}},
    "plan": {"config": {"max_tokens": 20}},
}


@dataclass(frozen=True)
class Shape:
    """A kind of file. document: what is in it, to be mutated before `write` makes bytes of it."""

    suffix: str
    document: Any
    write: Callable[[Any, Random], bytes]
    options: dict[str, Any] = field(default_factory=dict)
    axis: bool = False
    alone: bool = False  # one file holds both sides


def _json(document: Any, rng: Random) -> bytes:
    text = json.dumps(document, indent=2 if rng.random() < 0.3 else None, ensure_ascii=rng.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _lines(document: Any, rng: Random) -> bytes:
    rows = document if isinstance(document, list) else [document]
    return b"\n".join(
        json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass") for row in rows
    )


def _packed(document: Any, rng: Random) -> bytes:
    return gzip.compress(_lines(document, rng), mtime=0)


def _table(document: Any, rng: Random, delimiter: str = ",") -> bytes:
    """Rows of objects as CSV; what is no object becomes a row of one cell."""
    rows = (
        [row if isinstance(row, dict) else {"odd": row} for row in document] if isinstance(document, list) else []
    )
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=chosen(rng, ["\n", "\r\n"]), escapechar="\\")
    writer.writerow(names)
    for row in rows:
        told = {str(name): value for name, value in row.items()}
        writer.writerow([told.get(name, "") if rng.random() < 0.98 else "" for name in names])
    mark = "\ufeff" if rng.random() < 0.2 else ""
    return (mark + out.getvalue()).encode("utf-8", "surrogatepass")


def _tabs(document: Any, rng: Random) -> bytes:
    return _table(document, rng, "\t")


def _parquet(document: Any, rng: Random) -> bytes:
    """Columns as they come; one that Arrow has no type for becomes text, or an odd type."""
    rows = [row for row in document if isinstance(row, dict)] if isinstance(document, list) else []
    columns: dict[str, pa.Array] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        try:
            column = pa.array(values)
            pq.write_table(pa.table({"a": column}), io.BytesIO())
        except (pa.ArrowException, OverflowError, UnicodeEncodeError):  # no type, or none that Parquet has
            column = pa.array([repr(value).encode("utf-8", "replace") for value in values])
        columns[name.encode("utf-8", "replace").decode()] = column
    if columns and rng.random() < 0.3:
        name = chosen(rng, list(columns))
        count = len(rows)
        columns[name] = chosen(
            rng,
            [
                pa.nulls(count),
                pa.array([b"\xff\xfe"] * count),
                pa.array([1] * count, pa.timestamp("us")),
                pa.array([["a", None]] * count),
                pa.array(["a"] * count).dictionary_encode(),
                pa.array([{"x": {"y": 1}}] * count),
                pa.array(["a"] * count, pa.large_string()),
                pa.array([float("nan")] * count),
            ],
        )
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


MEMBERS = (
    "../../outside.json",
    "/etc/passwd",
    "samples/../../x.json",
    "samples/\n_epoch_1.json",
    "samples/a.json",
)


def _eval(document: Any, rng: Random) -> bytes:
    """A log as a zip: header and a member a sample; now and then a member that has no business there."""
    log = document if isinstance(document, dict) else {}
    samples = log.get("samples")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        header = {key: value for key, value in log.items() if key != "samples"}
        archive.writestr(zipfile.ZipInfo("header.json"), _json(header, rng))
        for number, sample in enumerate(samples if isinstance(samples, list) else [samples]):
            archive.writestr(zipfile.ZipInfo(f"samples/p{number}_epoch_1.json"), _json(sample, rng))
        if rng.random() < 0.3:
            odd = zipfile.ZipInfo(chosen(rng, MEMBERS))
            if rng.random() < 0.5:
                odd.external_attr = 0o120777 << 16  # a symbolic link
            archive.writestr(odd, chosen(rng, [b"/etc/passwd", b"{}", _json(odd_value(rng), rng)]))
    return out.getvalue()


_LONG = [{**row, "model": model} for model, rows in (("base", ROWS), ("tuned", AFTER)) for row in rows]
_WIDE = [
    {"prompt": one["prompt"], "base model.v1": one["response"], "tuned model.v2": other["response"]}
    for one, other in zip(ROWS, AFTER, strict=True)
]
_FRAME = {name: [row[name] for row in ROWS] for name in ("prompt", "response", "prompt_id")}
_RESPS = [
    {
        "doc_id": n,
        "doc": {"question": row["prompt"]},
        "arguments": [[row["prompt"], {}]],
        "resps": [[row["response"]]],
    }
    for n, row in enumerate(ROWS)
]
_SWEEP = [{**row, "checkpoint": value} for value in (0, 10, 20) for row in ROWS]

SHAPES: dict[str, Shape] = {
    "lines": Shape(".jsonl", ROWS, _lines),
    "array": Shape(".json", ROWS, _json),
    "packed lines": Shape(".jsonl.gz", ROWS, _packed),
    "comma": Shape(".csv", ROWS, _table),
    "tab": Shape(".tsv", ROWS, _tabs),
    "parquet": Shape(".parquet", ROWS, _parquet),
    "text and number": Shape(".jsonl", [{**row, "answer": 3} for row in ROWS], _lines),
    "chat": Shape(".jsonl", [_chat(row) for row in ROWS], _lines),
    "list of responses": Shape(
        ".json", [{**ROWS[0], "response": ["a", "b"]}, {**ROWS[2], "response": ["c"]}], _json
    ),
    "by category": Shape(".json", {"results": {"kind": ROWS[:3], "unkind": ROWS[3:]}}, _json),
    "parallel lists": Shape(".json", _FRAME, _json),
    "inspect log": Shape(
        ".json", {**_LOG, "samples": [_inspect_sample(row, n) for n, row in enumerate(ROWS)]}, _json
    ),
    "inspect zip": Shape(
        ".eval", {**_LOG, "samples": [_inspect_sample(row, n) for n, row in enumerate(ROWS)]}, _eval
    ),
    "lm-eval": Shape(".jsonl", _RESPS, _lines),
    "told by a column": Shape(
        ".csv", _LONG, _table, {"by": "model", "before": "base", "after": "tuned"}, alone=True
    ),
    "a column a side": Shape(
        ".csv", _WIDE, _table, {"before_column": "base model.v1", "after_column": "tuned model.v2"}, alone=True
    ),
    "sweep": Shape(".jsonl", _SWEEP, _lines, {"axis": "checkpoint"}, axis=True, alone=True),
    "fields named": Shape(
        ".json",
        [{"row": {"q": row["prompt"]}, "said": [{"t": row["response"]}]} for row in ROWS],
        _json,
        {"prompt_field": "row.q", "response_field": "said.t"},
    ),
}


@dataclass(frozen=True)
class Case:
    """A file that went wrong, with how it is imported. number: of the attempt, by which it can be made again."""

    number: int
    shape: str
    name: str
    content: bytes

    def __str__(self) -> str:
        return f"case {self.number} ({self.shape})"


def case_of(seed: int, number: int) -> Case:
    rng = np.random.default_rng([seed, number])
    shape_name = chosen(rng, list(SHAPES))
    shape = SHAPES[shape_name]
    document = shape.document
    for _ in range(int(rng.integers(0, 3))):
        document = mutated_value(rng, document, FIELDS)
    content = shape.write(document, rng)
    if rng.random() < 0.4:
        content = mutated_bytes(rng, content)
    suffix = shape.suffix if rng.random() < 0.9 else chosen(rng, [one.suffix for one in SHAPES.values()])
    return Case(number, shape_name, f"before{suffix}", content)


def placed(case: Case, folder: Path) -> tuple[Path, Path | None]:
    """The case's file in an empty folder, and the other side's, where there is one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / case.name
    path.write_bytes(case.content)
    if SHAPES[case.shape].alone:
        return path, None
    other = folder / "after.jsonl"
    other.write_bytes(_lines(AFTER, np.random.default_rng(0)))
    return path, other


def attempt(case: Case, folder: Path) -> bool:
    """Imports the case; whether it was read. AssertionError where a refusal is not as it should be."""
    shape = SHAPES[case.shape]
    path, other = placed(case, folder)
    out = folder / "run"
    try:
        with within(SECONDS):
            if shape.axis:
                import_sweep(path, out, ImportOptions(**shape.options))
            else:
                import_pair(path, other, out, ImportOptions(**shape.options))
    except InputError as error:
        assert_one_line(error)
        assert sorted(one.name for one in folder.iterdir()) == sorted(one.name for one in (path, other) if one), (
            "a refused import left something behind"
        )
        return False
    found = check_run(out)
    assert found.sound, f"the run is damaged: {found.findings}"
    return True


def attack(count: int, seed: int, folder: Path) -> Tally:
    """Imports so many cases in this process."""
    cases = (case_of(seed, number) for number in range(count))
    return tallied(cases, partial(attempt, folder=folder))


def command_of(case: Case, folder: Path) -> list[str]:
    """The command that imports the case, whose files are placed in the folder."""
    path, other = placed(case, folder)
    options = SHAPES[case.shape].options
    flags = [part for key, value in options.items() for part in ("--" + key.replace("_", "-"), value)]
    files = [one for one in (path, other) if one]
    return command("import", *files, "--out", folder / "run", "--quiet", *flags)


def attack_by_command(count: int, seed: int, folder: Path) -> Tally:
    """The same as commands: exit code 0, or 2 with one line on standard error."""

    def attempt(case: Case) -> bool:
        done = subprocess.run(
            command_of(case, folder), env=environment(), capture_output=True, timeout=4 * SECONDS
        )
        told = done.stderr.decode("utf-8", "replace")
        if done.returncode == 0:
            assert (folder / "run" / "run.json").is_file(), "no run was made"
            return True
        assert done.returncode == 2, f"exit code {done.returncode}: {told[-300:]!r}"
        assert told.count("\n") == 1, f"more than one line: {told[-300:]!r}"
        assert not (folder / "run").exists(), "part of a run was left"
        return False

    cases = (case_of(seed, number) for number in range(count))
    return tallied(cases, attempt)
