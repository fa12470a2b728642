"""Opens whatever file a person brings: told by its first bytes and its text, not by its name alone.

What is no data is refused by what it is.
"""

import difflib
import stat
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from runs.files import explained
from runs.formats.delimited import delimited, delimiter_of
from runs.formats.documents import document_source
from runs.formats.inspect_log import inspect_archive, inspect_document, is_inspect_document
from runs.formats.json_text import is_object, json_array, json_document, json_lines
from runs.formats.lm_eval import is_lm_eval_row, lm_eval_source
from runs.formats.parquet import parquet
from runs.formats.record import Source, listed, name_shown, refuse
from runs.formats.stream import BOM, begins_with_long_line, lines, open_bytes

HEAD_BYTES = 1 << 16

SUFFIXES = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".eval", ".gz")

_LINES = (".jsonl", ".ndjson")
_OFFICE = (".xlsx", ".xlsm", ".xls", ".ods", ".docx")

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch it with git lfs pull"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it first (zstd -d)"),
    (b"BZh", "packed with bzip2", "unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "packed with xz", "unpack it first (unxz)"),
    (b"\xff\xfe", "UTF-16 text", "save the file as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save the file as UTF-8"),
    (b"SQLite format 3", "an SQLite database", "export its table of responses as CSV"),
    (b"%PDF", "a PDF", "give the responses as JSON Lines or CSV"),
    (b"\x80\x02", "a pickle", "write the rows as JSON Lines"),
    (b"\x80\x03", "a pickle", "write the rows as JSON Lines"),
    (b"\x80\x04", "a pickle", "write the rows as JSON Lines"),
    (b"\x80\x05", "a pickle", "write the rows as JSON Lines"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"\x93NUMPY", "an array of NumPy", "give the responses as JSON Lines or CSV"),
)


def open_source(path: Path, named: Sequence[str] = ()) -> Source:
    """The rows of a file, whatever its format. named: fields that a person named.

    InputError: no such file, a folder, not data (by what it is), or damaged.
    """
    name = name_shown(path)
    _require_file(path, name)
    with explained(path, "read"), open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
    if not head.strip(BOM + b" \t\r\n\x00"):
        raise refuse(name, "the file is empty", "a file of responses has one row a response")
    for magic, what, right in _MAGIC:
        if head.startswith(magic):
            raise refuse(name, f"it is {what}", right)
    if head.startswith(b"PAR1"):
        return Source(name, "Parquet", "row", partial(parquet, path))
    if head.startswith(b"PK\x03\x04"):
        return _archive(path, name, head)
    if path.suffix.lower() in _OFFICE:
        raise refuse(name, "it is a broken Office document, or named as one", "save the sheet as CSV")
    if b"\x00" in head:
        raise refuse(name, "it is a binary file, not text", "give JSON Lines, JSON, CSV, TSV or Parquet")
    text = head.removeprefix(BOM).decode("utf-8", "ignore")
    start = text.lstrip()[:1]
    if start == "{":
        return _objects(path, name, named)
    if start == "[":
        return _told_by_row(Source(name, "a JSON array", "line", partial(json_array, path)))
    return _table(path, name, text)


def _require_file(path: Path, name: str) -> None:
    with explained(path, "read"):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise refuse(name, "no such file", _nearest(path)) from None
    if stat.S_ISDIR(mode):
        if (path / "run.json").is_file():
            raise refuse(
                name, "a run, where a file of responses belongs", "give the run alone, without a second one"
            )
        inside = sorted(file.name for file in path.iterdir() if file.name.endswith(SUFFIXES))
        right = f"name a file in it: {listed(inside, 5)}" if inside else "name a file of responses"
        raise refuse(name, "a folder, where a file of responses belongs", right)
    if not stat.S_ISREG(mode):
        raise refuse(name, "not an ordinary file", "give a file that can be read twice")


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {name_shown(path.parent)}"
    names = [file.name for file in path.parent.iterdir() if file.name != path.name]  # a link to nothing is there
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return f"did you mean {name_shown(path.parent / near[0])}?" if near else "check its name"


def _archive(path: Path, name: str, head: bytes) -> Source:
    if b"[Content_Types].xml" in head or b"xl/" in head or path.suffix.lower() in _OFFICE:
        raise refuse(name, "it is an Office document", "save the sheet as CSV")
    if b"/data.pkl" in head:
        raise refuse(name, "it is a PyTorch file", "give the responses as JSON Lines or CSV")
    return inspect_archive(path)


def _objects(path: Path, name: str, named: Sequence[str]) -> Source:
    """JSON Lines or one document: told by the suffix, else by whether the first line is an object of its own."""
    if _is_lines(path):
        return _told_by_row(Source(name, "JSON Lines", "line", partial(json_lines, path)))
    document = json_document(path)
    if is_inspect_document(document):
        return inspect_document(name, document)
    return document_source(name, document, named)


def _is_lines(path: Path) -> bool:
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    named_so = any(suffix.lower() in _LINES for suffix in suffixes)
    if not named_so and begins_with_long_line(path):
        return False
    filled = (line.strip() for _, line in lines(path) if line.strip())
    first = next(filled)
    if named_so:
        return first != "{"  # a document that somebody named so
    return is_object(first) and next(filled, None) is not None


def _told_by_row(source: Source) -> Source:
    """The source, or what its first row says it is."""
    first = next(source.records(), None)
    if first is not None and is_lm_eval_row(first.fields):
        return lm_eval_source(source)
    return source


def _table(path: Path, name: str, text: str) -> Source:
    header = text.split("\n", 1)[0]
    if header.lstrip().lower().startswith(("<!doctype", "<html", "<?xml")):
        raise refuse(name, "it is a web page or XML, not data", "download the file itself")
    delimiter = "\t" if ".tsv" in path.suffixes else delimiter_of(header.rstrip("\r"))
    if delimiter is None:
        raise refuse(name, "plain text, not rows of responses", "give JSON Lines, JSON, CSV, TSV or Parquet")
    kind = "TSV" if delimiter == "\t" else "CSV"
    return Source(name, kind, "line", partial(delimited, path, delimiter))
