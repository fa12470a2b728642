"""Sampling with vLLM: one server holds the base, and every adapter is asked for by name.

vLLM returns likelihoods of the distribution it samples from only when told to (`processed_logprobs`); and it drops
some adapters without a word, so that what they do is tried out first.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from probes.errors import InputError
from runs.adapters import read_adapter, require_fit
from runs.engines import Drawn, Request
from runs.files import shown
from runs.likelihood import Temperature, temperature_each
from runs.models import LanguageModel

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what a server can be made for
_TRIED_PROMPTS, _TRIED_TOKENS = 4, 16


class VllmEngine:
    """outline: of the base, whose weights this process does not load. folders_K: the adapter of each checkpoint,
    None for the base. temperature: divides the logits, at all checkpoints or one for each. max_new_tokens: where a
    response is cut."""

    name = "vllm"

    def __init__(
        self,
        outline: LanguageModel,
        folders_K: Sequence[Path | None],
        temperature: Temperature,
        max_new_tokens: int,
    ) -> None:
        self._outline = outline
        self._folders_K = folders_K
        self._temperature_K = temperature_each(temperature, len(folders_K))
        self._max_new_tokens = max_new_tokens
        self._server: Any = None

    def start(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Raises InputError: no vLLM, or an adapter that does not fit the base or touches its output head."""
        rank = self._checked_rank()
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when it is imported
        try:
            from vllm import LLM
        except ImportError as error:
            raise InputError("--engine vllm needs vLLM: pip install 'orderparam[vllm]'") from error
        adapters = {"enable_lora": True, "max_lora_rank": rank, "max_loras": 1} if rank else {}
        on_cpu = _runs_on_cpu()
        self._server = LLM(
            model=self._outline.folder,
            dtype="float32" if on_cpu else "bfloat16",
            enforce_eager=on_cpu,  # compiling takes longer there than it saves
            max_model_len=max(map(len, prompts)) + self._max_new_tokens,
            logprobs_mode="processed_logprobs",
            generation_config="vllm",  # not the penalties and cuts that a model folder may ask for
            **adapters,
        )
        return [_ignored(shown(folder)) for folder in self._without_effect(prompts)]

    def sample(self, checkpoint: int, requests: Sequence[Request]) -> list[Drawn]:
        folder, temperature = self._folders_K[checkpoint], self._temperature_K[checkpoint]
        return self._drawn(folder, requests, temperature, self._max_new_tokens)

    def _drawn(
        self, folder: Path | None, requests: Sequence[Request], temperature: float, max_new_tokens: int
    ) -> list[Drawn]:
        """folder: of the adapter, None is the base."""
        from vllm import SamplingParams
        from vllm.lora.request import LoRARequest

        adapter = None
        if folder is not None:
            number = 1 + self._folders_K.index(folder)
            adapter = LoRARequest(f"adapter{number}", number, str(folder.resolve()))
        settings = [
            SamplingParams(
                temperature=temperature,
                top_p=1.0,
                top_k=0,
                min_p=0.0,
                seed=request.seed,
                max_tokens=max_new_tokens,
                stop_token_ids=list(self._outline.end_ids),
                logprobs=0,  # of the sampled token alone
                detokenize=False,
            )
            for request in requests
        ]
        prompts = [{"prompt_token_ids": list(request.prompt_ids)} for request in requests]
        results = self._server.generate(prompts, settings, lora_request=adapter, use_tqdm=False)
        return [_as_drawn(result.outputs[0]) for result in results]

    def _without_effect(self, prompts: Sequence[Sequence[int]]) -> list[Path]:
        """Adapters that change nothing: the base's answers, with the very same likelihoods."""
        chosen = [tuple(ids) for ids in prompts[:: max(1, len(prompts) // _TRIED_PROMPTS)]]
        requests = [Request(ids, seed) for seed, ids in enumerate(chosen)]
        base = self._drawn(None, requests, 1.0, _TRIED_TOKENS)
        adapters = dict.fromkeys(folder for folder in self._folders_K if folder is not None)
        return [folder for folder in adapters if self._drawn(folder, requests, 1.0, _TRIED_TOKENS) == base]

    def _checked_rank(self) -> int:
        """The rank that a server must be made for; 0 without adapters."""
        model = self._outline.model
        head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
        refused = {name for name, part in model.named_modules() if part is head or part is embeddings}
        rank = 0
        for folder in dict.fromkeys(self._folders_K):
            if folder is None:
                continue
            adapter = read_adapter(folder)
            require_fit(adapter, model, self._outline.name)
            touched = sorted(adapter.modules & refused)
            if touched:
                raise InputError(
                    f"{shown(folder)}: the adapter changes {shown(touched[0])}, which vLLM leaves out of "
                    "likelihoods without a word; use --engine transformers"
                )
            rank = max(rank, adapter.rank)
        if rank > _RANKS[-1]:
            raise InputError(
                f"an adapter of rank {rank} is more than vLLM's {_RANKS[-1]}; use --engine transformers"
            )
        return next(one for one in _RANKS if one >= rank) if rank else 0


def _as_drawn(output: Any) -> Drawn:
    ids = tuple(int(token) for token in output.token_ids)
    logprob = sum(by_token[token].logprob for token, by_token in zip(ids, output.logprobs, strict=True))
    return Drawn(ids, "stop" if output.finish_reason == "stop" else "length", float(logprob))


def _ignored(folder: str) -> str:
    return (
        f"vLLM answers with the adapter {folder} exactly as without it, likelihoods included: "
        "it ignores the adapter, or the adapter changes nothing"
    )


def _runs_on_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())
