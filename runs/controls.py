"""Control parameters that `sweep` moves: what a model is given at each value: adapters, a temperature, a prompt.

A run keeps which one it is (`sweep` in run.json); sampling and scoring bring the model to a value by `setups_of`.
"""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from probes.errors import InputError
from runs.files import shown
from runs.manifest import ControlValue, RunManifest

PLACEHOLDER = "{T}"
"""Stands in a prompt where its value is filled in; readers and judges see it unfilled."""

MOST_VALUES = 1000

# Interface


@dataclass(frozen=True)
class Setup:
    """What a model is given at one value. adapters: weight of each (its folder inside the run) in what is added to
    the base. temperature: divides the logits; None: as sampling is told. filled: text in the place of PLACEHOLDER;
    None: prompts are taken as they are."""

    adapters: Mapping[str, float] = field(default_factory=dict)
    temperature: float | None = None
    filled: str | None = None


class ControlParameter(Protocol):
    """One way to change what a model does, by one value. adapters: fewest and most that it works with."""

    @property
    def name(self) -> str: ...

    @property
    def adapters(self) -> tuple[int, int]: ...

    def value(self, text: str) -> ControlValue:
        """The value that a person wrote. Raises ValueError that says what would be right."""

    def at(self, value: ControlValue, adapters: Sequence[str]) -> Setup:
        """What the model is given at this value; adapters: their folders inside the run."""

    def describe(self, adapters: Sequence[str]) -> str:
        """In one line, what a value means, with these adapters."""


# Implementations


@dataclass(frozen=True)
class Temperature:
    """Divides the logits. The model is the same at all values, so that one pass scores them all."""

    name: str = "temperature"
    adapters: tuple[int, int] = (0, 1)

    def value(self, text: str) -> ControlValue:
        number = _number(text)
        if not 0 < number <= 100:
            raise ValueError("a temperature is above 0 and at most 100")
        return number

    def at(self, value: ControlValue, adapters: Sequence[str]) -> Setup:
        return Setup(_whole(adapters), temperature=float(value))

    def describe(self, adapters: Sequence[str]) -> str:
        return f"the logits{_of(adapters)} are divided by the temperature"


@dataclass(frozen=True)
class LoraScale:
    """Multiplies what an adapter adds to the base; 0 is the base itself, below 0 the opposite of the adapter."""

    name: str = "lora-scale"
    adapters: tuple[int, int] = (1, 1)

    def value(self, text: str) -> ControlValue:
        return _number(text)

    def at(self, value: ControlValue, adapters: Sequence[str]) -> Setup:
        return Setup(_mixed({adapters[0]: float(value)}))

    def describe(self, adapters: Sequence[str]) -> str:
        return f"what {shown(adapters[0])} adds to the model is multiplied by the scale"


@dataclass(frozen=True)
class Merge:
    """Goes from one adapter to another: base + (1 - w) * what A adds + w * what B adds, exactly, for any ranks."""

    name: str = "merge"
    adapters: tuple[int, int] = (2, 2)

    def value(self, text: str) -> ControlValue:
        return _number(text)

    def at(self, value: ControlValue, adapters: Sequence[str]) -> Setup:
        first, second = adapters
        return Setup(_mixed({first: 1 - float(value), second: float(value)}))

    def describe(self, adapters: Sequence[str]) -> str:
        first, second = adapters
        return (
            f"the model is the base, 1 - w times what {shown(first)} adds, and w times what {shown(second)} adds"
        )


@dataclass(frozen=True)
class PromptText:
    """An integer or a text in the prompt, in the place of PLACEHOLDER."""

    name: str = "prompt"
    adapters: tuple[int, int] = (0, 1)

    def value(self, text: str) -> ControlValue:
        if not text.strip():
            raise ValueError("a text to fill in has something in it")
        return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) else text

    def at(self, value: ControlValue, adapters: Sequence[str]) -> Setup:
        return Setup(_whole(adapters), filled=str(value))

    def describe(self, adapters: Sequence[str]) -> str:
        return f"the model{_of(adapters)} reads the value where the prompts have {PLACEHOLDER}; nobody else does"


CONTROLS: Mapping[str, ControlParameter] = {
    control.name: control for control in (Temperature(), LoraScale(), Merge(), PromptText())
}


def number_or_name(text: str) -> ControlValue:
    """What a value of a sweep of whole models is."""
    try:
        return _number(text)
    except ValueError:
        return text


def _number(text: str) -> int | float:
    try:
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text.strip()) else float(text)
    except ValueError as error:
        raise ValueError("a number is wanted") from error
    if not math.isfinite(number):
        raise ValueError("a finite number is wanted")
    return number


def _whole(adapters: Sequence[str]) -> dict[str, float]:
    return dict.fromkeys(adapters, 1.0)


def _mixed(weights: Mapping[str, float]) -> dict[str, float]:
    """Without adapters that add nothing."""
    return {adapter: weight for adapter, weight in weights.items() if weight != 0}


def _of(adapters: Sequence[str]) -> str:
    return f" with {shown(adapters[0])}" if adapters else ""


# Values as people write them


def parsed_values(control: ControlParameter, text: str) -> list[ControlValue]:
    """The values in `START:STOP:STEP` (with both ends) or `V1,V2,...` (a value with a comma in double quotes), as
    they were written.

    Raises InputError: not a value of this control parameter, an empty or falling range.
    """
    flag = f"--control {control.name}"
    written = _range(text, flag)
    if written is None:
        written = next(csv.reader([text], skipinitialspace=True), [])
    values: list[ControlValue] = []
    for one in written:
        try:
            values.append(control.value(one))
        except ValueError as error:
            raise InputError(f"{flag}: {shown(repr(one), 40)}: {error}") from error
    return values


def ordered_values(values: Sequence[ControlValue], flag: str) -> list[ControlValue]:
    """Numbers rising, or, where one of them is a text, all as texts in their order. Raises InputError for a value
    that stands there twice, and for fewer than two: nothing could be compared."""
    texts = any(isinstance(value, str) for value in values)
    kept: list[ControlValue] = [str(value) for value in values] if texts else sorted(values)
    twice = next((value for place, value in enumerate(kept) if value in kept[:place]), None)
    if twice is not None:
        raise InputError(f"{flag}: {shown(repr(twice), 40)} stands there twice")
    if len(kept) < 2:
        raise InputError(f"{flag}: a sweep has two values at least, or there is nothing to compare")
    return kept


def _range(text: str, flag: str) -> list[str] | None:
    """The values of START:STOP:STEP in decimals, so that 0.2:1:0.2 holds 0.6; None for anything else."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)\s*", part) for part in parts):
        return None
    if len(parts) == 2:
        raise InputError(f"{flag}: a range is START:STOP:STEP, as 0:1:0.25")
    start, stop, step = map(Decimal, (part.strip() for part in parts))
    if step <= 0 or stop < start:
        raise InputError(f"{flag}: {shown(text, 40)} is an empty range: START:STOP:STEP rises, by a STEP above 0")
    count = int((stop - start) / step) + 1
    if count > MOST_VALUES:
        raise InputError(f"{flag}: {shown(text, 40)} are {count:,} values; a sweep has at most {MOST_VALUES:,}")
    return [str(start + number * step) for number in range(count)]


def control_named(name: str) -> ControlParameter:
    """Raises InputError for a name that no control parameter has, with those there are."""
    if name not in CONTROLS:
        raise InputError(
            f"--control {shown(name, 40)}: no such control parameter; there are {', '.join(CONTROLS)}"
        )
    return CONTROLS[name]


# Of a run


def setups_of(manifest: RunManifest) -> list[Setup]:
    """What the model of a run is given at each value [K]; whole models are given nothing.

    Raises InputError for a control parameter that this version does not know.
    """
    values, sweep = manifest.control.values, manifest.sweep
    if sweep is None:
        adapters = manifest.adapters or [None] * len(values)
        return [Setup({} if adapter is None else {adapter: 1.0}) for adapter in adapters]
    control = control_named(sweep.kind)
    return [control.at(value, sweep.adapters) for value in values]


def temperatures_of(setups: Sequence[Setup], otherwise: float) -> list[float]:
    """The temperature at each value [K]; otherwise: that of the run, where the control parameter has none."""
    return [otherwise if setup.temperature is None else setup.temperature for setup in setups]


def single_adapters(setups: Sequence[Setup], name: str) -> list[str | None]:
    """The one adapter at each checkpoint [K], None for the base, for an engine that can do no more.

    name: of the control parameter. Raises InputError where an adapter is scaled, or several are mixed.
    """
    adapters = [next(iter(setup.adapters), None) for setup in setups]
    for adapter, setup in zip(adapters, setups, strict=True):
        if setup.adapters != ({} if adapter is None else {adapter: 1.0}):
            raise InputError(
                "--engine vllm serves an adapter as it is, neither scaled nor mixed: of the control parameters "
                f"temperature and prompt; sample {shown(name, 40)} with --engine transformers"
            )
    return adapters


def checkpoint_folders(manifest: RunManifest) -> list[str]:
    """Folders inside the run, each once, that must hold adapters or whole models."""
    swept = [] if manifest.sweep is None else manifest.sweep.adapters
    folders = [*(manifest.adapters or []), *(manifest.models or []), *swept]
    return list(dict.fromkeys(folder for folder in folders if folder is not None))
