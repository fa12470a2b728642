"""The curve of a sweep in the three renderings: what is said, where the marks lie, what a gap looks like."""

import re
from typing import Any

import numpy as np
import pytest

from tests.tools.report.samples import HOSTILE, likelihood_report
from tests.tools.report.test_html import Page, assert_plain
from tests.tools.report.test_terminal import printed
from tools.report import html, markdown
from tools.report.curve import Sweep, curve_sentence, sweep_of, transition_sentences
from tools.report.document import Control, Report, Scored
from tools.report.record import Interval
from tools.report.sweep_document import Transition, TransitionPeak, TransitionPoint
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
    assert flat == [
        "No transition: none of the 4 places measured, of 5, stands out.",
        "The largest dissimilarity, at step 10, is 0.90 (0.81 to 0.99); a transition is surely above the median "
        "along the sweep, and at twice its odds at least.",
    ]
    assert sweep_of(likelihood_report()) is None
    assert side_names(swept()) == ("step 4 and 8", "step 12 and 16")


def peak(at: float, **changes: Any) -> TransitionPeak:
    fields: dict[str, Any] = {
        "at": at,
        "low": at - 2,
        "high": at + 6,
        "dissimilarity": Interval(value=0.9, low=0.8, high=0.95),
        "height": Interval(value=0.8, low=0.7),
        "width": Interval(value=7.25, low=6.0, high=9.5),
    }
    return TransitionPeak(**(fields | changes))


def test_peaks_have_their_place_width_and_lag_in_words() -> None:
    linear = (0.0, 0.1, 0.9, 0.6, 0.1, 0.1, 0.5, 0.45, 0.1)
    lag = Interval(value=4.0, low=2.0, high=10.0)
    second = peak(26.0, height=Interval(value=0.4, low=0.2), width=Interval(value=None))
    sweep = told(swept(linear=linear, baseline=0.1, peaks=(peak(10.0, lag=lag), second), lag=lag))
    assert transition_sentences(sweep)[1:3] == [
        "It lies between 8 and 16 (95%), stands 0.80 above the median along the sweep (at least 0.70), and is "
        "7.25 (6 to 9.5) wide at half of that.",
        "Another peak is at step 26, between 24 and 32 (95%), and stands 0.40 above the median along the sweep "
        "(at least 0.20); the sweep ends before the curve falls to half of that.",
    ]
    assert transition_sentences(sweep)[-1] == (
        "The gradient norm was largest at step 6; behavior changed 4 later (lag 2 to 10)."
    )


def flat_sweep(*linear: float | None, **changes: Any) -> list[str]:
    """Sentences on a sweep without a transition."""
    known = [value for value in linear if value is not None]
    fields = {
        "largest": 2.0 + 4 * linear.index(max(known)),
        "baseline": float(np.median(known)),
        "compared": False,
    }
    return transition_sentences(told(swept(linear=linear, at=None, gradient_norm_peak=None, **(fields | changes))))


def test_a_change_at_every_place_is_spread_and_not_none() -> None:
    said = flat_sweep(0.3, 0.4, 0.5, 0.45, 0.25)
    assert said[0] == (
        "No transition: behavior changes at every place of the sweep and none stands out. The change is spread: "
        "the dissimilarity is 0.25 to 0.50, its median 0.40."
    )
    assert len(said) == 2
    gap = flat_sweep(0.3, 0.4, 0.5, None, 0.25)
    assert "changes at each of the 4 places measured, of 5, and none stands out" in gap[0]
    bound = flat_sweep(0.3, 0.4, 0.5, 0.45, 0.25, bound="lower")
    assert "the lower bound is 0.25 to 0.50" in bound[0]
    assert bound[1].startswith("The largest lower bound, at step 10, is at least 0.50 (lower limit 0.45);")
    assert flat_sweep(0.0, 0.4, 0.5, 0.45, 0.25)[0] == "No transition: no place of the sweep stands out."
    assert flat_sweep(0.01, 0.02, 0.03, 0.02, 0.01)[0] == "No transition: no place of the sweep stands out."


def test_what_is_largest_where_the_sweep_ends_may_go_on_beyond() -> None:
    assert (
        flat_sweep(0.2, 0.3, 0.4, 0.45, 0.5)[-1]
        == "The largest is the last one: the sweep may end inside a transition."
    )
    assert (
        flat_sweep(0.5, 0.3, 0.4)[-1] == "The largest is the first one: the sweep may begin inside a transition."
    )
    gap = flat_sweep(0.2, 0.3, 0.4, 0.45, 0.5, None)
    assert gap[-1] == "The largest is the last one: the measured part of the sweep may end inside a transition."
    assert len(flat_sweep(0.42, 0.38, 0.4)) == 2  # no larger than elsewhere, for all that is known
    linear = (0.9, 0.2, 0.1)
    for sides, words in (
        (("start",), "where the sweep begins, maybe inside the transition: the width is open on that side."),
        (("end",), "where the sweep ends, maybe inside the transition: the width is open on that side."),
        (
            ("start", "end"),
            "where the sweep begins and ends, maybe inside the transition: the width is open on both sides.",
        ),
    ):
        found = peak(2.0, width=Interval(value=None), open=sides)
        sweep = told(swept(linear=linear, at=2.0, largest=2.0, baseline=0.2, peaks=(found,)))
        assert transition_sentences(sweep)[1].endswith(
            f"(at least 0.70). The curve is still above half of that {words}"
        )


def test_a_peak_as_narrow_as_the_sweep_says_so_and_a_bound_is_called_one() -> None:
    linear = (0.6, 0.9, 0.55)
    found = peak(6.0, height=Interval(value=0.3, low=0.2))
    sweep = told(swept(linear=linear, at=6.0, largest=6.0, baseline=0.6, peaks=(found,), bound="lower"))
    said = transition_sentences(sweep)
    assert said[0] == (
        "The lower bound is largest at step 6: the dissimilarity of its two sides is at least 0.90 (lower limit "
        "0.81)."
    )
    assert not any("ehavior change" in one for one in said)
    assert said[1].endswith(
        "stands 0.30 above the median of the bounds (at least 0.20); it is narrower than the places on either "
        "side lie apart."
    )
    assert "a lower bound of the dissimilarity" in curve_sentence(sweep)
    assert ">dissimilarity, lower bound</text>" in html.render_figure(sweep)


def test_bars_are_whole_on_a_narrow_terminal() -> None:
    page = printed(swept(gradient_norm_peak=None), width=44)
    bars = [line for line in page.splitlines() if re.match(r"^ *[0-9.]+ [█▒·]", line)]
    assert len(bars) >= 4
    assert not any("…" in line for line in bars)


def test_a_long_sweep_has_few_bars() -> None:
    linear = tuple(0.5 if i == 70 else 0.1 for i in range(100))
    text = printed(swept(linear=linear, at=282.0, largest=282.0))
    assert "282" in text
    assert "21 of 100 places" in " ".join(text.split())


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
