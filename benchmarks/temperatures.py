"""What does one pass for all temperatures save against a pass for each, and are the likelihoods the same?

    python -m benchmarks.temperatures            SmolLM2 on the CPU, about a minute and a half of CPU time

Needs the backend. Responses of SmolLM2 are scored at eight temperatures, once together and once temperature by
temperature, both in the way that a run is scored; seconds are CPU seconds, on one thread. Writes
results/temperatures.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.backend import SEED, SYSTEM, in_turns, machine, score
from probes.prompt_sets import prompt_set
from runs.adapters import attach
from runs.engines import Request
from runs.engines.transformers_engine import TransformersEngine
from runs.likelihood import Likelihoods, Response, Way
from runs.models import load_model

TEMPERATURES = tuple(round(0.2 * step, 1) for step in range(1, 9))
WAY = Way(trunk=0, prompts=True, head=True)
BATCH_TOKENS = 512
AGREE = 1e-5
"""Nats by which likelihoods of a token may differ."""


def measured(
    model: str = "smollm2", prompts: int = 8, draws: int = 4, max_new_tokens: int = 24, repeats: int = 3
) -> dict[str, Any]:
    """Seconds of both ways, their ratio, and by how much the likelihoods of a token differ."""
    torch.set_num_threads(1)
    language_model = load_model(model, device="cpu")
    base = attach(language_model, [{}])
    texts = [prompt.text for prompt in prompt_set("everyday_advice").prompts[:prompts]]
    ids_P = [tuple(language_model.prompt_ids(t, [SYSTEM, {"role": "user", "content": t}])) for t in texts]
    engine = TransformersEngine(base, 1.0, max_new_tokens)
    engine.start(ids_P)
    requests = [Request(ids, SEED + index) for index, ids in enumerate(ids_P * draws)]
    drawn = [one.token_ids for one in engine.sample(0, requests)]

    checkpoints = tuple(range(len(TEMPERATURES)))
    together = Likelihoods(attach(language_model, [{} for _ in TEMPERATURES]), TEMPERATURES, WAY, BATCH_TOKENS)
    each_K = [Likelihoods(base, temperature, WAY, BATCH_TOKENS) for temperature in TEMPERATURES]
    at_all = [Response(index % prompts, ids, checkpoints) for index, ids in enumerate(drawn)]
    at_one = [Response(one.prompt, one.ids, (0,)) for one in at_all]
    found = {(index, k): loglik_T for index, k, loglik_T in together.score(ids_P, at_all)}
    differences = [
        np.abs(found[index, k] - loglik_T).max()
        for k, one in enumerate(each_K)
        for index, _, loglik_T in one.score(ids_P, at_one)
    ]
    if len(differences) != len(found) or max(differences) > AGREE:
        raise SystemExit(f"the two ways differ by {max(differences)} nats a token: nothing to time")
    seconds, each_seconds = in_turns(
        lambda: score(together, ids_P, at_all),
        lambda: [score(one, ids_P, at_one) for one in each_K],
        repeats,
        "cpu",
    )
    return {
        **machine(),
        "model": model,
        "temperatures": list(TEMPERATURES),
        "responses": len(drawn),
        "tokens": sum(map(len, drawn)),
        "largest_difference_a_token": float(max(differences)),
        "seconds_one_pass": round(seconds, 2),
        "seconds_a_pass_each": round(each_seconds, 2),
        "ratio": round(each_seconds / seconds, 2),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="of each timing; the median counts")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "temperatures.json")
    options = parser.parse_args(arguments)
    text = json.dumps(measured(repeats=options.repeats), indent=1) + "\n"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
