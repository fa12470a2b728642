"""What a person reads of the samples: of the read split alone, and how many the splits hold.

A view is a function from the paper that it is printed on to something rich can print.
"""

from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.comparison import Comparison
from agent.examples import shown as shown_answer
from agent.examples import unexplained
from agent.reading import largest_residuals, unexplained_on
from agent.reporting import splits_of
from agent.settings import shown
from agent.state import DiscoveryState
from agent.workbench import Workbench
from probes.errors import InputError
from probes.scale import IntArray
from probes.words import count
from tools.layout import ABOUT, AFTER, BEFORE
from tools.report.document import Example, Shown, cut_text
from tools.report.paper import DIM, Paper
from tools.report.safe_text import one_line
from tools.report.terminal import AFTER_STYLE, BEFORE_STYLE, example_table

View = Callable[[Paper], RenderableType]

A_PAGE = 3
"""Prompts that one look shows."""

MOST_ANSWERS = 8
"""Answers of one side that a comparison shows."""

MOST_FOUND = 6
"""Answers that a search shows."""

SIDES = {BEFORE: ("before", BEFORE_STYLE), AFTER: ("after", AFTER_STYLE)}


def told(*sentences: str) -> View:
    """Sentences, each on a line of its own, empty ones left out."""
    return lambda paper: Group(*(paper.text(one_line(sentence, 1000)) for sentence in sentences if sentence))


def listed(*pairs: tuple[str, str]) -> View:
    """What is to be typed, and beside it what that does."""

    def view(paper: Paper) -> RenderableType:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(overflow="fold", max_width=max(22, paper.width // 3))
        table.add_column(overflow="fold")
        for usage, about in pairs:
            table.add_row(paper.text(usage), paper.text(about, DIM))
        return table

    return view


def look(state: DiscoveryState, bench: Workbench, page: int) -> View:
    """Contrasts: an answer of either side to each of a few prompts, in the order in which proposers see them."""
    comparison = bench.comparison
    row_of = {one: row for row, one in enumerate(comparison.sample_ids)}
    shown_rows = [row_of[one] for one in state["shown"]]
    prompts = list(dict.fromkeys(int(comparison.layout.prompt_N[row]) for row in shown_rows))
    pages = -(-len(prompts) // A_PAGE)
    if not 1 <= page <= pages:
        raise InputError(f"look {page}: there are {count(pages, 'page')}, 1 to {pages}")
    examples = [_pair(comparison, shown_rows, prompt) for prompt in prompts[A_PAGE * (page - 1) : A_PAGE * page]]
    what = "answers the set explains worst" if state.get("chosen") and state["round"] > 1 else "contrasts"
    return _examples(comparison, examples, f"{what} of the read split, page {page} of {pages}")


def _pair(comparison: Comparison, rows: Sequence[int], prompt: int) -> Example:
    """The first answer of either side to a prompt among rows, else among all of the read split."""
    layout = comparison.layout
    first: dict[int, int] = {}
    for row in [*rows, *comparison.read.row_N.tolist()]:
        if layout.prompt_N[row] == prompt:
            first.setdefault(int(layout.side_N[row]), row)
    answers = {SIDES[side][0]: _answer(comparison, row) for side, row in first.items()}
    return Example(
        prompt_id=comparison.prompt_ids_Q[prompt],
        prompt=cut_text(comparison.prompts_Q[prompt]),
        before=answers.get("before"),
        after=answers.get("after"),
    )


def _answer(comparison: Comparison, row: int) -> Shown:
    place = int(np.flatnonzero(comparison.read.row_N == row)[0])
    return shown_answer(comparison, comparison.read, place, None)


def _examples(comparison: Comparison, examples: Sequence[Example], heading: str) -> View:
    number = {prompt_id: q + 1 for q, prompt_id in enumerate(comparison.prompt_ids_Q)}

    def view(paper: Paper) -> RenderableType:
        parts: list[RenderableType] = [paper.heading(heading)]
        for one in examples:
            parts += [
                Text(),
                example_table(paper, one, f"prompt {number[one.prompt_id]} ({one_line(one.prompt_id, 60)})"),
            ]
        return Group(*parts)

    return view


def compare(bench: Workbench, wanted: str) -> View:
    """All answers of the read split to one prompt, both sides. wanted: its number, or its id."""
    comparison = bench.comparison
    ids = list(comparison.prompt_ids_Q)
    numbers = [str(q + 1) for q in range(len(ids))]
    if wanted in ids:
        prompt = ids.index(wanted)
    elif wanted in numbers:
        prompt = numbers.index(wanted)
    else:
        raise InputError(f"compare {shown(wanted)}: no such prompt; give its number, 1 to {len(ids)}, or its id")
    read = comparison.read
    places = np.flatnonzero(comparison.layout.prompt_N[read.row_N] == prompt)
    if not len(places):
        raise InputError(f"compare {shown(wanted)}: the read split has no answers of both sides to this prompt")
    return lambda paper: _compared(paper, comparison, prompt, places)


def _compared(paper: Paper, comparison: Comparison, prompt: int, places: IntArray) -> RenderableType:
    read = comparison.read
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(paper.text("prompt", DIM), paper.text(one_line(comparison.prompts_Q[prompt], 4 * paper.width)))
    for side, (name, style) in SIDES.items():
        mine = [place for place in places.tolist() if read.layout.side_N[place] == side]
        for place in mine[:MOST_ANSWERS]:
            evidence = f"[{read.value_N[place]:+.2f}] " if comparison.mode == "likelihood" else ""
            answer = one_line(comparison.responses[read.row_N[place]], 3 * paper.width)
            table.add_row(paper.text(name, style), paper.text(evidence + answer))
        if len(mine) > MOST_ANSWERS:
            table.add_row("", paper.text(f"and {len(mine) - MOST_ANSWERS} more", DIM))
    return table


def search(bench: Workbench, text: str) -> View:
    """How many answers of either side of the read split hold a text, whatever its case, and some of them."""
    comparison = bench.comparison
    read, wanted = comparison.read, text.casefold()
    holds_N = np.array([wanted in comparison.responses[row].casefold() for row in read.row_N.tolist()], dtype=bool)

    def view(paper: Paper) -> RenderableType:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for side, (name, style) in SIDES.items():
            of_side_N = read.layout.side_N == side
            found = int((of_side_N & holds_N).sum())
            table.add_row(paper.text(name, style), paper.text(f"{found:,} of {int(of_side_N.sum()):,} answers"))
        for place in np.flatnonzero(holds_N)[:MOST_FOUND].tolist():
            name, style = SIDES[int(read.layout.side_N[place])]
            around = _around(comparison.responses[read.row_N[place]], wanted, 2 * paper.width)
            table.add_row(paper.text(name, style), paper.text(around))
        return table

    return view


def _around(text: str, wanted: str, characters: int) -> str:
    """The text's part around what was searched for."""
    place = max(text.casefold().find(wanted), 0)
    start = max(0, place - characters // 3)
    return ("…" if start else "") + one_line(text[start:], characters)


def residual(state: DiscoveryState, bench: Workbench, most: int) -> View:
    """The answers of the read split that the set leaves least explained, and how much of all it leaves there."""
    comparison, read = bench.comparison, bench.comparison.read
    residual_N = unexplained_on(read, state, bench)
    examples = unexplained(comparison, read, residual_N, largest_residuals(residual_N, most))
    left = float(read.layout.weight_N @ residual_N**2 / (read.layout.weight_N @ read.value_N**2))
    what = "what the set leaves unexplained" if state.get("chosen") else "without a set all is unexplained"
    heading = f"{what}: {left:.0%} of the values' square on the read split, the worst first"
    return _examples(comparison, examples, heading)


def splits(bench: Workbench) -> View:
    """How many samples each split holds, what they are for, and how often the report split was seen."""
    comparison = bench.comparison
    held = splits_of(comparison)
    seen = len(bench.run.manifest.reports)
    lines = (
        f"{count(comparison.layout.samples, 'sample')} of {count(comparison.layout.prompts, 'prompt')}; the claim "
        f"is about {ABOUT[comparison.claim]}; dealt out by {held.by}",
        f"read    {held.read:,}: look, compare, search, residual, propose, try; scales are learned here",
        f"select  {held.select:,}: judge, greedy, set, curve; p-values come from here",
        f"report  {held.report:,}: report alone",
        f"report split seen {count(seen, 'time')}"
        + (": what is searched from now on, a report shaped (adaptive analysis)" if seen else ""),
    )
    return lambda paper: Group(*(paper.text(line) for line in lines))
