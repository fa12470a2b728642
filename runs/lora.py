"""A new LoRA adapter on a model, ready to be trained; its targets are checked against what the model has."""

from typing import TYPE_CHECKING, Any

from probes.errors import InputError
from runs.files import shown
from runs.formats.record import listed
from runs.loading import quiet
from runs.models import LanguageModel
from runs.training_settings import ALL_LINEAR, FinetuneSettings

if TYPE_CHECKING:
    from peft import PeftModel


def with_new_adapter(language_model: LanguageModel, settings: FinetuneSettings) -> "PeftModel":
    """The model with an adapter that changes nothing as yet; only the adapter can be trained, in float32.

    Raises InputError for a layer or targets that the model does not have, naming those it has.
    """
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    model = language_model.model
    matrices = _matrices(language_model)
    unknown = sorted(set(settings.targets) - matrices.keys() - {ALL_LINEAR})
    if unknown:
        raise InputError(
            f"--targets {shown(unknown[0])}: {shown(language_model.name)} has no such matrices; "
            f"give {ALL_LINEAR} or names among {listed(sorted(matrices))}"
        )
    layers = int(model.config.get_text_config().num_hidden_layers)
    if settings.layer is not None and settings.layer >= layers:
        raise InputError(f"--layer {settings.layer}: {shown(language_model.name)} has layers 0 to {layers - 1}")
    targets = sorted(matrices) if ALL_LINEAR in settings.targets else sorted(settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=int(settings.alpha) if settings.alpha.is_integer() else settings.alpha,
        use_rslora=settings.rslora,
        target_modules=targets,
        layers_to_transform=None if settings.layer is None else [settings.layer],
        fan_in_fan_out=all(isinstance(matrices[target], Conv1D) for target in targets),
        task_type="CAUSAL_LM",
    )
    with quiet():
        if settings.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return get_peft_model(model, config)


def _matrices(language_model: LanguageModel) -> dict[str, Any]:
    """One matrix for each name that the matrices of the decoder's layers have; the output head is none of them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    decoder = language_model.model.get_decoder()
    parts = decoder.named_modules()
    return {name.split(".")[-1]: part for name, part in parts if isinstance(part, nn.Linear | Conv1D)}
