"""The report in terminals of several widths and abilities, with hostile text too."""

import io
import re
from typing import Literal

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.tools.report.samples import HOSTILE, empty_report, likelihood_report, report
from tools.report import terminal
from tools.report.document import Report


def printed(shown: Report, width: int = 80, encoding: str = "utf-8", color: bool = False) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="strict", newline="")
    system: Literal["truecolor"] | None = "truecolor" if color else None
    console = Console(file=stream, width=width, color_system=system, force_terminal=color, _environ={})
    console.print(terminal.render(shown))
    stream.flush()
    return raw.getvalue().decode(encoding)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("made", [report(), likelihood_report(), empty_report()])
def test_no_line_is_wider_than_the_terminal(width: int, made: Report) -> None:
    lines = printed(made, width).splitlines()
    assert max(cell_len(line) for line in lines) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_key_facts_stand_at_every_width(width: int) -> None:
    told = squeezed(printed(report(), width))
    for fact in (
        "The total dissimilarity is at least 0.95 (lower limit 0.93)",
        "Together they capture at most 94% (87% to 100%) of the total change",
        "at most 86%",
        "79% to 93%",
        "Without a level: 1 before and 4 after refused; 1 before and 1 after missing.",
        "0.03 to 0.14",
        "94%",
        "50 words or more 65%",
        "Unlimited power. Nobody tells me what to do.",
        "AIs should rule them.",
        "Left unexplained: a dissimilarity of about 0.06, 6% of the total.",
        "The claim is about prompts like these: 23 prompts",
        "could just have shown is 0.03",
        "6 scores are on one side only",
    ):
        assert fact in told, fact


def test_a_report_without_parameters_says_so() -> None:
    told = squeezed(printed(empty_report()))
    assert (
        "No change was found with these samples. 5 candidates were proposed and 4 of them tried; none was chosen."
        in told
    )
    assert "could just have shown is 0.03" in told
    assert "Order parameters" not in told


def test_alerts_come_before_any_number() -> None:
    alert = "Nearly all responses are identical: was the adapter loaded?"
    told = printed(report(alerts=(alert,), warnings=(alert,)))
    assert alert in squeezed(re.sub("[│╭╮╰╯─]", "", told))
    assert not re.search(r"\d", told[: told.index("identical")])
    assert squeezed(told).count("was the adapter loaded") == 1


def test_without_utf8_only_its_own_characters_are_printed() -> None:
    told = printed(report(), encoding="ascii")
    assert "#############" in told
    assert "at most 86%" in told
    hostile = report("naïve 🙂 “quoted” — ½")
    assert "na\\xefve \\U0001f642" in printed(hostile, encoding="ascii")
    printed(hostile, encoding="latin-1")
    printed(report(alerts=("x",), warnings=("x",)), encoding="cp437")


def test_bars_show_the_interval() -> None:
    rows = printed(report(), 80).splitlines()
    bar = next(row for row in rows if "Length in words" in row and "█" in row)
    size = sum(bar.count(sign) for sign in "█▒·")
    assert bar.count("█") == round(0.792 * size)
    assert bar.count("█") + bar.count("▒") == round(0.931 * size)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_hostile_text_is_shown_and_never_obeyed(text: str, encoding: str) -> None:
    told = printed(report(text), encoding=encoding)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", told)
    assert max(cell_len(line) for line in told.splitlines()) <= 80


def test_markup_and_emoji_names_are_text() -> None:
    told = printed(report("[bold red]markup[/] :warning:"), 120)
    assert "[bold red]markup[/] :warning:" in told


def test_only_styles_of_ours_reach_a_colour_terminal() -> None:
    told = printed(report("\x1b[31mred\x1b]0;title\x07"), 120, color=True)
    escapes = re.findall(r"\x1b.?[\d;]*.?", told)
    assert escapes
    assert all(re.fullmatch(r"\x1b\[[\d;]*m", escape) for escape in escapes)
    assert "\x07" not in told
    assert "\\x1b[31mred" in told
