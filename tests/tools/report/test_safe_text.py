"""Hostile text is shown, never obeyed. Markdown is judged by a parser of its own (markdown-it)."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.tools.report.samples import HOSTILE
from tools.report.safe_text import (
    first_lines,
    markdown_cell,
    markdown_fence,
    markdown_inline,
    one_line,
    visible,
)

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
nasty_text = st.text(st.sampled_from(list("`|\\*_[]()<>!#-+=~&;:@$^{}1. \nab\"'")), max_size=25)
PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
DRAWN_FORMAT = set(range(0x600, 0x606)) | {0x6DD, 0x8E2, 0x890, 0x891, 0x110BD, 0x110CD}  # Arabic, Kaithi signs


@given(any_text)
def test_nothing_unseen_remains(text: str) -> None:
    for character in visible(text).replace("\u200d", "").replace("\u200c", ""):
        category = unicodedata.category(character)
        assert category != "Cs"
        assert category != "Cc" or character in "\n\t"
        assert category not in ("Cf", "Zl", "Zp") or ord(character) in DRAWN_FORMAT


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_plain_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "aU+202Eb"),
        ("zero\u200bwidth", "zeroU+200Bwidth"),
        ("soft\u00adhyphen", "softU+00ADhyphen"),
        ("lone \ud800", "lone U+D800"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("a\u200db", "aU+200Db"),
        ("e" + "\u0301" * 10, "e" + "\u0301" * 4 + "[+6 combining marks]"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(any_text, st.integers(min_value=2, max_value=30))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert not re.search(r"[\n\r\t\v\f\x85\u2028\u2029]", line)


def test_cut_text_says_how_much_is_missing() -> None:
    assert first_lines("abc", 3) == "abc"
    assert first_lines("a" * 1500, 1000) == "a" * 1000 + " … (500 more characters)"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_fence_holds_hostile_text_whole(text: str) -> None:
    tokens = PARSER.parse(f"before\n\n{markdown_fence(text)}\n\nafter")
    assert [token.type for token in tokens if token.nesting == 0] == ["inline", "fence", "inline"]
    assert tokens[3].content == visible(text) + "\n"


@given(nasty_text)
def test_a_fence_holds_any_text_whole(text: str) -> None:
    tokens = PARSER.parse(f"{markdown_fence(text)}\n\nafter")
    assert tokens[0].type == "fence"
    assert tokens[0].content == text + "\n"
    assert tokens[2].content == "after"


def inline_of(markdown: str) -> str:
    """The text a reader sees, which must be the only thing in the Markdown."""
    tokens = PARSER.parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "code_inline", "text_special"}
    return "".join(child.content for child in children)


@given(nasty_text.filter(lambda text: bool(text.strip())))
def test_inline_markdown_renders_as_the_text_itself(text: str) -> None:
    assert inline_of(markdown_inline(text)) == one_line(text)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text])
def test_inline_markdown_of_hostile_text(text: str) -> None:
    assert inline_of(markdown_inline(text, 300)) == one_line(text, 300)


@given(nasty_text.filter(lambda text: bool(text.strip())))
def test_a_cell_renders_as_the_text_itself(text: str) -> None:
    tokens = PARSER.parse(f"| a | b |\n| --- | --- |\n| {markdown_cell(text)} | end |")
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    assert cells[3].content == "end"
    children = cells[2].children or []
    assert {child.type for child in children} <= {"text", "code_inline", "text_special"}
    assert "".join(child.content for child in children) == one_line(text)


@pytest.mark.parametrize(
    "text", ["see #12", "@someone", "www.example.com", "http://x.y", ":smile:", "$x$", "deadbeef"]
)
def test_what_hosts_turn_into_something_else_stands_in_a_code_span(text: str) -> None:
    assert markdown_inline(text) == f"`{text}`"
