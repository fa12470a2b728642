"""One optimizer step at a time on the responses of examples; what is random follows from the seed and the step."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from probes.errors import InputError
from runs.adapters import CONFIG_FILE, WEIGHTS_FILE
from runs.files import explained, write_bytes_whole, write_json_whole
from runs.lora import with_new_adapter
from runs.models import LanguageModel
from runs.training_data import TrainingExample
from runs.training_settings import FinetuneSettings
from runs.training_state import TrainingStep

if TYPE_CHECKING:
    import torch


class Training:
    """A model with a new adapter, its optimizer, and one step at a time.

    parameters: what is trained, by name. size: examples of one step.
    """

    def __init__(
        self, language_model: LanguageModel, examples: Sequence[TrainingExample], settings: FinetuneSettings
    ) -> None:
        import torch

        self.size = settings.batch * settings.accumulation
        self._language_model = language_model
        self._examples = examples
        self._settings = settings
        torch.manual_seed(settings.seed)
        self._peft = with_new_adapter(language_model, settings)
        self._peft.train()
        found = self._peft.named_parameters()
        self.parameters = {name: parameter for name, parameter in found if parameter.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        accepted = inspect.signature(language_model.model.forward).parameters
        self._keeps_logits = "logits_to_keep" in accepted

    def step(self, step: int, steps: int) -> TrainingStep:
        """One optimizer step, with the mean loss over all tokens learned in it.

        Raises InputError where loss or gradient are not finite any more.
        """
        import torch

        settings = self._settings
        torch.manual_seed(_seed_of(settings.seed, step))  # for a base with dropout
        examples = [
            self._examples[index] for index in order_of(step, self.size, len(self._examples), settings.seed)
        ]
        tokens = sum(example.response_tokens for example in examples)
        self.optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for start in range(0, len(examples), settings.batch):
            part = self.loss_sum(examples[start : start + settings.batch]) / tokens
            part.backward()
            loss += float(part.detach())
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip))
        if not np.isfinite([loss, norm]).all():
            raise InputError(
                f"step {step}: loss {loss:g}, gradient norm {norm:g}: the training diverges; lower --learning-rate"
            )
        rate = settings.learning_rate_at(step, steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return TrainingStep(step, loss, norm, rate, tokens)

    def loss_sum(self, examples: Sequence[TrainingExample]) -> "torch.Tensor":
        """Sum over the responses' tokens of their negative log-probability, in nats, as a scalar with gradient.

        Rows are padded on the right: in a causal model what follows a token does not reach it. Logits are computed
        from the first position on at which a row of the batch predicts a response.
        """
        import torch

        longest = max(len(example.ids) for example in examples)
        kept = longest + 1 - min(example.response_start for example in examples)
        pad_id, device = self._language_model.pad_id, self._language_model.device
        ids_BT = torch.full((len(examples), longest), pad_id)
        mask_BT = torch.zeros_like(ids_BT)
        target_BT = torch.full_like(ids_BT, -100)
        for row, example in enumerate(examples):
            length, start = len(example.ids), example.response_start
            ids_BT[row, :length] = torch.tensor(example.ids)
            mask_BT[row, :length] = 1
            target_BT[row, start:length] = ids_BT[row, start:length]
        options = {"logits_to_keep": kept} if self._keeps_logits else {}
        output = self._peft(
            input_ids=ids_BT.to(device), attention_mask=mask_BT.to(device), use_cache=False, **options
        )
        logits_BTV = output.logits[:, -kept:-1].float()
        target_BT = target_BT[:, longest + 1 - kept :].to(device)
        return torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), target_BT.flatten(), reduction="sum")

    def save_adapter(self, folder: Path) -> None:
        """Writes the adapter as PEFT does, each file whole or not at all."""
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        state = get_peft_model_state_dict(self._peft)
        weights = {name: tensor.cpu().contiguous() for name, tensor in state.items()}
        with explained(folder, "write"), TemporaryDirectory() as temporary:
            folder.mkdir(parents=True, exist_ok=True)
            self._peft.peft_config["default"].save_pretrained(temporary)
            settings = json.loads(Path(temporary, CONFIG_FILE).read_bytes())
        settings["inference_mode"] = True
        settings["target_modules"].sort()  # PEFT keeps them as a set, whose order changes from process to process
        write_bytes_whole(folder / WEIGHTS_FILE, save(weights, metadata={"format": "pt"}))
        write_json_whole(folder / CONFIG_FILE, settings)


# What is random


def order_of(step: int, size: int, count: int, seed: int) -> list[int]:
    """Indices of the examples of a step (from 1): the data in a new order each epoch, epochs one after another."""
    first = (step - 1) * size
    orders = {
        epoch: np.random.default_rng([seed, epoch]).permutation(count)
        for epoch in range(first // count, (first + size - 1) // count + 1)
    }
    return [int(orders[position // count][position % count]) for position in range(first, first + size)]


def _seed_of(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)
