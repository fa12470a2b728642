"""What a person sees of candidates and of the set: estimates on read and select, never on report."""

from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table

from agent.along import along_of, shown_of
from agent.comparison import Part
from agent.estimates import SetNumbers
from agent.parameters import level_probabilities
from agent.proposer_tools import PILOT, pilot_rows
from agent.repl.acts import PERSON, in_the_race, set_of
from agent.repl.reading_views import View
from agent.reporting import numbers_on
from agent.selecting import q_values_of
from agent.settings import shown
from agent.state import CandidateState, DiscoveryState, everything_tried, is_judged, scale_of
from agent.workbench import Workbench
from probes.errors import InputError
from probes.scale import IntArray
from probes.words import count
from tools.report.document import Interval
from tools.report.numbers import percent
from tools.report.paper import DIM, Paper
from tools.report.record import interval
from tools.report.safe_text import one_line
from tools.report.terminal import AFTER_STYLE, BEFORE_STYLE
from tools.report.words import interval_words
from tools.share import share

MOST_LISTED = 10
"""Candidates of one kind that are listed unless all are asked for."""

WIDE = 72
"""Cells from which on there is room for what a candidate asks beside its numbers."""


def alone(bench: Workbench, one: CandidateState, part: Part) -> tuple[Interval, Interval | None]:
    """D_z of a candidate on a part, and its share of the total there, which only likelihoods tell."""
    level_N = bench.levels([one])[part.row_N]
    comparison = bench.comparison
    numbers = SetNumbers(part, level_N, comparison.mode, comparison.claim, bench.settings.seed)
    if comparison.mode == "black-box":
        return interval(numbers.singles[0]), None
    return interval(numbers.singles[0]), interval(share(part.value_N, part.layout, level_N, comparison.claim))


def captures(bench: Workbench, one: CandidateState, part: Part) -> str:
    """The same in words: without likelihoods the total is at most 1, so that D_z is the least its share can be."""
    dissimilarity, of_total = alone(bench, one, part)
    if of_total is not None:
        return f"share {interval_words(of_total, as_percent=True)}, dissimilarity {interval_words(dissimilarity)}"
    least = (
        "" if dissimilarity.one_sided or dissimilarity.value is None else ", and its share is no less than that"
    )
    return f"dissimilarity {interval_words(dissimilarity)}{least}"


def tried_part(bench: Workbench, one: CandidateState) -> Part:
    """The rows of the read split that a candidate was tried on: all for a measure, else those with a judgment."""
    read = bench.comparison.read
    if not is_judged(one):
        return read
    asked_N = bench.levels([one])[:, 0] >= 0
    asked_N[pilot_rows(bench)[:PILOT]] = True
    return read.where(asked_N[read.row_N])


def pilot(bench: Workbench, one: CandidateState, cost: str) -> View:
    """A candidate on the samples of read it was tried on: estimate, levels by side, an answer on each level."""
    part = tried_part(bench, one)
    level_N = bench.levels([one])[part.row_N][:, 0]
    where = f"on {count(part.layout.samples, 'sample')} of the read split"
    sentences = [f"{captures(bench, one, part)}, {where}"]
    sentences += [f"cost so far: {cost}"] if cost else []

    def view(paper: Paper) -> RenderableType:
        return Group(
            paper.heading(f"{one_line(one['name'], 80)}"),
            paper.text(one_line(one["question"], 400)),
            _levels(paper, bench, one, part, level_N),
            *(paper.text(sentence) for sentence in sentences),
            paper.text(standing_of(one), DIM),
        )

    return view


def standing_of(one: CandidateState) -> str:
    """What became of a candidate, and what can be done with it."""
    name = one_line(one["id"], 80)
    match one["status"]:
        case "racing" | "held back" | "proposed":
            return f"{name}: in the race; `judge` it on select, or `add` it to the set"
        case "judged":
            return f"{name}: judged on select, p = {one['p_value']:.3g}"
        case _:
            return f"{name}: {one['status']}: {one_line(one['dropped'] or '', 300)}"


def _levels(paper: Paper, bench: Workbench, one: CandidateState, part: Part, level_N: IntArray) -> RenderableType:
    comparison = bench.comparison
    numbers = SetNumbers(part, level_N[:, None], comparison.mode, comparison.claim, bench.settings.seed)
    names = [level.name for level in scale_of(one).levels]
    before, after = level_probabilities(numbers, level_N, names)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("level", overflow="fold", max_width=max(14, paper.width // 4), header_style=DIM)
    table.add_column("before", justify="right", header_style=BEFORE_STYLE)
    table.add_column("after", justify="right", header_style=AFTER_STYLE)
    table.add_column("for example", overflow="fold", header_style=DIM)
    for place, name in enumerate(names):
        rows = np.flatnonzero(level_N == place)
        text = comparison.responses[part.row_N[rows[0]]] if len(rows) else ""
        table.add_row(
            paper.text(one_line(name, 60)),
            paper.text(percent(before.get(name, 0.0))),
            paper.text(percent(after.get(name, 0.0))),
            paper.text(one_line(text, max(30, paper.width - 36)), DIM),
        )
    missing = int((level_N < 0).sum())
    return Group(table, paper.text(f"{count(missing, 'sample')} without a level", DIM)) if missing else table


# Lists


def race(state: DiscoveryState, bench: Workbench, fresh: Sequence[str] | None = None) -> View:
    """The candidates in the race, the best on read first. fresh: ids of those to show; all without."""
    running = [one for one in in_the_race(state) if fresh is None or one["id"] in fresh]
    rows = _best_first((one, alone(bench, one, tried_part(bench, one))[0]) for one in running)
    nothing = "Nothing is in the race" if fresh is None else "Nothing new is in the race"
    heading = f"In the race, on read: {len(rows)}" if rows else nothing
    return lambda paper: _list(paper, heading, rows, "dissimilarity")


def on_select(bench: Workbench, judged: Sequence[CandidateState]) -> View:
    """Candidates that were judged: what each captures on select, and its p there."""
    select = bench.comparison.select
    rows = [(one, f"{interval_words(alone(bench, one, select)[0])}; p = {one['p_value']:.3g}") for one in judged]
    return lambda paper: _list(paper, f"Judged on select: {len(rows)}", rows, "alone")


def the_set(state: DiscoveryState, bench: Workbench, *, every: bool) -> View:
    """The set with what each adds and who chose it; then what else was judged, and what is in the race."""
    chosen, select = set_of(state), bench.comparison.select
    judged = [one for one in state["candidates"] if one["status"] == "judged" and one not in chosen]
    rest = _best_first((one, alone(bench, one, select)[0]) for one in judged)
    out = [one for one in everything_tried(state) if one["dropped"] and one["status"] != "held back"]
    held = [one for one in state["candidates"] if one["status"] == "held back"]
    limit = len(rest) if every else MOST_LISTED
    q_values = q_values_of(everything_tried(state))

    def view(paper: Paper) -> RenderableType:
        parts: list[RenderableType] = [_chosen(paper, state, bench, chosen, q_values)]
        if rest:
            parts.append(_list(paper, f"Judged and not chosen, on select: {len(rest)}", rest[:limit], "alone"))
        parts.append(race(state, bench)(paper))
        if every:
            parts.append(_list(paper, f"Waiting for the next round: {len(held)}", _why(held), "why"))
            parts.append(_list(paper, f"Out: {len(out)}", _why(out), "why"))
        elif held or out:
            parts.append(
                paper.text(f"{len(held)} wait for the next round, {len(out)} are out; `set all` lists them", DIM)
            )
        return Group(*parts)

    return view


def _best_first(found: Iterable[tuple[CandidateState, Interval]]) -> list[tuple[CandidateState, str]]:
    ordered = sorted(found, key=lambda pair: -(pair[1].value or 0.0))
    return [(one, interval_words(estimate)) for one, estimate in ordered]


def _why(candidates: Sequence[CandidateState]) -> list[tuple[CandidateState, str]]:
    return [(one, one["dropped"] or "") for one in candidates]


def _chosen(
    paper: Paper,
    state: DiscoveryState,
    bench: Workbench,
    chosen: Sequence[CandidateState],
    q_values: dict[str, float],
) -> RenderableType:
    if not chosen:
        return paper.heading("The set is empty")
    numbers = numbers_on(bench.comparison.select, bench, chosen)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("")
    table.add_column("parameter", overflow="fold", ratio=1)
    table.add_column("alone", overflow="fold")
    table.add_column("adds", overflow="fold")
    table.add_column("q", justify="right")
    table.add_column("by", no_wrap=True)
    for j, one in enumerate(chosen):
        person = one["id"] in state.get("by_person", [])
        table.add_row(
            paper.text(str(j + 1)),
            paper.text(one_line(one["id"], 80)),
            paper.text(interval_words(interval(numbers.singles[j]))),
            paper.text(interval_words(interval(numbers.gains[j]))),
            paper.text(f"{q_values[one['id']]:.2g}" if one["id"] in q_values else ""),
            paper.text(PERSON if person else "given" if one["given"] else "greedy"),
        )
    if bench.comparison.mode == "likelihood":
        whole = f"share {interval_words(interval(numbers.share()), as_percent=True)} of the change"
    else:
        whole = f"dissimilarity {interval_words(interval(numbers.whole))}, of a total of at most 1"
    return Group(paper.heading("The set, on select"), table, paper.text(f"together: {whole}"))


def _list(paper: Paper, heading: str, rows: Sequence[tuple[CandidateState, str]], column: str) -> RenderableType:
    if not rows:
        return paper.text(heading)
    wide = paper.width >= WIDE
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, width=paper.width)
    table.add_column("id", overflow="fold", max_width=max(18, paper.width // 3), header_style=DIM)
    table.add_column(
        column, overflow="fold", max_width=paper.width // 2, ratio=None if wide else 1, header_style=DIM
    )
    if wide:
        table.add_column("asks", overflow="ellipsis", no_wrap=True, ratio=1, header_style=DIM)
    for one, said in rows:
        name = f"{one_line(one['id'], 80)}{' (control)' if one['control'] else ''}"
        cells = (name, one_line(said, 200), one_line(one["question"], 120))
        table.add_row(*(paper.text(cell) for cell in cells[: 3 if wide else 2]))
    return Group(paper.heading(heading), table)


# Along a sweep


def curve(bench: Workbench, one: CandidateState) -> View:
    """A candidate at every place of the sweep, from its samples on select. InputError where there is no sweep."""
    numbers = numbers_on(bench.comparison.select, bench, [one])
    along = along_of(bench, numbers, [one])
    if along is None:
        raise InputError(
            "curve: this run has no curve: that takes log-likelihoods under more than two values of its control "
            f"parameter; `try {one['id']}` shows both sides"
        )
    names = [level.name for level in scale_of(one).levels]
    value_L, what = shown_of(scale_of(one), *level_probabilities(numbers, numbers.levels_NJ[:, 0], names))
    points, levels = along.curve(0), along.levels(0, value_L)

    def view(paper: Paper) -> RenderableType:
        size = max(10, min(30, paper.width - 44))
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for name in (bench.run.manifest.control.name, "dissimilarity", ""):
            table.add_column(one_line(name, 20), overflow="fold", header_style=DIM)
        for point in points:
            found = Interval(value=point.value, low=point.low, high=point.high)
            table.add_row(
                paper.text(f"{point.at:g}"),
                paper.text(interval_words(found)),
                paper.bar(size, point.low or 0.0, point.high or point.value or 0.0),
            )
        moved = "; ".join(
            f"{point.at:g}: {'unknown' if point.value is None else f'{point.value:.2f}'}" for point in levels
        )
        return Group(
            paper.heading(f"{one_line(one['name'], 60)} along the sweep, on select"),
            table,
            paper.text(one_line(f"{what}: {moved}", 2000)),
        )

    return view


def require_judged(one: CandidateState) -> CandidateState:
    """The candidate, if it has levels on select. InputError otherwise."""
    if is_judged(one) and one["p_value"] is None:
        raise InputError(f"{shown(one['id'])} was not judged on select; `judge` it first")
    return one
