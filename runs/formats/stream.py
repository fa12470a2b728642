"""Bytes and text of a file, bounded: plain or gzip, decoded as UTF-8, with the line of whatever is wrong."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from probes.errors import InputError
from runs.formats.record import name_shown, refuse

MAX_LINE = 64 << 20
"""Bytes of a line, characters of a field of CSV or an element of a JSON array: what is longer is no row."""

MAX_DOCUMENT = 512 << 20
"""Bytes of one JSON document, which is read whole."""

MAX_UNPACKED = 16 << 30
"""Bytes a packed file may unpack to."""

FREE_UNPACKED = 256 << 20
"""Bytes a packed file may unpack to whatever its ratio."""

MAX_RATIO = 200
"""Ratio of unpacked to packed bytes beyond FREE_UNPACKED: real responses pack 3 to 30 times."""

GZIP_MAGIC = b"\x1f\x8b"
BOM = codecs.BOM_UTF8
CHUNK = 1 << 20


class _Unpacked(io.RawIOBase):
    """A gzip stream that refuses to unpack to absurd sizes, and says what is wrong with broken data."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._packed = path.stat().st_size
        self._stream = gzip.open(path, "rb")  # noqa: SIM115 (closed by close())
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._stream.read(len(view))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            what = f"the gzip data is cut or damaged ({error})"
            raise refuse(name_shown(self._path), what, "pack it again") from error
        self._count += len(data)
        check_unpacked(name_shown(self._path), self._count, self._packed)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def check_unpacked(place: str, unpacked: int, packed: int) -> None:
    """Refuse what unpacks to far more than responses ever do (an archive bomb)."""
    if unpacked > MAX_UNPACKED or (unpacked > FREE_UNPACKED and unpacked > MAX_RATIO * packed):
        raise refuse(
            place,
            f"{packed:,} packed bytes unpack to more than {unpacked:,}: it is refused as an archive bomb",
            "unpack it yourself if this is meant",
        )


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked when it is gzip (told by its first bytes)."""
    with path.open("rb") as start:
        packed = start.read(2) == GZIP_MAGIC
    if not packed:
        return path.open("rb")
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path), CHUNK))


def begins_with_long_line(path: Path) -> bool:
    """Whether the first line is too long for a row."""
    with open_bytes(path) as stream:
        return len(stream.readline(MAX_LINE + 1)) > MAX_LINE


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines (from 1) with their line ends; split at line feeds only, byte order mark removed."""
    name = name_shown(path)
    with open_bytes(path) as stream:
        number = 0
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                what = f"the line is longer than {MAX_LINE >> 20} MiB"
                raise refuse(f"{name}, line {number}", what, "give one row a line")
            if number == 1 and raw.startswith(BOM):
                raw = raw[len(BOM) :]
            try:
                yield number, raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise _not_utf8(name, number, raw[error.start]) from error


def chunks(path: Path) -> Iterator[str]:
    """The text in pieces, byte order mark removed."""
    name = name_shown(path)
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    number = 1
    with open_bytes(path) as stream:
        while True:
            raw = stream.read(CHUNK)
            try:
                text = decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                bad = error.object[error.start]
                raise _not_utf8(name, number + error.object[: error.start].count(b"\n"), bad) from error
            number += text.count("\n")
            if text:
                yield text
            if not raw:
                return


def document(path: Path) -> str:
    """The whole text of one JSON document."""
    too_large = refuse(
        name_shown(path),
        f"a JSON document larger than {MAX_DOCUMENT >> 20} MiB",
        "give JSON Lines, one row a line",
    )
    if path.stat().st_size > MAX_DOCUMENT:
        raise too_large
    pieces: list[str] = []
    size = 0
    for piece in chunks(path):
        size += len(piece)
        if size > MAX_DOCUMENT:
            raise too_large
        pieces.append(piece)
    return "".join(pieces)


def _not_utf8(name: str, line: int, byte: int) -> InputError:
    return refuse(f"{name}, line {line}", f"not UTF-8 text (byte 0x{byte:02x})", "save the file as UTF-8")
