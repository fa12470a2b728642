"""Two reports compared, in the terminal: side by side what both found, how far they agree, and what differs.

All text enters as `rich.text.Text`, which holds no markup, after `safe_text` has made what is unseen visible.
"""

import json
from dataclasses import dataclass

from pydantic import JsonValue
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from probes.words import count
from tools.report.comparison import Comparison, Numbers, OneReport, PairAgreement
from tools.report.document import Parameter, Report
from tools.report.numbers import listed
from tools.report.paper import DIM, HEADING, WIDEST, Paper
from tools.report.safe_text import one_line
from tools.report.words import (
    UNKNOWN,
    interval_words,
    measured_samples,
    set_dissimilarity_words,
    set_share_words,
    share_is_known,
    share_words,
    total_words,
)

_ABSENT = "–"
_CLOSE = 0.5
"""A smaller V is not worth a line, unless both parameters are the same."""

_OVERLAP = "Intervals that overlap do not show that two numbers are equal"
_LEGEND = (
    "V (Cramér's): 0 unrelated, 1 one tells the other. Two that each tell before from after go together for that "
    "alone; V within sides leaves that out. Alpha (Krippendorff's), for parameters with the same levels: 1 on the "
    "same level, 0 no more alike than by chance."
)


def render_comparison(comparison: Comparison, reports: tuple[Report, Report]) -> "TerminalComparison":
    """Something `rich.console.Console.print` shows. reports: the two that were compared."""
    return TerminalComparison(comparison, reports)


@dataclass(frozen=True)
class TerminalComparison:
    """The comparison as a rich renderable; it fits itself to the console's width and encoding."""

    comparison: Comparison
    reports: tuple[Report, Report]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDEST)
        page = _Page(width, options.encoding, self.comparison, self.reports)
        yield from console.render(page.whole(), options.update(width=width))


@dataclass(frozen=True)
class _Page(Paper):
    comparison: Comparison
    reports: tuple[Report, Report]

    def whole(self) -> Group:
        """All parts, with a blank line between them."""
        parts = [self.title(), self.totals(), *self.parameters(), *self.agreement(), self.differences()]
        return Group(*(line for part in parts for line in (part, Text())))

    def title(self) -> Group:
        comparison = self.comparison
        lines = [self.heading("Two reports compared")]
        for letter, one in (("A", comparison.a), ("B", comparison.b)):
            lines.append(self.text(f"{letter}  {_who(one)}"))
            lines.append(self.text(f"   {one_line(one.path, 200)}", DIM))
        said = ["Both are the same report."] if comparison.same_report else []
        return Group(*lines, Text(), *map(self.text, [*said, *_who_chose_what(comparison)]))

    def totals(self) -> Group:
        table = self.table("", "A", "B")
        rows = [
            ("total dissimilarity", [total_words(one.total.linear, one.total.bound) for one in self.reports]),
            ("the set captures, of the total", [_set_share(one) for one in self.reports]),
            ("dissimilarity of the set", [set_dissimilarity_words(one) for one in self.reports]),
            ("measured on", [count(measured_samples(one), "sample") for one in self.reports]),
        ]
        for what, (a, b) in rows:
            table.add_row(self.text(what), self.text(a), self.text(b))
        return Group(self.heading("How much changed"), table)

    def parameters(self) -> list[RenderableType]:
        if not self.comparison.parameters:
            return []
        table = self.table("", "share in A", "share in B")
        for pairing in self.comparison.parameters:
            one = pairing.a or pairing.b
            assert one is not None  # a pairing is of at least one
            table.add_row(self.text(_name(one), HEADING), self.share(0, pairing.a), self.share(1, pairing.b))
            table.add_row(self.text("  dissimilarity", DIM), *map(self.own, (pairing.a, pairing.b)))
            if pairing.a and pairing.b and pairing.a.name != pairing.b.name:
                table.add_row(self.text(f"  in B: {_name(pairing.b)}", DIM))
            if pairing.matched == "id":
                table.add_row(self.text("  the same id, but asked in other words", DIM))
        alike = "; two reports on the same samples are not independent of each other" if self.shared() else ""
        told = f"A share is of its own report's total. {_OVERLAP}{alike}."
        return [Group(self.heading("Order parameters"), table), self.text(told, DIM)]

    def share(self, which: int, numbers: Numbers | None) -> Text:
        if numbers is None:
            return self.text(_ABSENT)
        report = self.reports[which]
        return self.text(next(share_words(report, one) for one in report.parameters if one.id == numbers.id))

    def own(self, numbers: Numbers | None) -> Text:
        return self.text(_ABSENT if numbers is None else interval_words(numbers.dissimilarity), DIM)

    def shared(self) -> int:
        return self.comparison.by_scores.samples or 0

    def agreement(self) -> list[RenderableType]:
        """Pairs of parameters, one of A and one of B, whose scores on the same samples go together."""
        by_scores = self.comparison.by_scores
        heading = self.heading("The same samples, scored by both")
        if by_scores.samples is None:
            return [Group(heading, self.text(f"Not compared: {one_line(by_scores.why_not or '', 400)}."))]
        if not by_scores.samples:
            return [
                Group(heading, self.text("The two have no sample in common, so their scores cannot be compared."))
            ]
        shown = self.worth_telling()
        said = f"{count(by_scores.samples, 'sample')} {'is' if by_scores.samples == 1 else 'are'} in both."
        if not by_scores.pairs:
            return [Group(heading, self.text(said))]
        if not shown:
            return [Group(heading, self.text(f"{said} No parameter of A goes together with one of B there."))]
        table = self.table("parameter of A", "parameter of B", "samples", "V", "V within sides", "alpha")
        names = [{one.id: _name(one) for one in report.parameters} for report in self.reports]
        for pair in shown:
            values = (pair.cramers_v, pair.within_sides, pair.alpha)
            table.add_row(
                self.text(names[0][pair.a]),
                self.text(names[1][pair.b]),
                self.text(f"{pair.samples:,}"),
                *(self.text(_ABSENT if value is None else f"{value:.2f}") for value in values),
            )
        return [Group(heading, self.text(said), table), self.text(_LEGEND, DIM)]

    def worth_telling(self) -> list[PairAgreement]:
        """The pairs that are in both reports, and those that go together, the closest first."""
        same = {(one.a.id, one.b.id) for one in self.comparison.parameters if one.a and one.b}
        pairs = self.comparison.by_scores.pairs
        kept = [one for one in pairs if (one.a, one.b) in same or (one.cramers_v or 0.0) >= _CLOSE]
        return sorted(kept, key=lambda one: ((one.a, one.b) not in same, -(one.cramers_v or 0.0)))

    def differences(self) -> Group:
        heading = self.heading("What differs in how they were made")
        if not self.comparison.differences:
            return Group(heading, self.text("Nothing."))
        table = self.table("", "A", "B")
        for one in self.comparison.differences:
            table.add_row(self.text(one_line(one.what, 80)), self.text(_value(one.a)), self.text(_value(one.b)))
        return Group(heading, table)

    def table(self, *headers: str) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for header in headers:
            table.add_column(self.text(header), overflow="fold", header_style=DIM)
        return table


def _who(one: OneReport) -> str:
    """ "d1 of run R: before → after, likelihood, orderparam 0.1.0"."""
    return (
        f"{one_line(one.name, 40)} of run {one_line(one.run, 60)}: {one.before} → {one.after}, {one.mode}, "
        f"orderparam {one_line(one.version, 20)}"
    )


def _name(one: Numbers | Parameter) -> str:
    return one_line(one.name, 60)


def _who_chose_what(comparison: Comparison) -> list[str]:
    """Which parameters both have, and which only one of them."""
    chosen = comparison.parameters
    both = [_name(one.a) for one in chosen if one.a and one.b]
    only = {
        "A": [_name(one.a) for one in chosen if one.a and not one.b],
        "B": [_name(one.b) for one in chosen if one.b and not one.a],
    }
    if not chosen:
        return ["Neither chose an order parameter."]
    said = [f"Both chose {listed(both)}." if both else "There is no order parameter that both chose."]
    return said + [f"Only {letter} chose {listed(names)}." for letter, names in only.items() if names]


def _set_share(report: Report) -> str:
    if not report.parameters:
        return "nothing was chosen"
    return set_share_words(report) if share_is_known(report) else UNKNOWN


def _value(value: JsonValue) -> str:
    """What differs, on one line: lists and records without their brackets."""
    return one_line(_plain(value), 200) or _ABSENT


def _plain(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
