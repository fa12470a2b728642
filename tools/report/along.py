"""A chosen set along the sweep in a report: the total split among its parameters, and each parameter's own curve.

Source: Method, sections 3 and 6.
"""

from collections.abc import Sequence

from tools.report.document import Parameter, Report
from tools.report.numbers import number
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_document import DecompositionPoint, LevelPoint
from tools.report.words import UNKNOWN, interval_words


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


def shares_of_bar(point: DecompositionPoint, parameters: Sequence[Parameter]) -> list[float]:
    """Heights of a bar's pieces: the parameters, then the rest."""
    if point.parts is None:
        return []
    pieces = stacked([point.parts[one.id] for one in parameters], sum(point.parts.values()))
    return [*pieces, point.unexplained or 0.0]


def stacked(parts: Sequence[float], captured: float) -> list[float]:
    """Lengths of pieces that add up to what is captured: what is below 0 by chance is taken from the others."""
    positive = [max(part, 0.0) for part in parts]
    whole, captured = sum(positive), max(captured, 0.0)
    return [part * captured / whole if whole > 0 else 0.0 for part in positive]
