"""A chosen set along the sweep in a report: the total split among its parameters, and each parameter's own curve.

Source: Method, sections 3 and 6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tools.report.curve import (
    LEFT,
    RIGHT,
    WIDTH,
    Dot,
    Tick,
    axis_words,
    lines_of,
    place_x,
    value_y,
    x_ticks,
)
from tools.report.document import Parameter, Report
from tools.report.numbers import number
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_document import DecompositionPoint, LevelPoint
from tools.report.words import UNKNOWN, interval_words

COLOURS = 8
"""Parameters that the style sheet has a colour for; more begin anew."""

REST = "unexplained"
_BAR = 0.78
"""Of the distance between two places."""

# Sentences


def decomposition_sentence(report: Report) -> str:
    """What the split of the total shows, and where it has gaps."""
    points = report.decomposition
    if not points:
        return ""
    said = (
        "At each place between two checkpoints the total is split among the chosen set, by Shapley values; the "
        "rest is unexplained. Samples of all checkpoints were reweighted to those around the place."
    )
    gaps = sum(point.parts is None for point in points)
    return f"{said} {gaps} of {len(points)} places are gaps: too few samples support them." if gaps else said


def first_sentence(report: Report) -> str:
    """Which parameter is largest where, of those that are split out."""
    names = {parameter.id: one_line(parameter.name, 60) for parameter in report.parameters}
    tops = []
    for place, name in names.items():
        known = [(point.parts[place], point.at) for point in report.decomposition if point.parts is not None]
        if known and max(known)[0] > 0:
            tops.append((max(known)[1], name))
    if len(tops) < 2:
        return ""
    told = ", ".join(f"{name} at {at:g}" for at, name in sorted(tops))
    return f"Largest, by estimate: {told}."


def level_sentence(parameter: Parameter) -> str:
    """The curve of a parameter in words: the lowest and the highest checkpoint."""
    known = [point for point in parameter.levels if point.value is not None]
    if len(known) < 2:
        return ""
    low, high = (pick(known, key=lambda point: point.value or 0.0) for pick in (min, max))
    gaps = len(parameter.levels) - len(known)
    told = (
        f"along the sweep, {one_line(parameter.shown, 120)}: {level_words(low)} at {low.at:g}, "
        f"{level_words(high)} at {high.at:g}"
    )
    return f"{told}; {gaps} checkpoints are gaps" if gaps else told


def level_words(point: LevelPoint) -> str:
    return interval_words(Interval(value=point.value, low=point.low, high=point.high))


def decomposition_rows(report: Report) -> list[list[str]]:
    """Place, total, what each parameter holds of it, and the rest: as text, a row a place."""
    rows = []
    for point in report.decomposition:
        parts = point.parts
        cells = [UNKNOWN if parts is None else _signed(parts[one.id]) for one in report.parameters]
        rest = UNKNOWN if point.unexplained is None else number(point.unexplained)
        rows.append([f"{point.at:g}", interval_words(point.total), *cells, rest])
    return rows


def _signed(value: float) -> str:
    """A Shapley value: it may fall below 0 by chance."""
    return f"{value:.2f}" if value <= -0.005 else number(max(value, 0.0))


# Drawings


@dataclass(frozen=True)
class Segment:
    """A piece of a stacked bar, in units of the drawing. style: its class in the style sheet."""

    x: float
    y: float
    width: float
    height: float
    style: str
    label: str


@dataclass(frozen=True)
class Stack:
    """The split of the total as stacked bars. names: class and name of each colour, from the bottom."""

    segments: tuple[Segment, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    names: tuple[tuple[str, str], ...]
    axis: str
    described: str


def stack(report: Report) -> Stack | None:
    """None where nothing was split."""
    points = report.decomposition
    if not any(point.parts is not None for point in points):
        return None
    at_B = [point.at for point in points]
    x_B = [place_x(place, len(points)) for place in range(len(points))]
    width = _BAR * (WIDTH - LEFT - RIGHT) / len(points)
    names = [(_style(place), one_line(one.name, 60)) for place, one in enumerate(report.parameters)]
    segments = [
        segment
        for x, point in zip(x_B, points, strict=True)
        for segment in _segments(point, x, width, report.parameters)
    ]
    return Stack(
        segments=tuple(segments),
        x_ticks=x_ticks(at_B, x_B),
        y_ticks=tuple(Tick(value_y(value), f"{value:g}") for value in (0.0, 0.25, 0.5, 0.75, 1.0)),
        names=(*names, (REST, REST)),
        axis=axis_words(report.control.name, report.control.unit),
        described=decomposition_sentence(report),
    )


def shares_of_bar(point: DecompositionPoint, parameters: Sequence[Parameter]) -> list[float]:
    """Heights of a bar's pieces: the parameters, then the rest. What is below 0 by chance is taken from the
    others: they add up to what is captured."""
    if point.parts is None:
        return []
    positive = [max(point.parts[one.id], 0.0) for one in parameters]
    captured, whole = max(sum(point.parts.values()), 0.0), sum(positive)
    scaled = [value * captured / whole if whole > 0 else 0.0 for value in positive]
    return [*scaled, point.unexplained or 0.0]


def _segments(point: DecompositionPoint, x: float, width: float, parameters: Sequence[Parameter]) -> list[Segment]:
    segments, level = [], 0.0
    told = [one_line(one.name, 60) for one in parameters] + [REST]
    styles = [_style(place) for place in range(len(parameters))] + [REST]
    for height, name, style in zip(shares_of_bar(point, parameters), told, styles, strict=False):
        top, bottom = value_y(level + height), value_y(level)
        label = f"{point.at:g}: {name} {number(height)}"
        segments.append(Segment(x - width / 2, top, width, bottom - top, style, label))
        level += height
    return segments


def _style(place: int) -> str:
    return f"part-{place % COLOURS}"


@dataclass(frozen=True)
class LevelDrawing:
    """A parameter's curve over checkpoints, in the box of the sweep's own curve."""

    lines: tuple[str, ...]
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    axis: str
    described: str


def level_drawing(report: Report, parameter: Parameter) -> LevelDrawing | None:
    """None where hardly any checkpoint has a number."""
    points = parameter.levels
    if sum(point.value is not None for point in points) < 2:
        return None
    at_K = [point.at for point in points]
    x_K = [place_x(place, len(points)) for place in range(len(points))]
    return LevelDrawing(
        lines=lines_of(x_K, [point.value for point in points], value_y),
        dots=tuple(
            Dot(x, value_y(point.value), value_y(point.low or 0.0), value_y(point.high or 0.0), level_words(point))
            for x, point in zip(x_K, points, strict=True)
            if point.value is not None
        ),
        x_ticks=x_ticks(at_K, x_K),
        y_ticks=tuple(Tick(value_y(value), f"{value:g}") for value in (0.0, 0.5, 1.0)),
        axis=axis_words(report.control.name, report.control.unit),
        described=f"Curve of {one_line(parameter.name, 60)}: {level_sentence(parameter)}",
    )
