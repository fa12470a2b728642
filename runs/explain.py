"""Says what a file would be read as, before anything is imported."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from runs.formats.fields import plan_of
from runs.formats.rows import Responses, read_responses
from runs.formats.source import open_source
from runs.scores import scores_beside
from runs.storing import ImportOptions

PREVIEW_ROWS = 2


@dataclass(frozen=True)
class PreviewRow:
    """A response as it would enter a run. The texts are whole: whoever shows them cuts and escapes them."""

    prompt_id: str | None
    prompt: str
    response: str
    domain: str | None
    finish_reason: str | None
    scores: str | None


@dataclass(frozen=True)
class Explanation:
    """What a file would be read as.

    format: in words ("JSON Lines"). said: sentences about the choices made. fields: all field names of the first
    rows. scores: names of score columns. unread: fields that a run would not hold.
    """

    name: str
    format: str
    said: tuple[str, ...]
    fields: tuple[str, ...]
    scores: tuple[str, ...]
    unread: tuple[str, ...]
    responses: int
    prompts: int
    missing: int
    empty: int
    rows: tuple[PreviewRow, ...]


def explain(path: Path, options: ImportOptions | None = None) -> Explanation:
    """What `path` would be read as under the options, from one pass over all its rows.

    Sides that a column tells apart (`by`, `axis`) are read together; of a wide file the column `before_column`.
    InputError as an import of the file alone would raise it.
    """
    options = options or ImportOptions()
    source = open_source(path, options.names)
    named = options.named
    if options.before_column:
        named = replace(named, response=options.before_column, response_flag="--before-column")
    plan = plan_of(source, named)
    responses = Responses()
    read_responses(source, plan, responses, lambda _: 0, options.thinking)
    scores = scores_beside(responses.beside, responses.text_N, responses.condition_N)
    shown_rows = scores.json(0, min(PREVIEW_ROWS, len(responses.response_N)))
    held = plan.read | {name.partition(".")[0] for name in scores.columns} | {"scores", "score"}
    return Explanation(
        name=source.name,
        format=source.format,
        said=(*source.notes, *plan.said),
        fields=plan.found,
        scores=tuple(scores.columns),
        unread=tuple(name for name in plan.found if name not in held),
        responses=len(responses.response_N),
        prompts=len(set(responses.text_N)),
        missing=Counter(responses.missing).total(),
        empty=sum(not text.strip() for text in responses.response_N),
        rows=tuple(_row(responses, index, text) for index, text in enumerate(shown_rows)),
    )


def _row(responses: Responses, index: int, scores: str | None) -> PreviewRow:
    return PreviewRow(
        prompt_id=responses.id_N[index],
        prompt=responses.prompts[responses.text_N[index]].text,
        response=responses.response_N[index],
        domain=responses.domain_N[index],
        finish_reason=responses.finish_N[index],
        scores=scores,
    )
