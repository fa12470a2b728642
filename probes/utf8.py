"""Text from the bytes of a small file that a person wrote."""

from probes.errors import InputError


def text_of(raw: bytes, name: str) -> str:
    """The text, without a byte order mark. name: of the file, as it is shown.

    Raises InputError, in one line with file and line: it is not UTF-8.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]  # in what was decoded, which has no byte order mark
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}, line {line}: not UTF-8 text (byte 0x{wrong:02x}); save the file as UTF-8"
        ) from None
