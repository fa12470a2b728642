"""From the responses that were read to a run: prompts are paired, scores joined, ids given, and it is said what to
know about the data."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from probes.errors import InputError
from probes.scale import IntArray
from runs import observations
from runs.directory import Run
from runs.formats.fields import Named
from runs.formats.record import shown
from runs.formats.rows import Responses, Thinking
from runs.manifest import Control, InputRecord, Sampling
from runs.pairing import PairBy, Pairing, pair
from runs.schema import PROMPTS_SCHEMA, SAMPLES_SCHEMA
from runs.scores import Scores, as_score, join_scores, scores_beside
from runs.texts import TextFacts, rank_among_equals

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
    scores = scores_beside(responses.beside, pairing.prompt_N.tolist(), responses.condition_N)
    _join_files(scores, responses, options, len(labels))
    condition_N, facts = np.asarray(responses.condition_N, dtype=np.int64), TextFacts.of(responses.response_N)
    alerts = observations.alerts(labels, pairing.prompt_N, condition_N, facts)
    settings = observations.settings_of(responses.beside, metadata, responses.condition_N, len(labels))
    more_notes, warnings = _observed(labels, pairing.prompt_N, condition_N, facts, responses, settings, options)
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
    prompt_N: IntArray,
    condition_N: IntArray,
    facts: TextFacts,
    responses: Responses,
    settings: Mapping[str, Sequence[set[object]]],
    options: ImportOptions,
) -> tuple[list[str], list[str]]:
    """Notes and warnings about the responses."""
    notes = observations.empty(labels, condition_N, facts)
    more, warnings = observations.thinking(labels, condition_N, responses.thinking, options.thinking == "strip")
    warnings += observations.missing(labels, responses.missing)
    finish_N = responses.finish_N
    warnings += observations.sampled_differently(labels, prompt_N, condition_N, facts, finish_N, settings)
    if options.axis is None and options.by is None:
        warnings += observations.pooled(labels, responses.beside, responses.condition_N)
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
    draw_N = _draws(responses, pairing.prompt_N)
    for start in range(0, len(draw_N), CHUNK):
        chunk = slice(start, start + CHUNK)
        texts = responses.response_N[chunk]
        yield pa.table(
            {
                "sample_id": list(islice(ids, len(texts))),
                "prompt_id": [pairing.prompt_ids_Q[prompt] for prompt in pairing.prompt_N[chunk].tolist()],
                "checkpoint": responses.condition_N[chunk],
                "draw": draw_N[chunk],
                "response": texts,
                "finish_reason": responses.finish_N[chunk],
                "logprob": responses.logprob_N[chunk],
                "scores": scores.json(start, start + len(texts)),
            },
            schema=pa.schema(wanted),
        )


def _sample_ids(responses: Responses, values: Sequence[str]) -> Iterator[str]:
    """Ids by content: condition, prompt, response, and which of several equal ones; whatever the order of rows.

    So the same data gets the same ids, and with the run's seed the same splits, however often it is imported.
    """
    digests = b"".join(content.digest() for content in _contents(responses, values))
    rank_N = rank_among_equals(np.frombuffer(digests, dtype="<u8").reshape(-1, 2))
    for content, rank in zip(_contents(responses, values), rank_N.tolist(), strict=True):
        content.update(b"\n%d" % rank)
        yield content.hexdigest()[:20]


def _contents(responses: Responses, values: Sequence[str]) -> Iterator["hashlib.blake2b"]:
    """A hash of each response with its prompt and condition."""
    turns = (repr(prompt.turns).encode() for prompt in responses.prompts)
    prompt_hashes = [hashlib.blake2b(one, digest_size=16).digest() for one in turns]
    for text, at, response in zip(responses.text_N, responses.condition_N, responses.response_N, strict=True):
        content = hashlib.blake2b(prompt_hashes[text], digest_size=16)
        content.update(f"{values[at]}\n{response}".encode())
        yield content


def _draws(responses: Responses, prompt_N: IntArray) -> IntArray:
    """The given numbers of the draws where they tell the draws of a prompt and condition apart, else counted."""
    place_N2 = np.column_stack([prompt_N, responses.condition_N])
    if all(draw is not None for draw in responses.draw_N):
        given_N = np.asarray(responses.draw_N, dtype=np.int64)
        if not rank_among_equals(np.column_stack([place_N2, given_N])).any():
            return given_N
    return rank_among_equals(place_N2)
