"""Log-likelihoods of sampled tokens under many checkpoints of one model.

What is shared is computed once: a prompt's keys and values for all its responses (per checkpoint), the layers
below the first one that any adapter touches (for all checkpoints), and a response that was drawn twice. A way of
sharing is held against plain passes of single sequences before it is relied on.

Source: Method, section 1 (cross log-likelihoods). The temperature divides the logits, as it did in sampling.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from probes.errors import InputError
from runs.decoder import Decoder, PromptCache, recorded, replayed
from runs.files import shown
from runs.head import head_of, token_logliks, whole_logits, wide

if TYPE_CHECKING:
    import torch

    from runs.adapters import AdaptedModel

TokenArray = NDArray[np.float64]
_Result = TypeVar("_Result")

BATCH_TOKENS = {"cpu": 512, "cuda": 4096}
"""Tokens that go through the layers together; larger batches are no faster."""

_CACHED_PER_TOKEN = 4  # a batch may use that many cached tokens for each of its own
_LOGITS_SHARE = 8  # a batch is that much smaller where its logits are kept whole
_TOLERANCE = {"float64": 1e-6, "float32": 1e-3}  # nats a token
_TOLERANCE_HALF = 0.25  # in half precision rounding alone does that
_PROBE_PROMPT, _PROBE_RESPONSE = 48, 8  # tokens of the sequences that a way is tried on
_PROMPTS = -1  # key of the prompts among the recorded batches


@dataclass(frozen=True)
class Response:
    """Sampled token ids after a prompt (by index), the end token included where it was sampled.

    checkpoints: those to score it under, rising.
    """

    prompt: int
    ids: tuple[int, ...]
    checkpoints: tuple[int, ...]


@dataclass(frozen=True)
class Way:
    """What is shared. trunk: how many layers are computed once for all checkpoints. prompts: whether a prompt's
    keys and values serve all its responses. head: whether logits are computed slice by slice."""

    trunk: int
    prompts: bool
    head: bool


PLAIN = Way(trunk=0, prompts=False, head=False)


@dataclass(eq=False)
class _Known:
    """What the first checkpoint of a call has computed for the others. states: of the trunk's end, by batch."""

    states: "dict[int, torch.Tensor]" = field(default_factory=dict)
    prompts: PromptCache | None = None


class Likelihoods:
    """Scores responses under the checkpoints of `adapted`, in the way that `checked_likelihoods` chooses."""

    def __init__(
        self, adapted: "AdaptedModel", temperature: float, way: Way, batch_tokens: int | None = None
    ) -> None:
        self.way = way
        self.batch_tokens = batch_tokens or BATCH_TOKENS.get(adapted.lm.device.type, BATCH_TOKENS["cuda"])
        self._adapted = adapted
        self._temperature = temperature
        model = adapted.lm.model
        self._decoder = Decoder(model, logits=not way.head)
        self._head = head_of(model) if way.head else whole_logits(model.config.get_text_config().vocab_size)
        self._most_tokens = self.batch_tokens if way.head else max(1, self.batch_tokens // _LOGITS_SHARE)
        self._trunk = self._decoder.layers[: way.trunk]

    def score(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Response]
    ) -> Iterator[tuple[int, int, TokenArray]]:
        """Index of a response, checkpoint, and log-likelihood of each of its tokens in nats, for all asked for.

        prompts: token ids, at least one each. All of a call share the memory: hand in a few batches a call.
        """
        alike: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, response in enumerate(responses):
            alike.setdefault((response.prompt, response.ids), []).append(index)
        unique = [
            Response(prompt, ids, tuple(sorted({k for index in same for k in responses[index].checkpoints})))
            for (prompt, ids), same in alike.items()
        ]
        for response, checkpoint, loglik_T in self._score_unique(prompts, unique):
            for index in alike[response.prompt, response.ids]:
                if checkpoint in responses[index].checkpoints:
                    yield index, checkpoint, loglik_T

    def _score_unique(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Response]
    ) -> Iterator[tuple[Response, int, TokenArray]]:
        for response in responses:
            if not response.ids:  # nothing was sampled: probability 1
                yield from ((response, checkpoint, np.zeros(0)) for checkpoint in response.checkpoints)
        batches = self._batches(prompts, [response for response in responses if response.ids])
        known = _Known()
        for checkpoint in sorted({k for batch in batches for k in batch[0].checkpoints}):
            mine = {number: batch for number, batch in enumerate(batches) if checkpoint in batch[0].checkpoints}
            with self._adapted.use(checkpoint):
                logliks = self._score_batches(prompts, mine, known)
            for batch, loglik_N in zip(mine.values(), logliks, strict=True):
                ends = np.cumsum([len(response.ids) for response in batch])
                pieces = np.split(loglik_N.double().cpu().numpy(), ends[:-1])
                yield from ((one, checkpoint, loglik_T) for one, loglik_T in zip(batch, pieces, strict=True))

    def _batches(self, prompts: Sequence[Sequence[int]], responses: Sequence[Response]) -> list[list[Response]]:
        """Responses that are scored together: under the same checkpoints, of about one length."""
        before = max((len(ids) for ids in prompts), default=0)
        batches: list[list[Response]] = []
        room = 0
        for response in sorted(responses, key=lambda one: (one.checkpoints, -len(one.ids), one.prompt, one.ids)):
            if room and batches[-1][0].checkpoints == response.checkpoints:
                batches[-1].append(response)
                room -= 1
                continue
            batches.append([response])
            whole = before + len(response.ids)
            fed = len(response.ids) if self.way.prompts else whole
            room = min(self._most_tokens // fed, _CACHED_PER_TOKEN * self._most_tokens // whole) - 1
        return batches

    def _score_batches(
        self, prompts: Sequence[Sequence[int]], batches: dict[int, list[Response]], known: _Known
    ) -> "list[torch.Tensor]":
        """Log-likelihoods of the tokens of each batch, response after response, under the adapter in use."""
        import torch

        with torch.inference_mode():
            cached = self._prefill(prompts, known) if self.way.prompts else None
            return [self._score_batch(prompts, batch, cached, known, number) for number, batch in batches.items()]

    def _prefill(self, prompts: Sequence[Sequence[int]], known: _Known) -> PromptCache:
        pad_id = self._adapted.lm.pad_id
        made = self._through_trunk(known, _PROMPTS, lambda: self._decoder.prefill(prompts, pad_id))
        if known.prompts is None:
            known.prompts = made
        made.cache.layers[: self.way.trunk] = known.prompts.cache.layers[: self.way.trunk]
        return made

    def _score_batch(
        self,
        prompts: Sequence[Sequence[int]],
        batch: Sequence[Response],
        cached: PromptCache | None,
        known: _Known,
        number: int,
    ) -> "torch.Tensor":
        import torch

        device = self._adapted.lm.device
        # what predicts the response: the prompt (its last token where the rest is cached) and all but its own last
        fed = [[*prompts[one.prompt][-1 if cached else 0 :], *one.ids[:-1]] for one in batch]
        longest = max(map(len, fed))
        pad_id = self._adapted.lm.pad_id
        ids_RT = torch.tensor([row + [pad_id] * (longest - len(row)) for row in fed], device=device)
        targets_N = torch.tensor([token for one in batch for token in one.ids], device=device)
        predicting_N = torch.tensor(
            [
                row * longest + position
                for row, one in enumerate(batch)
                for position in range(len(fed[row]) - len(one.ids), len(fed[row]))
            ],
            device=device,
        )

        def states() -> torch.Tensor:
            if cached is None:
                return self._decoder.whole(ids_RT)
            index_R = torch.tensor([one.prompt for one in batch], device=device)
            unused = self.way.trunk if number in known.states else 0
            return self._decoder.after(cached.rows(index_R, unused), ids_RT)

        states_ND = self._through_trunk(known, number, states).flatten(0, 1)[predicting_N]
        return token_logliks(self._head, states_ND, targets_N, self._temperature)

    def _through_trunk(self, known: _Known, key: int, call: Callable[[], _Result]) -> _Result:
        """The call, with the trunk replayed where this batch went through it before, else recorded."""
        if not self._trunk:
            return call()
        if key in known.states:
            with replayed(self._trunk, known.states[key]):
                return call()
        with recorded(self._trunk[-1]) as handed_on:
            result = call()
        known.states.update((key, states) for states in handed_on)  # none for prompts of a single token
        return result


# Which way agrees with plain passes


def checked_likelihoods(
    adapted: "AdaptedModel",
    temperature: float,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    batch_tokens: int | None = None,
) -> tuple[Likelihoods, list[str]]:
    """The fastest way that agrees with plain passes on these sequences (cut short), and why no faster one does.

    responses: one a prompt. Checked under the first and the last checkpoint. Raises InputError where not even
    batches without any sharing agree.
    """
    first_layer = adapted.first_layer() if adapted.checkpoints > 1 else 0
    ways = [
        *([Way(first_layer, prompts=True, head=True)] if first_layer else []),
        Way(0, prompts=True, head=True),
        Way(0, prompts=True, head=False),
        PLAIN,
    ]
    checkpoints = tuple(sorted({0, adapted.checkpoints - 1}))
    cut = [tuple(ids[-_PROBE_PROMPT:]) for ids in prompts]
    tried = [Response(index, tuple(ids[:_PROBE_RESPONSE]), checkpoints) for index, ids in enumerate(responses)]
    truth = {
        (index, k): _plain_logliks(adapted, k, cut[one.prompt], one.ids, temperature)
        for index, one in enumerate(tried)
        for k in checkpoints
    }
    notes = []
    for way in ways:
        try:
            likelihoods = Likelihoods(adapted, temperature, way, batch_tokens)
            worst = max(
                (float(np.abs(loglik_T - truth[index, k]).max(initial=0)), index)
                for index, k, loglik_T in likelihoods.score(cut, tried)
            )[0]
        except (AttributeError, TypeError, ValueError, RuntimeError, NotImplementedError) as error:
            notes.append(f"{_sharing(way)} does not work for {_name(adapted)} ({shown(repr(error))})")
            continue
        if worst <= _TOLERANCE.get(str(adapted.lm.dtype).removeprefix("torch."), _TOLERANCE_HALF):
            return likelihoods, notes
        notes.append(f"{_sharing(way)} is off by {worst:.2g} nats a token for {_name(adapted)}")
    raise InputError(
        f"the likelihoods of {_name(adapted)} depend on what else is in a batch, so that none can be trusted "
        f"({notes[-1]})"
    )


def _plain_logliks(
    adapted: "AdaptedModel", checkpoint: int, prompt: Sequence[int], ids: Sequence[int], temperature: float
) -> TokenArray:
    """The definition: one pass over one sequence, the model's own logits, softmax at the temperature."""
    import torch

    model = adapted.lm.model
    sequence = torch.tensor([[*prompt, *ids]], device=adapted.lm.device)
    with adapted.use(checkpoint), torch.inference_mode():
        logits_TV = wide(model(input_ids=sequence, use_cache=False).logits[0, len(prompt) - 1 : -1])
    loglik_TV = torch.log_softmax(logits_TV / temperature, dim=-1)
    return loglik_TV.gather(1, sequence[0, len(prompt) :, None])[:, 0].double().cpu().numpy()


def _sharing(way: Way) -> str:
    if way.trunk:
        return f"computing the first {way.trunk} layers once for all checkpoints"
    if way.head:
        return "computing logits slice by slice"
    return "sharing a prompt's keys and values" if way.prompts else "scoring in batches"


def _name(adapted: "AdaptedModel") -> str:
    return type(adapted.lm.model).__name__
