"""Sampling with transformers: a prompt's keys and values serve all its draws, and rows that ended are dropped."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from probes.errors import InputError
from runs.checkpoints import Checkpoints
from runs.decoder import Decoder
from runs.engines import Drawn, Request
from runs.head import Head, head_of, whole_logits
from runs.likelihood import PLAIN, Temperature, Way, checked_likelihoods, temperature_each
from runs.models import LanguageModel

if TYPE_CHECKING:
    import torch

_ROWS = {"cpu": 128, "cuda": 512}  # responses that are sampled side by side
_CPU_CACHE_BYTES = 2 << 30
_GPU_CACHE_SHARE = 0.4  # of the memory that is free when a batch begins
_TRIED_PROMPTS = 4
_DROPPED_SHARE = 1 / 16  # rows are dropped once that many have ended, since dropping copies the cache
_ROWS_DRAWN = {"cpu": 16, "cuda": 256}  # rows whose probabilities over the vocabulary are held together


class TransformersEngine:
    """temperature: divides the logits, at all checkpoints or one for each. max_new_tokens: where a response is cut
    ("length")."""

    name = "transformers"

    def __init__(self, checkpoints: Checkpoints, temperature: Temperature, max_new_tokens: int) -> None:
        self._checkpoints = checkpoints
        self._temperature_K = temperature_each(temperature, len(checkpoints))
        self._max_new_tokens = max_new_tokens
        self._way = PLAIN

    def start(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        tried = sorted((ids for ids in prompts if len(ids) > 1), key=len)
        tried = tried[:: max(1, len(tried) // _TRIED_PROMPTS)] or [list(prompts[0]) * 2]
        middles = [(len(ids) + 1) // 2 for ids in tried]
        likelihoods, notes = checked_likelihoods(
            self._checkpoints,
            self._temperature_K,
            [ids[:middle] for ids, middle in zip(tried, middles, strict=True)],
            [ids[middle:] for ids, middle in zip(tried, middles, strict=True)],
            share_trunk=False,
        )
        if not likelihoods.way.prompts:
            raise InputError(f"{'; '.join(notes)}: this engine cannot sample from it; try --engine vllm")
        self._way = likelihoods.way
        return notes

    def sample(self, checkpoint: int, requests: Sequence[Request]) -> list[Drawn]:
        import torch

        order = sorted(
            range(len(requests)), key=lambda index: (len(requests[index].prompt_ids), requests[index].prompt_ids)
        )
        drawn: dict[int, Drawn] = {}
        with self._checkpoints.use(checkpoint) as language_model, torch.inference_mode():
            batch = _Batch(language_model, self._way, self._temperature_K[checkpoint], self._max_new_tokens)
            while order:
                rows = batch.rows_that_fit([len(requests[index].prompt_ids) for index in order])
                chosen, order = order[:rows], order[rows:]
                responses = batch.draw([requests[index] for index in chosen])
                drawn.update(zip(chosen, responses, strict=True))
        return [drawn[index] for index in range(len(requests))]


class _Batch:
    """Responses that are sampled side by side from one checkpoint."""

    def __init__(self, language_model: LanguageModel, way: Way, temperature: float, max_new_tokens: int) -> None:
        self._language_model = language_model
        self._device = language_model.device
        self._temperature = temperature
        self._max_new_tokens = max_new_tokens
        model = language_model.model
        self._decoder = Decoder(model, logits=not way.head)
        self._head: Head = head_of(model) if way.head else whole_logits(language_model.vocabulary_size)

    def rows_that_fit(self, lengths: Sequence[int]) -> int:
        """How many of the first of these (prompt lengths, rising) fit into memory together; one at least."""
        import torch

        if self._device.type == "cuda":
            # What torch keeps for itself after a batch is free for the next one too.
            kept = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
            memory = _GPU_CACHE_SHARE * (torch.cuda.mem_get_info(self._device)[0] + kept)
        else:
            memory = _CPU_CACHE_BYTES
        tokens = memory / self._bytes_per_token()
        fitting = [row for row, n in enumerate(lengths, 1) if row * (n + self._max_new_tokens) <= tokens]
        return max(1, min(len(fitting), _ROWS[self._device.type]))

    def _bytes_per_token(self) -> int:
        settings = self._language_model.model.config.get_text_config()
        heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
        size = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
        return int(2 * settings.num_hidden_layers * heads * size * self._language_model.dtype.itemsize)

    def draw(self, requests: Sequence[Request]) -> list[Drawn]:
        """A response to each request."""
        prompts = sorted({request.prompt_ids for request in requests})
        index = {ids: number for number, ids in enumerate(prompts)}
        cached = self._decoder.prefill(prompts, self._language_model.pad_id)
        cached = cached.rows(self._tensor([index[request.prompt_ids] for request in requests]))
        uniform_RT = np.stack([np.random.default_rng(one.seed).random(self._max_new_tokens) for one in requests])
        responses: list[list[int]] = [[] for _ in requests]
        logprobs = [0.0] * len(requests)
        alive = list(range(len(requests)))
        last_R = self._tensor([request.prompt_ids[-1] for request in requests])
        ended: set[int] = set()
        for step in range(self._max_new_tokens):
            states_RD = self._decoder.after(cached, last_R[:, None])[:, 0]
            cached = cached.extended(1)
            last_R, loglik_R = self._choose(states_RD, uniform_RT[alive, step])
            for row, token, loglik in zip(alive, last_R.tolist(), loglik_R.tolist(), strict=True):
                if row not in ended:
                    responses[row].append(token)
                    logprobs[row] += loglik
                    if token in self._language_model.end_ids:
                        ended.add(row)
            kept = [position for position, row in enumerate(alive) if row not in ended]
            if not kept:
                break
            if len(alive) - len(kept) >= max(1, _DROPPED_SHARE * len(alive)):
                alive = [alive[position] for position in kept]
                cached, last_R = cached.rows(self._tensor(kept)), last_R[self._tensor(kept)]
        return [
            Drawn(tuple(ids), "stop" if row in ended else "length", logprobs[row])
            for row, ids in enumerate(responses)
        ]

    def _choose(
        self, states_RD: "torch.Tensor", uniform_R: NDArray[np.float64]
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """A token for each row, where its cumulative distribution passes `uniform_R`, and its log-likelihood."""
        import torch

        chosen, logliks = [], []
        rows = _ROWS_DRAWN[self._device.type]
        for states, uniform in zip(states_RD.split(rows), self._tensor(uniform_R).split(rows), strict=True):
            logits_RV = self._head.logits(states, 0, self._head.vocabulary)
            loglik_RV = torch.log_softmax(logits_RV.div_(self._temperature), dim=-1)
            cumulative_RV = loglik_RV.exp().cumsum(dim=-1, dtype=torch.float64)
            point_R1 = (uniform * cumulative_RV[:, -1])[:, None]
            token_R1 = torch.searchsorted(cumulative_RV, point_R1, right=True).clamp(max=self._head.vocabulary - 1)
            chosen.append(token_R1[:, 0])
            logliks.append(loglik_RV.gather(1, token_R1)[:, 0])
        return torch.cat(chosen), torch.cat(logliks).double()

    def _tensor(self, values: list[int] | NDArray[np.float64]) -> "torch.Tensor":
        import torch

        return torch.as_tensor(values, device=self._device)
