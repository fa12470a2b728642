"""`orderparam probes`: what can be asked (sets of prompts), and what can be measured without a judge."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from agent.cli import options
from agent.cli.ending import to_stdout, warn
from agent.cli.options import examples
from agent.progress import visible
from probes.words import count

if TYPE_CHECKING:
    from probes.prompt import Prompt, PromptSet

HELP_END = examples(
    "orderparam probes",
    "orderparam probes ethics --sample 10 --seed 1",
    "orderparam probes my_prompts.csv --json",
    "orderparam probes --validate my_prompts.yaml",
    "orderparam probes typography --measures",
)


def probes(
    which: Annotated[
        str | None,
        typer.Argument(metavar="SET", hidden=True),
    ] = None,
    draw: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", help="Only N prompts of the set, with each topic's part of them."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Seed: the same seed draws the same prompts.  [default: 0]"),
    ] = None,
    validate: Annotated[
        Path | None,
        typer.Option(
            "--validate", metavar="FILE", help="Check a file of your own prompts (YAML, JSONL, CSV, TSV)."
        ),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="The measures in code, with the exact question and an example.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """List and show sets of prompts, or measures in code.

    Without SET, the sets that come with the program; with SET, which is one of them or a file of your own, its
    prompts. With --measures, what `discover` tries by itself, and SET is a group of measures or one of them; their
    names are what --given and `orderparam measure` take.
    """
    from probes.errors import InputError

    given = (("--validate", validate is not None), ("--measures", measures), ("--sample", draw is not None))
    chosen = [flag for flag, is_given in given if is_given]
    if len(chosen) > 1:
        raise InputError(f"{chosen[0]} and {chosen[1]}: these do not go together; give one of them")
    if seed is not None and draw is None:
        raise InputError("--seed: it belongs to --sample; give --sample N, or leave it out")
    if validate is not None:
        if which is not None:
            raise InputError(f"--validate: it takes a file and no SET, and {which!r} is given too; leave that out")
        _validate(validate, as_json)
    elif measures:
        _list_measures(which, as_json)
    elif which is not None:
        _show_set(which, draw, seed or 0, as_json)
    elif draw is not None:
        raise InputError("--sample: no SET to draw from; name one, as in `orderparam probes ethics --sample 10`")
    else:
        _list_sets(as_json)


def _list_sets(as_json: bool) -> None:
    from probes.prompt_sets import prompt_set, prompt_sets

    sets = [prompt_set(name) for name in prompt_sets()]
    with to_stdout() as stdout:
        if as_json:
            _print_json([_outline(one) for one in sets], stdout)
            return
        for one in sets:
            print(f"{one.name:<18} {len(one.prompts):>4}  {one.description}", file=stdout)
        total = sum(len(one.prompts) for one in sets)
        held = f"{count(total, 'prompt')} in {count(len(sets), 'set')}"
        print(f"{held}; the measures in code: --measures", file=stdout)


def _show_set(source: str, draw: int | None, seed: int, as_json: bool) -> None:
    from probes.prompt_sets import sample, set_or_file

    found = set_or_file(source)
    size = len(found.prompts)
    if draw is not None:
        found = sample(found, draw, seed)
    with to_stdout() as stdout:
        if as_json:
            _print_json({**_outline(found), "prompts": [_record(prompt) for prompt in found.prompts]}, stdout)
            return
        whole = count(size, "prompt")
        drawn = whole if draw is None else f"{draw} of {whole} (seed {seed})"
        about = f" ({found.description})" if found.description else ""
        licence = f"; {found.licence}" if found.licence else ""
        print(visible(f"{found.name}{about}: {drawn}{licence}"), file=stdout)
        for prompt in found.prompts:
            tags = f"  [{', '.join(prompt.tags)}]" if prompt.tags else ""
            print(f"\n{visible(prompt.id + tags)}", file=stdout)
            for line in prompt.text.split("\n"):
                print(f"  {visible(line)}".rstrip(), file=stdout)


def _validate(file: Path, as_json: bool) -> None:
    from probes.prompt_sets import load_prompt_file, near_duplicates

    found = load_prompt_file(file)
    near = near_duplicates(found.prompts)
    with to_stdout() as stdout:
        if as_json:
            pairs = [{"ids": [one.first.id, one.second.id], "similarity": one.similarity} for one in near]
            _print_json({**_outline(found), "near_duplicates": pairs}, stdout)
        else:
            outline = _outline(found)
            print(visible(f"{file}: {count(len(found.prompts), 'prompt')}"), file=stdout)
            for label in ("domains", "tags"):
                counts = outline[label]
                assert isinstance(counts, dict)
                said = ", ".join(f"{name} {count}" for name, count in counts.items())
                print(visible(f"{label}: {said or 'none'}"), file=stdout)
    for one in near:
        warn(
            f"{file}: {one.first.id!r} and {one.second.id!r} are nearly the same prompt "
            f"({one.similarity:.0%} of their words)"
        )


def _outline(found: "PromptSet") -> dict[str, object]:
    """A set without its prompts: how many, by domain and by tag."""
    from collections import Counter

    return {
        "name": found.name,
        "description": found.description,
        "licence": found.licence,
        "prompts": len(found.prompts),
        "domains": dict(Counter(prompt.domain for prompt in found.prompts if prompt.domain)),
        "tags": dict(Counter(tag for prompt in found.prompts for tag in prompt.tags)),
    }


def _record(prompt: "Prompt") -> dict[str, object]:
    """A prompt under the names of fields that a file of prompts has too."""
    chat = prompt.messages is not None
    asked: dict[str, object] = {"messages": prompt.messages} if chat else {"prompt": prompt.text}
    return {"id": prompt.id, "domain": prompt.domain, "tags": prompt.tags, **asked}


def _print_json(value: object, stdout: TextIO) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False), file=stdout)


def _list_measures(which: str | None, as_json: bool) -> None:
    from probes.errors import InputError
    from probes.measures.catalogue import CATALOGUE, EXAMPLE_PROMPT

    found = [one for one in CATALOGUE if which in (None, one.group, one.id)]
    if not found:
        groups = ", ".join(dict.fromkeys(repr(one.group) for one in CATALOGUE))
        raise InputError(f"{which!r}: no group of measures and no measure; the groups are {groups}")
    with to_stdout() as stdout:
        if as_json:
            fields = ("id", "name", "question", "group", "kind", "unit", "version")
            _print_json([{field: getattr(one, field) for field in fields} for one in found], stdout)
            return
        print(f"Examples are answers to {EXAMPLE_PROMPT!r}.", file=stdout)
        for group in dict.fromkeys(one.group for one in found):
            print(f"{group}", file=stdout)
            for one in (one for one in found if one.group == group):
                print(f"  {one.id:<28} {one.question}", file=stdout)
                answer, value = one.example
                said = ("no", "yes")[int(value)] if one.kind == "yes_no" else f"{value:g} {one.unit}".strip()
                print(f"  {'':<28} e.g. {_cut(answer)}: {said}", file=stdout)


def _cut(text: str, limit: int = 70) -> str:
    quoted = repr(text)
    return quoted if len(quoted) <= limit else quoted[: limit - 4] + "..." + quoted[-1]
