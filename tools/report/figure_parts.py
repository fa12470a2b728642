"""What the figures of a report are made of: colors, scales, lines and intervals, in Vega-Lite.

Colors are those of Okabe and Ito, which color-blind readers tell apart, in an order in which neighbours differ in
grey too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Spec = dict[str, Any]
Row = dict[str, Any]

INK, SOFT, LINE, SHADE, REST, PAPER = "#1c1d21", "#5c6068", "#dcdcd4", "#ececec", "#d3d3d3", "#ffffff"
BEFORE, AFTER, CURVE = "#0072b2", "#d55e00", "#00785c"
PARTS = ("#0072b2", "#e69f00", "#009e73", "#56b4e9", "#d55e00", "#f0e442", "#cc79a7", "#8c8c8c")
"""Colors of parameters in greedy order; more than these begin anew."""

DARK = (BEFORE, AFTER)
"""Those that carry white text."""

UNEXPLAINED = "unexplained"
WIDTH = 400
"""Of what lies between a figure's axes; with its labels a figure is about 470 wide."""

TO_ONE: Spec = {"domain": [0, 1], "nice": False}
"""The scale of dissimilarities, shares and probabilities."""

ROWS_WIDTH = WIDTH - 100
"""Of what lies between the axes where names of rows stand beside it."""

_TICKS = 9

_IS_LONG = "length(datum.label) > 20 && test(/^.{1,20} /, datum.label)"
_ON_TWO_LINES = rf"{_IS_LONG} ? split(replace(datum.label, /^(.{{1,20}}) /, '$1\n'), '\n') : datum.label"

CONFIG: Spec = {
    "background": PAPER,
    "font": "Liberation Sans, Arial, Helvetica, sans-serif",
    "view": {"stroke": None},
    "title": {"anchor": "start", "fontSize": 13, "fontWeight": "normal", "color": INK, "limit": 460, "offset": 8},
    "axis": {
        "labelColor": SOFT,
        "titleColor": INK,
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelLimit": 150,
        "titleLimit": 400,
        "gridColor": LINE,
        "domainColor": SOFT,
        "tickColor": SOFT,
    },
    "legend": {
        "orient": "bottom",
        "labelColor": INK,
        "labelFontSize": 13,
        "labelLimit": 200,
        "title": None,
        "columnPadding": 26,
    },
}


@dataclass(frozen=True)
class Figure:
    """name: of its files. spec: in Vega-Lite. described: what it shows, for whoever does not see it."""

    name: str
    spec: Spec
    described: str


def number_of(field: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", **more}


def places(at: Sequence[float], title: str | None, field: str = "x") -> Spec:
    """The axis along a sweep: places at even distances, as their values may be spread unevenly.

    The labels are numbers of ours: an expression of a specification holds no other text.
    """
    labels = ",".join(f'"{value:g}"' for value in at)
    every = -(-len(at) // _TICKS)
    axis = {
        "title": title,
        "values": list(range(0, len(at), every)),
        "labelExpr": f"[{labels}][datum.value]",
        "grid": False,
        "labelFlush": False,
    }
    return number_of(field, scale={"domain": [-0.5, len(at) - 0.5], "nice": False, "zero": False}, axis=axis)


def place_of(value: float, at: Sequence[float]) -> float:
    return float(np.interp(value, at, range(len(at))))


def rows_axis() -> Spec:
    """Names beside rows: long ones on two lines, with room to spare where a page has a wider font."""
    return {
        "title": None,
        "ticks": False,
        "domain": False,
        "labelColor": INK,
        "labelPadding": 8,
        "labelExpr": _ON_TWO_LINES,
        "labelLineHeight": 14,
        "labelOffset": {"condition": {"test": _IS_LONG, "value": -7}, "value": 0},
        "minExtent": 170,
        "labelLimit": 145,
    }


def painted(color: str, label: str | None = None) -> Spec:
    """The color that a row names, and the words for whoever points at it."""
    painted: Spec = {"color": {"field": color, "type": "nominal", "scale": None}}
    return painted | ({"description": {"field": label}} if label else {})


def line(rows: Sequence[Row], along: Spec, y: Spec, mark: Spec, more: Spec | None = None) -> Spec:
    """A line with a gap where there is no value."""
    encoding = {**along, "y": number_of("value", **y), **(more or {})}
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "line", "invalid": "break-paths-show-path-domains", **mark},
        "encoding": encoding,
    }


def dots(rows: Sequence[Row], along: Spec, y: Spec) -> Spec:
    known = [row for row in rows if row["value"] is not None]
    return {
        "data": {"values": known},
        "mark": {"type": "point", "filled": True, "size": 40, "color": CURVE, "opacity": 1},
        "encoding": {**along, "y": number_of("value", **y), "description": {"field": "label"}},
    }


def whiskers(rows: Sequence[Row], along: Spec, scale: Spec, across: str, aside: int = 0) -> list[Spec]:
    """Intervals from `low` to `high`, with a stroke at either end. aside: below the middle of a row."""
    known = [row for row in rows if row.get("low") is not None and row.get("high") is not None]
    ends = [{**row, "end": row[side]} for row in known for side in ("low", "high")]
    bar = {"type": "rule", "color": INK, "strokeWidth": 1.3, "yOffset": aside}
    tick = {"type": "tick", "color": INK, "thickness": 1.3, "size": 6, "yOffset": aside}
    return [
        {
            "data": {"values": known},
            "mark": bar,
            "encoding": {**along, across: number_of("low", **scale), f"{across}2": {"field": "high"}},
        },
        {
            "data": {"values": ends},
            "mark": {**tick, "orient": "vertical" if across == "x" else "horizontal"},
            "encoding": {**along, across: number_of("end", **scale)},
        },
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Names that cutting made alike are told apart by their number."""
    return [f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name for i, name in enumerate(names)]
