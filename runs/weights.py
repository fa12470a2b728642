"""Model weights in safetensors files: which they are, whether they are finite, and the model that they fill."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from probes.errors import InputError
from runs.files import explained, shown
from runs.loading import loading, quiet
from runs.models import model_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ONE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


def weight_files(folder: Path) -> list[str]:
    """Files of a whole model that decide what it says: config.json and its weights, by name in the folder.

    Raises InputError where weights lack.
    """
    index = folder / _INDEX
    with explained(folder, "read"):
        if (folder / _ONE).is_file():
            return ["config.json", _ONE]
        if not index.is_file():
            raise InputError(f"{shown(folder)}: a model without weights: there is no {_ONE}")
        data = index.read_bytes()
    try:
        parts = sorted(set(json.loads(data)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{shown(index)}: not an index of weights") from error
    for part in parts:
        if Path(part).name != part or not (folder / part).is_file():
            raise InputError(f"{shown(index)}: the file {shown(part)} of the weights is missing")
    return ["config.json", _INDEX, *parts]


def finite_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Reads all weights of a file; their shapes by name. Raises InputError for NaN and infinities, and damage."""
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    with explained(path, "read"):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (it is no mapping)
                    tensor = file.get_tensor(name)
                    shapes[name] = tuple(tensor.shape)
                    if not bool(tensor.isfinite().all()):
                        raise InputError(f"{shown(path)}: {shown(name)} holds NaN or infinite values")
        except SafetensorError as error:
            raise InputError(f"{shown(path)}: damaged: {shown(error, 120)}") from error
    return shapes


def architecture_of(spec: str) -> "PreTrainedModel | None":
    """The model without its weights, as far as its settings are on this machine; None where they are not."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        with quiet():
            config = AutoConfig.from_pretrained(model_folder(spec), local_files_only=True)
    except OSError:
        return None
    with loading(spec), quiet(), torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model
