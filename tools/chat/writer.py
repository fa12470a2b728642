"""Writing with a model in process, token by token: freely, by given text, or by choosing among texts."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from runs.decoder import Decoder, rows_of

if TYPE_CHECKING:
    from runs.models import LanguageModel


class Stopped(Exception):
    """Whoever asked is gone."""


class Writer:
    """A text that a model is writing after a prompt. temperature: 0 takes the likeliest. most: tokens in all."""

    def __init__(
        self,
        model: "LanguageModel",
        prompt_ids: Sequence[int],
        most: int,
        temperature: float,
        seed: int,
        stop: threading.Event,
    ) -> None:
        self.written = 0
        self._model = model
        self._most = most
        self._temperature = temperature
        self._random = np.random.default_rng(seed)
        self._stop = stop
        self._decoder = Decoder(model.model, logits=True)
        self._cache = self._decoder.new_cache()
        self._length = 0
        self._next_V = self._logprobs_after(prompt_ids)

    @property
    def left(self) -> int:
        """Tokens that may still be written."""
        return self._most - self.written

    def write(self, text: str) -> None:
        """Goes on as if the model had written this."""
        ids = self._model.response_ids(text)
        if ids:
            self._next_V = self._logprobs_after(ids)
            self.written += len(ids)

    def write_freely(self) -> tuple[str, bool]:
        """What the model writes until it ends, and whether it did before the tokens ran out."""
        ids: list[int] = []
        while self.left > 0:
            token = self._drawn(self._next_V)
            if token in self._model.end_ids:
                return self._model.text(ids), True
            ids.append(token)
            self._next_V = self._logprobs_after([token])
            self.written += 1
        return self._model.text(ids), False

    def write_until(self, end: str, most: int) -> str:
        """What the model writes before `end`, a character, or before it ends, at most so many tokens."""
        ids: list[int] = []
        text = ""
        for _ in range(min(most, self.left)):
            token = self._drawn(self._next_V)
            longer = self._model.text([*ids, token])
            if token in self._model.end_ids or end in longer[len(text) :]:
                last = longer[len(text) :].partition(end)[0] if token not in self._model.end_ids else ""
                self.write(last)
                return text + last
            ids.append(token)
            text = longer
            self._next_V = self._logprobs_after([token])
            self.written += 1
        return text

    def logprobs_of(self, texts: Sequence[str]) -> list[float]:
        """Log-probabilities of going on with each of the texts, normalised over them."""
        scores = np.array([self._logprob(self._model.response_ids(text)) for text in texts])
        logprobs: list[float] = (scores - np.logaddexp.reduce(scores)).tolist()
        return logprobs

    def choose(self, logprobs: Sequence[float]) -> int:
        """An index, drawn by these log-probabilities; the likeliest at temperature 0."""
        return self._drawn(np.asarray(logprobs))

    def _drawn(self, logprobs: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> int:
        if self._temperature == 0:
            return int(np.argmax(logprobs))
        gumbel = self._random.gumbel(size=len(logprobs))  # the largest of these is a draw
        return int(np.argmax(logprobs / self._temperature + gumbel))

    def _logprob(self, ids: Sequence[int]) -> float:
        import torch

        total = float(self._next_V[ids[0]])
        if len(ids) == 1:
            return total
        zero = torch.zeros(1, dtype=torch.long, device=self._model.device)
        after_TV = self._logprobs(ids[:-1], rows_of(self._cache, zero))
        return total + float(sum(after_TV[t, token] for t, token in enumerate(ids[1:])))

    def _logprobs_after(self, ids: Sequence[int]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        """Log-probabilities [V] of what follows these tokens, which the text is longer by from now on."""
        logprobs_TV = self._logprobs(ids, self._cache, last=1)
        self._length += len(ids)
        last_V: np.ndarray[tuple[int], np.dtype[np.float64]] = logprobs_TV[-1]
        return last_V

    def _logprobs(
        self, ids: Sequence[int], cache: object, last: int | None = None
    ) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        import torch

        if self._stop.is_set():
            raise Stopped
        with torch.inference_mode():
            ids_RT = torch.tensor([list(ids)], device=self._model.device)
            end = self._length + len(ids)
            positions_RT = torch.arange(self._length, end, device=self._model.device)[None]
            mask_RC = torch.ones(1, end, dtype=torch.long, device=self._model.device)
            logits_TV: torch.Tensor = self._decoder.states(ids_RT, positions_RT, mask_RC, cache, last)[0]
            logprobs: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
                torch.log_softmax(logits_TV.double(), dim=-1).cpu().numpy()
            )
        return logprobs
