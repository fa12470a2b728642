"""The checkpoints of a run as models to run: adapters on one base, or whole models loaded one at a time.

What needs the words and shapes of the model alone (prompts to token ids and back, end tokens) takes its outline.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from probes.errors import InputError
from runs.adapters import Mix, attach
from runs.backend import require_backend
from runs.columns import require_unchanged
from runs.controls import checkpoint_folders, setups_of, single_adapters
from runs.directory import Run
from runs.files import shown
from runs.loading import loading, quiet
from runs.models import LanguageModel, as_language_model, load_model, model_folder

# Interface


class Checkpoints(Protocol):
    """The model at each of K values of the control parameter; one at a time is at work."""

    @property
    def first_layer(self) -> int:
        """Below this decoder layer all K are the same; 0 where that is unknown."""

    @property
    def model_K(self) -> Sequence[int]:
        """Number of the model at each of the K: where it is the same, so is the model."""

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

    @property
    def model_K(self) -> Sequence[int]:
        return range(len(self))

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
    specs_K = _model_specs(run)
    if run.manifest.models is not None:
        return WholeModels(specs_K, device)
    return attach(load_model(specs_K[0], device=device), _mixes(run))


def outline_of(run: Run) -> LanguageModel:
    """Tokenizer, end tokens and shapes of the run's model; its weights stay on the meta device.

    Raises InputError as `open_checkpoints`.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    spec = _model_specs(run)[0]
    folder = model_folder(spec)
    tokenizer_folder = model_folder(run.manifest.tokenizer or spec)
    with loading(spec), quiet():
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
        with suppress(OSError):  # few settings of generation are more than the model's own, so they may lack
            model.generation_config = GenerationConfig.from_pretrained(folder)
    return as_language_model(model, tokenizer, spec, folder)


def _mixes(run: Run) -> list[Mix]:
    """The adapters at work at each checkpoint [K], none for the base itself."""
    return [{run.path / name: w for name, w in setup.adapters.items()} for setup in setups_of(run.manifest)]


def adapter_folders(run: Run) -> list[Path | None]:
    """The one adapter of each checkpoint [K], None for the base itself. Raises InputError as `single_adapters`."""
    adapters = single_adapters(setups_of(run.manifest), run.manifest.control.name)
    return [None if one is None else run.path / one for one in adapters]


def _model_specs(run: Run) -> list[str]:
    """What each checkpoint's model is loaded by [K], adapters aside."""
    require_backend()
    manifest = run.manifest
    _require_recorded(run)
    models = manifest.models or [None] * len(manifest.control.values)
    specs = [manifest.model if one is None else str(run.path / one) for one in models]
    known = [spec for spec in specs if spec is not None]
    if len(known) < len(specs):
        raise InputError(
            f"{shown(run.path)} names no model to sample from or to score with, as runs made from files do not; "
            "begin one with `orderparam finetune` or `orderparam adopt`"
        )
    return known


def _require_recorded(run: Run) -> None:
    """Raises InputError unless all checkpoints are there, and no adapter is another one than was recorded."""
    files = run.manifest.files
    for folder in checkpoint_folders(run.manifest):
        inside = [name for name in files if name.startswith(f"{folder}/")]
        if not inside:
            raise InputError(
                f"{shown(run.path)}: its checkpoints are not all there yet; run the command that began it again"
            )
        for name in inside if run.manifest.models is None else []:  # whole models are too large to read again
            require_unchanged(run.path / name, files[name])
