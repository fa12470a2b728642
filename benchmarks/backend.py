"""How fast a model's checkpoints are sampled and scored, against what one would write without thinking.

    python -m benchmarks.backend                 SmolLM2 on the CPU, about five minutes on two idle cores
    python -m benchmarks.backend --part gpu      a model of 7 billion parameters with random weights, on a GPU

Needs the backend; the GPU part needs no network and no weights. Every part checks that both ways give the same
likelihoods before it times them, in turns, and writes results/backend-PART.json.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from probes.prompt_sets import prompt_set
from probes.scale import FloatArray
from runs.adapters import AdaptedModel, alone, attach
from runs.engines import Drawn, Request
from runs.engines.transformers_engine import TransformersEngine
from runs.likelihood import Likelihoods, Response, Way, checked_likelihoods
from runs.models import LanguageModel, load_model

SEED = 20250828
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
PLAIN_BATCH = 16
SCORING_AIM, SAMPLING_AIM = 2.0, 1.5  # times as fast as the plain way, on the CPU
PEAK_AIM, MEMORY_AIM = 0.5, 1.2  # share of the bf16 peak; memory over that of the weights
PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16, as the maker says."""


@dataclass(frozen=True)
class Size:
    """A model with random weights, and what it is to score. late: share of the layers that the adapters touch."""

    width: int
    inner: int
    layers: int
    heads: int
    key_heads: int
    vocabulary: int
    prompts: int
    prompt_tokens: int
    draws: int
    response_tokens: int
    late: float = 0.25


SEVEN_BILLION = Size(3584, 18944, 28, 28, 4, 152_064, 32, 128, 32, 256)
TINY = Size(32, 64, 4, 4, 2, 500, 3, 9, 4, 12)


# The plain ways


def plain_scoring(
    language_model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Response],
    temperature: float,
) -> FloatArray:
    """Sums of token log-likelihoods [N]: whole sequences in batches of 16 as they come, all logits kept."""
    device, pad_id = language_model.device, language_model.pad_id
    sums: list[float] = []
    for start in range(0, len(responses), PLAIN_BATCH):
        batch = responses[start : start + PLAIN_BATCH]
        rows = [[*prompts[one.prompt], *one.ids] for one in batch]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [pad_id] * (longest - len(row)) for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
        with torch.inference_mode():
            logits = language_model.model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
            loglik = torch.log_softmax(logits[:, :-1] / temperature, dim=-1).gather(2, ids[:, 1:, None])[..., 0]
        for row, one in zip(loglik, batch, strict=True):
            first = len(prompts[one.prompt]) - 1
            sums.append(float(row[first : first + len(one.ids)].double().sum()))
    return np.array(sums)


def plain_sampling(
    language_model: LanguageModel, rows: Sequence[Sequence[int]], temperature: float, max_new_tokens: int
) -> int:
    """Tokens of the responses that `generate` gives to all rows at once, padded on the left."""
    longest = max(map(len, rows))
    pad_id, device = language_model.pad_id, language_model.device
    ids = torch.tensor([[pad_id] * (longest - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    with torch.inference_mode():
        generated = language_model.model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=max_new_tokens,
            eos_token_id=list(language_model.end_ids),
            pad_token_id=pad_id,
        )
    tokens = 0
    for response in generated[:, longest:].tolist():
        end = next((place for place, token in enumerate(response) if token in language_model.end_ids), None)
        tokens += len(response) if end is None else end + 1
    return tokens


# Measured against ours


def score(likelihoods: Likelihoods, prompts: Sequence[Sequence[int]], responses: Sequence[Response]) -> FloatArray:
    """Sums of token log-likelihoods [N, checkpoints asked for]; a few batches a call, as a run does."""
    loglik_NK = np.empty((len(responses), len(responses[0].checkpoints)))
    place = {checkpoint: column for column, checkpoint in enumerate(responses[0].checkpoints)}
    tokens = np.cumsum([len(one.ids) for one in responses])
    groups = np.flatnonzero(np.diff(tokens // (8 * likelihoods.batch_tokens), prepend=0)).tolist()
    for start, stop in zip([0, *groups], [*groups, len(responses)], strict=True):
        used = sorted({one.prompt for one in responses[start:stop]})
        mine = [Response(used.index(one.prompt), one.ids, one.checkpoints) for one in responses[start:stop]]
        for index, checkpoint, loglik_T in likelihoods.score([prompts[prompt] for prompt in used], mine):
            loglik_NK[start + index, place[checkpoint]] = loglik_T.sum()
    return loglik_NK


def in_turns(
    ours: Callable[[], object], plain: Callable[[], object], repeats: int, device: str
) -> tuple[float, float]:
    """Median seconds of both, measured in turns; on the CPU those of this process alone, on one thread."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    taken: list[list[float]] = [[], []]
    for _ in range(repeats):
        for seconds, call in zip(taken, (ours, plain), strict=True):
            start = clock()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(clock() - start)
    return float(np.median(taken[0])), float(np.median(taken[1]))


def scoring_rows(
    checkpoints: AdaptedModel,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Response],
    temperature: float,
    repeats: int,
) -> dict[str, Any]:
    """Our scoring of the base against the plain one: agreement in nats a token, tokens a second, ratio."""
    base = [Response(one.prompt, one.ids, (0,)) for one in responses]
    likelihoods, notes = checked_likelihoods(checkpoints, temperature, prompts[:4], [[5] * 8] * len(prompts[:4]))
    with checkpoints.use(0) as language_model:
        expected_N = plain_scoring(language_model, prompts, base, temperature)
    lengths = np.array([len(one.ids) for one in base])
    error = float((np.abs(score(likelihoods, prompts, base)[:, 0] - expected_N) / lengths).max())
    tolerance = 1e-3 if language_model.dtype == torch.float32 else 0.25
    if error > tolerance:
        raise SystemExit(f"the two ways of scoring differ by {error} nats a token: nothing to time")

    def plain() -> None:
        with checkpoints.use(0) as base_model:
            plain_scoring(base_model, prompts, base, temperature)

    device = language_model.device.type
    seconds, plain_seconds = in_turns(lambda: score(likelihoods, prompts, base), plain, repeats, device)
    return {
        "way": str(likelihoods.way),
        "notes": notes,
        "largest_difference_a_token": error,
        "tokens": int(lengths.sum()),
        "distinct_responses": len({(one.prompt, one.ids) for one in base}),
        "tokens_a_second": round(int(lengths.sum()) / seconds, 1),
        "plain_tokens_a_second": round(int(lengths.sum()) / plain_seconds, 1),
        "ratio": round(plain_seconds / seconds, 2),
    }


def sampling_rows(
    checkpoints: AdaptedModel,
    prompts: Sequence[tuple[int, ...]],
    draws: int,
    temperature: float,
    max_new_tokens: int,
    repeats: int,
) -> tuple[dict[str, Any], list[Drawn]]:
    """Our sampling against `generate`, in tokens a second: the two draw different samples."""
    engine = TransformersEngine(checkpoints, temperature, max_new_tokens)
    engine.start(prompts)
    requests = [
        Request(ids, SEED + 1000 * prompt + draw) for prompt, ids in enumerate(prompts) for draw in range(draws)
    ]
    rows = [request.prompt_ids for request in requests]
    drawn: list[Drawn] = []
    tokens: list[int] = []

    def ours() -> None:
        drawn[:] = engine.sample(0, requests)

    def plain() -> None:
        with checkpoints.use(0) as language_model:
            tokens.append(plain_sampling(language_model, rows, temperature, max_new_tokens))

    torch.manual_seed(SEED)
    seconds, plain_seconds = in_turns(ours, plain, repeats, checkpoints.language_model.device.type)
    speed = sum(len(one.token_ids) for one in drawn) / seconds
    plain_speed = float(np.median(tokens)) / plain_seconds
    result = {
        "rows": len(rows),
        "tokens": sum(len(one.token_ids) for one in drawn),
        "tokens_a_second": round(speed, 1),
        "plain_tokens_a_second": round(plain_speed, 1),
        "ratio": round(speed / plain_speed, 2),
    }
    return result, drawn


# The parts


def cpu_part(
    repeats: int = 3, model: str = "smollm2", draws: int = 16, max_new_tokens: int = 24
) -> dict[str, Any]:
    """8 prompts x 16 draws x 24 tokens of SmolLM2 at temperature 0.7, in float32; seconds are CPU seconds."""
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    checkpoints = attach(load_model(model, device="cpu"), [{}])
    language_model = checkpoints.language_model
    texts = [prompt.text for prompt in prompt_set("everyday_advice").prompts[:8]]
    prompts = [tuple(language_model.prompt_ids(t, [SYSTEM, {"role": "user", "content": t}])) for t in texts]
    sampling, drawn = sampling_rows(checkpoints, prompts, draws, 0.7, max_new_tokens, repeats)
    responses = [Response(index // draws, one.token_ids, (0,)) for index, one in enumerate(drawn)]
    scoring = scoring_rows(checkpoints, prompts, responses, 0.7, repeats)
    return {
        **machine(),
        "load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)],
        "threads": 1,
        "scoring": {**scoring, "aim": SCORING_AIM, "held": scoring["ratio"] >= SCORING_AIM},
        "sampling": {**sampling, "aim": SAMPLING_AIM, "held": sampling["ratio"] >= SAMPLING_AIM},
    }


def gpu_part(size: Size = SEVEN_BILLION, device: str = "cuda", repeats: int = 3) -> dict[str, Any]:
    """Scoring and sampling of a model with random weights: share of the bf16 peak, memory, the trunk."""
    rng = np.random.default_rng(SEED)
    prompts = [tuple(rng.integers(9, size.vocabulary, size.prompt_tokens).tolist()) for _ in range(size.prompts)]
    responses = [
        Response(prompt, tuple(rng.integers(9, size.vocabulary, length).tolist()), (0, 1, 2))
        for prompt in range(size.prompts)
        for length in rng.integers(size.response_tokens // 4, size.response_tokens + 1, size.draws)
    ]
    language_model = random_model(size, device)
    weights = sum(one.numel() * one.element_size() for one in language_model.model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        late = range(round((1 - size.late) * size.layers), size.layers)
        adapters = [late_adapter(language_model, Path(folder) / str(number), list(late)) for number in (1, 2)]
        checkpoints = attach(language_model, map(alone, [None, *adapters]))
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    likelihoods, _ = checked_likelihoods(checkpoints, 1.0, prompts[:2], [[5] * 8] * 2)
    score(likelihoods, prompts, responses)
    memory = torch.cuda.max_memory_allocated() / weights if device == "cuda" else None
    scoring = scoring_rows(checkpoints, prompts, responses, 1.0, repeats)
    without = Likelihoods(checkpoints, 1.0, Way(0, prompts=True, head=True), likelihoods.batch_tokens)
    seconds, without_seconds = in_turns(
        lambda: score(likelihoods, prompts, responses), lambda: score(without, prompts, responses), repeats, device
    )
    few = [Request(ids, seed) for seed, ids in enumerate(prompts)]
    sampling, _ = sampling_rows(
        checkpoints,
        [one.prompt_ids for one in few],
        max(1, size.draws // 4),
        1.0,
        size.response_tokens // 2,
        repeats,
    )
    peak = peak_flops(device)
    share = None if peak is None else float(scoring["tokens_a_second"] * flops_per_token(size) / peak)
    return {
        **machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "precision": str(language_model.dtype).removeprefix("torch."),
        "parameters": sum(one.numel() for one in language_model.model.parameters()),
        "vocabulary": size.vocabulary,
        "batch_tokens": likelihoods.batch_tokens,
        "scoring": {
            **scoring,
            "share_of_peak": share,
            "aim": PEAK_AIM,
            "held": share is not None and share >= PEAK_AIM,
        },
        "memory": {"over_weights": memory, "aim": MEMORY_AIM, "held": memory is not None and memory < MEMORY_AIM},
        "trunk": {
            "shared_layers": likelihoods.way.trunk,
            "layers": size.layers,
            "checkpoints": 3,
            "ratio": round(without_seconds / seconds, 2),
        },
        "sampling": sampling,
    }


def peak_flops(device: str) -> float | None:
    """bf16 operations a second of a GPU that is known."""
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None)


def random_model(size: Size, device: str) -> LanguageModel:
    """A Qwen2 of this size, bfloat16 on a GPU; it has no tokenizer, since ids go in and come out."""
    config = transformers.Qwen2Config(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.key_heads,
        max_position_embeddings=4096,
    )
    torch.manual_seed(SEED)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            model = transformers.Qwen2ForCausalLM(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    tokenizer: Any = None
    return LanguageModel(model, tokenizer, "random", "random", (0,), 0, 0)


def late_adapter(language_model: LanguageModel, folder: Path, layers: list[int]) -> Path:
    """A LoRA adapter of rank 8 with random weights on the down projections of these layers."""
    from safetensors.torch import save_file

    folder.mkdir()
    weights = {}
    for layer in layers:
        outputs, inputs = language_model.model.get_decoder().layers[layer].mlp.down_proj.weight.shape
        name = f"base_model.model.model.layers.{layer}.mlp.down_proj"
        weights[f"{name}.lora_A.weight"] = 0.02 * torch.randn(8, inputs)
        weights[f"{name}.lora_B.weight"] = 0.02 * torch.randn(outputs, 8)
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in weights.items()}, folder / "adapter_model.safetensors"
    )
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 8,
        "lora_alpha": 16,
        "target_modules": ["down_proj"],
        "layers_to_transform": layers,
        "base_model_name_or_path": "random",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def flops_per_token(size: Size) -> float:
    """Multiplications and additions of the matrix products of one token, head included, attention scores not."""
    key_width = size.width * size.key_heads // size.heads
    layer = 2 * size.width * size.width + 2 * size.width * key_width + 3 * size.width * size.inner
    return 2.0 * (size.layers * layer + size.width * size.vocabulary)


def machine() -> dict[str, Any]:
    """Where and with what this ran."""
    names = [line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--repeats", type=int, default=3, help="of each timing; the median counts")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    content = cpu_part(options.repeats) if options.part == "cpu" else gpu_part(repeats=options.repeats)
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content, indent=1) + "\n"
    (options.out / f"backend-{options.part}.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
