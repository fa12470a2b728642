"""A run from checkpoints that somebody already has: of Trainer, TRL, Axolotl or Unsloth, which all write alike.

    FOLDER/checkpoint-STEP/  an adapter (PEFT) or a whole model, and trainer_state.json with the log

Checkpoints are linked, not copied; their checksums are recorded, so that a change in them is seen.
"""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.errors import InputError
from probes.progress import Progress
from runs.adapters import CONFIG_FILE, PICKLED_FILE, WEIGHTS_FILE, read_adapter, require_fit
from runs.backend import require_backend
from runs.directory import Run
from runs.files import explained, shown, write_text_whole
from runs.finetune import CHECKPOINTS_FOLDER
from runs.linking import linked
from runs.manifest import Control, FileRecord, InputRecord, file_record
from runs.training_state import LOG_FILE
from runs.weights import architecture_of, finite_shapes, weight_files

STAGE = "adopt"

_NAMED = re.compile(r"checkpoint-([0-9]{1,12})")
_STATE_FILE = "trainer_state.json"
_SEED = 0  # of the splits of the samples to come


@dataclass(frozen=True)
class _Found:
    """The checkpoints of a folder. files_K: those that make up each one, by name in its folder."""

    steps: tuple[int, ...]
    folders: tuple[Path, ...]
    whole: bool
    base: str | None
    files_K: tuple[tuple[str, ...], ...]


def adopt(folder: Path, out: Path, progress: Progress, *, base: str | None = None, name: str | None = None) -> Run:
    """Makes a run at `out` of the checkpoints in a Trainer's folder; what was begun is gone on with.

    base: the model they started from, as `load_model` takes it, where the checkpoints name none that is here.
    Step 0 is the base; whole models without a known base begin at their first step. Raises InputError, in one
    line: no checkpoints, adapters beside whole models, several bases, a base that is not here, adapters that do
    not fit it, pickles, NaN; `out` that holds anything else.
    """
    require_backend()
    found = _find(folder, base)
    model = found.base
    if not found.whole or model is not None:
        model = _resolved(model, folder)
    fingerprint = _fingerprint(found, model, progress)
    run = Run.of_input(out, fingerprint)
    if run is not None and run.manifest.has_done(STAGE):
        return run
    _require_sound(found, model, progress)
    log, said = _log_of(folder, found)
    inside: list[str | None] = [f"{CHECKPOINTS_FOLDER}/{step}" for step in found.steps]
    steps = list(found.steps)
    if model is not None:
        inside, steps = [None, *inside], [0, *steps]
    run = run or Run.begin(
        out,
        control=Control(name="step", unit="optimizer steps", values=list(steps)),
        seed=_SEED,
        name=name or out.resolve().name,
        model=model or str(folder.resolve()),
        adapters=None if found.whole else inside,
        models=inside if found.whole else None,
        tokenizer=model,
        input_fingerprint=fingerprint,
        notes=[*said, *([] if model else ["the base model is not known: the first checkpoint stands for it"])],
    )
    with run.locked():
        if not run.manifest.has_done(STAGE):
            _link(run, found, log)
    return run


# What lies in the folder


def _find(folder: Path, base: str | None) -> _Found:
    with explained(folder, "read"):
        if not folder.is_dir():
            raise InputError(f"{shown(folder)}: there is no such folder; name the output folder of a Trainer")
        entries = [(match, entry) for entry in folder.iterdir() if (match := _NAMED.fullmatch(entry.name))]
    if not entries:
        inside = _NAMED.fullmatch(folder.resolve().name)
        hint = f"; name the folder above, {shown(folder.resolve().parent)}" if inside else ""
        raise InputError(f"{shown(folder)} holds no checkpoint-STEP folders{hint}")
    checkpoints = sorted((int(match[1]), entry) for match, entry in entries)
    steps, folders = zip(*checkpoints, strict=True)
    if len(set(steps)) < len(steps) or steps[0] == 0:
        raise InputError(
            f"{shown(folder)}: two checkpoints of one step, or one of step 0, which is the base model"
        )
    kinds = {path: _is_whole(path) for path in folders}
    if len(set(kinds.values())) > 1:
        adapter = next(path for path, whole in kinds.items() if not whole)
        model = next(path for path, whole in kinds.items() if whole)
        raise InputError(
            f"{shown(folder)}: {adapter.name} is an adapter and {model.name} a whole model; adopt one kind"
        )
    whole = kinds[folders[0]]
    files = tuple(tuple(weight_files(path)) if whole else (CONFIG_FILE, WEIGHTS_FILE) for path in folders)
    return _Found(steps, folders, whole, base or _base_of(folders, whole), files)


def _is_whole(folder: Path) -> bool:
    """Whether the checkpoint is a whole model, not an adapter. InputError: neither, or pickled."""
    with explained(folder, "read"):
        names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    if CONFIG_FILE in names:
        if WEIGHTS_FILE in names:
            return False
        pickled = PICKLED_FILE in names
    else:
        if "config.json" in names and any(one.endswith(".safetensors") for one in names):
            return True
        pickled = any(one.startswith("pytorch_model") for one in names)
    if pickled:
        raise InputError(
            f"{shown(folder)}: its weights are pickled, and a pickle runs whatever code it holds; "
            "train with save_safetensors=True, or save them as safetensors"
        )
    raise InputError(f"{shown(folder)} holds neither an adapter nor a model; remove it, or let its training end")


def _base_of(folders: Sequence[Path], whole: bool) -> str | None:
    """The base that the checkpoints name, None where they name none."""
    if whole:
        return None  # what a whole model's settings name is often the place where it was saved itself
    named: dict[str, Path] = {}
    for folder in folders:
        path = folder / CONFIG_FILE
        try:
            with explained(path, "read"):
                base = json.loads(path.read_bytes()).get("base_model_name_or_path")
        except (ValueError, AttributeError) as error:
            raise InputError(f"{shown(path)}: not the settings of a LoRA adapter") from error
        if isinstance(base, str) and base:
            named.setdefault(base, folder)
    if len(named) > 1:
        (one, first), (two, second) = list(named.items())[:2]
        raise InputError(
            f"{shown(first)} is an adapter of {shown(one)}, and {second.name} one of {shown(two)}: a run has one "
            "base; where both are the same model in two places, name it with --model"
        )
    return next(iter(named), None)


def _resolved(base: str | None, folder: Path) -> str:
    """The base as a run names it: a folder by its absolute path, else a hub name or alias."""
    if base is None:
        raise InputError(f"{shown(folder)}: its adapters name no base model; name it with --model")
    path = Path(base).expanduser()
    if path.is_dir():
        return str(path.resolve())
    if path.is_absolute() or base.startswith(".") or base.count(os.sep) > 1:
        raise InputError(f"the base model {shown(base)} is not here; name the place where it is with --model")
    return base


# Whether it can be trusted


def _require_sound(found: _Found, model: str | None, progress: Progress) -> None:
    """Reads through all weights. InputError: NaN, damage, adapters that do not fit the base."""
    progress.stage("read the checkpoints through", len(found.folders))
    shape = None if found.whole or model is None else architecture_of(model)
    for folder, files in zip(found.folders, found.files_K, strict=True):
        if found.whole:
            for file in files:
                if file.endswith(".safetensors"):
                    finite_shapes(folder / file)
        else:
            adapter = read_adapter(folder)
            if shape is not None:
                require_fit(adapter, shape, str(model))
        progress.advance()


def _fingerprint(found: _Found, model: str | None, progress: Progress) -> InputRecord:
    progress.stage("take checksums", len(found.folders))
    records: dict[str, FileRecord] = {}
    for folder, files in zip(found.folders, found.files_K, strict=True):
        records.update({f"{folder.name}/{file}": file_record(folder / file) for file in files})
        progress.advance()
    return InputRecord(files=records, options={"model": model})


# Into the run


def _link(run: Run, found: _Found, log: str) -> None:
    places = [f"{CHECKPOINTS_FOLDER}/{step}" for step in found.steps]
    files = linked(run, dict(zip(places, zip(found.folders, found.files_K, strict=True), strict=True)))
    if log:
        write_text_whole(run.path / LOG_FILE, log)
        files.append(LOG_FILE)
    run.record_stage(STAGE, files)


def _log_of(folder: Path, found: _Found) -> tuple[str, list[str]]:
    """The training log as this project writes it, from the Trainer's state that goes furthest; and what to say."""
    best: list[Mapping[str, Any]] = []
    furthest = -1
    for path in (folder / _STATE_FILE, *(one / _STATE_FILE for one in found.folders)):
        with explained(path, "read"):
            if not path.is_file():
                continue
            data = path.read_bytes()
        try:
            state = json.loads(data)
            reached, history = int(state["global_step"]), list(state["log_history"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{shown(path)}: not the state of a Trainer (global_step, log_history)") from error
        if reached > furthest:
            furthest, best = reached, history
    lines = [line for entry in best if (line := _line_of(entry)) is not None]
    if not lines:
        return "", [f"no log of the training ({_STATE_FILE}): its gradient norm is not known"]
    without_norm = all(line["grad_norm"] is None for line in lines)
    said = ["the training's log has no gradient norms"] if without_norm else []
    return "".join(json.dumps(line) + "\n" for line in lines), said


def _line_of(entry: object) -> dict[str, int | float | None] | None:
    """One line of the log; None for an entry of an evaluation or of the end."""
    if not isinstance(entry, Mapping) or "loss" not in entry or not isinstance(entry.get("step"), int):
        return None
    numbers = {key: _number(entry.get(key)) for key in ("loss", "grad_norm", "learning_rate")}
    return {"step": entry["step"], **numbers}


def _number(value: object) -> float | None:
    """A finite number, None for anything else: Trainers write NaN, and numbers as text."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
