"""Scores and levels of every sample on the parameters of a set: `scores.parquet` beside the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agent.alerts import SIDES
from agent.state import CandidateState, is_judged
from agent.workbench import Workbench
from probes.errors import InputError
from probes.scale import IntArray
from runs.files import explained, shown
from runs.manifest import MANIFEST_FILE
from runs.schema import REPORT_FILE, SPLITS
from tools.layout import AFTER, BEFORE

SCORES_FILE = "scores.parquet"


def scores_table(bench: Workbench, chosen: Sequence[CandidateState]) -> pa.Table:
    """A row a sample of the comparison: its id, prompt, side and split, and score and level of each parameter.

    `NAME` holds the score as it was measured or came with the data, `NAME level` its level's name, null without.
    What a language model judged has no score but `NAME quote`, the words that decided.
    """
    comparison = bench.comparison
    layout = comparison.layout
    columns: dict[str, Any] = {
        "sample_id": comparison.sample_ids.column,
        "prompt_id": _named(comparison.prompt_ids_Q, layout.prompt_N),
        "side": _named([SIDES[BEFORE], SIDES[AFTER]], layout.side_N),
        "split": _named(SPLITS, comparison.split_N),
    }
    for candidate, level_N in zip(chosen, bench.levels(chosen).T, strict=True):
        names = [name for name, _ in candidate["scale"]["levels"]]
        if not is_judged(candidate):
            columns[candidate["id"]] = _scores(bench, candidate["judge"])
        columns[f"{candidate['id']} level"] = _named(names, level_N)
        if bench.judgments is not None and is_judged(candidate):
            quotes = bench.judgments.quotes(candidate)
            columns[f"{candidate['id']} quote"] = [quotes.get(row) for row in range(layout.samples)]
    return pa.table(columns)


def _named(names: Sequence[str], index_N: IntArray) -> pa.Array:
    """The name [N] that each index stands for, null for a negative one."""
    return pa.array(names, pa.string()).take(pa.array(index_N, mask=index_N < 0))


def read_scores(folder: Path) -> pa.Table:
    """What `scores_table` made, as it lies beside a report. Raises InputError: it is missing or damaged."""
    path = folder / SCORES_FILE
    in_run = (folder.parent.parent / MANIFEST_FILE).is_file()
    again = f"remove {shown(folder / REPORT_FILE)} and run the same command as then: it makes both again"
    mended = again if in_run else "it lies beside the report in the run that it was made from"
    if not path.is_file():
        raise InputError(f"{shown(path)}: is missing; {mended}")
    with explained(path, "read"), open(path, "rb") as file:
        try:
            return pq.read_table(file)
        except pa.ArrowException as error:
            raise InputError(f"{shown(path)}: is damaged ({shown(error)}); {mended}") from error


def _scores(bench: Workbench, judge: str) -> pa.Array:
    if not judge.startswith("data:"):
        number_N = bench.scores.numbers(judge)
        return pa.array(number_N, mask=np.isnan(number_N))
    raw = bench.scores.data[judge.removeprefix("data:")]
    if all(label is None or isinstance(label, int | float) for label in raw):
        return pa.array([None if label is None else float(label) for label in raw], pa.float64())
    return pa.array([None if label is None else str(label) for label in raw], pa.string())
