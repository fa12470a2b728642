"""How a model is fine-tuned: settings, the learning rate of each step, and the steps that become checkpoints."""

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from probes.errors import InputError
from runs.files import shown

ALL_LINEAR = "all-linear"


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class FinetuneSettings(BaseModel):
    """What `finetune` is told. Steps are optimizer steps, counted from 1; step 0 is the base model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rank: int = Field(default=8, ge=1, le=4096)
    """Rank of the LoRA factors."""
    alpha: float = Field(default=16.0, gt=0)
    """LoRA's alpha: the change is scaled by alpha / rank, or by alpha / sqrt(rank) with rsLoRA."""
    rslora: bool = False
    """Scale by the square root of the rank."""
    targets: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = Field(
        default=(ALL_LINEAR,), min_length=1
    )
    """Names of the matrices that are adapted, such as `down_proj`; `all-linear`: all matrices of the layers."""
    layer: int | None = Field(default=None, ge=0)
    """Adapt this decoder layer only, counted from 0."""
    learning_rate: float = Field(default=1e-4, gt=0, le=10)
    """Learning rate after the warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """What the learning rate does after the warm-up: stay, or fall towards 0 at the end."""
    warmup: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps; by default as many as `epochs` make."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the data, where `steps` is not given."""
    batch: int = Field(default=8, ge=1)
    """Examples of one forward and backward pass."""
    accumulation: int = Field(default=1, ge=1)
    """Such passes of one optimizer step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's weight decay."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient; a larger one is scaled down to it. The log has the norm before that."""
    checkpoints: str = Field(default="early:12", min_length=1)
    """Steps that are kept: `every:N`, `early:N` (about N, denser in the beginning), or a list: `1,2,4,8`."""
    max_tokens: int | None = Field(default=None, ge=2)
    """Most tokens of an example; a longer one is refused. By default what the model's context holds."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, more time."""
    system: str | None = Field(default=None, min_length=1)
    """A system prompt for the examples that bring none."""
    prompt_field: str | None = Field(default=None, min_length=1)
    """Field that holds the prompt, where guessing would be wrong."""
    response_field: str | None = Field(default=None, min_length=1)
    """Field that holds the response."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of the adapter's beginning and of the order of the data: the same seed gives the same adapters."""

    def steps_for(self, examples: int) -> int:
        """Optimizer steps over this many examples."""
        return self.steps or math.ceil(self.epochs * examples / (self.batch * self.accumulation))

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step (from 1) of so many; it would be 0 right after the last one, unless constant."""
        if step <= self.warmup:
            return self.learning_rate * step / self.warmup
        done = (step - 1 - self.warmup) / (steps - self.warmup)
        falling = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.learning_rate * falling[self.schedule]


def checkpoint_steps(spec: str, steps: int) -> list[int]:
    """The steps that become checkpoints, rising: 0, those of `spec` (see `FinetuneSettings`), and the last one.

    Raises InputError that names the flag and what would be right.
    """
    kind, colon, count = spec.partition(":")
    if colon and kind in ("every", "early") and count.isdecimal() and int(count) > 0:
        number = int(count)
        early = np.unique(np.geomspace(1, steps, min(number, steps)).round()).astype(int).tolist()
        inner = range(number, steps, number) if kind == "every" else early
    else:
        parts = [part.strip() for part in spec.split(",")]
        if not all(part.isascii() and part.isdecimal() for part in parts):
            raise InputError(f"--checkpoints {shown(spec)}: give every:N, early:N, or steps such as 1,2,4,8")
        inner = [int(part) for part in parts]
        if max(inner) > steps:
            raise InputError(f"--checkpoints {shown(spec)}: step {max(inner)} is past the last one, {steps}")
    return sorted({0, *inner, steps})
