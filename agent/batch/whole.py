"""A batch from beginning to end: its jobs, the discovery over all of them, the matrix, the summary on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.batch import summary_html, summary_markdown
from agent.batch.board import Board
from agent.batch.folder import SUMMARY, BatchFolder
from agent.batch.matrix import matrix_of
from agent.batch.overlap import Held, Overlap, overlap_of
from agent.batch.plan import POOLED, Job, OfRun, Plan
from agent.batch.running import Batch, Found
from agent.batch.summary import Summary
from agent.batch.summing import summary_of
from runs.files import write_text_whole
from tools.report.document import Usage


@dataclass(frozen=True)
class Ended:
    """failed: a line for each job that failed, and for what could not be measured."""

    summary: Summary
    failed: tuple[str, ...]


def run_batch(
    plan: Plan, out: Path, board: Board, *, at_once: int, transfer: bool, line_of: Callable[[Exception], str]
) -> Ended:
    """Runs the plan at `out`, or goes on with it. line_of: what is said of an error.

    A job's error is the job's alone. Raises KeyboardInterrupt; InputError and OutsideError where the batch as a
    whole cannot go on.
    """
    asked = list(plan.jobs)
    if plan.pooled is not None:
        asked.append(Job(POOLED, POOLED, OfRun(plan.run or out), plan.pooled))
    for said in plan.said:
        board.note(said)
    with BatchFolder.opened(out, asked) as folder:
        batch = Batch(plan, folder, board, at_once, transfer=transfer)
        found = batch.run()
        overlap = Overlap() if plan.run is not None else overlap_of(_held(found))
        for said in overlap.said:
            board.note(said)
        pooled = None if overlap.said else batch.pooled(found)
        every = [*found, *([pooled] if pooled is not None else [])]
        matrix = batch.compare(
            lambda progress: matrix_of(batch, every, overlap, transfer=transfer, progress=progress)
        )
        calls, cost = batch.taken(batch.matrix)
        taken = Usage(calls=calls, cost=cost)
        summary = summary_of(plan, found, pooled, matrix, taken, out, line_of)
        texts = {
            "html": summary_html.render(summary),
            "md": summary_markdown.render(summary),
            "json": summary.to_json(),
        }
        for ending, text in texts.items():
            write_text_whole(out / f"{SUMMARY}.{ending}", text)
    return Ended(summary, (*_failed(every, line_of), *matrix.failed))


def _held(found: list[Found]) -> list[Held]:
    return [
        Held(one.job.name, one.job.label, one.run, one.settings.domain, one.report.prompts.claim)
        for one in found
        if one.run is not None and one.report is not None
    ]


def _failed(found: list[Found], line_of: Callable[[Exception], str]) -> list[str]:
    return [f"{one.job.label}: {line_of(one.error)}" for one in found if one.error is not None]
