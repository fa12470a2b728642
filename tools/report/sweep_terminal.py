"""The curve along a sweep in the terminal: a bar for each place, and what `transition` prints."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from tools.report.along import decomposition_sentence, first_sentence, shares_of_bar
from tools.report.curve import (
    Sweep,
    claim_sentence,
    curve_sentence,
    point_words,
    sweep_of_transition,
    transition_sentences,
)
from tools.report.document import Report
from tools.report.numbers import number
from tools.report.paper import ALERT, DIM, HEADING, WIDEST, Paper
from tools.report.safe_text import one_line
from tools.report.sweep_document import DecompositionPoint, SweepReport, Transition
from tools.report.words import interval_words

LEGEND = "Bars are solid up to the lower limit and shaded up to the upper one."
_LEGEND_LOWER = "Bars are solid up to the lower limit and shaded up to the estimate."
_PLACES = 21
_ROOM_FOR_OTHERS = 100
"""Width from which on Jensen-Shannon and total variation stand beside the bars."""
_ROOM_FOR_LONG_BARS = 60


def render_sweep(report: SweepReport) -> "TerminalSweep":
    """Something `rich.console.Console.print` shows; it fits itself to the console's width and encoding."""
    return TerminalSweep(report)


@dataclass(frozen=True)
class TerminalSweep:
    """The curve and its transitions as a rich renderable."""

    report: SweepReport

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        paper = Paper(min(options.max_width, WIDEST), options.encoding)
        sweep = sweep_of_transition(self.report)
        title = paper.heading(f"Run {one_line(self.report.run, 80)} along {one_line(self.report.name, 40)}")
        parts: list[RenderableType] = [
            title,
            *transition_parts(paper, sweep, most=len(sweep.transition.curve)),
            paper.text(claim_sentence(sweep), DIM),
            *(paper.text(f"warning: {one_line(one, 1000)}", ALERT) for one in self.report.warnings),
        ]
        lines = Group(*(line for part in parts for line in (part, Text())))
        yield from console.render(lines, options.update(width=paper.width))


def transition_parts(paper: Paper, sweep: Sweep | None, most: int = _PLACES) -> list[RenderableType]:
    """Sentences, and a bar for each place of the sweep; of a long sweep `most` places around the largest."""
    if sweep is None:
        return []
    transition, sentences = sweep.transition, transition_sentences(sweep)
    places = [point.at for point in transition.curve]
    shown, left_out = _around(places.index(transition.largest or places[0]), len(places), most)
    told = [curve_sentence(sweep), LEGEND if transition.bound == "exact" else _LEGEND_LOWER, *left_out]
    bars = _bars(paper, transition, shown)
    heading = paper.heading("Where it changed")
    return [Group(heading, paper.text(" ".join(sentences))), Group(bars, paper.text(" ".join(told), DIM))]


def _around(largest: int, places: int, most: int) -> tuple[slice, list[str]]:
    """Of so many places those that are shown, around the largest, and what says so where they are not all."""
    first = max(0, min(largest - most // 2, places - most))
    said = [f"These are {most} of {places} places; report.html shows all."] if places > most else []
    return slice(first, first + most), said


def _bars(paper: Paper, transition: Transition, shown: slice) -> Table:
    points = transition.curve[shown]
    others = paper.width >= _ROOM_FOR_OTHERS
    logged = [
        (name, values)
        for name, values in (
            ("loss", [point.loss for point in points]),
            ("gradient norm", [point.gradient_norm for point in points]),
        )
        if any(value is not None for value in values)
    ]
    bars = Table(
        box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style=DIM, show_header=others or bool(logged)
    )
    bars.add_column("", justify="right")
    bars.add_column("")
    bars.add_column("linear", overflow="fold")
    for name in (*(("JS", "TV") if others else ()), *(name for name, _ in logged)):
        bars.add_column(name, justify="right")
    tops = {transition.at, *(peak.at for peak in transition.peaks)}
    size = 24 if others or not logged else 14
    size = size if paper.width >= _ROOM_FOR_LONG_BARS else 8
    for place, point in enumerate(points):
        value, low = point.linear or 0.0, point.low or 0.0
        row = [
            paper.text(f"{point.at:g}", HEADING if point.at in tops else ""),
            paper.bar(size, low, max(point.high or 0.0, value)),
            paper.text(point_words(point, transition) + (" <" if point.at in tops else "")),
        ]
        if others:
            row += [paper.text("" if one is None else number(one)) for one in (point.js, point.tv)]
        row += [paper.text("" if (one := values[place]) is None else f"{one:.3g}") for _, values in logged]
        bars.add_row(*row)
    return bars


# A chosen set along the sweep

_REST, _PARTS = "-", "123456789abcdef"
"""How a bar shows what is unexplained, and the parameters by their number."""


def split_parts(paper: Paper, report: Report) -> list[RenderableType]:
    """The total at each place, split among the parameters, as a bar of their numbers; of a long sweep the places
    around the largest total."""
    points = report.decomposition
    if not any(point.parts is not None for point in points):
        return []
    largest = max(range(len(points)), key=lambda place: points[place].total.value or 0.0)
    shown, left_out = _around(largest, len(points), _PLACES)
    bars = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    bars.add_column(justify="right")
    bars.add_column()
    bars.add_column(overflow="fold")
    for point in points[shown]:
        bars.add_row(
            paper.text(f"{point.at:g}"),
            paper.text(_split_bar(point, report, 40 if paper.width >= 76 else 28)),
            paper.text("" if point.parts is None else interval_words(point.total), DIM),
        )
    digits = f"Digits are the parameters' in the table above, {_REST} the rest."
    told = [decomposition_sentence(report), digits, *left_out]
    heading, sentence = paper.heading("What changed where"), first_sentence(report)
    said = [paper.text(sentence)] if sentence else []
    return [Group(heading, *said, bars, paper.text(" ".join(told), DIM))]


def _split_bar(point: DecompositionPoint, report: Report, size: int) -> str:
    """A bar of `size` cells for 1; pieces end where their sum does, so that the whole has its length."""
    marks = [*_PARTS[: len(report.parameters)], _REST]
    bar, level = "", 0.0
    for mark, height in zip(marks, shares_of_bar(point, report.parameters), strict=False):
        level += height
        bar += mark * max(round(min(level, 1.0) * size) - len(bar), 0)
    return bar or ("gap" if point.parts is None else "")
