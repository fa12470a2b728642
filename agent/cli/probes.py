"""`orderparam probes`: what can be measured without a judge."""

from typing import Annotated

import typer

from agent.cli import options
from agent.cli.ending import to_stdout
from agent.cli.options import examples

HELP_END = examples(
    "orderparam probes",
    "orderparam probes typography --measures",
    "orderparam probes --json",
)


def probes(
    which: Annotated[
        str | None,
        typer.Argument(metavar="SET", hidden=True),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="With the exact question, the unit and an example.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List the measures in code.

    These are what `discover` tries, by group; with SET only those of one group, or one measure. Their names are
    what --given and `orderparam measure` take.
    """
    import json

    from probes.errors import InputError
    from probes.measures.catalogue import CATALOGUE, EXAMPLE_PROMPT

    found = [one for one in CATALOGUE if which in (None, one.group, one.id)]
    if not found:
        groups = ", ".join(dict.fromkeys(repr(one.group) for one in CATALOGUE))
        raise InputError(f"{which!r}: no group of measures and no measure; the groups are {groups}")
    with to_stdout() as stdout:
        if as_json:
            fields = ("id", "name", "question", "group", "kind", "unit", "version")
            records = [{field: getattr(one, field) for field in fields} for one in found]
            print(json.dumps(records, indent=2, ensure_ascii=False), file=stdout)
            return
        if measures:
            print(f"Examples are answers to {EXAMPLE_PROMPT!r}.", file=stdout)
        for group in dict.fromkeys(one.group for one in found):
            print(f"{group}", file=stdout)
            for one in (one for one in found if one.group == group):
                print(f"  {one.id:<28} {one.question if measures else one.name}", file=stdout)
                if measures:
                    answer, value = one.example
                    said = ("no", "yes")[int(value)] if one.kind == "yes_no" else f"{value:g} {one.unit}".strip()
                    print(f"  {'':<28} e.g. {_cut(answer)}: {said}", file=stdout)


def _cut(text: str, limit: int = 70) -> str:
    quoted = repr(text)
    return quoted if len(quoted) <= limit else quoted[: limit - 4] + "..." + quoted[-1]
