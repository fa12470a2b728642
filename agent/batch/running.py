"""The jobs of a batch, several at once: each opens its run and discovers there, all with one ledger, one limit of
calls in flight for each model, and one budget.

Jobs are threads of one process: what takes time are calls to models, and measures, which have processes of their
own, for one job at a time. Jobs of the same run take turns, since a run has one owner. A job that fails does not
stop the others.
"""

import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from agent.batch.board import Board, JobProgress, Row
from agent.batch.folder import BatchFolder
from agent.batch.plan import POOLED, Files, Job, OfModel, OfRun, Plan
from agent.batch.pooled import Part, pooled_run
from agent.batch.purse import Purse
from agent.discovery import discover_run
from agent.settings import DiscoverSettings
from probes.errors import InputError, OrderparamError
from probes.progress import Progress
from runs.directory import Run
from runs.importing import import_pair
from runs.sampling_settings import ScoreSettings
from runs.schema import LEDGER_FILE
from tools.chat.ledger import Ledger, Spent
from tools.chat.limiter import Limiters
from tools.report.document import Report

_TICK = 0.5  # seconds

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Found:
    """What a job came to: its run and report, or why there is none. settings: those it was run with."""

    job: Job
    settings: DiscoverSettings
    run: Run | None = None
    report: Report | None = None
    error: Exception | None = None


class Batch:
    """A batch at work. at_once: jobs. transfer: whether parameters are to be measured on other jobs, which takes a
    part of the budget."""

    def __init__(self, plan: Plan, folder: BatchFolder, board: Board, at_once: int, *, transfer: bool) -> None:
        self.plan = plan
        self.folder = folder
        self.limiters = Limiters()
        self.matrix = folder.matrix
        self._board = board
        self._at_once = at_once
        self._stop = threading.Event()
        labels = {job.name: job.label for job in plan.jobs}
        labels |= {POOLED: POOLED} if plan.pooled else {}
        labels[self.matrix] = "matrix"
        self._rows = {name: board.row(label) for name, label in labels.items()}
        self._ledgers: defaultdict[str, set[Path]] = defaultdict(set)
        asking = [job.name for job in plan.jobs if job.settings.judge_spec is not None]
        if plan.pooled is not None and plan.pooled.judge_spec is not None:
            asking.append(POOLED)
        if asking and transfer:
            asking.append(self.matrix)
        self.purse = Purse(plan.budget, folder.parts(), asking, self.taken, folder.keep_parts)

    def run(self) -> list[Found]:
        """Runs all jobs and returns what came of each. Where samples of a model are needed, these come first.

        Raises KeyboardInterrupt once what was under way is put away.
        """
        failed = self._sample()
        groups: dict[object, list[Job]] = {}
        for job in self.plan.jobs:
            key = job.source.run.resolve() if isinstance(job.source, OfRun) else job.name
            groups.setdefault(key, []).append(job)
        with threadpool_limits(1):
            found = self._in_threads([partial(self._in_turn, jobs, failed) for jobs in groups.values()])
        by_name = {one.job.name: one for group in found for one in group}
        return [by_name[job.name] for job in self.plan.jobs]

    def pooled(self, found: Sequence[Found]) -> Found | None:
        """The discovery over the samples of all jobs; None where there is to be none, or a job has failed."""
        settings = self.plan.pooled
        if settings is None or any(one.report is None for one in found):
            return None
        job = Job(POOLED, POOLED, OfRun(self.plan.run or self.folder.run_folder(POOLED)), settings)
        with threadpool_limits(1):
            return self._in_threads([partial(self._discovered, job, partial(self._whole, job, found))])[0]

    def compare(self, work: Callable[[Progress], _Result]) -> _Result:
        """Work on all jobs together, in the matrix's row; `matrix` is the scope of its calls."""
        row = self._rows[self.matrix]

        def done() -> _Result:
            with self._shown(row):
                return work(JobProgress(self._board, row, self._stop))

        with threadpool_limits(1):
            return self._in_threads([done])[0]

    def taken(self, name: str) -> tuple[int, float]:
        """Calls and US dollars that a job, or the matrix, has taken by now."""
        spent = [_spent(path, name) for path in self._ledgers[name] or {self.folder.path / LEDGER_FILE}]
        return sum(one.calls for one in spent), sum(one.cost or 0.0 for one in spent)

    def uses_ledger(self, name: str, run: Run, *, asks: bool) -> None:
        """The calls of this scope are written into the run's ledger. asks: whether there will be any."""
        path = (run.path / LEDGER_FILE).resolve()
        if asks:
            Ledger.open(path).close()  # others look into it from now on
        self._ledgers[name].add(path)

    def matrix_budget(self, run: Run, settings: DiscoverSettings) -> DiscoverSettings:
        """The settings with what the matrix may still take, as the budget of its scope in the run's ledger."""
        self.uses_ledger(self.matrix, run, asks=True)
        try:
            dealt = self.purse.settings_of(self.matrix, settings)
        except InputError:
            return settings.model_copy(update={"max_calls": 0})
        here = _spent((run.path / LEDGER_FILE).resolve(), self.matrix)
        calls, cost = self.taken(self.matrix)
        elsewhere = {"max_calls": calls - here.calls, "max_cost": cost - (here.cost or 0.0)}
        limits = {key: getattr(dealt, key) for key in elsewhere}
        left = {key: max(0, limit - elsewhere[key]) for key, limit in limits.items() if limit is not None}
        return dealt.model_copy(update=left)

    # Threads

    def _in_threads(self, works: Sequence[Callable[[], _Result]]) -> list[_Result]:
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="job") as pool:
            futures: list[Future[_Result]] = [pool.submit(work) for work in works]
            try:
                while wait(futures, timeout=_TICK).not_done:
                    self._tick()
            except KeyboardInterrupt:
                self._stop.set()
                self._board.note("stopping once what is under way is put away; Ctrl-C again does not wait")
                pool.shutdown(cancel_futures=True)
                raise
            return [future.result() for future in futures]

    def _tick(self) -> None:
        for name, row in self._rows.items():
            if row.state == "runs":
                self._count(name, row)
        self._board.tick()

    def _count(self, name: str, row: Row) -> None:
        try:
            spent = [_spent(path, name) for path in list(self._ledgers[name])]
        except OrderparamError:
            return  # the job itself will say what is wrong with its ledger
        costs = [one.cost for one in spent]
        row.calls = sum(one.calls for one in spent)
        row.cost = None if None in costs else sum(cost for cost in costs if cost is not None)

    @contextmanager
    def _shown(self, row: Row) -> Iterator[None]:
        row.state = "runs"
        try:
            yield
        except KeyboardInterrupt:
            row.state = "stopped"
            raise
        except Exception:
            row.state = "failed"
            raise
        else:
            row.state = "done"
        finally:
            self._board.changed(row)

    # Jobs

    def _sample(self) -> dict[str, Found]:
        """Makes the runs that take a model; those that could not be made."""
        failed = {}
        for job in self.plan.jobs:
            if not isinstance(job.source, OfModel):
                continue
            row = self._rows[job.name]
            progress = JobProgress(self._board, row, self._stop)
            try:
                with self._shown(row):
                    _sampled(job.source, self.folder.run_folder(job.name), progress)
                row.state = "waits"
            except Exception as error:
                failed[job.name] = Found(job, job.settings, error=error)
        return failed

    def _in_turn(self, jobs: Sequence[Job], failed: Mapping[str, Found]) -> list[Found]:
        return [failed.get(job.name) or self._discovered(job, partial(self._run_of, job)) for job in jobs]

    def _discovered(self, job: Job, open_run: Callable[[Progress], tuple[Run, DiscoverSettings]]) -> Found:
        row, settings, run = self._rows[job.name], job.settings, None
        made = isinstance(job.source, Files) and not self.folder.run_folder(job.name).exists()
        progress = JobProgress(self._board, row, self._stop)
        try:
            with self._shown(row):
                run, settings = open_run(progress)
                self.uses_ledger(job.name, run, asks=settings.judge_spec is not None)
                if settings.judge_spec is not None:
                    settings = self.purse.settings_of(job.name, settings)
                report = discover_run(run, settings, progress=progress, limiters=self.limiters)
        except Exception as error:
            if made and isinstance(error, InputError):  # nothing is left in the way of better input
                shutil.rmtree(self.folder.run_folder(job.name), ignore_errors=True)
            return Found(job, settings, run, error=error)
        finally:
            self._count(job.name, row)
        self.purse.ended(job.name)
        return Found(job, settings, run, report)

    def _run_of(self, job: Job, progress: Progress) -> tuple[Run, DiscoverSettings]:
        out = self.folder.run_folder(job.name)
        match job.source:
            case OfRun(path):
                return Run.open(path), job.settings
            case OfModel():
                run = Run.open(out)
            case Files(before, after, options):
                progress.stage("reading the files")
                imported = import_pair(before, after, out, options)
                for note in imported.notes:
                    progress.note(note)
                run = imported.run
        self.folder.share_ledger(run.path)
        return run, job.settings

    def _whole(self, job: Job, found: Sequence[Found], progress: Progress) -> tuple[Run, DiscoverSettings]:
        """The run with the samples of all jobs."""
        if self.plan.run is not None:
            return Run.open(self.plan.run), job.settings
        progress.stage("taking the samples of all jobs together")
        parts = [
            Part(one.job.name, one.job.label, one.run, one.report, one.settings.domain)
            for one in found
            if one.run is not None and one.report is not None
        ]
        whole = pooled_run(parts, self.folder.run_folder(POOLED), job.settings.seed)
        self.folder.share_ledger(whole.run.path)
        ledger = Ledger.open(self.folder.path / LEDGER_FILE)
        try:
            for part in parts:
                own = part.run.path / LEDGER_FILE
                if own.is_file() and not own.samefile(ledger.path):
                    ledger.take_judgments(own)
        finally:
            ledger.close()
        sides = {"before": whole.before, "after": whole.after}
        return whole.run, job.settings.model_copy(update=sides)


def _sampled(source: OfModel, out: Path, progress: Progress) -> None:
    """A run of the model without (0) and with its adapter (1), sampled and scored."""
    from runs.sweep import run_sweep, sweep_of_control

    sweep = sweep_of_control(source.model, "lora-scale=0,1", [source.adapter], progress)
    run_sweep(sweep, source.prompts, source.sampling, ScoreSettings(device=source.sampling.device), out, progress)


def _spent(path: Path, name: str) -> Spent:
    """What a scope took by now, in one ledger."""
    if not path.is_file():
        return Spent(0, 0.0, 0.0)
    ledger = Ledger.open_to_read(path)
    try:
        return ledger.spent(name)
    finally:
        ledger.close()
