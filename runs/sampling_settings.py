"""How samples are drawn and scored."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Device = Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")]


class SampleSettings(BaseModel):
    """What `sample` is told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    draws: int = Field(default=16, ge=1)
    """Responses to each prompt at each checkpoint."""
    temperature: float = Field(default=1.0, gt=0, le=100)
    """Divides the logits; the distribution is sampled whole, without top-p or top-k."""
    max_new_tokens: int = Field(default=256, ge=1)
    """A response is cut after so many tokens."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed: the same seed gives the same samples on the same machine."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """What runs the model."""
    system: str | None = Field(default=None, min_length=1)
    """A system prompt for the prompts that bring none."""
    device: Device | None = None
    """`cpu`, `cuda` or `cuda:N`, for the engine transformers; by default a GPU where there is one."""


class ScoreSettings(BaseModel):
    """What `score` is told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    band: int | None = Field(default=None, ge=1)
    """Farthest checkpoint from its own that a sample is scored under; by default all up to 32, else 8."""
    device: Device | None = None
    """`cpu`, `cuda` or `cuda:N`; by default a GPU where there is one."""
