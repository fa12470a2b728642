"""What a batch does: its jobs with their settings, and the budget that they share."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agent.settings import BUILTIN, DiscoverSettings, Real, Whole
from probes.errors import InputError
from probes.prompt import Prompt
from probes.words import are, count
from runs.directory import Run
from runs.sampling_settings import SampleSettings
from runs.storing import ImportOptions

POOLED = "pooled"
"""The discovery over the samples of all jobs; no job has this name."""

LONGEST_NAME = 40


@dataclass(frozen=True)
class Files:
    """Two files of responses, which become a run."""

    before: Path
    after: Path
    options: ImportOptions


@dataclass(frozen=True)
class OfRun:
    """A run that is there; its sides and domain are in the settings."""

    run: Path


@dataclass(frozen=True)
class OfModel:
    """A model without and with an adapter, both of which answer the prompts."""

    model: str
    adapter: Path
    prompts: tuple[Prompt, ...]
    sampling: SampleSettings


@dataclass(frozen=True)
class Job:
    """A discovery. name: of its folder and of the discovery. label: what a person calls it."""

    name: str
    label: str
    source: Files | OfRun | OfModel
    settings: DiscoverSettings


class SharedBudget(BaseModel):
    """What all jobs may take together of language models."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_calls: Whole | None = Field(default=None, ge=1)
    max_cost: Real | None = Field(default=None, gt=0)


@dataclass(frozen=True)
class Plan:
    """pooled: settings of the discovery over the samples of all jobs; None where there is to be none. run: the run
    whose domains the jobs are, where they are that. said: what a person should know."""

    name: str
    jobs: tuple[Job, ...]
    budget: SharedBudget
    pooled: DiscoverSettings | None
    run: Path | None = None
    said: tuple[str, ...] = ()

    def without_pooled(self) -> "Plan":
        return replace(self, pooled=None)


def plan_of_domains(run: Path, settings: DiscoverSettings, budget: SharedBudget, *, pooled: bool) -> Plan:
    """A job for each domain that the run's prompts have. InputError where these are fewer than two."""
    domains = Run.open(run).prompts()["domain"].to_pylist()
    labels = list(dict.fromkeys(one for one in domains if one is not None))
    if len(labels) < 2:
        raise InputError(
            f"--by domain: the prompts of {run} have {'one domain' if labels else 'no domain'}; at least two are "
            "needed"
        )
    names = _plain_names(labels)
    jobs = tuple(
        Job(name, label, OfRun(run), settings.model_copy(update={"name": name, "domain": label}))
        for name, label in zip(names, labels, strict=True)
    )
    whole = settings.model_copy(update={"name": POOLED}) if pooled else None
    lacking = domains.count(None)
    said = f"{count(lacking, 'prompt')} without a domain {are(lacking)} in the discovery over all alone"
    return Plan(run.resolve().name, jobs, budget, whole, run, (said,) if lacking else ())


def pooled_settings(settings: DiscoverSettings, jobs: Sequence[Job]) -> tuple[DiscoverSettings, tuple[str, ...]]:
    """The settings of the discovery over all jobs, and what is to be said of them.

    It asks language models only where all jobs ask the same ones: answers of a job go to no other.
    """
    for job in jobs:
        for spec in sorted(settings.specs - job.settings.specs):
            said = (
                f"the discovery over all jobs asks no language model, since the job {job.name} does not ask {spec}"
            )
            return settings.model_copy(update={"model": (BUILTIN,), "judge": None}), (said,)
    return settings, ()


def _plain_names(labels: Collection[str]) -> list[str]:
    """Names for folders, all different, that people know their domains by."""
    names: list[str] = []
    for label in labels:
        plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "-" for c in label)
        name = plain.strip("-")[: LONGEST_NAME - 4] or "domain"
        taken = {one.lower() for one in names} | {POOLED}
        number = next(
            n for n in range(1, len(labels) + 2) if (f"{name}-{n}" if n > 1 else name).lower() not in taken
        )
        names.append(name if number == 1 else f"{name}-{number}")
    return names
