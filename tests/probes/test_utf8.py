"""Bytes that are no text are refused by the place where they cease to be one."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import InputError
from probes.utf8 import text_of


@given(before=st.text(), after=st.binary(), mark=st.booleans())
def test_the_line_and_the_byte_are_those_of_the_first_that_is_wrong(before: str, after: bytes, mark: bool) -> None:
    raw = (codecs.BOM_UTF8 if mark else b"") + before.encode() + b"\xff" + after
    with pytest.raises(InputError) as caught:
        text_of(raw, "f.yaml")
    line = len(before.split("\n"))
    assert str(caught.value) == f"f.yaml, line {line}: not UTF-8 text (byte 0xff); save the file as UTF-8"


@given(st.text().filter(lambda text: not text.startswith("\ufeff")), st.booleans())
def test_what_is_text_is_read_as_it_stands(text: str, mark: bool) -> None:
    assert text_of((codecs.BOM_UTF8 if mark else b"") + text.encode(), "f.yaml") == text
