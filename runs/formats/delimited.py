"""CSV and TSV with a header: CRLF, quotes and line breaks inside fields are read; a torn quote is refused."""

import csv
from collections.abc import Iterator
from pathlib import Path

from probes.errors import InputError
from runs.formats.record import Record, listed, name_shown, refuse, shown
from runs.formats.stream import MAX_LINE, lines

DELIMITERS = ("\t", ",", ";")

# The csv module refuses fields above 128 KiB unless told; responses of 200,000 characters are real.
csv.field_size_limit(MAX_LINE)


def delimiter_of(header: str) -> str | None:
    """The delimiter that cuts a header line into most fields; None when there is none."""
    begin = header.split("\r", 1)[0]
    counts = {d: len(next(csv.reader([begin], delimiter=d), [])) for d in DELIMITERS}
    best = max(DELIMITERS, key=lambda d: counts[d])
    return best if counts[best] > 1 else None


def delimited(path: Path, delimiter: str) -> Iterator[Record]:
    """Rows as text fields by the header's names; numbers are the lines where rows begin."""
    name = name_shown(path)
    reader = csv.reader((text for _, text in lines(path)), delimiter=delimiter, strict=True)
    header: list[str] = []
    begin = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise _torn(name, begin, str(error)) from error
        if row is None:
            break
        if not header:
            header = _header(row, name)
        elif row:
            if len(row) != len(header):
                raise refuse(
                    f"{name}, line {begin}",
                    f"{len(row)} fields where the header has {len(header)}",
                    "quote fields that hold delimiters or line breaks, and close every quote",
                )
            yield Record(dict(zip(header, row, strict=True)), begin)
        begin = reader.line_num + 1


def _header(row: list[str], name: str) -> list[str]:
    names = [field.strip() or f"unnamed_{index}" for index, field in enumerate(row)]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise refuse(f"{name}, line 1", f"column {shown(twice[0])} occurs twice", f"columns: {listed(names)}")
    return names


def _torn(name: str, line: int, message: str) -> InputError:
    place = f"{name}, row beginning at line {line}"
    if "unexpected end" in message:
        what = "a quote is opened here and never closed"
    elif "expected after" in message:
        what = "text follows a closing quote: a quote is torn or not doubled"
    elif "larger than field limit" in message:
        what = f"a field is longer than {MAX_LINE >> 20} MiB"
    elif "new-line character" in message:
        what = "a carriage return outside of quotes, without a line feed"
        return refuse(place, what, "end lines with line feeds, and quote fields that hold line breaks")
    else:
        what = f"the row cannot be read ({shown(message)})"
    return refuse(place, what, "close every quote, and double quotes inside fields")
