"""What draws the samples: an engine holds the checkpoints of a run and answers requests under one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Request:
    """One response wanted. seed: of its own (up to 63 bits), so that it does not depend on what else is drawn."""

    prompt_ids: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Drawn:
    """A response. token_ids: as sampled, with the token that ended it. logprob: of all these tokens, under the
    distribution they were sampled from, in nats."""

    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    logprob: float


class Engine(Protocol):
    """Samples from the full distribution: softmax of logits / temperature, nothing cut off."""

    @property
    def name(self) -> str:
        """As a run records it."""

    def start(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Makes ready for these prompts (token ids), tries itself on some, and returns what the user must know.

        Raises InputError for checkpoints that the engine cannot sample from.
        """

    def sample(self, checkpoint: int, requests: Sequence[Request]) -> list[Drawn]:
        """A response to each request, in their order."""
