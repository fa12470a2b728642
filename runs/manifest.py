"""`run.json`: what a run is and which finished files it holds, as strict records.

A run of another format version is refused with both versions in the message; anything else that is not as these
records say is refused by file and field.
"""

import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import pyarrow as pa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from probes.errors import InputError
from runs.files import explained, shown, write_json_whole
from runs.schema import FORMAT

MANIFEST_FILE = "run.json"
SUM_KEY = "sha256"
"""The field of run.json that holds the checksum of all others."""

ControlValue = int | FiniteFloat | str


def program_version() -> str:
    """The installed version of orderparam; "source" when it runs from a folder that was never installed."""
    try:
        return version("orderparam")
    except PackageNotFoundError:
        return "source"


def now() -> datetime:
    """This second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def _distinct(values: list[ControlValue]) -> list[ControlValue]:
    if len(set(values)) < len(values):
        raise ValueError("a value stands there twice")
    return values


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or str(path) != name or "\\" in name:
        raise ValueError("not the path of a file inside the run")
    return name


RelativePath = Annotated[str, AfterValidator(_inside)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Control(_Record):
    """The control parameter and its values; a sample's checkpoint is an index into `values`."""

    name: Annotated[str, Field(min_length=1)]
    unit: str = ""
    values: Annotated[list[ControlValue], Field(min_length=1), AfterValidator(_distinct)]


class SweepRecord(_Record):
    """How a run that `sweep` made comes to a value of its control parameter. kind: which control parameter it is,
    as `sweep` knows it. adapters: the folders of the adapters it works with, inside the run."""

    kind: Annotated[str, Field(min_length=1)]
    adapters: list[RelativePath] = []


class Sampling(_Record):
    """How the samples were drawn; None where the run does not know. temperature: None also where it is the control
    parameter."""

    temperature: FiniteFloat | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    engine: str | None = None


class Scoring(_Record):
    """How the likelihoods came to be.

    precision: of the layers, as torch names it; logits and their log-sum-exp are float32 at least. band: farthest
    checkpoint, counted from a sample's own, that it was scored under; None: all. temperature: None where it is the
    control parameter.
    """

    engine: str
    precision: str
    device: str
    temperature: FiniteFloat | None
    band: Annotated[int, Field(ge=0)] | None = None


class Stage(_Record):
    """One thing that is done, by which version."""

    what: Annotated[str, Field(min_length=1)]
    when: AwareDatetime
    version: str


class FileRecord(_Record):
    """Size in bytes and checksum of a finished file."""

    size: Count
    sha256: Sha256


class InputRecord(_Record):
    """What a run was imported from. files: size and checksum by role ("before", "after", ...), whatever their
    names; options: the import options that change what the run holds."""

    files: dict[str, FileRecord]
    options: dict[str, JsonValue] = {}

    def difference(self, other: "InputRecord") -> str | None:
        """In words, the first thing in which `other` is other input; None when it is the same."""
        for role in sorted(self.files.keys() | other.files.keys()):
            if self.files.get(role) != other.files.get(role):
                return f"another file {shown(role)}"
        for name in sorted(self.options.keys() | other.options.keys()):
            mine, theirs = self.options.get(name), other.options.get(name)
            if mine != theirs:
                return f"{shown(name)} {shown(repr(mine), 60)}, not {shown(repr(theirs), 60)}"
        return None


class ReportRecord(_Record):
    """A report that was made from the run: each is one more look at its report split. fingerprint: of what the
    discovery asked, so that another one under a name used before counts again."""

    discovery: str
    fingerprint: str
    when: AwareDatetime


class RunManifest(_Record):
    """All of `run.json`. prompts, samples: how many. files: by path inside the run, with forward slashes. notes,
    warnings: what the import said about the data.

    model: the base, as transformers loads it or `smollm2`. adapters: the folder of each checkpoint's PEFT adapter
    inside the run, null where it is the base itself. models: the same for checkpoints that are whole models.
    sweep: how one model comes to each value, in runs that `sweep` made. splits: "assigned" here, by the seed, or
    "kept" as they were in the runs that the samples come from.
    """

    format: int = FORMAT
    name: Annotated[str, Field(min_length=1)]
    created: AwareDatetime
    version: str
    control: Control
    model: str | None = None
    adapters: list[RelativePath | None] | None = None
    models: list[RelativePath | None] | None = None
    sweep: SweepRecord | None = None
    tokenizer: str | None = None
    sampling: Sampling = Sampling()
    scoring: Scoring | None = None
    prompts: Count
    samples: Count
    prompts_hash: Sha256
    seed: int
    splits: Literal["assigned", "kept"] = "assigned"
    stages: list[Stage] = []
    files: dict[RelativePath, FileRecord] = {}
    input: InputRecord | None = None
    reports: list[ReportRecord] = []
    notes: list[str] = []
    warnings: list[str] = []

    @model_validator(mode="after")
    def _one_a_checkpoint(self) -> Self:
        for name, folders in (("adapters", self.adapters), ("models", self.models)):
            if folders is not None and len(folders) != len(self.control.values):
                raise ValueError(f"{len(folders)} {name} for {len(self.control.values)} values of the control")
        return self

    def has_done(self, what: str) -> bool:
        """Whether a stage of this name is recorded."""
        return any(stage.what == what for stage in self.stages)


def load_manifest(folder: Path) -> RunManifest:
    """The manifest of the run at `folder`.

    Raises InputError: no run there, another format version, or a malformed `run.json` (file and field named).
    """
    path = folder / MANIFEST_FILE
    with explained(path, "read"):
        if folder.is_file():
            raise InputError(f"{shown(folder)}: is a file; name the folder of a run")
        if not folder.is_dir():
            raise InputError(f"{shown(folder)}: there is no such folder; name the folder of a run")
        if not path.is_file():
            raise InputError(f"{shown(folder)} is not a run: it holds no {MANIFEST_FILE}")
        data = path.read_bytes()
    try:
        value = from_json(data)
        _refuse_other_format(path, value)
        told = value.pop(SUM_KEY, None)
        manifest = RunManifest.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = shown(".".join(str(part) for part in first["loc"])) or "the whole"
        raise InputError(f"{shown(path)}: field {field}: {first['msg']}") from error
    except ValueError as error:
        raise InputError(f"{shown(path)}: not JSON: {shown(error)}") from error
    if told is not None and told != _sum_of(value):
        raise InputError(
            f"{shown(path)}: field {SUM_KEY}: not the checksum of the rest, so the file was damaged, or changed "
            f"by hand; where the change is meant, take the field {SUM_KEY} away"
        )
    return manifest


def _refuse_other_format(path: Path, value: object) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{shown(path)}: not a JSON object, so not a run")
    found = value.get("format")
    if isinstance(found, int) and not isinstance(found, bool) and found != FORMAT:
        maker = shown(value.get("version", "an unknown version"), 40)
        raise InputError(
            f"{shown(path)}: format {found}, written by orderparam {maker}; this version ({program_version()}) "
            f"reads format {FORMAT}: use the version that made the run, or make it anew"
        )
    if found != FORMAT or isinstance(found, bool):
        raise InputError(f"{shown(path)}: field format: must be {FORMAT}, not {shown(repr(found), 40)}")


def save_manifest(folder: Path, manifest: RunManifest) -> None:
    """Writes `run.json`, whole or not at all, its own checksum in it."""
    value = manifest.model_dump(mode="json")
    write_json_whole(folder / MANIFEST_FILE, {**value, SUM_KEY: _sum_of(value)})


def _sum_of(value: dict[str, Any]) -> str:
    """SHA-256 of a JSON value, however it is laid out."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_record(path: Path) -> FileRecord:
    """Size and checksum of a file, read in pieces."""
    with explained(path, "read"), open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(size=file.tell(), sha256=digest)


def prompts_hash(prompts: pa.Table) -> str:
    """SHA-256 over ids, texts and messages of the prompts in order, whatever the file they lie in."""
    digest = hashlib.sha256()
    for column in ("prompt_id", "prompt", "messages"):
        for text in prompts[column].to_pylist():
            data = b"" if text is None else text.encode()
            length = "-" if text is None else str(len(data))
            digest.update(f"{length}:".encode() + data)
        digest.update(b";")
    return digest.hexdigest()
