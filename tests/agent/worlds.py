"""Small runs with known truth for the tests of the agent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from probes.scale import IntArray
from probes.toy_world import Course, ToyWorld, demo_world
from runs.columns import WITHOUT_SPLIT
from runs.directory import Run
from runs.files import write_array_whole
from runs.importing import import_rows
from runs.manifest import Control, Scoring
from runs.schema import LOGLIK_FILE, PROMPTS_SCHEMA
from runs.storing import ImportOptions

Rows = list[dict[str, Any]]
Responder = Callable[[int, int, np.random.Generator], str]
"""The answer to a prompt (number) of a side (0 before, 1 after)."""


def rows_of(
    responder: Responder,
    *,
    prompts: int = 24,
    draws: int = 10,
    seed: int = 0,
    scores: Callable[[int, int, np.random.Generator], Mapping[str, object]] | None = None,
) -> tuple[Rows, Rows]:
    """Rows before and after."""
    rng = np.random.default_rng(seed)
    sides: tuple[Rows, Rows] = ([], [])
    for prompt in range(prompts):
        for side in (0, 1):
            for draw in range(draws):
                row: dict[str, Any] = {
                    "prompt_id": f"p{prompt}",
                    "prompt": f"What about subject {prompt}?",
                    "response": responder(prompt, side, rng),
                    "sample": draw,
                }
                if scores is not None:
                    row["scores"] = dict(scores(prompt, side, rng))
                sides[side].append(row)
    return sides


def run_of(folder: Path, sides: Sequence[Rows], seed: int = 0) -> Run:
    before, after = sides
    return import_rows(before, after, folder, ImportOptions(seed=seed)).run


def words(count: int, rng: np.random.Generator) -> str:
    """An answer of that many made-up words."""
    vocabulary = ["lorem", "ipsum", "dolor", "amet", "elit", "tempor", "magna", "aliqua"]
    return " ".join(rng.choice(vocabulary, size=count)) + "."


def shorter(prompt: int, side: int, rng: np.random.Generator) -> str:
    """5 to 17 words for 5% of the answers before and 95% after, 20 to 59 words for the others."""
    short = (side == 1) ^ bool(rng.random() < 0.05)
    return words(int(rng.integers(5, 18) if short else rng.integers(20, 60)), rng)


def same(prompt: int, side: int, rng: np.random.Generator) -> str:
    """Nothing changes."""
    return words(int(rng.integers(5, 60)), rng)


def likelihood_run(folder: Path, *, prompts: int = 24, draws: int = 10, seed: int = 0) -> tuple[Run, ToyWorld]:
    """A run of toy-world answers with their exact log-likelihoods under both checkpoints."""
    world = demo_world()
    rng = np.random.default_rng(seed)
    types_Q = rng.choice(world.grammar.types, size=prompts, replace=False, p=world.grammar.weight_Q).astype(
        np.int64
    )
    drawn = world.draw(rng, types_Q, draws)
    loglik_NK = world.loglik(drawn)
    sides: tuple[Rows, Rows] = ([], [])
    order: tuple[list[int], list[int]] = ([], [])
    for i, (prompt, response) in enumerate(zip(*world.texts(drawn), strict=True)):
        side = int(drawn.side_N[i])
        sides[side].append({"prompt_id": f"p{drawn.prompt_N[i]}", "prompt": prompt, "response": response})
        order[side].append(i)
    run = run_of(folder, sides)
    imported = run.samples(["checkpoint", "response"])
    rows = [*order[0], *order[1]]
    texts = world.texts(drawn)[1]
    assert imported["response"].to_pylist() == [texts[i] for i in rows]  # the import keeps the order of rows
    with run.locked():
        write_array_whole(run.path / LOGLIK_FILE, loglik_NK[rows].astype(np.float32))
        run.record_stage("score", [LOGLIK_FILE])
    return Run.open(run.path), world


SWEEP_STEPS = tuple(range(0, 41, 4))
"""Control values of `sweep_run`; behavior changes between 16 and 20."""


def sweep_run(
    folder: Path,
    *,
    prompts: int = 8,
    draws: int = 8,
    seed: int = 0,
    values: Sequence[float | int | str] = SWEEP_STEPS,
    course: Course = Course("sharp", position=18.0, width=1.0),  # noqa: B008 (frozen)
) -> tuple[Run, ToyWorld, IntArray]:
    """A run of a toy world's sweep with exact log-likelihoods, and the type of each prompt."""
    world = replace(demo_world(), control_K=np.array(SWEEP_STEPS, dtype=np.float64), course=course)
    rng = np.random.default_rng(seed)
    types_Q = rng.choice(world.grammar.types, size=prompts, replace=False, p=world.grammar.weight_Q).astype(
        np.int64
    )
    checkpoints = len(SWEEP_STEPS)
    drawn = world.draw(rng, types_Q, draws, before=(0,), after=range(1, checkpoints))
    texts, responses = world.texts(drawn)
    prompt_of = dict(zip(drawn.prompt_N.tolist(), texts, strict=True))
    count = len(responses)
    samples = pa.table(
        {
            "sample_id": [f"s{i}" for i in range(count)],
            "prompt_id": [f"p{q}" for q in drawn.prompt_N.tolist()],
            "checkpoint": pa.array(drawn.checkpoint_N, pa.int32()),
            "draw": pa.array([i % draws for i in range(count)], pa.int32()),
            "response": responses,
            "token_ids": pa.nulls(count, WITHOUT_SPLIT.field("token_ids").type),
            "finish_reason": pa.nulls(count, WITHOUT_SPLIT.field("finish_reason").type),
            "logprob": pa.nulls(count, WITHOUT_SPLIT.field("logprob").type),
            "scores": pa.nulls(count, WITHOUT_SPLIT.field("scores").type),
        },
        schema=WITHOUT_SPLIT,
    )
    asked = pa.table(
        {
            "prompt_id": [f"p{q}" for q in prompt_of],
            "domain": pa.nulls(len(prompt_of), pa.string()),
            "prompt": list(prompt_of.values()),
            "messages": pa.nulls(len(prompt_of), pa.string()),
        },
        schema=PROMPTS_SCHEMA,
    )
    control = Control(name="step", values=list(values))
    run = Run.create(folder, control=control, prompts=asked, samples=samples, seed=seed, name="sweep")
    with run.locked():
        write_array_whole(run.path / LOGLIK_FILE, world.loglik(drawn).astype(np.float32))
        scored = Scoring(engine="transformers", precision="float32", device="cpu", temperature=1.0)
        run.record_stage("score", [LOGLIK_FILE], scoring=scored)
    return Run.open(run.path), world, types_Q
