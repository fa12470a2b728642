"""From hidden states to the log-likelihoods of tokens, without a tensor of tokens x vocabulary.

The head's matrix product and the log-sum-exp go over slices of the vocabulary that fit a cache; only two numbers a
token are kept between slices, and one more for each further temperature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

_SLICE_CPU, _SLICE_GPU = 4096, 8192  # entries of the vocabulary at a time
_TOKENS_AT_ONCE = 64  # where a head can only be called whole


@dataclass(frozen=True, eq=False)
class Head:
    """logits(states_ND, start, stop): float32 (float64 for float64 states) logits [N, stop - start].

    slice: how many entries of the vocabulary are worth computing together. tokens: how many tokens.
    """

    logits: "Callable[[torch.Tensor, int, int], torch.Tensor]"
    vocabulary: int
    slice: int
    tokens: int


def head_of(model: "PreTrainedModel") -> Head:
    """The model's own head, with the scale and the soft cap that its settings name.

    A plain linear layer is applied slice by slice; any other (an adapter on it, say) is called whole, on a few
    tokens at a time. Whether that is all the model does to its logits is for the caller to verify.
    """
    from torch import nn

    module: nn.Module = model.get_output_embeddings()
    finish = _finishing(model)
    if type(module) is nn.Linear:
        slice_ = _SLICE_CPU if model.device.type == "cpu" else _SLICE_GPU
        return Head(_linear(module, finish), module.out_features, slice_, 1 << 20)
    vocabulary = int(model.config.get_text_config().vocab_size)
    return Head(
        lambda states_ND, start, stop: finish(wide(module(states_ND))), vocabulary, vocabulary, _TOKENS_AT_ONCE
    )


def whole_logits(vocabulary: int) -> Head:
    """For models whose head cannot be taken apart: the states are the model's own logits."""
    return Head(lambda states_NV, start, stop: wide(states_NV).clone(), vocabulary, vocabulary, _TOKENS_AT_ONCE)


def token_logliks(
    head: Head, states_ND: "torch.Tensor", targets_N: "torch.Tensor", temperatures: Sequence[float]
) -> "torch.Tensor":
    """log P(target) [temperatures, N] in nats under the softmax of logits / temperature, all from the same logits;
    float32, float64 for float64 states."""
    import torch

    pieces = [
        _logliks(head, states, targets, temperatures)
        for states, targets in zip(states_ND.split(head.tokens), targets_N.split(head.tokens), strict=True)
    ]
    return torch.cat(pieces, dim=1)


def _logliks(
    head: Head, states_ND: "torch.Tensor", targets_N: "torch.Tensor", temperatures: Sequence[float]
) -> "torch.Tensor":
    """Running maximum m and, for each temperature T, sum s of exp((logit - m) / T) over slices: log-sum-exp of
    logit / T is m / T + log s."""
    import torch

    dtype = torch.float64 if states_ND.dtype == torch.float64 else torch.float32
    temperature_T1 = torch.tensor(temperatures, dtype=dtype, device=states_ND.device)[:, None]
    sum_TN = states_ND.new_zeros((len(temperatures), len(states_ND)), dtype=dtype)
    chosen_N = sum_TN.new_zeros(len(states_ND))
    maximum_N = torch.full_like(chosen_N, -torch.inf)
    for start in range(0, head.vocabulary, head.slice):
        stop = min(start + head.slice, head.vocabulary)
        logits_NV = head.logits(states_ND, start, stop)
        within_N = (targets_N - start).clamp(0, stop - start - 1)
        found_N = logits_NV.gather(1, within_N[:, None])[:, 0]
        chosen_N = torch.where(targets_N >= start, found_N, chosen_N)  # the last slice that begins below it counts
        new_N = torch.maximum(maximum_N, logits_NV.amax(dim=1))
        sum_TN *= ((maximum_N - new_N) / temperature_T1).exp_()
        logits_NV.sub_(new_N[:, None])
        for number, temperature in enumerate(temperatures):
            last = number == len(temperatures) - 1  # nobody needs the logits after it
            scaled_NV = logits_NV if last else logits_NV.clone()
            if temperature != 1:
                scaled_NV /= temperature
            sum_TN[number] += scaled_NV.exp_().sum(dim=1)
        maximum_N = new_N
    return (chosen_N - maximum_N) / temperature_T1 - sum_TN.log()


def wide(tensor: "torch.Tensor") -> "torch.Tensor":
    """In float32, or in float64 where it is that."""
    import torch

    return tensor if tensor.dtype == torch.float64 else tensor.float()


def _linear(
    module: "nn.Linear", finish: "Callable[[torch.Tensor], torch.Tensor]"
) -> "Callable[[torch.Tensor, int, int], torch.Tensor]":
    import torch

    def logits(states_ND: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        weight_VD = module.weight[start:stop]
        if weight_VD.dtype in (torch.float32, torch.float64):
            logits_NV = states_ND @ weight_VD.T
        elif states_ND.is_cuda:  # products of half precision, summed and kept in float32
            logits_NV = torch.mm(states_ND, weight_VD.T, out_dtype=torch.float32)
        else:
            logits_NV = states_ND.float() @ weight_VD.float().T
        if module.bias is not None:
            logits_NV += module.bias[start:stop]
        return finish(logits_NV)

    return logits


def _finishing(model: "PreTrainedModel") -> "Callable[[torch.Tensor], torch.Tensor]":
    """What the architecture does to its logits, by the names that its settings give it."""
    settings = model.config.get_text_config()
    scale = float(getattr(settings, "logit_scale", None) or 1) / float(
        getattr(settings, "logits_scaling", None) or 1
    )
    cap = getattr(settings, "final_logit_softcapping", None)

    def finish(logits_NV: "torch.Tensor") -> "torch.Tensor":
        if scale != 1:
            logits_NV *= scale
        return logits_NV if cap is None else (logits_NV / cap).tanh_().mul_(cap)

    return finish
