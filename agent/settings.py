"""The settings of the commands, where they are declared, and the four places they come from.

Precedence: flags (or keywords of the Python API), then `ORDERPARAM_*` variables, then `orderparam.toml` in the
working directory, then the defaults below. A value is checked once, here, and a refusal names the place it came
from. What would run code or reach a server cannot be set by a file that merely lies in the working directory.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from probes.errors import InputError
from runs.names import is_plain_name
from runs.sampling_settings import SampleSettings, ScoreSettings
from runs.training_settings import FinetuneSettings

TOML_NAME = "orderparam.toml"
ENVIRON_PREFIX = "ORDERPARAM_"
NOT_SETTINGS = frozenset({"ORDERPARAM_API_KEY", "ORDERPARAM_TEST_DATA"})
"""Variables that carry our prefix and are read elsewhere."""

BY_FLAG_ONLY = frozenset({"measure_files"})
"""Settings that are only ever given explicitly: a file of code is never found by itself."""

BUILTIN = "builtin"
"""The model spec that needs no language model: proposes from statistics, judges by measures in code."""


def _split_commas(value: object) -> object:
    """One string from the environment stands for the list it spells."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _no_truth_value(value: object) -> object:
    """TOML's `true` would pass as the number 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    return value


def _cores() -> int:
    """Cores this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Words = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_split_commas)]
Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Real = Annotated[float, BeforeValidator(_no_truth_value)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DiscoverSettings(_Settings):
    """What `discover` and `measure` are told about the comparison, the search and its budget."""

    before: str | None = Field(None, min_length=1)
    """Values of the control parameter that make up the side before: `0,2` or `20:40` with both ends."""
    after: str | None = Field(None, min_length=1)
    """Values of the control parameter that make up the side after."""
    domain: str | None = Field(None, min_length=1)
    """Compare answers to the prompts of this domain alone; the sides of a sweep stay those of the whole run."""
    claim: Literal["auto", "fixed", "random"] = "auto"
    """Whether the claim is about these prompts (fixed) or prompts like these (random); auto: random from 20 on."""
    rounds: Whole = Field(3, ge=1, le=20)
    """Most rounds of proposing, judging and selecting."""
    max_parameters: Whole = Field(6, ge=1, le=10)
    """Most order parameters in the chosen set."""
    min_gain: Real = Field(0.01, ge=0, le=1)
    """Smallest gain of dissimilarity for which a parameter is added."""
    given: Words = ()
    """Measures that are taken as known: the search starts from them and reports what they leave."""
    model: Words = (BUILTIN,)
    """Who proposes: `builtin`, or specs of language models; several take turns in every round."""
    judge: str | None = Field(None, min_length=1)
    """Language model that judges what language models proposed; the first of `model` by default."""
    context: str | None = Field(None, min_length=1, max_length=4000)
    """What proposers should know of the two sides; judges never see it."""
    max_calls: Whole | None = Field(None, ge=1)
    """Budget of calls to language models, judges included."""
    max_cost: Real | None = Field(None, gt=0)
    """Budget of calls to language models in US dollars."""
    max_minutes: Real | None = Field(None, gt=0)
    """Wall-clock budget in minutes; when it is spent the report is written with what is there."""
    prices: Path | None = None
    """File of prices that overrides the program's table."""
    criteria_per_call: Whole = Field(6, ge=1, le=20)
    """Most questions that one call to a judge answers about an answer."""
    judge_all: bool = False
    """Judge every candidate on the whole read split instead of racing."""
    judge_template: Path | None = None
    """A judge prompt of the user's own, in place of the program's."""
    use_scores: bool = False
    """Take the scores that came with the data as order parameters beside the measures."""
    missing_as_level: bool = False
    """Make a missing score a level of its own instead of dropping the row."""
    measure_files: Paths = ()
    """Python files, each with one function of the user's own that measures an answer."""
    resamples: Whole = Field(999, ge=199, le=100_000)
    """Resamples behind p-values and the stopping rule."""
    processes: Whole = Field(default_factory=_cores, ge=1, le=256)
    """Processes over which the measures are spread; the numbers do not depend on it."""
    seed: Whole = Field(0, ge=0, lt=2**63)
    """Seed of everything random; the same seed gives the same report."""
    name: str | None = None
    """Name of the discovery, a folder in the run; d1, d2, ... by default."""

    @field_validator("model")
    @classmethod
    def _known_models(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        if not specs:
            raise ValueError("name a model, or leave it out")
        return tuple(dict.fromkeys(_spec(spec) for spec in specs))

    @field_validator("judge")
    @classmethod
    def _known_judge(cls, spec: str | None) -> str | None:
        return None if spec is None else _spec(spec)

    @model_validator(mode="after")
    def _judged_by_whom(self) -> "DiscoverSettings":
        if self.proposers and self.judge == BUILTIN:
            raise ValueError("judge: what a language model proposes needs a language model as judge")
        return self

    @property
    def proposers(self) -> tuple[str, ...]:
        """The language models among those that propose."""
        return tuple(spec for spec in self.model if spec != BUILTIN)

    @property
    def specs(self) -> frozenset[str]:
        """All language models that are asked."""
        return frozenset({*self.proposers, *filter(None, [self.judge_spec])})

    @property
    def judge_spec(self) -> str | None:
        """The language model that judges; None where none proposes and none was named."""
        named = self.judge if self.judge != BUILTIN else None
        return named or next(iter(self.proposers), None)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str | None) -> str | None:
        if name is not None and not is_plain_name(name):
            raise ValueError("a name has 1 to 64 letters, digits, '.', '_' or '-', and starts with none of '.-'")
        return name


def _spec(text: str) -> str:
    """A model spec in its plain form. Raises ValueError that says what would be right."""
    if text.strip() == BUILTIN:
        return BUILTIN
    from tools.chat.spec import parse_spec

    return str(parse_spec(text))


class TransitionSettings(_Settings):
    """What `transition` is told about the curve."""

    window: Whole | None = Field(None, ge=1)
    """Checkpoints on either side of a place; 2, or 1 with fewer than 6 checkpoints, by default."""
    claim: Literal["auto", "fixed", "random"] = "auto"
    """Whether the claim is about these prompts (fixed) or prompts like these (random); auto: random from 20 on."""
    seed: Whole = Field(0, ge=0, lt=2**63)
    """Seed of everything random; the same seed gives the same curve."""


class ReadSettings(_Settings):
    """How files of responses are read."""

    prompt_field: str | None = Field(None, min_length=1)
    """Field that holds the prompt, where guessing would be wrong."""
    response_field: str | None = Field(None, min_length=1)
    """Field that holds the response."""
    prompt_id_field: str | None = Field(None, min_length=1)
    """Field that holds the prompt's id."""
    pair_by: Literal["auto", "id", "text"] = "auto"
    """What tells that two rows answer the same prompt: its id, its text, or whichever pairs more."""
    thinking: Literal["keep", "strip"] = "keep"
    """Whether a <think> block before the answer is part of it."""


class ReplSettings(_Settings):
    """How `repl` deals with the person who uses it."""

    confirm_above: Real = Field(1.0, ge=0)
    """US dollars that an act may cost at most without being confirmed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A parameter or measure, by id or name, and the dissimilarity that its lower limit may reach."""

    name: str
    above: float

    def __str__(self) -> str:
        return f"--fail-if {shown(f'{self.name}>{self.above:g}')}"


def _gates(value: object) -> object:
    """`NAME>X` once or more. Raises ValueError."""
    texts = _split_commas(value)
    found = []
    for text in texts if isinstance(texts, list | tuple) else [texts]:
        name, sign, above = str(text).rpartition(">")
        try:
            limit = float(above)
        except ValueError:
            limit = -1.0
        if not (sign and name.strip() and 0 <= limit <= 1):
            raise ValueError("say 'NAME>X' in quotes: a parameter or measure, and a number from 0 to 1")
        found.append(Gate(name.strip(), limit))
    return tuple(found)


class OutputSettings(_Settings):
    """How a command ends and how much it says."""

    fail_above: Real | None = Field(None, ge=0, le=1)
    """Exit with 3 when the total dissimilarity (its lower limit) is above this: a gate for a pipeline."""
    fail_if: Annotated[tuple[Gate, ...], BeforeValidator(_gates)] = ()
    """Exit with 3 when the dissimilarity of a parameter or measure (its lower limit) is above X: `NAME>X`."""
    quiet: bool = False
    """No progress and no notes on stderr; warnings and the report remain."""


KINDS: tuple[type[BaseModel], ...] = (
    DiscoverSettings,
    TransitionSettings,
    ReadSettings,
    ReplSettings,
    OutputSettings,
    FinetuneSettings,
    SampleSettings,
    ScoreSettings,
)
KEYS: tuple[str, ...] = tuple(dict.fromkeys(key for kind in KINDS for key in kind.model_fields))
_Kind = TypeVar("_Kind", bound=BaseModel)


def load(
    kind: type[_Kind],
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> _Kind:
    """The settings of one kind from all four places; a flag that is None, or an empty list, was not given.

    `folder` is where `orderparam.toml` may lie (the working directory). Raises `InputError` that names the flag,
    the variable, or the file and key, and what would be right.
    """
    sources: dict[str, tuple[object, str]] = {}
    sources.update(_of_toml((folder or Path.cwd()) / TOML_NAME))
    sources.update(_of_environ(environ))
    sources.update({key: (value, flag_of(key)) for key, value in flags.items() if value not in (None, [], ())})
    return _checked(kind, {key: found for key, found in sources.items() if key in kind.model_fields})


def from_keywords(kind: type[_Kind], keywords: Mapping[str, object]) -> _Kind:
    """Settings given as keywords of the Python API; only those and the defaults count.

    Raises `InputError` that names the keyword, also for one that does not exist.
    """
    for key in keywords:
        if key not in kind.model_fields:
            raise InputError(f"{shown(key)}: no such setting; {_nearest(key, list(kind.model_fields))}")
    return _checked(kind, {key: (value, key) for key, value in keywords.items()})


def flag_of(key: str) -> str:
    """`min_gain` -> `--min-gain`; a flag that may be repeated is named in the singular."""
    return "--measure-file" if key == "measure_files" else "--" + key.replace("_", "-")


def shown(value: object, limit: int = 60) -> str:
    """A user's value as a message may hold it: quoted, without control characters, cut."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 4] + "..." + text[-1]


def _of_toml(path: Path) -> dict[str, tuple[object, str]]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_bytes().decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not a TOML file: {error}") from error
    for key, value in table.items():
        if key in BY_FLAG_ONLY:
            raise InputError(f"{path.name}: {key}: can only be given by its flag, {flag_of(key)}")
        if key not in KEYS:
            raise InputError(f"{path.name}: {shown(key)}: no such setting; {_nearest(key, list(KEYS))}")
        if _names_a_server(value):
            raise InputError(
                f"{path.name}: {key}: a settings file can name no server address; "
                f"give it by {flag_of(key)} or {ENVIRON_PREFIX}{key.upper()}"
            )
    return {key: (value, f"{path.name}: {key}") for key, value in table.items()}


def _of_environ(environ: Mapping[str, str]) -> dict[str, tuple[object, str]]:
    names = {ENVIRON_PREFIX + key.upper(): key for key in KEYS}
    found: dict[str, tuple[object, str]] = {}
    for name, value in environ.items():
        if not name.startswith(ENVIRON_PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in names:
            raise InputError(f"{name}: no such setting; {_nearest(name, list(names))}")
        if names[name] in BY_FLAG_ONLY:
            raise InputError(f"{name}: can only be given by its flag, {flag_of(names[name])}")
        found[names[name]] = (value, name)
    return found


def _names_a_server(value: object) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and "://" in text for text in texts)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"nearest: {near[0]}" if near else f"known: {', '.join(known)}"


def _checked(kind: type[_Kind], sources: Mapping[str, tuple[object, str]]) -> _Kind:
    try:
        return kind.model_validate({key: value for key, (value, _) in sources.items()})
    except ValidationError as error:
        first: Any = error.errors()[0]
        if not first["loc"]:  # several settings do not go together
            raise InputError(reason_of(first)) from error
        value, where = sources[str(first["loc"][0])]
        told = ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else value
        raise InputError(f"{where}: {shown(told)}: {reason_of(first)}") from error


def reason_of(error: Mapping[str, Any]) -> str:
    """Pydantic's message as the end of a line of ours."""
    text = str(error["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
