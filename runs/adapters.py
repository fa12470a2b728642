"""LoRA adapters of one base model: checked before they are loaded, attached together, switched and mixed in place.

An adapter is a PEFT folder: `adapter_config.json` and `adapter_model.safetensors`. Pickled weights are never read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.errors import InputError
from runs.files import explained, shown
from runs.loading import quiet
from runs.models import LanguageModel
from runs.weights import finite_shapes

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PICKLED_FILE = "adapter_model.bin"

Mix = Mapping[Path, float]
"""Weight of each adapter (its folder) in what is added to the base; 1 is the adapter as it is."""

_PREFIX = "base_model.model."
_FACTOR = re.compile(r"(?:\.base_layer)*\.lora_(?:embedding_)?([AB])(?:\.weight)?$")
_COPY = re.compile(r"\.base_layer\.(?:weight|bias)$")
_PART = re.compile(r"\.(?:lora_.*|modules_to_save\..*|base_layer\..*|weight|bias)$")  # after a module's name

_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")
"""Ways to begin an adapter that change the base model too, so that without its start the adapter means nothing."""


@dataclass(frozen=True)
class Adapter:
    """What the files of an adapter say. base: the model's name in them. modules: names of the base's modules that
    it changes. shapes: input and output size by module, of those that have both factors. copies: names of tensors
    of the base itself, which PEFT saves beside an adapter of the embeddings and loads over the base's own. others:
    names of tensors that are neither these nor a factor."""

    folder: Path
    base: str | None
    rank: int
    modules: frozenset[str]
    shapes: dict[str, tuple[int, int]]
    copies: frozenset[str]
    others: frozenset[str]


class AdaptedModel:
    """A base model with adapters beside it, and K mixes of them, of which one at a time is at work.

    model_K: number of the mix, equal where it is the same. first_layer: index of the lowest decoder layer that any
    adapter changes (0 where one changes what comes before the layers, the number of layers where none changes
    any): below it all K agree. touches_head: whether an adapter changes the output head.
    """

    def __init__(
        self,
        language_model: LanguageModel,
        peft: "PeftModel | None",
        mixes_K: Sequence[Mapping[str, float]],
        first_layer: int,
        touches_head: bool,
    ) -> None:
        self.language_model = language_model
        self.model_K = [mixes_K.index(mix) for mix in mixes_K]
        self.first_layer = first_layer
        self.touches_head = touches_head
        self._peft = peft
        self._mixes_K = mixes_K

    def __len__(self) -> int:
        return len(self._mixes_K)

    @property
    def device(self) -> "torch.device":
        return self.language_model.device

    @contextmanager
    def use(self, checkpoint: int) -> Iterator[LanguageModel]:
        """The model with the adapters of that checkpoint, or the base itself, for the length of the block."""
        mix = self._mixes_K[checkpoint]
        if self._peft is None:
            yield self.language_model
        elif not mix:
            with self._peft.disable_adapter():
                yield self.language_model
        else:
            self._peft.base_model.set_adapter(list(mix), inference_mode=True)
            with _weighted(self._peft, mix):
                yield self.language_model


def alone(folder: Path | None) -> Mix:
    """The adapter as it is; None is the base itself."""
    return {} if folder is None else {folder: 1.0}


def attach(language_model: LanguageModel, mixes: Iterable[Mix]) -> AdaptedModel:
    """Attaches the adapters of K mixes to the model, which is changed by it; an empty one is the base itself.

    What a mix adds to the base is exactly the weighted sum of what its adapters add, whatever their ranks: they
    work side by side. Adapters keep float32 beside a model of half precision, else they take the model's
    precision. Raises InputError, in one line that names the folder: not a LoRA adapter, pickled, damaged, holding
    NaN, made for another base, or not to be weighted.
    """
    model = language_model.model
    mixes_K = list(mixes)
    folders = list(dict.fromkeys(folder for mix in mixes_K for folder in mix))
    adapters = [read_adapter(folder) for folder in folders]
    for adapter in adapters:
        require_fit(adapter, model, language_model.name)
        _require_same_copies(adapter, model)
        if any(adapter.folder in mix and dict(mix) != alone(adapter.folder) for mix in mixes_K):
            require_factors(adapter)
    modules = frozenset().union(*(adapter.modules for adapter in adapters))
    first_layer = _first_layer(model, modules)
    touches_head = _touches_head(model, modules)
    names = {folder: f"adapter{number}" for number, folder in enumerate(folders)}
    peft: PeftModel | None = None
    for folder, name in names.items():
        peft = _loaded(peft, model, name, folder)
    named_K = [{names[folder]: weight for folder, weight in mix.items()} for mix in mixes_K]
    return AdaptedModel(language_model, peft, named_K, first_layer, touches_head)


@contextmanager
def _weighted(peft: "PeftModel", mix: Mapping[str, float]) -> Iterator[None]:
    """What each adapter adds times its weight, for the length of the block."""
    from peft.tuners.lora import LoraLayer

    weights = {name: weight for name, weight in mix.items() if weight != 1}
    layers = [layer for layer in peft.modules() if isinstance(layer, LoraLayer)] if weights else []
    for layer in layers:
        for name, weight in weights.items():
            layer.set_scale(name, weight)
    try:
        yield
    finally:
        for layer in layers:
            for name in weights:
                layer.set_scale(name, 1.0)


# Reading


def read_adapter(folder: Path) -> Adapter:
    """What the adapter in the folder says, its numbers looked through. Raises InputError as `attach`."""
    settings = _settings(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        if (folder / PICKLED_FILE).is_file():
            raise InputError(
                f"{shown(folder)}: its weights are pickled ({PICKLED_FILE}), and a pickle runs whatever code it "
                "holds; save the adapter as safetensors"
            )
        raise InputError(f"{shown(folder)}: an adapter without weights: there is no {WEIGHTS_FILE}")
    shapes = finite_shapes(weights)
    base = settings.get("base_model_name_or_path")
    return Adapter(
        folder,
        base if isinstance(base, str) and base else None,
        int(settings["r"]),
        frozenset(_PART.sub("", name.removeprefix(_PREFIX)) for name in shapes),
        _sizes(shapes),
        frozenset(name for name in shapes if _COPY.search(name)),
        frozenset(name for name in shapes if not _COPY.search(name) and not _FACTOR.search(name)),
    )


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    with explained(path, "read"):
        if not path.is_file():
            raise InputError(f"{shown(folder)}: not an adapter: there is no {CONFIG_FILE}")
        data = path.read_bytes()
    try:
        settings = json.loads(data)
        rank = settings["r"] if settings["peft_type"] == "LORA" else None
        start = settings.get("init_lora_weights")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{shown(path)}: not the settings of a LoRA adapter") from error
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise InputError(f"{shown(path)}: field peft_type or r: only LoRA adapters with a rank are understood")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_BASE):
        raise InputError(
            f"{shown(path)}: field init_lora_weights: {shown(repr(start), 40)} changes the base model as well; "
            "save the adapter as plain LoRA (path_initial_model_for_weight_conversion of PEFT's save_pretrained)"
        )
    return dict(settings)


def _sizes(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, int]]:
    """Input and output size of each module with both factors: A is [rank, input], B is [output, rank]."""
    factors: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if match := _FACTOR.search(name):
            factors.setdefault(name[: match.start()].removeprefix(_PREFIX), {})[match[1]] = shape
    return {module: (both["A"][1], both["B"][0]) for module, both in factors.items() if len(both) == 2}


# Fitting


def require_fit(adapter: Adapter, model: "PreTrainedModel", name: str) -> None:
    """Raises InputError where the adapter changes modules that the model lacks, or has in another size.

    The model may be on the meta device: only its shapes are asked for.
    """
    modules = dict(model.named_modules())
    for module in sorted(adapter.modules):
        if module not in modules:
            raise _misfit(adapter, name, f"the adapter changes {shown(module)}, which the model does not have")
    for module, (inputs, outputs) in sorted(adapter.shapes.items()):
        size = _size(modules[module])
        if size is not None and size != (inputs, outputs):
            raise _misfit(
                adapter,
                name,
                f"{shown(module)} maps {size[0]} to {size[1]} there, {inputs} to {outputs} in the adapter",
            )


def require_factors(adapter: Adapter) -> None:
    """Raises InputError where the adapter adds anything else to the base than products of two factors: only these
    can be scaled and mixed."""
    if adapter.others:
        raise InputError(
            f"{shown(adapter.folder)} cannot be scaled or mixed: besides the factors of LoRA it holds "
            f"{shown(min(adapter.others))} (a whole module, a bias or a magnitude)"
        )


def _require_same_copies(adapter: Adapter, model: "PreTrainedModel") -> None:
    """Raises InputError where a copy of the base's weights is not equal to them: all K would change with it."""
    from safetensors import safe_open

    if not adapter.copies:
        return
    with explained(adapter.folder, "read"), safe_open(adapter.folder / WEIGHTS_FILE, framework="pt") as file:
        for name in sorted(adapter.copies):
            copy = file.get_tensor(name)
            own = model.get_parameter(name.removeprefix(_PREFIX).replace(".base_layer.", "."))
            if copy.shape != own.shape or not bool((copy.to(own) == own).all()):
                raise InputError(
                    f"{shown(adapter.folder)}: {shown(name)} is not the weight of the base model: the base was "
                    "changed too (more tokens, another model), and that cannot be switched"
                )


def _misfit(adapter: Adapter, name: str, what: str) -> InputError:
    made_for = f", for {shown(adapter.base)} by its settings" if adapter.base else ""
    return InputError(
        f"{shown(adapter.folder)} was made for another base model than {shown(name)}{made_for}: {what}"
    )


def _size(module: "nn.Module") -> tuple[int, int] | None:
    """Input and output size; None for a module that is not one matrix."""
    from torch import nn

    weight = getattr(module, "weight", None)
    if weight is None or weight.dim() != 2:
        return None
    first, second = weight.shape
    return (int(second), int(first)) if isinstance(module, nn.Linear) else (int(first), int(second))


def _first_layer(model: "PreTrainedModel", modules: frozenset[str]) -> int:
    from torch import nn

    count = int(model.config.get_text_config().num_hidden_layers)
    lists = (part for part in model.get_decoder().children() if isinstance(part, nn.ModuleList))
    layers = next((part for part in lists if len(part) == count), None)
    if layers is None:
        return 0
    start = next(name for name, part in model.named_modules() if part is layers) + "."
    head = _name_of(model, model.get_output_embeddings())
    inside = [int(name.removeprefix(start).split(".")[0]) for name in modules if name.startswith(start)]
    outside = [name for name in modules if not name.startswith(start) and name != head]
    return 0 if outside else min(inside, default=count)


def _touches_head(model: "PreTrainedModel", modules: frozenset[str]) -> bool:
    """Whether the output head is among the modules, be it as the input embeddings that share its weights."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    names = {_name_of(model, head)}
    if head.weight is embeddings.weight:
        names.add(_name_of(model, embeddings))
    return bool(modules & names)


def _name_of(model: "PreTrainedModel", module: "nn.Module") -> str:
    names: Iterator[str] = (name for name, part in model.named_modules() if part is module)
    return next(names)


# Attaching


def _loaded(peft: "PeftModel | None", model: "PreTrainedModel", name: str, folder: Path) -> "PeftModel":
    """The model with one adapter more, every weight of it taken from the folder."""
    from peft import PeftConfig, PeftModel

    try:
        with quiet():
            if peft is None:
                config = PeftConfig.from_pretrained(str(folder))
                config.inference_mode = True
                peft = PeftModel(model, config, adapter_name=name)
            result = peft.load_adapter(str(folder), name, is_trainable=False, torch_device=str(model.device))
    except Exception as error:  # what PEFT refuses, it refuses by whichever exception its parts raise
        said = shown(" ".join(str(error).split()), 160)
        raise InputError(f"{shown(folder)}: the adapter cannot be attached ({said})") from error
    wrong = [*result.missing_keys, *result.unexpected_keys]
    if wrong:
        raise InputError(f"{shown(folder)}: weights and settings do not agree: {shown(wrong[0])}")
    peft.requires_grad_(False)
    peft.eval()
    return peft
