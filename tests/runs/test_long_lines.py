"""A gigabyte on one line, in whatever file: refused in one line, in bounded time and memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made import jsonl, rows

GIGABYTE = 10**9
MOST_MEMORY = 1200 << 20
MOST_SECONDS = 60

IMPORTED = """
import json, resource, sys, time
from pathlib import Path
from probes.errors import InputError
from runs.importing import import_pair
began, said = time.monotonic(), None
try:
    import_pair(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
except InputError as error:
    said = str(error)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([said, memory, time.monotonic() - began]))
"""

ROW = b'{"prompt": "Name a river.", "response": "'
BEGINS = {
    "lines.jsonl": (ROW, "line 1: the line is longer than 64 MiB; give one row a line"),
    "second.jsonl": (ROW + b'Oder"}\n' + ROW, "line 2: the line is longer than 64 MiB; give one row a line"),
    "object.json": (ROW, "a JSON document larger than 512 MiB; give JSON Lines, one row a line"),
    "array.json": (b"[" + ROW, "line 1: "),
    "table.csv": (b"prompt,response\nName a river.,", "line 2: the line is longer than 64 MiB"),
    "header.csv": (b"prompt,response,", "line 1: the line is longer than 64 MiB"),
}


def refused(path: Path, other: Path, folder: Path) -> str:
    """What the import of the two files says; it took little time and memory, and left nothing."""
    command = [sys.executable, "-c", IMPORTED, str(path), str(other), str(folder / "run")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    said, memory, seconds = json.loads(run.stdout)
    assert said is not None
    assert "\n" not in said
    assert memory < MOST_MEMORY
    assert seconds < MOST_SECONDS
    assert {one.name for one in folder.iterdir()} == {path.name, other.name}
    return str(said)


@pytest.mark.parametrize("name", BEGINS)
def test_a_gigabyte_of_nothing_on_one_line_is_refused(tmp_path: Path, name: str) -> None:
    begin, said = BEGINS[name]
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(begin + b" words" * 20_000)  # beyond what is looked at to tell the format
        file.truncate(GIGABYTE)
    other = jsonl(tmp_path / "other.jsonl", rows("a"))
    answer = refused(path, other, tmp_path)
    assert name in answer
    assert said in answer


@pytest.mark.parametrize(
    ("name", "begin", "said"),
    [
        (
            "array.json",
            b"[" + ROW,
            "line 1: an element of the array is longer than 64 MiB; each element must be one row",
        ),
        (
            "quoted.csv",
            b'prompt,response\nName a river.,"',
            "row beginning at line 2: a field is longer than 64 MiB",
        ),
        ("lines.jsonl", ROW, "line 1: the line is longer than 64 MiB"),
    ],
)
@pytest.mark.parametrize("size", [160 << 20, pytest.param(GIGABYTE, marks=pytest.mark.slow)])
def test_so_is_a_gigabyte_of_text(tmp_path: Path, name: str, begin: bytes, said: str, size: int) -> None:
    path = tmp_path / name
    piece = ("Mosel and Rhein, " * 1000).encode() + (b"\n" if name == "quoted.csv" else b"")
    with path.open("wb") as file:
        file.write(begin)
        while file.tell() < size:
            file.write(piece * 100)
    assert said in refused(path, jsonl(tmp_path / "other.jsonl", rows("a")), tmp_path)


def test_the_longest_rows_that_people_have_are_read(tmp_path: Path) -> None:
    """Twenty million characters of a response, as a line, as an element and in a document."""
    long: list[dict[str, Any]] = rows("b")
    long[0]["response"] = "Mosel and Rhein, " * 1_200_000
    one = jsonl(tmp_path / "before.jsonl", long)
    array = tmp_path / "before.json"
    array.write_text(json.dumps(long), encoding="utf-8")
    other = jsonl(tmp_path / "after.jsonl", rows("a"))
    for number, path in enumerate((one, array)):
        run = subprocess.run(
            [sys.executable, "-c", IMPORTED, str(path), str(other), str(tmp_path / f"run{number}")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(run.stdout)[0] is None
