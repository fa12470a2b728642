"""The curve along a sweep in a report: what it says in sentences, and where its marks lie in a drawing.

Source: Method, section 2.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tools.report.document import Interval, Report, Transition, TransitionPoint
from tools.report.numbers import count
from tools.report.safe_text import one_line
from tools.report.words import interval_words

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 48
_TICKS = 9


def transition_sentences(report: Report) -> list[str]:
    """Where behavior changes most, whether that stands out, how the sides relate to it, and the gradient norm."""
    transition = report.transition
    point = None if transition is None else peak_point(transition)
    if transition is None or point is None:
        return []
    name = one_line(report.control.name, 40)
    found = interval_words(interval_of(point))
    if transition.at is not None:
        said = [f"Behavior changes most at {name} {point.at:g}: the dissimilarity of its two sides is {found}."]
    else:
        said = [
            f"No place of the sweep stands out: the largest dissimilarity, at {name} {point.at:g}, is {found}; "
            "its lower limit is not above the median along the sweep."
        ]
    if transition.compared:
        said.append("Before and after are those two sides.")
    if transition.gradient_norm_peak is not None:
        said.append(f"The gradient norm was largest at {name} {transition.gradient_norm_peak:g}.")
    return said


def curve_sentence(report: Report) -> str:
    """What the curve shows and what it was computed from."""
    if report.transition is None:
        return ""
    window = report.transition.window
    sides = "" if window is None else f" of up to {count(window, 'checkpoint')} on either side"
    return (
        f"The curve shows the dissimilarity (linear, 0 to 1){sides}, at each place between two checkpoints, on "
        f"the {report.transition.split} split, with 95% intervals."
    )


def peak_point(transition: Transition) -> TransitionPoint | None:
    """The point of the curve with the largest dissimilarity."""
    return next((point for point in transition.curve if point.at == transition.largest), None)


def interval_of(point: TransitionPoint) -> Interval:
    """The linear dissimilarity of a point; from 0 where it cannot be told from it."""
    separable = point.low is None or point.low > 0
    return Interval(value=point.linear, low=point.low, high=point.high, one_sided=not separable)


# The drawing


@dataclass(frozen=True)
class Dot:
    """A point of the curve in units of the drawing; its interval reaches from `low` up to `high`."""

    x: float
    y: float
    low: float
    high: float
    label: str


@dataclass(frozen=True)
class Tick:
    """A label at a place along an axis."""

    place: float
    label: str


@dataclass(frozen=True)
class Drawing:
    """All that the drawing needs, in units of a box WIDTH by HEIGHT. lines: pieces between gaps of the curve.

    Places of the sweep stand at even distances, as their values may be spread unevenly.
    """

    lines: tuple[str, ...]
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    peak: float | None
    gradient: float | None
    described: str


def drawing(report: Report) -> Drawing | None:
    """The curve as a drawing; None where the report has none."""
    transition = report.transition
    if transition is None or not transition.curve:
        return None
    at_B = [point.at for point in transition.curve]
    x_B = [_x(number, len(at_B)) for number in range(len(at_B))]
    placed = list(zip(x_B, transition.curve, strict=True))
    pieces = [list(piece) for known, piece in groupby(placed, lambda one: one[1].linear is not None) if known]
    every = -(-len(at_B) // _TICKS)
    peak = None if transition.at is None else float(np.interp(transition.at, at_B, x_B))
    norm = transition.gradient_norm_peak
    inside = norm is not None and at_B[0] <= norm <= at_B[-1]
    return Drawing(
        lines=tuple(" ".join(f"{x:.1f},{_y(point.linear):.1f}" for x, point in piece) for piece in pieces),
        dots=tuple(_dot(x, point) for piece in pieces for x, point in piece),
        x_ticks=tuple(Tick(x, f"{point.at:g}") for x, point in placed[::every]),
        y_ticks=tuple(Tick(_y(value), f"{value:g}") for value in (0.0, 0.25, 0.5, 0.75, 1.0)),
        peak=peak,
        gradient=float(np.interp(norm, at_B, x_B)) if norm is not None and inside else None,
        described=" ".join(transition_sentences(report)),
    )


def _dot(x: float, point: TransitionPoint) -> Dot:
    low = point.linear if point.low is None else point.low
    high = point.linear if point.high is None else point.high
    return Dot(x, _y(point.linear), _y(low), _y(high), f"{point.at:g}: {interval_words(interval_of(point))}")


def _x(number: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (number + 0.5) / count


def _y(value: float | None) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value or 0.0, 0.0), 1.0)
