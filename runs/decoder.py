"""A causal model's layers as scoring and sampling run them: on top of a prompt's keys and values, computed once.

Differences between versions of transformers and between architectures are handled here: how a cache is called, how
its rows are chosen, where the layers are.
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel
    from transformers.cache_utils import Cache


@dataclass(frozen=True, eq=False)
class PromptCache:
    """Keys and values of P prompts without their last token, padded on the left.

    mask_PC: which of the C cached positions hold a token. length_P: how many do.
    """

    cache: "Cache"
    mask_PC: "torch.Tensor"
    length_P: "torch.Tensor"

    def rows(self, index_R: "torch.Tensor", first_layer: int = 0) -> "PromptCache":
        """The cache for R sequences, each on top of the prompt that `index_R` names; this one is left as it is.

        first_layer: lower layers are not used again and keep their rows, so that they cost nothing.
        """
        return PromptCache(
            rows_of(self.cache, index_R, first_layer), self.mask_PC[index_R], self.length_P[index_R]
        )

    def extended(self, tokens: int) -> "PromptCache":
        """The same after so many tokens more of each row, which the layers themselves put into the cache."""
        import torch

        mask_PC = torch.nn.functional.pad(self.mask_PC, (0, tokens), value=1)
        return PromptCache(self.cache, mask_PC, self.length_P + tokens)


def rows_of(cache: "Cache", index_R: "torch.Tensor", first_layer: int = 0) -> "Cache":
    """A cache of these rows, of which the given one notices nothing."""
    chosen = copy.copy(cache)
    chosen.layers = [_twin(layer) for layer in cache.layers]
    for layer in chosen.layers[first_layer:]:
        layer.reorder_cache(index_R)  # unlike `batch_select_indices`, layers of any kind have it
    return chosen


def _twin(layer: Any) -> Any:
    twin = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, dict):  # where layers of linear attention keep their states
            setattr(twin, name, dict(value))
    return twin


class Decoder:
    """The layers of `model`. Every tensor is on the model's device.

    logits: whether what the layers are asked for is the model's own logits [..., V] instead of hidden states.
    """

    def __init__(self, model: "PreTrainedModel", *, logits: bool = False) -> None:
        self._model = model
        self._decoder: Any = model.get_decoder()
        self._called: Any = model if logits else self._decoder
        self._result = "logits" if logits else "last_hidden_state"
        accepted = inspect.signature(self._called.forward).parameters
        self._can_leave_out = "logits_to_keep" in accepted
        self._cache_argument = "cache" if "cache" in accepted else "past_key_values"  # the older name

    @property
    def layers(self) -> Sequence["nn.Module"]:
        """The decoder's layers in order; empty where they cannot be told."""
        from torch import nn

        count = self._decoder.config.num_hidden_layers
        lists = (part for part in self._decoder.children() if isinstance(part, nn.ModuleList))
        return next((list(part) for part in lists if len(part) == count), [])

    def new_cache(self) -> "Cache":
        from transformers import DynamicCache

        return DynamicCache(config=self._decoder.config)

    def states(
        self,
        ids_RT: "torch.Tensor",
        positions_RT: "torch.Tensor",
        mask_RC: "torch.Tensor",
        cache: "Cache",
        last: int | None = None,
    ) -> "torch.Tensor":
        """Last hidden states [R, T, D] of tokens that come after the cached ones; the cache takes them up.

        mask_RC: which positions hold a token, the cached ones first. last: so many tokens at the end are enough.
        """
        few = {"logits_to_keep": last} if last is not None and self._can_leave_out else {}
        output = self._called(
            **few,
            input_ids=ids_RT,
            position_ids=positions_RT,
            attention_mask=mask_RC,
            use_cache=True,
            **{self._cache_argument: cache},
        )
        states_RTD: torch.Tensor = getattr(output, self._result)
        return states_RTD if last is None else states_RTD[:, -last:]

    def whole(self, ids_RT: "torch.Tensor") -> "torch.Tensor":
        """Last hidden states [R, T, D] of whole sequences, padded on the right, where it disturbs nothing."""
        states_RTD: torch.Tensor = getattr(self._called(input_ids=ids_RT, use_cache=False), self._result)
        return states_RTD

    def after(self, prompts: PromptCache, ids_RT: "torch.Tensor") -> "torch.Tensor":
        """Last hidden states [R, T, D] of tokens right after the cached ones of their row."""
        import torch

        offsets_T = torch.arange(ids_RT.shape[1], device=ids_RT.device)
        mask_RC = prompts.extended(ids_RT.shape[1]).mask_PC
        return self.states(ids_RT, prompts.length_P[:, None] + offsets_T, mask_RC, prompts.cache)

    def prefill(self, prompts: Sequence[Sequence[int]], pad_id: int) -> PromptCache:
        """The cache of these prompts without their last token, which is fed with the response."""
        import torch

        device = self._model.device
        longest = max(len(ids) for ids in prompts) - 1
        rows = [[pad_id] * (longest - len(ids) + 1) + list(ids[:-1]) for ids in prompts]
        length_P = torch.tensor([len(ids) - 1 for ids in prompts], device=device)
        mask_PC = (torch.arange(longest, device=device) >= longest - length_P[:, None]).long()
        cache = self.new_cache()
        if longest:
            positions_PC = (mask_PC.cumsum(dim=1) - 1).clamp(min=0)
            self.states(torch.tensor(rows, device=device), positions_PC, mask_PC, cache)
        return PromptCache(cache, mask_PC, length_P)


# The trunk: layers below the first one that any adapter touches


@contextmanager
def recorded(layer: "nn.Module") -> Iterator[list["torch.Tensor"]]:
    """Collects what the layer hands on, call by call."""
    handed_on: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, arguments, output: handed_on.append(output))
    try:
        yield handed_on
    finally:
        handle.remove()


@contextmanager
def replayed(layers: Sequence["nn.Module"], states_RTD: "torch.Tensor") -> Iterator[None]:
    """These layers compute nothing: the last one hands on the states that were recorded.

    The model's own forward pass still runs around them, so that positions and masks stay the architecture's.
    """
    for layer in layers:
        layer.forward = lambda hidden_states, *others, **named: hidden_states
    layers[-1].forward = lambda hidden_states, *others, **named: states_RTD
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
