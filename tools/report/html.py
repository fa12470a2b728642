"""A report as one self-contained HTML file: no script, no external resource, and a policy that forbids both.

The template engine escapes every value; before that, `finalize` makes what is unseen in any text visible. The
only style the page may use is the sheet whose hash stands in its content security policy.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from probes.words import count
from tools.report import along, curve, drawing, fine_print, numbers, safe_text, words
from tools.report.document import Parameter, Report
from tools.report.figures import figures_of
from tools.report.sweep_figures import transition

_HERE = Path(__file__).parent
_LONG = 3
"""From this many parameters on, the report has a table of contents."""


def render(report: Report) -> str:
    """The whole page. All text of models and users in it is escaped; nothing of it is obeyed."""
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    sweep = curve.sweep_of(report)
    others = [warning for warning in report.warnings if warning not in report.alerts]
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            style=Markup(style),  # our own file, the only text that is not escaped
            style_hash=base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii"),
            sides=words.side_names(report),
            other_warnings=others,
            contents=len(report.parameters) >= _LONG,
            sweep=sweep,
            figures=_Figures(report),
        )
    )


def render_figure(sweep: curve.Sweep) -> str:
    """The curve along a sweep as an SVG file of its own."""
    return drawing.svg_of(json.dumps(transition(sweep).spec, sort_keys=True))


class _Figures:
    """The report's figures as parts of the page, by name; in place of one that could not be drawn, why."""

    def __init__(self, report: Report) -> None:
        self._made = {figure.name: figure for figure in figures_of(report)}
        self._drawn, self._failed = drawing.drawn(self._made.values())

    def __contains__(self, name: str) -> bool:
        return name in self._made

    def __call__(self, name: str) -> Markup | str:
        if name in self._failed:
            return self._failed[name]
        return drawing.inline(self._drawn[name], self._made[name].described)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        words=words,
        along=along,
        curve=curve,
        fine=fine_print,
        numbers=numbers,
        count=count,
        level_rows=_level_rows,
    )
    environment.filters.update(line=safe_text.one_line, cut=safe_text.first_lines, percent=numbers.percent)
    return environment


def _finalize(value: Any) -> Any:
    return safe_text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _level_rows(parameter: Parameter) -> list[tuple[str, str, float, float]]:
    """Name, description, probability before and after of each level."""
    return [
        (
            level.name,
            level.description,
            parameter.before.get(level.name, 0.0),
            parameter.after.get(level.name, 0.0),
        )
        for level in parameter.scale.levels
    ]
