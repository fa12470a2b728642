"""Likelihoods by the definition, one sequence at a time in float64, and what is compared with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from runs.likelihood import Likelihoods, Response, TokenArray

LATE = [2, 3]  # the layers that the adapters touch, of four
CLOSE = 1e-4  # nats a token, float32 against float64


def in_float64(base: Path, adapter: Path | None) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter), autocast_adapter_dtype=False)
        model = model.to(torch.float64)
    return model.eval()


def reference(model: Any, prompt: Sequence[int], ids: Sequence[int], temperature: float) -> TokenArray:
    """log P of each token by the definition, in float64."""
    import torch

    with torch.no_grad():
        logits_TV = model(torch.tensor([[*prompt, *ids]])).logits[0].double().numpy()
    loglik_TV = special.log_softmax(logits_TV / temperature, axis=1)
    return np.array([loglik_TV[len(prompt) - 1 + t, token] for t, token in enumerate(ids)])


def sequences(
    vocabulary: int, lengths: Sequence[int], checkpoints: Sequence[tuple[int, ...]], each: int = 6
) -> tuple[list[list[int]], list[Response]]:
    """Prompts of these lengths and random responses, some of them twice and one empty."""
    rng = np.random.default_rng(5)
    prompts = [rng.integers(3, vocabulary, size=length).tolist() for length in lengths]
    responses = [
        Response(
            int(rng.integers(len(prompts))), tuple(rng.integers(3, vocabulary, rng.integers(1, 9)).tolist()), ks
        )
        for ks in checkpoints
        for _ in range(each)
    ]
    return prompts, [*responses, responses[0], Response(0, (), checkpoints[0])]


def largest_error(
    likelihoods: Likelihoods,
    models: Sequence[Any],
    temperature: float,
    prompts: Any,
    responses: Sequence[Response],
) -> float:
    """Over all that was asked for, which must be exactly what comes back."""
    found = {(index, k): loglik_T for index, k, loglik_T in likelihoods.score(prompts, responses)}
    assert found.keys() == {(index, k) for index, one in enumerate(responses) for k in one.checkpoints}
    errors = [0.0]
    for (index, k), loglik_T in found.items():
        one = responses[index]
        expected = reference(models[k], prompts[one.prompt], one.ids, temperature)
        assert loglik_T.shape == expected.shape
        errors.append(float(np.abs(loglik_T - expected).max(initial=0)))
    return max(errors)
