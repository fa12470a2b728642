"""Log-likelihoods of sampled tokens under many checkpoints of one model.

What is shared is computed once: a prompt's keys and values for all its responses (per model), the layers below the
first one that any adapter touches (for all models), one pass for all checkpoints that differ in temperature alone,
and a response that was drawn twice. A way of sharing is held against plain passes of single sequences before it is
relied on.

Source: Method, section 1 (cross log-likelihoods). The temperature divides the logits, as it did in sampling.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from probes.errors import InputError
from runs.checkpoints import Checkpoints
from runs.decoder import Decoder, PromptCache, recorded, replayed
from runs.files import shown
from runs.head import head_of, token_logliks, whole_logits, wide
from runs.models import LanguageModel

if TYPE_CHECKING:
    import torch

TokenArray = NDArray[np.float64]
Temperature = float | Sequence[float]
"""What divides the logits: one number for all checkpoints, or one for each."""
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


class Likelihoods:
    """Scores responses under checkpoints of one model, in the way that `checked_likelihoods` chooses."""

    def __init__(self, checkpoints: Checkpoints, temperature: Temperature, way: Way, batch_tokens: int) -> None:
        self.way = way
        self.batch_tokens = batch_tokens
        self._checkpoints = checkpoints
        self._temperature_K = temperature_each(temperature, len(checkpoints))
        self._most_tokens = batch_tokens if way.head else max(1, batch_tokens // _LOGITS_SHARE)

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
        model_K = self._checkpoints.model_K
        for model in sorted({model_K[k] for batch in batches for k in batch[0].checkpoints}):
            under = {
                number: tuple(k for k in batch[0].checkpoints if model_K[k] == model)
                for number, batch in enumerate(batches)
            }
            mine = {number: batches[number] for number, ks in under.items() if ks}
            logliks = self._score_under(prompts, mine, under, known)
            for (number, batch), loglik_KN in zip(mine.items(), logliks, strict=True):
                ends = np.cumsum([len(response.ids) for response in batch])
                for checkpoint, loglik_N in zip(under[number], loglik_KN.double().cpu().numpy(), strict=True):
                    pieces = np.split(loglik_N, ends[:-1])
                    yield from ((one, checkpoint, loglik_T) for one, loglik_T in zip(batch, pieces, strict=True))

    def _score_under(
        self,
        prompts: Sequence[Sequence[int]],
        batches: dict[int, list[Response]],
        under: dict[int, tuple[int, ...]],
        known: "_Known",
    ) -> "list[torch.Tensor]":
        """Each batch under those checkpoints [K, N], which share a model.

        Nothing here outlives the call that would keep a whole model in memory while the next one is loaded.
        """
        temperatures = {number: [self._temperature_K[k] for k in under[number]] for number in batches}
        with self._checkpoints.use(under[next(iter(batches))][0]) as language_model:
            return _Passes(language_model, self.way, known).score(prompts, batches, temperatures)

    def _batches(self, prompts: Sequence[Sequence[int]], responses: Sequence[Response]) -> list[list[Response]]:
        """Responses that are scored together: under the same checkpoints, of about one length."""
        before = max((len(ids) for ids in prompts), default=0)
        batches: list[list[Response]] = []
        room = 0
        for response in sorted(responses, key=lambda one: (one.checkpoints, -len(one.ids), one.prompt, one.ids)):
            if room > 0 and batches[-1][0].checkpoints == response.checkpoints:
                batches[-1].append(response)
                room -= 1
                continue
            batches.append([response])
            whole = before + len(response.ids)
            fed = len(response.ids) if self.way.prompts else whole
            room = min(self._most_tokens // fed, _CACHED_PER_TOKEN * self._most_tokens // whole) - 1
        return batches


@dataclass(eq=False)
class _Known:
    """What the first model of a call has computed for the others. states: of the trunk's end, by batch."""

    states: "dict[int, torch.Tensor]" = field(default_factory=dict)
    prompts: PromptCache | None = None


class _Passes:
    """Forward passes of one model."""

    def __init__(self, language_model: LanguageModel, way: Way, known: _Known) -> None:
        model = language_model.model
        self._device = language_model.device
        self._pad_id = language_model.pad_id
        self._way = way
        self._known = known
        self._decoder = Decoder(model, logits=not way.head)
        self._head = head_of(model) if way.head else whole_logits(language_model.vocabulary_size)
        self._trunk = self._decoder.layers[: way.trunk]

    def score(
        self,
        prompts: Sequence[Sequence[int]],
        batches: dict[int, list[Response]],
        temperatures: dict[int, list[float]],
    ) -> "list[torch.Tensor]":
        """Log-likelihoods of the tokens of each batch, response after response, at its temperatures [K, N]."""
        import torch

        with torch.inference_mode():
            cached = self._prefill(prompts) if self._way.prompts else None
            return [
                self._score_batch(prompts, batch, cached, number, temperatures[number])
                for number, batch in batches.items()
            ]

    def _prefill(self, prompts: Sequence[Sequence[int]]) -> PromptCache:
        made = self._through_trunk(_PROMPTS, lambda: self._decoder.prefill(prompts, self._pad_id))
        if self._known.prompts is None:
            self._known.prompts = made
        made.cache.layers[: self._way.trunk] = self._known.prompts.cache.layers[: self._way.trunk]
        return made

    def _score_batch(
        self,
        prompts: Sequence[Sequence[int]],
        batch: Sequence[Response],
        cached: PromptCache | None,
        number: int,
        temperatures: list[float],
    ) -> "torch.Tensor":
        import torch

        # what predicts the response: the prompt (its last token where the rest is cached) and all but its own last
        fed = [[*prompts[one.prompt][-1 if cached else 0 :], *one.ids[:-1]] for one in batch]
        longest = max(map(len, fed))
        predicting = [
            row * longest + position
            for row, one in enumerate(batch)
            for position in range(len(fed[row]) - len(one.ids), len(fed[row]))
        ]
        ids_RT = self._tensor([row + [self._pad_id] * (longest - len(row)) for row in fed])
        targets_N = self._tensor([token for one in batch for token in one.ids])

        def states() -> torch.Tensor:
            if cached is None:
                return self._decoder.whole(ids_RT)
            unused = self._way.trunk if number in self._known.states else 0
            return self._decoder.after(cached.rows(self._tensor([one.prompt for one in batch]), unused), ids_RT)

        states_ND = self._through_trunk(number, states).flatten(0, 1)[self._tensor(predicting)]
        return token_logliks(self._head, states_ND, targets_N, temperatures)

    def _through_trunk(self, key: int, call: Callable[[], _Result]) -> _Result:
        """The call, with the trunk replayed where this batch went through it before, else recorded."""
        if not self._trunk:
            return call()
        if key in self._known.states:
            with replayed(self._trunk, self._known.states[key]):
                return call()
        with recorded(self._trunk[-1]) as handed_on:
            result = call()
        self._known.states.update((key, states) for states in handed_on)  # none for prompts of a single token
        return result

    def _tensor(self, values: "list[int] | list[list[int]]") -> "torch.Tensor":
        import torch

        return torch.tensor(values, device=self._device)


# Which way agrees with plain passes


def checked_likelihoods(
    checkpoints: Checkpoints,
    temperature: Temperature,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Sequence[int]],
    *,
    share_trunk: bool = True,
    batch_tokens: int | None = None,
) -> tuple[Likelihoods, list[str]]:
    """The fastest way that agrees with plain passes on these sequences (cut short), and why no faster one does.

    responses: one a prompt. Checked under the first and the last checkpoint. Raises InputError where not even
    batches without any sharing agree, or where a likelihood is no number.
    """
    trunk = checkpoints.first_layer if share_trunk and len(set(checkpoints.model_K)) > 1 else 0
    temperature_K = temperature_each(temperature, len(checkpoints))
    ways = [
        *([Way(trunk, prompts=True, head=True)] if trunk else []),
        Way(0, prompts=True, head=True),
        Way(0, prompts=True, head=False),
        PLAIN,
    ]
    under = tuple(sorted({0, len(checkpoints) - 1}))
    cut = [tuple(ids[-_PROBE_PROMPT:]) for ids in prompts]
    tried = [Response(index, tuple(ids[:_PROBE_RESPONSE]), under) for index, ids in enumerate(responses)]
    truth: dict[tuple[int, int], TokenArray] = {}
    for k in under:
        name, device, dtype, logliks = _tried_plainly(checkpoints, k, cut, tried, temperature_K[k])
        require_numbers(np.concatenate(logliks), f"checkpoint {k + 1} of {len(checkpoints)}")
        truth.update(((index, k), loglik_T) for index, loglik_T in enumerate(logliks))
    most_tokens = batch_tokens or BATCH_TOKENS[device]
    tolerance = _TOLERANCE.get(dtype, _TOLERANCE_HALF)
    notes: list[str] = []
    for way in ways:
        likelihoods = Likelihoods(checkpoints, temperature_K, way, most_tokens)
        try:
            found = {(index, k): loglik_T for index, k, loglik_T in likelihoods.score(cut, tried)}
        except (AttributeError, TypeError, ValueError, RuntimeError, NotImplementedError) as error:
            notes.append(f"{name}: {_sharing(way)} does not work ({shown(repr(error))})")
            continue
        off = {key: float(np.abs(found[key] - truth[key]).max(initial=0)) for key in truth}
        worst = np.max(list(off.values()))  # NaN, where one is
        if all(off[key] <= tolerance / min(1, temperature_K[key[1]]) for key in off):  # what divides logits, too
            return likelihoods, notes
        notes.append(f"{name}: {_sharing(way)} is off by {worst:.2g} nats a token")
    raise InputError(
        f"the likelihoods of {name} depend on what else is in a batch, so that none can be trusted ({notes[-1]})"
    )


def require_numbers(loglik_T: TokenArray | float, where: str) -> None:
    """InputError where a log-likelihood is NaN: kept, it would pass for one that was not computed."""
    if np.isnan(loglik_T).any():
        raise InputError(
            f"{where}: the model gives no number there (NaN): its weights, or what its adapter adds, are too large"
        )


def temperature_each(temperature: Temperature, checkpoints: int) -> list[float]:
    """The temperature at each checkpoint. Raises ValueError where there are neither one nor as many."""
    return [float(one) for one in np.broadcast_to(temperature, (checkpoints,))]


def _tried_plainly(
    checkpoints: Checkpoints,
    checkpoint: int,
    prompts: Sequence[Sequence[int]],
    responses: Sequence[Response],
    temperature: float,
) -> tuple[str, str, str, list[TokenArray]]:
    """Architecture, device and precision of the model, and the log-likelihoods of each response."""
    with checkpoints.use(checkpoint) as language_model:
        logliks = [plain_logliks(language_model, prompts[one.prompt], one.ids, temperature) for one in responses]
        dtype = str(language_model.dtype).removeprefix("torch.")
        return type(language_model.model).__name__, language_model.device.type, dtype, logliks


def plain_logliks(
    language_model: LanguageModel, prompt: Sequence[int], ids: Sequence[int], temperature: float
) -> TokenArray:
    """The definition, for a few sequences: one pass over one of them, the model's own logits, log-softmax."""
    import torch

    sequence = torch.tensor([[*prompt, *ids]], device=language_model.device)
    with torch.inference_mode():
        logits = language_model.model(input_ids=sequence, use_cache=False).logits[0, len(prompt) - 1 : -1]
        loglik_TV = torch.log_softmax(wide(logits) / temperature, dim=-1)
    loglik_T: TokenArray = loglik_TV.gather(1, sequence[0, len(prompt) :, None])[:, 0].double().cpu().numpy()
    return loglik_T


def _sharing(way: Way) -> str:
    if way.trunk:
        return f"computing the first {way.trunk} layers once for all checkpoints"
    if way.head:
        return "computing logits slice by slice after a shared prompt"
    return "sharing a prompt's keys and values" if way.prompts else "scoring in batches"
