"""What calls to language models took, as a table on stdout."""

from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli.ending import to_stdout
from agent.progress import visible

if TYPE_CHECKING:
    from tools.chat.ledger import Usage


def show_usage(run: Path, name: str | None, *, as_json: bool) -> None:
    """What was spent on what: of one discovery, or of the whole run.

    InputError for what is no run, a discovery that it does not have, and a ledger that is none.
    """
    import json
    from dataclasses import asdict

    from probes.errors import InputError
    from runs.directory import Run
    from runs.schema import LEDGER_FILE
    from tools.chat.ledger import Ledger

    discoveries = Run.open(run).discoveries()
    if name is not None and name not in discoveries:
        raise InputError(f"--name: there is no discovery {name!r}; there are {', '.join(discoveries) or 'none'}")
    file = run / LEDGER_FILE
    rows: list[Usage] = []
    if file.is_file():
        ledger = Ledger.open_to_read(file)
        try:
            rows = ledger.usage(name)
        finally:
            ledger.close()
    with to_stdout() as stdout:
        if as_json:
            print(json.dumps([asdict(row) for row in rows], indent=2), file=stdout)
            return
        if name is None and file.is_symlink():
            print("of the whole batch, whose jobs share a ledger; --name tells what this one took", file=stdout)
        for line in _lines(rows) if rows else ["no calls to language models"]:
            print(line, file=stdout)


def _lines(rows: "list[Usage]") -> list[str]:
    head = ("purpose", "model", "calls", "unusable", "failed", "from ledger", "tokens in", "tokens out", "cost")
    table: list[tuple[str, ...]] = [head]
    for row in rows:
        counts = (row.answered + row.unusable, row.unusable, row.failed, row.reused)
        tokens = (row.input_tokens, row.output_tokens)
        cost = "unknown" if row.cost is None else f"${row.cost:,.4f}"
        table.append((row.purpose, visible(row.model), *(f"{one:,}" for one in (*counts, *tokens)), cost))
    widths = [max(len(line[column]) for line in table) for column in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]
