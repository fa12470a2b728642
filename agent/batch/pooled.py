"""The samples of all jobs as one run, each in the split that it has in its own: no report of the whole is of
what a search saw there, nor the other way round.

Where all runs have the same control parameter, sides and log-likelihoods, so has the whole. Otherwise it has the
two sides, without log-likelihoods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from agent.comparison import prompts_of_domain
from agent.values import resolve_values
from probes.scale import IntArray
from runs.columns import WITHOUT_SPLIT
from runs.directory import Run
from runs.files import write_array_whole
from runs.manifest import Control, InputRecord
from runs.schema import LOGLIK_FILE, PROMPTS_SCHEMA, SAMPLES_FILE, SPLITS
from runs.splits import SplitArray
from tools.report.document import Report

SCORE_STAGE = "score"
SIDES = ("before", "after")


@dataclass(frozen=True)
class Part:
    """A job's run, and what was reported of it.

    label: the domain of its prompts in the whole. domain: whose prompts alone were compared in its own run.
    """

    name: str
    label: str
    run: Run
    report: Report
    domain: str | None = None


@dataclass(frozen=True)
class Whole:
    """A run of all parts. before, after: its sides, where they must be named."""

    run: Run
    before: str | None = None
    after: str | None = None


def pooled_run(parts: Sequence[Part], out: Path, seed: int) -> Whole:
    """Makes the run at `out`, or opens the one made of the same parts. InputError: anything else is there."""
    scored = _have_the_same_likelihoods(parts)
    sides = [_sides(part) for part in parts]
    fingerprint = InputRecord(
        files={part.name: part.run.manifest.files[SAMPLES_FILE] for part in parts},
        options={
            "scored": scored,
            "sides": [[list(side) for side in both] for both in sides],
            "domains": [part.domain for part in parts],
        },
    )
    run = Run.of_input(out, fingerprint)
    chosen = [_rows(part, None if scored else both) for part, both in zip(parts, sides, strict=True)]
    if run is None:
        first = parts[0].run.manifest
        run = Run.create(
            out,
            control=first.control if scored else Control(name="side", values=list(SIDES)),
            prompts=pa.concat_tables([_prompts(part) for part in parts]),
            samples=[one.samples for one in chosen],
            split_N=np.concatenate([one.split_N for one in chosen]),
            seed=seed,
            name=out.name,
            input_fingerprint=fingerprint,
            notes=[f"{part.label}: the samples of {part.run.manifest.name}" for part in parts],
        )
    if scored and not run.manifest.has_done(SCORE_STAGE):
        with run.locked():
            logliks = [(part.run.loglik(), rows.row_S) for part, rows in zip(parts, chosen, strict=True)]
            whole_SK = np.concatenate([loglik_SK[row_S] for loglik_SK, row_S in logliks if loglik_SK is not None])
            write_array_whole(run.path / LOGLIK_FILE, whole_SK)
            run.record_stage(SCORE_STAGE, [LOGLIK_FILE], scoring=parts[0].run.manifest.scoring)
    if not scored or len(run.manifest.control.values) == len(SIDES):
        return Whole(run)
    control = parts[0].report.control
    return Whole(run, *(",".join(map(str, side)) for side in (control.before, control.after)))


def _have_the_same_likelihoods(parts: Sequence[Part]) -> bool:
    first = parts[0]
    return all(
        part.report.mode == "likelihood"
        and part.run.manifest.control == first.run.manifest.control
        and part.report.control == first.report.control
        and part.run.manifest.scoring == first.run.manifest.scoring
        for part in parts
    )


def _sides(part: Part) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Checkpoints of the part's run before and after, as its report says."""
    values, control = part.run.manifest.control.values, part.report.control
    before, after = (
        tuple(index for value in side for index in resolve_values(values, str(value), "--before"))
        for side in (control.before, control.after)
    )
    return before, after


@dataclass(frozen=True)
class _Rows:
    """row_S: which of the run's samples they are."""

    row_S: IntArray
    samples: pa.Table
    split_N: SplitArray


def _rows(part: Part, sides: tuple[tuple[int, ...], tuple[int, ...]] | None) -> _Rows:
    """The samples of a part, of all checkpoints or of two sides, with ids that no other part has."""
    samples = part.run.samples()
    checkpoint_N = samples["checkpoint"].to_numpy().astype(np.int64)
    kept_N = np.ones(samples.num_rows, dtype=bool)
    if part.domain is not None:
        kept_N &= np.isin(samples["prompt_id"].to_pylist(), prompts_of_domain(part.run, part.domain))
    if sides is not None:
        kept_N &= np.isin(checkpoint_N, [*sides[0], *sides[1]])
        checkpoint_N = np.isin(checkpoint_N, sides[1]).astype(np.int64)
    row_S = np.flatnonzero(kept_N)
    samples, checkpoint_N = samples.take(row_S), checkpoint_N[row_S]
    prompt_ids = samples["prompt_id"].to_pylist()
    table = pa.table(
        {
            "sample_id": _named(part, samples["sample_id"].to_pylist()),
            "prompt_id": _named(part, prompt_ids),
            "checkpoint": pa.array(checkpoint_N, pa.int32()),
            "draw": pa.array(_draws(prompt_ids, checkpoint_N), pa.int32()),
            "response": samples["response"],
            "token_ids": pa.nulls(samples.num_rows, WITHOUT_SPLIT.field("token_ids").type),
            "finish_reason": samples["finish_reason"],
            "logprob": samples["logprob"],
            "scores": samples["scores"],
        },
        schema=WITHOUT_SPLIT,
    )
    split_N = np.array([SPLITS.index(one) for one in samples["split"].to_pylist()], dtype=np.int8)
    return _Rows(row_S, table, split_N)


def _draws(prompt_ids: Sequence[str], checkpoint_N: IntArray) -> list[int]:
    """Counted anew: several checkpoints may have become one side."""
    seen: dict[tuple[str, int], int] = {}
    draws = []
    for key in zip(prompt_ids, checkpoint_N.tolist(), strict=True):
        draws.append(seen.get(key, 0))
        seen[key] = draws[-1] + 1
    return draws


def _prompts(part: Part) -> pa.Table:
    prompts = part.run.prompts()
    if part.domain is not None:
        prompts = prompts.filter(
            np.isin(prompts["prompt_id"].to_pylist(), prompts_of_domain(part.run, part.domain))
        )
    return pa.table(
        {
            "prompt_id": _named(part, prompts["prompt_id"].to_pylist()),
            "domain": [part.label] * prompts.num_rows,
            "prompt": prompts["prompt"],
            "messages": prompts["messages"],
        },
        schema=PROMPTS_SCHEMA,
    )


def _named(part: Part, ids: Sequence[str]) -> list[str]:
    return [f"{part.name}/{one}" for one in ids]
