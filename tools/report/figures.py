"""The figures of a report: one Vega-Lite specification each, which page, SVG, PDF and PNG are all drawn from.

Text of models and users enters as data or titles, which Vega-Lite shows as they are; no expression holds any.
"""

from collections.abc import Sequence

from tools.report.along import stacked
from tools.report.curve import sweep_of
from tools.report.document import Parameter, Report
from tools.report.figure_parts import (
    AFTER,
    BEFORE,
    DARK,
    PAPER,
    PARTS,
    REST,
    ROWS_WIDTH,
    TO_ONE,
    UNEXPLAINED,
    Figure,
    Row,
    Spec,
    distinct,
    number_of,
    painted,
    rows_axis,
    whiskers,
)
from tools.report.numbers import number, percent
from tools.report.record import Interval
from tools.report.safe_text import one_line
from tools.report.sweep_figures import along, decomposition, transition
from tools.report.words import interval_words, seen_words, share_is_known, share_words

_ROOM_FOR_A_DIGIT = 0.04


def figures_of(report: Report) -> list[Figure]:
    """All that a report has numbers for, in the order of the page."""
    sweep = sweep_of(report)
    made: list[Figure | None] = [shares(report) if report.parameters else None]
    for place, parameter in enumerate(report.parameters, start=1):
        made += [levels(place, parameter), along(report, place, parameter)]
    made += [transition(sweep) if sweep is not None else None, decomposition(report)]
    return [figure for figure in made if figure is not None]


# The captured share


def shares(report: Report) -> Figure:
    """The set as a bar of the total, gain by gain, with what is unexplained; below it each parameter alone.

    In shares of the total, or in dissimilarity where shares say nothing.
    """
    known = share_is_known(report)
    together = _together(report, known)
    names = [f"{place}  {one_line(one.name, 32)}" for place, one in enumerate(report.parameters, start=1)]
    singles = [one.share if known else one.dissimilarity for one in report.parameters]
    bars = _bars_together(report, together, known)
    for place, (name, single) in enumerate(zip(names, singles, strict=True)):
        bars.append(_bar(name, 0.0, _length(single), place, _alone_words(report, place, known)))
    captured = report.set.share if known else report.set.dissimilarity
    intervals = [
        {"row": row, "low": one.low or 0.0, "high": one.high}
        for row, one in zip([together, *names], [captured, *singles], strict=True)
    ]
    rows = [together, *names, UNEXPLAINED]
    y = {"field": "row", "type": "nominal", "sort": None, "scale": {"domain": rows}, "axis": rows_axis()}
    x = _share_axis(report, known)
    spec = {
        "width": ROWS_WIDTH,
        "height": {"step": 32},
        "layer": [
            _bar_layer(bars, y, x),
            _digit_layer(bars, y, x),
            *whiskers(intervals[:1], {"y": y}, x, across="x", aside=6),
            *whiskers(intervals[1:], {"y": y}, x, across="x"),
        ],
    }
    return Figure("shares", spec, f"Bar of the total: {'; '.join(dict.fromkeys(bar['label'] for bar in bars))}.")


def _together(report: Report, known: bool) -> str:
    """The name of the set's row, which agrees with what kind of bound a regression makes of it."""
    name = "together" if len(report.parameters) > 1 else "captured"
    if report.set.estimator == "table":
        return name
    return f"{name}, about" if known and report.total.bound == "lower" else f"{name}, at least"


def _bars_together(report: Report, row: str, known: bool) -> list[Row]:
    """The gains one after the other, and what they leave of the total, which stands in a row of its own too."""
    captured = report.set.share if known else report.set.dissimilarity
    pieces = stacked([one.gain.value or 0.0 for one in report.parameters], _length(captured))
    bars = _bars_of_gains(report, row, pieces)
    whole, end = 1.0 if known else report.total.linear.value or 0.0, sum(pieces)
    if whole > end:
        rest = f"{UNEXPLAINED} about {percent(whole - end) if known else number(whole - end)}"
        bars += [_bar(place, end, whole, None, rest) for place in (row, UNEXPLAINED)]
    return bars


def _length(interval: Interval) -> float:
    return 0.0 if interval.one_sided else interval.value or 0.0


def _share_axis(report: Report, known: bool) -> Spec:
    bounded = ", at most" if report.total.bound == "lower" else ""
    title = f"share of the total{bounded}" if known else "dissimilarity (linear)"
    shown = {"format": ".0%"} if known else {}
    return {"scale": TO_ONE, "axis": {"title": f"{title}; 95% intervals", "tickCount": 5, **shown}}


def _bar_layer(bars: Sequence[Row], y: Spec, x: Spec) -> Spec:
    across = {"x": number_of("from", **x), "x2": {"field": "to"}}
    return {
        "data": {"values": list(bars)},
        "mark": {"type": "bar", "size": 18, "stroke": PAPER, "strokeWidth": 1},
        "encoding": {"y": y, **across, **painted("fill", "label")},
    }


def _digit_layer(bars: Sequence[Row], y: Spec, x: Spec) -> Spec:
    """The numbers of the parameters in the pieces of the bar, where there is room."""
    return {
        "data": {"values": [bar for bar in bars if bar["digit"]]},
        "mark": {"type": "text", "fontSize": 12, "fontWeight": "bold", "dy": -2},
        "encoding": {"y": y, "x": number_of("middle", **x), "text": {"field": "digit"}, **painted("ink")},
    }


def _bars_of_gains(report: Report, row: str, pieces: Sequence[float]) -> list[Row]:
    bars, end = [], 0.0
    for place, (piece, one) in enumerate(zip(pieces, report.parameters, strict=True)):
        label = f"{place + 1} {one_line(one.name, 60)} adds {interval_words(one.gain)}"
        bar = _bar(row, end, end + piece, place, label)
        bars.append(bar | {"digit": str(place + 1) if piece >= _ROOM_FOR_A_DIGIT else ""})
        end += piece
    return bars


def _bar(row: str, start: float, end: float, place: int | None, label: str) -> Row:
    fill = REST if place is None else PARTS[place % len(PARTS)]
    return {
        "row": row,
        "from": start,
        "to": end,
        "middle": (start + end) / 2,
        "fill": fill,
        "ink": "white" if fill in DARK else "black",
        "label": label,
        "digit": "",
    }


def _alone_words(report: Report, place: int, known: bool) -> str:
    one = report.parameters[place]
    told = share_words(report, one) if known else interval_words(one.dissimilarity)
    return f"{place + 1} {one_line(one.name, 60)} alone {told}"


# One parameter


def levels(place: int, parameter: Parameter) -> Figure:
    """How often each level was seen before and after, with intervals where the report has them."""
    names = distinct([one_line(level.name, 32) for level in parameter.scale.levels])
    rows = [
        _level_row(parameter, level.name, name, side)
        for name, level in zip(names, parameter.scale.levels, strict=True)
        for side in ("before", "after")
    ]
    limits = any(row["low"] is not None for row in rows)
    title = "share of the answers; 95% intervals" if limits else "share of the answers"
    x = {"scale": TO_ONE, "axis": {"title": title, "format": ".0%", "tickCount": 5}}
    along = {
        "y": {"field": "level", "type": "nominal", "sort": None, "axis": rows_axis()},
        "yOffset": {"field": "side", "type": "nominal", "sort": ["before", "after"]},
    }
    colors = {"domain": ["before", "after"], "range": [BEFORE, AFTER]}
    side = {"field": "side", "type": "nominal", "sort": None, "scale": colors}
    bars = {
        "data": {"values": rows},
        "mark": {"type": "bar"},
        "encoding": {**along, "x": number_of("value", **x), "color": side, "description": {"field": "label"}},
    }
    layer = [bars, *whiskers(rows, along, x, across="x")]
    spec = {"width": ROWS_WIDTH, "height": {"step": 17}, "layer": layer}
    told = "; ".join(str(row["label"]) for row in rows)
    return Figure(f"parameter-{place}-levels", spec, f"{one_line(parameter.name, 60)}: {told}.")


def _level_row(parameter: Parameter, level: str, name: str, side: str) -> Row:
    before = side == "before"
    value = (parameter.before if before else parameter.after).get(level, 0.0)
    low, high = (parameter.before_limits if before else parameter.after_limits).get(level, (None, None))
    label = f"{name}, {side}: {seen_words(value, low, high)}"
    return {"level": name, "side": side, "value": value, "low": low, "high": high, "label": label}
