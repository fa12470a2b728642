"""From the responses that were read to a run: prompts are paired, scores joined, ids given, and it is said what to
know about the data."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from probes.errors import InputError
from runs import observations
from runs.directory import Run
from runs.formats.fields import Named
from runs.formats.record import shown
from runs.formats.rows import Responses, Thinking
from runs.manifest import Control, InputRecord, Sampling
from runs.pairing import PairBy, Pairing, pair
from runs.schema import PROMPTS_SCHEMA, SAMPLES_SCHEMA
from runs.scores import Scores, as_score, join_scores, scores_beside

CHUNK = 20_000
"""Samples handed over at a time."""


@dataclass(frozen=True)
class ImportOptions:
    """How input is read; None or empty where the rows themselves tell.

    prompt_field, response_field, prompt_id_field: names, or paths with dots into objects. by, before, after: a
    column that tells the sides apart in one file, and its two values. before_column, after_column: the columns of
    responses in one wide file. scores: files of scores joined by id, one for all or one a side. axis: the control
    parameter's field in a sweep. Raises InputError where one field is named for two things.
    """

    prompt_field: str | None = None
    response_field: str | None = None
    prompt_id_field: str | None = None
    pair_by: PairBy = "auto"
    thinking: Thinking = "keep"
    by: str | None = None
    before: str | None = None
    after: str | None = None
    before_column: str | None = None
    after_column: str | None = None
    scores: tuple[Path, ...] = ()
    axis: str | None = None
    seed: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        flags = ("prompt_field", "response_field", "before_column", "after_column")
        taken: dict[str, str] = {}
        for key in flags:
            field = getattr(self, key)
            if field is None:
                continue
            flag = "--" + key.replace("_", "-")
            if field in taken:
                raise InputError(f"{taken[field]} and {flag} are both {shown(field)}; name a field for each")
            taken[field] = flag

    @property
    def named(self) -> Named:
        """The fields named for every source."""
        return Named(self.prompt_field, self.response_field, self.prompt_id_field)

    @property
    def names(self) -> tuple[str, ...]:
        """All fields that a person named."""
        named = (self.prompt_field, self.response_field, self.before_column, self.after_column)
        return tuple(name for name in named if name is not None)


@dataclass(frozen=True)
class Imported:
    """A run and what a person should hear. alerts stand before any number and are among the warnings."""

    run: Run
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    alerts: tuple[str, ...]


def create_run(
    control: Control,
    labels: Sequence[str],
    responses: Responses,
    metadata: Sequence[Mapping[str, object]],
    notes: list[str],
    out: Path,
    options: ImportOptions,
    fingerprint: InputRecord,
) -> Imported:
    """Pairs, observes, and writes the run."""
    pairing = pair(
        responses.prompts, responses.text_N, responses.id_N, responses.condition_N, labels, options.pair_by
    )
    prompt_N = pairing.prompt_N.tolist()
    scores = scores_beside(responses.beside, prompt_N, responses.condition_N)
    _join_files(scores, responses, options, len(labels))
    alerts = observations.alerts(labels, prompt_N, responses.condition_N, responses.response_N)
    settings = observations.settings_of(responses.beside, metadata, responses.condition_N, len(labels))
    more_notes, warnings = _observed(labels, prompt_N, responses, settings, options)
    notes = [*notes, *pairing.notes, *scores.notes, *more_notes]
    warnings = [*alerts, *pairing.warnings, *warnings]
    run = Run.create(
        out,
        control=control,
        prompts=_prompts(responses, pairing),
        samples=_samples(responses, pairing, scores, [str(value) for value in control.values]),
        seed=options.seed,
        name=options.name or out.resolve().name,
        sampling=_sampling(settings),
        input_fingerprint=fingerprint,
        notes=notes,
        warnings=warnings,
    )
    return Imported(run, tuple(notes), tuple(warnings), alerts)


def _join_files(scores: Scores, responses: Responses, options: ImportOptions, conditions: int) -> None:
    count = len(options.scores)
    if count > 1 and count != conditions:
        raise InputError(f"--scores was given {count} times; give one file for all, or one a side")
    for index, path in enumerate(options.scores):
        rows = [row for row, at in enumerate(responses.condition_N) if count == 1 or at == index]
        join_scores(scores, path, responses.beside, rows, count > 1)


def _observed(
    labels: Sequence[str],
    prompt_N: Sequence[int],
    responses: Responses,
    settings: Mapping[str, Sequence[set[object]]],
    options: ImportOptions,
) -> tuple[list[str], list[str]]:
    """Notes and warnings about the responses."""
    at_N, text_N = responses.condition_N, responses.response_N
    notes = observations.empty(labels, at_N, text_N)
    more, warnings = observations.thinking(labels, at_N, responses.thinking, options.thinking == "strip")
    warnings += observations.missing(labels, responses.missing)
    warnings += observations.sampled_differently(labels, prompt_N, at_N, text_N, responses.finish_N, settings)
    if options.axis is None and options.by is None:
        warnings += observations.pooled(labels, responses.beside, at_N)
    return notes + more, warnings


def _sampling(settings: Mapping[str, Sequence[set[object]]]) -> Sampling:
    """The temperature where all responses have one."""
    values = set().union(*settings.get("temperature", ()))
    only = next(iter(values)) if len(values) == 1 else None
    number = as_score(only) if isinstance(only, int | float) else None
    return Sampling(temperature=float(number) if isinstance(number, int | float) else None)


def _prompts(responses: Responses, pairing: Pairing) -> pa.Table:
    domain_Q: dict[int, str] = {}
    for prompt, domain in zip(pairing.prompt_N.tolist(), responses.domain_N, strict=True):
        if domain is not None:
            domain_Q.setdefault(prompt, domain)
    prompts = [responses.prompts[text] for text in pairing.text_Q]
    return pa.table(
        {
            "prompt_id": list(pairing.prompt_ids_Q),
            "domain": [domain_Q.get(index) for index in range(len(prompts))],
            "prompt": [prompt.text for prompt in prompts],
            "messages": [prompt.messages for prompt in prompts],
        },
        schema=PROMPTS_SCHEMA,
    )


def _samples(responses: Responses, pairing: Pairing, scores: Scores, values: Sequence[str]) -> Iterator[pa.Table]:
    """The samples in the order they were read."""
    wanted = [SAMPLES_SCHEMA.field(name) for name in SAMPLES_SCHEMA.names if name not in ("split", "token_ids")]
    ids = _sample_ids(responses, values)
    prompt_N = pairing.prompt_N.tolist()
    draws = _draws(responses, prompt_N)
    for start in range(0, len(ids), CHUNK):
        end = min(start + CHUNK, len(ids))
        yield pa.table(
            {
                "sample_id": ids[start:end],
                "prompt_id": [pairing.prompt_ids_Q[prompt] for prompt in prompt_N[start:end]],
                "checkpoint": responses.condition_N[start:end],
                "draw": draws[start:end],
                "response": responses.response_N[start:end],
                "finish_reason": responses.finish_N[start:end],
                "logprob": responses.logprob_N[start:end],
                "scores": scores.json(start, end),
            },
            schema=pa.schema(wanted),
        )


def _sample_ids(responses: Responses, values: Sequence[str]) -> list[str]:
    """Ids by content: condition, prompt, response, and which of several equal ones; whatever the order of rows.

    So the same data gets the same ids, and with the run's seed the same splits, however often it is imported.
    """
    turns = (repr(prompt.turns).encode() for prompt in responses.prompts)
    prompt_hashes = [hashlib.blake2b(one, digest_size=16).digest() for one in turns]
    seen: Counter[bytes] = Counter()
    found = []
    for text, at, response in zip(responses.text_N, responses.condition_N, responses.response_N, strict=True):
        content = hashlib.blake2b(prompt_hashes[text], digest_size=16)
        content.update(f"{values[at]}\n{response}".encode())
        key = content.digest()
        content.update(b"\n%d" % seen[key])
        seen[key] += 1
        found.append(content.hexdigest()[:20])
    return found


def _draws(responses: Responses, prompt_N: Sequence[int]) -> list[int]:
    """The given numbers of the draws where they tell the draws of a prompt and condition apart, else counted."""
    places = list(zip(prompt_N, responses.condition_N, strict=True))
    given = [draw for draw in responses.draw_N if draw is not None]
    if len(given) == len(places) and len(set(zip(places, given, strict=True))) == len(places):
        return given
    counts: Counter[tuple[int, int]] = Counter()
    found = []
    for place in places:
        found.append(counts[place])
        counts[place] += 1
    return found
