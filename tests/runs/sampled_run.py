"""Runs of a tiny model with adapters: small enough to sample in a second, or to enumerate all that it can say."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from probes.prompt import Prompt
from probes.scale import FloatArray
from runs.directory import Run
from runs.manifest import Control
from tests.runs.tiny_models import byte_tokenizer, save_adapter, save_model, word_tokenizer

WORDS = ("yes", "no", "why")
END = 0  # the id of the end token
PROMPTS = [Prompt("short", "a", "yes"), Prompt("long", "a", "why no why yes no"), Prompt("other", "", "no no")]


def begin_run(
    folder: Path, *, words: bool = False, checkpoints: int = 3, scale: float = 0.1, width: int = 32
) -> Run:
    """A run of a llama, the base and adapters on its late layers. words: whether WORDS are all it can say."""
    base = folder / "base"
    if not base.is_dir():
        save_model(base, "llama", word_tokenizer(WORDS) if words else byte_tokenizer(), layers=3, width=width)
    names = [None, *(f"checkpoints/{number}" for number in range(1, checkpoints))]
    run = Run.begin(
        folder / "run",
        control=Control(name="step", values=list(range(checkpoints))),
        seed=0,
        name="tiny",
        model=str(base),
        adapters=names,
    )
    for number, name in enumerate(names):
        if name is not None:
            save_adapter(run.path / name, base, seed=number, layers=[1, 2], scale=scale)
    record_adapters(run)
    return run


def record_adapters(run: Run) -> None:
    """What fine-tuning does when its adapters are written."""
    with run.locked():
        run.record_stage("finetune", sorted(run.path.glob("checkpoints/*/adapter_*")))


class Heard:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps: list[int] = []
        self.notes: list[str] = []

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))
        self.steps.append(0)

    def advance(self, steps: int = 1) -> None:
        self.steps[-1] += steps

    def status(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        self.notes.append(text)


def all_outputs(longest: int) -> list[tuple[int, ...]]:
    """Every response that the words allow: ended by the end token, or cut after `longest` tokens."""
    words = range(1, 1 + len(WORDS))
    ended = [(*begun, END) for n in range(longest) for begun in itertools.product(words, repeat=n)]
    return [*ended, *itertools.product(words, repeat=longest)]


def exact_logliks(
    model: Any, prompt: Sequence[int], outputs: Sequence[Sequence[int]], temperature: float
) -> FloatArray:
    """log P of each output [O], by single passes in the model's own precision."""
    import torch

    logliks = []
    for ids in outputs:
        with torch.no_grad():
            logits_TV = model(torch.tensor([[*prompt, *ids]])).logits[0].double().numpy()
        loglik_TV = special.log_softmax(logits_TV / temperature, axis=1)
        logliks.append(sum(loglik_TV[len(prompt) - 1 + t, token] for t, token in enumerate(ids)))
    return np.array(logliks)
