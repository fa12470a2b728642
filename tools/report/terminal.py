"""A report in the terminal: everything that matters, at any width from 60 columns, without colour or UTF-8 too.

All text enters as `rich.text.Text`, which holds no markup, after `safe_text` has made what is unseen visible.
"""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tools.report.curve import sweep_of
from tools.report.document import Example, Parameter, Report, Shown
from tools.report.fine_print import fine_print, judge_words, missing_sentence, parameter_facts, usage_sentence
from tools.report.numbers import percent, signed
from tools.report.paper import ALERT, DIM, HEADING, WIDEST, Paper
from tools.report.safe_text import first_lines, one_line
from tools.report.sweep_terminal import LEGEND, split_parts, transition_parts
from tools.report.words import (
    SCALE_SENTENCE,
    UNKNOWN,
    best_reader_sentence,
    beyond_length_sentence,
    headline,
    interval_words,
    share_kind_sentence,
    share_words,
    side_names,
    total_sentence,
    unexplained_sentence,
    unseen_prompts_sentence,
)

_EXAMPLES = 2
BEFORE_STYLE, AFTER_STYLE = "blue", "dark_orange"


def render(report: Report) -> "TerminalReport":
    """Something `rich.console.Console.print` shows; it fits itself to the console's width and encoding."""
    return TerminalReport(report)


@dataclass(frozen=True)
class TerminalReport:
    """The report as a rich renderable."""

    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        page = _Page(min(options.max_width, WIDEST), options.encoding, self.report)
        yield from console.render(page.whole(), options.update(width=page.width))


@dataclass(frozen=True)
class _Page(Paper):
    report: Report

    def whole(self) -> Group:
        """All parts, with a blank line between them."""
        parts = [
            *self.alerts(),
            self.title(),
            *(self.text(sentence) for sentence in headline(self.report)),
            *transition_parts(self, sweep_of(self.report)),
            *self.total(),
            *self.parameters(),
            *split_parts(self, self.report),
            *self.examples(),
            *self.unexplained(),
            *self.how_measured(),
            *self.warnings(),
        ]
        return Group(*(line for part in parts for line in (part, Text())))

    # Parts

    def alerts(self) -> list[RenderableType]:
        texts = [self.text(one_line(alert, 1000), ALERT) for alert in self.report.alerts]
        return [Panel(Group(*texts), title="Read this first", border_style="red")] if texts else []

    def title(self) -> Text:
        before, after = side_names(self.report)
        title = self.heading("What changed from ")
        title.append_text(self.text(before, f"bold {BEFORE_STYLE}"))
        title.append_text(self.text(" to ", HEADING))
        title.append_text(self.text(after, f"bold {AFTER_STYLE}"))
        where = f"\n{one_line(self.report.name, 80)} of run {one_line(self.report.run, 80)}, {self.report.mode}"
        return title.append_text(self.text(where, DIM))

    def total(self) -> list[RenderableType]:
        sentences = [total_sentence(self.report), SCALE_SENTENCE, best_reader_sentence(self.report)]
        sentences.append(unseen_prompts_sentence(self.report))
        told = self.text(" ".join(sentence for sentence in sentences if sentence))
        return [Group(self.heading("How much changed"), told)]

    def parameters(self) -> list[RenderableType]:
        if not self.report.parameters:
            return []
        parts: list[RenderableType] = [
            Group(
                self.heading("Order parameters"), self.text(f"{share_kind_sentence(self.report)} {LEGEND}", DIM)
            ),
            self.summary(),
            *(self.parameter(i, parameter) for i, parameter in enumerate(self.report.parameters, start=1)),
        ]
        beyond = beyond_length_sentence(self.report)
        return [*parts, self.text(beyond)] if beyond else parts

    def summary(self) -> Table:
        """One row a parameter: share with its bar, what it adds, how well it does alone."""
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=self.width)
        table.add_column("")
        table.add_column("parameter", ratio=1, overflow="fold")
        table.add_column("share of the total", overflow="fold")
        table.add_column("adds", overflow="fold")
        table.add_column("alone\nright in", justify="right")
        size = max(16, min(30, self.width - 56))
        gain_room = 20 if self.width >= 100 else 0
        for place, parameter in enumerate(self.report.parameters, start=1):
            if place > 1:
                table.add_row()
            share, words = parameter.share, share_words(self.report, parameter)
            low, high = share.low or 0.0, share.high or share.value or 0.0
            table.add_row(
                self.text(str(place)),
                self.text(one_line(parameter.name, 80), HEADING),
                Group(self.bar(size, low, high), *self.bracketed(words, size)),
                Group(*self.bracketed(interval_words(parameter.gain), gain_room)),
                self.text(UNKNOWN if parameter.tv is None else percent((1 + parameter.tv) / 2)),
            )
        return table

    def bracketed(self, words: str, room: int) -> list[Text]:
        """ "0.42 (0.31 to 0.53)", where it does not fit with what is in brackets below the value."""
        if len(words) <= room:
            return [self.text(words)]
        value, _, between = words.partition(" (")
        return [self.text(value), *([self.text(between.rstrip(")"), DIM)] if between else [])]

    def parameter(self, place: int, parameter: Parameter) -> Group:
        """The question, and how its levels moved."""
        missing = missing_sentence(parameter)
        body = Group(
            self.text(one_line(parameter.question, 300)),
            self.text(judge_words(parameter.judge), DIM),
            self.levels(parameter),
            self.text("; ".join(parameter_facts(self.report, parameter)), DIM),
            *([self.text(missing, DIM)] if missing else []),
        )
        return Group(self.heading(f"{place}  {one_line(parameter.name, 80)}"), Padding(body, (0, 0, 0, 3)))

    def levels(self, parameter: Parameter) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("level", overflow="fold", max_width=max(16, self.width // 3), header_style=DIM)
        table.add_column("before", justify="right", header_style=BEFORE_STYLE)
        table.add_column("")
        table.add_column("after", justify="right", header_style=AFTER_STYLE)
        table.add_column("")
        size = 10 if self.width < 76 else 16
        for level in parameter.scale.levels:
            before, after = (side.get(level.name, 0.0) for side in (parameter.before, parameter.after))
            table.add_row(
                self.text(one_line(level.name, 60)),
                self.text(percent(before)),
                self.bar(size, before, before, BEFORE_STYLE),
                self.text(percent(after)),
                self.bar(size, after, after, AFTER_STYLE),
            )
        return table

    def examples(self) -> list[RenderableType]:
        """Two pairs: of the first two parameters, or both of the only one."""
        named = [(parameter, example) for parameter in self.report.parameters for example in parameter.examples]
        first = {parameter.id: (parameter, example) for parameter, example in reversed(named)}
        order = [first[parameter.id] for parameter in self.report.parameters if parameter.id in first]
        picked = (order + [one for one in named if one not in order])[:_EXAMPLES]
        if not picked:
            return []
        shown = [example_table(self, example, one_line(parameter.name, 60)) for parameter, example in picked]
        return [Group(self.heading("Examples"), shown[0]), *shown[1:]]

    def unexplained(self) -> list[RenderableType]:
        if not self.report.parameters:
            return []
        shown = [example_table(self, example) for example in self.report.set.unexplained.examples[:1]]
        heading = self.heading("What is left unexplained")
        return [Group(heading, self.text(unexplained_sentence(self.report)), *shown)]

    def how_measured(self) -> list[RenderableType]:
        sentences = fine_print(self.report)
        if self.report.usage.calls or self.report.usage.cached:
            sentences.append(usage_sentence(self.report))
        return [Group(self.heading("How it was measured"), self.bullets(sentences))]

    def warnings(self) -> list[RenderableType]:
        others = [warning for warning in self.report.warnings if warning not in self.report.alerts]
        if not others:
            return []
        return [Group(self.heading("Warnings"), self.bullets(one_line(warning, 1000) for warning in others))]


def example_table(paper: Paper, example: Example, about: str = "") -> Table:
    """A prompt with an answer of either side, or of one."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    characters = 3 * paper.width
    if about:
        table.add_row(paper.text("about", DIM), paper.text(about, DIM))
    table.add_row(paper.text("prompt", DIM), paper.text(one_line(example.prompt, 2 * paper.width)))
    for name, style, shown in (("before", BEFORE_STYLE, example.before), ("after", AFTER_STYLE, example.after)):
        if shown is not None:
            answer = paper.text(first_lines(shown.response, characters))
            marks = _marks(shown)
            table.add_row(paper.text(name, style), Group(paper.text(marks, DIM), answer) if marks else answer)
    return table


def _marks(shown: Shown) -> str:
    marks = [one_line(shown.level, 60)] if shown.level is not None else []
    if shown.quote:
        marks.append(f"by “{one_line(shown.quote, 120)}”")
    if shown.evidence is not None:
        marks.append(f"signed evidence {signed(shown.evidence)}")
    if shown.residual is not None:
        marks.append(f"residual {shown.residual:+.2f}")
    return f"[{'; '.join(marks)}]" if marks else ""
