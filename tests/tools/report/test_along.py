"""The split of the total along a sweep, and each parameter's curve: marks, tables, text, and hostile names."""

import re
from typing import Any

import pytest
from rich.cells import cell_len

from tests.tools.report.samples import HOSTILE, harm_parameter, length_parameter
from tests.tools.report.test_curve import swept
from tests.tools.report.test_html import Page, assert_plain
from tests.tools.report.test_terminal import printed
from tools.report import html, markdown
from tools.report.along import decomposition_rows, first_sentence, shares_of_bar
from tools.report.document import Report
from tools.report.record import Interval
from tools.report.sweep_document import DecompositionPoint, LevelPoint

WORDS, HARM = "words", "data:harm_verdict"


def interval(value: float | None) -> Interval:
    return Interval(value=value, low=value, high=value)


def split(at: float, words: float, harm: float, rest: float) -> DecompositionPoint:
    captured = words + harm
    return DecompositionPoint(
        at=at,
        total=interval(captured + rest),
        captured=interval(captured),
        parts={WORDS: words, HARM: harm},
        unexplained=rest,
        effective=40.0,
    )


POINTS = (
    split(2.0, 0.0, 0.0, 0.01),
    split(6.0, 0.3, 0.1, 0.2),
    split(10.0, 0.25, 0.35, 0.3),
    DecompositionPoint(at=14.0, total=interval(None), captured=interval(None)),
    split(18.0, 0.12, -0.02, 0.1),
)
LEVELS = (
    LevelPoint(at=0.0, value=0.1, low=0.05, high=0.2, effective=40.0),
    LevelPoint(at=8.0, value=None),
    LevelPoint(at=16.0, value=0.9, low=0.8, high=0.95, effective=30.0),
)


def along(text: str | None = None) -> Report:
    parameters = tuple(
        one.model_copy(update={"levels": LEVELS, "shown": text or "share of 'long'", "examples": ()})
        for one in (length_parameter(text), harm_parameter(text))
    )
    changes: dict[str, Any] = {"parameters": parameters, "decomposition": POINTS}
    return swept().model_copy(update=changes)


def test_bars_add_up_to_the_total_and_nothing_is_below_zero() -> None:
    report = along()
    assert shares_of_bar(POINTS[2], report.parameters) == pytest.approx([0.25, 0.35, 0.3])
    assert shares_of_bar(POINTS[4], report.parameters) == pytest.approx([0.1, 0.0, 0.1])
    assert shares_of_bar(POINTS[3], report.parameters) == []


def test_which_is_largest_where() -> None:
    assert first_sentence(along()) == "Largest, by estimate: Length in words at 6, Harm verdict at 10."
    assert first_sentence(swept()) == ""


def test_tables_say_gaps_in_words() -> None:
    rows = decomposition_rows(along())
    assert rows[1] == ["6", "0.60 (0.60 to 0.60)", "0.30", "0.10", "0.20"]
    assert rows[3] == ["14", *["not computed"] * 4]
    assert rows[4][3] == "-0.02"
    told = markdown.render(along())
    assert "| 6 | 0.60 (0.60 to 0.60) | 0.30 | 0.10 | 0.20 |" in told
    assert "1 of 5 places are gaps" in told
    assert "0.10 (0.05 to 0.20) at 0, 0.90 (0.80 to 0.95) at 16; 1 checkpoints are gaps" in told
    assert "What changed where" not in markdown.render(swept())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_terminal_draws_the_stack_with_digits(width: int) -> None:
    text = printed(along(), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    size = 40 if width >= 76 else 28
    (bar,) = re.findall(r"^ *6 (1+2+-+) ", text, re.MULTILINE)
    assert [bar.count(mark) for mark in "12-"] == [
        round(0.3 * size),
        round(0.4 * size) - round(0.3 * size),
        8 if size == 40 else 6,
    ]
    assert re.search(r"^ *14 gap", text, re.MULTILINE)
    assert printed(along(), width, "ascii").isascii()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str) -> None:
    report = along(text or "name")
    assert_plain(Page(html.render(report)))
    assert "\x1b[31m" not in printed(report)
    assert "\n# heading" not in markdown.render(report)
