"""The figures along a sweep: the curve with its transitions, the total split among the set, and each parameter.

Source: Method, sections 2, 3 and 6.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

import numpy as np

from tools.report.along import decomposition_sentence, level_sentence, level_words, shares_of_bar
from tools.report.curve import Sweep, axis_words, curve_sentence, interval_of, point_words, transition_sentences
from tools.report.document import Parameter, Report
from tools.report.figure_parts import (
    CURVE,
    INK,
    PAPER,
    PARTS,
    REST,
    SHADE,
    SOFT,
    TO_ONE,
    UNEXPLAINED,
    WIDTH,
    Figure,
    Row,
    Spec,
    dots,
    line,
    number_of,
    place_of,
    places,
    whiskers,
)
from tools.report.numbers import number
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_document import DecompositionPoint, LevelPoint, ParameterPoint, Transition, TransitionPoint
from tools.report.words import interval_words


def along(report: Report, place: int, parameter: Parameter) -> Figure | None:
    """What the parameter shows at each checkpoint, and below its dissimilarity; None where hardly any is known."""
    points = parameter.levels
    if sum(point.value is not None for point in points) < 2:
        return None
    at_K = [point.at for point in points]
    title = axis_words(report.control.name, report.control.unit)
    shown = [_level_row(place, point) for place, point in enumerate(points)]
    panels = [_panel(shown, at_K, "level", 150, one_line(parameter.shown, 80))]
    if any(point.value is not None for point in parameter.curve):
        between = [_parameter_row(point, at_K) for point in parameter.curve]
        panels.append(_panel(between, at_K, "dissimilarity, alone", 110))
    described = f"Curve of {one_line(parameter.name, 60)}: {level_sentence(parameter)}."
    return Figure(f"parameter-{place}-along", _one_below_the_other(panels, title), described)


def _level_row(place: int, point: LevelPoint) -> Row:
    label = f"{point.at:g}: {level_words(point)}"
    return {"x": place, "value": point.value, "low": point.low, "high": point.high, "label": label}


def _parameter_row(point: ParameterPoint, at_K: Sequence[float]) -> Row:
    told = interval_words(Interval(value=point.value, low=point.low, high=point.high))
    return {
        "x": float(np.interp(point.at, at_K, range(len(at_K)))),
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "label": f"{point.at:g}: {told}",
    }


def _panel(rows: Sequence[Row], at_K: Sequence[float], upright: str, height: int, above: str = "") -> Spec:
    """A curve from 0 to 1 with its intervals."""
    y = {"scale": TO_ONE, "axis": {"title": upright, "tickCount": 5}}
    x = places(at_K, None)
    return {
        "width": WIDTH,
        "height": height,
        "title": above,
        "layer": [
            line(rows, {"x": x}, y, {"color": CURVE, "strokeWidth": 2}),
            *whiskers(rows, {"x": x}, y, across="y"),
            dots(rows, {"x": x}, y),
        ],
    }


# Along the sweep

_LINEAR = {"exact": "linear, 95% interval", "lower": "linear, 95% lower limit"}
_JS, _TV = "Jensen-Shannon", "total variation"
_PEAK, _NORM = "peak above the median", "largest gradient norm"
_STYLES: dict[str, tuple[str, list[int]]] = {
    _LINEAR["exact"]: (CURVE, [1, 0]),
    _LINEAR["lower"]: (CURVE, [1, 0]),
    _JS: (SOFT, [2, 3]),
    _TV: (SOFT, [7, 3]),
    _PEAK: (INK, [1, 0]),
    _NORM: (INK, [5, 4]),
}
"""Color and dashes."""


def transition(sweep: Sweep) -> Figure:
    """The curve with its intervals, its peaks with theirs, and below it gradient norm and loss of the training."""
    found = sweep.transition
    at_B = [point.at for point in found.curve]
    title = axis_words(sweep.name, sweep.unit)
    panels = [_curve_panel(found, at_B), *_training_panels(found, at_B)]
    described = " ".join([*transition_sentences(sweep), curve_sentence(sweep)])
    return Figure("transition", _one_below_the_other(panels, title), described)


def _one_below_the_other(panels: list[Spec], title: str) -> Spec:
    """Panels along the same sweep; the last one's axis carries the title."""
    for layer in panels[-1]["layer"]:
        x = layer["encoding"]["x"]
        layer["encoding"]["x"] = {**x, "axis": {**x["axis"], "title": title}}
    return {"vconcat": panels, "spacing": 14}


def _curve_panel(found: Transition, at_B: Sequence[float]) -> Spec:
    upright = "dissimilarity" if found.bound == "exact" else "dissimilarity, lower bound"
    y = {"scale": TO_ONE, "axis": {"title": upright, "tickCount": 5}}
    x = {"x": places(at_B, None)}
    linear = [_point_row(place, point, found) for place, point in enumerate(found.curve)]
    lines: dict[str, list[Row]] = {
        _LINEAR[found.bound]: linear,
        _JS: [{"x": place, "value": one.js} for place, one in enumerate(found.curve)],
        _TV: [{"x": place, "value": one.tv} for place, one in enumerate(found.curve)],
    }
    lines = {name: rows for name, rows in lines.items() if any(row["value"] is not None for row in rows)}
    spans = _spans(found, at_B)
    uprights = [{"series": _PEAK, "x": span["x"]} for span in spans]
    norm = found.gradient_norm_peak
    if norm is not None and at_B[0] <= norm <= at_B[-1]:
        uprights.append({"series": _NORM, "x": place_of(norm, at_B)})
    key = _key({*lines, *(row["series"] for row in uprights)})
    return {
        "width": WIDTH,
        "height": 190,
        "layer": [
            {
                "data": {"values": spans},
                "mark": {"type": "rect", "color": SHADE},
                "encoding": {**x, "x": places(at_B, None, "low"), "x2": {"field": "high"}},
            },
            {"data": {"values": uprights}, "mark": {"type": "rule", "strokeWidth": 1.3}, "encoding": {**x, **key}},
            *(
                line([{"series": name, **row} for row in rows], x, y, {"strokeWidth": _wide(name)}, key)
                for name, rows in lines.items()
            ),
            *whiskers(linear, x, y, across="y"),
            dots(linear, x, y),
        ],
    }


def _wide(name: str) -> float:
    return 1.2 if name in (_JS, _TV) else 2.0


def _key(drawn: Collection[str]) -> Spec:
    """Colors and dashes of what is drawn, and one legend of both."""
    names = [name for name in _STYLES if name in drawn]
    series = {"field": "series", "type": "nominal", "sort": None}
    colors, dashes = ([_STYLES[name][i] for name in names] for i in (0, 1))
    legend = {"symbolType": "stroke", "symbolStrokeWidth": 2, "symbolSize": 300, "columns": 2}
    return {
        "color": {**series, "scale": {"domain": names, "range": colors}, "legend": legend},
        "strokeDash": {**series, "scale": {"domain": names, "range": dashes}},
    }


def _training_panels(found: Transition, at_B: Sequence[float]) -> list[Spec]:
    """Gradient norm and loss between the checkpoints, each on an axis of its own."""
    panels = []
    for title, values in (
        ("gradient norm", [point.gradient_norm for point in found.curve]),
        ("loss", [point.loss for point in found.curve]),
    ):
        rows = [
            {"x": place, "value": value, "label": f"{title} {value:.3g}"}
            for place, value in enumerate(values)
            if value is not None
        ]
        if rows:
            x = {"x": places(at_B, None)}
            y = {"scale": {"zero": True, "nice": True}, "axis": {"title": title, "tickCount": 3}}
            layer = [line(rows, x, y, {"color": SOFT, "strokeWidth": 1.5}), dots(rows, x, y)]
            panels.append({"width": WIDTH, "height": 60, "layer": layer})
    return panels


def _point_row(place: int, point: TransitionPoint, found: Transition) -> Row:
    known = interval_of(point)
    return {
        "x": place,
        "value": known.value,
        "low": known.low,
        "high": known.value if known.high is None else known.high,
        "label": f"{point.at:g}: {point_words(point, found)}",
    }


def _spans(found: Transition, at_B: Sequence[float]) -> list[Row]:
    """A mark a peak, with where else it may lie; reports of earlier versions have the place alone."""
    if not found.peaks:
        alone = () if found.at is None else (found.at,)
        return [dict.fromkeys(("x", "low", "high"), place_of(at, at_B)) for at in alone]
    return [
        {"x": place_of(peak.at, at_B), "low": place_of(peak.low, at_B), "high": place_of(peak.high, at_B)}
        for peak in found.peaks
    ]


def decomposition(report: Report) -> Figure | None:
    """The total at each place of the sweep, split among the set; None where nothing was split."""
    points = report.decomposition
    if not any(point.parts is not None for point in points):
        return None
    at_B = [point.at for point in points]
    names = [f"{place}  {one_line(one.name, 40)}" for place, one in enumerate(report.parameters, start=1)]
    names.append(UNEXPLAINED)
    colors = [PARTS[place % len(PARTS)] for place in range(len(names) - 1)] + [REST]
    bars = [
        row for place, point in enumerate(points) for row in _pieces(place, point, report.parameters, names, at_B)
    ]
    totals = [
        {"x": place, "low": point.total.low, "high": point.total.high}
        for place, point in enumerate(points)
        if point.parts is not None and point.total.high is not None
    ]
    x = {"x": places(at_B, axis_words(report.control.name, report.control.unit))}
    y = {
        "scale": TO_ONE,
        "axis": {"title": "dissimilarity; 95% interval of the total", "tickCount": 5},
    }
    spec = {
        "width": WIDTH,
        "height": 220,
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "size": 0.78 * WIDTH / len(points), "stroke": PAPER, "strokeWidth": 0.7},
                "encoding": {
                    **x,
                    "y": number_of("from", **y),
                    "y2": {"field": "to"},
                    "color": {
                        "field": "part",
                        "type": "nominal",
                        "sort": None,
                        "scale": {"domain": names, "range": colors},
                        "legend": {"columns": 2},
                    },
                    "description": {"field": "label"},
                },
            },
            *whiskers(totals, x, y, across="y"),
        ],
    }
    return Figure("decomposition", spec, decomposition_sentence(report))


def _pieces(
    place: int,
    point: DecompositionPoint,
    parameters: Sequence[Parameter],
    names: Sequence[str],
    at_B: Sequence[float],
) -> Iterable[Row]:
    heights = shares_of_bar(point, parameters)
    ends = [0.0, *np.cumsum(heights).tolist()]
    for name, (low, high), height in zip(names, pairwise(ends), heights, strict=False):
        told = f"{at_B[place]:g}: {name} {number(height)}"
        yield {"x": place, "from": low, "to": high, "part": name, "label": told}
