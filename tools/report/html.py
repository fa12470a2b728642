"""A report as one self-contained HTML file: no external resource, and a policy that forbids any.

Every value is escaped, and what is unseen in it made visible (`tools.report.page`). The only style and script that
the page may use are those whose hashes stand in its content security policy; the script finds examples, and
without it the page lacks nothing else.
"""

import json
from functools import cache
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from probes.words import count
from tools.report import along, citing, curve, differences, drawing, fine_print, numbers, safe_text, words
from tools.report.document import Example, Interval, LevelRecord, Parameter, Report
from tools.report.figures import figures_of
from tools.report.page import Own, templates
from tools.report.sweep_figures import transition

_HERE = Path(__file__).parent
_LONG = 3
"""From this many parameters on, the report has a table of contents."""


def render(report: Report) -> str:
    """The whole page. All text of models and users in it is escaped; nothing of it is obeyed."""
    style, script = (Own(_HERE / name) for name in ("report.css", "report.js"))
    examples = _examples(report)
    answers = [one for example in examples for one in (example.before, example.after) if one is not None]
    styles = {
        piece.style for example in examples for side in differences.pieces_of(example).values() for piece in side
    }
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            style=style.text,
            style_hash=style.hash,
            script=script.text,
            script_hash=script.hash,
            sides=words.side_names(report),
            other_warnings=[warning for warning in report.warnings if warning not in report.alerts],
            contents=len(report.parameters) >= _LONG,
            sweep=curve.sweep_of(report),
            figures=_Figures(report),
            finding=_Finding(report),
            firsts=_firsts(report),
            shades=any(one.token_ends for one in answers),
            marks=differences.DIFFERS in styles,
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

    @property
    def any(self) -> bool:
        return bool(self._made)

    def __contains__(self, name: str) -> bool:
        return name in self._made

    def __call__(self, name: str) -> Markup | str:
        if name in self._failed:
            return self._failed[name]
        return drawing.inline(self._drawn[name], self._made[name].described)


# Examples


class _Finding:
    """What examples can be found by: values and names of the choices."""

    def __init__(self, report: Report) -> None:
        examples = _examples(report)
        self.examples = len(examples)
        self.prompts = list({one.prompt_id: one.prompt for one in examples}.items())
        self.domains = [(name, name) for name in sorted({one.domain for one in examples if one.domain})]
        self.levels = [
            (level_key(place, level.name), f"{place}. {level.name}")
            for place, parameter in enumerate(report.parameters, start=1)
            for level in parameter.scale.levels
            if level.name in _levels_shown(parameter)
        ]


def _levels_shown(parameter: Parameter) -> set[str | None]:
    return {one.level for example in parameter.examples for one in (example.before, example.after) if one}


def level_key(place: int, level: str | None) -> str:
    """What a level is known by on the page: names may be the same in two scales."""
    return "" if level is None else f"{place}. {level}"


def _examples(report: Report) -> list[Example]:
    return [*(one for each in report.parameters for one in each.examples), *report.set.unexplained.examples]


def _firsts(report: Report) -> list[int]:
    """How many examples stand before those of each parameter, and before those that are unexplained."""
    counts = [len(parameter.examples) for parameter in report.parameters]
    return [sum(counts[:place]) for place in range(len(counts) + 1)]


def _level_rows(parameter: Parameter) -> list[tuple[LevelRecord, Interval, Interval]]:
    """Each level with its probability before and after."""
    sides = ((parameter.before, parameter.before_limits), (parameter.after, parameter.after_limits))
    rows = []
    for level in parameter.scale.levels:
        before, after = (
            Interval(value=seen.get(level.name, 0.0), low=low, high=high)
            for seen, limits in sides
            for low, high in [limits.get(level.name, (None, None))]
        )
        rows.append((level, before, after))
    return rows


# The template


@cache
def _environment() -> Environment:
    environment = templates(_HERE)
    environment.globals.update(
        words=words,
        along=along,
        curve=curve,
        fine=fine_print,
        numbers=numbers,
        citing=citing,
        count=count,
        steps=differences.STEPS,
        end=differences.END,
        pieces_of=differences.pieces_of,
        level_key=level_key,
        level_rows=_level_rows,
    )
    environment.filters.update(cut=safe_text.first_lines, percent=numbers.percent)
    return environment
