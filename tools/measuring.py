"""Measures in code over many texts, spread over processes.

Each text is scored by itself, so the numbers do not depend on how many processes share the work. Workers are
joblib's (loky): they start without running the user's script again, and are gone when the main process is.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from probes.errors import InputError, OutsideError
from probes.measures.measure import Measure
from probes.scale import FloatArray

FEW_TEXTS = 5_000
FEW_CHARACTERS = 3_000_000
"""Below both, starting workers takes longer than they save."""

CHUNK_TEXTS = 1_000
CHUNK_CHARACTERS = 500_000
"""What is sent to a worker at once: about a second of work."""

_workers = threading.Lock()
"""Threads take turns: they have the same workers, and wait long for each other where they change their number."""


def measure_texts(
    measures: Sequence[Measure],
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    processes: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> FloatArray:
    """Scores [N, M] of N (prompt, response) pairs on M measures; NaN where a measure does not apply.

    on_progress: told the number of texts done since it was last told. Raises InputError if a user's measure fails
    on a text (which is named by its place, from 1), OutsideError if a worker dies.
    """
    if len(prompts) != len(responses):
        raise ValueError(f"{len(prompts)} prompts for {len(responses)} responses")
    scores_NM = np.full((len(responses), len(measures)), np.nan)
    if not measures:
        return scores_NM
    chunks = list(_chunks(responses))
    few = len(responses) < FEW_TEXTS and sum(map(len, responses)) < FEW_CHARACTERS
    for chunk, scores in zip(
        chunks, _scores(measures, prompts, responses, chunks, 1 if few else processes), strict=True
    ):
        scores_NM[chunk] = scores
        if on_progress is not None:
            on_progress(len(scores))
    return scores_NM


def _chunks(responses: Sequence[str]) -> Iterator[slice]:
    """Runs of texts, cut where their characters or their number come to the limits."""
    start = characters = 0
    for place, response in enumerate(responses):
        characters += len(response)
        if characters >= CHUNK_CHARACTERS or place + 1 - start == CHUNK_TEXTS:
            yield slice(start, place + 1)
            start, characters = place + 1, 0
    if start < len(responses):
        yield slice(start, len(responses))


def _scores(
    measures: Sequence[Measure],
    prompts: Sequence[str],
    responses: Sequence[str],
    chunks: Sequence[slice],
    processes: int,
) -> Iterator[FloatArray]:
    """The scores of each chunk, in order."""
    tasks = ((measures, prompts[chunk], responses[chunk], chunk.start) for chunk in chunks)
    if processes <= 1 or len(chunks) == 1:
        for task in tasks:
            yield _score_chunk(*task)
        return
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=min(processes, len(chunks)), return_as="generator", batch_size=1, max_nbytes=None)
    try:
        with _workers:
            yield from pool(delayed(_score_chunk)(*task) for task in tasks)
    except BrokenProcessPool as error:
        raise OutsideError(
            "a process that measured texts ended before its work was done (out of memory, or killed); "
            "run the command again, with fewer processes if memory is short"
        ) from error


def _score_chunk(
    measures: Sequence[Measure], prompts: Sequence[str], responses: Sequence[str], first: int
) -> FloatArray:
    scores_NM = np.empty((len(responses), len(measures)))
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        try:
            scores_NM[row] = [measure.score(prompt, response) for measure in measures]
        except InputError as error:
            raise InputError(f"{error} (sample {first + row + 1}: {response[:40]!r})") from error
    return scores_NM
