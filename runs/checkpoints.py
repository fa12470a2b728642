"""The checkpoints of a run as models to run: adapters on one base, or whole models loaded one at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from probes.errors import InputError
from runs.adapters import attach
from runs.backend import require_backend
from runs.directory import Run
from runs.files import shown
from runs.models import LanguageModel, load_model

# Interface


class Checkpoints(Protocol):
    """The model at each of K values of the control parameter; one at a time is at work."""

    @property
    def first_layer(self) -> int:
        """Below this decoder layer all K are the same; 0 where that is unknown."""

    def __len__(self) -> int: ...

    def use(self, checkpoint: int) -> AbstractContextManager[LanguageModel]:
        """The model at that checkpoint, for the length of the block."""


# Implementations (adapters: `runs.adapters.AdaptedModel`)


class WholeModels:
    """Models that have nothing in common; only the last one used is kept in memory."""

    def __init__(self, specs_K: list[str], device: str | None) -> None:
        self._specs_K = specs_K
        self._wanted = device
        self._loaded: tuple[int, LanguageModel] | None = None

    @property
    def first_layer(self) -> int:
        return 0

    def __len__(self) -> int:
        return len(self._specs_K)

    @contextmanager
    def use(self, checkpoint: int) -> Iterator[LanguageModel]:
        if self._loaded is None or self._loaded[0] != checkpoint:
            self._loaded = None  # frees the memory before the next one is loaded
            self._loaded = (checkpoint, load_model(self._specs_K[checkpoint], device=self._wanted))
        yield self._loaded[1]


def open_checkpoints(run: Run, device: str | None = None) -> Checkpoints:
    """The checkpoints of the run, on this device or the default one.

    Raises InputError: no backend, a run that was imported and has no model, a model or adapter that does not load.
    """
    require_backend()
    manifest = run.manifest
    if manifest.model is None:
        raise InputError(
            f"{shown(run.path)} was imported: it names no model to sample from or to score with; "
            "begin a run with `orderparam finetune` or `orderparam adopt`"
        )
    if manifest.models is not None:
        return WholeModels(
            [manifest.model if one is None else str(run.path / one) for one in manifest.models], device
        )
    return attach(load_model(manifest.model, device=device), adapter_folders(run))


def adapter_folders(run: Run) -> list[Path | None]:
    """The adapter's folder of each checkpoint [K], None for the base itself."""
    manifest = run.manifest
    adapters = manifest.adapters if manifest.adapters is not None else [None] * len(manifest.control.values)
    return [None if one is None else run.path / one for one in adapters]
