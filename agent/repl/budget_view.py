"""What language models took by now, and how much of the budget is left."""

from rich.console import Group, RenderableType
from rich.table import Table

from agent.repl.reading_views import View, told
from agent.state import DiscoveryState
from agent.workbench import Workbench
from tools.report.paper import DIM, Paper
from tools.report.safe_text import one_line

_COLUMNS = ("purpose", "model", "calls", "failed", "from ledger", "tokens in", "out", "cost")


def budget(state: DiscoveryState, bench: Workbench) -> View:
    """Usage of this discovery by purpose and model, and the limits."""
    judgments, settings = bench.judgments, bench.settings
    if judgments is None:
        return told("no language model is asked: nothing is spent")
    usage = judgments.models.ledger.usage(bench.name)
    spent = judgments.models.budget.spent
    limits = (
        (f"{spent.calls:,}", settings.max_calls, "calls", "--max-calls"),
        ("unknown" if spent.cost is None else f"{spent.cost:,.4f}", settings.max_cost, "dollars", "--max-cost"),
        (
            f"{spent.seconds / 60:,.1f}",
            settings.max_minutes,
            "minutes of work",
            "--max-minutes; the time at the prompt is not counted",
        ),
    )
    lines = [
        f"{used} {what} of {'any number' if limit is None else f'{limit:,g}'} ({flag})"
        for used, limit, what, flag in limits
    ]
    lines += [f"language models are asked no more: {state['spent']}"] if state.get("spent") else []

    def view(paper: Paper) -> RenderableType:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for place, column in enumerate(_COLUMNS):
            table.add_column(column, justify="left" if place < 2 else "right", overflow="fold", header_style=DIM)
        for one in usage:
            counts = (one.answered + one.unusable, one.failed, one.reused, one.input_tokens, one.output_tokens)
            cost = "unknown" if one.cost is None else f"${one.cost:,.4f}"
            cells = (one.purpose, one_line(one.model, 60), *(f"{number:,}" for number in counts), cost)
            table.add_row(*(paper.text(cell) for cell in cells))
        return Group(*([table] if usage else []), *(paper.text(line) for line in lines))

    return view
