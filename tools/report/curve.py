"""The curve along a sweep in a report: what it says in sentences, and where its marks lie in a drawing.

Source: Method, section 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from probes.words import count
from tools.report.document import Report
from tools.report.numbers import listed, number
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_document import SweepReport, Transition, TransitionPeak, TransitionPoint
from tools.report.words import total_words

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 48
BESIDE = 90
"""Height of the panel with loss and gradient norm below the curve."""

_TICKS = 9


@dataclass(frozen=True)
class Sweep:
    """What a sweep's curve is shown from: the control parameter's name and unit, and the transition."""

    name: str
    unit: str
    transition: Transition


def sweep_of(report: Report) -> Sweep | None:
    """None where the report has no curve."""
    if report.transition is None or not report.transition.curve:
        return None
    return Sweep(report.control.name, report.control.unit, report.transition)


def sweep_of_transition(report: SweepReport) -> Sweep:
    return Sweep(report.name, report.unit, report.transition)


# Sentences


def transition_sentences(sweep: Sweep) -> list[str]:
    """Where behavior changes most and how sure that is, other peaks, the two sides, the gradient norm."""
    transition = sweep.transition
    name = one_line(sweep.name, 40)
    point = largest_point(transition)
    if point is None:
        return []
    found = total_words(interval_of(point), transition.bound)
    if transition.at is None:
        measured, places = sum(one.linear is not None for one in transition.curve), len(transition.curve)
        among = (
            "no place of the sweep"
            if measured == places
            else f"none of the {measured} places measured, of {places},"
        )
        said = [
            f"No transition: {among} stands out. The largest dissimilarity, at {name} {point.at:g}, is {found}; "
            f"a transition is surely above {_median_words(transition)}, and at twice its odds at least."
        ]
    else:
        said = [f"Behavior changes most at {name} {point.at:g}: the dissimilarity of its two sides is {found}."]
        said += [_peak_sentence(transition, peak, name, place) for place, peak in enumerate(transition.peaks)]
    if transition.compared:
        said.append("Before and after are those two sides.")
    return [*said, *_norm_sentences(transition, name)]


def _peak_sentence(transition: Transition, peak: TransitionPeak, name: str, place: int) -> str:
    """Position, height and width of a peak; the first one was named already."""
    between = f"between {peak.low:g} and {peak.high:g} (95%)"
    subject = f"It lies {between}" if place == 0 else f"Another peak is at {name} {peak.at:g}, {between}"
    stands = f"stands {number(peak.height.value or 0.0)} above {_median_words(transition)}"
    if peak.height.low is not None:
        stands += f" (at least {number(peak.height.low, 'down')})"
    if peak.width.value is None:
        return f"{subject}, and {stands}; the sweep ends before the curve falls to half of that."
    if _is_one_place(transition, peak):
        return f"{subject}, and {stands}; it is narrower than the places on either side lie apart."
    wide = f"{peak.width.value:.3g}"
    if peak.width.low is not None and peak.width.high is not None:
        wide += f" ({peak.width.low:.3g} to {peak.width.high:.3g})"
    return f"{subject}, {stands}, and is {wide} wide at half of that."


def _median_words(transition: Transition) -> str:
    return "the median of the bounds" if transition.bound == "lower" else "the median along the sweep"


def _is_one_place(transition: Transition, peak: TransitionPeak) -> bool:
    """Whether the curve falls to half of the peak right at the places beside it: its width is then the sweep's."""
    points = [point for point in transition.curve if point.linear is not None]
    top = next(place for place, point in enumerate(points) if point.at == peak.at)
    half = (transition.baseline or 0.0) + (peak.height.value or 0.0) / 2
    beside = points[max(top - 1, 0) : top] + points[top + 1 : top + 2]
    return all((point.linear or 0.0) <= half for point in beside)


def _norm_sentences(transition: Transition, name: str) -> list[str]:
    norm, lag = transition.gradient_norm_peak, transition.lag
    if norm is None:
        return []
    said = f"The gradient norm was largest at {name} {norm:g}"
    if lag is None or lag.value is None:
        return [f"{said}."]
    order = "later" if lag.value >= 0 else "earlier"
    interval = "" if lag.low is None or lag.high is None else f" (lag {lag.low:g} to {lag.high:g})"
    return [f"{said}; behavior changed {abs(lag.value):g} {order}{interval}."]


def curve_sentence(sweep: Sweep) -> str:
    """What the curve shows and what it was computed from."""
    transition = sweep.transition
    window = transition.window
    sides = "" if window is None else f" of up to {count(window, 'checkpoint')} on either side"
    rows = "all samples" if transition.split == "all" else f"the {transition.split} split"
    if transition.bound == "lower":
        return (
            f"The curve shows how well a held-out reader tells the answers{sides} apart (linear, 0 to 1), at each "
            f"place between two checkpoints, on {rows}: a lower bound of the dissimilarity, with 95% lower limits."
        )
    return (
        f"The curve shows the dissimilarity (linear, 0 to 1){sides}, at each place between two checkpoints, on "
        f"{rows}, with 95% intervals."
    )


def key_sentence(drawing: "Drawing") -> str:
    """What the marks of the drawing are."""
    said = ["Thin lines: Jensen-Shannon (dots) and total variation (dashes)."]
    if drawing.marks:
        said.append("Solid upright: where it changes most, shaded where else that may be.")
    if drawing.gradient is not None:
        said.append("Dashed upright: largest gradient norm.")
    return " ".join(said)


def claim_sentence(sweep: Sweep) -> str:
    """How much data, and whom the claim is about."""
    transition = sweep.transition
    about = "prompts like these" if transition.claim == "random" else "these prompts"
    return (
        f"{count(transition.samples or 0, 'sample')} of {count(transition.prompts or 0, 'prompt')}; "
        f"the claim is about {about}."
    )


def largest_point(transition: Transition) -> TransitionPoint | None:
    """The point of the curve with the largest dissimilarity."""
    return next((point for point in transition.curve if point.at == transition.largest), None)


def interval_of(point: TransitionPoint) -> Interval:
    """The linear dissimilarity of a point; from 0 where it cannot be told from it."""
    separable = point.low is None or point.low > 0
    return Interval(value=point.linear, low=point.low, high=point.high, one_sided=not separable)


def point_words(point: TransitionPoint, transition: Transition) -> str:
    return total_words(interval_of(point), transition.bound)


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
class Mark:
    """A transition: its place, and the interval of it."""

    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Drawing:
    """All that the drawing needs, in units of a box WIDTH by `height`. lines: pieces between gaps of the curve.

    Places of the sweep stand at even distances, as their values may be spread unevenly. js, tv: as lines. loss,
    norm: lines of the panel below, each from 0 to its own largest value; empty without a log of a training.
    """

    height: int
    lines: tuple[str, ...]
    js: tuple[str, ...]
    tv: tuple[str, ...]
    loss: tuple[str, ...]
    norm: tuple[str, ...]
    beside: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    gradient: float | None
    described: str
    axis: str
    upright: str


def drawing(sweep: Sweep | None) -> Drawing | None:
    """The curve as a drawing; None where there is none."""
    if sweep is None:
        return None
    transition = sweep.transition
    points = transition.curve
    at_B = [point.at for point in points]
    x_B = [place_x(number, len(at_B)) for number in range(len(at_B))]
    norm = transition.gradient_norm_peak
    inside = norm is not None and at_B[0] <= norm <= at_B[-1]
    loss, norms = [point.loss for point in points], [point.gradient_norm for point in points]
    logged = any(value is not None for value in (*loss, *norms))
    return Drawing(
        height=HEIGHT + (BESIDE if logged else 0),
        lines=lines_of(x_B, [point.linear for point in points], value_y),
        js=lines_of(x_B, [point.js for point in points], value_y),
        tv=lines_of(x_B, [point.tv for point in points], value_y),
        loss=_beside(x_B, loss),
        norm=_beside(x_B, norms),
        beside=_beside_words(loss, norms),
        dots=tuple(
            _dot(x, point, transition) for x, point in zip(x_B, points, strict=True) if point.linear is not None
        ),
        x_ticks=x_ticks(at_B, x_B),
        y_ticks=tuple(Tick(value_y(value), f"{value:g}") for value in (0.0, 0.25, 0.5, 0.75, 1.0)),
        marks=_marks(transition, at_B, x_B),
        gradient=float(np.interp(norm, at_B, x_B)) if norm is not None and inside else None,
        described=" ".join(transition_sentences(sweep)),
        axis=axis_words(sweep.name, sweep.unit),
        upright="dissimilarity" if transition.bound == "exact" else "dissimilarity, lower bound",
    )


def axis_words(name: str, unit: str) -> str:
    return f"{one_line(name, 40)} ({one_line(unit, 40)})" if unit else one_line(name, 40)


def x_ticks(at_B: Sequence[float], x_B: Sequence[float]) -> tuple[Tick, ...]:
    """A label at every place, or at every second, third, ... of many."""
    every = -(-len(at_B) // _TICKS)
    return tuple(Tick(x, f"{at:g}") for x, at in list(zip(x_B, at_B, strict=True))[::every])


def lines_of(
    x_B: Sequence[float], values: Sequence[float | None], y_of: Callable[[float], float]
) -> tuple[str, ...]:
    """The points of a line, in pieces between gaps."""
    pieces = groupby(zip(x_B, values, strict=True), lambda one: one[1] is not None)
    return tuple(
        " ".join(f"{x:.1f},{y_of(value):.1f}" for x, value in piece if value is not None)
        for known, piece in pieces
        if known
    )


def place_x(number: int, count: int) -> float:
    """Where place `number` of `count` stands."""
    return LEFT + (WIDTH - LEFT - RIGHT) * (number + 0.5) / count


def value_y(value: float) -> float:
    """Where a dissimilarity stands."""
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value, 0.0), 1.0)


def _dot(x: float, point: TransitionPoint, transition: Transition) -> Dot:
    value = point.linear or 0.0
    low = value if point.low is None else point.low
    high = value if point.high is None else point.high
    label = f"{point.at:g}: {point_words(point, transition)}"
    return Dot(x, value_y(value), value_y(low), value_y(high), label)


def _marks(transition: Transition, at_B: Sequence[float], x_B: Sequence[float]) -> tuple[Mark, ...]:
    """A mark a peak; reports of earlier versions have the place alone."""
    if not transition.peaks and transition.at is not None:
        x = float(np.interp(transition.at, at_B, x_B))
        return (Mark(x, x, x),)
    return tuple(
        Mark(*(float(np.interp(value, at_B, x_B)) for value in (peak.at, peak.low, peak.high)))
        for peak in transition.peaks
    )


def _beside(x_B: Sequence[float], values: Sequence[float | None]) -> tuple[str, ...]:
    largest = max((value for value in values if value is not None), default=0.0)
    room = BESIDE - 28

    def y_of(value: float) -> float:
        return HEIGHT + BESIDE - 6 - room * (value / largest if largest > 0 else 0.0)

    return lines_of(x_B, values, y_of)


def _beside_words(loss: Sequence[float | None], norm: Sequence[float | None]) -> str:
    """What the panel's two lines are, each with its largest value."""
    told = [
        f"{name} (up to {max(value for value in values if value is not None):.3g})"
        for name, values in (("loss, solid", loss), ("gradient norm, dashed", norm))
        if any(value is not None for value in values)
    ]
    return listed(told)
