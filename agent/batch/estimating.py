"""What a batch would compare and ask of language models at most; nothing is sent, and nothing stays on disk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.batch.overlap import texts_of
from agent.batch.plan import POOLED, Files, Job, OfModel, OfRun, Plan
from agent.comparison import Comparison
from agent.discovery import open_bench
from agent.plan import Sending, calls_of, plan_of
from agent.progress import Silent
from agent.settings import DiscoverSettings
from probes.errors import InputError, OutsideError
from probes.words import count
from runs.directory import Run
from runs.importing import import_pair


@dataclass(frozen=True)
class Estimate:
    """One job, the discovery over all of them, or the measuring on other jobs. samples, prompts: None where it is
    none of its own. calls, cost: at most, second tries not counted; None where unknown. error: why the job could
    not run. left_out: why there will be no discovery over all of them."""

    label: str
    samples: int | None = None
    prompts: int | None = None
    calls: int | None = 0
    cost: float | None = 0.0
    error: Exception | None = None
    left_out: str | None = None


def estimates_of(plan: Plan, *, transfer: bool) -> list[Estimate]:
    """By job in the plan's order, then of what concerns all of them."""
    measured = [_of_job(job) for job in plan.jobs]
    jobs = [one for one, _ in measured]
    found = list(jobs)
    sharing = None if plan.run is not None else _sharing(plan.jobs, [each.texts for _, each in measured])
    if plan.pooled is not None and sharing is not None:
        found.append(Estimate(POOLED, left_out=sharing))
        plan = plan.without_pooled()
    elif plan.pooled is not None:
        calls, cost = _sum(jobs) if plan.pooled.judge_spec is not None else (0, 0.0)
        samples, prompts = ([getattr(one, key) or 0 for one in jobs] for key in ("samples", "prompts"))
        found.append(Estimate(POOLED, sum(samples), sum(prompts), calls, cost))
    if transfer:
        found.append(_of_transfer(plan, [each for _, each in measured]))
    return found


@dataclass(frozen=True)
class _Each:
    """A judge's calls on a job's report split for one set of as many parameters as are allowed. texts: of its
    prompts."""

    calls: int | None
    cost: float | None
    texts: frozenset[str] = frozenset()


def _of_job(job: Job) -> tuple[Estimate, _Each]:
    try:
        if isinstance(job.source, OfModel):
            return _of_model(job, job.source)
        with _run_of(job) as run:
            bench = open_bench(run, job.settings, Silent())
            sent = plan_of(bench) if job.settings.judge_spec is not None else []
            texts = texts_of(run, job.settings.domain)
        layout = bench.comparison.layout
        costs = [one.cost for one in sent]
        cost = None if None in costs else sum(one for one in costs if one is not None)
        estimate = Estimate(job.label, layout.samples, layout.prompts, sum(one.calls for one in sent), cost)
        return estimate, replace(_each(job.settings, bench.comparison, sent), texts=texts)
    except (InputError, OutsideError) as error:
        return Estimate(job.label, calls=None, cost=None, error=error), _Each(None, None)


def _of_model(job: Job, source: OfModel) -> tuple[Estimate, _Each]:
    """Its samples are not drawn yet: what a judge would be asked is not known."""
    prompts = len(source.prompts)
    samples = 2 * prompts * source.sampling.draws
    texts = frozenset(prompt.text for prompt in source.prompts)
    if job.settings.judge_spec is None:
        return Estimate(job.label, samples, prompts), _Each(0, 0.0, texts)
    return Estimate(job.label, samples, prompts, None, None), _Each(None, None, texts)


def _sharing(jobs: Sequence[Job], texts: Sequence[frozenset[str]]) -> str | None:
    """Which two jobs share prompts, the first that do."""
    for (a, mine), (b, theirs) in combinations(zip(jobs, texts, strict=True), 2):
        if mine & theirs:
            return f"{a.label} and {b.label} share {count(len(mine & theirs), 'prompt')}"
    return None


@contextmanager
def _run_of(job: Job) -> Iterator[Run]:
    """The job's run, with nothing left of what was made from files."""
    match job.source:
        case OfRun(path):
            yield Run.open(path)
        case Files(before, after, options):
            with TemporaryDirectory(prefix="orderparam-") as folder:
                yield import_pair(before, after, Path(folder) / "run", options).run


def _each(settings: DiscoverSettings, comparison: Comparison, sent: Sequence[Sending]) -> _Each:
    judging = [one for one in sent if one.kind == "judging"]
    calls = comparison.report.layout.samples * calls_of(settings.max_parameters, settings) if judging else 0
    if not judging or not judging[0].calls:
        return _Each(calls, 0.0)
    cost = judging[0].cost
    return _Each(calls, None if cost is None else cost * calls / judging[0].calls)


def _of_transfer(plan: Plan, each: Sequence[_Each]) -> Estimate:
    """Every set on every other job."""
    sets = sum(job.settings.judge_spec is not None for job in plan.jobs) - 1
    sets += plan.pooled is not None and plan.pooled.judge_spec is not None
    calls = [one.calls for one in each]
    costs = [one.cost for one in each]
    return Estimate(
        "on other jobs",
        calls=None if None in calls else max(0, sets) * sum(one for one in calls if one is not None),
        cost=None if None in costs else max(0, sets) * sum(one for one in costs if one is not None),
    )


def _sum(jobs: Sequence[Estimate]) -> tuple[int | None, float | None]:
    calls, costs = [one.calls for one in jobs], [one.cost for one in jobs]
    return (
        None if None in calls else sum(one for one in calls if one is not None),
        None if None in costs else sum(one for one in costs if one is not None),
    )
