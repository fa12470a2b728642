"""The curve of a sweep in the three renderings: what is said, where the marks lie, what a gap looks like."""

import re
from typing import Any

import pytest

from tests.tools.report.samples import HOSTILE, likelihood_report
from tests.tools.report.test_html import Page, assert_plain
from tests.tools.report.test_terminal import printed
from tools.report import html, markdown
from tools.report.curve import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Sweep,
    drawing,
    sweep_of,
    transition_sentences,
)
from tools.report.document import Control, Report, Scored
from tools.report.sweep_document import Transition, TransitionPoint
from tools.report.words import side_names

LINEAR = (0.0, 0.1, 0.9, None, 0.2)


def swept(text: str = "step", *, linear: tuple[float | None, ...] = LINEAR, **changes: Any) -> Report:
    """A report on a sweep of steps 0, 4, ... whose curve is largest at step 10."""
    points = tuple(
        TransitionPoint(at=2.0 + 4 * i, linear=value)
        if value is None
        else TransitionPoint(at=2.0 + 4 * i, linear=value, low=value * 0.9, high=value * 1.1, js=value, tv=value)
        for i, value in enumerate(linear)
    )
    fields: dict[str, Any] = {
        "at": 10.0,
        "largest": 10.0,
        "gradient_norm_peak": 6.0,
        "curve": points,
        "window": 2,
        "compared": True,
    }
    return likelihood_report(
        control=Control(name=text, unit="optimizer steps", before=(4, 8), after=(12, 16)),
        transition=Transition(**(fields | changes)),
        scored=Scored(engine="transformers", precision="float32", device="cpu", temperature=0.7),
    )


def told(report: Report) -> Sweep:
    sweep = sweep_of(report)
    assert sweep is not None
    return sweep


def test_sentences_say_where_and_how_sure() -> None:
    assert transition_sentences(told(swept())) == [
        "Behavior changes most at step 10: the dissimilarity of its two sides is 0.90 (0.81 to 0.99).",
        "Before and after are those two sides.",
        "The gradient norm was largest at step 6.",
    ]
    flat = transition_sentences(told(swept(at=None, compared=False, gradient_norm_peak=None)))
    assert len(flat) == 1
    assert flat[0].startswith(
        "No transition: no place of the sweep stands out. The largest dissimilarity, at step 10, is 0.90"
    )
    assert sweep_of(likelihood_report()) is None
    assert side_names(swept()) == ("step 4 and 8", "step 12 and 16")


def test_marks_lie_where_the_numbers_are() -> None:
    made = drawing(told(swept()))
    assert made is not None
    top, bottom = TOP, HEIGHT - BOTTOM
    assert [dot.y for dot in made.dots] == pytest.approx(
        [bottom - (bottom - top) * v for v in LINEAR if v is not None]
    )
    step = (WIDTH - LEFT - RIGHT) / len(LINEAR)
    assert [dot.x for dot in made.dots] == pytest.approx([LEFT + step * (i + 0.5) for i in (0, 1, 2, 4)])
    assert made.marks[0].x == pytest.approx(LEFT + step * 2.5)
    assert made.gradient == pytest.approx(LEFT + step * 1.5)
    assert [len(line.split()) for line in made.lines] == [3, 1]  # a gap where nothing was measured
    assert [tick.label for tick in made.x_ticks] == ["2", "6", "10", "14", "18"]
    beyond = drawing(told(swept(gradient_norm_peak=300.0, at=None)))
    assert beyond is not None
    assert (beyond.gradient, beyond.marks) == (None, ())


def test_a_long_sweep_has_few_labels_and_all_points() -> None:
    linear = tuple(0.5 if i == 70 else 0.1 for i in range(100))
    report = swept(linear=linear, at=282.0, largest=282.0)
    made = drawing(told(report))
    assert made is not None
    assert len(made.dots) == 100
    assert len(made.x_ticks) <= 9
    text = printed(report)
    assert "282" in text
    assert "21 of 100 places" in " ".join(text.split())


def test_the_page_draws_the_curve_with_labelled_axes() -> None:
    source = html.render(swept())
    page = Page(source)
    assert_plain(page)
    svg = source[source.index('<svg class="curve"') :]
    svg = svg[: svg.index("</svg>")]
    assert svg.count("<circle") == 4
    assert svg.count('class="whisker"') == 4
    assert re.search(r'<text class="axis"[^>]*>step \(optimizer steps\)</text>', svg)
    assert re.search(r'<text class="axis"[^>]*>dissimilarity</text>', svg)
    assert "Dashed upright: largest gradient norm" in page.told()
    assert "Behavior changes most at step 10" in page.told()
    assert '<svg class="curve"' not in html.render(likelihood_report())


def test_terminal_and_markdown_have_every_point() -> None:
    text = printed(swept(), width=100)
    for line in ("0.10 (0.09 to 0.11)", "0.90 (0.81 to 0.99)", "not computed", "not separable from 0"):
        assert line in text
    assert "Likelihoods: transformers, layers in float32 on cpu, at temperature 0.7." in " ".join(text.split())
    assert "| **10** | 0.90 (0.81 to 0.99) | 0.90 | 0.90 |" in markdown.render(swept())
    assert "Where it changed" not in markdown.render(likelihood_report())


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_of_the_control_parameter_is_text(text: str) -> None:
    report = swept(text or "step")
    assert_plain(Page(html.render(report)))  # no tag or attribute but the template's
    assert "\x1b[31m" not in printed(report)
    assert "\n# heading" not in markdown.render(report)
