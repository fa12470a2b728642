"""A plan's file checked whole before anything runs: all of its mistakes are said, each with its line.

What a plan leaves open comes from where settings come from (`agent.settings`). Its paths are meant from its own
folder.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent.batch.plan import LONGEST_NAME, POOLED, Files, Job, OfModel, OfRun, Plan, SharedBudget, pooled_settings
from agent.batch.plan_file import Place, PlanError, PlanFile, read_plan_file
from agent.settings import BY_FLAG_ONLY, DiscoverSettings, ReadSettings, load, reason_of, shown
from probes.errors import InputError
from probes.measures.catalogue import measure_of_judge
from probes.prompt import Prompt
from probes.prompt_files import SUFFIXES
from probes.prompt_sets import sets_or_files
from runs.adapters import CONFIG_FILE
from runs.backend import require_backend
from runs.directory import Run
from runs.names import is_plain_name
from runs.sampling_settings import SampleSettings
from runs.storing import ImportOptions

OF_A_JOB = {"before": "the job itself", "after": "the job itself", "domain": "the job of a run"}
OF_ALL = ("max_calls", "max_cost")
NO_SETTINGS = {"name", *BY_FLAG_ONLY, *OF_A_JOB}

KINDS: tuple[type[BaseModel], ...] = (DiscoverSettings, ReadSettings, SampleSettings)
SETTINGS = tuple(dict.fromkeys(key for kind in KINDS for key in kind.model_fields if key not in NO_SETTINGS))

_PATHS = ("prices", "judge_template")


def load_plan(path: Path) -> Plan:
    """The plan in a file. Raises PlanError with all its mistakes, InputError where it cannot be read at all."""
    return _Checking(read_plan_file(path)).plan(path)


# What is written


def _text(value: object) -> object:
    """YAML reads `before: 0` as a number; values of a control parameter are texts."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(value)


_Values = Annotated[str, BeforeValidator(_text), Field(min_length=1)]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    settings: dict[str, Any] = {}


class _FilesJob(_Written):
    before: str = Field(min_length=1)
    after: str = Field(min_length=1)


class _RunJob(_Written):
    run: str = Field(min_length=1)
    before: _Values | None = None
    after: _Values | None = None
    domain: str | None = Field(None, min_length=1)


class _ModelJob(_Written):
    model: str = Field(min_length=1)
    adapter: str = Field(min_length=1)
    prompts: str = Field(min_length=1)


class _WrittenPlan(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    jobs: dict[str, dict[str, Any]]
    settings: dict[str, Any] = {}
    budget: dict[str, Any] = {}
    pooled: bool = True


_KIND_WORDS = {_FilesJob: "two files", _RunJob: "a run", _ModelJob: "a model"}


class _Checking:
    """Goes through a plan, and keeps what is wrong with it."""

    def __init__(self, file: PlanFile) -> None:
        self._file = file
        self._wrong: list[tuple[int, str]] = []
        self._names: set[str] = set()

    def plan(self, path: Path) -> Plan:
        file = self._file
        written = self._valid(_WrittenPlan, file.value, (), _WrittenPlan.model_fields)
        jobs = file.value.get("jobs")
        shared = file.value.get("settings")
        shared = shared if isinstance(shared, dict) else {}
        before = len(self._wrong)
        self._settings(shared, ("settings",))
        shared_is_sound = len(self._wrong) == before
        budget = file.value.get("budget")
        found = self._valid(SharedBudget, budget, ("budget",)) if isinstance(budget, dict) else SharedBudget()
        made = []
        if isinstance(jobs, dict):
            made = [self._job(name, job, shared if shared_is_sound else {}) for name, job in jobs.items()]
            if not jobs:
                self._mistake(("jobs",), "no jobs; name at least one")
        lines = [*file.mistakes, *(line for _, line in sorted(self._wrong))]
        if lines:
            raise PlanError(lines)
        assert written is not None
        assert found is not None
        sound = tuple(one for one in made if one is not None)
        if not written.pooled or len(sound) < 2:
            return Plan(path.stem, sound, found, None)
        pooled, said = pooled_settings(self._loaded(shared, {"name": POOLED}), sound)
        return Plan(path.stem, sound, found, pooled, said=said)

    # Jobs

    def _job(self, name: str, written: Any, shared: Mapping[str, Any]) -> Job | None:
        place = ("jobs", name)
        if not isinstance(written, dict):
            return None  # said by the plan's own check
        before = len(self._wrong)
        kind = _kind_of(written)
        job = self._valid(kind, written, place, kind.model_fields, f" for a job of {_KIND_WORDS[kind]}")
        self._name(name)
        own = written.get("settings")
        own = own if isinstance(own, dict) else {}
        self._settings(own, (*place, "settings"))
        if job is None or len(self._wrong) > before:
            return None
        merged = {**shared, **own}
        source = self._source(job, place, merged)
        if source is None:
            return None
        sides = {key: getattr(job, key, None) for key in OF_A_JOB} if isinstance(job, _RunJob) else {}
        try:
            settings = self._loaded(merged, {"name": name, **sides})
            self._require_means(settings, "adapter" in written)
        except InputError as error:
            self._mistake((*place, "settings"), str(error))
            return None
        return Job(name, name, source, settings)

    def _source(self, job: BaseModel, place: Place, merged: Mapping[str, Any]) -> Files | OfRun | OfModel | None:
        match job:
            case _FilesJob():
                before = self._checked((*place, "before"), lambda: self._file_at(job.before))
                after = self._checked((*place, "after"), lambda: self._file_at(job.after))
                options = self._checked(place, lambda: self._options(merged))
                return Files(before, after, options) if before and after and options else None
            case _RunJob():
                run = self._checked((*place, "run"), lambda: self._run_at(job.run))
                return OfRun(run) if run else None
            case _ModelJob():
                adapter = self._checked((*place, "adapter"), lambda: self._adapter_at(job.adapter))
                prompts = self._checked((*place, "prompts"), lambda: self._prompts(job.prompts))
                sampling = self._checked(place, lambda: load(SampleSettings, _of(SampleSettings, merged)))
                if not (adapter and prompts and sampling):
                    return None
                return OfModel(self._model(job.model), adapter, prompts, sampling)
        raise TypeError(job)

    def _options(self, merged: Mapping[str, Any]) -> ImportOptions:
        read = load(ReadSettings, _of(ReadSettings, merged))
        return ImportOptions(**read.model_dump(), seed=load(DiscoverSettings, _of(DiscoverSettings, merged)).seed)

    def _at(self, text: str) -> Path:
        """A path as the plan means it: from the plan's own folder."""
        return self._file.folder / Path(text).expanduser()

    def _file_at(self, text: str) -> Path:
        path = self._at(text)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "is not there"
            raise InputError(f"{shown(text)} {what}; name a file of responses, from the folder of the plan")
        return path

    def _run_at(self, text: str) -> Path:
        Run.open(self._at(text))
        return self._at(text)

    def _adapter_at(self, text: str) -> Path:
        path = self._at(text)
        if not (path / CONFIG_FILE).is_file():
            raise InputError(f"{shown(text)} holds no {CONFIG_FILE}; name the folder of a LoRA adapter")
        return path

    def _model(self, text: str) -> str:
        """A folder from the plan's own, or a name."""
        return str(self._at(text)) if self._at(text).is_dir() else text

    def _prompts(self, text: str) -> tuple[Prompt, ...]:
        parts = [part.strip() for part in text.split(",")]
        placed = [str(self._at(part)) if Path(part).suffix.lower() in SUFFIXES else part for part in parts]
        return tuple(sets_or_files(",".join(placed)))

    def _require_means(self, settings: DiscoverSettings, samples: bool) -> None:
        """Raises InputError where a key or a library is missing."""
        if settings.judge_spec is not None:
            from agent.models import require_models

            require_models(settings)
        if samples:
            require_backend()

    def _name(self, name: str) -> None:
        place = ("jobs", name)
        if not is_plain_name(name) or len(name) > LONGEST_NAME:
            self._mistake(
                place,
                f"{shown(name)}: the name of a job has 1 to {LONGEST_NAME} letters, digits, '.', '_' or '-', and "
                "starts with none of '.-'",
            )
        if name.lower() == POOLED:
            self._mistake(place, f"{shown(name)} is the discovery over all jobs; choose another name")
        if name.lower() in self._names:
            self._mistake(place, f"{shown(name)}: another job has this name but for its case")
        self._names.add(name.lower())

    # Settings

    def _settings(self, given: Mapping[str, Any], place: Place) -> None:
        """Says what is wrong with settings by themselves."""
        for key in given:
            if key in OF_A_JOB:
                self._mistake((*place, key), f"{key}: belongs to {OF_A_JOB[key]}, not to its settings")
            elif key in OF_ALL and len(place) == 1:
                self._mistake((*place, key), f"{key}: jobs share what they may take; write it under `budget:`")
            elif key == "name":
                self._mistake((*place, key), "name: a discovery is named as its job")
            elif key in BY_FLAG_ONLY:
                self._mistake((*place, key), f"{key}: a file of code is named by its flag only, never by a plan")
            elif key not in SETTINGS:
                self._unknown((*place, key), SETTINGS)
        for kind in KINDS:
            sound = self._valid(kind, _of(kind, given), place)
            for name in getattr(sound, "given", ()):
                if not name.startswith("data:"):
                    judge = name if ":" in name else f"code:{name}"
                    self._checked((*place, "given"), partial(measure_of_judge, judge))

    def _loaded(self, merged: Mapping[str, Any], fixed: Mapping[str, Any]) -> DiscoverSettings:
        """The settings of a discovery; what the plan leaves open comes from where settings come from."""
        flags = {key: value for key, value in _of(DiscoverSettings, merged).items() if key not in _PATHS}
        paths = {key: self._at(str(merged[key])) for key in _PATHS if key in merged}
        return load(DiscoverSettings, {**flags, **paths, **fixed})

    # Mistakes

    def _mistake(self, place: Place, message: str) -> None:
        line = self._file.line(place)
        said = f"{self._file.name}, line {line}: {message}"
        if (line, said) not in self._wrong:
            self._wrong.append((line, said))

    def _unknown(self, place: Place, known: Collection[str], what: str = "") -> None:
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.6)
        hint = f"nearest: {near[0]}" if near else f"known: {', '.join(known)}"
        self._mistake(place, f"{shown(place[-1])}: no such key{what}; {hint}")

    def _checked(self, place: Place, look: Callable[[], Any]) -> Any:
        try:
            return look()
        except InputError as error:
            self._mistake(place, str(error))
            return None

    def _valid(
        self, kind: type[Any], value: Any, place: Place, known: Collection[str] = (), what: str = ""
    ) -> Any:
        """The value as a record of this kind; None, and what is wrong said, where it is none."""
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            for one in error.errors():
                inside = (*place, *(str(part) for part in one["loc"]))
                if one["type"] == "extra_forbidden":
                    self._unknown(inside, known or kind.model_fields, what)
                elif one["type"] == "missing":
                    self._mistake(inside, f"{inside[-1]!r} is missing{what}")
                else:
                    key = ".".join(inside[len(place) :])
                    quotes = "; put text into quotes" if one["type"] == "string_type" else ""
                    self._mistake(inside, f"{key}: {shown(one['input'])}: {reason_of(one)}{quotes}")
            return None


def _kind_of(written: Mapping[str, Any]) -> Any:
    if "run" in written:
        return _RunJob
    return _ModelJob if {"model", "adapter", "prompts"} & written.keys() else _FilesJob


def _of(kind: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that are of this kind."""
    return {key: value for key, value in given.items() if key in kind.model_fields and key not in NO_SETTINGS}
