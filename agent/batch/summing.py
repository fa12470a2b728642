"""The summary of a batch from what its jobs found and the matrix of their parameters."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.batch.matrix import Column, Matrix, Row
from agent.batch.measuring import Measured
from agent.batch.plan import POOLED, Plan
from agent.batch.running import Found
from agent.batch.summary import Cell, Domain, RowRecord, Summary, Transfer
from agent.batch.summary_words import TOGETHER, verdict_words
from runs.directory import DISCOVERIES_FOLDER
from runs.manifest import program_version
from tools.domains import LEVEL, Decided
from tools.report.document import Usage
from tools.report.record import interval


def summary_of(
    plan: Plan,
    found: Sequence[Found],
    pooled: Found | None,
    matrix: Matrix,
    taken: Usage,
    folder: Path,
    line_of: Callable[[Exception], str],
) -> Summary:
    """folder: where the summary will lie. taken: by the matrix. line_of: what is said of an error."""
    domains = tuple(_domain(one, folder, line_of) for one in found)
    whole = None if pooled is None else _domain(pooled, folder, line_of)
    jobs = [one.job.name for one in found]
    rows = tuple(
        _row(row, decided, matrix, jobs) for row, decided in zip(matrix.rows, matrix.decided, strict=True)
    )
    return Summary(
        version=program_version(),
        name=plan.name,
        level=LEVEL,
        tests=matrix.tests,
        resamples=matrix.resamples,
        transferred=matrix.transferred,
        complete=not matrix.failed
        and all(one.status == "done" for one in (*domains, *([whole] if whole else []))),
        domains=domains,
        pooled=whole,
        parameters=tuple(sorted(rows, key=lambda row: _ORDER.index(row.verdict))),
        transfers=_transfers(matrix) if matrix.transferred else (),
        usage=_sum([*(one.usage for one in domains), *([whole.usage] if whole else []), taken]),
        warnings=tuple(matrix.failed),
        alerts=matrix.overlap.said,
        notes=plan.said,
    )


_ORDER = ("common", "specific", "undecided", "not shown")


def _domain(found: Found, folder: Path, line_of: Callable[[Exception], str]) -> Domain:
    job, run, report = found.job, found.run, found.report
    label = TOGETHER if job.name == POOLED else job.label
    if run is None or report is None:
        error = "it was not run" if found.error is None else line_of(found.error)
        return Domain(name=job.name, label=label, status="failed", error=error)
    page = run.path / DISCOVERIES_FOLDER / report.name / "report.html"
    return Domain(
        name=job.name,
        label=label,
        status="done",
        run=_from(folder, run.path),
        report=_from(folder, page),
        mode=report.mode,
        bound=report.total.bound,
        total=report.total.linear,
        captured=report.set.share,
        estimator=report.set.estimator,
        parameters=report.set.parameters,
        samples=report.samples,
        prompts=report.prompts.used,
        claim=report.prompts.claim,
        usage=report.usage,
        warnings=report.alerts,
    )


def _from(folder: Path, path: Path) -> str:
    """A path as a link from the folder names it."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _row(row: Row, decided: Decided, matrix: Matrix, jobs: Sequence[str]) -> RowRecord:
    domains = matrix.domains
    names = [one.name for one in domains]
    cells = dict.fromkeys(jobs, Cell(why="the job failed"))
    cells |= {
        one.name: _cell(matrix, row, one, matrix.p_RD[matrix.rows.index(row), d], decided.q_D[d])
        for d, one in enumerate(domains)
    }
    seen = tuple(names[d] for d in decided.seen)
    shifts = [cells[name].shift for name in seen]
    signs = {math.copysign(1, shift) for shift in shifts if shift}
    whole = next((one for one in matrix.columns if one.name == POOLED), None)
    one = row.parameter
    record = RowRecord(
        id=one.id,
        name=one.name,
        question=one.question,
        judge=one.judge,
        scale=one.scale,
        source=row.source,
        found_in=row.found_in,
        verdict=decided.verdict,
        seen_in=seen,
        tied=tuple(names[d] for d in decided.tied),
        everywhere=len(seen) == len(jobs) > 1,
        of=None if decided.of is None else names[decided.of],
        opposite=len(signs) > 1,
        says="",
        common_p=_known(decided.common_p),
        common_q=_known(decided.common_q),
        contrast_p=_known(decided.contrast_p),
        contrast_q=_known(decided.contrast_q),
        cells=cells,
        pooled=None if whole is None else _cell(matrix, row, whole, math.nan, math.nan),
    )
    return record.model_copy(update={"says": verdict_words(record, matrix.labels)})


def _cell(matrix: Matrix, row: Row, column: Column, p: float, q: float) -> Cell:
    measured: Measured | None = matrix.cell(row, column.name)
    if measured is None:
        return Cell(why=matrix.why(row, column.name))
    return Cell(
        dissimilarity=interval(measured.estimate),
        share=measured.share,
        p_value=_known(p),
        q_value=_known(q),
        shift=measured.shift,
        samples=measured.samples,
    )


def _transfers(matrix: Matrix) -> tuple[Transfer, ...]:
    return tuple(
        Transfer(
            source=source.name,
            to=column.name,
            dissimilarity=measured.dissimilarity,
            share=measured.share,
            samples=measured.samples,
            estimator="regression" if measured.by_regression else "table",
            why=measured.reason,
        )
        for source in matrix.columns
        for column in matrix.columns
        if (measured := matrix.sets.get((source.name, column.name))) is not None
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sum(usages: Sequence[Usage]) -> Usage:
    costs = [one.cost for one in usages]
    return Usage(
        calls=sum(one.calls for one in usages),
        cached=sum(one.cached for one in usages),
        input_tokens=sum(one.input_tokens for one in usages),
        output_tokens=sum(one.output_tokens for one in usages),
        cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        unusable=sum(one.unusable for one in usages),
        failed=sum(one.failed for one in usages),
    )
