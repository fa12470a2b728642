"""Order parameters by domains: each parameter that any job chose, on the report split of each job.

Parameters that ask the same are one row. It has the definition of the first job, in the plan's order, that chose
it, cut points included; the discovery over all jobs comes last. Nothing of how strong a parameter is anywhere
decides about that.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent.batch.measuring import Asking, Measured, MeasuredSet, Source, measured_on, p_values_of
from agent.batch.overlap import Overlap
from agent.batch.plan import POOLED
from agent.batch.running import Batch, Found
from agent.discovery import open_bench
from agent.settings import BUILTIN, DiscoverSettings
from agent.state import JUDGES
from agent.workbench import Workbench
from probes.errors import OrderparamError, OutsideError
from probes.progress import Progress
from probes.scale import FloatArray, IntArray
from runs.directory import Run
from tools.domains import LEVEL, Decided, decide
from tools.inference import Estimate
from tools.report.document import Parameter, Report

MOST_RESAMPLES = 100_000


@dataclass(frozen=True)
class Row:
    """A parameter. source: the job whose definition it has; found_in: all that chose it."""

    parameter: Parameter
    source: str
    found_in: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A job with its run."""

    name: str
    label: str
    run: Run
    settings: DiscoverSettings
    report: Report


@dataclass(frozen=True, eq=False)
class Matrix:
    """columns: jobs, and that over all of them last, which no claim is about. sets: by source and column. p_RD: of
    rows and domains, NaN where not measured. failed: what kept judges away, in lines."""

    rows: Sequence[Row]
    columns: Sequence[Column]
    sets: Mapping[tuple[str, str], MeasuredSet]
    decided: Sequence[Decided]
    p_RD: FloatArray
    tests: int
    resamples: int
    transferred: bool
    overlap: Overlap
    failed: Sequence[str]

    @property
    def domains(self) -> list[Column]:
        """The columns that claims are about."""
        return [column for column in self.columns if column.name != POOLED]

    @property
    def labels(self) -> dict[str, str]:
        """What a person calls each job."""
        return {column.name: column.label for column in self.columns}

    def cell(self, row: Row, column: str) -> Measured | None:
        """None where it was not measured."""
        if not _is_asked(row, column, self.transferred):
            return None
        measured = self.sets.get((row.source, column))
        return None if measured is None else measured.found.get(row.parameter.id)

    def why(self, row: Row, column: str) -> str:
        """Why there is no cell."""
        measured = self.sets.get((row.source, column))
        if (row.source, column) in self.overlap.read:
            return "answers of its report split were read by the search that found the parameter"
        if measured is None or not _is_asked(row, column, self.transferred):
            return "measured where it was found only; --transfer measures it everywhere"
        return measured.why.get(row.parameter.id, "not measured")


def rows_of(found: Sequence[Column]) -> list[Row]:
    """The rows, in the order of the jobs and of their sets."""
    by_key: dict[str, Row] = {}
    for column in found:
        chosen = {parameter.id: parameter for parameter in column.report.parameters}
        for one in column.report.set.parameters:
            key = _asks(chosen[one])
            known = by_key.get(key)
            if known is None:
                by_key[key] = Row(chosen[one], column.name, (column.name,))
            elif column.name not in known.found_in:
                by_key[key] = Row(known.parameter, known.source, (*known.found_in, column.name))
    return list(by_key.values())


def _is_asked(row: Row, column: str, transfer: bool) -> bool:
    return transfer or column in row.found_in


def _asks(parameter: Parameter) -> str:
    """What a parameter asks, by which it is known again in other jobs; not where its cut points lie."""
    if not parameter.judge.startswith(JUDGES):
        return parameter.judge
    levels = [(level.name, level.description) for level in parameter.scale.levels]
    return json.dumps([parameter.judge, parameter.question, levels])


def matrix_of(
    batch: Batch, found: Sequence[Found], overlap: Overlap, *, transfer: bool, progress: Progress
) -> Matrix:
    """Measures what is to be measured. found: jobs that have a report, that over all of them last.

    transfer: on all jobs; otherwise where a parameter was found. A look at a report split for the parameters of
    other jobs counts as one more report. What cannot be measured is in `failed`.
    """
    columns = [
        Column(one.job.name, one.job.label, one.run, one.settings, one.report)
        for one in found
        if one.run is not None and one.report is not None
    ]
    rows = rows_of(columns)
    work = _Work(batch, columns, rows, overlap, transfer, progress)
    for column in columns:
        try:
            work.measure(column)
        except OrderparamError as error:
            work.failed.append(f"measuring on {column.label}: {error}")
    return work.matrix()


@dataclass(eq=False)
class _Work:
    """The measuring, column by column."""

    batch: Batch
    columns: Sequence[Column]
    rows: Sequence[Row]
    overlap: Overlap
    transfer: bool
    progress: Progress
    sets: dict[tuple[str, str], MeasuredSet] = field(default_factory=dict)
    p_values: dict[tuple[int, str], float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    @property
    def domains(self) -> list[Column]:
        return [column for column in self.columns if column.name != POOLED]

    @property
    def resamples(self) -> int:
        """As many as it takes for one cell to be found among all."""
        most = len(self.rows) * (len(self.domains) + 1)
        settings = max((column.settings.resamples for column in self.columns), default=0)
        return min(MOST_RESAMPLES, max(settings, int(np.ceil(most / LEVEL))))

    def measure(self, column: Column) -> None:
        """What is to be measured on a column, and the p-values of its cells."""
        wanted = {one.name: ids for one in self.columns if (ids := self._wanted(one, column))}
        if not wanted:
            return
        self.progress.stage(f"measuring on {column.label}", len(wanted))
        unlimited = dict.fromkeys(("max_calls", "max_cost", "max_minutes"))
        plain = column.settings.model_copy(update={**unlimited, "model": (BUILTIN,), "judge": None})
        with column.run.locked():
            self._count_look(column, wanted)
            bench = open_bench(column.run, plain, self.progress).named(self.batch.matrix)
            for one in self.columns:
                if one.name in wanted:
                    self.sets[one.name, column.name] = self._measured(one, wanted[one.name], column, bench)
                    self.progress.advance()
            if column.name != POOLED:
                self._test(column, lambda levels: p_values_of(bench, levels, plain.seed, self.resamples))

    def _wanted(self, source: Column, column: Column) -> tuple[str, ...]:
        """Ids of the source's parameters that are to be measured on a column: all, or those found there too."""
        if (source.name, column.name) in self.overlap.read:
            return ()
        if self.transfer or source is column:
            return source.report.set.parameters
        rows = [row for row in self.rows if row.source == source.name and column.name in row.found_in]
        return tuple(row.parameter.id for row in rows)

    def _count_look(self, column: Column, wanted: Mapping[str, Sequence[str]]) -> None:
        """A look at the report split for the parameters of others is one more report."""
        others = [one for one in self.columns if one.name in wanted and one is not column]
        if others:
            looked = {one.name: [one.report.set.model_dump(mode="json"), list(wanted[one.name])] for one in others}
            digest = hashlib.sha256(json.dumps(looked, sort_keys=True).encode()).hexdigest()
            column.run.count_report(self.batch.matrix, digest)

    def _measured(self, one: Column, ids: Sequence[str], column: Column, bench: Workbench) -> MeasuredSet:
        source = Source(one.name, one.report, one.settings)
        specs = column.settings.specs
        budget = None
        if self.transfer and one is not column and one.settings.judge_spec in specs:
            budget = self.batch.matrix_budget(column.run, bench.settings)
        try:
            asking = Asking(specs, budget)
            return measured_on(bench, column.report.total.linear, source, ids, asking, self.batch.limiters)
        except OutsideError as error:
            self.failed.append(f"the parameters of {one.name} on {column.name}: {error}")
            return MeasuredSet({}, dict.fromkeys(ids, str(error)))

    def _test(self, column: Column, p_values: Callable[[Sequence[IntArray]], FloatArray]) -> None:
        cells = {
            r: measured.found[row.parameter.id]
            for r, row in enumerate(self.rows)
            if _is_asked(row, column.name, self.transfer)
            and (measured := self.sets.get((row.source, column.name)))
            and row.parameter.id in measured.found
        }
        p_J = p_values([cell.level_N for cell in cells.values()])
        self.p_values |= {(r, column.name): float(p) for r, p in zip(cells, p_J.tolist(), strict=True)}

    def matrix(self) -> Matrix:
        domains = self.domains
        p_RD = np.full((len(self.rows), len(domains)), np.nan)
        estimates: list[list[Estimate | None]] = []
        for r, row in enumerate(self.rows):
            estimates.append([None] * len(domains))
            for d, one in enumerate(domains):
                if (r, one.name) in self.p_values:
                    estimates[r][d] = self.sets[row.source, one.name].found[row.parameter.id].estimate
                    p_RD[r, d] = self.p_values[r, one.name]
        independent_DD = self.overlap.independent([one.name for one in domains])
        decided = decide(estimates, p_RD, independent_DD)
        claims = [p for one in decided for p in (one.common_p, one.contrast_p)]
        tests = np.isfinite(p_RD).sum() + np.isfinite(claims).sum()
        return Matrix(
            rows=self.rows,
            columns=self.columns,
            sets=self.sets,
            decided=decided,
            p_RD=p_RD,
            tests=int(tests),
            resamples=self.resamples,
            transferred=self.transfer,
            overlap=self.overlap,
            failed=self.failed,
        )
